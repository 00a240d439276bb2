"""In which order a layer keeps its places, found by trial: windows, mask units, rolls, blocks.

A changed row of the photo changes some of a layer's places most, and a changed column others.
Where each place is changed by one row and one column of its own, its cell is known, whatever the
network did to come there.

Axes: n image, t target, p place, h row, w column, c channel, s stripe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Maps = Callable[[ndarray], ndarray]

MOST_STRIPES = 512
"""Rows and columns of a map together, above which its order is not tried: so many images pass."""

STRIPES_AT_ONCE = 16

MOST_TRIES = 3
"""Changes by so many images are added up, where those by one leave places in doubt."""

LEAST_DISTINCT = 0.6
"""The least share of cells that have a place after one try; below it, no further try helps."""

FARTHEST = 1.0
"""Cells by which where a place is changed may lie beside the line through all rows (columns)."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Where the cells of the photo are in what a layer returns.

    Attributes:
        channel: the axis of the channels, of the three after the image.
        order: (h, w), the number of each cell's place among the other two axes.
    """

    channel: int
    order: Int[ndarray, "h w"]

    def apply(self, found: Float[ndarray, "*n a b d"]) -> Float[ndarray, "*n h w c"]:
        """Return maps in the photo's rows and columns."""
        last = np.moveaxis(found, self.channel - 3, -1)
        places = last.reshape(*last.shape[:-3], -1, last.shape[-1])
        return np.ascontiguousarray(places[..., self.order, :])

    def undo(
        self, maps: Float[ndarray, "m h w c"], shape: tuple[int, ...]
    ) -> Float[ndarray, "m a b d"]:
        """Return what the layer would have returned for maps, in its own shape (a, b, d)."""
        sides = [side for axis, side in enumerate(shape) if axis != self.channel]
        places = np.empty((len(maps), self.order.size, maps.shape[-1]), maps.dtype)
        places[:, self.order.ravel()] = maps.reshape(places.shape)
        last = places.reshape(len(maps), *sides, -1)
        return np.ascontiguousarray(np.moveaxis(last, -1, self.channel + 1))


def arrangement_by_trial(maps: Maps, base: Float[ndarray, "h w c"]) -> Arrangement | None:
    """Return in which order a layer keeps its places; None where they are in no order.

    Args:
        maps: returns what a layer returns for images, (n, a, b, d).
        base: an image.
    """
    answer = maps(base[None])[0]
    for channel in (2, 0, 1):
        sides = [side for axis, side in enumerate(answer.shape) if axis != channel]
        for grid in _grids(sides, (base.shape[0], base.shape[1])):
            random = np.random.default_rng(4)
            changes = [np.zeros((count, sides[0] * sides[1]), np.float32) for count in grid]
            for attempt in range(MOST_TRIES):
                # Brighter rows first: they change every place by as much, where noise does not.
                noise = random.uniform(size=base.shape).astype(np.float32)
                other = noise if attempt else base + np.float32(0.5)
                for axis in (0, 1):
                    changes[axis] += _changes(maps, base, other, answer, channel, axis, grid[axis])
                cells = _cells(changes)
                distinct = 0 if cells is None else len(np.unique(cells))
                if cells is not None and distinct == cells.size:
                    return Arrangement(channel, np.argsort(cells).reshape(grid))
                if distinct < LEAST_DISTINCT * grid[0] * grid[1]:
                    break
    return None


def _grids(sides: list[int], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the rows and columns that so many places may have, those like the photo's first."""
    count = sides[0] * sides[1]
    rows = next(
        (
            rows
            for off in range(3)
            for rows in (isqrt(count * size[0] // size[1]) + off, isqrt(count) - off)
            if rows > 0 and count % rows == 0 and _is_like(rows, count // rows, size)
        ),
        None,
    )
    likely = [] if rows is None else [(rows, count // rows)]
    for grid in dict.fromkeys([*likely, (sides[0], sides[1]), (sides[1], sides[0])]):
        if min(grid) > 1 and sum(grid) <= MOST_STRIPES and _is_like(*grid, size):
            yield grid


def _is_like(rows: int, columns: int, size: tuple[int, int]) -> bool:
    """Return whether cells of a grid would be nearly square in the photo."""
    return 0.6 < (size[0] / rows) / (size[1] / columns) < 1.7


def _cells(changes: Sequence[Float[ndarray, "_s p"]]) -> Int[ndarray, " p"] | None:
    """Return the number of each place's cell in the photo; None where they do not part."""
    rows, columns = (_ranks(change) for change in changes)
    return None if rows is None or columns is None else rows * len(changes[1]) + columns


def _changes(
    maps: Maps,
    base: ndarray,
    other: ndarray,
    answer: ndarray,
    channel: int,
    axis: int,
    count: int,
) -> Float[ndarray, "s p"]:
    """Return how much each place changes where one of so many rows (columns) does."""
    edges = np.round(np.linspace(0, base.shape[axis], count + 1)).astype(int)
    changes = []
    for start in range(0, count, STRIPES_AT_ONCE):
        some = range(start, min(start + STRIPES_AT_ONCE, count))
        images = np.repeat(base[None], len(some), axis=0)
        for image, stripe in zip(images, some, strict=True):
            part = slice(edges[stripe], edges[stripe + 1])
            place = (part, slice(None)) if axis == 0 else (slice(None), part)
            image[place] = other[place]
        changed = np.abs(maps(images) - answer).sum(axis=channel + 1)
        changes.append(changed.reshape(len(some), -1))
    return np.concatenate(changes)


def _ranks(changes: Float[ndarray, "s p"]) -> Int[ndarray, " p"] | None:
    """Return the row (column) of each place: as many in each; None where they do not part."""
    count = len(changes)
    weights = changes - np.median(changes, axis=0)
    weights = np.where(weights >= 0.5 * weights.max(axis=0), weights, 0)
    if not (weights.sum(axis=0) > 0).all():
        return None
    middles = (weights * np.arange(count)[:, None]).sum(axis=0) / weights.sum(axis=0)
    each = changes.shape[1] // count
    ranks = np.empty(middles.size, int)
    ranks[np.argsort(middles, kind="stable")] = np.arange(middles.size) // each
    slope, start = np.polyfit(ranks, middles, 1)
    is_line = np.abs(start + slope * ranks - middles).max() <= FARTHEST and slope > 0.5
    return ranks if is_line else None
