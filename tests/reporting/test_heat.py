"""Where heat is, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.reporting.heat import (
    border_heat,
    hot_region,
    mean_heat,
    mean_map,
    outside_boxes,
    outside_mask,
    place_of,
)


def spot(rows: slice, columns: slice, size: int = 8) -> np.ndarray:
    region = np.zeros((size, size), bool)
    region[rows, columns] = True
    return region


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (spot(slice(6, 8), slice(0, 2)), "the lower left corner"),
        (spot(slice(0, 2), slice(6, 8)), "the upper right corner"),
        (spot(slice(3, 5), slice(3, 5)), "the centre"),
        (spot(slice(0, 1), slice(2, 6)), "the upper edge"),
        (spot(slice(2, 6), slice(7, 8)), "the right edge"),
        (spot(slice(5, 7), slice(3, 5)), "the lower part"),
        (~spot(slice(1, 7), slice(1, 7)), "the border"),
        (~spot(slice(1, 6), slice(0, 8)), "the upper and lower edges"),
        (~spot(slice(0, 8), slice(1, 7)), "the left and right edges"),
        (spot(slice(0, 8), slice(0, 8)), "the whole photo"),
        (spot(slice(0, 0), slice(0, 0)), "nowhere"),
    ],
)
def test_places_are_said_in_words(region: np.ndarray, words: str) -> None:
    assert place_of(region) == words


def test_maps_weigh_alike_in_their_mean_and_what_is_negative_counts_for_nothing() -> None:
    maps = np.array([[[100.0, 0], [0, -50]], [[0, 1.0], [1, 0]], [[0, 0], [0, -1.0]]], np.float32)
    np.testing.assert_allclose(mean_map(maps), np.array([[1, 0.5], [0.5, 0]]) / 3)


def test_a_cell_that_is_the_strongest_in_every_photo_raises_an_alarm() -> None:
    generator = np.random.default_rng(0)
    maps = generator.uniform(0, 1, (40, 7, 7))
    assert mean_heat(maps).alarm == ""
    maps[:20, 6, 0] = 2
    maps[20:, 6, 0] = 0
    found = mean_heat(maps)
    assert (found.cell, found.cell_share) == ((6, 0), 0.5)
    assert found.alarm == (
        "In 50% of the photos the strongest cell is the same: the lower left corner."
    )


def test_the_middle_raises_no_alarm_and_neither_do_few_photos() -> None:
    maps = np.zeros((40, 7, 7))
    maps[:, 3, 3] = 1
    assert mean_heat(maps).alarm == ""
    maps[:, 6, 0] = 2
    assert mean_heat(maps[:9]).alarm == ""
    assert mean_heat(maps[:10]).alarm != ""


def test_heat_in_the_border_ring_raises_an_alarm() -> None:
    maps = np.random.default_rng(0).uniform(0.9, 1, (30, 10, 10))
    maps[:, 1:-1, 1:-1] *= 0.2
    found = mean_heat(maps)
    assert found.border == pytest.approx(36 / (36 + 64 * 0.2), abs=0.01)
    assert found.alarm == "74% of the heat is in the border ring (an even map has 36%)."


def test_border_heat_of_an_empty_map_is_not_a_number() -> None:
    maps = np.stack([np.ones((10, 10)), np.zeros((10, 10))])
    np.testing.assert_allclose(border_heat(maps), [0.36, np.nan])


def test_heat_outside_boxes_counts_parts_of_cells() -> None:
    even = np.ones((4, 4))
    quarter = np.array([[0, 0, 0.5, 0.5]])
    assert outside_boxes(even, quarter) == pytest.approx(0.75)
    assert outside_boxes(even, np.array([[0, 0, 0.125, 1]])) == pytest.approx(0.875)
    twice = np.concatenate([quarter, quarter])
    assert outside_boxes(even, twice) == pytest.approx(0.75)
    assert np.isnan(outside_boxes(np.zeros((4, 4)), quarter))


def test_heat_outside_a_mask_is_that_outside_the_same_box() -> None:
    heatmap = np.random.default_rng(0).uniform(-0.2, 1, (4, 4))
    mask = np.zeros((64, 32), bool)
    mask[8:40, 4:30] = True
    share = outside_boxes(heatmap, np.array([[4 / 32, 8 / 64, 30 / 32, 40 / 64]]))
    assert outside_mask(heatmap, mask, (0, 0, 32, 64)) == pytest.approx(share)
    assert outside_mask(heatmap, np.ones((9, 9), bool), (0, 0, 9, 9)) == 0
    assert np.isnan(outside_mask(np.zeros((4, 4)), mask, (0, 0, 32, 64)))


def test_beyond_the_photo_there_is_no_object() -> None:
    # The map covers 8 x 8 pixels, of which the photo is the 4 x 8 in the middle.
    assert outside_mask(np.ones((4, 4)), np.ones((4, 8), bool), (0, -2, 8, 6)) == 0.5


def test_the_hot_region_reaches_a_share_of_the_peak() -> None:
    heatmap = np.array([[4.0, 2, 1], [0, -1, np.nan]])
    np.testing.assert_array_equal(hot_region(heatmap), [[1, 1, 0], [0, 0, 0]])
    assert not hot_region(np.zeros((2, 2))).any()
