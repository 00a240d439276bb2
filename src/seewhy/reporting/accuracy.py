"""How often a network is right, per class too, and whether its probabilities mean what they say.

Axes: n photo.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.evaluating.intervals import RESAMPLES

BINS = 10


@dataclass(frozen=True)
class Share:
    """A share of photos with its 95 % interval.

    Attributes:
        count: photos that count.
        of: photos in all.
        low, high: Wilson's interval; 0 and 1 of no photos.
    """

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; NaN of no photos."""
        return self.count / self.of if self.of else math.nan

    def __str__(self) -> str:
        if not self.of:
            return "no photos"
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


def wilson(count: int, of: int) -> Share:
    """Return a share with Wilson's 95 % interval.

    Source:
        Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 1927.
    """
    from scipy.stats import binomtest

    if not of:
        return Share(0, 0, 0.0, 1.0)
    interval = binomtest(count, of).proportion_ci(0.95, method="wilson")
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    low = 0.0 if count == 0 else float(interval.low)
    high = 1.0 if count == of else float(interval.high)
    return Share(count, of, low, high)


@dataclass(frozen=True)
class ClassAccuracy:
    """How a class fares.

    Attributes:
        index, name: the class.
        recall: of its photos, those that were recognised.
        precision: of the photos that were taken for it, those that are.
    """

    index: int
    name: str
    recall: Share
    precision: Share


def per_class(
    true: Int[ndarray, " n"], predicted: Int[ndarray, " n"], names: Mapping[int, str]
) -> list[ClassAccuracy]:
    """Return recall and precision of every class that has photos, the worst recall first."""
    rows = []
    for index in np.unique(true).tolist():
        is_class, taken = true == index, predicted == index
        hits = int((is_class & taken).sum())
        rows.append(
            ClassAccuracy(
                index,
                names.get(index, str(index)),
                wilson(hits, int(is_class.sum())),
                wilson(hits, int(taken.sum())),
            )
        )
    return sorted(rows, key=lambda row: (row.recall.value, -row.recall.of))


@dataclass(frozen=True)
class Bin:
    """Photos whose probability is between two values.

    Attributes:
        low, high: the values.
        confidence: the mean probability.
        accuracy: the share that is right.
    """

    low: float
    high: float
    confidence: float
    accuracy: Share


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say.

    Attributes:
        error: the expected calibration error, ECE.
        low, high: its 95 % interval.
        bias: mean probability minus accuracy: positive where the network is too sure.
        bins: those that have photos.
    """

    error: float
    low: float
    high: float
    bias: float
    bins: tuple[Bin, ...]


def calibration(
    p_found: Float[ndarray, " n"],
    correct: Bool[ndarray, " n"],
    *,
    bins: int = BINS,
    generator: np.random.Generator | None = None,
) -> Calibration:
    """Compare probabilities to shares of right answers, in bins of equal width.

        ECE = sum over bins b of n_b / n · |accuracy(b) − mean probability(b)|

    The interval is that of the basic bootstrap, 2 ECE − q, q: the quantiles of resampled photos.
    Chance alone makes each bin's difference larger than it is, and does so again in the resamples:
    the basic interval takes that off. It begins at 0 where answers drawn by the probabilities
    themselves, which are calibrated, have an error as large.

    Args:
        p_found: the probability of the answer.
        correct: whether it is right.
        bins: how many.
        generator: draws the photos; by default one seeded with 0.

    Source:
        Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, equations 3 to 5
        (arXiv:1706.04599). Davison and Hinkley, *Bootstrap Methods and Their Application*, 1997,
        equation 5.6. Drawn answers: Bröcker and Smith, *Increasing the Reliability of Reliability
        Diagrams*, Weather and Forecasting 2007. On the bias: Kumar, Liang and Ma, *Verified
        Uncertainty Calibration*, NeurIPS 2019 (arXiv:1909.10155).
    """
    places = np.clip((p_found * bins).astype(np.int64), 0, bins - 1)
    rows: list[Bin] = []
    for place in np.unique(places).tolist():
        inside = places == place
        accuracy = wilson(int(correct[inside].sum()), int(inside.sum()))
        rows.append(Bin(place / bins, (place + 1) / bins, float(p_found[inside].mean()), accuracy))
    p = p_found.astype(np.float64)
    gaps = correct - p
    random = np.random.default_rng(0) if generator is None else generator
    error = _calibration_error(places, gaps, bins)
    count = len(gaps)
    drawn, calibrated = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        drawn[resample] = _calibration_error(places, times * gaps, bins)
        answers = random.random(count) < p
        calibrated[resample] = _calibration_error(places, answers - p, bins)
    low, high = np.clip(2 * error - np.quantile(drawn, [0.975, 0.025]), 0, 1).tolist()
    if error <= np.quantile(calibrated, 0.975):
        low = 0.0
    return Calibration(error, low, high, float(p_found.mean() - correct.mean()), tuple(rows))


def _calibration_error(places: Int[ndarray, " n"], gaps: Float[ndarray, " n"], bins: int) -> float:
    """Return the ECE: in each bin, n_b / n · |accuracy − mean probability| = |sum of gaps| / n."""
    return float(np.abs(np.bincount(places, gaps, minlength=bins)).sum() / len(gaps))
