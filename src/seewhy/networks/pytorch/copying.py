"""A copy of a PyTorch module, and the weights in it that training changes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import torch
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.random_weights import LearnedWeight


def copied(model: torch.nn.Module, *, name: str) -> torch.nn.Module:
    """Return a module again, with the same weights.

    Raises:
        ModelError: it cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"'{name}' cannot be copied, so there is none of it with random weights: "
            f"{type(error).__name__}: {reason}. Let copy.deepcopy(model) work."
        ) from error


def learned_weights(model: torch.nn.Module) -> Iterator[LearnedWeight]:
    """Yield the weights that modules hold themselves, and the statistics of normalizations."""
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        own |= {
            name: buffer
            for name, buffer in module.named_buffers(recurse=False)
            if name in ("running_mean", "running_var")
        }
        for name, tensor in own.items():
            if tensor.is_floating_point():
                shape = tuple(tensor.shape)
                yield LearnedWeight(path, name, shape, math.prod(shape[1:]), _assign(tensor))


def _assign(tensor: torch.Tensor) -> Callable[[ndarray], None]:
    def assign(values: ndarray) -> None:
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values))

    return assign
