"""Augmentation of a batch in numpy: random windows, colours, sharpness, CutMix.

It follows from the seed, the epoch and the batch's number, so that a run that is resumed sees what
it would have seen, with the same photos on every backend. Flips, shifts and zooms are Keras's
layers, in `networks`. Those for the rest are not used: their random numbers are a state and differ
by backend, RandomCrop cuts the same place out of every photo of a batch, RandomSharpness darkens
the borders, and CutMix leaves the photos' weights as they are. Axes: n photo, h row, w column, k
class.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image

from seewhy.training.networks import LUMINANCE

ASPECTS = (3 / 4, 4 / 3)
"""The narrowest and the widest window, relative to the photo (Szegedy et al.)."""

FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)
"""How windows are brought to their size: one drawn per photo."""

QUALITIES = (25, 100)
"""The lowest and the highest quality of JPEG."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Resolutions of a JPEG's colour."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Augmentation:
    """What changes in a batch's photos, and in their targets.

    Attributes:
        crop: the size of the window that is cut out of each photo; None: the whole photo.
        crop_scale: the smallest share of a photo's area that its window covers; None: the window
            has the size `crop` itself.
        colour: how much brightness, contrast and saturation change.
        sharpness: how much photos are blurred or sharpened.
        jpeg: the probability that a photo goes through a JPEG file.
        cutmix: the probability that a photo gets a box of another one.
        plain_from: the first epoch without CutMix.
        size: to which photos are brought; None: that of the window.
    """

    crop: Size | None = None
    crop_scale: float | None = None
    colour: float = 0.0
    sharpness: float = 0.0
    jpeg: float = 0.0
    cutmix: float = 0.0
    plain_from: int | None = None
    size: Size | None = None

    def __call__(
        self,
        pixels: UInt8[ndarray, "n h w 3"],
        targets: Float[ndarray, "n k"],
        weights: Float[ndarray, " n"],
        *,
        seed: int,
        epoch: int,
        batch: int,
    ) -> tuple[ndarray, Float[ndarray, "n k"], Float[ndarray, " n"]]:
        """Return a batch's photos as they are trained on, with targets."""
        generator = np.random.default_rng([seed, epoch, batch])
        if self.crop is not None and self.crop_scale is not None:
            into = self.size or self.crop
            pixels = random_windows(pixels, into, smallest=self.crop_scale, generator=generator)
        elif self.crop is not None:
            pixels = random_crops(pixels, self.crop, generator=generator)
        pixels = resized(pixels, self.size)
        if self.colour:
            pixels = random_colours(pixels, self.colour, generator=generator)
        if self.sharpness:
            pixels = random_sharpness(pixels, self.sharpness, generator=generator)
        if self.jpeg:
            pixels = random_jpeg(pixels, probability=self.jpeg, generator=generator)
        if self.cutmix and (self.plain_from is None or epoch < self.plain_from):
            return cutmix(pixels, targets, weights, probability=self.cutmix, generator=generator)
        return pixels, targets, weights


def random_crops(
    pixels: UInt8[ndarray, "n h w 3"], crop: Size, *, generator: Generator
) -> UInt8[ndarray, "n r s 3"]:
    """Cut one window of `crop` out of each photo, anywhere in it with equal probability."""
    _, height, width, _ = pixels.shape
    if crop == (height, width):
        return pixels
    tops = generator.integers(0, height - crop[0] + 1, len(pixels))
    lefts = generator.integers(0, width - crop[1] + 1, len(pixels))
    return np.stack(
        [
            photo[top : top + crop[0], left : left + crop[1]]
            for photo, top, left in zip(pixels, tops, lefts, strict=True)
        ]
    )


def random_windows(
    pixels: UInt8[ndarray, "n h w 3"], size: Size, *, smallest: float, generator: Generator
) -> UInt8[ndarray, "n r s 3"]:
    """Cut a window of random area and aspect out of each photo, and bring it to `size`.

    The area is drawn evenly from `smallest` to 1 of the photo's, the logarithm of the aspect
    (relative to the photo's) evenly between those of `ASPECTS`; the place is anywhere. Each photo
    is resized by one of `FILTERS`: a network that only saw one fails on photos out of another.

    Source:
        Szegedy et al., *Going Deeper with Convolutions*, CVPR 2015 (arXiv:1409.4842), section 6.
    """
    count, height, width, _ = pixels.shape
    area = generator.uniform(smallest, 1, count)
    aspect = np.exp(generator.uniform(np.log(ASPECTS[0]), np.log(ASPECTS[1]), count))
    rows = np.minimum(np.sqrt(area / aspect), 1) * height
    columns = np.minimum(np.sqrt(area * aspect), 1) * width
    tops = generator.uniform(0, height - rows)
    lefts = generator.uniform(0, width - columns)
    kinds = generator.integers(0, len(FILTERS), len(pixels))
    ends = np.minimum(lefts + columns, width), np.minimum(tops + rows, height)
    boxes = np.stack([lefts, tops, *ends], axis=1)
    return np.stack(
        [
            np.asarray(Image.fromarray(photo).resize(size[::-1], FILTERS[kind], box=tuple(box)))
            for photo, kind, box in zip(pixels, kinds, boxes, strict=True)
        ]
    )


def random_colours(
    pixels: UInt8[ndarray, "n h w 3"], change: float, *, generator: Generator
) -> UInt8[ndarray, "n h w 3"]:
    """Change each photo's brightness, contrast and saturation.

        x ← b · x,   x ← m + c · (x − m),   x ← g + s · (x − g)

    with b, c and s drawn evenly from 1 − change to 1 + change, m the photo's mean grey and g each
    pixel's grey.
    """
    factors = generator.uniform(1 - change, 1 + change, (3, len(pixels), 1, 1, 1))
    brightness, contrast, saturation = factors.astype(np.float32)
    values = brightness * pixels
    grey = values @ np.asarray(LUMINANCE, np.float32)
    mean = grey.mean(axis=(1, 2), keepdims=True)[..., None]
    values = mean + contrast * (values - mean)
    grey = mean + contrast * (grey[..., None] - mean)
    changed: ndarray = np.rint(grey + saturation * (values - grey))
    return changed.clip(0, 255).astype(np.uint8)


def random_sharpness(
    pixels: UInt8[ndarray, "n h w 3"], change: float, *, generator: Generator
) -> UInt8[ndarray, "n h w 3"]:
    """Blur or sharpen each photo.

        x ← x + s · (x − blurred(x))

    with s drawn evenly from −change to change, and blurred by the binomial filter 1/4, 1/2, 1/4 in
    both directions (edges repeat): s = −1 is the blurred photo, s = 1 sharpens as much. A network
    trained on photos of one sharpness fails on others: on photos that were not resized, or by
    another filter.

    Source:
        the unsharp mask: Gonzalez & Woods, *Digital Image Processing*, section 3.6; as an
        augmentation: Cubuk et al., *AutoAugment*, CVPR 2019 (arXiv:1805.09501), 'Sharpness'.
    """
    strength = generator.uniform(-change, change, (len(pixels), 1, 1, 1)).astype(np.float32)
    values = pixels.astype(np.float32)
    blurred = _binomial(_binomial(values, axis=1), axis=2)
    changed: ndarray = np.rint(values + strength * (values - blurred))
    return changed.clip(0, 255).astype(np.uint8)


def random_jpeg(
    pixels: UInt8[ndarray, "n h w 3"], *, probability: float, generator: Generator
) -> UInt8[ndarray, "n h w 3"]:
    """Store photos as JPEG, of a quality within `QUALITIES` and one of `SUBSAMPLINGS`, and read it.

    Source:
        as an augmentation: Hendrycks & Dietterich, *Benchmarking Neural Network Robustness*, ICLR
        2019 (arXiv:1903.12261), 'jpeg'.
    """
    chosen = generator.random(len(pixels)) < probability
    qualities = generator.integers(*QUALITIES, len(pixels), endpoint=True)
    kinds = generator.integers(0, len(SUBSAMPLINGS), len(pixels))
    result = pixels.copy()
    for index in np.flatnonzero(chosen):
        file = io.BytesIO()
        Image.fromarray(pixels[index]).save(
            file, "JPEG", quality=int(qualities[index]), subsampling=SUBSAMPLINGS[kinds[index]]
        )
        result[index] = np.asarray(Image.open(file))
    return result


def _binomial(values: Float[ndarray, "n h w 3"], *, axis: int) -> Float[ndarray, "n h w 3"]:
    """Return the weighted mean 1/4, 1/2, 1/4 of each value and its neighbours along an axis."""
    width = [(0, 0)] * values.ndim
    width[axis] = (1, 1)
    padded = np.moveaxis(np.pad(values, width, mode="edge"), axis, 0)
    smooth: ndarray = 0.25 * (padded[:-2] + padded[2:]) + 0.5 * padded[1:-1]
    return np.moveaxis(smooth, 0, axis)


def cutmix(
    pixels: UInt8[ndarray, "n h w 3"],
    targets: Float[ndarray, "n k"],
    weights: Float[ndarray, " n"],
    *,
    probability: float,
    generator: Generator,
) -> tuple[UInt8[ndarray, "n h w 3"], Float[ndarray, "n k"], Float[ndarray, " n"]]:
    """Replace a box of a photo by that of another photo of the batch, and a share of its target.

        y = λ y_a + (1 − λ) y_b,   λ = 1 − box's area / photo's area

    The box has the photo's aspect; its area is drawn evenly, its centre is anywhere, and what is
    outside of the photo is cut off. The photos' weights are mixed alike: the loss is the weighted
    mean of both photos' losses.

    Differs from the paper: each photo is mixed with the given probability, by its own λ, instead of
    the whole batch by one.

    Source:
        Yun et al., *CutMix*, ICCV 2019 (arXiv:1905.04899), equations 1 and 2; the area is even for
        α = 1.
    """
    count, height, width, _ = pixels.shape
    mixed = generator.random(count) < probability
    others = generator.permutation(count)
    side = np.sqrt(generator.random(count))
    middles = generator.random((count, 2)) * (height, width)
    halves = side[:, None] * (height, width) / 2
    starts = np.clip(np.rint(middles - halves), 0, (height, width)).astype(int)
    ends = np.clip(np.rint(middles + halves), 0, (height, width)).astype(int)
    result = pixels.copy()
    kept = np.ones(count, np.float32)
    for photo in np.flatnonzero(mixed):
        (top, left), (bottom, right) = starts[photo], ends[photo]
        result[photo, top:bottom, left:right] = pixels[others[photo], top:bottom, left:right]
        kept[photo] = 1 - (bottom - top) * (right - left) / (height * width)
    own, foreign = kept * weights, (1 - kept) * weights[others]
    total = own + foreign
    both = own[:, None] * targets + foreign[:, None] * targets[others]
    return result, both / total[:, None], total


def resized(pixels: UInt8[ndarray, "n h w 3"], size: Size | None) -> UInt8[ndarray, "n r s 3"]:
    """Bring photos to another size, averaging where they shrink; None: leave them."""
    if size is None or size == pixels.shape[1:3]:
        return pixels
    bilinear = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(photo).resize(size[::-1], bilinear)) for photo in pixels]
    )
