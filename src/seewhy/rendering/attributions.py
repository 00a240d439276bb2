"""Pictures of pixel-level maps and of weights: on grey, clipped, and not over the photo.

Axes: h row, w column.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.errors import OptionError, needed
from seewhy.rendering.colours import colour, colour_signed
from seewhy.rendering.palettes import PIXELS_FOR_AND_AGAINST

PERCENTILE = 99.0
"""Percentile of |value| at which colours end: an extreme pixel would leave all others grey."""


def attribution_end(values: Float[ndarray, "..."], *, percentile: float = PERCENTILE) -> float:
    """Return the percentile of |value| at which colours end; the maximum if that is 0.

    Raises:
        OptionError: the percentile is not above 0 and at most 100.
    """
    if not 0 < percentile <= 100:
        raise OptionError(
            f"percentile={percentile} is not a percentile of a map. Give more than 0 and up to "
            f"100; {PERCENTILE:g} is usual."
        )
    sizes = np.abs(values[np.isfinite(values)])
    if not sizes.size:
        return 0.0
    return float(np.percentile(sizes, percentile)) or float(sizes.max())


def smoothed(values: Float[ndarray, "h w *_c"], radius: float) -> Float[ndarray, "h w *_c"]:
    """Smooth a map by a Gaussian with σ = radius pixels; 0 leaves it as it is.

    Raises:
        OptionError: the radius is negative.
    """
    if not radius >= 0:
        raise OptionError(f"smooth={radius} is not a radius. Give 0 or more pixels.")
    if radius == 0:
        return values
    gaussian_filter = needed("scipy.ndimage", "A smoothed map").gaussian_filter
    sigma = (radius, radius, 0)[: values.ndim]
    return np.asarray(gaussian_filter(values, sigma, mode="nearest"), np.float32)


def paint_attribution(
    values: Float[ndarray, "h w"], *, end: float, signed: bool, colormap: str | None = None
) -> UInt8[ndarray, "h w 3"]:
    """Paint a pixel-level map: its colours end at ±`end`; NaN is white.

    Signed maps are red for, blue against, and light grey at 0 (coolwarm); the others run from black
    at 0 to white (gray).

    Raises:
        OptionError: the colour map is unknown.
    """
    scaled = np.asarray(values / end if end > 0 else values, np.float32)
    if signed:
        return colour_signed(scaled, colormap=colormap or PIXELS_FOR_AND_AGAINST)
    return colour(scaled, colormap=colormap or "gray")


def around_grey(values: Float[ndarray, "h w *_c"], *, end: float) -> UInt8[ndarray, "h w 3"]:
    """Paint signed values, one or three (red, green, blue) per pixel, around the middle grey.

    0 is middle grey, −`end` black and +`end` white, for each colour separately; NaN is white.
    """
    scaled = np.nan_to_num(values / end if end > 0 else values, nan=1.0)
    painted = np.clip(127.5 + 127.5 * scaled, 0, 255).round().astype(np.uint8)
    return np.repeat(painted[:, :, None], 3, axis=2) if painted.ndim == 2 else painted
