"""A Hugging Face processor's settings as seewhy's own steps: a fit, and a preprocessing.

They are in `preprocessor_config.json`, or what `to_dict` of a processor returns, as a dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from seewhy.errors import OptionError
from seewhy.photos.fitting import INTERPOLATIONS, Fit
from seewhy.photos.preprocessing import Normalize, Preprocess, normalization

PROCESSOR = "preprocessor_config.json"
"""The name of the file, in the folder of the model's own file."""

LARGEST_FILE = 1_000_000
"""Bytes: a larger file is not a processor's settings."""

WARPED_FROM = 384
"""ConvNeXt's processor crops photos below this side, and stretches them to it and above."""


def is_processor(preprocess: Any) -> bool:
    """True for a processor of transformers, of images alone or of images and text."""
    return type(preprocess).__module__.startswith("transformers.")


def from_processor(processor: Any) -> tuple[Preprocess, Fit | None]:
    """Return the preprocessing of a processor of transformers, and its fit; None where it has none.

    Raises:
        OptionError: it prepares no images, or not by resizing, cropping, shifting and scaling.
    """
    processor = getattr(processor, "image_processor", processor)
    settings = processor.to_dict() if hasattr(processor, "image_mean") else {}
    name = type(processor).__name__
    if not settings:
        raise OptionError(
            f"{name} prepares no images. Give the processor of the network: "
            "AutoImageProcessor.from_pretrained(...)."
        )
    try:
        preprocess = _preprocess(settings)
        fit = _fit(settings)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise OptionError(
            f"The settings of {name} are not those of a processor: {error}. Get its "
            f"{PROCESSOR} again."
        ) from error
    if preprocess is None:
        raise OptionError(
            f"{name} does more than resize, crop, shift and scale red, green and blue. Give "
            "preprocess a function of the pixels."
        )
    return preprocess, fit


def read_processor(folder: Path) -> Preprocess | None:
    """Return the preprocessing of the processor in a folder.

        x · rescale_factor, then (x − image_mean) / image_std

    Returns:
        None if the file does not exist, or is not a shift and scale of red, green and blue.
    """
    path = folder / PROCESSOR
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            return None
        settings = json.loads(path.read_text(encoding="utf-8"))
        return _preprocess(settings) if isinstance(settings, dict) else None
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return None


def _preprocess(settings: Mapping[str, Any]) -> Preprocess | None:
    factor = float(settings.get("rescale_factor", 1 / 255))
    factor = 255 * (factor if settings.get("do_rescale", True) else 1.0)
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    is_flipped = bool(settings.get("do_flip_channel_order"))  # MobileViT's, which normalizes not
    if settings.get("do_normalize", not is_flipped):
        mean = tuple(float(setting) for setting in settings["image_mean"])
        deviation = tuple(float(setting) for setting in settings["image_std"])
    elif factor == 255 and not is_flipped:
        return "none"
    if settings.get("rescale_offset"):  # x · rescale_factor − 1
        mean = tuple(value + 1 for value in mean)
    if settings.get("include_top"):  # EfficientNet's: divided by the deviation once more
        deviation = tuple(value * value for value in deviation)
    if len(mean) != len(deviation) or len(mean) not in (1, 3) or not factor or 0 in deviation:
        return None
    mean, deviation = (tuple(value / factor for value in values) for values in (mean, deviation))
    if is_flipped:
        return Normalize(mean, deviation, is_blue_first=True)
    return normalization(mean, deviation)


def _fit(settings: Mapping[str, Any]) -> Fit | None:
    """Return how photos meet the input size; None where their size is kept, or varies."""
    if not settings.get("do_resize", True):
        return None
    size = settings["size"]
    shorter, sides = size.get("shortest_edge"), (size.get("height"), size.get("width"))
    crop: Any = None
    if settings.get("do_center_crop"):
        crop = (int(settings["crop_size"]["height"]), int(settings["crop_size"]["width"]))
    how = _interpolation(settings.get("resample"))
    kind = str(settings.get("image_processor_type", ""))
    share = settings.get("crop_pct")
    if kind.startswith("ConvNext") and shorter:
        crop = (int(shorter), int(shorter))
        if shorter >= WARPED_FROM:
            return Fit(size=crop, interpolation=how)
        shorter = int(shorter / share)
    elif kind.startswith("PoolFormer") and share:
        shorter = int((shorter or sides[0]) / share)
    elif kind.startswith("Levit") and shorter:
        shorter = int(256 / 224 * shorter)
    if shorter and not size.get("longest_edge"):
        crop = crop or (int(shorter), int(shorter))
        return Fit(size=crop, mode="floor-crop", resize=int(shorter), interpolation=how)
    if not all(sides):
        return None
    stretched = (int(sides[0]), int(sides[1]))
    if crop in (None, stretched):
        return Fit(size=stretched, interpolation=how)
    if stretched[0] != stretched[1]:
        raise ValueError("a photo is stretched to a rectangle, and cropped")
    return Fit(size=crop, mode="stretch-crop", resize=stretched[0], interpolation=how)


def _interpolation(resample: Any) -> str:
    """Return the name of one of Pillow's filters, given by its number."""
    number = 2 if resample is None else int(getattr(resample, "value", resample))
    names = {int(filter_): name for name, filter_ in INTERPOLATIONS.items()}
    return names[int(Image.Resampling(number))]
