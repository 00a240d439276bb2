"""A PyTorch module in bfloat16: a copy with converted weights; the user's module is not touched.

A copy is faster than autocast, which converts every weight at every call. Where a module cannot be
copied, or fails in bfloat16 (it makes float32 tensors of its own), autocast computes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from seewhy.errors import ModelError
from seewhy.networks.execution import check_capability, check_processor

SAMPLED_VALUES = 16
"""Values of each weight that are compared to detect a change."""

_BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)

State = tuple[tuple[tuple[int, int], ...], bytes]
"""Where each weight is in memory and how often it was written to; and some values of each."""


def check_units(device: torch.device) -> None:
    """Refuse bfloat16 where the device would gain nothing from it.

    Raises:
        ModelError: it has no bfloat16 units.
    """
    if device.type == "cpu":
        check_processor()
    elif device.type != "cuda":
        raise ModelError(f"seewhy knows of no bfloat16 units on the device '{device}'.")
    else:
        check_capability(
            torch.cuda.get_device_capability(device), torch.cuda.get_device_name(device)
        )


def narrowed(model: torch.nn.Module, exact: Iterable[torch.nn.Module]) -> torch.nn.Module:
    """Return a copy of a module in bfloat16, convolutions channels last.

    Batch normalizations keep their float32 weights, and round their results.

    Args:
        model: the module.
        exact: modules inside it that compute in float32, whatever they are given: rounded scores
            would be too coarse.
    """
    exact = tuple(exact)
    norms = (module for module in model.modules() if isinstance(module, _BATCH_NORMS))
    kept = {id(tensor) for module in (*exact, *norms) for tensor in _tensors(module)}
    memo: dict[int, Any] = {}
    for tensor in _tensors(model):
        convert = tensor.is_floating_point() and id(tensor) not in kept
        values = tensor.detach().to(
            torch.bfloat16 if convert else tensor.dtype,
            memory_format=torch.channels_last if tensor.ndim == 4 else torch.preserve_format,
            copy=True,
        )
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        made = torch.nn.Parameter(values, requires_grad=False) if is_parameter else values
        memo[id(tensor)] = made
    for module in exact:
        copy.deepcopy(module, memo).register_forward_pre_hook(_given_float32)
    copied: torch.nn.Module = copy.deepcopy(model, memo)
    return copied.requires_grad_(False)


def in_float32(tensors: Any) -> Any:
    """Return a tensor, or a structure of some, with bfloat16 converted to float32."""

    def convert(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.float() if tensor.dtype == torch.bfloat16 else tensor

    return tree_map_only(torch.Tensor, convert, tensors)


def _given_float32(module: torch.nn.Module, inputs: Any) -> Any:
    return in_float32(inputs)


def weights_state(model: torch.nn.Module) -> State:
    """Return what changes when a weight does."""
    tensors = [tensor.detach() for tensor in _tensors(model)]
    where = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
    some = [_sample(tensor).to("cpu", torch.float32) for tensor in tensors if tensor.numel()]
    return where, torch.cat(some).numpy().tobytes() if some else b""


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    step = max(1, tensor.numel() // SAMPLED_VALUES)
    channels_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    flat = tensor.permute(0, 2, 3, 1) if channels_last else tensor
    return flat.flatten()[::step]  # without a copy, where it is contiguous


def _tensors(model: torch.nn.Module) -> Iterable[torch.Tensor]:
    return chain(model.parameters(), model.buffers())
