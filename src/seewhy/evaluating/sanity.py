"""Does the map depend on the network and the class at all? Comparisons of maps.

Axes: h row, w column of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.evaluating.faithfulness import CELLS, cell_means
from seewhy.ranks import rank_correlation


def class_sensitivity(heatmap: Float[ndarray, "h w"], other: Float[ndarray, "h w"]) -> float:
    """Return 1 − Spearman's ρ of the maps for a class and for its runner-up.

    0: the map is the same whatever the class; 1: unrelated; 2: reversed. A map that shows where
    *something* is, not why this class was chosen, is near 0. NaN where a map is constant.

    Source:
        The idea is in Adebayo et al., NeurIPS 2018 (arXiv:1810.03292), and, for pairs of classes,
        in Rebuffi et al., *There and Back Again*, CVPR 2020, section 4.3 (arXiv:2004.02866).
    """
    return 1 - rank_correlation(heatmap, other)


def cascade(layers: Sequence[str], stops: int = 2) -> list[tuple[str, ...]]:
    """Return which layers are random at each stop: the last one first, all of them at the end.

    Source:
        Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3.1: cascading
        randomization, from the logits down (arXiv:1810.03292). Differs from the paper: a few
        stops, equally far apart, in place of every layer.
    """
    counts = np.unique(np.round(np.linspace(1, len(layers), stops)).astype(int))
    return [tuple(layers[-count:]) for count in counts.tolist()]


def agreement(
    heatmap: Float[ndarray, "h w"], occlusion: Float[ndarray, "_h _w"], cells: int = CELLS
) -> float:
    """Return the rank correlation of a map's cells with what exact occlusion says of them.

    1: the map ranks places as the fall of the score does when they are covered; 0: unrelated. The
    occlusion is the user's own reference: it is exact for what it asks, with its patch and fill.
    NaN where a map is constant.

    Source:
        Occlusion: Zeiler and Fergus, ECCV 2014, section 4.2 (arXiv:1311.2901). The comparison:
        Ancona et al., *Towards Better Understanding of Gradient-Based Attribution Methods*, ICLR
        2018, section 4.1, where it is sensitivity-n for patches (arXiv:1711.06104).
    """
    return rank_correlation(cell_means(heatmap, cells), cell_means(occlusion, cells))
