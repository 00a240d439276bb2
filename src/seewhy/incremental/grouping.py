"""Ranges into few classes of about equal length, so that a batch pays little for its largest.

Axes: n node, u distinct range.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def partition(
    lengths: Int[ndarray, "n u"], weights: Float[ndarray, " n"], classes: int
) -> Int[ndarray, " u"]:
    """Return each range's class: the cheapest cut of the ranges, sorted by cost, into `classes`.

    A class pays for each of its members

        sum over n of weights[n] · (the largest lengths[n, ·] in the class);

    the cheapest cut of the sorted ranges is found exactly, by dynamic programming.
    """
    order = np.argsort(weights @ lengths, kind="stable")
    distinct, first, counts = _runs(lengths[:, order])
    size = len(first)
    classes = min(classes, size)
    price = np.full((size, size + 1), np.inf)  # of one class that holds start … stop − 1
    for start in range(size):
        largest = np.maximum.accumulate(distinct[:, start:], axis=1)
        price[start, start + 1 :] = (weights @ largest) * np.cumsum(counts[start:])
    best = np.full((classes + 1, size + 1), np.inf)
    best[0, 0] = 0.0
    cut = np.zeros((classes + 1, size + 1), dtype=np.int64)
    for used in range(1, classes + 1):
        total = best[used - 1, :size, None] + price
        cut[used] = total.argmin(axis=0)
        best[used] = total.min(axis=0)
    labels = np.zeros(size, dtype=np.int64)
    stop = size
    for used in range(int(best[:, size].argmin()), 0, -1):
        start = int(cut[used, stop])
        labels[start:stop] = used - 1
        stop = start
    result = np.empty(lengths.shape[1], dtype=np.int64)
    result[order] = np.repeat(labels, counts)
    return result


def _runs(
    lengths: Int[ndarray, "n u"],
) -> tuple[Int[ndarray, "n v"], Int[ndarray, " v"], Int[ndarray, " v"]]:
    """Join neighbours that are equal in every node: their lengths, where they begin, how many."""
    differs = (lengths[:, 1:] != lengths[:, :-1]).any(axis=0)
    first = np.flatnonzero(np.concatenate([[True], differs]))
    counts = np.diff(np.append(first, lengths.shape[1]))
    return lengths[:, first], first, counts
