"""The heat that gives boxes: of several classes together, weighed by the middle, and cut in two.

Axes: n photo, t class, h w rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import needed
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.result import Explanation
from seewhy.maps import resize_map

GRID = 96
"""Rows and columns on which heat is weighed and its threshold chosen."""

SPREAD = 0.7
"""Standard deviation of the prior, as a share of half of the photo's sides."""

OTSU = 0.8
"""What Otsu's threshold is multiplied by: heat is highest on parts of an object, and falls off
before its edge. Both were chosen on the photos of `benchmarks/boxes.py`, of two origins."""


def mix_classes(explanation: Explanation) -> Explanation:
    """Add up the heat of each photo's classes by their probability: one map per photo.

        M[n, i, j] = sum over t of p[n, t] · M[n, t, i, j] / sum over t of p[n, t]

    A network that wavers between breeds has seen one dog: the heat of each breed lies on other
    parts of it, and their mean on all of it. The map counts as the best class's.
    """
    mixed = [
        _mean(maps, row) for maps, row in zip(explanation.maps, explanation.targets, strict=True)
    ]
    return _of_maps(explanation, np.stack(mixed)[:, None])


def weigh_middle(explanation: Explanation) -> Explanation:
    """Multiply heat by a Gaussian of the photo's middle: photographers put objects there.

        W[n, t, i, j] = relu(M[n, t, i, j]) · exp(−(x² + y²) / 2σ²)

    where x and y are 0 in the middle and ±1 at the edges of what the network saw. It says nothing
    of the network, and finds less where objects are at the edge.
    """
    steps = ((np.arange(GRID) + 0.5) / GRID * 2 - 1) ** 2
    weights = np.exp(-np.add.outer(steps, steps) / (2 * SPREAD**2))
    maps = resize_map(explanation.maps, (GRID, GRID))
    return _of_maps(explanation, np.asarray(np.maximum(maps, 0) * weights, np.float32))


def otsu_share(heatmap: Float[ndarray, "h w"]) -> float:
    """Return the share of a map's maximum that parts it best into hot and cold places.

    Otsu's threshold has the least variance within both; it is multiplied by `OTSU`. 0 for a map
    without heat.

    Source:
        Otsu, *A Threshold Selection Method from Gray-Level Histograms*, IEEE Transactions on
        Systems, Man, and Cybernetics 1979. Differs from the paper: the factor.
    """
    heat = np.maximum(np.nan_to_num(resize_map(heatmap, (GRID, GRID)), nan=0.0), 0)
    peak = float(heat.max())
    if peak == 0:
        return 0.0
    threshold_otsu = needed("skimage.filters", "Otsu's threshold").threshold_otsu
    # In float64: a histogram has no room for its bins between neighbouring numbers of float32.
    return OTSU * float(threshold_otsu(heat.astype(np.float64) / peak))


def _of_maps(explanation: Explanation, maps: Float[ndarray, "n t h w"]) -> Explanation:
    count = maps.shape[1]
    return replace(
        explanation,
        maps=maps,
        targets=tuple(row[:count] for row in explanation.targets),
        extras=({},) * len(maps),
        shown=(None,) * len(maps),
    )


def _mean(maps: Float[ndarray, "t h w"], row: Sequence[Prediction]) -> Float[ndarray, "h w"]:
    """Return the mean by probability; the first map where there is none."""
    likely = np.array([target.probability for target in row], np.float64)
    if not np.nansum(likely) > 0:
        return np.asarray(maps[0])
    shares = np.nan_to_num(likely) / np.nansum(likely)
    return np.asarray(np.tensordot(shares, maps, axes=1), np.float32)
