"""Groups that stand apart are found, and a large cloud has none."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.reporting.clusters import best_groups, kmeans_groups, spectral_groups
from seewhy.reporting.descriptors import what_descriptors
from seewhy.reporting.stamps import roving_groups, stamped_groups
from seewhy.reporting.suspects import find_groups, island_gap, traits_of


def photos(
    generator: np.random.Generator, *, count: int = 300, marked: int = 0, fixed: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return maps with a blob somewhere, and activations of what is under it.

    The first `marked` photos have their blob in the lower left corner, if `fixed`, and another
    direction of activations.
    """
    rows, columns = np.mgrid[:8, :8]
    maps = np.zeros((count, 8, 8))
    for number in range(count):
        y, x = generator.uniform(1, 6, 2)
        if fixed and number < marked:
            y, x = 7, 0
        maps[number] = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2)
    maps += generator.uniform(0, 0.05, maps.shape)
    under = np.abs(generator.normal(1, 0.3, (count, 20))) + 0.2 * generator.uniform(size=(count, 1))
    under[:marked, :3] += 2
    return maps, under.astype(np.float32)


def f1(members: np.ndarray, marked: int) -> float:
    return 2 * float((members < marked).sum()) / (len(members) + marked)


@pytest.mark.parametrize("fixed", [True, False], ids=["one place", "changing places"])
@pytest.mark.parametrize("marked", [20, 40])
def test_marked_photos_are_found(marked: int, fixed: bool) -> None:
    maps, under = photos(np.random.default_rng(0), marked=marked, fixed=fixed)
    found = find_groups(maps, what_descriptors(under))
    assert len(found.suspects) == 1
    assert f1(found.suspects[0].members, marked) >= 0.95
    assert (found.suspects[0].odd > 0.5) == fixed


def test_they_are_found_in_a_sample_of_many_and_then_all_of_them() -> None:
    maps, under = photos(np.random.default_rng(0), count=2600, marked=130)
    (found,) = find_groups(maps, what_descriptors(under)).suspects
    assert f1(found.members, 130) >= 0.95


def test_where_alone_is_enough_for_one_place() -> None:
    maps, _ = photos(np.random.default_rng(0), marked=30)
    found = find_groups(maps).suspects
    assert f1(found[0].members, 30) >= 0.95
    assert found[0].descriptor == "where"


def coloured(generator: np.random.Generator, count: int, *, tinted: int) -> np.ndarray:
    """Return tiny photos, each noise about a colour of its own, of which the first have a tint."""
    grey = generator.uniform(70, 130, (count, 1, 1, 3))
    grey = grey + generator.normal(0, 20, (count, 32, 32, 3))
    grey[:tinted] *= (1.25, 1, 0.6)
    return np.clip(grey, 0, 255).astype(np.uint8)


def test_a_tint_that_is_nowhere_is_found_by_colour() -> None:
    generator = np.random.default_rng(0)
    maps, under = photos(generator)
    features = what_descriptors(under)
    (found,) = find_groups(maps, features, coloured(generator, len(maps), tinted=24)).suspects
    assert (found.descriptor, f1(found.members, 24)) == ("colour", pytest.approx(1, abs=0.05))
    assert find_groups(maps, features, coloured(generator, len(maps), tinted=0)).suspects == ()
    even = np.full((len(maps), 32, 32, 3), 7, np.uint8)
    assert find_groups(maps, features, even).suspects == ()


@pytest.mark.parametrize("mark", ["spot", "line", "frame"])
def test_a_stamp_that_the_maps_do_not_show_is_found_by_its_pixels(mark: str) -> None:
    generator = np.random.default_rng(0)
    maps, under = photos(generator)
    tiny = coloured(generator, len(maps), tinted=0)
    stamped = np.sort(generator.choice(len(maps), 15, replace=False))
    for photo in stamped:
        if mark == "spot":
            tiny[photo, 20:24, 5:9] = (255, 80, 180)
        elif mark == "line":
            tiny[photo, -1] = (250, 250, 250)
        else:
            tiny[photo, [0, -1]] = tiny[photo, :, [0, -1]] = (20, 20, 60)
    found = find_groups(maps, what_descriptors(under), tiny).suspects[0]
    assert (found.descriptor, found.by) == ("pixels", "patches")
    np.testing.assert_array_equal(found.members, stamped)


def test_a_stamp_is_found_in_a_sample_and_then_in_all_photos() -> None:
    generator = np.random.default_rng(0)
    tiny = generator.integers(0, 256, (900, 32, 32, 3), np.uint8)
    tiny[::20, 8:14, 8:14] = (0, 255, 0)
    groups = stamped_groups(tiny, smallest=8, largest=0.2)
    members, room = max(groups, key=lambda one: one[1])
    np.testing.assert_array_equal(np.flatnonzero(members), np.arange(0, 900, 20))
    assert room > 5


def test_plain_ground_is_no_stamp() -> None:
    """Skies of every brightness: each has neighbours, and none stands apart."""
    generator = np.random.default_rng(0)
    sky = np.sort(generator.uniform(100, 250, (300, 1, 1, 1)), axis=0) * (0.7, 0.8, 1)
    tiny = np.clip(sky + generator.normal(0, 2, (300, 32, 32, 3)), 0, 255).astype(np.uint8)
    assert stamped_groups(tiny, smallest=8, largest=0.2) == []


def test_a_stamp_at_changing_places_is_found_where_it_is() -> None:
    """The heat is near it, and elsewhere in the other photos; its pixels are nowhere the same."""
    generator = np.random.default_rng(0)
    tiny = generator.integers(0, 256, (90, 32, 32, 3), np.uint8)
    maps = generator.uniform(0, 0.5, (90, 8, 8))
    where = generator.integers(0, 27, (12, 2))
    for photo, (row, column) in enumerate(where):
        tiny[photo, row : row + 5, column : column + 5] = (250, 220, 40)
        maps[photo, (row + 2) // 4, (column + 2) // 4] = 1
    assert stamped_groups(tiny, smallest=8, largest=0.2) == []
    ((members, room, cells),) = roving_groups(tiny, maps, smallest=8, largest=0.2)
    np.testing.assert_array_equal(np.flatnonzero(members), np.arange(12))
    assert room > 5
    for there, (row, column) in zip(cells, where, strict=True):
        assert there[row : row + 5, column : column + 5].all()
        assert there.sum() <= 7 * 7
    assert list(roving_groups(tiny[12:], maps[12:], smallest=8, largest=0.2)) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_cloud_without_marks_has_no_suspects(seed: int) -> None:
    maps, under = photos(np.random.default_rng(seed))
    assert find_groups(maps, what_descriptors(under)).suspects == ()


def test_few_photos_and_photos_all_alike_have_no_groups() -> None:
    maps, under = photos(np.random.default_rng(0), count=20, marked=5)
    assert find_groups(maps, what_descriptors(under)).suspects == ()
    found = find_groups(np.ones((50, 7, 7)))
    assert (found.suspects, found.parts.max()) == ((), 0)


def test_a_piece_cut_off_a_cloud_has_no_gap_and_an_island_has_one() -> None:
    generator = np.random.default_rng(0)
    cloud = generator.normal(size=(1000, 4))
    assert island_gap(cloud, cloud[:, 0] > 1.8) < 0.5
    cloud[:40, 0] += 9
    assert island_gap(cloud, np.arange(1000) < 40) == pytest.approx(9 - 1.28 - 2.33, abs=0.8)


def test_traits_have_the_variance_1_and_are_fewer_than_photos() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(500, 40)) * np.linspace(1, 0.01, 40)
    np.testing.assert_allclose(traits_of(features).std(axis=0), 1, rtol=1e-4)
    assert traits_of(features).shape == (500, 16)
    assert traits_of(features[:100]).shape == (100, 4)
    assert traits_of(np.ones((50, 3))).shape == (50, 0)


@pytest.mark.parametrize("ways", [kmeans_groups, spectral_groups])
def test_both_ways_find_three_clouds_and_the_silhouette_says_three(ways) -> None:
    generator = np.random.default_rng(0)
    centres = np.array([[0, 0], [9, 0], [0, 9]])
    truth = np.repeat([0, 1, 2], [60, 40, 20])
    points = centres[truth] + generator.normal(size=(120, 2))
    groups = ways(points, counts=range(2, 7))
    assert sorted(groups) == [2, 3, 4, 5, 6]
    best = best_groups(points, groups)
    assert [len(set(best[truth == one].tolist())) for one in range(3)] == [1, 1, 1]
    assert len(set(best.tolist())) == 3


def test_a_spectral_cut_needs_some_photos() -> None:
    assert spectral_groups(np.random.default_rng(0).normal(size=(20, 2)), counts=[2, 8]) == {}
