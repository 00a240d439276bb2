"""Random weights for a copy of a network: what each weight is drawn from.

Kernels are normal with the standard deviation √(2 / fan-in), so that activations keep their scale
through many ReLUs; scales and variances are 1, shifts, biases and means 0. So a normalization does
nothing, whatever its layer remembers of its training.

Source:
    He et al., *Delving Deep into Rectifiers*, ICCV 2015, equation 10 (arXiv:1502.01852).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ONES = frozenset({"gamma", "scale", "weight", "moving_variance", "running_var"})
"""Names of weights with one axis that multiply or divide; all others are added."""


@dataclass(frozen=True, eq=False)
class LearnedWeight:
    """One weight of a layer.

    Attributes:
        layer: the path of the innermost layer that holds it; "" for the model itself.
        name: its own name: 'kernel', 'gamma', 'running_var'.
        shape: of its values.
        fan_in: how many inputs each output of a kernel sums up.
        assign: gives it other values.
    """

    layer: str
    name: str
    shape: tuple[int, ...]
    fan_in: int
    assign: Callable[[ndarray], object]


def layer_generator(seed: int, layer: str) -> np.random.Generator:
    """Return the source of one layer's weights: the same whichever others are random."""
    return np.random.default_rng([seed, crc32(layer.encode())])


def random_weights(
    name: str, shape: tuple[int, ...], *, fan_in: int, generator: np.random.Generator
) -> Float[ndarray, "..."]:
    """Return random values for one weight.

    Args:
        name: its own name: 'kernel', 'gamma', 'running_var'.
        shape: of the weight; with fewer than two axes it is no kernel.
        fan_in: how many inputs each output of the kernel sums up.
        generator: see `layer_generator`.
    """
    if len(shape) < 2:
        return np.full(shape, float(name in ONES), np.float32)
    return generator.normal(0, np.sqrt(2 / max(fan_in, 1)), shape).astype(np.float32)
