"""What an occlusion sweep costs, before it starts: copies, seconds, memory.

Axes: m copy, t target (class), h row, w column, c channel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.methods.windows import Size, place_windows

BATCH_MEMORY = 512 * 2**20
"""Bytes that a batch may take in the network, by the rule of `default_batch_size`."""


@dataclass(frozen=True)
class Cost:
    """What a sweep will cost.

    Attributes:
        positions: windows, over all patch sizes.
        copies: images that go through the network: the positions and the clean image.
        batch_size: how many of them at a time.
        memory: bytes of the copies that are held at once; the network's own come on top.
        seconds: from one timed batch.
    """

    positions: int
    copies: int
    batch_size: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        spoken = f"{minutes} min {seconds} s" if minutes else f"{self.seconds:.1f} s"
        return (
            f"{self.positions:,} positions, about {spoken}, "
            f"{self.memory / 1e6:.0f} MB for {self.batch_size} copies at a time"
        )


def occlusion_cost(
    image: Float[ndarray, "h w c"],
    score: Callable[[Float[ndarray, "m h w c"]], Any],
    *,
    patch: Size | list[int | float] | None = None,
    stride: Size | None = None,
    batch_size: int | None = None,
) -> Cost:
    """Time one batch, after one to warm up, and reckon from it what a whole sweep will cost.

    Worth its two batches only for a sweep of many: see `occlusion_copies`.
    """
    sizes = len(patch) if isinstance(patch, list) else 1
    copies = occlusion_copies(image.shape, patch=patch, stride=stride)
    batch_size = min(batch_size or default_batch_size(image.shape), copies)
    batch = np.repeat(image[None], batch_size, axis=0)
    score(batch)
    start = time.perf_counter()
    score(batch)
    seconds = (time.perf_counter() - start) * copies / batch_size
    return Cost(copies - sizes, copies, batch_size, batch.nbytes, seconds)


def occlusion_copies(
    shape: tuple[int, ...],
    *,
    patch: Size | list[int | float] | None = None,
    stride: Size | None = None,
) -> int:
    """Count the copies of an image (h, w, c) that a sweep asks for, the clean one included."""
    sizes = patch if isinstance(patch, list) else [patch]
    counts = [place_windows((shape[0], shape[1]), size, stride).shape for size in sizes]
    return sum(1 + rows * columns for rows, columns in counts)


def default_batch_size(shape: tuple[int, ...]) -> int:
    """Choose how many copies (h, w, c) to ask at a time, 1 to 256.

    A network is taken to need 48 times a copy's own bytes: two layers of 64 channels at the full
    size, as VGG has them, are 43 times, and nothing common has more.
    """
    return max(1, min(256, BATCH_MEMORY // (48 * 4 * int(np.prod(np.array(shape))))))
