"""Mosaics of four photos, and baselines."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.evaluating.baselines import baseline_maps, edge_map, mean_box, random_map
from seewhy.evaluating.mosaics import (
    choose_mosaics,
    heat_in_quadrant,
    mosaic_pixels,
)


def test_a_photo_is_in_one_mosaic_and_classes_differ():
    classes = [0, 0, 0, 1, 1, 2, 2, 3, 4]
    found = choose_mosaics(classes, [0.9, 0.8, 0.7, 0.9, 0.8, 0.9, 0.4, 0.9, 0.9])
    assert len(found) == 2
    photos = [index for one in found for index in one.photos]
    assert len(set(photos)) == 8
    assert 6 not in photos  # not confident
    first, second = found
    assert len({classes[index] for index in first.photos}) == 4
    assert first.unique == (0, 1, 2, 3)
    # The three classes that are left: one of them is there twice, and is not measured.
    kinds = [classes[index] for index in second.photos]
    assert sorted(kinds) == [0, 0, 1, 4]
    assert [kinds[place] for place in second.unique] == [kind for kind in kinds if kind != 0]


def test_one_class_makes_no_mosaic():
    assert choose_mosaics([5] * 8, [0.9] * 8) == []


def test_a_mosaic_has_the_means_of_its_photos_and_odd_sides_work():
    photos = np.stack([np.full((7, 5, 3), 10 * place, np.uint8) for place in range(4)])
    mosaic = mosaic_pixels(photos)
    assert mosaic.shape == (7, 5, 3)
    assert mosaic[:, :, 0].tolist() == [[0, 0, 10, 10, 10]] * 3 + [[20, 20, 30, 30, 30]] * 4


def test_heat_of_odd_maps_is_halved_where_the_middle_is():
    heat = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, -5]])
    # the middle row and column count half for each side: 1 + 1 + 1 + 1 of 15 above and left
    assert heat_in_quadrant(heat, 0) == pytest.approx(4 / 15)
    assert heat_in_quadrant(heat, 3) == pytest.approx(3 / 15)
    assert np.isnan(heat_in_quadrant(-np.abs(heat), 0))


def test_edges_are_where_brightness_changes():
    photo = np.zeros((5, 6, 3), np.uint8)
    photo[:, 3:] = 100
    edges = edge_map(photo)
    # Sobel's column weights 1, 2, 1 times 100, on both sides of the step
    assert edges[2].tolist() == [0, 0, 400, 400, 0, 0]


def test_the_mean_box_agrees_with_loops_over_its_cells():
    boxes = [
        (np.array([[10.0, 0, 60, 40]]), (80, 100)),
        (np.array([[0.0, 0, 10, 10], [5, 5, 30, 20]]), (40, 60)),
    ]
    found = mean_box(boxes)
    expected = np.zeros((56, 56))
    for truth, (height, width) in boxes:
        for row in range(56):
            for column in range(56):
                y, x = (row + 0.5) / 56 * height, (column + 0.5) / 56 * width
                if any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in truth):
                    expected[row, column] += 0.5
    assert np.array_equal(found, expected)
    assert mean_box([(np.zeros((0, 4)), (5, 5))]).max() == 0


def test_random_cells_have_sharp_edges_and_names_choose_the_baselines():
    found = random_map((28, 42), np.random.default_rng(0))
    assert np.array_equal(found[::2, ::3].repeat(2, axis=0).repeat(3, axis=1), found)
    assert len(np.unique(found)) == 14 * 14
    drawn = baseline_maps(
        np.zeros((8, 6, 3), np.uint8), ["(edges)"], generator=np.random.default_rng(0)
    )
    assert list(drawn) == ["(edges)"]
