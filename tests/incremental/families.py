"""What every family's test shares: photos, windows over all edges, and how exact is exact."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from skimage import data
from skimage.transform import resize

from seewhy.incremental import Engine
from seewhy.incremental.choosing import FLOOR, SHARE
from tests.incremental.made import occluded

Network = Callable[[np.ndarray], np.ndarray]
"""Takes copies (m, h, w, c), gives scores (m, k)."""


@functools.cache
def photos(height: int, width: int) -> np.ndarray:
    """Return four photos as networks take them, about −2 … 2; read-only."""
    pictures = [data.chelsea(), data.coffee(), data.astronaut(), data.rocket()]
    small = [resize(each, (height, width), anti_aliasing=True) for each in pictures]
    found = ((np.stack(small) - 0.45) / 0.25).astype(np.float32)
    found.setflags(write=False)
    return found


def some_windows(height: int, width: int) -> np.ndarray:
    """Return the corners, an edge each, the middle, two that are no multiple of any stride."""
    patch = 16
    down, right = height - patch, width - patch
    places = [(0, 0), (right, 0), (0, down), (right, down), (right // 2, down // 2), (0, down // 2),
              (right, down // 3), (right // 3, down), (13, 29), (right // 2 + 7, 5)]  # fmt: skip
    return np.array([[x, y, x + patch, y + patch] for x, y in places])


def assert_exact(made: Engine, network: Network, height: int, width: int) -> None:
    """Say that windows on a photo, its fill another photo, answer what whole copies answer."""
    clean, filled = photos(height, width)[:2]
    assert_agrees(made, network, clean, filled, some_windows(height, width))


def assert_agrees(
    made: Engine, network: Network, clean: np.ndarray, filled: np.ndarray, windows: np.ndarray
) -> None:
    """Say that re-run windows answer what whole copies answer, but for rounding.

    The maps have an amplitude: covering a patch must matter, or everything would agree.
    """
    expected = network(occluded(clean, filled, windows)).astype(np.float64)
    amplitude = np.abs(expected - network(clean[None])).max()
    largest = np.abs(expected).max()
    assert amplitude > 0.01 * largest
    found = made.sweep(clean, windows, filled, batch_size=4)
    allowed = SHARE * amplitude + FLOOR * largest
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
