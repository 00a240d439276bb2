"""A copy of a PyTorch module in which some layers have random weights.

The functions are methods of the adapter: `network` is it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch

from seewhy.errors import ModelError
from seewhy.networks.random_weights import layer_generator, random_weights


def randomized(network: Any, layers: Sequence[Any] | None = None, *, seed: int = 0) -> Any:
    """Return a copy of the network in which layers, and all inside them, have random weights."""
    names = [""] if layers is None else [network.layer_name(one) for one in layers]
    try:
        model = copy.deepcopy(network.model)
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        said = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"'{network.name}' cannot be copied, so there is none of it with random weights: "
            f"{type(error).__name__}: {said}. Let copy.deepcopy(model) work."
        ) from error
    height, width, channels = network.input_shape
    made = type(network)(
        model,
        size=None if height is None or width is None else (height, width),
        channels=channels,
        name=network.name,
        call=network.call,
        is_pair=network.is_pair,
    )
    for path, module in model.named_modules():
        if any(path == one or not one or path.startswith(f"{one}.") for one in names):
            _randomize(path, module, seed)
    return made


def _randomize(path: str, module: torch.nn.Module, seed: int) -> None:
    """Draw the weights that a module holds itself, and the statistics of a normalization."""
    own = dict(module.named_parameters(recurse=False))
    own |= {
        name: buffer
        for name, buffer in module.named_buffers(recurse=False)
        if name in ("running_mean", "running_var")
    }
    for name, tensor in own.items():
        if not tensor.is_floating_point():
            continue
        shape = tuple(tensor.shape)
        values = random_weights(
            name,
            shape,
            fan_in=math.prod(shape[1:]),
            generator=layer_generator(seed, f"{path}.{name}"),
        )
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values))
