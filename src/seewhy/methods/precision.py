"""Arithmetic of the methods: double precision, cast to float32 without silent infinities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import NotFinite, OptionError

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def as_float32(values: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Cast double-precision values to float32.

    Values below the range of float32 (1.4e-45) become zero; NaN stays NaN.

    Raises:
        NotFinite: a value is above the range of float32.
    """
    largest = float(np.max(np.abs(values), initial=0.0, where=~np.isnan(values)))
    if largest > LARGEST_FLOAT32:
        raise NotFinite(
            f"A map reaches {largest:.3g}, and float32 ends at {LARGEST_FLOAT32:.3g}: the "
            "activations or gradients are too large to be multiplied. Scale the network's weights "
            "or output down."
        )
    return values.astype(np.float32)


def quotient(
    numerator: Float[ndarray, "..."], denominator: Float[ndarray, "..."]
) -> Float[ndarray, "..."]:
    """Return numerator / denominator, and 0 exactly where the denominator is 0."""
    result = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def at_least_one(name: str, value: int) -> int:
    """Return a count unchanged.

    Raises:
        OptionError: it is not a whole number, or below 1.
    """
    if int(value) != value or value < 1:
        raise OptionError(f"{name}={value} is not a valid count. Give a whole number, 1 or more.")
    return int(value)
