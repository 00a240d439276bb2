"""What a PyTorch module tells of itself: what it wraps, its size, channels, device and type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import torch

from seewhy.errors import ModelError
from seewhy.networks.checks import takes_volumes
from seewhy.networks.pytorch.hugging_face import is_pretrained, scores_of
from seewhy.networks.weights import Moments


def looked_through(model: Any, name: str) -> torch.nn.Module:
    """Return the module inside compiled and data-parallel ones."""
    if isinstance(model, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
        return looked_through(model.module, name)
    inside = getattr(model, "_orig_mod", None)
    if isinstance(inside, torch.nn.Module):
        return looked_through(inside, name)
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            f"'{name}' is a TorchScript module, whose layers cannot be reached. Give the module "
            "that it was made from"
        )
    if not isinstance(model, torch.nn.Module):
        raise ModelError(f"a {type(model).__name__} is no PyTorch module. Give a torch.nn.Module")
    made = [
        parameter for parameter in model.parameters() if not torch.nn.parameter.is_lazy(parameter)
    ]
    if any(parameter.is_meta for parameter in made):
        raise ModelError(
            f"'{name}' is on the device 'meta': it has shapes and no weights. Load its weights: "
            "model.load_state_dict(torch.load(path), assign=True)"
        )
    if any(parameter.is_inference() for parameter in made):
        raise ModelError(
            f"'{name}' was made within torch.inference_mode(), and nothing can be differentiated "
            "through such weights. Make or load it outside"
        )
    return model


def told_call(model: torch.nn.Module) -> Callable[[Any, Any], Any] | None:
    """Return how a network of transformers is asked for its scores; None for any other."""
    return scores_of if is_pretrained(model) else None


def told_size(model: torch.nn.Module) -> tuple[int | None, int | None]:
    """Return the height and width that a vision transformer was made for (torchvision, timm)."""
    size = getattr(model, "image_size", None)
    patches = getattr(model, "patch_embed", None)
    if size is None and getattr(patches, "strict_img_size", False):
        size = getattr(patches, "img_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, tuple | list) and len(size) == 2:
        return int(size[0]), int(size[1])
    return None, None


def told_channels(model: torch.nn.Module, name: str) -> int | None:
    """Return how many channels the first convolution takes.

    Raises:
        ModelError: it is one of volumes.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv3d):
            raise takes_volumes(name)
        if isinstance(module, torch.nn.Conv2d):
            return int(module.in_channels)
    return None


def device_and_type(model: torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return the device and the floating type of a module's first weight."""
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def remembered(modules: Mapping[str, torch.nn.Module]) -> dict[str, Moments]:
    """Return the running mean and variance of every batch normalization, by its name."""
    moments = {}
    for name, module in modules.items():
        mean, variance = (
            getattr(module, f"running_{statistic}", None) for statistic in ("mean", "var")
        )
        if isinstance(mean, torch.Tensor) and isinstance(variance, torch.Tensor):
            moments[name] = Moments(
                *(tensor.detach().float().cpu().numpy() for tensor in (mean, variance))
            )
    return moments
