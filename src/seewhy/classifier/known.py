"""What is known about a network's preprocessing before it sees a photo.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier.preprocessing import Preprocessing
from seewhy.networks.base import Network
from seewhy.photos.preprocessing import Preprocess

SCALED_RANGE = (0.9, 12.0)
"""The range between black and white that networks expect at their first layer."""


def known(network: Network, size: tuple[int, int]) -> Preprocessing | None:
    """Return the preprocessing that follows from a network itself; None if none does.

    A network that scales its input inside tells by what its first layer with weights is given of
    black and of white. Else its family, or the settings that it carries, may tell.
    """
    inside = scaled_inside(network, size)
    if inside is not None:
        return inside
    published = network.published()
    if published is None:
        return None
    mode: Preprocess = published[0]
    return Preprocessing(mode, "known", published[1])


def scaled_inside(network: Network, size: tuple[int, int]) -> Preprocessing | None:
    """Return the preprocessing of a network that scales inside; None if it does not."""
    images = np.zeros((2, *size, network.input_shape[2]), np.float32)
    images[1] = 255
    names = network.layers_with_weights()
    first_input = network.first_input(images, names) if names else None
    if first_input is None or len(first_input[1]) != 2:
        return None
    black, white = _middle(first_input[1])
    mode = _outside(black, white)
    if mode is None:
        return None
    top = 255 if mode == "none" else 1
    high = white if mode == "none" else black + (white - black) / 255
    return Preprocessing(
        mode,
        "known",
        f"the network itself, which scales inside: of 0 ... {top}, '{first_input[0]}' gets "
        f"{black:.3g} ... {high:.3g}",
    )


def _middle(given: Float[ndarray, "2 ..."]) -> tuple[float, float]:
    """Return the values of black and white in most places: a padded border differs."""
    black, white = np.median(given.reshape(2, -1), axis=1)
    return float(black), float(white)


def _outside(black: float, white: float) -> str | None:
    """Return the mode for a network that maps 0 and 255 to these values."""
    span = white - black
    low, high = SCALED_RANGE
    if low <= span <= high:
        return "none"  # 0 ... 255 becomes a range that networks learn in
    if abs(span - 255) < 1e-2 and -200 < black < -20:
        return "none"  # a mean is subtracted, without scaling
    is_untouched = abs(span - 255) < 1e-2 and abs(black) < 1e-2
    if not is_untouched and 255 * low <= span <= 255 * high and -5 < black < 1:
        return "unit"  # 0 ... 1 becomes such a range
    return None
