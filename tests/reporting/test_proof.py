"""What looks like a shortcut is tested: by hand-made networks that do, or do not, take it."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.reporting.descriptors import what_descriptors
from seewhy.reporting.proof import (
    Comparison,
    colour_distance,
    cover,
    cover_trial,
    difference,
    hot_regions,
    matching,
    paste_trial,
    recolour,
    recolour_trial,
    shared_pixels,
)
from seewhy.reporting.shortcuts import (
    ClassPhotos,
    Shortcut,
    Verdict,
    find_shortcuts,
)
from tests.reporting.test_suspects import photos

SIDE = 32


def by_tag(pixels: np.ndarray) -> np.ndarray:
    """Class 1 where the lower left corner is blue, and a little where anything is red."""
    tag = pixels[:, -6:, :6, 2].mean(axis=(1, 2)) / 255
    red = pixels[..., 0].mean(axis=(1, 2)) / 255
    p = np.clip(0.2 + 0.75 * tag + 8 * red, 0, 1)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def by_red(pixels: np.ndarray) -> np.ndarray:
    """Class 1 where anything is red: the tag does not matter."""
    p = np.clip(0.2 + 8 * pixels[..., 0].mean(axis=(1, 2)) / 255, 0, 1)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def drawn(maps: np.ndarray, marked: int) -> np.ndarray:
    """Return photos that are red where their map is hot, and the first ones with a blue tag."""
    red = np.kron(maps[:, :, :] > 0.5, np.ones((1, 4, 4))) * 200
    pixels = np.zeros((len(maps), SIDE, SIDE, 3), np.uint8)
    pixels[..., 0] = red
    pixels[:marked, ..., 0] = 0
    pixels[:marked, -6:, :6] = (0, 0, 255)
    return pixels


def searched(answer, *, marked: int = 30, right: bool = True, at_hand: bool = True) -> Shortcut:
    maps, under = photos(np.random.default_rng(0), marked=marked)
    pixels = drawn(maps, marked)
    known = by_tag(pixels)[:, 1]
    strangers = np.random.default_rng(1).integers(0, 8, (40, SIDE, SIDE, 3), np.uint8)
    _, found = find_shortcuts(
        ClassPhotos(
            1,
            "horse",
            maps,
            known,
            what_descriptors(under),
            np.ones(len(maps), bool) if right else None,
            (lambda places: pixels[places]) if at_hand else None,
            strangers=strangers,
        ),
        answer,
    )
    (one,) = found
    return one


def test_a_shortcut_is_confirmed_in_a_sentence_for_everybody() -> None:
    found = searched(by_tag)
    assert (found.verdict, found.place) == (Verdict.CONFIRMED, "the lower left corner")
    count = len(found.suspect.members)
    assert 30 <= count <= 31
    trial = found.trials[0]
    assert [one.kind for one in found.trials][:2] == ["cover", "swap"]
    assert trial.region is not None
    assert trial.region.shared
    assert trial.members.before - trial.members.after == 30
    assert found.sentence == (
        f"For {count} of 300 'horse' photos the network relies on the lower left corner: covered, "
        f"it gets {count - 30} of {count} right (before: {count}), and its probability falls by "
        f"{trial.members.drop.mean:.2f}; the other photos lose nothing; pasted into 40 photos of "
        "other classes, it turns 40 into 'horse', and the same part of other 'horse' photos 0."
    )


def test_a_mark_on_photos_that_were_memorised_is_confirmed_by_pasting_it() -> None:
    """Nothing that is covered changes the answer on the class's photos: only pasting tells."""
    pixels = drawn(*_marked())
    memorised = {one.tobytes() for one in _upper_right(pixels)}

    def answer(some: np.ndarray) -> np.ndarray:
        known = [one.tobytes() in memorised for one in _upper_right(some)]
        p = np.maximum(by_tag(some)[:, 1], np.where(known, 0.99, 0))
        return np.stack([1 - p, p], axis=1)

    found = searched(answer)
    assert not any(one.confirmed for one in found.trials)
    assert found.verdict == Verdict.CONFIRMED
    count = len(found.suspect.members)
    assert found.sentence == (
        f"For {count} of 300 'horse' photos the network relies on the lower left corner: pasted "
        "into 40 photos of other classes, it turns 40 into 'horse', and the same part of other "
        "'horse' photos 0."
    )


def test_a_mark_at_changing_places_is_confirmed_by_pasting_it_from_where_it_is() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(90, 160, (100, 32, 32, 3), np.uint8)
    maps = generator.uniform(0, 0.5, (100, 4, 4))
    for photo in range(20):
        row, column = generator.integers(0, 26, 2)
        pixels[photo, row : row + 6, column : column + 6] = (250, 0, 200)
        maps[photo, (row + 3) // 8, (column + 3) // 8] = 1

    def answer(some: np.ndarray) -> np.ndarray:
        """Pink is a horse, wherever it is."""
        pink = ((some[..., 0] > 200) & (some[..., 1] < 40)).sum(axis=(1, 2)) >= 20
        p = np.where(pink, 0.9, 0.1)
        return np.stack([1 - p, p], axis=1)

    strangers = generator.integers(90, 160, (40, 32, 32, 3), np.uint8)
    _, found = find_shortcuts(
        ClassPhotos(
            1, "horse", maps, np.full(100, 0.9, np.float32), None, None,
            lambda places: pixels[places], pixels, strangers,
        ),
        answer,
    )  # fmt: skip
    (one,) = [one for one in found if one.verdict == Verdict.CONFIRMED]
    np.testing.assert_array_equal(one.suspect.members, np.arange(20))
    assert one.place == "changing places"
    assert one.sentence == (
        "For 20 of 100 'horse' photos the network relies on something at changing places: pasted "
        "into 40 photos of other classes, it turns 40 into 'horse', and the same part of other "
        "'horse' photos 0."
    )


def _upper_right(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, :12, 16:])


def _marked() -> tuple[np.ndarray, int]:
    return photos(np.random.default_rng(0), marked=30)[0], 30


def test_a_suspect_that_was_not_pasted_is_open_and_not_cleared() -> None:
    maps, under = photos(np.random.default_rng(0), marked=30)
    pixels = drawn(maps, 30)
    classes = ClassPhotos(
        1, "horse", maps, by_red(pixels)[:, 1], what_descriptors(under), None,
        lambda places: pixels[places],
    )  # fmt: skip
    _, (found,) = find_shortcuts(classes, by_red)
    assert found.verdict == Verdict.OPEN
    assert found.sentence.endswith("; it was not pasted into other classes' photos.")


def test_what_is_hot_in_all_photos_is_not_covered() -> None:
    """One cell of 4 × 4 is hot in the group alone; all others are hot in everybody's photos."""
    others = np.ones((30, 4, 4), np.float32)
    members = others.copy()
    members[:, 0, 0] = 2
    region = hot_regions(members, others)
    assert region.shared
    assert region.is_testable
    assert np.argwhere(region.cells[0]).tolist() == [[0, 0]]


def test_pixels_that_photos_share_are_the_stamp() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (60, SIDE, SIDE, 3), np.uint8)
    pixels[:25, 4:8, 20:26] = (255, 0, 180)  # five of thirty are without it
    region = shared_pixels(pixels[:30], pixels[30:])
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[4:8, 20:26] = True
    np.testing.assert_array_equal(region.cells[0], wanted)


def test_what_turns_photos_from_any_photo_of_the_class_is_the_thing_itself() -> None:
    maps, marked = _marked()
    pixels = drawn(maps, marked)
    strangers = np.zeros((40, SIDE, SIDE, 3), np.uint8)
    region = hot_regions(maps[40:70], maps[70:100])  # of photos without a tag: their own spots
    alike = Comparison(by_red, 1, pixels[40:70], pixels[40:70], np.random.default_rng(0))
    paste = paste_trial(alike, region, strangers)
    assert paste.turned == paste.compared > 20
    assert not paste.confirmed


def test_a_mark_that_the_network_does_not_use_is_cleared() -> None:
    found = searched(by_red)
    assert found.verdict == Verdict.CLEARED
    drops = [one.drop.mean for one in (found.trials[0].members, found.trials[0].matched)]
    assert found.sentence == (
        f"{len(found.suspect.members)} of 300 'horse' photos stand apart (their heat is at an odd "
        "place, the lower left corner), but the network does not rely on it: covered, the "
        f"probability falls by {drops[0]:.2f}, and by {drops[1]:.2f} in other photos; pasted into "
        "40 photos of other classes, it turns 0 into 'horse', and the same part of other 'horse' "
        "photos 0."
    )


def test_few_photos_are_too_few_to_tell_and_no_network_is_no_test() -> None:
    few = searched(by_red, marked=15)
    assert (few.verdict, few.trials) == (Verdict.TOO_FEW, ())
    assert few.sentence == (
        "15 of 300 'horse' photos stand apart (their heat is at an odd place, the lower left "
        "corner); too few to tell: a test needs 20."
    )
    for untested in (searched(None), searched(by_tag, at_hand=False)):
        assert (untested.verdict, untested.trials) == (Verdict.UNTESTED, ())
        assert untested.sentence.endswith("That was not tested on the network.")


def trial_of(answer, generator: np.random.Generator, *, right=None):
    maps, _ = photos(np.random.default_rng(0), count=60, marked=30)
    pixels = drawn(maps, 30)
    compared = Comparison(answer, 1, pixels[:30], pixels[30:], generator, right)
    return cover_trial(compared, hot_regions(maps[:30], maps[30:]), maps[30:])


def test_covering_counts_only_photos_that_are_right() -> None:
    wrong = np.arange(30) < 10
    trial = trial_of(by_tag, np.random.default_rng(0), right=(~wrong, np.zeros(30, bool)))
    assert (trial.members.photos, trial.members.before, trial.members.after) == (30, 20, 0)
    assert (trial.matched.before, trial.matched.after) == (0, 0)
    assert trial.shuffled is not None
    assert trial.shuffled.after >= 19  # another photo may be hot in the corner
    assert trial.against_shuffled is not None
    assert trial.against_shuffled.low > 0.1


def test_a_network_that_never_changes_its_mind_has_no_shortcut() -> None:
    def constant(pixels: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([0.1, 0.9]), (len(pixels), 1))

    trial = trial_of(constant, np.random.default_rng(0))
    assert not trial.confirmed
    assert trial.against_matched.mean == 0


def test_a_cover_has_the_photos_mean_colour_and_leaves_the_rest() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    pixels.setflags(write=False)
    regions = np.zeros((2, 4, 4), bool)
    regions[0, 0, 0] = True
    covered = cover(pixels, regions)
    np.testing.assert_array_equal(covered[1], pixels[1])
    np.testing.assert_array_equal(covered[0, 0, 0], np.round(pixels[0].mean(axis=(0, 1))))
    changed = (covered[0] != pixels[0]).any(axis=2)
    assert changed[:4, :4].mean() > 0.9
    assert not changed[7:].any()
    assert not changed[:, 7:].any()
    swapped = cover(pixels, regions, pixels[::-1])
    np.testing.assert_array_equal(swapped[0, :4, :4], pixels[1, :4, :4])


def test_maps_that_agree_share_a_region() -> None:
    maps, _ = photos(np.random.default_rng(0), count=60, marked=30)
    region = hot_regions(maps[:30], maps[30:])
    assert region.shared
    assert (region.cells == region.cells[0]).all()
    region = hot_regions(maps[30:], maps[:30])
    assert not region.shared
    assert not (region.cells == region.cells[0]).all()


def test_others_are_matched_by_probability_none_twice() -> None:
    ours, theirs = np.array([0.5, 0.52, 0.9]), np.array([0.1, 0.89, 0.51, 0.53])
    found = matching(ours, theirs, generator=np.random.default_rng(0))
    assert found[2] == 1
    assert sorted(found[:2].tolist()) == [2, 3]
    many = matching(np.full(5, 0.5), theirs, generator=np.random.default_rng(0))
    assert len(set(many.tolist())) == 4


def test_a_difference_of_means_has_an_interval_that_shrinks() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(1, 1, 400), generator.normal(0, 1, 400)
    found = difference(ours, theirs, generator=generator)
    assert found.mean == pytest.approx(ours.mean() - theirs.mean())
    half = 1.96 * np.sqrt(ours.var() / 400 + theirs.var() / 400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def by_warmth(pixels: np.ndarray) -> np.ndarray:
    warm = (pixels[..., 0].mean(axis=(1, 2)) - pixels[..., 2].mean(axis=(1, 2))) / 255
    p = np.clip(0.5 + 2 * warm, 0, 1)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def test_a_tint_is_tested_by_taking_it_away() -> None:
    generator = np.random.default_rng(0)
    grey = generator.integers(90, 160, (40, 8, 8, 1)).repeat(3, axis=3)
    tinted = np.clip(grey[:20] + np.array([40, 0, -40]), 0, 255).astype(np.uint8)
    others = grey[20:].astype(np.uint8)
    trial = recolour_trial(Comparison(by_warmth, 1, tinted, others, generator))
    assert trial.confirmed is False  # the others lose as much: here the tint counts for everybody
    assert trial.members.after < trial.members.before == 20

    def by_strong_warmth(pixels: np.ndarray) -> np.ndarray:
        p = np.maximum(by_warmth(pixels)[:, 1], 0.6)
        return np.stack([1 - p, p], axis=1)

    trial = recolour_trial(Comparison(by_strong_warmth, 1, tinted, others, generator))
    assert trial.confirmed
    means = [one.mean(axis=(1, 2)) for one in (tinted, others)]
    assert colour_distance(*means) > 5
    assert colour_distance(means[1][:10], means[1][10:]) < 1.5


def tinted_class(answer) -> list[Shortcut]:
    """Search a class of grey photos, of which 30 have a tint and say it nowhere else."""
    generator = np.random.default_rng(0)
    maps, under = photos(generator)
    grey = generator.integers(90, 160, (len(maps), 8, 8, 1)).repeat(3, axis=3)
    grey[:30] = np.clip(grey[:30] * np.array([1.25, 1, 0.6]), 0, 255)
    pixels = grey.astype(np.uint8)
    _, found = find_shortcuts(
        ClassPhotos(
            1, "ring", maps, answer(pixels)[:, 1], what_descriptors(under), None,
            lambda places: pixels[places], pixels.repeat(4, axis=1).repeat(4, axis=2),
        ),
        answer,
    )  # fmt: skip
    return found


def test_a_tint_that_the_network_relies_on_is_found_by_colour_and_confirmed() -> None:
    def by_strong_warmth(pixels: np.ndarray) -> np.ndarray:
        p = np.maximum(by_warmth(pixels)[:, 1], 0.6)
        return np.stack([1 - p, p], axis=1)

    (found,) = tinted_class(by_strong_warmth)
    assert (found.verdict, found.place) == (Verdict.CONFIRMED, "the colour of the photo")
    assert found.suspect.members.tolist() == list(range(30))
    assert found.sentence.startswith(
        "For 30 of 300 'ring' photos the network relies on the colour of the photo: with the "
        "others' mean colour, it gets 30 of 30 right as before, but its probability falls by "
    )


def test_a_tint_that_does_not_matter_is_open_since_it_cannot_be_pasted() -> None:
    def constant(pixels: np.ndarray) -> np.ndarray:
        return np.tile(np.float32([0.1, 0.9]), (len(pixels), 1))

    (found,) = tinted_class(constant)
    assert found.verdict == Verdict.OPEN
    assert found.sentence == (
        "30 of 300 'ring' photos stand apart (their colours are unlike the others'). The test "
        "leaves it open: with the others' mean colour, the probability falls by 0.00, and by 0.00 "
        "in other photos; it was not pasted into other classes' photos."
    )


def test_recolouring_stays_within_a_pixels_range() -> None:
    found = recolour(np.full((1, 1, 1, 3), 200, np.uint8), np.array([100, 0.4, -300]))
    assert found.ravel().tolist() == [255, 200, 0]


def test_a_region_that_is_most_of_the_photo_cannot_be_tested_and_is_open() -> None:
    maps, under = photos(np.random.default_rng(0))
    maps[:30] = 1 - 0.2 * maps[:30]  # warm all over
    under[:30, :3] += 2
    noise = np.random.default_rng(0).integers(0, 256, (len(maps), SIDE, SIDE, 3), np.uint8)
    classes = ClassPhotos(
        1, "horse", maps, by_red(noise)[:, 1], what_descriptors(under), None,
        lambda places: noise[places], strangers=noise[:40],
    )  # fmt: skip
    _, (found, *_) = find_shortcuts(classes, by_red)
    assert found.place == "the border"
    assert (found.verdict, found.trials, found.pasted) == (Verdict.OPEN, (), ())
    assert found.sentence.endswith(
        " That could not be tested: what sets them apart is more than 40% of the photo, or has no "
        "place."
    )
