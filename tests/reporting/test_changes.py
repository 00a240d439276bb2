"""What harmless changes do: the pictures by hand, and networks that rely on what is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import fisher_exact

from seewhy.errors import OptionError
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Photo
from seewhy.reporting.changes import CHANGES, RELIANCES, refitted
from seewhy.reporting.changes import changed as every_change
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import Observations
from seewhy.reporting.proof import Answer
from seewhy.reporting.robustness import (
    ChangeTest,
    balanced_sample,
    drawn_sample,
    result_of,
    try_changes,
    upper_tail,
)
from seewhy.reporting.sentences import on_changes
from seewhy.reporting.shelf import Shelf

SIDE = 24
BY_NAME = {one.name: one for one in CHANGES}
LABELS = ("moss", "sand", "snow")


def changed(name: str, pixels: np.ndarray, fit: Fit | None = None) -> np.ndarray:
    photo = Photo(pixels)
    fit = fit or Fit(pixels.shape[:2])
    pictures = every_change(fit_photo(photo, fit)[0], refitted(photo, fit))
    return dict(zip(BY_NAME, pictures, strict=True))[name]


def noise(height: int = 20, width: int = 30, *, low: int = 60, high: int = 190) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (height, width, 3)).astype(np.uint8)


def test_blurring_takes_away_what_sharpening_adds() -> None:
    pixels = noise(low=100, high=150)
    taken = pixels.astype(int) - changed("blurred", pixels)
    added = changed("sharpened", pixels).astype(int) - pixels
    np.testing.assert_array_equal(taken, added)
    assert changed("blurred", pixels).std() < pixels.std() < changed("sharpened", pixels).std()
    flat = np.full((9, 9, 3), 77, np.uint8)
    np.testing.assert_array_equal(changed("sharpened", flat), flat)


def test_colours_and_light_by_hand() -> None:
    pixels = np.array([[[200, 100, 40], [10, 20, 240]]], np.uint8)
    # Rec. 601: 0.299 R + 0.587 G + 0.114 B
    assert changed("grey", pixels).tolist() == [[[123] * 3, [42] * 3]]
    assert changed("warmer", pixels).tolist() == [[[230, 100, 34], [12, 20, 204]]]
    assert changed("cooler", pixels).tolist() == [[[170, 100, 46], [8, 20, 255]]]
    assert changed("brighter", pixels).tolist() == [[[255, 130, 52], [13, 26, 255]]]
    assert changed("darker", pixels).tolist() == [[[140, 70, 28], [7, 14, 168]]]
    assert changed("mirrored", pixels).tolist() == pixels[:, ::-1].tolist()


def test_halved_colour_keeps_brightness_and_is_what_jpeg_does_to_colour() -> None:
    """A checkerboard of red and blue of one brightness: the mean colour is everywhere."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 0, 255
    pixels[(np.indices((16, 16)).sum(axis=0) % 2).astype(bool)] = (97, 0, 0)
    found = changed("coarser colour", pixels).astype(int)
    assert np.ptp(found[2:-2, 2:-2], axis=(0, 1)).max() <= 8
    grey = np.repeat(noise(16, 16)[..., :1], 3, axis=2)
    np.testing.assert_allclose(changed("coarser colour", grey).astype(int), grey, atol=1)


def test_a_jpeg_with_its_whole_colour_is_another_change_than_one_with_half() -> None:
    pixels = noise(16, 16)
    whole, half = changed("recompressed, 4:4:4", pixels), changed("recompressed", pixels)
    away = [np.abs(one.astype(int) - pixels).mean() for one in (whole, half)]
    assert away[0] < away[1]


def test_a_change_that_gains_is_a_finding() -> None:
    truth = np.repeat([0, 1], 50)
    before = truth.copy()
    before[::4] = 1 - truth[::4]
    gained = compared(before, truth, truth)
    assert gained.helps
    assert not gained.matters
    tested = ChangeTest(np.arange(100), True, before, (gained,), {0: "a", 1: "b"})
    (text,) = [one.text for one in on_changes(tested) if "training photos" in one.text]
    assert text == (
        "In grey, 100% of 100 photos are recognised instead of 75%: the training photos were like "
        "that, and other photos are not."
    )


def test_stretching_keeps_the_middle() -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 3:37] = 200  # the middle 80 % are 4 to 36
    wide = changed("wider", pixels)
    assert wide.shape == pixels.shape
    assert wide.min() == 200
    tall = changed("taller", np.ascontiguousarray(pixels.transpose(1, 0, 2)))
    assert tall.min() == 200
    pixels[:, :5] = 0
    assert changed("wider", pixels)[:, 0].max() < 200


def test_stretching_a_cropped_photo_keeps_the_middle_of_what_the_network_sees() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 21:39] = 200  # the crop is 20 to 40, of which 80 % are 22 to 38
    assert changed("wider", pixels, Fit((20, 20), "crop")).min() == 200
    small = np.full((10, 10, 3), 50, np.uint8)  # the crop is padded beyond the photo
    assert changed("wider", small, Fit((20, 20), "crop", 10)).shape == (20, 20, 3)


def test_another_filter_is_one_that_is_not_the_fits() -> None:
    pixels = noise()
    for name, other in (("bilinear", "box"), ("box", "bilinear"), ("lanczos", "box")):
        expected = fit_photo(Photo(pixels), Fit((12, 17), interpolation=other))[0]
        found = changed("resampled", pixels, Fit((12, 17), interpolation=name))
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(changed("resampled", pixels), pixels)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.name)
def test_a_change_keeps_size_and_type_and_what_it_was_given(change) -> None:
    pixels = noise()
    pixels.setflags(write=False)
    found = changed(change.name, pixels)
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    assert change.kind in RELIANCES
    assert np.abs(found.astype(int) - pixels).mean() < 60


def test_a_sample_is_drawn_evenly_from_the_classes() -> None:
    classes = np.repeat([0, 1, 2], [100, 10, 3])
    found = balanced_sample(classes, 18, generator=np.random.default_rng(0))
    assert np.bincount(classes[found]).tolist() == [8, 7, 3] or np.bincount(
        classes[found]
    ).tolist() == [7, 8, 3]
    assert (np.diff(found) > 0).all()
    other = balanced_sample(classes, 18, generator=np.random.default_rng(1))
    assert found.tolist() != other.tolist()
    everything = balanced_sample(classes, 500, generator=np.random.default_rng(0))
    assert everything.tolist() == list(range(113))


@pytest.mark.parametrize(("gone", "own", "lost", "right"), [(8, 10, 12, 60), (3, 5, 3, 40)])
def test_the_chance_is_fishers(gone: int, own: int, lost: int, right: int) -> None:
    table = [[gone, own - gone], [lost - gone, right - own - (lost - gone)]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert upper_tail(gone, own, lost, right) == pytest.approx(expected)
    assert upper_tail(0, own, lost, right) == 1


# --- networks that read one thing ------------------------------------------------------------


def two_levels(value: np.ndarray, edges: tuple[float, float]) -> np.ndarray:
    """Return probabilities: class 0 below both edges, 1 between them, 2 above."""
    index = np.digitize(value, edges)
    return (0.1 + 0.7 * np.eye(3)[index]).astype(np.float32)


def by_sharpness(pixels: np.ndarray) -> np.ndarray:
    """Read the contrast of neighbours: 'moss' is smooth, 'snow' is rough."""
    across = np.abs(np.diff(pixels.astype(np.float32), axis=2)).mean(axis=(1, 2, 3))
    return two_levels(across, (14.0, 21.0))


def by_redness(pixels: np.ndarray) -> np.ndarray:
    """Read red − blue: 'moss' is blue, 'snow' is red; grey is 'sand'."""
    means = pixels.astype(np.float32).mean(axis=(1, 2))
    return two_levels(means[:, 0] - means[:, 2], (-40.0, 40.0))


def by_shape(pixels: np.ndarray) -> np.ndarray:
    """Read how much of the middle is brighter than the edge: no change matters."""
    means = pixels.astype(np.float32).mean(axis=3)
    middle = means[:, 8:16, 8:16].mean(axis=(1, 2))
    edge = np.concatenate([means[:, :3], means[:, -3:]], axis=1).mean(axis=(1, 2))
    return two_levels(middle / edge, (0.8, 1.25))


def drawn(label: int, generator: np.random.Generator) -> np.ndarray:
    """Return a photo whose roughness, colour and middle all tell its class."""
    pixels = np.full((SIDE, SIDE, 3), 120.0)
    pixels[8:16, 8:16] *= (0.5, 1.0, 1.6)[label]
    pixels += (0, 0, 0) if label == 1 else (30 * (label - 1), 0, 30 * (1 - label))
    pixels += generator.normal(0, (7, 17, 30)[label], pixels.shape[:2])[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    root = tmp_path_factory.mktemp("ground")
    generator = np.random.default_rng(0)
    paths = []
    for number in range(90):
        paths.append(str(root / f"{number:03}.png"))
        Image.fromarray(drawn(number % 3, generator)).save(paths[-1])
    return Gallery(paths, Fit((SIDE, SIDE)))


def observed(gallery: Gallery, answer: Answer, *, labelled: bool = True) -> Observations:
    count = len(gallery.paths)
    p = answer(gallery.fitted(np.arange(count)))
    return Observations(
        paths=tuple(gallery.paths),
        true=np.arange(count) % 3 if labelled else np.full(count, -1),
        found=p.argmax(axis=1),
        p_found=p.max(axis=1),
        p_true=p[np.arange(count), np.arange(count) % 3],
        maps=np.ones((count, 4, 4), np.float32),
        names=dict(enumerate(LABELS)),
        sizes=np.full((count, 2), SIDE),
    )


def sampled(paths: Sequence[str], count: int = 300, *, seed: int = 0) -> list[str]:
    return drawn_sample(paths, np.arange(len(paths)) % 3, count, seed=seed)


def tried(gallery: Gallery, answer: Answer, **given) -> ChangeTest:
    labelled = given.pop("labelled", True)
    seen = observed(gallery, answer, labelled=labelled)
    sample = sampled(gallery.paths, given.pop("count", 300), seed=given.get("seed", 0))
    shown = replace(gallery, shelf=Shelf(sample))
    found = try_changes(seen, shown, answer, LABELS.__getitem__, **given)
    assert found is not None
    return found


def test_a_network_that_reads_sharpness_is_found_out(gallery: Gallery) -> None:
    found = tried(gallery, by_sharpness)
    results = {one.change.name: one for one in found.results}
    assert results["sharpened"].before == 90
    minded = {name for name, one in results.items() if one.matters}
    assert {"blurred", "sharpened"} <= minded
    assert not minded & {"mirrored", "warmer", "cooler", "grey"}
    assert "resampled" not in results  # photos have the network's size: nothing is resized
    blurred = results["blurred"]
    assert blurred.taken_for[0][0] == 0
    assert blurred.loss.mean == pytest.approx((blurred.before - blurred.after) / 90)
    assert blurred.loss.low <= blurred.loss.mean <= blurred.loss.high
    first = on_changes(found)[0]
    assert (first.tone, first.section) == ("bad", "changes")
    worst = max(
        (one for one in found.results if one.change.kind == "sharpness"),
        key=lambda one: one.loss.mean,
    )
    start = f"{worst.change.clause}, {worst.after / 90:.0%} of 90 photos are recognised instead of"
    texts = [one.text for one in on_changes(found)]
    (text,) = [one for one in texts if "how sharp a photo is" in one]
    assert text.startswith(f"{start} 100% (")
    assert "): the network relies on how sharp a photo is." in text


def test_a_network_that_reads_colour_is_found_out_and_where_lost_photos_go(
    gallery: Gallery,
) -> None:
    found = tried(gallery, by_redness)
    results = {one.change.name: one for one in found.results}
    assert {name for name, one in results.items() if one.matters} >= {"grey"}
    assert results["grey"].after == 30  # all is sand
    assert results["grey"].taken_for == ((1, 60),)
    assert not results["mirrored"].matters
    assert not results["blurred"].matters
    (text,) = [one.text for one in on_changes(found) if "the network relies on colour" in one.text]
    assert text.startswith("In grey, 33% of 90 photos are recognised instead of 100%")
    assert text.endswith(
        "the network relies on colour. Most of the lost ones are taken for 'sand'."
    )


def test_a_network_that_reads_the_shape_has_no_finding(gallery: Gallery) -> None:
    found = tried(gallery, by_shape)
    assert not any(one.matters or one.classes for one in found.results)
    (only,) = on_changes(found)
    assert only.tone == "plain"
    assert only.text.startswith("Over all classes, none of 13 harmless changes costs more than 5% ")
    assert only.text.endswith("of 90 photos are recognised instead of 100%.")


def test_without_labels_a_photo_keeps_its_class_or_does_not(gallery: Gallery) -> None:
    found = tried(gallery, by_redness, labelled=False)
    assert not found.labelled
    (first, *_) = on_changes(found)
    assert first.text.startswith("In grey, 33% of 90 photos keep their class")


def test_a_sample_is_seeded_and_as_large_as_was_asked_for(gallery: Gallery) -> None:
    calls: list[tuple[int, int]] = []
    found = tried(gallery, by_redness, count=30, progress=lambda *call: calls.append(call))
    assert np.bincount(found.photos % 3).tolist() == [10, 10, 10]
    assert calls == [(done * 15, 30 * 15) for done in (8, 16, 24, 30)]
    again, other = (tried(gallery, by_redness, count=30, seed=seed) for seed in (0, 1))
    assert again.photos.tolist() == found.photos.tolist() != other.photos.tolist()


def test_few_photos_and_photos_that_are_gone_are_not_tried(gallery: Gallery) -> None:
    seen = observed(gallery, by_redness)
    label = LABELS.__getitem__
    small = replace(gallery, shelf=Shelf(sampled(gallery.paths, 19)))
    assert try_changes(seen, small, by_redness, label) is None
    paths = [f"{path}-gone" if n < 60 else path for n, path in enumerate(gallery.paths)]
    some = replace(seen, paths=tuple(paths))
    there = try_changes(some, Gallery(paths, gallery.fit, Shelf(sampled(paths))), by_redness, label)
    assert there is not None
    assert there.photos.tolist() == list(range(60, 90))
    paths = [f"{path}-gone" for path in paths]
    gone = Gallery(paths, gallery.fit, Shelf(sampled(paths)))
    assert try_changes(replace(seen, paths=tuple(paths)), gone, by_redness, label) is None


def compared(before: np.ndarray, after: np.ndarray, truth: np.ndarray):
    return result_of(
        BY_NAME["grey"], truth, before, after, {0: "cow", 1: "cat", 2: "dog"},
        generator=np.random.default_rng(0),
    )  # fmt: skip


def test_a_class_that_loses_much_more_than_the_others_is_named() -> None:
    truth = np.repeat([0, 1, 2], 16)
    before = truth.copy()
    before[:3] = 1  # three cows were wrong before
    after = before.copy()
    after[5:16] = 2  # of 13 cows 11 are lost
    after[20] = 2
    found = compared(before, after, truth)
    assert (found.before, found.after) == (45, 33)
    assert found.loss.mean == pytest.approx(12 / 48)
    assert found.taken_for == ((2, 12),)
    (cow,) = found.classes
    assert (cow.name, cow.photos, cow.before, cow.after) == ("cow", 16, 13, 2)
    assert cow.others == pytest.approx(1 / 32)
    assert cow.chance == pytest.approx(
        sum(math.comb(13, k) * math.comb(32, 12 - k) for k in (11, 12)) / math.comb(45, 12)
    )
    texts = [one.text for one in on_changes(ChangeTest(truth, True, before, (found,), {2: "dog"}))]
    assert texts == [
        "In grey, 69% of 48 photos are recognised instead of 94%: the network relies on colour. "
        "Most of the lost ones are taken for 'dog'.",
        "In grey, 2 of 16 'cow' photos are recognised instead of 13; the other classes lose 3% of "
        "theirs.",
    ]


def test_classes_that_lose_alike_are_not_named_and_gains_count() -> None:
    truth = np.repeat([0, 1, 2], 16)
    after = truth.copy()
    after[::3] = (truth[::3] + 1) % 3
    assert compared(truth, after, truth).classes == ()
    wrong = (truth + 1) % 3
    gained = compared(wrong, truth, truth)
    assert (gained.loss.mean, gained.lost.size) == (-1.0, 0)
    assert not gained.matters


@pytest.mark.parametrize("seed", range(20))
def test_answers_that_change_by_chance_alone_are_no_finding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(10), 30)
    before, after = truth.copy(), truth.copy()
    for answers in (before, after):
        wrong = generator.uniform(size=300) < 0.2
        answers[wrong] = generator.integers(0, 10, wrong.sum())
    names = dict(enumerate("abcdefghij"))
    found = result_of(CHANGES[0], truth, before, after, names, generator=generator)
    assert not found.matters
    assert found.classes == ()


def test_a_negative_count_is_refused(tmp_path: Path) -> None:
    import seewhy
    from tests.reporting.made import cheating_classifier

    with pytest.raises(OptionError) as caught:
        seewhy.report(tmp_path, cheating_classifier(), changes=-1)
    assert str(caught.value) == "changes=-1 is not valid. Give a whole number, 0 or more."
