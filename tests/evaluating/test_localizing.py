"""Heat in boxes, in masks and in the quadrants of a mosaic."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.evaluating.localizing import (
    box_mask,
    box_overlaps,
    energy_lift,
    energy_share,
    held_out_box_accuracy,
    pointing_game,
    quadrant_share,
)


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


HEAT = frozen(np.array([[1.0, 2, 0, -5], [3, 4, 0, 0], [0, 0, 6, np.nan]]))


def test_a_mask_holds_the_pixels_whose_centres_are_in_a_box():
    mask = box_mask(np.array([[1, 0, 3, 2], [2.6, 1.4, 4, 3]]), (3, 4))
    # columns 1 and 2 of rows 0 and 1; column 3 (centre 3.5) of rows 1 (1.5) and 2
    assert mask.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1]]


def test_the_energy_share_by_hand():
    # positive heat 1 + 2 + 3 + 4 + 6 = 16, in the box 2 + 4 = 6; −5 and NaN are no heat
    assert energy_share(HEAT, box_mask(np.array([[1, 0, 2, 2]]), (3, 4))) == 6 / 16
    # 2 of 12 pixels hold 6 / 16 of the heat
    assert energy_lift(HEAT, box_mask(np.array([[1, 0, 2, 2]]), (3, 4))) == pytest.approx(2.25)


def test_an_even_map_has_lift_1_whatever_the_box():
    even = np.full((9, 7), 0.3)
    for box in ([0, 0, 7, 9], [2, 1, 5, 4], [0, 0, 1, 1]):
        assert energy_lift(even, box_mask(np.array([box]), (9, 7))) == pytest.approx(1)


def test_shares_of_the_object_and_the_rest_add_up_to_1():
    heat = np.random.default_rng(0).normal(size=(11, 8))
    inside = np.random.default_rng(1).random((11, 8)) < 0.3
    assert energy_share(heat, inside) + energy_share(heat, ~inside) == pytest.approx(1)


def test_the_energy_share_agrees_with_loops():
    heat = np.random.default_rng(2).normal(size=(6, 9))
    boxes = np.array([[1, 1, 4, 3], [3, 2, 8, 5]])
    within = total = 0.0
    for y in range(6):
        for x in range(9):
            energy = max(heat[y, x], 0)
            total += energy
            if any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in boxes):
                within += energy
    assert energy_share(heat, box_mask(boxes, (6, 9))) == pytest.approx(within / total)


def test_an_empty_map_has_no_share_and_an_empty_object_no_lift():
    nothing, whole = np.zeros((3, 3)), np.ones((3, 3), bool)
    assert np.isnan(energy_share(nothing, whole))
    assert np.isnan(energy_lift(np.ones((3, 3)), ~whole))


def test_a_mask_of_another_size_is_an_error():
    with pytest.raises(OptionError) as caught:
        energy_share(np.ones((3, 4)), np.ones((4, 3), bool))
    assert str(caught.value) == (
        "The heatmap has 3 × 4 pixels and the object's mask 4 × 3. Give both at the photo's size."
    )


def test_overlaps_of_a_maps_boxes_by_hand():
    # a row of 10 pixels; the object is the last four
    steps = np.array([[0.0, 0, 0.2, 0.4, 0.4, 0.6, 0.6, 1, 1, 0.8]])
    truth = np.array([[6, 0, 10, 1]])
    found = box_overlaps(steps, truth, thresholds=np.array([0.1, 0.3, 0.5, 0.7]))
    # boxes from column 2, 3, 5 and 7
    assert found.tolist() == pytest.approx([4 / 8, 4 / 7, 4 / 5, 3 / 4])


def test_any_of_a_photos_boxes_may_be_hit_and_an_empty_map_hits_none():
    heatmap = np.zeros((6, 6))
    heatmap[1:3, 1:3] = 1
    boxes = np.array([[4, 4, 6, 6], [1, 1, 3, 3]])
    assert box_overlaps(heatmap, boxes).max() == 1
    assert box_overlaps(np.zeros((6, 6)), boxes).max() == 0
    assert box_overlaps(heatmap, boxes[:0]).max() == 0


def test_thresholds_are_chosen_on_one_half_and_scored_on_the_other():
    # The boxes of the even photos need a threshold over 0.5, those of the odd ones one below.
    heatmap, thresholds = np.array([[0.5, 0.5, 1.0, 0.5]]), np.array([0.2, 0.7])
    truths = [np.array([[2, 0, 3, 1]]), np.array([[0, 0, 4, 1]])] * 2
    overlaps = np.array([box_overlaps(heatmap, truth, thresholds=thresholds) for truth in truths])
    assert overlaps.tolist() == [[0.25, 1], [1, 0.25], [0.25, 1], [1, 0.25]]
    # With its own half's threshold each photo would be found; with the other half's none is.
    found = held_out_box_accuracy(overlaps, thresholds=thresholds, overlaps=(0.9,))
    assert found.thresholds == ((0.7, 0.2),)
    assert found.accuracies == (0.0,)


def test_photos_that_agree_lose_nothing_and_halves_count_by_their_photos():
    found = held_out_box_accuracy(
        np.array([[1.0], [1.0], [0.0]]), thresholds=np.array([0.5]), overlaps=(0.5,)
    )
    assert found.accuracies == (pytest.approx(2 / 3),)
    assert found.hits.tolist() == [[True, True, False]]
    with pytest.raises(OptionError) as caught:
        held_out_box_accuracy(np.array([[1.0]]), thresholds=np.array([0.5]))
    assert str(caught.value) == "1 photos cannot be halved. Give two or more."


def test_the_pointing_game_by_hand():
    heatmap = np.zeros((40, 60))
    heatmap[10, 50] = 1  # x = 50, y = 10
    inside, beside, far = [48, 5, 60, 20], [30, 0, 45, 20], [0, 0, 20, 20]
    photos = [heatmap] * 4
    boxes = [np.array(one) for one in ([inside], [beside], [far], [far, inside])]
    assert pointing_game(photos, boxes).tolist() == [True, True, False, True]
    assert pointing_game(photos, boxes, tolerance=0).tolist() == [True, False, False, True]
    # x1 = 45 and x = 50: within a tolerance of 6, not of 5, since boxes are half-open
    assert pointing_game([heatmap], [boxes[1]], tolerance=5).tolist() == [False]
    assert pointing_game([heatmap], [boxes[1]], tolerance=6).tolist() == [True]


def test_an_empty_map_points_nowhere():
    whole = np.array([[0, 0, 5, 5]])
    unseen = np.full((5, 5), np.nan)
    assert pointing_game([np.zeros((5, 5)), unseen], [whole, whole]).tolist() == [False, False]


def test_boxes_for_another_number_of_photos_are_an_error():
    with pytest.raises(OptionError) as caught:
        pointing_game([np.zeros((2, 2))], [])
    assert str(caught.value) == (
        "1 heatmaps and the boxes of 0 photos were given. Give one array of boxes (m, 4) for each "
        "heatmap, and at least one."
    )


def test_quadrant_shares_by_hand_and_they_add_up_to_1():
    heat = np.array([[1.0, 0, 2, -9], [0, 1, 0, 0], [0, 0, 0, 4], [0, 0, 0, 0]])
    shares = [quadrant_share(heat, quadrant) for quadrant in range(4)]
    assert shares == [2 / 8, 2 / 8, 0, 4 / 8]
    assert np.isnan(quadrant_share(-heat * (heat > 0), 0))


def test_quadrants_that_do_not_exist_are_errors():
    with pytest.raises(OptionError, match=r"^There is no quadrant 4\. Give 0, 1, 2 or 3"):
        quadrant_share(np.ones((2, 2)), 4)
    with pytest.raises(OptionError) as caught:
        quadrant_share(np.ones((7, 8)), 0)
    assert str(caught.value) == (
        "A map of 7 × 8 has no quadrants of whole cells. Resize it to even sides."
    )
