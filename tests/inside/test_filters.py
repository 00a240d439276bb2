"""Kernels as pictures, where each number is set by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, OptionError, UnknownLayer
from seewhy.inside import Filters, filters
from seewhy.networks.base import Layer
from seewhy.networks.weights import FilterBank
from tests.inside.made_networks import Stack, stack


def of(weights: np.ndarray, **settings: object) -> Filters:
    groups = int(settings.pop("groups", 1))
    kernels = (FilterBank(weights.astype(np.float32), groups=groups),)
    return Filters(kernels, "conv", "net", **settings)


def test_a_filter_of_the_photo_is_in_colour_with_its_own_scale() -> None:
    weights = np.zeros((1, 2, 3, 2))
    weights[0, 0, 0, 0] = 0.5  # red
    weights[0, 1, 2, 1] = -4  # less blue
    (first, one), (second, two) = of(weights, sees_photo=True).tiles()
    assert (first, second) == ("0 ±0.5", "1 ±4")
    assert one.tolist() == [[[255, 128, 128], [128, 128, 128]]]
    assert two.tolist() == [[[128, 128, 128], [128, 128, 0]]]


def test_a_network_that_takes_blue_first_has_its_filters_turned_to_red_first() -> None:
    weights = np.zeros((1, 1, 3, 1))
    weights[0, 0, 0, 0] = 1
    ((_, tile),) = of(weights, sees_photo=True, blue_first=True).tiles()
    assert tile.tolist() == [[[128, 128, 255]]]


def test_a_deeper_filter_shows_its_strongest_inputs_in_the_order_of_their_index() -> None:
    weights = np.zeros((2, 2, 6, 1))
    weights[0, 0, :, 0] = [1, -6, 2, 5, 0, 3]
    tiles = of(weights).tiles()
    assert [caption for caption, _ in tiles] == ["0 ← 1", "0 ← 2", "0 ← 3", "0 ← 5"]
    assert [int(tile[0, 0, 0]) for _, tile in tiles] == [0, 170, 234, 191]
    assert all((tile[1] == 128).all() for _, tile in tiles)


def test_a_depthwise_filter_has_one_input_and_grouped_ones_count_on() -> None:
    depthwise = of(np.arange(1, 19).reshape(3, 3, 1, 2), groups=2)
    assert [caption for caption, _ in depthwise.tiles()] == ["0 ±17", "1 ±18"]
    grouped = of(np.ones((3, 3, 2, 4)), groups=2)
    captions = [caption for caption, _ in grouped.tiles()]
    assert captions == ["0 ← 0", "0 ← 1", "1 ← 0", "1 ← 1", "2 ← 2", "2 ← 3", "3 ← 2", "3 ← 3"]
    doubled = of(np.ones((3, 3, 1, 4)), groups=2)
    assert [caption for caption, _ in doubled.tiles()] == ["0 ±1", "1 ← 0", "2 ← 1", "3 ← 1"]


def test_permuted_filters_are_permuted_tiles() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 3, 3, 5))
    order = [3, 0, 4, 1, 2]
    plain = of(weights, sees_photo=True).tiles()
    permuted = of(weights[..., order], sees_photo=True).tiles()
    for place, origin in enumerate(order):
        np.testing.assert_array_equal(permuted[place][1], plain[origin][1])


def test_filters_of_rounding_are_captioned_dead() -> None:
    weights = np.ones((1, 1, 3, 3))
    weights[..., 1] = 1e-7
    weights[..., 2] = 0
    found = of(weights, sees_photo=True)
    assert found.dead().tolist() == [False, True, True]
    assert [caption for caption, _ in found.tiles()] == ["0 ±1", "1 dead", "2 dead"]


def test_pictures_show_64_filters_or_the_first_that_are_asked_for() -> None:
    weights = np.ones((3, 3, 1, 70))
    assert len(of(weights).tiles()) == 64
    assert len(of(weights, first=70).tiles()) == 70
    assert len(of(weights, first=3).tiles()) == 3


def test_a_1x1_convolution_is_one_matrix(tmp_path: Path) -> None:
    found = of(np.random.default_rng(0).normal(size=(1, 1, 12, 9)))
    (picture,) = found.pictures()
    assert picture.shape[0] > 300
    assert found.save(tmp_path / "f.png") == [tmp_path / "f.png"]


def test_a_separable_convolution_has_two_pictures_and_its_numbers_beside(tmp_path: Path) -> None:
    depthwise = np.random.default_rng(0).normal(size=(3, 3, 1, 4)).astype(np.float32)
    pointwise = np.random.default_rng(1).normal(size=(1, 1, 4, 6)).astype(np.float32)
    found = Filters(
        (FilterBank(depthwise, 4, "depthwise"), FilterBank(pointwise, 1, "pointwise")), "sep", "net"
    )
    files = found.save(tmp_path / "f.png")
    assert files == [tmp_path / "f_depthwise.png", tmp_path / "f_pointwise.png"]
    assert all(file.stat().st_size > 0 for file in files)
    numbers = np.load(found.save_numbers(tmp_path / "f.npz"))
    np.testing.assert_array_equal(numbers["depthwise"], depthwise)
    np.testing.assert_array_equal(numbers["pointwise"], pointwise)


def test_the_first_convolution_is_shown_when_none_is_named() -> None:
    found = filters(stack())
    assert (found.layer, found.sees_photo, found.blue_first) == ("first", True, False)
    assert filters(stack(), layer="second").sees_photo is False
    assert filters(Classifier(Stack(), preprocess="caffe")).blue_first is True


def test_a_layer_without_kernels_and_a_network_without_convolutions_are_errors() -> None:
    with pytest.raises(LayerError) as caught:
        filters(stack(), layer="flat")
    assert str(caught.value) == "'flat' has no kernels."
    bare = Stack()
    bare.layers = (Layer("flat", "Dense", (5,)),)
    with pytest.raises(LayerError) as caught:
        filters(Classifier(bare, layer="flat"))
    assert str(caught.value) == "'stack' has no convolution, so there are no filters to show."
    with pytest.raises(UnknownLayer):
        filters(stack(), layer="third")
    with pytest.raises(OptionError) as wrong:
        filters(stack(), first=0)
    assert str(wrong.value) == "first=0 is not valid. Give a whole number, 1 or more."


def test_the_repr_is_short_and_a_notebook_shows_the_pages() -> None:
    found = of(np.ones((3, 3, 2, 70), np.float32))
    assert repr(found) == "Filters\n  net, conv: 70 filters of 3 × 3 × 2"
    assert found._repr_html_().count("<img") == 1
