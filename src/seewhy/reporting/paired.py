"""Two networks on the same photos: right and wrong in pairs, and how much of their heat agrees.

Axes: n photo, h row, w column of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.evaluating.intervals import Interval
from seewhy.reporting.heat import shares

OTHER_PHOTOS = 20
"""Other photos of its class with which each photo's map is compared."""


@dataclass(frozen=True)
class PairedAccuracy:
    """How often two networks are right on the same photos.

    Attributes:
        photos: of how many.
        first, second: how many each gets right.
        lost: right with the first network, and wrong with the second.
        gained: wrong with the first, and right with the second.
        difference: the second's accuracy minus the first's, with its 95 % interval.
        p: of McNemar's exact test, two-sided.
    """

    photos: int
    first: int
    second: int
    lost: int
    gained: int
    difference: Interval
    p: float


def paired_accuracy(first: Bool[ndarray, " n"], second: Bool[ndarray, " n"]) -> PairedAccuracy:
    """Compare which photos two networks get right.

        p = 2 · P(X ≤ min(lost, gained)), X ~ Binomial(lost + gained, 1/2), at most 1
        interval: d ± z · sqrt((l + g − (g − l)²) / (n + 2)),  d = g − l,
                  l = (lost + 1) / (n + 2), g = (gained + 1) / (n + 2)

    The interval is that of Bonett and Price: it is not a point where no photo changed.

    Source:
        McNemar, *Note on the Sampling Error of the Difference Between Correlated Proportions*,
        Psychometrika 1947. Bonett and Price, *Adjusted Wald Confidence Interval for a Difference of
        Binomial Proportions Based on Paired Data*, Journal of Educational and Behavioral
        Statistics 2012.
    """
    from scipy.stats import binomtest, norm

    photos = len(first)
    lost, gained = int((first & ~second).sum()), int((~first & second).sum())
    changed = lost + gained
    p = float(binomtest(min(lost, gained), changed, 0.5).pvalue) if changed else 1.0
    less, more = (lost + 1) / (photos + 2), (gained + 1) / (photos + 2)
    middle = more - less
    reach = float(norm.ppf(0.975)) * np.sqrt((less + more - middle**2) / (photos + 2))
    interval = Interval(
        (gained - lost) / photos if photos else float("nan"),
        max(float(middle - reach), -1.0),
        min(float(middle + reach), 1.0),
    )
    return PairedAccuracy(photos, int(first.sum()), int(second.sum()), lost, gained, interval, p)


def overlaps(
    first: Float[ndarray, "n h w"], second: Float[ndarray, "n h w"]
) -> Float[ndarray, " n"]:
    """Return which share of the heat of each two maps is at the same place, 0 to 1.

        sum over the cells of min(s, t),  s, t: the maps' positive parts, each with the sum 1

    NaN where a map has no heat.
    """
    ours, theirs = shares(first), shares(second)
    shared = np.minimum(ours, theirs).sum(axis=(1, 2))
    return np.where(ours.any(axis=(1, 2)) & theirs.any(axis=(1, 2)), shared, np.nan)


def usual_overlaps(
    maps: Float[ndarray, "n h w"], classes: Int[ndarray, " n"], *, generator: np.random.Generator
) -> Float[ndarray, " n"]:
    """Return the mean overlap of each photo's map with other photos' of its class, of one network.

    This is how much two maps have in common that are of different photos. NaN for the only photo
    of a class.

    Args:
        maps: of one network.
        classes: of the photos.
        generator: draws up to `OTHER_PHOTOS` other photos for each.
    """
    sums, counts = np.zeros(len(maps)), np.zeros(len(maps))
    for members, others in _pairs(classes, generator):
        shared = overlaps(maps[members], maps[others])
        there = np.isfinite(shared)
        sums[members] += np.where(there, shared, 0)
        counts[members] += there
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _pairs(
    classes: Int[ndarray, " n"], generator: np.random.Generator
) -> Iterator[tuple[Int[ndarray, " m"], Int[ndarray, " m"]]]:
    """Yield the photos of a class, and beside each another one of them."""
    for index in np.unique(classes).tolist():
        members = generator.permutation(np.flatnonzero(classes == index))
        for step in range(1, min(OTHER_PHOTOS + 1, len(members))):
            yield members, np.roll(members, step)
