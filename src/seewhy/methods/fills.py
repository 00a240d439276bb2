"""What shows through an occluding window: a picture in the photo's own colours.

Axes: h row, w column. Pictures are uint8 RGB, as the photo; the network's own preprocessing turns
them into what `occlusion` takes as `filled`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageFilter

from seewhy.errors import OptionError
from seewhy.settings import fill_colour

Fill = str | int | Sequence[int] | Callable[[ndarray], ndarray]
"""'mean' (the photo's mean colour), 'grey', 'blur', a colour by name ('black', 'red', '#ff8000'),
a grey value, the values of red, green and blue (0 to 255), or a function from the photo's pixels to
a picture of the same size."""


def fill_picture(pixels: UInt8[ndarray, "h w 3"], fill: Fill = "mean") -> UInt8[ndarray, "h w 3"]:
    """Make the picture that shows through the windows.

    Args:
        pixels: the photo, fitted to the network's input size.
        fill: see `Fill`. 'blur' is a Gaussian whose σ is a 16th of the photo's shorter side
            (14 of 224 pixels): it keeps the colours and removes the objects.

    Raises:
        OptionError: an unknown name, a colour whose length is not 3 or that is outside 0 to 255,
            or a function that returns anything but such a picture.
    """
    if callable(fill):
        return _called(pixels, fill)
    if fill == "blur":
        blurred = ImageFilter.GaussianBlur(min(pixels.shape[:2]) / 16)
        return np.asarray(Image.fromarray(pixels).filter(blurred))
    colour = np.asarray(fill_colour(fill) or pixels.mean(axis=(0, 1)).round(), np.uint8)
    return np.broadcast_to(colour, pixels.shape).copy()


def _called(
    pixels: UInt8[ndarray, "h w 3"], fill: Callable[[ndarray], ndarray]
) -> UInt8[ndarray, "h w 3"]:
    picture = np.asarray(fill(pixels.copy()))
    if picture.shape != pixels.shape or picture.dtype != np.uint8:
        raise OptionError(
            f"the fill function returned {picture.dtype} of shape {picture.shape} for a photo of "
            f"shape {pixels.shape}. It must return a uint8 picture of the photo's shape."
        )
    return picture
