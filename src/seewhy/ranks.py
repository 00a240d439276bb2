"""Ranks, and how alike two maps rank their pixels.

Axes: h row, w column, v value.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def average_ranks(values: Float[ndarray, " v"]) -> Float[ndarray, " v"]:
    """Return the rank of each value: 1 is the smallest, ties share their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places], np.float64)


def rank_correlation(heatmap: Float[ndarray, "h w"], other: Float[ndarray, "h w"]) -> float:
    """Return how similarly two maps rank their pixels: Spearman's ρ, −1 to 1.

    Pixels that are NaN in either map are left out; NaN where a map is constant.
    """
    both = np.isfinite(heatmap) & np.isfinite(other)
    first, second = heatmap[both], other[both]
    if not first.size or not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(np.corrcoef(average_ranks(first), average_ranks(second))[0, 1])
