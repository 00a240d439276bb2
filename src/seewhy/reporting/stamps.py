"""Photos that share pixels, at the same place or anywhere: a stamp, a tag, a frame.

Axes: n photo, m member of a group, h w of a map, d value of a patch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from seewhy.maps import resize_map

WINDOWS = ((3, 3, 2), (1, 8, 4), (8, 1, 4))
"""Rows and columns of patches, and steps between them, of photos at 32 × 32: spots and lines."""

SAMPLE = 400
"""Photos among which stamps are looked for; the others are then compared with what was found."""

NOISE = 4.0
"""Grey levels by which pixels of the same stamp differ."""

ROOM = 2.5
"""How many times as far as the members the first photos beyond them are."""

STEP = 1.15
"""From one number of members to the next."""

BEYOND_FACTOR = 1.25
"""Members and so many more are compared: a few photos may be in between."""

SPOT = 3
"""Rows and columns of a patch that is looked for at every place."""

HOT_SPOTS = 8
"""Patches of a photo that are looked for in the others: the hottest."""

ROVING_ROOM = 3.0
"""As `ROOM`, of patches at any place: there are many places to be alike."""

ROVING_SAMPLE = 200
"""Photos whose hot patches are looked for, and in which they are."""


def stamped_groups(
    tiny: UInt8[ndarray, "n 32 32 3"], *, smallest: int, largest: float, seed: int = 0
) -> list[tuple[Bool[ndarray, " n"], float]]:
    """Return groups of photos with a patch in common, and how much room is around each.

        room = distance of the (1.25 k)-th nearest photo / (distance of the k-th nearest + noise)

    of a patch: the largest for any number of members k. A patch of sky has neighbours at every
    distance, and a room near 1.

    Args:
        tiny: photos of a class.
        smallest: members, at least.
        largest: the share of the class that a group has, at most.
        seed: draws the sample.
    """
    count = len(tiny)
    chosen = np.arange(count)
    if count > SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))
    members = _sizes(smallest * len(chosen) / count, largest * len(chosen))
    if not len(members):
        return []
    groups: list[tuple[Bool[ndarray, " n"], float]] = []
    for patches in _patches(tiny):
        some = patches[chosen]
        nearest, rooms = _rooms(_distances(some, some), members)
        middle, step = np.unravel_index(int(rooms.argmax()), rooms.shape)
        room = float(rooms[middle, step])
        if room < ROOM:
            continue
        reach = _reach(nearest[middle], members, int(step))
        inside = _distances(patches, some[middle : middle + 1])[:, 0] <= reach
        if smallest <= inside.sum() <= largest * count:
            groups.append((inside, room))
    return groups


def roving_groups(
    tiny: UInt8[ndarray, "n 32 32 3"],
    maps: Float[ndarray, "n h w"],
    *,
    smallest: int,
    largest: float,
    seed: int = 0,
) -> Iterator[tuple[Bool[ndarray, " n"], float, Bool[ndarray, "m 32 32"]]]:
    """Yield groups of photos with a hot patch in common at any place, those with most room first.

    As `stamped_groups`, where a patch's distance to a photo is that to its nearest place there.

    Args:
        tiny: photos of a class.
        maps: their heat.
        smallest, largest, seed: as for `stamped_groups`.

    Yields:
        Which photos are in the group, its room, and where the patch is in each of them.
    """
    count, (height, width) = len(tiny), tiny.shape[1:3]
    chosen = np.arange(count)
    if count > ROVING_SAMPLE:
        drawn = np.random.default_rng(seed).choice(count, ROVING_SAMPLE, replace=False)
        chosen = np.sort(drawn)
    members = _sizes(smallest * len(chosen) / count, largest * len(chosen))
    if not len(members):
        return
    places = (height - SPOT + 1, width - SPOT + 1)
    coarse = np.zeros(places, bool)
    coarse[::2, ::2] = True
    heat = resize_map(maps[chosen].astype(np.float32), (height, width))
    heat = np.where(coarse, heat[:, 1:-1, 1:-1], -np.inf).reshape(len(chosen), -1)
    hottest = np.argpartition(-heat, HOT_SPOTS, axis=1)[:, :HOT_SPOTS]
    spots = np.stack([_spots(photo) for photo in tiny[chosen]])
    wanted = np.take_along_axis(spots, hottest[..., None], axis=1).reshape(-1, spots.shape[2])
    distances = np.stack([_nearest(wanted, there) for there in spots], axis=1)
    nearest, rooms = _rooms(distances, members)
    best = rooms.argmax(axis=1)
    found: list[Bool[ndarray, " n"]] = []
    for middle in np.argsort(-rooms.max(axis=1)).tolist():
        room, step = float(rooms[middle, best[middle]]), int(best[middle])
        if room < ROVING_ROOM:
            return
        reach = _reach(nearest[middle], members, step)
        away = np.stack(
            [_distances(wanted[middle : middle + 1], _spots(photo))[0] for photo in tiny]
        )
        inside = away.min(axis=1) <= reach
        known = any(
            (inside & group).sum() > 0.5 * min(inside.sum(), group.sum()) for group in found
        )
        if known or not smallest <= inside.sum() <= largest * count:
            continue
        found.append(inside)
        there = np.pad((away[inside] <= reach).reshape(-1, *places), ((0, 0), (1, 1), (1, 1)))
        yield inside, room, _grown(_grown(there))


def _sizes(least: float, most: float) -> Int[ndarray, " k"]:
    """Return the numbers of members that are tried: each 15 % above the last."""
    least, most = max(round(least), 4), math.floor(most)
    if most < least:
        return np.zeros(0, np.int64)
    steps = 1 + math.ceil(math.log(most / least) / math.log(STEP))
    return np.unique(np.geomspace(least, most, steps).round().astype(np.int64))


def _beyond(members: Int[ndarray, " k"], count: int) -> Int[ndarray, " k"]:
    return np.minimum(np.ceil(BEYOND_FACTOR * members).astype(np.int64), count - 1)


def _rooms(
    distances: Float[ndarray, "a n"], members: Int[ndarray, " k"]
) -> tuple[Float[ndarray, "a n"], Float[ndarray, "a k"]]:
    """Return distances, sorted where it matters, and the room around each number of members."""
    beyond = _beyond(members, distances.shape[1])
    nearest = np.partition(distances, np.union1d(members - 1, beyond), axis=1)
    return nearest, nearest[:, beyond] / (nearest[:, members - 1] + NOISE)


def _reach(nearest: Float[ndarray, " n"], members: Int[ndarray, " k"], step: int) -> float:
    """Return the distance half way between the last member and the first photo beyond."""
    beyond = _beyond(members, len(nearest))[step]
    return float(0.5 * (nearest[members[step] - 1] + nearest[beyond]))


def _nearest(ours: Float[ndarray, "n d"], theirs: Float[ndarray, "m d"]) -> Float[ndarray, " n"]:
    """Return the smallest of `_distances` of each of ours, without keeping them all."""
    away = ((theirs**2).sum(axis=1) - 2 * ours @ theirs.T).min(axis=1) + (ours**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(away, 0) / ours.shape[1]))


def _spots(photo: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "p d"]:
    """Return the patches of a photo at every place."""
    windows = np.lib.stride_tricks.sliding_window_view(photo, (SPOT, SPOT), axis=(0, 1))
    return windows.reshape(-1, 3 * SPOT**2).astype(np.float32)


def _grown(cells: Bool[ndarray, "m h w"]) -> Bool[ndarray, "m h w"]:
    """Return cells with their neighbours."""
    wide = np.pad(cells, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2))
    return np.asarray(windows.any(axis=(3, 4)))


def _patches(tiny: UInt8[ndarray, "n h w 3"]) -> Iterator[Float[ndarray, "n d"]]:
    """Yield patches: spots everywhere, and lines along the four edges."""
    height, width = tiny.shape[1:3]
    for high, wide, stride in WINDOWS:
        rows = range(0, height - high + 1, stride if high > 1 else height - 1)
        columns = range(0, width - wide + 1, stride if wide > 1 else width - 1)
        for row, column in itertools.product(rows, columns):
            patch = tiny[:, row : row + high, column : column + wide]
            yield patch.reshape(len(tiny), -1).astype(np.float32)


def _distances(ours: Float[ndarray, "n d"], theirs: Float[ndarray, "m d"]) -> Float[ndarray, "n m"]:
    """Return root mean squared differences, in grey levels."""
    squares = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1)[None] - 2 * ours @ theirs.T
    return np.asarray(np.sqrt(np.maximum(squares, 0) / ours.shape[1]))
