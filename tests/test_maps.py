from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import NotFinite, OptionError
from seewhy.maps import (
    heat_levels,
    heatmap_on_photo,
    is_empty,
    peak_on_photo,
    peaks_on_photo,
    resize_map,
    scale_map,
    scale_signed_map,
)
from seewhy.photos.photo import Placement
from seewhy.ranks import average_ranks, rank_correlation

NAN = np.nan


def random_map(*shape):
    heatmap = np.random.default_rng(shape[-1]).random(shape, dtype=np.float32)
    heatmap.flags.writeable = False
    return heatmap


def linear_by_loops(heatmap, size):
    """Mix the four cells around (y + 0.5) · h / H − 0.5, the map's edge going on for ever."""
    h, w = heatmap.shape
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            row = min(max((y + 0.5) * h / size[0] - 0.5, 0), h - 1)
            column = min(max((x + 0.5) * w / size[1] - 0.5, 0), w - 1)
            top, left = int(row), int(column)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            down, across = row - top, column - left
            result[y, x] = (
                (1 - down) * (1 - across) * heatmap[top, left]
                + (1 - down) * across * heatmap[top, right]
                + down * (1 - across) * heatmap[bottom, left]
                + down * across * heatmap[bottom, right]
            )
    return result


SHAPES = [
    ((7, 7), (224, 224)),
    ((14, 9), (61, 130)),
    ((1, 1), (5, 6)),
    ((3, 1), (4, 9)),
    ((50, 40), (13, 17)),
    ((10, 10), (299, 7)),
    ((6, 5), (6, 5)),
]


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_linear_resizing_is_the_formula_written_as_loops(shape, size):
    heatmap = random_map(*shape)
    assert np.abs(resize_map(heatmap, size) - linear_by_loops(heatmap, size)).max() < 2e-7


@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"), [("linear", "bilinear", 2e-7), ("cubic", "bicubic", 4e-7)]
)
def test_resizing_is_torchs_without_aligned_corners(shape, size, ours, theirs, tolerance):
    torch = pytest.importorskip("torch")
    heatmap = random_map(*shape)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(heatmap.astype(np.float64))[None, None],
        size=size,
        mode=theirs,
        align_corners=False,
    )[0, 0].numpy()
    resized = resize_map(heatmap, size, interpolation=ours)
    assert resized.dtype == np.float32
    assert np.abs(resized - wanted).max() < tolerance


@pytest.mark.parametrize(("shape", "size"), SHAPES[:4] + SHAPES[6:])
def test_linear_enlarging_is_pillows(shape, size):
    from PIL import Image

    heatmap = random_map(*shape)
    wanted = Image.fromarray(heatmap).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(resize_map(heatmap, size) - np.asarray(wanted)).max() < 3e-7


def test_two_cells_become_five_by_hand():
    # Centres of 5 pixels over 2 cells: 0.2 − 0.5, 0.6 − 0.5, 1.0 − 0.5, 1.4 − 0.5, 1.8 − 0.5.
    resized = resize_map(np.array([[0.0, 10.0]]), (1, 5))
    assert resized[0].tolist() == pytest.approx([0, 1, 5, 9, 10], abs=1e-6)


def test_the_same_size_and_a_constant_are_unchanged():
    heatmap = random_map(6, 5)
    for interpolation in ("linear", "cubic"):
        assert np.array_equal(resize_map(heatmap, (6, 5), interpolation=interpolation), heatmap)
        constant = resize_map(np.full((3, 4), 0.7), (50, 31), interpolation=interpolation)
        assert np.allclose(constant, 0.7, atol=1e-6)


def test_cubic_overshoots_and_linear_does_not():
    step = np.array([[0.0, 0.0, 1.0, 1.0]])
    assert resize_map(step, (1, 40)).max() == 1
    assert resize_map(step, (1, 40)).min() == 0
    assert resize_map(step, (1, 40), interpolation="cubic").max() > 1.02


def test_maps_in_leading_axes_are_resized_one_by_one():
    maps = random_map(2, 3, 4, 5)
    resized = resize_map(maps, (9, 7))
    assert resized.shape == (2, 3, 9, 7)
    assert np.array_equal(resized[1, 2], resize_map(maps[1, 2], (9, 7)))


def test_resizing_is_linear_in_the_map_and_keeps_how_two_maps_compare():
    strong, weak = random_map(7, 7) * 1000, random_map(7, 7)
    both = resize_map(strong + weak, (30, 50))
    assert np.allclose(both, resize_map(strong, (30, 50)) + resize_map(weak, (30, 50)), rtol=1e-5)
    place = Placement((0.0, 0.0, 50.0, 30.0))
    ratio = heatmap_on_photo(strong, place, (30, 50)) / heatmap_on_photo(weak, place, (30, 50))
    assert np.allclose(ratio, 1000, rtol=1e-5)  # raw maps stay raw


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_nan_cells_stay_nan_and_do_not_touch_their_neighbours(interpolation):
    heatmap = np.array([[1.0, NAN, 3.0, 3.0], [1.0, 1.0, 3.0, 3.0]])
    resized = resize_map(heatmap, (8, 16), interpolation=interpolation)
    assert np.isnan(resized[:4, 4:8]).all()
    assert np.isnan(resized).sum() == 4 * 4
    assert np.array_equal(resized[:4, :4], np.ones((4, 4)))  # 1 alone, right up to the hole
    assert np.array_equal(resized[:2, 8:10], np.full((2, 2), 3.0))
    alone = resize_map(np.array([[NAN, 5.0]]), (2, 4), interpolation=interpolation)
    assert np.array_equal(alone, [[NAN, NAN, 5, 5]] * 2, equal_nan=True)
    assert np.isnan(resize_map(np.full((2, 2), NAN), (3, 3), interpolation=interpolation)).all()


def test_away_from_nan_a_cubic_map_is_what_it_would_be_without():
    heatmap = random_map(4, 12).copy()
    whole = resize_map(heatmap, (16, 48), interpolation="cubic")
    heatmap[0, 0] = NAN
    holed = resize_map(heatmap, (16, 48), interpolation="cubic")
    assert np.array_equal(holed[:, 20:], whole[:, 20:])


def test_a_map_cannot_be_resized_by_another_name_or_to_nothing():
    with pytest.raises(OptionError) as error:
        resize_map(random_map(2, 2), (4, 4), interpolation="bilinear")
    assert str(error.value) == (
        "A map cannot be interpolated by 'bilinear'. Choose 'linear' or 'cubic'."
    )
    with pytest.raises(OptionError) as error:
        resize_map(random_map(2, 2), (4, 0))
    assert str(error.value) == (
        "A map cannot be resized to 4×0. Give a height and width of 1 or more."
    )


# Onto the photo


def test_on_a_whole_photo_it_is_the_resized_map():
    heatmap = random_map(7, 9)
    placed = heatmap_on_photo(heatmap, Placement((0.0, 0.0, 67.0, 45.0)), (45, 67))
    assert np.abs(placed - resize_map(heatmap, (45, 67))).max() < 2e-7


def test_outside_of_the_crop_it_is_nan_and_inside_the_resized_map():
    heatmap = random_map(3, 4)
    placed = heatmap_on_photo(heatmap, Placement((5.0, 2.0, 13.0, 11.0)), (12, 20))
    inside = np.zeros((12, 20), bool)
    inside[2:11, 5:13] = True
    assert np.array_equal(np.isnan(placed), ~inside)
    assert np.abs(placed[2:11, 5:13] - resize_map(heatmap, (9, 8))).max() < 2e-7


def test_a_pixel_is_seen_when_its_centre_is():
    placed = heatmap_on_photo(np.ones((2, 2)), Placement((0.4, 0.6, 3.4, 3.6)), (5, 5))
    assert np.array_equal(np.isfinite(placed[2]), [True, True, True, False, False])
    assert np.array_equal(np.isfinite(placed[:, 1]), [False, True, True, True, False])


def test_where_the_fit_padded_the_map_is_cut_to_the_photo():
    # The network saw the photo's 4 rows in the middle of 8: the outer half of the map is padding.
    heatmap = np.repeat(np.arange(8.0)[:, None], 2, axis=1)
    placed = heatmap_on_photo(heatmap, Placement((0.0, -2.0, 2.0, 6.0)), (4, 2))
    assert placed.tolist() == [[2, 2], [3, 3], [4, 4], [5, 5]]


def test_nothing_seen_is_all_nan():
    placed = heatmap_on_photo(np.ones((2, 2)), Placement((50.0, 50.0, 60.0, 60.0)), (5, 5))
    assert np.isnan(placed).all()


# Scaling


@pytest.mark.parametrize("peak", [1e-9, 1e-40, 1e-45, 1.0, 3e38])
def test_the_faintest_map_shows_as_bright_as_the_strongest(peak):
    heatmap = np.array([[0, peak, peak / 2]], dtype=np.float32)
    scaled = scale_map(heatmap)
    assert scaled.max() == 1
    assert scaled.min() == 0
    assert scaled.dtype == np.float32
    assert scale_signed_map(-heatmap).min() == -1
    assert scale_map(np.array([[1e-300, 2e-300]])).tolist() == [[0.5, 1]]


def test_negatives_become_zero_and_no_minimum_is_taken_off():
    assert scale_map(np.array([[-8.0, 1.0, 4.0]])).tolist() == [[0, 0.25, 1]]
    assert scale_map(np.array([[3.0, 4.0]])).tolist() == [[0.75, 1]]
    assert scale_signed_map(np.array([[-8.0, 1.0, 4.0]])).tolist() == [[-1, 0.125, 0.5]]


def test_nan_is_left_out_of_scaling():
    scaled = scale_map(np.array([[NAN, 2.0, 4.0]]))
    assert np.array_equal(scaled, [[NAN, 0.5, 1]], equal_nan=True)
    scaled = scale_signed_map(np.array([[NAN, 2.0, -4.0]]))
    assert np.array_equal(scaled, [[NAN, 0.5, -1]], equal_nan=True)


def test_scaling_before_or_after_a_linear_resize_shows_the_same():
    heatmap = random_map(7, 7)
    place = Placement((0.0, 0.0, 70.0, 70.0))
    after = scale_map(heatmap_on_photo(heatmap, place, (70, 70)))
    before = scale_map(heatmap_on_photo(scale_map(heatmap), place, (70, 70)))
    assert np.allclose(after, before, atol=1e-6)


def test_an_empty_map_stays_empty_and_says_so():
    for heatmap in (np.zeros((2, 2)), np.array([[-1.0, 0.0]]), np.array([[NAN, 0.0]])):
        assert is_empty(heatmap)
        assert not np.nan_to_num(scale_map(heatmap)).any()
    assert is_empty(np.full((2, 2), NAN))
    assert np.isnan(scale_map(np.full((2, 2), NAN))).all()
    assert not is_empty(np.array([[0, 1e-45]], dtype=np.float32))
    assert not is_empty(np.abs(np.array([[-1.0, 0.0]])))
    assert not scale_signed_map(np.zeros((2, 2))).any()


@pytest.mark.parametrize("scale", [scale_map, scale_signed_map])
def test_infinity_is_not_scaled_away(scale):
    with pytest.raises(NotFinite) as error:
        scale(np.array([[np.inf, 1.0]]))
    assert str(error.value) == (
        "The map contains infinity and cannot be scaled for display. The network or the method "
        "overflowed: try float32 weights, or another layer."
    )


def test_nothing_that_comes_in_is_changed():
    heatmap = random_map(5, 6) - np.float32(0.5)
    before = heatmap.copy()
    heatmap.flags.writeable = False
    resize_map(heatmap, (9, 9))
    heatmap_on_photo(heatmap, Placement((1.0, 1.0, 8.0, 8.0)), (9, 9))
    scale_map(heatmap)
    scale_signed_map(heatmap)
    assert np.array_equal(heatmap, before)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 53.0, 37.0), (10.0, 4.5, 40.0, 31.0), (-6.0, -3.0, 60.0, 41.0)]
)
def test_the_peak_is_the_largest_of_all_pixels(box, signed):
    generator = np.random.default_rng(0)
    for shape in [(7, 7), (1, 1), (4, 6), (1, 9), (64, 80)]:
        for missing in (False, True):
            heatmap = generator.normal(size=shape).astype(np.float32)
            if missing and heatmap.size > 1:
                heatmap[0, 0] = np.nan
            placed = heatmap_on_photo(heatmap, Placement(box), (37, 53))
            values = np.abs(placed) if signed else placed
            x, y = peak_on_photo(heatmap, Placement(box), (37, 53), signed=signed)
            first = np.unravel_index(np.nanargmax(values), values.shape)
            assert values[y, x] == pytest.approx(np.nanmax(values), rel=1e-6)
            assert (y, x) == first or values[first] == pytest.approx(values[y, x], rel=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_the_peaks_of_several_maps_are_those_of_each(signed):
    maps, place = random_map(3, 5, 6) - np.float32(0.5), Placement((3.0, -2.0, 50.0, 37.5))
    alone = [peak_on_photo(one, place, (37, 53), signed=signed) for one in maps]
    assert peaks_on_photo(maps, place, (37, 53), signed=signed) == alone
    assert len(set(alone)) > 1


# Levels


@pytest.mark.parametrize("one_scale", [False, True])
@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 53.0, 37.0), (10.0, 4.5, 40.0, 31.0), (-6.0, -3.0, 60.0, 41.0)]
)
@pytest.mark.parametrize("shape", [(7, 7), (1, 1), (4, 6), (64, 80)])
def test_levels_are_256_times_the_scaled_heatmap_cut_off(shape, box, one_scale):
    maps = np.stack([random_map(*shape) - np.float32(0.3), random_map(*shape) / 9])
    found = heat_levels(maps, Placement(box), (37, 53), one_scale=one_scale)
    assert found is not None
    placed = [heatmap_on_photo(one, Placement(box), (37, 53)) for one in maps]
    seen = np.isfinite(placed[0])
    ends = [np.nanmax(one) for one in placed]
    (x, y), (height, width) = found.corner, found.levels.shape[1:]
    assert np.argwhere(seen)[0].tolist() == [y, x]
    assert seen.sum() == height * width
    for levels, one, end in zip(found.levels, placed, ends, strict=True):
        inside = one[y : y + height, x : x + width].astype(float)
        wanted = np.floor(np.clip(256 * inside / (max(ends) if one_scale else end), 0, 255))
        assert np.abs(levels - wanted).max() <= 1  # at the edge between two levels
        assert (levels == wanted).mean() > 0.98
    assert found.levels.max() == 255
    assert not found.empty.any()


def test_levels_of_an_empty_map_are_zero_and_of_the_faintest_as_high_as_any():
    place = Placement((0.0, 0.0, 30.0, 20.0))
    faint = np.zeros((4, 2, 3), np.float32)
    faint[1, 0, 0], faint[2, 0, 0], faint[3] = 1e-40, 3e38, -1
    found = heat_levels(faint, place, (20, 30))
    assert found is not None
    assert found.empty.tolist() == [True, False, False, True]
    assert found.levels.max(axis=(1, 2)).tolist() == [0, 255, 255, 0]


def test_maps_with_holes_or_infinity_or_out_of_sight_have_no_levels():
    place = Placement((0.0, 0.0, 5.0, 5.0))
    assert heat_levels(np.ones((1, 2, 2)), place, (5, 5)) is not None
    for odd in (np.nan, np.inf):
        assert heat_levels(np.array([[[1.0, odd]]]), place, (5, 5)) is None
    assert heat_levels(np.ones((1, 2, 2)), Placement((50.0, 50.0, 60.0, 60.0)), (5, 5)) is None


# Comparing


def test_the_rank_correlation_is_spearmans():
    from scipy import stats

    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, (2, 7, 6)).astype(float)
    assert rank_correlation(one, other) == pytest.approx(
        stats.spearmanr(one.ravel(), other.ravel()).statistic
    )


def test_equal_values_share_the_mean_of_their_ranks():
    assert average_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_only_the_order_of_the_pixels_counts():
    heatmap = np.random.default_rng(0).random((5, 4))
    assert rank_correlation(heatmap, np.exp(heatmap)) == pytest.approx(1)
    assert rank_correlation(heatmap, -heatmap) == pytest.approx(-1)
    assert np.isnan(rank_correlation(heatmap, np.ones((5, 4))))


def test_unseen_pixels_are_left_out_of_the_correlation():
    heatmap = np.random.default_rng(0).random((5, 4))
    holes = heatmap.copy()
    holes[0] = np.nan
    assert rank_correlation(heatmap, holes) == pytest.approx(1)
