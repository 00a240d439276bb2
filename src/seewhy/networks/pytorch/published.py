"""The images that a PyTorch module was published for: timm, torchvision and transformers tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seewhy.networks.published import Published
from seewhy.networks.pytorch.hugging_face import (
    is_pretrained,
    own_labels,
    own_processor,
    usual_processor,
)
from seewhy.photos.preprocessing import Preprocess, normalization

TORCHVISION_SIZES: Mapping[str, int | None] = {
    "Inception3": 299,
    "EfficientNet": None,
    "SwinTransformer": None,
}
"""Classes of torchvision that were not all published for 224 × 224; None: for several sizes."""


def published(model: Any) -> Published:
    """Return what is known of a module from those who published it."""
    if not is_pretrained(model):
        return Published(_size(model))
    processor = own_processor(model)
    usual = usual_processor(model) if processor is None else None
    return Published(_size(model), own_labels(model), processor, usual)


def published_preprocessing(model: Any) -> tuple[Preprocess, str] | None:
    """Return the preprocessing that a module was published with, and where this is known from."""
    return _of_timm(model) or _of_torchvision(model)


def _size(model: Any) -> tuple[int, int] | None:
    """Return the input size that a module was published for; None where nothing tells."""
    for name in ("pretrained_cfg", "default_cfg"):
        settings = getattr(model, name, None)
        if isinstance(settings, Mapping) and len(settings.get("input_size") or ()) == 3:
            return int(settings["input_size"][1]), int(settings["input_size"][2])
    config = getattr(model, "config", None)
    side = getattr(model, "image_size", None) or getattr(config, "image_size", None)
    for tower in (getattr(config, "vision_config", None), getattr(model, "visual", None)):
        side = side or getattr(tower, "image_size", None)  # of CLIP
    if isinstance(side, list | tuple) and len(side) == 2:
        return int(side[0]), int(side[1])
    if side is None and _is_classifier_of_torchvision(model):
        side = TORCHVISION_SIZES.get(type(model).__name__, 224)
    return (side, side) if isinstance(side, int) and side > 0 else None


def _is_classifier_of_torchvision(model: Any) -> bool:
    """True for torchvision.models.resnet and its like, not for detection, segmentation, video."""
    package, _, module = type(model).__module__.partition("torchvision.models.")
    return not package and bool(module) and "." not in module


def _of_timm(model: Any) -> tuple[Preprocess, str] | None:
    for name in ("pretrained_cfg", "default_cfg"):
        settings = getattr(model, name, None)
        if isinstance(settings, Mapping) and settings.get("mean") and settings.get("std"):
            mean, deviation = tuple(settings["mean"]), tuple(settings["std"])
            return normalization(mean, deviation), f"its {name}, as timm wrote it"
    return None


def _of_torchvision(model: Any) -> tuple[Preprocess, str] | None:
    package = type(model).__module__
    if not package.startswith("torchvision.models."):
        return None
    if package.startswith("torchvision.models.detection"):
        return "unit", "torchvision, whose detectors scale 0 ... 1 themselves"
    return "torch", "the transforms that torchvision's weights were published with"
