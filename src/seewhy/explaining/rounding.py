"""By how much maps and predictions change where a network does not compute in float32.

Axes: n image, t target (class), h row, w column of a map, k class.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import SeewhyWarning
from seewhy.files import finite
from seewhy.networks.execution import Execution
from seewhy.ranks import rank_correlation

LARGEST_MAP_ERROR = 0.1
"""From this share of a map's amplitude on, a warning says how far the map is off."""


@dataclass(frozen=True)
class Rounding:
    """By how much the first photos differ from the same question in float32.

    Attributes:
        execution: how the network computed: 'bfloat16'.
        photos: how many photos were compared.
        map_error: the largest difference of two maps, as a share of the exact map's amplitude:
            the worst of all maps.
        rank_correlation: Spearman's, over the pixels of two maps: the lowest of all maps.
        probability_change: the largest change of a class's probability; None without classes.
        same_top: in how many photos the best class is the same; None without classes.
    """

    execution: str
    photos: int
    map_error: float
    rank_correlation: float
    probability_change: float | None
    same_top: int | None

    def __str__(self) -> str:
        photos = "the first photo" if self.photos == 1 else f"the first {self.photos} photos"
        text = (
            f"{self.execution}, against float32 on {photos}: maps off by at most "
            f"{100 * self.map_error:.2g} % of their amplitude, rank correlation at least "
            f"{self.rank_correlation:.3f}"
        )
        if self.same_top is None or self.probability_change is None:
            return text + "."
        return (
            f"{text}; probabilities off by at most {self.probability_change:.2g}, the best class "
            f"the same for {self.same_top} of {self.photos}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            "photos": self.photos,
            "map_error": finite(self.map_error),
            "rank_correlation": finite(self.rank_correlation),
            "probability_change": self.probability_change,
            "same_top": self.same_top,
        }

    def warn(self) -> None:
        """Warn where the maps are too far off to be read.

        Warns:
            SeewhyWarning: their error is larger than `LARGEST_MAP_ERROR`.
        """
        if self.map_error > LARGEST_MAP_ERROR:
            warnings.warn(
                f"In {self.execution} a map is off by {100 * self.map_error:.0f} % of its "
                "amplitude. Use precision='float32'.",
                SeewhyWarning,
                stacklevel=2,
            )


def measure_rounding(
    execution: Execution,
    maps: Sequence[tuple[Float[ndarray, "t h w"], Float[ndarray, "t h w"]]],
    probabilities: tuple[Float[ndarray, "n k"], Float[ndarray, "n k"]] | None,
    *,
    from_minimum: bool = False,
) -> Rounding:
    """Compare rounded results with exact ones.

        error = max |rounded − exact| / amplitude,  amplitude = max |exact|

    Args:
        execution: how the network computed.
        maps: for each photo, the rounded and the exact maps.
        probabilities: rounded and exact; None without classes.
        from_minimum: True for maps with a meaningless offset: their amplitude is max − min.
    """
    pairs = [pair for both in maps for pair in zip(*both, strict=True)]
    change, same = None, None
    if probabilities is not None and probabilities[1].shape[1] > 0:
        rounded, exact = probabilities
        difference = np.abs(rounded - exact)
        change = None if np.isnan(difference).all() else float(np.nanmax(difference))
        same = int((rounded.argmax(axis=1) == exact.argmax(axis=1)).sum())
    return Rounding(
        execution=str(execution),
        photos=len(maps),
        map_error=max(map_error(*pair, from_minimum=from_minimum) for pair in pairs),
        rank_correlation=min(same_order(*pair) for pair in pairs),
        probability_change=change,
        same_top=same,
    )


def map_error(
    rounded: Float[ndarray, "h w"], exact: Float[ndarray, "h w"], *, from_minimum: bool = False
) -> float:
    """Return the largest difference of two maps as a share of the exact one's amplitude.

    Where the exact map is empty: 0 if the other is too, else 1.
    """
    tested = ~np.isnan(exact) & ~np.isnan(rounded)
    if not tested.any():
        return 0.0
    true, computed = exact[tested].astype(np.float64), rounded[tested].astype(np.float64)
    amplitude = np.ptp(true) if from_minimum else np.abs(true).max()
    off = np.abs(computed - true).max()
    if amplitude == 0:
        return float(off > 0)
    return float(off / amplitude)


def same_order(first: Float[ndarray, "h w"], second: Float[ndarray, "h w"]) -> float:
    """Return the rank correlation of two maps; of a map with one value everywhere 1 or 0.

    1 if the other has one value too, else 0.
    """
    tested = ~np.isnan(first) & ~np.isnan(second)
    varies = [bool(values[tested].size and np.ptp(values[tested])) for values in (first, second)]
    return rank_correlation(first, second) if all(varies) else float(not any(varies))
