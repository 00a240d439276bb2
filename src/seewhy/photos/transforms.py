"""Transforms of torchvision and timm as seewhy's own steps: a fit, and a preprocessing.

What brings a photo to the input size (`Resize`, `CenterCrop`) becomes a `Fit`, so that heatmaps are
carried back by it; what follows works on the fitted photo, as `Normalize` where it is only that.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError
from seewhy.photos.fitting import INTERPOLATIONS, Fit
from seewhy.photos.preprocessing import Preprocess, normalization

PACKAGES = ("torchvision", "timm", "open_clip")

TO_UNIT = frozenset({
    "ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "MaybeToTensor",
    "MaybePILToTensor", "MaybeConvertMode", "ToRGB", "RGB", "Identity", "ToPureTensor",
})  # fmt: skip
"""Steps that make a tensor of 0 ... 1, in colour; they change no number besides that."""


def is_transform(preprocess: Any) -> bool:
    """True for a transform of torchvision or timm; neither is imported to look."""
    return type(preprocess).__module__.partition(".")[0] in PACKAGES


def from_transform(transform: Any, size: tuple[int, int] | None) -> tuple[Preprocess, Fit | None]:
    """Return the preprocessing that a transform is, and the fit; None where it has none.

    Args:
        transform: a `Compose`, one step, or what `weights.transforms()` returns.
        size: of the network's input, if it is known already.

    Raises:
        OptionError: it draws random numbers, as in training.
    """
    if hasattr(transform, "crop_size") and hasattr(transform, "mean"):  # weights.transforms()
        fit = _fit([transform.resize_size, transform.crop_size], transform.interpolation)
        return normalization(tuple(transform.mean), tuple(transform.std)), fit
    steps = _steps(transform)
    random = next((name for name in map(_name, steps) if "Random" in name or "Jitter" in name), "")
    if random:
        raise OptionError(
            f"The transform has the step {random}, which differs each time: it is made for "
            "training. Give the transform for evaluation, or 'torch', 'tf' or 'unit'."
        )
    sides: list[Any] = []
    interpolation: Any = None
    while steps and _name(steps[0]) in ("Resize", "CenterCrop", *TO_UNIT):
        name, step = _name(steps[0]), steps[0]
        if name in ("Resize", "CenterCrop"):
            if len(sides) == 2 or (sides and name == "Resize"):
                break
            sides += [None] * (name == "CenterCrop" and not sides) + [step.size]
            interpolation = interpolation or getattr(step, "interpolation", None)
        steps = steps[1:]
    fit = _fit(sides, interpolation) if sides else None
    left = [step for step in steps if _name(step) not in TO_UNIT]
    if not left:
        return "unit", fit
    if len(left) == 1 and _name(left[0]) == "Normalize":
        mean, deviation = (np.ravel(values).tolist() for values in (left[0].mean, left[0].std))
        return normalization(tuple(mean), tuple(deviation)), fit
    return _applied([step for step in _steps(transform) if not _places(step)]), fit


def _places(step: Any) -> bool:
    return _name(step) in ("Resize", "CenterCrop")


def _steps(transform: Any) -> list[Any]:
    inside = getattr(transform, "transforms", None)
    if isinstance(inside, Sequence):
        return [step for part in inside for step in _steps(part)]
    return [transform]


def _name(step: Any) -> str:
    return type(step).__name__


def _fit(sides: Sequence[Any], interpolation: Any) -> Fit | None:
    """Return the fit of a `Resize` and a `CenterCrop`; each may be missing."""
    resize, crop = [None if side is None else np.ravel(side).tolist() for side in sides] + [
        None
    ] * (2 - len(sides))
    named = str(getattr(interpolation, "value", interpolation or "bilinear"))
    how = named if named in INTERPOLATIONS else "bilinear"
    if crop is None:
        assert resize is not None
        # One number is the shorter side: the photo keeps its shape, which one input size does not.
        mode = "stretch" if len(resize) == 2 else "crop"
        size = (int(resize[0]), int(resize[-1]))
        return Fit(size=size, mode=mode, interpolation=how)
    size = (int(crop[0]), int(crop[-1]))
    if resize is not None and len(resize) == 2 and resize[0] != resize[1]:
        return Fit(size=size, mode="stretch", interpolation=how)
    shorter = math.floor(resize[0]) if resize is not None else None
    return Fit(size=size, mode="crop", resize=shorter, interpolation=how)


def _applied(steps: Sequence[Callable[[Any], Any]]) -> Preprocess:
    """Return a function that applies steps to each fitted photo, and puts channels last."""

    def transformed(pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w d"]:
        made = []
        for photo in pixels.round().astype(np.uint8):
            image: Any = Image.fromarray(photo[..., 0] if photo.shape[2] == 1 else photo)
            try:
                for step in steps:
                    image = step(image)
            except (TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise OptionError(
                    f"The transform cannot be applied to a photo: {error}. Give one that takes a "
                    "PIL image and returns a tensor, or a function of the pixels."
                ) from error
            values = np.asarray(image, np.float32)
            made.append(values if isinstance(image, Image.Image) else np.moveaxis(values, 0, -1))
        return np.stack(made)

    transformed.__name__ = "of " + ", ".join(_name(step) for step in steps)
    return transformed
