"""Fit a photo to the input of a network; `maps` resizes heatmaps back to the photo.

Axes: h row, w column of a photo, H W of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError, PhotoError, nearest_names
from seewhy.photos.photo import Photo, Placement

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""How a photo is resized: Pillow's filters, which average when they shrink."""

CROPS = ("crop", "floor-crop", "stretch-crop")
"""The modes of `Fit` that cut the centre out."""

WIDEST, TALLEST = 512, 768
"""Pixels of a page's cells: anything larger is shrunk there anyway."""

LARGEST_RESIZED = 2**26
"""Pixels that a resized photo may have before it is cropped (1 × 100,000 explodes)."""


@dataclass(frozen=True)
class Fit:
    """How a photo is brought to the size that a network takes.

    Attributes:
        size: (height, width) of the network's input; None for networks that take any size.
        mode: "stretch" the whole photo to `size`, whatever its shape (Keras), or "crop": resize
            the shorter side to `resize`, then cut `size` out of the centre (torchvision, timm).
            "floor-crop" is the same with the offset rounded down (transformers), "stretch-crop"
            stretches the photo to a square of `resize` before (transformers' DeiT).
        resize: with a crop, the shorter side before the crop; None: the smallest that covers
            `size`. With `size` None, the shorter side at most, without a crop.
        interpolation: one of `INTERPOLATIONS`. Bilinear by default, although Keras's `load_img`
            uses "nearest": nearest drops pixels, and that shows in the heatmap.
    """

    size: tuple[int, int] | None
    mode: str = "stretch"
    resize: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise OptionError(
                f"The input size {self.size[0]}×{self.size[1]} is empty. "
                "Give a height and width of 1 or more."
            )
        if self.mode not in ("stretch", *CROPS):
            raise OptionError(
                f"A photo cannot be fitted by '{self.mode}'. Choose 'stretch' or 'crop'."
            )
        if self.resize is not None and self.resize < 1:
            raise OptionError(
                f"The shorter side cannot be resized to {self.resize}. Give 1 or more pixels."
            )
        if self.resize is not None and self.size is not None and self.mode == "stretch":
            raise OptionError(
                f"The option resize={self.resize} has no meaning for mode='stretch', which goes to "
                "the input size at once. Leave it out, or choose mode='crop'."
            )
        if self.mode == "stretch-crop" and (self.resize is None or self.size is None):
            raise OptionError(
                "mode='stretch-crop' crops a square. Give its side, resize=..., and the size."
            )
        if self.interpolation not in INTERPOLATIONS:
            near = nearest_names(self.interpolation, INTERPOLATIONS)
            raise OptionError(
                f"A photo cannot be resized by '{self.interpolation}'. "
                f"{f'The nearest names are {near}. ' if near else ''}"
                f"Choose one of {', '.join(INTERPOLATIONS)}."
            )


def fit_photo(photo: Photo, fit: Fit) -> tuple[UInt8[ndarray, "h w 3"], Placement]:
    """Bring a photo to the size that the network takes.

    A crop equals torchvision's `Resize(resize)` and `CenterCrop(size)` on PIL images to the last
    bit, black padding included where the resized photo is smaller than the crop.

    Returns:
        The network's pixels, and the part of the photo that they cover.

    Raises:
        PhotoError: the photo is so long and thin that it cannot be resized for a crop.
    """
    if photo.fitted is not None and photo.fitted[0] == fit:
        return photo.fitted[1].copy(), photo.fitted[2]
    height, width = photo.pixels.shape[:2]
    resized = _resized_size(photo, fit)
    if (height, width) == resized:
        pixels = photo.pixels
    else:
        filter_ = INTERPOLATIONS[fit.interpolation]
        pixels = np.asarray(Image.fromarray(photo.pixels).resize(resized[::-1], filter_))
    if fit.size is None or resized == fit.size:
        return pixels.copy(), Placement((0.0, 0.0, float(width), float(height)))
    pixels, top, left = _centre_crop(pixels, fit.size, floors=fit.mode != "crop")
    down, across = height / resized[0], width / resized[1]
    box = (left * across, top * down, (left + fit.size[1]) * across, (top + fit.size[0]) * down)
    return pixels, Placement(box)


def fit_ahead(photo: Photo, fit: Fit) -> Photo:
    """Return the photo with its fit, so that `fit_photo` does not repeat it.

    Raises:
        PhotoError: as `fit_photo`.
    """
    return Photo(photo.pixels, photo.name, photo.path, (fit, *fit_photo(photo, fit)))


def fit_only(photo: Photo, fit: Fit, *, preview: bool = False) -> Photo:
    """Return the photo with its fit and without its pixels: enough for maps.

    The photo keeps its size, but its own pixels are black and take no memory.

    Args:
        photo: the photo.
        fit: how it is fitted.
        preview: keep a small copy of the pixels: enough for pages.

    Raises:
        PhotoError: as `fit_photo`.
    """
    height, width = photo.pixels.shape[:2]
    small = shrink(photo.pixels, preview_size((height, width))) if preview else None
    black = np.broadcast_to(np.uint8(0), photo.pixels.shape)
    return Photo(black, photo.name, photo.path, (fit, *fit_photo(photo, fit)), small)


def preview_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) at which a page shows a photo: it is never enlarged."""
    height, width = size
    factor = min(WIDEST / width, TALLEST / height, 1.0)
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrink(pixels: UInt8[ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[ndarray, "H W 3"]:
    """Return the pixels at a smaller (height, width); themselves at their own."""
    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size[::-1], Image.Resampling.HAMMING, reducing_gap=2))


def check_fit(photo: Photo, fit: Fit) -> None:
    """Refuse a photo that `fit_photo` would refuse, without resizing it.

    Raises:
        PhotoError: the photo is so long and thin that it cannot be resized for a crop.
    """
    _resized_size(photo, fit)


def _resized_size(photo: Photo, fit: Fit) -> tuple[int, int]:
    """Return height and width of the photo before the crop."""
    height, width = photo.pixels.shape[:2]
    shorter = min(height, width)
    if fit.size is None:
        to = min(fit.resize or shorter, shorter)
    elif fit.mode == "stretch-crop":
        assert fit.resize is not None
        return fit.resize, fit.resize
    elif fit.mode == "stretch":
        return fit.size
    elif fit.resize is not None:
        to = fit.resize
    else:  # the smallest that covers the crop both ways: ceil(shorter · the larger ratio)
        to = max(-(-shorter * fit.size[0] // height), -(-shorter * fit.size[1] // width))
    longer = int(to * max(height, width) / shorter)
    if fit.size is not None and to * longer > LARGEST_RESIZED:
        raise PhotoError(
            f"'{photo.name}' is {height}×{width} (height × width), too long and thin to be resized "
            f"to a shorter side of {to}. Cut it, or stretch it: mode='stretch'."
        )
    return (to, longer) if height <= width else (longer, to)


def _centre_crop(
    pixels: UInt8[ndarray, "h w 3"], size: tuple[int, int], *, floors: bool
) -> tuple[UInt8[ndarray, "H W 3"], int, int]:
    """Crop the centre, padding small photos with black, and return its top and left.

    The offset is Python's round((h − H) / 2), as in torchvision, or with `floors` its floor, as in
    transformers; padding adds the odd pixel at the bottom and right.
    """
    starts: list[int] = []
    cut: list[slice] = []
    padding: list[tuple[int, int]] = []
    for have, want in zip(pixels.shape[:2], size, strict=True):
        missing = max(want - have, 0)
        start = 0 if missing else (have - want) // 2 if floors else round((have - want) / 2)
        starts.append(start - missing // 2)
        cut.append(slice(start, start + want))
        padding.append((missing // 2, missing - missing // 2))
    cropped = np.pad(pixels[cut[0], cut[1]], (*padding, (0, 0)))
    return cropped, starts[0], starts[1]
