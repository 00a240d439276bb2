"""Photos that share pixels at the same place: a stamp, a tag, a frame. No network is needed.

Axes: n photo, d value of a patch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

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
    most = math.floor(largest * len(chosen))
    least = max(round(smallest * len(chosen) / count), 4)
    if most < least:
        return []
    steps = 1 + math.ceil(math.log(most / least) / math.log(STEP))
    members = np.unique(np.geomspace(least, most, steps).round().astype(np.int64))
    beyond = np.minimum(np.ceil(BEYOND_FACTOR * members).astype(np.int64), len(chosen) - 1)
    groups: list[tuple[Bool[ndarray, " n"], float]] = []
    for patches in _patches(tiny):
        some = patches[chosen]
        distances = np.partition(_distances(some, some), np.union1d(members, beyond), axis=1)
        rooms = distances[:, beyond] / (distances[:, members - 1] + NOISE)
        middle, step = np.unravel_index(int(rooms.argmax()), rooms.shape)
        room = float(rooms[middle, step])
        if room < ROOM:
            continue
        reach = 0.5 * (distances[middle, members[step] - 1] + distances[middle, beyond[step]])
        inside = _distances(patches, some[middle : middle + 1])[:, 0] <= reach
        if smallest <= inside.sum() <= largest * count:
            groups.append((inside, room))
    return groups


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
