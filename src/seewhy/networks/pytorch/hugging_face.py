"""Bare networks of transformers: their scores, the names of their classes, their processors."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

UNNAMED = re.compile(r"LABEL_\d+")
"""The names that transformers gives to classes without names."""


def is_pretrained(model: Any) -> bool:
    """True for a network of transformers, which is not imported to look."""
    modeling = sys.modules.get("transformers.modeling_utils")
    return modeling is not None and isinstance(model, modeling.PreTrainedModel)


def scores_of(model: Any, images: Any) -> Any:
    """Call a network of transformers; return its class scores, where it has some."""
    output = model(pixel_values=images, return_dict=True)
    return output.get("logits", output)


def own_labels(model: Any) -> Mapping[int, str] | None:
    """Return the names of the classes in a network's configuration; None where they have none."""
    names = getattr(model.config, "id2label", None) or {}
    return None if all(map(UNNAMED.fullmatch, names.values())) else names


def own_processor(model: Any) -> Any:
    """Return the processor in the folder that a network was loaded from; None without one.

    Nothing is downloaded, and no code of the folder runs.
    """
    if not model.name_or_path:
        return None
    try:
        return load_processor(model.name_or_path, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError):
        return None


def load_processor(source: str, *, local_files_only: bool) -> Any:
    """Return the processor of images in a folder or repository, on Pillow as seewhy's own way.

    Raises:
        OSError, ValueError, KeyError, TypeError: there is none, or it is damaged.
        ImportError: something that transformers needs cannot be imported.
    """
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(
        source, backend="pil", trust_remote_code=False, local_files_only=local_files_only
    )


def usual_processor(model: Any) -> Any:
    """Return a processor with transformers' own defaults for networks of this kind."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    try:
        return IMAGE_PROCESSOR_MAPPING[type(model.config)]["pil"]()
    except (KeyError, TypeError, ValueError, ImportError):
        return None
