"""How far a sweep on differences in bfloat16 is off: measured against float32 at some positions.

Axes: m window, t target (class).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import SeewhyWarning
from seewhy.incremental.kernels import Precision
from seewhy.methods.base import Progress, no_progress

MEASURED = 16
"""At how many positions the error is measured, spread over all of them."""

BOUND = 0.1
"""From this share of the map's largest value on, a warning says how far the map is off."""

Answer = Callable[[Int[ndarray, "m 4"], Precision, Progress], Float[ndarray, "m t"]]
"""What re-run windows say, in a precision."""


def rounding_error(
    answer: Answer,
    windows: Int[ndarray, "m 4"],
    rounded: Float[ndarray, "m t"],
    clean: Float[ndarray, " t"],
) -> Float[ndarray, " t"]:
    """Return by how much rounded answers differ from exact ones, as a share of the largest drop.

        max over some m of |rounded[m] − exact[m]| / max over all m of |clean − rounded[m]|

    Over all positions the largest error is larger: up to four times in what was tried.

    Args:
        answer: asked again, in float32, at `MEASURED` of the windows.
        windows: all of them.
        rounded: the answers at all windows.
        clean: the answer without any window.
    """
    spread = np.linspace(0, len(windows) - 1, MEASURED).round().astype(np.int64)
    some = np.unique(spread)
    off = np.abs(rounded[some] - answer(windows[some], "float32", no_progress)).max(axis=0)
    largest = np.abs(clean - rounded).max(axis=0)
    tiny = np.finfo(np.float32).tiny  # a map of zeros that is right is off by nothing
    error: Float[ndarray, " t"] = (off / np.maximum(largest, tiny)).astype(np.float32)
    return error


def warn_of_rounding(error: Float[ndarray, " t"]) -> None:
    """Warn where a map is too far off to be read.

    Warns:
        SeewhyWarning: an error is larger than `BOUND`.
    """
    if error.max() > BOUND:
        warnings.warn(
            f"In bfloat16 the map is off by {100 * error.max():.0f} % of its largest value. Use "
            "precision='float32'.",
            SeewhyWarning,
            stacklevel=3,
        )
