"""Which class is taken for which, and more often than class sizes explain.

Axes: n photo, k class of the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class ConfusedPair:
    """Photos of one class that were taken for another.

    Attributes:
        true, found: the classes.
        photos: their places, those first of which the network was surest.
        expected: how many there would be if mistakes fell on classes by their sizes alone; NaN
            where no photo has the found class as its label.
    """

    true: int
    found: int
    photos: Int[ndarray, " m"]
    expected: float

    @property
    def count(self) -> int:
        """How many photos there are."""
        return len(self.photos)

    @property
    def excess(self) -> float:
        """How many more there are than class sizes explain."""
        return self.count - self.expected


def confused_pairs(
    true: Int[ndarray, " n"], predicted: Int[ndarray, " n"], p_found: Float[ndarray, " n"]
) -> list[ConfusedPair]:
    """Return the pairs of classes that were confused, the most photos first.

        expected(i, j) = mistakes(i) · photos(j) / (photos of all classes but i)

    Photos without a label (−1) are left out. Pairs of as many photos are in the order of their
    excess.
    """
    labelled = true >= 0
    sizes = {index: int((true == index).sum()) for index in np.unique(true[labelled]).tolist()}
    total = sum(sizes.values())
    wrong = np.flatnonzero(labelled & (true != predicted))
    pairs = []
    for label, other in sorted(
        set(zip(true[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    ):
        photos = wrong[(true[wrong] == label) & (predicted[wrong] == other)]
        photos = photos[np.argsort(-p_found[photos], kind="stable")]
        mistakes = int((true[wrong] == label).sum())
        expected = np.nan
        if other in sizes:
            expected = mistakes * sizes[other] / (total - sizes[label])
        pairs.append(ConfusedPair(label, other, photos, float(expected)))
    return sorted(pairs, key=lambda pair: (-pair.count, -np.nan_to_num(pair.excess)))


def confusion_matrix(
    true: Int[ndarray, " n"], predicted: Int[ndarray, " n"], classes: Sequence[int]
) -> Int[ndarray, "k k"]:
    """Count true classes (rows) against found ones (columns), of the classes that are given."""
    places = {index: place for place, index in enumerate(classes)}
    counts = np.zeros((len(places), len(places)), np.int64)
    for label, other in zip(true.tolist(), predicted.tolist(), strict=True):
        if label in places and other in places:
            counts[places[label], places[other]] += 1
    return counts
