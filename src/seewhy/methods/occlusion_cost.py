"""What an occlusion sweep costs, before it starts: how many copies, and how many at a time."""

from __future__ import annotations

import numpy as np

from seewhy.methods.windows import Size, place_windows

BATCH_MEMORY = 512 * 2**20
"""Bytes that a batch may take in the network, by the rule of `default_batch_size`."""


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
