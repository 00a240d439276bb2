"""Random shifts, scales and rotations of an image, with the gradient's way back.

Axes: n image, h row, w column, c channel. A transform is a sparse matrix M over the pixels, so
that images go forward as M · x, and gradients back as Mᵀ · g: exactly adjoint.

The image repeats beyond its edges, like wallpaper. For a filter it is shifted by anything up to its
whole size: so no part of it depends on the network's edges, where padding excites filters, and
structure spreads over the whole image. For a class the shift is small: photos of things have a
middle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import needed

SHIFT_ANYWHERE = 0.5
SHIFT_NEARBY = 16 / 224
"""Largest shift either way, as a share of the side."""

SCALES = (0.9, 1.1)
ANGLES = (-8.0, 8.0)
"""In degrees."""


def random_transform(size: tuple[int, int], generator: np.random.Generator, *, shift: float) -> Any:
    """Return the matrix of one random shift, scale and rotation about the middle.

    Values between pixels are interpolated linearly.
    """
    angle = np.deg2rad(generator.uniform(*ANGLES))
    scale = generator.uniform(*SCALES)
    move = generator.uniform(-shift, shift, size=2) * np.array(size)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return sampling_matrix(size, turn, move)


def sampling_matrix(
    size: tuple[int, int], turn: Float[ndarray, "2 2"], shift: Float[ndarray, " 2"]
) -> Any:
    """Return the sparse matrix that reads pixel p at middle + turn · (p − middle) + shift."""
    sparse = needed("scipy.sparse", "A picture that excites a unit")
    height, width = size
    middle = (np.array(size) - 1) / 2
    places = np.indices(size).reshape(2, -1).T - middle
    rows, columns = (places @ turn.T + middle + shift).T
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = rows - top, columns - left
    target = np.arange(height * width)
    entries = []
    for row, row_weight in ((top, 1 - down), (top + 1, down)):
        for column, column_weight in ((left, 1 - right), (left + 1, right)):
            source = row % height * width + column % width
            entries.append((row_weight * column_weight, target, source))
    weights, targets, sources = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.coo_matrix((weights, (targets, sources)), shape=(height * width,) * 2)
    return matrix.tocsr()


def apply(matrix: Any, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
    """Return every image transformed; with `matrix.T`, every gradient carried back."""
    count, height, width, channels = images.shape
    flat = images.transpose(1, 2, 0, 3).reshape(height * width, count * channels)
    moved = (matrix @ flat).reshape(height, width, count, channels)
    back: Float[ndarray, "n h w c"] = np.ascontiguousarray(moved.transpose(2, 0, 1, 3))
    return back
