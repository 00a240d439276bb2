"""How well each preprocessing fits a network, in numbers: arrays in, numbers out.

Axes: n photo, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.weights import Moments

Kind = Literal["normalization", "answers", "untrained", "nothing"]

LARGEST_DISTANCE = 0.5
"""The largest distance at which a preprocessing may be called the right one."""

CLEAR_RATIO = 1.5
"""The next best must be at least this many times as far away."""

CHANNEL_CAP = 10.0
"""The most that one channel adds to a distance: a dead channel must not outvote all others."""

LEAST_VARIANCE_SHARE = 1e-3
"""A channel's variance is at least this share of the median one's, against division by zero."""

ALIKE_CORRELATION = 0.6
"""From this correlation on, a network hardly distinguishes photos."""

SATURATED_CONFIDENCE = 0.995
"""If the best class gets this much on average, the input values are too large."""


@dataclass(frozen=True)
class Evidence:
    """A network's evidence of the preprocessing that it was trained with.

    Attributes:
        kind: 'normalization': distances between the training statistics of the first batch
            normalization and the statistics of its input now; 'answers': without batch
            normalization, how similar the outputs for different photos are; 'untrained': the
            batch normalizations have never seen a photo; 'nothing'.
        values: by candidate, the best first; smaller is better.
        confidences: by candidate, the mean probability of the best class; for 'answers' only.
        layer: the first batch normalization.
        photos: the number of photos used.
    """

    kind: Kind
    values: Mapping[str, float]
    confidences: Mapping[str, float]
    layer: str = ""
    photos: int = 0

    @property
    def plausible(self) -> tuple[str, ...]:
        """The candidates that may be right, the best first."""
        if self.kind == "normalization":
            best = min(self.values.values())
            near = max(CLEAR_RATIO * best, 1e-6)
            return tuple(
                mode for mode, value in self.values.items() if value <= min(LARGEST_DISTANCE, near)
            )
        if self.kind == "answers":
            return tuple(
                mode
                for mode, value in self.values.items()
                if value < ALIKE_CORRELATION and self.confidences[mode] < SATURATED_CONFIDENCE
            )
        return ()

    @property
    def choice(self) -> str | None:
        """The right candidate if it is clear; else None."""
        return self.plausible[0] if len(self.plausible) == 1 else None

    @property
    def listed(self) -> str:
        """The values, the best first: 'tf 0.03 · unit 0.41'."""
        return " · ".join(f"{name} {value:.2f}" for name, value in self.values.items())

    def __str__(self) -> str:
        photos = f"{self.photos} photos"
        if self.kind == "normalization":
            return (
                f"{self.listed} (the distance of the input of '{self.layer}', over {photos}, from "
                "its training statistics; 0: equal)"
            )
        if self.kind == "answers":
            return (
                f"{self.listed} (how similar the outputs for {photos} are; 1: identical). The "
                "network has no batch normalization, which would show more"
            )
        if self.kind == "untrained":
            return f"'{self.layer}' has never seen a photo in training: its weights are random"
        return "the network contains no statistics of its training inputs"


def distance(
    remembered: Moments, means: Float[ndarray, "n c"], squares: Float[ndarray, "n c"]
) -> float:
    """Return the distance of a layer's input from its training statistics, in nats.

        m[c] = mean over n of means[n, c]        v[c] = mean over n of squares[n, c] − m[c]²
        D[c] = ½ (v / σ² + (m − μ)² / σ² − 1 − ln(v / σ²))

    The mean over the channels of D, each at most `CHANNEL_CAP`: the Kullback-Leibler divergence
    of a normal distribution with the input's mean m and variance v from one with the running mean
    μ and variance σ².

    Args:
        remembered: μ and σ².
        means: of each photo's map, per channel.
        squares: means of the squares of each photo's map, per channel.
    """
    mean = means.mean(axis=0, dtype=np.float64)
    variance = np.maximum(squares.mean(axis=0, dtype=np.float64) - mean**2, 0)
    running = np.asarray(remembered.variance, np.float64)
    floor = max(LEAST_VARIANCE_SHARE * float(np.median(running)), float(np.finfo(np.float32).tiny))
    ratio = (variance + floor) / (running + floor)
    shift = (mean - remembered.mean) ** 2 / (running + floor)
    divergence = 0.5 * (ratio + shift - 1 - np.log(ratio))
    return float(
        np.minimum(
            np.nan_to_num(divergence, nan=CHANNEL_CAP, posinf=CHANNEL_CAP), CHANNEL_CAP
        ).mean()
    )


def is_untrained(remembered: Moments) -> bool:
    """True if every mean is still 0 and every variance still 1."""
    return not remembered.mean.any() and bool((remembered.variance == 1).all())


def alikeness(scores: Float[ndarray, "n k"]) -> float:
    """Return how similar the outputs for n photos are: the mean correlation of their scores.

    1 if all are the same: the photo did not matter.
    """
    values = np.asarray(scores, np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1)
    if not (lengths > 0).all() or len(values) < 2:
        return 1.0
    correlations = (centred / lengths[:, None]) @ (centred / lengths[:, None]).T
    count = len(values)
    return float((correlations.sum() - count) / (count * (count - 1)))


def confidence(scores: Float[ndarray, "n k"]) -> float:
    """Return the mean probability of the best class, by the softmax of the scores."""
    values = np.asarray(scores, np.float64)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return float((1 / powers.sum(axis=1)).mean())
