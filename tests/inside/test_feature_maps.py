"""What channels answer, and which photos excite them, by a network that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, OptionError
from seewhy.inside import FeatureMaps, feature_maps, receptive_field, strongest
from seewhy.inside.feature_maps import stages
from seewhy.inside.receptive_field import ReceptiveFields
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from tests.inside.made_networks import Stack, stack

GREY = Photo(np.full((46, 62, 3), 100, np.uint8), "grey.png")


def noise(seed: int, size: tuple[int, int] = (23, 31)) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return Photo(pixels, f"noise{seed}.png")


def of(maps: np.ndarray) -> FeatureMaps:
    whole = Placement((0.0, 0.0, 62.0, 46.0))
    return FeatureMaps((GREY,), {"conv": maps.astype(np.float32)[None]}, (whole,), "net")


def test_all_layers_come_from_one_pass_and_are_the_networks_answers() -> None:
    classifier, calls = stack(), []
    ask = classifier.network.activations
    classifier.network.activations = lambda images, layers: calls.append(1) or ask(images, layers)
    photo = noise(0)
    found = feature_maps(classifier, [photo, noise(1)], layers=["first", "second"])
    assert len(calls) == 1
    expected = ask(photo.pixels[None].astype(np.float32) / 255, ["first", "second"])
    for layer in ("first", "second"):
        assert found.maps[layer].shape == (2, *expected[layer].shape[1:])
        np.testing.assert_allclose(found.maps[layer][0], expected[layer][0], rtol=1e-5)


def test_without_layers_the_photos_way_is_shown_from_the_first_convolution_on() -> None:
    assert stages(stack()) == ("first", "second")
    assert stages(Classifier(Stack(), layer="first")) == ("first",)
    assert stages(Classifier(Stack(), layer="flat")) == ("first", "whole", "flat")


def test_dead_channels_are_those_that_are_the_same_everywhere() -> None:
    maps = np.zeros((2, 3, 4))
    maps[..., 1] = 5  # the same everywhere
    maps[0, 0, 2] = 1
    maps[0, 0, 3] = 1e-8  # rounding beside 5
    assert of(maps).dead("conv").tolist() == [True, True, False, True]
    assert of(np.array([[[0.0, 2.0]]])).dead("conv").tolist() == [True, False]


def test_strength_is_the_largest_magnitude_and_orders_the_tiles() -> None:
    maps = np.zeros((2, 3, 3))
    maps[1, 2] = [1, -7, 3]
    found = of(maps)
    assert found.strengths("conv").tolist() == [1, 7, 3]
    strongest_only = found.pictures("conv", order="strength", most=1)[0]
    alone = of(maps[..., 1:2])
    red_or_blue = (strongest_only[..., 2].astype(int) - strongest_only[..., 0]).max()
    assert red_or_blue > 60  # a negative answer is blue
    assert alone.strengths("conv").tolist() == [7]


def test_channels_with_the_same_largest_answer_are_ordered_by_their_mean() -> None:
    maps = np.zeros((2, 3, 4))
    maps[0, 0] = 6  # all reach the ceiling of a ReLU6
    maps[1, :, 1], maps[1, :, 2] = 1, 2
    maps[0, 1, 3] = 7
    shown = []
    found = of(maps)
    object.__setattr__(
        found,
        "_cells",
        lambda layer, photo, channels, **_: shown.append(channels) or [("", GREY.pixels)],
    )
    found.pictures("conv", order="strength")
    assert shown[0].tolist() == [3, 2, 1, 0]


def test_a_dead_channel_is_grey_and_a_small_map_is_large_enough_to_see() -> None:
    maps = np.zeros((7, 7, 2))
    maps[0, 0, 1] = 1
    (dead, live) = of(maps)._cells("conv", 0, np.arange(2), over_photo=False)
    assert dead[0] == "0 dead"
    assert (dead[1] == dead[1][0, 0, 0]).all()
    assert not (live[1] == live[1][..., :1]).all()
    (page,) = of(maps).pictures("conv")
    assert (page == dead[1][0, 0]).all(axis=2).sum() == 154 * 154  # 22 pixels for each of 7 × 7


def test_the_repr_fits_five_lines_and_a_notebook_shows_a_page_per_layer() -> None:
    found = feature_maps(stack(), [noise(0)], layers=["first", "second"])
    assert repr(found).splitlines() == [
        "FeatureMaps of noise0.png by stack",
        *(f"  {layer}: {found._summary(layer, 0).partition(': ')[2]}" for layer in found.maps),
    ]
    assert found._repr_html_().count("<img") == 2
    many = FeatureMaps(
        found.photos, {f"l{n}": found.maps["first"] for n in range(9)}, found.placements, "net"
    )
    assert len(repr(many).splitlines()) == 5
    assert repr(many).endswith("... and 6 more")


def test_permuted_channels_are_permuted_tiles() -> None:
    maps = np.random.default_rng(0).normal(size=(5, 7, 6))
    order = np.array([4, 1, 0, 5, 3, 2])
    plain = of(maps)._cells("conv", 0, order, over_photo=False)
    permuted = of(maps[..., order])._cells("conv", 0, np.arange(6), over_photo=False)
    for (_, one), (_, two) in zip(plain, permuted, strict=True):
        np.testing.assert_array_equal(one, two)


def test_many_channels_are_several_pages(tmp_path: Path) -> None:
    found = of(np.random.default_rng(0).uniform(size=(3, 3, 130)))
    assert len(found.pictures("conv")) == 3
    assert len(found.pictures("conv", most=64)) == 1
    files = found.save(tmp_path / "x.png", most=65)
    assert [file.name for file in files] == ["x_conv-1.png", "x_conv-2.png"]
    numbers = np.load(found.save_numbers(tmp_path / "x.npz"))
    assert numbers["conv"].shape == (1, 3, 3, 130)


def test_a_map_over_the_photo_keeps_the_photos_shape() -> None:
    found = of(np.random.default_rng(0).uniform(size=(3, 3, 1)))
    ((_, tile),) = found._cells("conv", 0, np.array([0]), over_photo=True)
    assert tile.shape == (46, 62, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "size"}, "order='size' is unknown. Choose 'index' or 'strength'."),
        ({"most": 0}, "most=0 is not valid. Give a whole number, 1 or more."),
    ],
)
def test_wrong_orders_are_errors(settings: dict, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        of(np.ones((2, 2, 2))).pictures("conv", **settings)
    assert str(caught.value) == message


def test_a_layer_without_maps_is_an_error() -> None:
    for ask in (
        lambda: feature_maps(stack(), GREY, layers=["flat"]),
        lambda: strongest(stack(), GREY, layer="flat", filter=0),
    ):
        with pytest.raises(LayerError) as caught:
            ask()
        assert str(caught.value) == (
            "The layer 'flat' of 'stack' returns 5 numbers, not a map. Choose a layer with a "
            "spatial map, such as 'second'."
        )
    with pytest.raises(OptionError) as wrong:
        feature_maps(stack(), GREY, layers=[])
    assert str(wrong.value) == "layers=[] is empty. Name at least one layer."


# The strongest photos, and receptive fields


def test_receptive_fields_are_those_of_arithmetic() -> None:
    # 'first' is 3 × 3 with stride 2: unit (5, 7) sees rows 10..12; 'second' adds 2 · 2.
    assert receptive_field(stack(), noise(0), layer="first") == (14, 10, 17, 13)
    # unit (4, 6) of 9 × 13: rows 8..14, columns 12..18
    assert receptive_field(stack(), noise(0), layer="second") == (12, 8, 19, 15)


def test_a_layer_that_looks_at_everything_sees_the_whole_photo() -> None:
    assert receptive_field(stack(), noise(0), layer="whole") == (0, 0, 31, 23)


def test_fields_move_with_their_units_by_the_strides() -> None:
    photo = noise(0)
    for layer, side, map_size in (("first", 3, (11, 15)), ("second", 7, (9, 13))):
        fields = ReceptiveFields.of(stack(), photo, layer=layer, map_size=map_size)
        assert fields.strides == (2, 2)
        for row, column in ((0, 0), (2, 9), (map_size[0] - 1, map_size[1] - 1)):
            corner = (2 * column, 2 * row, 2 * column + side, 2 * row + side)
            assert fields.at((row, column)) == corner
            assert receptive_field(stack(), photo, layer=layer, position=(row, column)) == corner


def test_fields_are_clipped_at_the_edges_and_stay_where_they_were_clipped() -> None:
    fields = ReceptiveFields((40, 40, 60, 60), (10, 10), (10, 10), (100, 100))
    assert fields.at((5, 5)) == (40, 40, 60, 60)
    assert fields.at((0, 7)) == (60, 0, 80, 10)
    clipped = ReceptiveFields((0, 40, 60, 100), (10, 10), (10, 10), (100, 100))
    assert clipped.at((3, 9)) == (0, 20, 100, 100)


def test_the_strongest_photo_is_first_with_the_peak_in_its_crop() -> None:
    classifier = stack()
    photos = [noise(seed) for seed in range(12)]
    images = np.stack([photo.pixels for photo in photos]).astype(np.float32) / 255
    maps = classifier.network.activations(images, ["second"])["second"][..., 2]
    found = strongest(classifier, photos, layer="second", filter=2, count=3)
    order = np.argsort(-maps.max(axis=(1, 2)))[:3]
    assert [one.photo.name for one in found.found] == [photos[i].name for i in order]
    for one, index in zip(found.found, order, strict=True):
        assert one.value == pytest.approx(maps[index].max(), rel=1e-5)
        assert maps[index][one.position] == maps[index].max()
        row, column = one.position
        x0, y0, x1, y1 = one.box
        assert (x0, y0, x1, y1) == (2 * column, 2 * row, 2 * column + 7, 2 * row + 7)
        np.testing.assert_array_equal(one.crop, one.photo.pixels[y0:y1, x0:x1])


def test_crops_are_cut_from_the_photos_own_pixels() -> None:
    large = Photo(noise(3).pixels.repeat(10, axis=0).repeat(10, axis=1), "large.png")
    found = strongest(stack(), large, layer="first", filter=1, count=1)
    assert found.found[0].crop.shape == (30, 30, 3)


def test_photos_that_the_filter_does_not_answer_to_are_left_out(tmp_path: Path) -> None:
    black = Photo(np.zeros((23, 31, 3), np.uint8), "black.png")
    found = strongest(stack(), [black, noise(0)], layer="second", filter=2)
    assert [one.photo.name for one in found.found] == ["noise0.png"]
    assert found.save(tmp_path / "s.png") == [tmp_path / "s.png"]
    nothing = strongest(stack(), black, layer="second", filter=2)
    assert nothing.found == ()
    with pytest.raises(OptionError) as caught:
        nothing.picture()
    assert str(caught.value) == (
        "None of the photos excites filter 2 of 'second', so there is nothing to draw. "
        "Give more photos, or another filter."
    )


def test_a_filter_or_count_out_of_range_is_an_error() -> None:
    with pytest.raises(OptionError) as caught:
        strongest(stack(), GREY, layer="second", filter=5)
    assert str(caught.value) == (
        "The layer 'second' has no filter 5. Choose one of its 5 filters: 0 to 4."
    )
    with pytest.raises(OptionError) as caught:
        strongest(stack(), GREY, layer="second", filter=0, count=0)
    assert str(caught.value) == "count=0 is not valid. Give a whole number, 1 or more."
    with pytest.raises(LayerError) as wrong:
        strongest(stack(), GREY, layer="list", filter=0)
    assert str(wrong.value) == (
        "The layer 'list' returns neither a map nor a vector. Choose another layer."
    )
