"""The image that excites a filter or a class most, by gradient ascent on the input.

Axes: n image (one per filter or class), s step, h row, w column, c channel.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.errors import NotFinite, OptionError, SeewhyWarning, needed
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.request import with_keywords
from seewhy.inside.fourier import Spectrum
from seewhy.inside.input_range import InputRange, input_range
from seewhy.inside.settings import MAXIMIZE
from seewhy.inside.transforms import SHIFT_ANYWHERE, SHIFT_NEARBY, apply, random_transform
from seewhy.inside.units import find_objectives
from seewhy.networks.base import INPUT, Network, Targets
from seewhy.progress import Progress, no_progress
from seewhy.rendering.page import Page, grid
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name
from seewhy.settings import check_all

STEPS = {"fourier": 256, "pixels": 128}
RATES = {"fourier": 0.05, "pixels": 0.01}
"""The step size of Adam on the spectrum; that of the plain step, as a share of the input range per
unit of the gradient's root mean square."""

ADAM_EPSILON = 1e-12
"""Adam's ε: far below the gradients of deep layers, which are about 1e-6."""


@dataclass(frozen=True, eq=False, repr=False)
class MaximizedImages(Drawable):
    """Images that excite their filters or classes.

    Attributes:
        images: (n, h, w, 3) the images, in RGB.
        values: (n) the activation of each image's filter (mean over the map), or the score of its
            class, before rounding to pixels.
        history: (s, n) the same at each step, with its shifts and rotations.
        names: 'conv1 filter 3' or the class's label.
        model: the network's name.
    """

    images: UInt8[ndarray, "n h w 3"]
    values: Float[ndarray, " n"]
    history: Float[ndarray, "s n"]
    names: tuple[str, ...]
    model: str

    def picture(self) -> Page:
        """Draw all images, titled, four per row."""
        cells = [
            (f"{name}: {value:.3g}", image)
            for name, value, image in zip(self.names, self.values, self.images, strict=True)
        ]
        return grid(cells, columns=min(4, len(cells)))

    def save(self, path: str | Path) -> list[Path]:
        """Write the picture of all images as PNG, JPEG or PDF; `images` are the bare ones.

        Raises:
            OutputError: the file cannot be written.
        """
        return [save_picture(self.picture(), path)]

    def _pages(self) -> list[Page]:
        return [self.picture()]

    def __repr__(self) -> str:
        rows = [f"{name}: {value:.3g}" for name, value in zip(self.names, self.values, strict=True)]
        return few_lines(f"MaximizedImages by {short_name(self.model)}", rows)


class AscentKeywords(TypedDict, total=False):
    """The keywords of `maximize_activation` that say how images are changed."""

    parameterization: str
    steps: int | None
    rate: float | None
    transforms: bool | None
    total_variation: float
    blur: float
    seed: int


@with_keywords(AscentKeywords, *MAXIMIZE)
def maximize_activation(
    classifier: Any,
    *,
    layer: Any = None,
    filters: Sequence[int] | None = None,
    classes: Sequence[Any] | None = None,
    progress: Progress = no_progress,
    **ascent: Unpack[AscentKeywords],
) -> MaximizedImages:
    """Find the images that excite filters of a layer, or classes, most.

        x ← x + step along ∂(mean over the filter's activation map, or the class score)/∂x

    Args:
        classifier: as for `seewhy.explain`.
        layer: the layer that has the filters; None: the classifier's own.
        filters: channels of the layer, one image each, all in one batch.
        classes: names, WordNet ids or indices, instead of filters.
        progress: called with (done, total) steps.
        ascent: these:
        parameterization: of the image. "fourier": Adam on a colour-decorrelated spectrum, which
            gives readable images; "pixels": plain ascent by the normalized gradient, from grey
            noise.
        steps: None: 256 on the spectrum, 128 on pixels.
        rate: the size of each step; None: 0.05 on the spectrum (Adam's learning rate), 0.01 on
            pixels (the root mean square of what a step adds to pixels in 0..1).
        transforms: shift, scale and rotate the images at random before each step, which keeps
            only robust structure; None: on the spectrum only.
        total_variation: a penalty on differences between neighbours, as a share of the gradient.
        blur: σ in pixels of a Gaussian over the images after each step on pixels.
        seed: of the noise and the transforms.

    Returns:
        Images, their values, and `.picture()`, `.save("found.png")`.

    Raises:
        OptionError: neither or both of filters and classes, an option out of range, or a network
            whose preprocessing is not linear.
        UnknownLayer, UnknownClass, LayerError: they do not exist, or the layer has no channels.
        NotFinite: the network returned NaN.

    Warns:
        SeewhyWarning: the gradient was always 0, so that an image is its initial noise.

    Source:
        Erhan et al., *Visualizing Higher-Layer Features of a Deep Network*, 2009 (plain);
        Mordvintsev et al., *Inceptionism*, 2015 (transforms); Olah et al., *Feature
        Visualization*, Distill 2017 (spectrum).
    """
    classifier = as_classifier(classifier)
    objectives = find_objectives(classifier, layer=layer, filters=filters, classes=classes)
    chosen = check_all(MAXIMIZE, ascent)
    parameterization, transforms = chosen["parameterization"], chosen["transforms"]
    if chosen["blur"] and parameterization == "fourier":
        raise OptionError(
            "blur is an option of parameterization='pixels'. Leave it out, or choose 'pixels'."
        )
    values_range = input_range(classifier)
    transforms = parameterization == "fourier" if transforms is None else transforms
    shift = SHIFT_NEARBY if objectives.layer is None else SHIFT_ANYWHERE
    climber = _Ascent(
        gradient=lambda images: _gradient(classifier.network, images, objectives.targets),
        range=values_range,
        rate=RATES[parameterization] if chosen["rate"] is None else chosen["rate"],
        shift=shift if transforms else None,
        total_variation=chosen["total_variation"],
        blur=chosen["blur"],
        generator=np.random.default_rng(chosen["seed"]),
    )
    climb = climber.fourier if parameterization == "fourier" else climber.pixels
    steps = STEPS[parameterization] if chosen["steps"] is None else chosen["steps"]
    channels = classifier.network.input_shape[2]
    images, history = climb(len(objectives.names), classifier.size, channels, steps, progress)
    values, gradients = climber.gradient(values_range.from_unit(images))
    still = [
        name for name, slope in zip(objectives.names, gradients, strict=True) if not slope.any()
    ]
    if still:
        warnings.warn(
            f"The gradient of {' and '.join(still)} is 0 at the initial noise, so no image was "
            "found. Try another seed, or the layer before its ReLU.",
            SeewhyWarning,
            stacklevel=2,
        )
    return MaximizedImages(
        values_range.as_rgb(images), values, history, objectives.names, classifier.name
    )


def _gradient(
    network: Network, images: Float[ndarray, "n h w c"], targets: Targets
) -> tuple[Float[ndarray, " n"], Float[ndarray, "n h w c"]]:
    capture = network.input_gradients(images, targets)
    gradients = capture.gradients[INPUT][:, 0]
    if not np.isfinite(gradients).all():
        raise NotFinite(f"The gradient by the input of '{network.name}' holds NaN or infinity.")
    return capture.values[:, 0], gradients


@dataclass(frozen=True, eq=False)
class _Ascent:
    """One ascent: images are in 0..1, red first, until they go to the network.

    `shift` is the largest of the transforms, as a share of the side; None: no transforms at all.
    """

    gradient: Callable[[ndarray], tuple[ndarray, ndarray]]
    range: InputRange
    rate: float
    shift: float | None
    total_variation: float
    blur: float
    generator: np.random.Generator

    def fourier(
        self, count: int, size: tuple[int, int], channels: int, steps: int, progress: Progress
    ) -> tuple[Float[ndarray, "n h w c"], Float[ndarray, "s n"]]:
        """Run Adam on the spectrum (Kingma & Ba 2015, algorithm 1)."""
        spectrum = Spectrum(count, size, channels, self.generator)
        first, second = np.zeros_like(spectrum.values), np.zeros(spectrum.values.shape)
        second_imaginary = np.zeros(spectrum.values.shape)
        history = []
        for step in range(1, steps + 1):
            images = spectrum.unit_images()
            values, gradients = self._step(images)
            slope = spectrum.gradient(images, gradients)
            first = 0.9 * first + 0.1 * slope
            second = 0.999 * second + 0.001 * slope.real**2
            second_imaginary = 0.999 * second_imaginary + 0.001 * slope.imag**2
            mean = first / (1 - 0.9**step)
            real = np.sqrt(second / (1 - 0.999**step)) + ADAM_EPSILON
            imaginary = np.sqrt(second_imaginary / (1 - 0.999**step)) + ADAM_EPSILON
            spectrum.values += self.rate * (mean.real / real + 1j * mean.imag / imaginary)
            history.append(values)
            progress(step, steps)
        return spectrum.unit_images(), np.array(history, np.float32)

    def pixels(
        self, count: int, size: tuple[int, int], channels: int, steps: int, progress: Progress
    ) -> tuple[Float[ndarray, "n h w c"], Float[ndarray, "s n"]]:
        """Take steps of fixed length along the gradient, from grey noise."""
        gaussian_filter = needed("scipy.ndimage", "A picture that excites a unit").gaussian_filter
        noise = self.generator.uniform(-1, 1, size=(count, *size, channels))
        images = 0.5 + 0.1 * noise
        history = []
        for step in range(1, steps + 1):
            values, gradients = self._step(images)
            length = np.sqrt(np.mean(gradients**2, axis=(1, 2, 3), keepdims=True))
            images = np.clip(images + self.rate * gradients / (length + 1e-30), 0, 1)
            if self.blur:
                images = gaussian_filter(images, sigma=(0, self.blur, self.blur, 0))
            history.append(values)
            progress(step, steps)
        return images, np.array(history, np.float32)

    def _transform(self, size: tuple[int, int]) -> Any:
        if self.shift is None:
            return None
        return random_transform(size, self.generator, shift=self.shift)

    def _step(self, images: ndarray) -> tuple[ndarray, ndarray]:
        """Return the values of the images as the network sees them now, and gradients by them."""
        size = (images.shape[1], images.shape[2])
        matrix = self._transform(size)
        seen = images if matrix is None else apply(matrix, images)
        values, gradients = self.gradient(self.range.from_unit(seen))
        gradients = self.range.gradient_to_unit(gradients)
        if matrix is not None:
            gradients = apply(matrix.T, gradients)
        if self.total_variation:
            rough = _roughness(images)
            scale = np.sqrt(np.mean(gradients**2, axis=(1, 2, 3), keepdims=True))
            norm = np.sqrt(np.mean(rough**2, axis=(1, 2, 3), keepdims=True)) + 1e-30
            gradients = gradients - self.total_variation * scale * rough / norm
        return values, gradients


def _roughness(images: ndarray) -> ndarray:
    """Return the gradient of Σ (difference to the next row)² + (to the next column)², halved."""
    rough = np.zeros_like(images)
    for axis in (1, 2):
        steps = np.diff(images, axis=axis)
        before = [(0, 0)] * 4
        after = [(0, 0)] * 4
        before[axis], after[axis] = (1, 0), (0, 1)
        rough += np.pad(steps, before) - np.pad(steps, after)
    return rough
