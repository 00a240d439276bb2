"""Descriptors of each photo: where its heat is, what the layer saw under it, and its colours.

Axes: n photo, h row, w column of a map, d feature.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.errors import MissingFramework
from seewhy.reporting.heat import shares

SIDE = 8
"""Rows and columns of *where*."""

FEATURES = 32
"""Principal components of *what*."""


def scikit_learn(module: str) -> ModuleType:
    """Return a module of scikit-learn: 'cluster', 'decomposition'.

    Raises:
        MissingFramework: it is not installed; names the extra.
    """
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise MissingFramework(
            "A report finds clusters with scikit-learn, which is not installed. "
            "Install it: pip install 'seewhy[report]'"
        ) from error


def where_descriptors(maps: Float[ndarray, "n h w"]) -> Float[ndarray, "n d"]:
    """Return the positive part of each map on 8 × 8 cells, with the sum 1; zeros of an empty map.

    Cells are averaged by the area that they share, so that any size of map fits.
    """
    rows, columns = _overlaps(maps.shape[1]), _overlaps(maps.shape[2])
    cells = np.einsum("ah,nhw,bw->nab", rows, shares(maps), columns, optimize=True)
    return np.asarray(cells.reshape(len(maps), -1), np.float32)


def colour_descriptors(tiny: UInt8[ndarray, "n h w 3"]) -> Float[ndarray, "n 6"]:
    """Return the logarithms of each photo's mean colour and contrasts, of which a tint is a shift.

    log(8 + mean over the pixels of channel c), log(8 + its standard deviation)
    """
    flat = tiny.reshape(len(tiny), -1, 3).astype(np.float64)
    statistics = np.log(8 + np.concatenate([flat.mean(axis=1), flat.std(axis=1)], axis=1))
    return np.asarray(statistics, np.float32)


def _overlaps(length: int) -> Float[ndarray, "_ _"]:
    """Return which share of each of `length` cells falls on each of `SIDE` cells."""
    edges, ours = np.arange(length + 1) / length, np.arange(SIDE + 1) / SIDE
    low = np.maximum(edges[None, :-1], ours[:-1, None])
    high = np.minimum(edges[None, 1:], ours[1:, None])
    return np.asarray(np.clip(high - low, 0, None) * length)


def what_descriptors(descriptors: Float[ndarray, "n c"], *, seed: int = 0) -> Float[ndarray, "n d"]:
    """Return the direction of each photo's activations, on at most 32 principal components.

    Activations are divided by their length first: how strong they are depends on contrast, and
    says nothing about what was seen.

    Raises:
        MissingFramework: scikit-learn is not installed.
    """
    lengths = np.linalg.norm(descriptors, axis=1, keepdims=True)
    directions = descriptors / np.where(lengths > 0, lengths, 1)
    count = min(FEATURES, *directions.shape)
    if not np.ptp(directions, axis=0).any():
        return np.zeros((len(directions), count), np.float32)
    analysis = scikit_learn("decomposition").PCA(
        count,
        svd_solver="randomized" if count < min(directions.shape) else "full",
        random_state=seed,
    )
    return np.asarray(analysis.fit_transform(directions), np.float32)
