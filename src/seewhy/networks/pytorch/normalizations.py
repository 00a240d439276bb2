"""The normalizations of a PyTorch module, and what its first layers are given.

The functions are methods of the adapter: `network` is it.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.adapter import StopForward
from seewhy.networks.base import Moments
from seewhy.networks.pytorch.hooks import LayerHook
from seewhy.networks.pytorch.view import to_numpy


def remembered(network: Any) -> dict[str, Moments]:
    """Return the running mean and variance of every batch normalization, by its layer's name."""
    found = {}
    for name, module in network._modules.items():
        mean, variance = (getattr(module, f"running_{word}", None) for word in ("mean", "var"))
        if isinstance(mean, torch.Tensor) and isinstance(variance, torch.Tensor):
            found[name] = Moments(to_numpy(mean).reshape(-1), to_numpy(variance).reshape(-1))
    return found


def layers_with_weights(network: Any) -> list[str]:
    """Name the innermost modules that learn, frozen or not."""
    return [
        name
        for name, module in network._modules.items()
        if next(module.children(), None) is None and next(module.parameters(), None) is not None
    ]


def first_input(
    network: Any, images: Float[ndarray, "n h w c"], names: Collection[str]
) -> tuple[str, ndarray] | None:
    """Run a module up to the first of the layers, and return its name and its input.

    Maps come back channels last.

    Returns:
        None where none of the layers is called with a tensor.
    """
    reached: list[tuple[str, torch.Tensor]] = []

    def hook_for(name: str) -> LayerHook:
        def hook(inputs: Any, output: Any) -> None:
            if inputs and isinstance(inputs[0], torch.Tensor):
                reached.append((name, inputs[0]))
                raise StopForward

        return hook

    with network._undisturbed(), torch.no_grad():
        tensor = network._tensor(images)
        try:
            with network._hooked({name: hook_for(name) for name in names}):
                network._ask(tensor)
        except StopForward:
            pass
        if not reached:
            return None
        name, given = reached[0]
        array = to_numpy(given)
    return name, np.moveaxis(array, 1, -1) if array.ndim == 4 else array
