"""zoom=: overlapping tiles of a photo, explained one by one and fused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy import errors
from seewhy.explaining.zooming import fuse_tiles, tile_boxes
from tests.explaining.test_explain import LABELS, classifier
from tests.linear_network import LinearNetwork
from tests.methods.by_loops import random, resized

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
"""Four times the network's input in both directions."""


def test_tiles_are_half_a_tile_apart_and_cover_the_photo_row_by_row() -> None:
    boxes = tile_boxes((10.0, 0.0, 50.0, 20.0), 2)
    assert len(boxes) == 9
    assert boxes[0] == (10, 0, 30, 10)
    assert boxes[1] == (20, 0, 40, 10)
    assert boxes[3] == (10, 5, 30, 15)
    assert boxes[8] == (30, 10, 50, 20)
    assert tile_boxes((0.0, 0.0, 8.0, 8.0), 1) == [(0, 0, 8, 8)]
    assert len(tile_boxes((0.0, 0.0, 8.0, 8.0), 3)) == 25


@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_fused_tiles_are_the_mean_of_those_that_see_a_place(zoom: int) -> None:
    side, h, w = 2 * zoom - 1, 3, 2
    maps = random(1, side * side, 2, h, w)
    total = np.zeros((2, 2 * zoom * h, 2 * zoom * w))
    count = np.zeros(total.shape)
    for index in range(side * side):
        i, j = index // side, index % side
        for t in range(2):
            finer = resized(maps[index, t].tolist(), 2 * h, 2 * w)
            for y in range(2 * h):
                for x in range(2 * w):
                    total[t, i * h + y, j * w + x] += finer[y, x]
                    count[t, i * h + y, j * w + x] += 1
    np.testing.assert_allclose(fuse_tiles(maps, zoom), total / count, rtol=1e-5, atol=1e-6)


def test_what_no_tile_tested_stays_unknown_and_the_rest_is_kept() -> None:
    maps = np.full((9, 2, 2), np.nan, np.float32)
    maps[4] = 3.0  # the tile in the middle
    fused = fuse_tiles(maps, 2)
    np.testing.assert_array_equal(fused[2:6, 2:6], 3.0)
    assert np.isnan(fused).sum() == 64 - 16


def test_a_linear_network_s_map_is_that_of_the_finer_photo() -> None:
    """Its map is the photo's own colours, so that tiles show four times as many cells."""
    found = seewhy.explain(classifier(), PIXELS, method="cam", classes=["red", "blue"], zoom=2)
    assert found.maps.shape == (1, 2, 16, 24)
    tiles = [
        np.asarray(Image.fromarray(PIXELS).resize((12, 8), Image.Resampling.BILINEAR, box=box))
        for box in tile_boxes((0, 0, 48, 32), 2)
    ]
    for t, colour in enumerate((0, 2)):
        cells = [one[..., colour].reshape(4, 2, 6, 2).mean(axis=(1, 3)) / 255 for one in tiles]
        expected = fuse_tiles(np.array(cells, np.float32), 2)
        np.testing.assert_allclose(found.maps[0, t], expected, rtol=1e-5)
    assert found.placements[0].box == (0, 0, 48, 32)
    assert found.provenance is not None
    assert found.provenance.as_dict()["zoom"] == 2


def test_tiles_are_explained_for_the_classes_of_the_whole_photo() -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, :, 1] = 90  # green everywhere
    pixels[:8, :12, 2] = 255  # blue in one corner, whose tile is bluer than green
    network = LinearNetwork()
    asked = seewhy.Classifier(network, preprocess="unit", labels=LABELS)
    found = seewhy.explain(asked, [pixels, pixels], method="grad-cam", top=1, zoom=2)
    assert [row[0].label for row in found.targets] == ["green", "green"]
    assert sum(network.passes) == 2 * (1 + 9)
    np.testing.assert_array_equal(found.maps[0], found.maps[1])
    assert found.heatmap(0).shape == (32, 48)


def test_every_kind_of_method_zooms() -> None:
    options: dict[str, Any] = {"rise": {"masks": 8}}
    names = ["eigen-cam", "hires-cam", "occlusion", "rise", "saliency", "guided-grad-cam"]
    found = seewhy.compare(
        classifier(), PIXELS, methods=names, top=2, zoom=2, options=options, contrast="green"
    )
    assert {name: one.maps.shape for name, one in found.items()} == {
        "eigen-cam": (1, 1, 16, 24),
        "hires-cam": (1, 2, 16, 24),
        "occlusion": (1, 2, 32, 48),
        "rise": (1, 2, 32, 48),
        "saliency": (1, 2, 32, 48),
        "guided-grad-cam": (1, 2, 32, 48),
    }
    assert all(np.isfinite(one.maps).all() for one in found.values())
    assert found["hires-cam"].title().endswith("rather than green")
    for one in found.values():
        one.picture()


def test_a_centre_crop_is_zoomed_within_what_the_network_sees() -> None:
    asked = seewhy.Classifier(LinearNetwork(), preprocess="unit", labels=LABELS, fit="crop")
    wide = np.concatenate([PIXELS, np.zeros_like(PIXELS)], axis=1)
    found = seewhy.explain(asked, wide, method="cam", classes=["red"], zoom=2)
    assert found.placements == seewhy.explain(asked, wide, method="cam").placements
    assert found.placements[0].box == (24, 0, 72, 32)


def test_a_stream_zooms_with_the_photos_own_pixels(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    (found,) = seewhy.stream(classifier(), tmp_path, method="cam", classes=["red"], zoom=2)
    assert isinstance(found, seewhy.Explanation)
    alone = seewhy.explain(classifier(), PIXELS, method="cam", classes=["red"], zoom=2)
    np.testing.assert_array_equal(found.maps, alone.maps)


@pytest.mark.parametrize("zoom", [0, 9, True])
def test_a_wrong_zoom_is_refused(zoom: Any) -> None:
    with pytest.raises(errors.OptionError) as caught:
        seewhy.compare(classifier(), PIXELS, methods=["cam"], zoom=zoom)
    assert str(caught.value) == (f"zoom={zoom!r} is not valid. Give a whole number, 1 to 8.")
