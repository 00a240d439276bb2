from __future__ import annotations

import errno
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import OptionError, OutputError
from seewhy.maps import HeatLevels
from seewhy.rendering.colours import (
    bare_map,
    colour,
    colour_signed,
    overlay,
    overlay_levels,
    overlay_signed,
)
from seewhy.rendering.page import comparison, grid, sheet
from seewhy.rendering.saving import picture_bytes, save_pages, save_picture
from seewhy.rendering.text import fit_text, text_width

NAN = np.nan
HEAT = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, NAN]], dtype=np.float32)
HEAT.flags.writeable = False


def plain(height, width, value=100):
    pixels = np.full((height, width, 3), value, dtype=np.uint8)
    pixels.flags.writeable = False
    return pixels


def refused(kind, message, function, *args, **options):
    with pytest.raises(kind) as error:
        function(*args, **options)
    assert str(error.value) == message


# Colours


def test_heat_runs_from_blue_over_green_to_red_in_rgb():
    cold, green, red = colour(np.array([[0.0, 0.5, 1.0]]))[0].astype(int)
    assert cold[2] > cold[1] + 30
    assert red.tolist() == [122, 4, 2]  # turbo's end
    assert green[1] == 252


def test_both_ends_of_signed_maps_are_brighter_than_matplotlibs_over_a_dark_photo():
    def light(pixel):  # relative luminance, ITU-R BT.709
        linear = (pixel / 255.0) ** 2.2
        return linear @ [0.2126, 0.7152, 0.0722]

    ends = np.array([[-0.5, 0.5]])
    ours, usual = colour_signed(ends)[0], colour_signed(ends, colormap="seismic")[0]
    assert light(ours[0]) > 2 * light(usual[0])
    assert light(ours[1]) > light(usual[1])
    assert light(colour_signed(-np.ones((1, 1)))[0, 0]) > 5 * light(np.array([0, 0, 76]))


@pytest.mark.parametrize("name", ["jet", "viridis", "inferno", "gray", "tab10", "seismic_r"])
def test_colours_are_matplotlibs_of_the_same_value(name):
    import matplotlib

    heatmap = np.linspace(0, 1, 1000, dtype=np.float32).reshape(20, 50)
    wanted = matplotlib.colormaps[name](heatmap, bytes=True)[..., :3]
    assert np.array_equal(colour(heatmap, colormap=name), wanted)


def test_values_beyond_the_range_are_the_nearer_end_and_nan_is_white():
    painted = colour(np.array([[-3.0, 0.0, 1.0, 7.0, NAN]]), colormap="gray")[0, :, 0]
    assert painted.tolist() == [0, 0, 255, 255, 255]
    assert colour(np.array([[NAN]]), colormap="jet")[0, 0].tolist() == [255, 255, 255]


def test_signed_zero_is_the_middle_red_is_for_and_blue_against():
    against, zero, support = colour_signed(np.array([[-0.5, 0.0, 0.5]]))[0].astype(int)
    assert zero.min() >= 230
    assert np.ptp(zero) <= 3
    assert against[2] > 250 > 5 > against[0]
    assert support[0] > 240 > 60 > support[2]


def test_an_unknown_colour_map_is_refused_with_the_nearest_names():
    refused(
        OptionError,
        "Matplotlib has no colour map 'virids'. The nearest names are 'viridis' and 'viridis_r'. "
        "Choose turbo, viridis, inferno, for-against, or another of matplotlib's.",
        colour,
        HEAT,
        colormap="virids",
    )
    with pytest.raises(OptionError):
        overlay(plain(2, 3), HEAT, colormap="virids")


@pytest.mark.parametrize("paint", [colour, colour_signed])
def test_masks_of_integers_are_refused_so_that_255_never_comes_out_blue(paint):
    message = (
        "A heatmap is floats in 0..1 (signed: −1..1), and this one is uint8. "
        "Divide it by its maximum: seewhy.maps.scale_map(heatmap.astype('float32'))."
    )
    mask = np.full((2, 3), 255, np.uint8)
    refused(OptionError, message, paint, mask)
    refused(OptionError, message, overlay, plain(2, 3), mask)
    refused(OptionError, message, overlay_signed, plain(2, 3), mask)


# Overlays


def test_an_overlay_is_the_blend_of_photo_and_colour_pixel_by_pixel():
    generator = np.random.default_rng(0)
    photo = generator.integers(0, 256, (600, 7, 3), dtype=np.uint8)  # more rows than one band
    heatmap = generator.random((600, 7), dtype=np.float32)
    painted = colour(heatmap).astype(float)
    wanted = np.rint(0.6 * photo + 0.4 * painted)
    even = overlay(photo, heatmap, heat_is_opacity=False)
    assert np.abs(even - wanted).max() <= 1
    assert (even == wanted).mean() > 0.999
    heat = heatmap[..., None].astype(float)
    wanted = np.rint((1 - 0.5 * heat) * photo + 0.5 * heat * painted)
    ours = overlay(photo, heatmap, opacity=0.5, heat_is_opacity=True)
    assert np.abs(ours - wanted).max() <= 1
    assert (ours == wanted).mean() > 0.999


@pytest.mark.parametrize("opacity", [0.4, 0.3, 1 / 3])
@pytest.mark.parametrize("colormap", ["jet", "tab10"])
def test_a_crop_is_blended_where_the_network_looked_and_holes_stay_photo(opacity, colormap):
    generator = np.random.default_rng(1)
    photo = generator.integers(0, 256, (90, 70, 3), dtype=np.uint8)
    heatmap = generator.random((90, 70), dtype=np.float32)
    heatmap[:10] = heatmap[:, 60:] = NAN
    for hole in (False, True):
        if hole:
            heatmap[40:50, 20:30] = NAN
        seen = ~np.isnan(heatmap)
        painted = colour(np.nan_to_num(heatmap), colormap=colormap).astype(float)
        wanted = np.rint((1 - opacity) * photo + opacity * painted)
        laid = overlay(photo, heatmap, opacity=opacity, colormap=colormap, heat_is_opacity=False)
        assert np.array_equal(laid[~seen], photo[~seen])
        assert np.abs(laid[seen] - wanted[seen]).max() <= 1  # halves may be rounded either way
        assert (laid[seen] == wanted[seen]).mean() > 0.98


@pytest.mark.parametrize("opacity", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("colormap", ["jet", "tab10"])
@pytest.mark.parametrize("corner", [(0, 0), (4, 9)])
@pytest.mark.parametrize("fade", [False, True])
def test_levels_are_laid_as_heatmaps_are_within_two_of_255(opacity, colormap, corner, fade):
    generator = np.random.default_rng(2)
    photo = generator.integers(0, 256, (60, 70, 3), dtype=np.uint8)
    x, y = corner
    levels = generator.integers(0, 256, (2, 60 - 2 * y, 70 - 2 * x), dtype=np.uint8)
    heat = HeatLevels(levels, corner, np.array([False, True]))
    look = {"colormap": colormap, "opacity": opacity, "heat_is_opacity": fade}
    laid, bare = overlay_levels(Image.fromarray(photo), heat, **look)
    assert np.array_equal(bare, photo)
    heatmap = np.full((60, 70), NAN, np.float32)
    heatmap[y : 60 - y, x : 70 - x] = levels[0] / np.float32(256)
    wanted = overlay(photo, heatmap, **look).astype(int)
    assert np.abs(np.asarray(laid, int) - wanted).max() <= 1 + fade
    assert abs((np.asarray(laid, int) - wanted).mean()) < 0.2  # neither darker nor brighter
    with pytest.raises(OptionError):
        overlay_levels(Image.fromarray(photo), heat, opacity=1.5)


def test_opacity_zero_is_the_photo_and_one_is_the_colours():
    photo = plain(2, 3, 77)
    assert np.array_equal(overlay(photo, HEAT, opacity=0), photo)
    seen = ~np.isnan(HEAT)
    opaque = overlay(photo, HEAT, opacity=1, heat_is_opacity=False)
    assert np.array_equal(opaque[seen], colour(HEAT)[seen])


def test_where_the_network_did_not_look_the_photo_stays():
    for lay in (overlay, overlay_signed):
        for heat_is_opacity in (False, True):
            laid = lay(plain(2, 3, 77), HEAT, opacity=1, heat_is_opacity=heat_is_opacity)
            assert laid[1, 2].tolist() == [77, 77, 77]
            assert laid[1, 1].tolist() != [77, 77, 77]


def test_heat_as_opacity_leaves_the_photo_where_there_is_none():
    laid = overlay(plain(2, 3, 77), HEAT, heat_is_opacity=True)
    assert laid[0, 0].tolist() == [77, 77, 77]
    # The peak is 0.8 of turbo's (122, 4, 2) and 0.2 · 77: 113 of red, 18.6 of green, 17 of blue.
    assert laid[1, 1].tolist() == [113, 19, 17]


def test_signed_heat_as_opacity_is_transparent_at_zero_and_coloured_at_both_ends():
    heatmap = np.array([[-1.0, 0.0, 1.0]])
    against, zero, support = overlay_signed(plain(1, 3, 77), heatmap, heat_is_opacity=True)[0]
    assert zero.tolist() == [77, 77, 77]
    # It ends in (0, 60, 240) and (215, 0, 20): 0.2 · 77 = 15.4, + 0.8 · 60 = 63.4, + 0.8 · 240.
    assert against.tolist() == [15, 63, 207]
    assert support.tolist() == [187, 15, 31]


def test_an_empty_map_is_not_painted():
    photo = plain(2, 3)
    for lay in (overlay, overlay_signed):
        laid = lay(photo, np.zeros((2, 3)))
        assert np.array_equal(laid, photo)
        assert not np.shares_memory(laid, photo)
        assert np.array_equal(lay(photo, np.full((2, 3), NAN)), photo)


def test_height_and_width_are_not_swapped():
    heatmap = np.zeros((4, 9), np.float32)
    heatmap[3, 1] = 1
    changed = overlay(plain(4, 9), heatmap, heat_is_opacity=True) != 100
    assert np.argwhere(changed.any(axis=2)).tolist() == [[3, 1]]
    refused(
        OptionError,
        "The heatmap is 9×4 and the photo 4×9 (height × width). "
        "Resize it to the photo first: seewhy.maps.heatmap_on_photo.",
        overlay,
        plain(4, 9),
        heatmap.T,
    )


@pytest.mark.parametrize("opacity", [-0.1, 1.5, NAN])
def test_an_opacity_outside_of_zero_to_one_is_refused(opacity):
    refused(
        OptionError,
        f"The opacity is {opacity}, and it ranges from 0 (photo alone) to 1 (heat alone). "
        "0.4 is usual.",
        overlay,
        plain(2, 3),
        HEAT,
        opacity=opacity,
    )


def test_nothing_that_comes_in_is_changed():
    photo, heatmap = plain(2, 3).copy(), HEAT.copy()
    photo.flags.writeable = heatmap.flags.writeable = False
    overlay(photo, heatmap, heat_is_opacity=True)
    overlay_signed(photo, heatmap)
    colour(heatmap)
    bare_map(heatmap)
    assert np.array_equal(photo, plain(2, 3))
    assert np.array_equal(heatmap, HEAT, equal_nan=True)


# Grids


def blocks(page, value):
    """Return (left, top, width, height) of each block of a grey value, in reading order."""
    from skimage.measure import label, regionprops

    found = regionprops(label(np.all(page == value, axis=2)))
    boxes = [(box[1], box[0], box[3] - box[1], box[2] - box[0]) for box in (r.bbox for r in found)]
    return sorted((box for box in boxes if box[2] * box[3] > 60), key=lambda box: (box[1], box[0]))


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (6, 3), (7, 4), (8, 4), (9, 3)]
)
def test_a_grid_leaves_few_places_empty(count: int, columns: int):
    found = blocks(grid([("", plain(100, 300))] * count), 100)
    assert len(found) == count
    assert len({box[0] for box in found}) == columns


def test_a_grid_stands_in_rows_at_the_pictures_own_size():
    page = grid([("one", plain(200, 300))] * 5)
    found = blocks(page, 100)
    assert [box[2:] for box in found] == [(300, 200)] * 5
    assert len({box[1] for box in found[:3]}) == 1
    assert found[3][0] == found[0][0]
    assert found[3][1] > found[0][1] + 200


def test_a_grid_of_two_has_two_columns_and_one_of_one_column_stands_upright():
    assert grid([("", plain(100, 300))] * 2).shape[1] < 2.2 * 300
    assert len({box[0] for box in blocks(grid([("", plain(100, 300))] * 2, columns=1), 100)}) == 1


def test_a_title_stands_close_above_its_picture_and_within_its_cell():
    page = grid([("Egyptian cat 0.60", plain(200, 300)), ("", plain(200, 300))])
    dark = np.argwhere(page[..., 0] < 60)
    left, top, width, _ = blocks(page, 100)[0]
    assert dark[:, 0].min() >= 8
    assert top - 30 < dark[:, 0].max() < top
    assert left <= dark[:, 1].min()
    assert dark[:, 1].max() < left + width


def test_photos_of_every_size_become_readable_cells():
    sizes = [(4000, 6000), (32, 32), (1, 1), (1500, 60), (30, 900), (300, 451)]
    found = blocks(grid([("cell", plain(*size)) for size in sizes]), 100)
    assert sorted(box[2:] for box in found) == sorted(
        [
            (512, 341),  # shrunk to the widest cell
            (512, 512),  # 32 × 16
            (512, 512),  # 1 × 512
            (31, 768),  # no taller than one and a half widths
            (512, 17),
            (451, 300),  # as it is
        ]
    )


def test_a_tiny_photo_is_enlarged_in_whole_pixels():
    tiny = np.random.default_rng(0).integers(0, 200, (32, 32, 3), dtype=np.uint8)
    page = grid([("", tiny)])
    height = page.shape[0]
    top = next(row for row in range(height) if (page[row] < 200).any())
    left = next(column for column in range(page.shape[1]) if (page[:, column] < 200).any())
    assert np.array_equal(page[top : top + 224 : 7, left : left + 224 : 7], tiny)


def test_an_empty_grid_and_no_column_are_refused():
    message = "An empty grid cannot be drawn. Give at least one picture."
    refused(OptionError, message, grid, [])
    refused(OptionError, message, sheet, [])
    refused(
        OptionError,
        "A grid of 0 columns cannot be drawn. Give 1 or more.",
        grid,
        [("", plain(2, 2))],
        columns=0,
    )
    refused(
        OptionError,
        "A page of 0 pictures cannot be drawn. Give 1 or more.",
        sheet,
        [("", plain(2, 2))],
        per_page=0,
    )


def test_a_sheet_takes_further_pages_past_its_limit():
    pages = sheet([("photo", plain(50, 60))] * 7, columns=2, per_page=3)
    assert [len(blocks(page, 100)) for page in pages] == [3, 3, 1]
    assert len(sheet([("photo", plain(50, 60))] * 60)) == 1


def test_a_sheets_pictures_are_no_taller_than_wide():
    assert blocks(sheet([("tall", plain(1000, 500))])[0], 100)[0][2:] == (120, 240)


def test_a_comparison_has_its_rows_and_columns_where_they_belong():
    values = [[40, 80, 120], [160, 200, None]]
    pictures = [
        [None if value is None else plain(100, 200, value) for value in row] for row in values
    ]
    page = comparison(["grad-cam", "occlusion"], ["cat\n0.60", "dog\n0.20", "panda"], pictures)
    boxes = [[blocks(page, value)[0] for value in row if value] for row in values]
    assert boxes[0][0][0] == boxes[1][0][0] < boxes[0][1][0] == boxes[1][1][0] < boxes[0][2][0]
    assert len({box[1] for box in boxes[0]}) == 1
    assert boxes[1][0][1] >= boxes[0][0][1] + 100
    dark = np.all(page < 30, axis=2)
    assert dark[:, : boxes[0][0][0]].any()  # row titles
    assert dark[: boxes[0][0][1]].any()  # column titles


def test_a_comparison_that_does_not_fit_its_titles_is_refused():
    refused(
        OptionError,
        "2 rows of 1 pictures were to be compared, and rows of [1, 2] were given. "
        "Give one picture, or None, for each row and column.",
        comparison,
        ["a", "b"],
        ["c"],
        [[None], [None, None]],
    )
    refused(
        OptionError,
        "An empty comparison cannot be drawn. Give at least one row and one column.",
        comparison,
        [],
        ["c"],
        [],
    )


# Text


def test_text_breaks_at_spaces_and_ends_in_an_ellipsis():
    assert fit_text("tabby", 16, 200) == ["tabby"]
    long = "German short-haired pointer of the mountains of Bavaria"
    lines = fit_text(long, 16, 200)
    assert len(lines) == 2
    assert lines[0] == "German short-haired"
    assert lines[1].endswith("…")
    assert all(text_width(line, 16) <= 200 for line in lines)
    assert " ".join(fit_text(long, 16, 200, lines=5)) == long


def test_a_long_label_never_pushes_its_probability_out():
    lines = fit_text("black-footed ferret, ferret, Mustela nigripes\n0.60", 16, 120)
    assert lines[-1] == "0.60"
    assert len(lines) == 3


def test_a_word_wider_than_the_cell_is_cut():
    (line,) = fit_text("x" * 400, 16, 100)
    assert line.endswith("x…")
    assert 80 < text_width(line, 16) <= 100


def test_an_empty_text_has_no_lines():
    assert fit_text("", 16, 100) == []


# Bare maps


def test_a_bare_map_shows_each_cell_in_viridis_over_its_own_range():
    heatmap = np.array([[0.0, 1.0], [2.0, 4.0]], dtype=np.float32) * 1e-6
    page = bare_map(heatmap)
    import matplotlib

    for value in (0.0, 0.25, 0.5, 1.0):
        wanted = np.array(matplotlib.colormaps["viridis"](value, bytes=True)[:3])
        assert np.all(page == wanted, axis=2).sum() > 20_000
    # matshow counts rows downwards: the largest value is at the bottom right.
    rows, columns = np.nonzero(np.all(page == wanted, axis=2))
    assert rows.mean() > page.shape[0] / 2
    assert columns.mean() > page.shape[1] / 2


def test_a_signed_bare_map_has_zero_in_the_middle_and_nan_is_blank():
    page = bare_map(np.array([[0.0, 4.0], [NAN, -1.0]], np.float32), signed=True)
    assert np.all(page == [215, 0, 20], axis=2).sum() > 20_000
    assert np.all(page == [0, 60, 240], axis=2).sum() == 0


def test_a_bare_map_takes_a_title_and_a_colour_bar():
    heatmap = np.arange(12, dtype=np.float32).reshape(3, 4)
    bare = bare_map(heatmap)
    assert bare_map(heatmap, title="tabby").shape[0] > bare.shape[0]
    assert bare_map(heatmap, colour_bar=True).shape[1] > bare.shape[1]
    for odd in (np.zeros((1, 1)), np.full((2, 2), NAN), np.ones((1, 40)), np.full((3, 3), -2.0)):
        assert bare_map(odd.astype(np.float32), colour_bar=True).ndim == 3


def test_a_bare_map_has_a_known_colour_map():
    with pytest.raises(OptionError, match="Matplotlib has no colour map 'nope'"):
        bare_map(HEAT, colormap="nope")


# Files


def test_pictures_are_written_by_their_ending(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for name, kind in (("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.jpeg", "JPEG")):
        assert save_picture(pixels, tmp_path / "new" / "folder" / name) == (
            tmp_path / "new" / "folder" / name
        )
        with Image.open(tmp_path / "new" / "folder" / name) as image:
            assert (image.format, image.size) == (kind, (60, 40))
            if kind == "PNG":
                assert np.array_equal(np.asarray(image), pixels)
    content = save_picture(pixels, tmp_path / "d.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"%%EOF" in content[-10:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.pdf", "new"]


def test_a_jpeg_is_close_to_the_picture(tmp_path):
    pixels = overlay(plain(64, 64), np.tile(np.linspace(0, 1, 64), (64, 1)))
    with Image.open(save_picture(pixels, tmp_path / "a.jpg")) as image:
        assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 2
    fine = (tmp_path / "a.jpg").stat().st_size
    with Image.open(save_picture(pixels, tmp_path / "a.jpg", of_photo=True)) as image:
        assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 4
    assert (tmp_path / "a.jpg").stat().st_size < 0.8 * fine
    exact = save_picture(pixels, tmp_path / "a.png", of_photo=True)
    with Image.open(exact) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_another_ending_is_refused_with_the_three(tmp_path):
    path = tmp_path / "why.gif"
    refused(
        OptionError,
        f"'{path}' cannot be written: pictures are PNG, JPEG or PDF. "
        "Let the file end in .png, .jpg or .pdf.",
        save_picture,
        plain(4, 4),
        path,
    )
    assert not path.exists()
    with pytest.raises(OptionError):
        save_picture(plain(4, 4), tmp_path / "no-ending")


def test_a_place_that_cannot_be_written_to_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path, reason in (
        (tmp_path / "file" / "a.png", "File exists"),
        (tmp_path / "file" / "deeper" / "a.png", "Not a directory"),
        (tmp_path / "folder.png", "it is a folder"),
    ):
        refused(
            OutputError,
            f"'{path}' cannot be written: {reason}. Choose a place that can be written to.",
            save_picture,
            plain(4, 4),
            path,
        )


def test_a_full_disk_leaves_what_stood_there_and_nothing_else(tmp_path, monkeypatch):
    path = save_picture(plain(4, 4), tmp_path / "a.png")
    before = path.read_bytes()

    def full(self, file, *args, **settings):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    refused(
        OutputError,
        f"'{path}' cannot be written: No space left on device. "
        "Choose a place that can be written to.",
        save_picture,
        plain(9, 9),
        path,
    )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_jpeg_that_a_full_disk_cut_short_without_a_word_is_not_kept(tmp_path, monkeypatch):
    save = Image.Image.save

    def cut(self, file, *args, **settings):
        save(self, file, *args, **settings)
        file.write_bytes(file.read_bytes()[:-7])

    monkeypatch.setattr(Image.Image, "save", cut)
    path = tmp_path / "a.jpg"
    refused(
        OutputError,
        f"'{path}' cannot be written: No space left on device. "
        "Choose a place that can be written to.",
        save_picture,
        plain(9, 9),
        path,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_picture_too_large_for_jpeg_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"a\.jpg' cannot be written: "):
        save_picture(plain(1, 70_000), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_pages_are_one_pdf_or_numbered_pictures(tmp_path):
    pages = [plain(40, 60), plain(60, 40)]
    (pdf,) = save_pages(pages, tmp_path / "sheet.pdf")
    assert pdf.read_bytes().count(b"/MediaBox") == 2
    assert save_pages(pages, tmp_path / "sheet.png") == [
        tmp_path / "sheet-1.png",
        tmp_path / "sheet-2.png",
    ]
    assert save_pages(pages[:1], tmp_path / "one.png") == [tmp_path / "one.png"]
    refused(
        OptionError,
        f"There is no page to write to '{tmp_path / 'no.pdf'}'. Give at least one picture.",
        save_pages,
        [],
        tmp_path / "no.pdf",
    )


def test_bytes_are_what_the_file_would_hold(tmp_path):
    pixels = plain(4, 5)
    assert picture_bytes(pixels) == save_picture(pixels, tmp_path / "a.png").read_bytes()
    with Image.open(io.BytesIO(picture_bytes(pixels, ".jpg"))) as image:
        assert image.format == "JPEG"
    refused(
        OptionError,
        "A picture as '.gif' cannot be written: pictures are PNG, JPEG or PDF. "
        "Let the file end in .png, .jpg or .pdf.",
        picture_bytes,
        pixels,
        ".gif",
    )


def test_matplotlib_is_imported_when_needed_and_pyplot_never():
    code = (
        "import sys, numpy as np, seewhy.rendering.colours as r, seewhy.photos.reading\n"
        "from seewhy.rendering.page import grid\n"
        "assert 'matplotlib' not in sys.modules\n"
        "photo = np.zeros((9, 9, 3), 'uint8'); heat = np.eye(9, dtype='float32')\n"
        "grid([('a', r.overlay(photo, heat)), ('b', r.bare_map(heat, colour_bar=True))])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
