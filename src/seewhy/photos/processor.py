"""The preprocessing in a Hugging Face processor's settings, `preprocessor_config.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seewhy.photos.preprocessing import Preprocess, normalization

PROCESSOR = "preprocessor_config.json"
"""The name of the file, in the folder of the model's own file."""

LARGEST_FILE = 1_000_000
"""Bytes: a larger file is not a processor's settings."""


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


def _preprocess(settings: dict[str, Any]) -> Preprocess | None:
    if settings.get("do_flip_channel_order") or settings.get("rescale_offset"):
        return None
    factor = float(settings.get("rescale_factor", 1 / 255))
    factor = 255 * (factor if settings.get("do_rescale", True) else 1.0)
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    if settings.get("do_normalize", True):
        mean = tuple(float(setting) for setting in settings["image_mean"])
        deviation = tuple(float(setting) for setting in settings["image_std"])
    elif factor == 255:
        return "none"
    if len(mean) != len(deviation) or len(mean) not in (1, 3) or not factor or 0 in deviation:
        return None
    return normalization(
        tuple(value / factor for value in mean), tuple(value / factor for value in deviation)
    )
