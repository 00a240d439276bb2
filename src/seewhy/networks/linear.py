"""The linear map after a layer, for CAM: scores = W · mean over h, w of the activations + b.

Axes: n image, c channel, k class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

STEPS = ":several"
"""Stands for a linear layer's name where several linear steps are one map together."""

MEAN = ":mean"
"""Stands for it where there is none: the means of the map are the scores themselves."""

_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A linear layer: y = W · x + b.

    Attributes:
        weights: W.
        bias: b.
    """

    weights: Float[ndarray, "k c"]
    bias: Float[ndarray, " k"]


@dataclass(frozen=True, eq=False)
class PooledSamples:
    """What two images show of a layer and of the scores.

    Attributes:
        means: of the layer's map over rows and columns.
        scores: of the same images.
    """

    means: Float[ndarray, "n c"]
    scores: Float[ndarray, "n k"]

    def agrees_with(self, proposed: LinearMap, tolerance: float) -> bool:
        """True where the linear map gives the scores.

        Args:
            proposed: the map that may lead to the scores.
            tolerance: as a share of what the map adds to its bias.
        """
        added = self.means @ proposed.weights.T
        expected = added + proposed.bias
        if expected.shape != self.scores.shape or not self.means.any():
            return False
        allowed = tolerance * (np.abs(added).max() + _ROUNDING / 1e-3 * np.abs(expected).max())
        return bool(np.allclose(self.scores, expected, rtol=0, atol=allowed))


def identity(classes: int) -> LinearMap:
    """Return the map of a network whose last channels are the classes (Lin et al. 2014)."""
    return LinearMap(np.eye(classes, dtype=np.float32), np.zeros(classes, np.float32))


def for_classes(weights: ndarray, bias: ndarray | None, *, classes: int | None) -> LinearMap:
    """Return a linear layer as a map to class scores.

    One output z = w · x + b of two classes gives the scores −z and z.
    """
    weights = np.asarray(weights, np.float32)
    offset = np.zeros(len(weights), np.float32) if bias is None else np.asarray(bias, np.float32)
    if len(weights) == 1 and classes == 2:
        return LinearMap(np.concatenate([-weights, weights]), np.concatenate([-offset, offset]))
    return LinearMap(weights, offset)
