"""What several tests of methods lean on: frozen arrays, and resizing written out as loops."""

from __future__ import annotations

import math

import numpy as np


def frozen(values, dtype=np.float32):
    """An array that nobody can write to."""
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def random(seed, *shape):
    """Standard normal numbers, frozen."""
    return frozen(np.random.default_rng(seed).standard_normal(shape))


def resized(values, height, width):
    """Linear interpolation between cell centres, held at the edges, one pixel at a time."""
    h, w = len(values), len(values[0])
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            top, left = math.floor(y), math.floor(x)
            down, right = min(top + 1, h - 1), min(left + 1, w - 1)
            a, b = y - top, x - left
            result[i, j] = (
                (1 - a) * (1 - b) * values[top][left]
                + (1 - a) * b * values[top][right]
                + a * (1 - b) * values[down][left]
                + a * b * values[down][right]
            )
    return result
