"""From a photo's pixels to a network's input range: named modes, and functions of the user.

Axes: n image, h row, w column, c channel. Pixels run from 0 to 255, red first; everything is
float32 and new memory: inputs are never modified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.errors import NotFinite, OptionError, nearest_names

Preprocess = str | Callable[[Any], Any]
"""A name in MODES, or a function of float32 pixels (n, h, w, c), red first, 0 to 255."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
IMAGENET_MEAN_BGR_255 = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class Normalize:
    """Shift and scale each channel: (x / 255 − mean) / deviation, as torchvision and timm do.

    Attributes:
        mean: of each channel, on the scale 0 to 1.
        deviation: of each channel, on the scale 0 to 1.
        is_blue_first: put the channels in the order blue, green, red.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    is_blue_first: bool = False

    def __call__(self, pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
        """Return the pixels, normalized."""
        mean = np.asarray(self.mean, np.float32)
        deviation = np.asarray(self.deviation, np.float32)
        scaled = (pixels / np.float32(255) - mean) / deviation
        return np.ascontiguousarray(scaled[..., ::-1]) if self.is_blue_first else scaled


def caffe(pixels: Float[ndarray, "n h w 3"]) -> Float[ndarray, "n h w 3"]:
    """Put blue first and subtract ImageNet's mean, without scaling (Keras's mode 'caffe')."""
    return np.ascontiguousarray(pixels[..., ::-1] - np.asarray(IMAGENET_MEAN_BGR_255, np.float32))


def tf(pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
    """Scale to −1 ... 1 (Keras's mode 'tf')."""
    return pixels / np.float32(127.5) - np.float32(1)


def unit(pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
    """Scale to 0 ... 1."""
    return pixels / np.float32(255)


def none(pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
    """Keep 0 ... 255: the network scales its input itself."""
    return pixels.copy()


MODES: dict[str, Callable[[ndarray], ndarray]] = {
    "caffe": caffe,
    "tf": tf,
    "torch": Normalize(IMAGENET_MEAN, IMAGENET_DEVIATION),
    "unit": unit,
    "none": none,
}
"""The named modes; 'caffe', 'tf' and 'torch' equal those of keras.applications exactly."""


def normalization(mean: tuple[float, ...], deviation: tuple[float, ...]) -> Preprocess:
    """Return the preprocessing that shifts and scales each channel: a mode if one matches.

    Args:
        mean: of each channel, on the scale 0 to 1.
        deviation: of each channel, on the scale 0 to 1.
    """
    named: dict[tuple[tuple[float, ...], tuple[float, ...]], Preprocess] = {
        (IMAGENET_MEAN, IMAGENET_DEVIATION): "torch"
    }
    for depth in (1, 3):
        named[(0.5,) * depth, (0.5,) * depth] = "tf"
        named[(0.0,) * depth, (1.0,) * depth] = "unit"
    given = (
        tuple(round(float(value), 6) for value in mean),
        tuple(round(float(value), 6) for value in deviation),
    )
    return named.get(given) or Normalize(tuple(map(float, mean)), tuple(map(float, deviation)))


def preprocess_named(name: str) -> Callable[[ndarray], ndarray]:
    """Return the mode of that name.

    Raises:
        OptionError: no preprocessing has that name.
    """
    if name in MODES:
        return MODES[name]
    near = nearest_names(name, MODES, count=1)
    raise OptionError(
        f"There is no preprocessing '{name}'"
        + (f"; the nearest name is {near}" if near else "")
        + f". Choose one of {', '.join(MODES)}, or give a function of the pixels."
    )


def preprocess_pixels(
    pixels: UInt8[ndarray, "n h w 3"],
    preprocess: Preprocess,
    *,
    channels: int,
    network: str,
) -> Float[ndarray, "n h w c"]:
    """Return photos in the network's own input range, in grey or in colour.

    A network with one channel gets the photo's luminance (L = 0.299 R + 0.587 G + 0.114 B).

    Args:
        pixels: photos, fitted to the input size.
        preprocess: a name in MODES, or a function.
        channels: the network's number of channels; other than 1 or 3 only with your own function.
        network: its name, for error messages.

    Raises:
        OptionError: the mode needs colours and the network is grey; or a function did not return
            one image with the network's channels per photo.
        NotFinite: a function returned NaN or infinity, which a ReLU may hide.
    """
    values = (luminance(pixels) if channels == 1 else pixels).astype(np.float32)
    if isinstance(preprocess, str):
        way = preprocess_named(preprocess)
        if channels not in (1, 3):
            raise OptionError(
                f"'{network}' takes {channels} channels, and photos have 1 or 3. Give "
                f"preprocess a function that makes {channels} channels out of red, green and blue."
            )
        if channels == 1 and preprocess in ("caffe", "torch"):
            raise OptionError(
                f"preprocess '{preprocess}' is made for colour photos, and '{network}' takes "
                "grey ones. Choose tf, unit or none, or give a function of the pixels."
            )
        return way(values)
    prepared = np.asarray(preprocess(values))
    wanted = (*values.shape[:3], channels)
    if prepared.shape != wanted:
        raise OptionError(
            f"The preprocessing of '{network}' returned an array of shape {prepared.shape} for "
            f"photos of shape {values.shape}; the network takes {wanted}. Make it return the "
            "batch, channels last."
        )
    values = np.ascontiguousarray(prepared, dtype=np.float32)
    if not np.isfinite(values).all():
        kind = "NaN" if np.isnan(values).any() else "infinity"
        raise NotFinite(
            f"The preprocessing of '{network}' returned {kind}. Look in it for a division by zero, "
            "a logarithm of zero or a number too large for float32."
        )
    return values


def luminance(pixels: UInt8[ndarray, "n h w 3"]) -> UInt8[ndarray, "n h w 1"]:
    """Return the brightness of colour pixels, rounded as Pillow's mode 'L' does.

        L = 0.299 R + 0.587 G + 0.114 B

    Source:
        ITU-R BT.601-7, section 2.5.1.
    """
    # Pillow's fixed-point numbers, of 65536.
    total = pixels.astype(np.uint32) @ np.array([[19595], [38470], [7471]], np.uint32)
    return np.right_shift(total + 0x8000, 16).astype(np.uint8)
