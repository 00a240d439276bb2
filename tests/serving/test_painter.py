"""The painter's pixels are the library's, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.maps import heatmap_on_photo, is_empty, scale_map, scale_signed_map
from seewhy.photos.photo import Placement
from seewhy.rendering.attributions import attribution_end, paint_attribution
from seewhy.rendering.colours import overlay, overlay_signed
from tests.colour_network import colour_classifier
from tests.serving.conftest import running

PAINT = """async ({map, box, width, height, photo, options}) => {
  const painter = await import('/static/painter.js');
  const floats = Float32Array.from(map.data, (one) => (one === null ? NaN : one));
  const placed = painter.placeMap({data: floats, h: map.h, w: map.w}, box, width, height);
  const heat = painter.scaleHeat(placed, options.signed);
  const out = new Uint8ClampedArray(photo.length);
  painter.paint(Uint8ClampedArray.from(photo), heat,
    {...options, colours: painter.palette(options.palette)}, out);
  return {out: [...out], heat: [...heat].map((one) => (Number.isNaN(one) ? null : one))};
}"""


@pytest.fixture(scope="module")
def page(browser):
    with running({"colours": colour_classifier()}) as server:
        page = browser.new_page()
        page.goto(server.address)
        yield page
        page.close()


def listed(values) -> list:
    """Return floats as JSON can say them, NaN as null."""
    flat = np.asarray(values, np.float64).ravel()
    return [None if np.isnan(one) else one for one in flat.tolist()]


CASES = {
    "a map over the whole photo": {"cells": (7, 7), "size": (61, 93), "box": (0, 0, 93, 61)},
    "finer than the photo": {"cells": (56, 56), "size": (40, 30), "box": (0, 0, 30, 40)},
    "height is not width": {"cells": (3, 11), "size": (64, 50), "box": (0, 0, 50, 64)},
    "a centre crop": {"cells": (10, 10), "size": (60, 90), "box": (15, 0, 75, 60)},
    "padded beyond the photo": {"cells": (7, 7), "size": (60, 90), "box": (0, -15.0, 90, 75.0)},
    "one cell": {"cells": (1, 1), "size": (20, 30), "box": (0, 0, 30, 20)},
    "cells that were not asked": {
        "cells": (8, 8),
        "size": (50, 70),
        "box": (0, 0, 70, 50),
        "gaps": True,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pixels_agree_with_numpys_to_1_of_255(page, case):
    check(page, case, palette="jet", opacity=0.4, signed=False, fade=False)


@pytest.mark.parametrize("palette", ["turbo", "viridis", "inferno", "gray"])
def test_every_palette_is_matplotlibs(page, palette):
    case = CASES["finer than the photo"]
    check(page, case, palette=palette, opacity=1.0, signed=False, fade=False)


@pytest.mark.parametrize("palette", ["for-against", "coolwarm", "PuOr_r"])
@pytest.mark.parametrize("fade", [False, True])
def test_pixels_of_signed_maps_agree(page, palette, fade):
    case = CASES["a centre crop"]
    check(page, case, palette=palette, opacity=0.7, signed=True, fade=fade)


@pytest.mark.parametrize("opacity", [0.0, 0.55, 1.0])
def test_pixels_agree_where_the_heat_is_the_opacity(page, opacity):
    case = CASES["cells that were not asked"]
    check(page, case, palette="turbo", opacity=opacity, signed=False, fade=True)


def check(page, case, *, palette, opacity, signed, fade):
    generator = np.random.default_rng(len(palette))
    height, width = case["size"]
    raw = generator.normal(0.3, 1, case["cells"]).astype(np.float32)
    if case.get("gaps"):
        raw[2:4, 5:] = np.nan
    photo = generator.integers(0, 256, (height, width, 3), np.uint8)
    placed = heatmap_on_photo(raw, Placement(case["box"]), (height, width))
    heat = scale_signed_map(placed) if signed else scale_map(placed)
    lay = overlay_signed if signed else overlay
    expected = lay(photo, heat, colormap=palette, opacity=opacity, heat_is_opacity=fade)
    rgba = np.dstack([photo, np.full((height, width), 255, np.uint8)])
    found = page.evaluate(
        PAINT,
        {
            "map": {"data": listed(raw), "h": raw.shape[0], "w": raw.shape[1]},
            "box": list(case["box"]),
            "width": width,
            "height": height,
            "photo": rgba.ravel().tolist(),
            "options": {
                "palette": palette,
                "opacity": opacity,
                "signed": signed,
                "heatIsOpacity": fade,
                "empty": is_empty(np.abs(raw) if signed else raw),
            },
        },
    )
    theirs = np.array(found["out"]).reshape(height, width, 4)[..., :3]
    assert np.abs(theirs - expected.astype(int)).max() <= 1
    ours = np.array([np.nan if one is None else one for one in found["heat"]])
    np.testing.assert_allclose(ours.reshape(height, width), heat, atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_pixel_level_maps_are_drawn_as_the_command_line_draws_them(page, signed):
    generator = np.random.default_rng(7)
    raw = generator.normal(0, 1, (40, 30)).astype(np.float32) ** 3
    raw = raw if signed else np.abs(raw)
    end = attribution_end(raw)
    height, width = 61, 93
    placed = heatmap_on_photo(raw, Placement((0, 0, width, height)), (height, width))
    expected = paint_attribution(placed, end=end, signed=signed)
    found = page.evaluate(
        """async ({data, h, w, width, height, look, signed}) => {
          const painter = await import('/static/painter.js');
          const map = {data: Float32Array.from(data), h, w};
          const end = painter.attributionEnd(map.data);
          const heat = painter.placeMap(map, [0, 0, width, height], width, height);
          const shown = {end, signed, empty: false};
          const photo = new Uint8ClampedArray(4 * width * height).fill(90);
          const out = new Uint8ClampedArray(photo.length);
          painter.paintMap(shown, painter.scaledMap(shown, heat, end), photo, look, out);
          return {end, out: [...out]};
        }""",
        {
            "data": raw.ravel().tolist(), "h": 40, "w": 30, "width": width, "height": height,
            "look": {
                "palette": "coolwarm" if signed else "gray",
                "opacity": 1,
                "heatIsOpacity": False,
            },
            "signed": signed,
        },
    )  # fmt: skip
    assert found["end"] == pytest.approx(end, rel=1e-6)
    ours = np.array(found["out"]).reshape(height, width, 4)[..., :3]
    assert np.abs(ours - expected.astype(int)).max() <= 1


def test_an_empty_map_leaves_the_photo_as_it_is(page):
    photo = list(range(16))
    found = page.evaluate(
        PAINT,
        {
            "map": {"data": [0, 0], "h": 1, "w": 2},
            "box": [0, 0, 2, 2],
            "width": 2,
            "height": 2,
            "photo": photo,
            "options": {"palette": "jet", "opacity": 1, "signed": False, "empty": True},
        },
    )
    assert found["out"] == photo


def test_the_outline_runs_where_the_heat_crosses_the_threshold(page):
    lines = page.evaluate(
        """async () => {
          const {contour} = await import('/static/painter.js');
          const heat = Float32Array.from({length: 100}, (_, at) => (at % 10) / 9);
          return contour(heat, 10, 10, 0.5);
        }"""
    )
    points = np.array(lines).reshape(-1, 2)
    assert len(points) == 18
    np.testing.assert_allclose(points[:, 0], 5.0)  # half-way from the centre 4.5 to 5.5
    assert set(points[:, 1]) == set(np.arange(10) + 0.5)


def test_painting_a_map_of_56_cells_takes_less_than_a_frame(page):
    """60 frames per second leave 16.7 ms for a photo of 960 × 640 on the page."""
    times = page.evaluate(
        """async () => {
          const painter = await import('/static/painter.js');
          const [width, height] = [960, 640];
          const map = {data: Float32Array.from({length: 56 * 56}, Math.random), h: 56, w: 56};
          const box = [0, 0, width, height];
          const heat = painter.scaleHeat(painter.placeMap(map, box, width, height));
          const photo = new Uint8ClampedArray(4 * width * height).fill(90);
          const out = new Uint8ClampedArray(photo.length);
          const colours = painter.palette('turbo');
          const times = [];
          for (let i = 0; i < 40; i++) {
            const began = performance.now();
            painter.paint(photo, heat, {colours, opacity: i / 40, heatIsOpacity: i % 2 > 0}, out);
            times.push(performance.now() - began);
          }
          return times;
        }"""
    )
    assert min(times) < 16.7
