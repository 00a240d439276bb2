"""Pictures of explanations: what is laid over the photo, what is not, and on which scale."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.explaining.drawing import (
    _colour_bars,
    draw_colours,
    draw_methods,
    draw_photo,
    draw_targets,
    shown_targets,
)
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.provenance import Provenance
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.methods import METHODS
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.rendering.palettes import palette_of
from seewhy.rendering.style import Style

GREY = Photo(np.full((60, 80, 3), 100, np.uint8), "grey.png")
CAT = Prediction("cat", 0, 0.97, 4.0, 1)
DOG = Prediction("dog", 1, 0.02, 0.5, 2)


def of(maps: np.ndarray, method: str = "grad-cam", **facts: object) -> Explanation:
    """An explanation made by hand, of a method in the table."""
    targets = (CAT, DOG)[: len(maps)]
    return Explanation(
        photos=(GREY,),
        maps=maps.astype(np.float32)[None],
        targets=(targets,),
        predictions=(targets,),
        placements=(Placement((0, 0, 80, 60)),),
        row=METHODS.get(method) or dataclasses.replace(METHODS["grad-cam"], name=method),
        layer="conv",
        model="models/net.keras",
        **facts,  # type: ignore[arg-type]
    )


def hot(peak: float) -> np.ndarray:
    maps = np.zeros((6, 8))
    maps[2, 3] = peak
    return maps


def test_on_one_scale_a_weak_class_does_not_glow_like_a_strong_one() -> None:
    found = of(np.stack([hot(10), hot(1)]))
    assert found.heatmap(0, 1).max() == 1
    assert found.heatmap(0, 1, scale="photo").max() == pytest.approx(0.1)
    assert found.heatmap(0, 0, scale="photo").max() == 1
    own, alike = (draw_targets(found, 0, Style(scale=scale))[1] for scale in ("each", "photo"))
    row, column = np.unravel_index(found.heatmap(0, 1).argmax(), (60, 80))
    assert own[row, column, 0] > own[row, column, 2] + 50  # red
    assert np.ptp(alike[row, column].astype(int)) < 20  # next to nothing over the grey photo
    strong = [draw_targets(found, 0, Style(scale=scale))[0] for scale in ("each", "photo")]
    np.testing.assert_array_equal(*strong)


def test_maps_that_are_all_empty_stay_empty_on_one_scale() -> None:
    found = of(np.zeros((2, 6, 8)))
    assert found.heatmap(0, 0, scale="photo").max() == 0
    assert found.caption() == "cat (0)\n0.97, empty map"


def test_a_map_from_its_minimum_is_empty_only_where_it_is_constant() -> None:
    # RISE of a class with a negative score: every value is negative, and the picture shows heat
    found = of(np.stack([hot(2) - 3, np.full((6, 8), -3)]), "rise")
    assert found.empty.tolist() == [[False, True]]
    assert found.heatmap(0, 0).max() == 1
    assert found.caption() == "cat (0)\n0.97, peak −1"
    assert found.title() == "cat 0.97"
    assert found.title(0, 1) == "dog 0.02 (empty map)"


def test_pixel_level_maps_are_drawn_on_grey_without_the_photo() -> None:
    maps = np.zeros((1, 60, 80))
    maps[0, 10, :40], maps[0, 40, :40] = 1, -1
    found = of(maps, "integrated-gradients")
    (picture,) = draw_targets(found, 0, Style(percentile=99.9))
    other = Photo(255 - GREY.pixels, "other.png")
    moved = Explanation(**{**vars(found), "photos": (other,)})
    np.testing.assert_array_equal(draw_targets(moved, 0, Style(percentile=99.9))[0], picture)
    zero = picture[30, 70].astype(int)
    assert np.ptp(zero) <= 3
    assert picture[10, 20, 0] > picture[10, 20, 2] + 100  # red for
    assert picture[40, 20, 2] > picture[40, 20, 0] + 100  # blue against
    assert found.peak_text(style=Style(percentile=99.9)) == "±1 (99.9 %)"


def test_pixel_level_maps_share_one_scale_when_asked() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 60, 80)) * np.array([10, 1])[:, None, None]
    found = of(maps, "gradient-x-input")
    spread = {
        scale: draw_targets(found, 0, Style(scale=scale))[1].astype(int).std()
        for scale in ("each", "photo")
    }
    assert spread["photo"] < 0.5 * spread["each"]


def test_the_title_says_where_the_colours_end_after_smoothing() -> None:
    maps = np.zeros((1, 60, 80))
    maps[0, 30, 40] = 1
    found = of(maps, "integrated-gradients")
    sharp, soft = (found.peak_text(style=Style(smooth=one, percentile=100)) for one in (0, 2))
    assert sharp == "±1 (100 %)"
    assert soft == "±0.04 (100 %)"  # 1 / (2 π · 2²)


def test_guided_methods_are_drawn_in_colour_too_red_first() -> None:
    gradients = np.zeros((1, 60, 80, 3), np.float32)
    gradients[..., 0] = 1
    guided = functools.partial(of, method="guided-backpropagation")
    facts = {"extras": ({"gradients": gradients},)}
    caffe = Provenance({"preprocess": "caffe"}, None)
    maps = gradients.sum(axis=-1)
    (red,) = draw_colours(guided(maps, **facts), 0, Style())
    assert red[30, 40].tolist() == [255, 128, 128]
    (blue,) = draw_colours(guided(maps, provenance=caffe, **facts), 0, Style())
    assert blue[30, 40].tolist() == [128, 128, 255]
    assert draw_colours(guided(maps), 0, Style()) == []
    page, plain = (
        draw_photo(one, 0, Style(columns=1)) for one in (guided(maps, **facts), guided(maps))
    )
    assert page.shape[0] > plain.shape[0] + 60


def test_negative_drops_are_shown_and_the_photo_shows_between() -> None:
    maps = np.zeros((1, 6, 8))
    maps[0, 1, 1], maps[0, 4, 6] = 1, -2
    found = of(maps, "occlusion")
    (picture,) = draw_targets(found, 0, Style())
    assert picture[15, 15, 0] > picture[15, 15, 2]
    assert picture[45, 65, 2] > 3 * int(picture[45, 65, 0])  # the colour map ends in a dark blue
    assert picture[45, 15].tolist() == [100, 100, 100]
    assert found.caption() == "cat (0)\n0.97, −2 to 1"


@pytest.mark.parametrize("style", [Style(), Style(scale="photo", colormap="viridis", opacity=0.6)])
@pytest.mark.parametrize("box", [(0.0, 0.0, 360.0, 270.0), (45.0, 0.0, 315.0, 270.0)])
def test_a_page_shows_the_overlays_as_they_are(style: Style, box: tuple[float, ...]) -> None:
    generator = np.random.default_rng(0)
    photo = Photo(generator.integers(0, 256, (270, 360, 3), np.uint8), "noise.png")
    found = dataclasses.replace(
        of(generator.normal(size=(2, 7, 7)) * np.array([9, 1])[:, None, None]),
        photos=(photo,),
        placements=(Placement(box),),
    )
    page = draw_photo(found, 0, style).astype(int)
    gap = 15
    rows = (page[:, gap : gap + 360] == photo.pixels[0]).all(axis=(1, 2))
    (below,) = np.flatnonzero(rows)
    for place, picture in enumerate([photo.pixels, *draw_targets(found, 0, style)]):
        left = gap + place * (360 + gap)
        cell = page[below : below + 270, left : left + 360]
        assert (np.abs(cell - picture) <= 2).mean() > 0.99  # the rest: one level of heat
        assert np.abs(cell - picture).max() <= 8


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("hole", [False, True])
def test_the_peaks_in_json_are_those_of_the_pictures(signed: bool, hole: bool) -> None:
    maps = np.stack([hot(3), -hot(2)])
    maps[0, 5, 7], maps[0, 0, 0] = -7, np.nan if hole else 0
    found = of(maps, "occlusion" if signed else "grad-cam")
    (row,) = found.as_dict()
    places = [found.peak_at(0, target) for target in range(2)]
    assert [one["peak_at"] for one in row["targets"]] == places
    assert (places[1] is None) == (not signed)
    assert (places[0] == (75, 55)) == signed


def test_captions_have_the_index_and_the_peak() -> None:
    found = of(np.stack([hot(12.345), hot(1)]))
    assert found.caption(0, 1) == "dog (1)\n0.02, peak 1"
    assert found.caption(0, 0) == "cat (0)\n0.97, peak 12.3"
    assert found.title() == "cat 0.97"


def test_the_page_of_many_methods_starts_with_the_photo_and_wraps() -> None:
    for count in (1, 2):
        many = [of(np.stack([hot(1)] * count), f"method-{n}") for n in range(19)]
        page = draw_methods(many, 0, Style())
        assert 0.6 < page.shape[1] / page.shape[0] < 2.6
        bare = (page == 100).all(axis=2)
        first = np.argwhere(bare)
        assert first[:, 0].min() < 100
        narrow = draw_methods(many, 0, Style(columns=2))
        assert narrow.shape[1] < page.shape[1]


def test_an_explanation_shows_itself_in_five_lines_and_in_a_notebook() -> None:
    found = of(np.stack([hot(1)] * 2))
    assert repr(found).splitlines() == [
        "Explanation(grad-cam of net.keras, layer conv)",
        "  grey.png: cat 0.97, dog 0.02",
    ]
    html = found._repr_html_()
    assert html.count("<img") == 1
    assert "cat 0.97" in html


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        Style(scale="all")
    assert str(caught.value) == "scale='all' is not valid. Give one of each, photo."
    with pytest.raises(OptionError):
        of(hot(1)[None]).heatmap(scale="all")


def test_a_page_leaves_out_unlikely_classes_unless_they_were_asked_for() -> None:
    unlikely = dataclasses.replace(DOG, probability=0.004)
    found = dataclasses.replace(of(np.stack([hot(1), hot(1)])), targets=((CAT, unlikely),))
    assert shown_targets(found, 0) == [0]
    for asked in (Request(top=2), Request(classes=(0, 1))):
        assert shown_targets(dataclasses.replace(found, request=asked), 0) == [0, 1]
    first = dataclasses.replace(CAT, probability=0.003)  # of a thousand classes
    assert shown_targets(dataclasses.replace(found, targets=((first, unlikely),)), 0) == [0]
    true_class = dataclasses.replace(unlikely, rank=40)  # asked for by its label
    assert shown_targets(dataclasses.replace(found, targets=((CAT, true_class),)), 0) == [0, 1]
    both = draw_photo(dataclasses.replace(found, request=Request(top=2)), 0, Style(columns=9))
    assert both.shape[1] > draw_photo(found, 0, Style(columns=9)).shape[1] + 200


def test_cold_places_show_the_bare_photo_and_no_blue_film() -> None:
    found = of(hot(1)[None])
    (picture,) = draw_targets(found, 0, Style())
    cold = found.heatmap() == 0
    assert cold.mean() > 0.5
    np.testing.assert_array_equal(picture[cold], GREY.pixels[cold])
    (even,) = draw_targets(found, 0, Style(heat_is_opacity=False))
    assert (even[cold] != GREY.pixels[cold]).any()


def test_a_small_photo_has_a_picture_of_at_least_320_pixels() -> None:
    small = Photo(np.full((24, 32, 3), 100, np.uint8), "small.png")
    found = dataclasses.replace(
        of(hot(1)[None]), photos=(small,), placements=(Placement((0, 0, 32, 24)),)
    )
    page = draw_photo(found, 0, Style())
    grey = np.all(page == 100, axis=2)
    assert grey.any(axis=0).sum() > 2 * 320 - 32  # the photo, and the map beside it
    column = page[:, np.flatnonzero(grey.sum(axis=0) == 240)[0]]
    assert (column == 100).all(axis=1).sum() == 240


def test_a_page_has_a_colour_bar_that_says_what_its_values_are() -> None:
    bars = [
        _colour_bars([of(maps, method)], 0, [*range(len(maps))], style)
        for maps, method, style in (
            (hot(7)[None], "cam", Style()),
            (np.stack([hot(7), hot(3)]), "grad-cam", Style()),
            (np.stack([hot(7), hot(3)]), "grad-cam", Style(scale="photo")),
            (hot(-7)[None], "occlusion", Style()),
            (hot(1)[None], "saliency", Style()),
        )
    ]
    assert [[(bar.low, bar.high, bar.unit) for bar in row] for row in bars] == [
        [("0", "7", "added to the score by this cell")],
        [("0", "the peak", "of the score, through the layer")],
        [("0", "7", "of the score, through the layer")],
        [("against", "for cat", "drop of the score when covered")],
        [],  # pictures of their own, with the end of their scale in the title
    ]
    page = draw_photo(of(hot(7)[None], "cam"), 0, Style())
    reds = np.abs(page[-30:].astype(int) - palette_of("turbo")[-1]).max(axis=2) < 8
    assert reds.any()
