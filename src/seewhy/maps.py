"""Resize a heatmap from the layer's grid to the photo's pixels, scale it, and compare it.

Axes: h row and w column of a map; H row and W column of the resized map.
NaN means "not seen by the network": it stays NaN, and does not affect its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import NotFinite, OptionError
from seewhy.photos.photo import Placement

KEYS = -0.75
"""The parameter a of the cubic kernel: OpenCV's and PyTorch's choice (Pillow, TensorFlow: −0.5)."""

BAND = 32  # rows that are interpolated at a time: they stay in the processor's memory


def resize_map(
    heatmap: Float[ndarray, "*batch h w"], size: tuple[int, int], *, interpolation: str = "linear"
) -> Float[ndarray, "*batch H W"]:
    """Resize maps to `size` by interpolation between the centres of their cells.

    Row y of the result samples the map at (y + 0.5) · h / H − 0.5, clamped to its edges, and
    columns likewise ("half-pixel centres"). Linear is cv2 INTER_LINEAR and torch
    `align_corners=False`; cubic is cv2 INTER_CUBIC and torch bicubic, which may overshoot the
    map's own range. A smaller size is interpolated in the same way, without averaging.

    Args:
        heatmap: one map, or any number of them in leading axes.
        size: (height, width) of the result.
        interpolation: "linear" or "cubic".

    Returns:
        The maps in float32, in their own scale and sign. A pixel whose nearest cell is NaN is
        NaN; next to NaN, only the other cells are weighted, linearly.

    Raises:
        OptionError: the interpolation is unknown, or the size is not positive.
    """
    if min(size) < 1:
        raise OptionError(
            f"A map cannot be resized to {size[0]}×{size[1]}. Give a height and width of 1 or more."
        )
    h, w = heatmap.shape[-2:]
    rows = (np.arange(size[0]) + 0.5) * (h / size[0]) - 0.5
    columns = (np.arange(size[1]) + 0.5) * (w / size[1]) - 0.5
    return _sample(heatmap, rows, columns, interpolation)


def heatmap_on_photo(
    heatmap: Float[ndarray, "h w"],
    placement: Placement,
    size: tuple[int, int],
    *,
    interpolation: str = "linear",
) -> Float[ndarray, "H W"]:
    """Resize a map to the photo's own pixels, at the part that the network saw.

    Args:
        heatmap: the method's map, at any resolution.
        placement: the part of the photo that the map covers, as `fit_photo` returns it.
        size: (height, width) of the photo.
        interpolation: "linear" or "cubic", as in `resize_map`.

    Returns:
        float32 in the map's own scale and sign; NaN where a pixel's centre is outside the part
        that the network saw.

    Raises:
        OptionError: the interpolation is unknown.
    """
    rows, columns, seen_rows, seen_columns = _positions(heatmap, placement, size)
    sampled = _sample(heatmap, rows[seen_rows], columns[seen_columns], interpolation)
    if sampled.shape == size:
        return sampled
    placed = np.full(size, np.nan, dtype=np.float32)
    if placement.cells is not None:
        placed[placement.pixels(size)] = 0
    placed[seen_rows, seen_columns] = sampled
    return placed


def peak_on_photo(
    heatmap: Float[ndarray, "h w"],
    placement: Placement,
    size: tuple[int, int],
    *,
    signed: bool = False,
) -> tuple[int, int]:
    """Return (x, y) of the largest pixel of `heatmap_on_photo`, without making all of them.

    Between the centres of neighbouring cells a linearly resized map changes in one direction along
    each row and column, so its largest pixel is the first or the last of such a stretch.

    Args:
        heatmap: with at least one value that is not NaN.
        placement, size: as for `heatmap_on_photo`.
        signed: take the largest magnitude.
    """
    if np.isnan(heatmap).any():
        placed = heatmap_on_photo(heatmap, placement, size)
        y, x = np.unravel_index(np.nanargmax(np.abs(placed) if signed else placed), placed.shape)
        return int(x), int(y)
    return peaks_on_photo(heatmap[None], placement, size, signed=signed)[0]


def peaks_on_photo(
    heatmaps: Float[ndarray, "t h w"],
    placement: Placement,
    size: tuple[int, int],
    *,
    signed: bool = False,
) -> list[tuple[int, int]]:
    """Return what `peak_on_photo` returns, of several maps without NaN at once."""
    ys, xs, sampled = _extremes(heatmaps, placement, size)
    values = np.abs(sampled) if signed else sampled
    places = values.reshape(len(values), -1).argmax(axis=1).tolist()
    return [(int(xs[place % xs.size]), int(ys[place // xs.size])) for place in places]


@dataclass(frozen=True, eq=False)
class HeatLevels:
    """A photo's maps in 256 levels of heat, as tables of colours take them.

    Attributes:
        levels: 0..255, for the part of the photo that the network saw.
        corner: the place (x, y) of that part on the photo.
        empty: True for maps in which nothing is positive.
    """

    levels: UInt8[ndarray, "t h w"]
    corner: tuple[int, int]
    empty: Bool[ndarray, " t"]


def heat_levels(
    heatmaps: Float[ndarray, "t h w"],
    placement: Placement,
    size: tuple[int, int],
    *,
    one_scale: bool = False,
) -> HeatLevels | None:
    """Return maps on a photo as levels: 256 times `scale_map` of `heatmap_on_photo`, cut off.

    Without the maps in floats between, that takes a third of the time.

    Args:
        heatmaps: all maps of a photo.
        placement, size: as for `heatmap_on_photo`.
        one_scale: divide all by the largest of their maxima, not each by its own.

    Returns:
        None for maps with NaN or infinity, and where the network saw nothing of the photo.
    """
    rows, columns, seen_rows, seen_columns = _positions(heatmaps, placement, size)
    rows, columns = rows[seen_rows], columns[seen_columns]
    if not (rows.size and columns.size and np.isfinite(heatmaps).all()):
        return None
    peaks = _extremes(heatmaps, placement, size)[2].max(axis=(1, 2))
    ends = np.where(peaks > 0, peaks.max() if one_scale else peaks, 1)[:, None, None]
    steps = np.clip(256 * (heatmaps / ends.astype(np.float64)), -1e9, 1e9)
    levels = np.empty((len(heatmaps), rows.size, columns.size), np.uint8)
    for band, values in _bands(steps, rows, columns, "linear"):
        levels[:, band] = np.clip(values, 0, 255, out=values)
    return HeatLevels(levels, (int(seen_columns.start), int(seen_rows.start)), peaks <= 0)


def scale_map(heatmap: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Scale a map for display: divide by its exact maximum; negatives become 0.

    Without an epsilon: the faintest map is as bright as the strongest one.

    Returns:
        float32 in 0..1 with a maximum of exactly 1, NaN where the map is NaN; all zero if nothing
        is positive (`is_empty`).

    Raises:
        NotFinite: the map contains infinity.
    """
    positive = np.maximum(heatmap, 0)  # keeps NaN, and is new memory
    peak = _peak(positive)
    if peak > 0:
        positive /= peak
    return np.asarray(positive, dtype=np.float32)


def scale_signed_map(heatmap: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Scale a signed map for display: divide by its largest magnitude, so that 0 stays 0.

    Returns:
        float32 in −1..1 whose largest magnitude is exactly 1, NaN where the map is NaN; all zero if
        the map is all zero.

    Raises:
        NotFinite: the map contains infinity.
    """
    peak = _peak(np.abs(heatmap))
    return np.array(heatmap / peak if peak > 0 else heatmap, dtype=np.float32)


def is_empty(heatmap: Float[ndarray, "*shape"]) -> bool:
    """Return whether a map has no positive value, so that there is nothing to show.

    For a signed map, give its magnitude: `is_empty(np.abs(heatmap))`.
    """
    return not bool(np.any(heatmap > 0))  # NaN is not positive


def _peak(values: Float[ndarray, "*shape"]) -> float:
    """Return the largest of values of 0 or more that is not NaN, or 0."""
    peak = float(np.max(values, initial=0.0))
    if np.isfinite(peak):
        return peak
    if np.isinf(values).any():
        raise NotFinite(
            "The map contains infinity and cannot be scaled for display. The network or the method "
            "overflowed: try float32 weights, or another layer."
        )
    return float(np.max(values, initial=0.0, where=~np.isnan(values)))


def _positions(
    heatmap: Float[ndarray, "*batch h w"], placement: Placement, size: tuple[int, int]
) -> tuple[Float[ndarray, " H"], Float[ndarray, " W"], slice, slice]:
    """Return where the photo's rows and columns lie in the map, in cells, and which were seen."""
    x0, y0, x1, y1 = placement.map_box
    h, w = heatmap.shape[-2:]
    rows = (np.arange(size[0]) + 0.5 - y0) * (h / (y1 - y0)) - 0.5
    columns = (np.arange(size[1]) + 0.5 - x0) * (w / (x1 - x0)) - 0.5
    seen = _within(rows, h), _within(columns, w)
    return rows, columns, *(seen if placement.cells is None else placement.pixels(size, seen))


def _extremes(
    heatmap: Float[ndarray, "*batch h w"], placement: Placement, size: tuple[int, int]
) -> tuple[Int[ndarray, " y"], Int[ndarray, " x"], Float[ndarray, "*batch y x"]]:
    """Return rows and columns of the photo that contain the maps' extremes, and their values."""
    rows, columns, seen_rows, seen_columns = _positions(heatmap, placement, size)
    ys = _ends(rows, heatmap.shape[-2], seen_rows)
    xs = _ends(columns, heatmap.shape[-1], seen_columns)
    return ys, xs, _sample(heatmap, rows[ys], columns[xs], "linear")


def _ends(positions: Float[ndarray, " m"], cells: int, seen: slice) -> Int[ndarray, " k"]:
    """Return the first and last position between each two neighbouring centres."""
    before = np.floor(np.clip(positions[seen], 0, cells - 1))
    last = np.append(np.flatnonzero(np.diff(before)), len(before) - 1)
    first = np.append(0, last[:-1] + 1)
    return np.asarray(seen.start + np.union1d(first, last), np.intp)


def _within(positions: Float[ndarray, " m"], cells: int) -> slice:
    """Return which positions are in one of the cells, whose edges are −0.5 and cells − 0.5."""
    inside = np.flatnonzero((positions >= -0.5) & (positions <= cells - 0.5))
    return slice(inside[0], inside[-1] + 1) if inside.size else slice(0, 0)


def _sample(
    heatmap: Float[ndarray, "*batch h w"],
    rows: Float[ndarray, " H"],
    columns: Float[ndarray, " W"],
    interpolation: str,
) -> Float[ndarray, "*batch H W"]:
    """Sample maps at every pair of fractional row and column, with NaN kept separate."""
    if interpolation not in ("linear", "cubic"):
        raise OptionError(
            f"A map cannot be interpolated by '{interpolation}'. Choose 'linear' or 'cubic'."
        )
    missing = np.isnan(heatmap)
    if not missing.any():
        return _interpolate(heatmap, rows, columns, interpolation)
    present = _interpolate((~missing).astype(np.float32), rows, columns, "linear")
    sampled = _interpolate(np.where(missing, 0.0, heatmap), rows, columns, "linear")
    nearest_row = np.clip(np.floor(rows + 0.5), 0, heatmap.shape[-2] - 1).astype(np.intp)
    nearest_column = np.clip(np.floor(columns + 0.5), 0, heatmap.shape[-1] - 1).astype(np.intp)
    unknown = missing[..., nearest_row[:, None], nearest_column]
    unknown |= present == 0
    sampled = np.where(unknown, np.float32(np.nan), sampled / np.where(unknown, 1, present))
    if interpolation == "cubic":
        cubic = _interpolate(heatmap, rows, columns, "cubic")
        sampled = np.where(np.isnan(cubic), sampled, cubic)
    return sampled


def _interpolate(
    heatmap: Float[ndarray, "*batch h w"],
    rows: Float[ndarray, " H"],
    columns: Float[ndarray, " W"],
    interpolation: str,
) -> Float[ndarray, "*batch H W"]:
    """Sample maps at every pair of row and column."""
    sampled = np.empty((*heatmap.shape[:-2], rows.size, columns.size), dtype=np.float32)
    for band, values in _bands(heatmap, rows, columns, interpolation):
        sampled[..., band, :] = values
    return sampled


def _bands(
    heatmap: Float[ndarray, "*batch h w"],
    rows: Float[ndarray, " H"],
    columns: Float[ndarray, " W"],
    interpolation: str,
) -> Iterator[tuple[slice, Float[ndarray, "*batch band W"]]]:
    """Sample maps first along columns, then along rows, and yield some rows at a time.

    They are overwritten by the next ones.
    """
    cells, weights = _taps(columns, heatmap.shape[-1], interpolation)
    across = np.zeros((*heatmap.shape[:-1], columns.size))
    for cell, weight in zip(cells, weights, strict=True):
        across += heatmap[..., cell] * weight
    # Whole rows of few cells become whole rows of many: float32 from here on, for memory.
    across = across.astype(np.float32)
    cells, weights = _taps(rows, heatmap.shape[-2], interpolation)
    weights = weights.astype(np.float32)[:, :, None]
    parts = _parts(cells)
    most = max((part.stop - part.start for part in parts), default=0)
    total, tap = np.empty((2, *across.shape[:-2], most, columns.size), dtype=np.float32)
    for band in parts:
        chosen = cells[:, band]
        if (chosen == chosen[:, :1]).all():
            chosen = chosen[:, :1]  # one row of cells becomes many
        height = band.stop - band.start
        sums, terms = total[..., :height, :], tap[..., :height, :]
        np.multiply(across[..., chosen[0], :], weights[0, band], out=sums)
        for cell, weight in zip(chosen[1:], weights[1:, band], strict=True):
            np.multiply(across[..., cell, :], weight, out=terms)
            sums += terms
        yield band, sums


def _parts(cells: Int[ndarray, "taps H"]) -> list[slice]:
    """Return up to BAND rows at a time: of the same cells, unless there are many cells."""
    count = cells.shape[1]
    starts = (np.flatnonzero(np.diff(cells[0], prepend=-1)) if count else cells[0]).tolist()
    if BAND * len(starts) > 4 * count:
        starts = [0]
    stretches = pairwise([*starts, count])
    return [
        slice(low, min(low + BAND, end))
        for start, end in stretches
        for low in range(start, end, BAND)
    ]


def _taps(
    positions: Float[ndarray, " m"], cells: int, interpolation: str
) -> tuple[Int[ndarray, "taps m"], Float[ndarray, "taps m"]]:
    """Return the cells that each position samples, and their weights.

    Linear, at the distance t from the cell before: 1 − t and t. Cubic: Keys's kernel W(t), with
    a = KEYS, of the two cells before and the two after.

    Source:
        Keys, *Cubic convolution interpolation for digital image processing*, IEEE TASSP 1981,
        equation 15 with a free.
    """
    if interpolation == "linear":
        positions = np.clip(positions, 0, cells - 1)
    before = np.floor(positions)
    t = positions - before
    if interpolation == "linear":
        offsets, weights = np.array([0, 1]), np.stack([1 - t, t])
    else:
        offsets = np.array([-1, 0, 1, 2])
        weights = np.stack([_far(t + 1), _near(t), _near(1 - t), _far(2 - t)])
    taps = np.clip(before.astype(np.intp) + offsets[:, None], 0, cells - 1)
    return taps, weights


def _near(t: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
    """W(t) for t ≤ 1: (a + 2) t³ − (a + 3) t² + 1."""
    return np.asarray(((KEYS + 2) * t - (KEYS + 3)) * t * t + 1)


def _far(t: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
    """W(t) for 1 < t < 2: a t³ − 5a t² + 8a t − 4a."""
    return np.asarray(((KEYS * t - 5 * KEYS) * t + 8 * KEYS) * t - 4 * KEYS)
