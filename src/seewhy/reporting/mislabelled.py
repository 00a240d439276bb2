"""Photos whose label is likely wrong.

Axes: n photo.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray


def likely_mislabelled(
    true: Int[ndarray, " n"],
    predicted: Int[ndarray, " n"],
    p_true: Float[ndarray, " n"],
    p_found: Float[ndarray, " n"],
) -> Int[ndarray, " m"]:
    """Return photos whose label is likely wrong, the likeliest first (confident learning).

        t[j] = mean over photos labelled j of p(j)
        likely wrong: found j ≠ label i,  p(j) ≥ t[j],  p(i) < t[i]

    They are in the order of p(i) − p(j).

    Source:
        Northcutt et al., *Confident Learning*, JAIR 2021, equations 1 and 2 (arXiv:1911.00068).
        Differs from the paper: of the other classes only the best one is looked at; where no photo
        is labelled with it, its threshold is its mean probability where it was found.
    """
    thresholds: dict[int, float] = {}
    for index in np.unique(np.concatenate([true[true >= 0], predicted])).tolist():
        own = true == index
        values = p_true[own] if own.any() else p_found[predicted == index]
        thresholds[index] = float(values.mean())
    level_found = np.array([thresholds[index] for index in predicted.tolist()])
    level_true = np.array([thresholds.get(index, np.nan) for index in true.tolist()])
    wrong: Bool[ndarray, " n"] = (true >= 0) & (true != predicted)
    chosen = np.flatnonzero(wrong & (p_found >= level_found) & (p_true < level_true))
    order = np.argsort((p_true - p_found)[chosen], kind="stable")
    return np.asarray(chosen[order])
