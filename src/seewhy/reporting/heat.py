"""Where the heat of many photos is: mean maps, alarms, and places in words.

Axes: n photo, h row, w column of a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seewhy.explaining.rows import energies

RING = 0.65
"""The share of the mean heat in the border ring that raises an alarm (0.36 for an even map)."""

SAME_CELL = 0.3
"""The share of photos whose strongest cell is the same one that raises an alarm."""

FEWEST_PHOTOS = 10
"""Photos below which a mean map raises no alarm."""


def shares(maps: Float[ndarray, "n h w"]) -> Float[ndarray, "n h w"]:
    """Return the positive part of each map, divided by its sum; zeros where nothing is positive."""
    positive = np.where(maps > 0, maps, 0).astype(np.float64)
    sums = positive.sum(axis=(1, 2), keepdims=True)
    return np.asarray(positive / np.where(sums > 0, sums, 1))


def mean_map(maps: Float[ndarray, "n h w"]) -> Float[ndarray, "h w"]:
    """Return the mean of maps that weigh alike, whatever their peaks."""
    return np.asarray(shares(maps).mean(axis=0), np.float32)


@dataclass(frozen=True, eq=False)
class MeanHeat:
    """Where the heat of a class is on average.

    Attributes:
        map: the mean map.
        photos: of how many.
        border: the share of it in the border ring; NaN of an empty map.
        cell: (row, column) of the cell that is the strongest in most photos.
        cell_share: in which share of them.
        alarm: a sentence, or empty.
    """

    map: Float[ndarray, "h w"]
    photos: int
    border: float
    cell: tuple[int, int]
    cell_share: float
    alarm: str


def mean_heat(maps: Float[ndarray, "n h w"]) -> MeanHeat:
    """Return the mean map, with an alarm for heat in the border ring or always in one cell.

    A cell in the middle half of both sides raises no alarm: photographers put things there.
    """
    heats = shares(maps)
    mean = heats.mean(axis=0)
    border, _ = energies(mean)
    filled = heats.any(axis=(1, 2))
    height, width = mean.shape
    peaks = heats[filled].reshape(-1, height * width).argmax(axis=1)
    counts = np.bincount(peaks, minlength=height * width)
    row, column = divmod(int(counts.argmax()), width)
    share = float(counts.max() / max(len(peaks), 1))
    alarm = ""
    if len(peaks) >= FEWEST_PHOTOS:
        middle = all(
            0.25 <= (place + 0.5) / length <= 0.75
            for place, length in ((row, height), (column, width))
        )
        if share >= SAME_CELL and not middle and height * width > 9:
            spot = np.zeros((height, width), bool)
            spot[row, column] = True
            alarm = (
                f"In {share:.0%} of the photos the strongest cell is the same: {place_of(spot)}."
            )
        elif border is not None and border >= RING:
            alarm = f"{border:.0%} of the heat is in the border ring (an even map has 36%)."
    return MeanHeat(
        mean.astype(np.float32),
        len(maps),
        np.nan if border is None else border,
        (row, column),
        share,
        alarm,
    )


def border_heat(maps: Float[ndarray, "n h w"]) -> Float[ndarray, " n"]:
    """Return the share of each photo's positive heat in the border ring; NaN where none is."""
    energy = [energies(heatmap)[0] for heatmap in maps]
    return np.array([np.nan if share is None else share for share in energy])


def outside_boxes(
    heatmap: Float[ndarray, "h w"], boxes: Float[ndarray, "m 4"], *, fineness: int = 8
) -> float:
    """Return the share of a map's positive heat outside all boxes; NaN of an empty map.

    Args:
        heatmap: the map.
        boxes: (x0, y0, x1, y1), as shares of the width and height that the map covers.
        fineness: rows and columns into which a cell is cut to find how much of it is in a box.
    """
    rows, columns = _fine_places(heatmap, fineness)
    inside = np.zeros((len(rows), len(columns)), bool)
    for x0, y0, x1, y1 in boxes.tolist():
        inside |= np.outer((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))
    return _outside(heatmap, inside, fineness)


def outside_mask(
    heatmap: Float[ndarray, "h w"],
    mask: Bool[ndarray, "H W"],
    box: tuple[float, float, float, float],
    *,
    fineness: int = 8,
) -> float:
    """Return the share of a map's positive heat outside a mask; NaN of an empty map.

    Args:
        heatmap: the map.
        mask: the pixels of the object, in the photo.
        box: the part of the photo that the map covers, (x0, y0, x1, y1) in its pixels; beyond the
            photo there is no object.
        fineness: as for `outside_boxes`.
    """
    x0, y0, x1, y1 = box
    rows, columns = _fine_places(heatmap, fineness)
    down = np.floor(y0 + rows * (y1 - y0)).astype(np.int64)
    across = np.floor(x0 + columns * (x1 - x0)).astype(np.int64)
    there = np.outer((down >= 0) & (down < mask.shape[0]), (across >= 0) & (across < mask.shape[1]))
    down, across = down.clip(0, mask.shape[0] - 1), across.clip(0, mask.shape[1] - 1)
    return _outside(heatmap, mask[np.ix_(down, across)] & there, fineness)


def _fine_places(
    heatmap: Float[ndarray, "h w"], fineness: int
) -> tuple[Float[ndarray, " _"], Float[ndarray, " _"]]:
    """Return the middles of fine rows and columns, as shares of what a map covers."""
    height, width = (length * fineness for length in heatmap.shape)
    return (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width


def _outside(heatmap: Float[ndarray, "h w"], inside: Bool[ndarray, "_ _"], fineness: int) -> float:
    height, width = heatmap.shape
    covered = inside.reshape(height, fineness, width, fineness).mean(axis=(1, 3))
    positive = np.where(heatmap > 0, heatmap, 0)
    total = positive.sum()
    return float((positive * (1 - covered)).sum() / total) if total > 0 else np.nan


def hot_region(heatmap: Float[ndarray, "h w"], *, level: float = 0.5) -> Bool[ndarray, "h w"]:
    """Return the cells that reach a share of the peak; none of an empty map."""
    peak = np.nanmax(heatmap)
    return np.asarray(heatmap >= level * peak) & np.asarray(heatmap > 0)


def place_of(region: Bool[ndarray, "h w"]) -> str:
    """Say in words where a region is: 'the lower left corner', 'the border', 'the centre'."""
    if not region.any():
        return "nowhere"
    if region.mean() > 0.6:
        return "the whole photo"
    height, width = region.shape
    deep, far = -(-height // 5), -(-width // 5)
    bands = {
        "upper": region[:deep].any(axis=0),
        "lower": region[-deep:].any(axis=0),
        "left": region[:, :far].any(axis=1),
        "right": region[:, -far:].any(axis=1),
    }
    filled = [side for side, band in bands.items() if band.mean() >= 0.5]
    if len(filled) >= 3:
        return "the border"
    if filled in (["upper", "lower"], ["left", "right"]):
        return f"the {filled[0]} and {filled[1]} edges"
    weight = region / region.sum()
    y = float(weight.sum(axis=1) @ ((np.arange(height) + 0.5) / height))
    x = float(weight.sum(axis=0) @ ((np.arange(width) + 0.5) / width))
    down = "upper" if y < 0.36 else "lower" if y > 0.64 else ""
    across = "left" if x < 0.36 else "right" if x > 0.64 else ""
    if down and across:
        return f"the {down} {across} corner"
    if not (down or across):
        return "the centre"
    ends = {
        "upper": region[0],
        "lower": region[-1],
        "left": region[:, 0],
        "right": region[:, -1],
    }
    side = down or across
    return f"the {side} edge" if ends[side].any() else f"the {side} part"
