"""Changes to a photo that leave everybody but a network indifferent: sharpness, colour, shape.

Axes: H W row and column of the network's input.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image, ImageFilter

from seewhy.photos.fitting import INTERPOLATIONS, Fit, fit_photo
from seewhy.photos.photo import Photo

Seen = UInt8[ndarray, "H W 3"]
"""A photo at the network's input size."""

SIGMA = (0.4, 1.0)
"""The blur's standard deviation in pixels: for inputs of up to 60 pixels, and of 150 and more."""

STRETCH = 0.8
"""The share of the width or height that is kept, and stretched to the whole."""

QUALITY = 50
"""Of a JPEG."""


@dataclass(frozen=True)
class Change:
    """Something that is done to a photo.

    Attributes:
        name: in a word or two.
        kind: what a network that minds it relies on: a key of `RELIANCES`.
        clause: how a sentence about it begins.
        definition: what is done exactly.
        apply: from fitted pixels to changed ones; None of a refit.
        refit: from the photo and its fit to other pixels at the network's input size; None where
            the fitted pixels are enough.
    """

    name: str
    kind: str
    clause: str
    definition: str
    apply: Callable[[Seen], Seen] | None = None
    refit: Callable[[Photo, Fit], Seen] | None = None


RELIANCES = {
    "sharpness": "how sharp a photo is",
    "colour": "colour",
    "chroma": "how fine the colours of a photo are",
    "light": "how bright a photo is",
    "sides": "which way things face",
    "shape": "how a photo was stretched",
    "compression": "how a photo was compressed",
}
"""What a network relies on that minds a change, by its kind."""


def _whole(pixels: Float[ndarray, "H W 3"]) -> Seen:
    return np.asarray(np.clip(np.round(pixels), 0, 255), np.uint8)


def detail(pixels: Seen) -> Float[ndarray, "H W 3"]:
    """Return what a Gaussian blur takes away: d = x − G(x)."""
    side = min(pixels.shape[:2])
    sigma = min(max(side / 150, SIGMA[0]), SIGMA[1])
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    return np.asarray(pixels.astype(np.float32) - blurred)


def _blurred(pixels: Seen) -> Seen:
    return _whole(pixels - detail(pixels))


def _sharpened(pixels: Seen) -> Seen:
    return _whole(pixels + detail(pixels))


def _resampled(photo: Photo, fit: Fit) -> Seen:
    other = "bilinear" if fit.interpolation == "box" else "box"
    return fit_photo(photo, replace(fit, interpolation=other))[0]


def _compressed(pixels: Seen) -> Seen:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(content).convert("RGB"))


def _compressed_in_full(pixels: Seen) -> Seen:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return np.asarray(Image.open(content).convert("RGB"))


def halved_colour(pixels: Seen) -> Seen:
    """Return pixels whose colour, but not their brightness, has half the resolution."""
    brightness, *colours = Image.fromarray(pixels).convert("YCbCr").split()
    height, width = pixels.shape[:2]
    small = (-(-width // 2), -(-height // 2))
    halved = [
        colour.resize(small, Image.Resampling.BOX).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for colour in colours
    ]
    return np.asarray(Image.merge("YCbCr", [brightness, *halved]).convert("RGB"))


def _grey(pixels: Seen) -> Seen:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def _scaled(*gains: float) -> Callable[[Seen], Seen]:
    def apply(pixels: Seen) -> Seen:
        return _whole(pixels * np.array(gains, np.float32))

    return apply


def _mirrored(pixels: Seen) -> Seen:
    return np.ascontiguousarray(pixels[:, ::-1])


def _stretched(across: float, down: float) -> Callable[[Photo, Fit], Seen]:
    def refit(photo: Photo, fit: Fit) -> Seen:
        height, width = photo.pixels.shape[:2]
        pixels, placement = fit_photo(photo, fit)
        x0, y0, x1, y1 = placement.box
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        wide, tall = across * (x1 - x0) / 2, down * (y1 - y0) / 2
        box = (max(x - wide, 0), max(y - tall, 0), min(x + wide, width), min(y + tall, height))
        size = pixels.shape[1::-1]
        image = Image.fromarray(photo.pixels)
        return np.asarray(image.resize(size, INTERPOLATIONS[fit.interpolation], box=box))

    return refit


CHANGES = (
    Change(
        "blurred", "sharpness", "Blurred a little",
        "x − d, d = x − G(x), where G is a Gaussian blur by 1 pixel of the network's input "
        "(0.4 of small inputs)", _blurred,
    ),
    Change("sharpened", "sharpness", "Sharpened a little", "x + d, with the same d", _sharpened),
    Change(
        "resampled", "sharpness", "Resized by another filter",
        "resized by area averaging ('box', as OpenCV's INTER_AREA), or by 'bilinear' where that "
        "is the filter", refit=_resampled,
    ),
    Change(
        "recompressed", "compression", "Saved as a JPEG again",
        f"saved as a JPEG of quality {QUALITY} at the network's input size", _compressed,
    ),
    Change(
        "recompressed, 4:4:4", "compression", "Saved as a JPEG with its whole colour",
        f"likewise of quality {QUALITY}, without subsampling; the former halves colour (4:2:0)",
        _compressed_in_full,
    ),
    Change(
        "coarser colour", "chroma", "With colour at half the resolution",
        "Cb and Cr of YCbCr averaged over 2 × 2 pixels, as in nearly every JPEG", halved_colour,
    ),
    Change("grey", "colour", "In grey", "luminance, Rec. 601", _grey),
    Change(
        "warmer", "colour", "In a warmer light", "red × 1.15, blue × 0.85",
        _scaled(1.15, 1, 0.85),
    ),
    Change(
        "cooler", "colour", "In a cooler light", "red × 0.85, blue × 1.15",
        _scaled(0.85, 1, 1.15),
    ),
    Change("brighter", "light", "Brightened", "× 1.3", _scaled(1.3, 1.3, 1.3)),
    Change("darker", "light", "Darkened", "× 0.7", _scaled(0.7, 0.7, 0.7)),
    Change("mirrored", "sides", "Mirrored", "left and right are swapped", _mirrored),
    Change(
        "wider", "shape", "Stretched to be wider",
        "the middle 80 % of the width, stretched to the whole width",
        refit=_stretched(STRETCH, 1),
    ),
    Change(
        "taller", "shape", "Stretched to be taller",
        "the middle 80 % of the height, stretched to the whole height",
        refit=_stretched(1, STRETCH),
    ),
)  # fmt: skip
"""All changes, in the order of the page.

Source:
    Hendrycks and Dietterich, *Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations*, ICLR 2019 (arXiv:1903.12261), whose weakest strengths are near these; Geirhos et
    al., *Shortcut Learning in Deep Neural Networks*, Nature Machine Intelligence 2020
    (arXiv:2004.07780): what a network relies on shows on photos that differ in that alone.
"""


def refitted(photo: Photo, fit: Fit) -> list[Seen]:
    """Return what is made of a photo that its fitted pixels no longer tell, for `changed`."""
    return [change.refit(photo, fit) for change in CHANGES if change.refit is not None]


def changed(pixels: Seen, refits: Iterable[Seen]) -> list[Seen]:
    """Return fitted pixels with each of the `CHANGES`, of which `refitted` made some."""
    left = iter(refits)
    return [next(left) if change.apply is None else change.apply(pixels) for change in CHANGES]
