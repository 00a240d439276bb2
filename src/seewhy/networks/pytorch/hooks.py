"""Catch what layers return while a model runs on PyTorch.

Axes: n image; what follows is the layer's own.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from seewhy.networks.adapter import StopForward

LayerHook = Callable[[Any, Any], Any]
"""Called with a layer's inputs and its output; returns the output to go on with, or None."""


@contextmanager
def hooked(hooks: Mapping[torch.nn.Module, LayerHook]) -> Iterator[None]:
    """Hang a forward hook on every module, for this thread's calls, and take all off again."""
    thread = threading.get_ident()

    def only_here(given: LayerHook) -> Callable[[torch.nn.Module, Any, Any], Any]:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
            return given(inputs, output) if threading.get_ident() == thread else None

        return hook

    handles: list[RemovableHandle] = []
    try:
        for module, given in hooks.items():
            handles.append(module.register_forward_hook(only_here(given)))
        yield
    finally:
        for handle in handles:
            handle.remove()


class ActivationCatcher:
    """Catches what layers return in one forward pass.

    Each output is cut out of the network: the caught tensor is what gradients are taken by,
    and the network goes on with a copy of it, so that an in-place operation after the layer
    (ReLU(inplace=True), `x += y`) cannot change what was caught.

    Args:
        names: of the layers.
        differentiable: whether gradients by the outputs will be asked for.
        stop: whether to end the pass, by EnoughError, when all outputs are there.

    Attributes:
        outputs: by name; of a layer that is called more than once, the first.
        calls: how often each layer was called.
    """

    def __init__(self, names: Sequence[str], *, differentiable: bool, stop: bool) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.differentiable = differentiable
        self.stop = stop
        self.outputs: dict[str, Any] = {}
        self.calls: Counter[str] = Counter()

    def hooks(self) -> dict[str, LayerHook]:
        """Return what to hang on each layer."""

        def hook_for(name: str) -> LayerHook:
            return lambda inputs, output: self._answered(name, inputs, output)

        return {name: hook_for(name) for name in self.names}

    def _answered(self, name: str, inputs: Any, output: Any) -> Any:
        self.calls[name] += 1
        if self.calls[name] > 1:
            return None
        self.outputs[name] = output
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return None
        # The model itself may have switched gradients off around this layer.
        with torch.inference_mode(False), torch.enable_grad():
            cut = output
            if output.is_inference() or _shares_memory(output, inputs):
                cut = output.clone()
            if self.differentiable and not cut.requires_grad:
                cut = cut.detach().requires_grad_()
            self.outputs[name] = cut
            if self.stop and len(self.outputs) == len(self.names):
                raise StopForward
            return cut.clone()


def _shares_memory(output: torch.Tensor, inputs: Any) -> bool:
    """True where a layer hands its input on (Identity, Dropout, Flatten): others may change it."""
    memory = output.untyped_storage().data_ptr()
    return any(
        isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() == memory
        for tensor in (inputs if isinstance(inputs, tuple) else (inputs,))
    )
