"""Zoom: explain overlapping tiles of a photo, and fuse their maps into a finer one.

Every tile is resized to the network's input size, so that any network can do it, and is explained
for the classes that were chosen on the whole photo.

Axes: n photo, k tile of a photo, t explained value, h w of a tile's map, H W of the fused one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from seewhy.classifier import Classifier
from seewhy.explaining.question import Question
from seewhy.explaining.running import MethodResult, NetworkResult, run
from seewhy.maps import heatmap_on_photo, resize_map
from seewhy.networks.cells import WHOLE_INPUT, Shares
from seewhy.photos.fitting import INTERPOLATIONS
from seewhy.photos.photo import Photo, Placement
from seewhy.progress import Progress


def tile_boxes(
    box: tuple[float, float, float, float], zoom: int
) -> list[tuple[float, float, float, float]]:
    """Return (2 · zoom − 1)² tiles, row by row: 1/zoom of each side, half a tile apart."""
    x0, y0, x1, y1 = box
    across, down = (x1 - x0) / (2 * zoom), (y1 - y0) / (2 * zoom)
    steps = range(2 * zoom - 1)
    return [
        (x0 + j * across, y0 + i * down, x0 + (j + 2) * across, y0 + (i + 2) * down)
        for i in steps
        for j in steps
    ]


def fuse_tiles(maps: Float[ndarray, "k *t h w"], zoom: int) -> Float[ndarray, "*t H W"]:
    """Average the maps of tiles where they overlap.

        fused[y, x] = mean over the tiles that see (y, x) of their map there

    A tile's map is resized to twice its rows and columns first, so that half a tile is a whole
    number of cells, whatever its size.

    Args:
        maps: of `tile_boxes`, in their order; NaN does not count.
        zoom: of the tiles.

    Returns:
        The fused maps, raw, with 2 · zoom · h rows and 2 · zoom · w columns.
    """
    h, w = maps.shape[-2:]
    finer = resize_map(maps, (2 * h, 2 * w)).astype(np.float64)
    total = np.zeros((*maps.shape[1:-2], 2 * zoom * h, 2 * zoom * w))
    count = np.zeros_like(total)
    for index, tile in enumerate(finer):
        i, j = divmod(index, 2 * zoom - 1)
        there = (..., slice(i * h, (i + 2) * h), slice(j * w, (j + 2) * w))
        total[there] += np.nan_to_num(tile, nan=0.0)
        count[there] += ~np.isnan(tile)
    fused = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return np.asarray(fused, np.float32)


def zoom_in(
    question: Question,
    photos: Sequence[Photo],
    network: NetworkResult,
    zoom: int,
    *,
    progress: Progress,
) -> tuple[dict[str, Float[ndarray, "n _t _H _W"]], tuple[Placement, ...]]:
    """Explain the tiles of photos whose classes are known.

    Args:
        question: what was asked of the whole photos.
        photos: the n photos.
        network: the network's answer for them.
        zoom: of the tiles.
        progress: called with (done, total) network inputs.

    Returns:
        The fused maps by method, and the part of each photo that they cover.
    """
    seen = [
        seen_part(photo, placed) for photo, placed in zip(photos, network.placements, strict=True)
    ]
    tiles = [
        tile_of(question.classifier, photo, box)
        for photo, whole in zip(photos, seen, strict=True)
        for box in tile_boxes(whole, zoom)
    ]
    each = (2 * zoom - 1) ** 2
    targets = question.targets
    if not callable(targets) and network.targets is not None:
        targets = np.repeat(network.targets, each, axis=0)
    results, _ = run(replace(question, targets=targets), tiles, progress=progress)
    placements = tuple(Placement(box) for box in seen)
    fused = {
        method.name: _fused(results[method.name], each, zoom, question.cells_of(method))
        for method in question.methods
    }
    return fused, placements


def over_tiles(maps: Float[ndarray, "k t h w"], cells: Shares) -> Float[ndarray, "k t _h _w"]:
    """Return maps over their whole tiles; NaN where a layer sees nothing of its tile.

    Args:
        maps: of tiles, at the layer's own resolution.
        cells: what the layer's map covers of the network's input.
    """
    if cells == WHOLE_INPUT:
        return maps
    y0, x0, y1, x1 = cells
    rows, columns = (
        max(1, round(side / (high - low)))
        for side, low, high in ((maps.shape[2], y0, y1), (maps.shape[3], x0, x1))
    )
    place = Placement((x0 * columns, y0 * rows, x1 * columns, y1 * rows))
    placed = [
        heatmap_on_photo(tile, place, (rows, columns)) for tile in maps.reshape(-1, *maps.shape[2:])
    ]
    return np.stack(placed).reshape(*maps.shape[:2], rows, columns)


def _fused(result: MethodResult, each: int, zoom: int, cells: Shares) -> Float[ndarray, "n t H W"]:
    maps = over_tiles(result.maps, cells)
    groups = range(0, len(maps), each)
    fused = np.stack([fuse_tiles(maps[start : start + each], zoom) for start in groups])
    return fused if cells == WHOLE_INPUT else np.nan_to_num(fused, nan=0.0)


def seen_part(photo: Photo, placement: Placement) -> tuple[float, float, float, float]:
    """Return the part of the photo that the network saw, without padding around the photo."""
    height, width = photo.pixels.shape[:2]
    x0, y0, x1, y1 = placement.box
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def tile_of(classifier: Classifier, photo: Photo, box: tuple[float, float, float, float]) -> Photo:
    """Return a tile of a photo, resized to the network's input size from the photo's own pixels."""
    size, fit = classifier.size, classifier.fit
    filter_ = INTERPOLATIONS[fit.interpolation]
    whole = Image.fromarray(photo.pixels)
    pixels = np.asarray(whole.resize(size[::-1], filter_, box=box, reducing_gap=None))
    placement = Placement((0.0, 0.0, float(size[1]), float(size[0])))
    return Photo(pixels, photo.name, photo.path, (fit, pixels, placement))
