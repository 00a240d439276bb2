"""Kernels of a Keras model on PyTorch, laid out in memory for a while so that nothing is turned.

Keras keeps a kernel as (h, w, in, out). At every call it permutes it to (out, in, h, w) and, for
maps with channels last, asks for channels-last memory: (out, h, w, in). A copy that is laid out
like that is used as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import torch

from seewhy.networks.keras.private import kernel_variable

State = tuple[int, int, float]
"""Where a kernel is in memory, how often it was written to, and the sum of its values."""


@dataclass
class KernelMemory:
    """Copies of kernels in the order in which PyTorch reads them; kept until a kernel changes."""

    _copies: dict[int, tuple[State, torch.Tensor]] = field(default_factory=dict)

    @contextmanager
    def used_by(self, layers: Iterable[Any]) -> Iterator[None]:
        """Let convolutions read the copies; what was in the parameters is put back afterwards."""
        kernels = [(kernel, order) for layer in layers for kernel, order in _turned_kernels(layer)]
        # One call for all sums: a write through `.data` counts no version, but shows in the sum.
        sums = torch._foreach_norm([kernel.detach() for kernel, _ in kernels], 1) if kernels else ()
        own = []
        try:
            for (kernel, order), total in zip(kernels, sums, strict=True):
                state = (kernel.data_ptr(), kernel._version, float(total))
                known = self._copies.get(id(kernel))
                if known is None or known[0] != state:
                    turned = kernel.detach().permute(3, 2, 0, 1).contiguous(memory_format=order)
                    known = self._copies[id(kernel)] = (state, turned.permute(2, 3, 1, 0))
                own.append((kernel, kernel.data, known[1]))
                kernel.data = known[1]
            yield
        finally:
            for kernel, data, copy in own:
                if kernel.data_ptr() == copy.data_ptr():  # not replaced in the meantime
                    kernel.data = data


def _turned_kernels(layer: Any) -> list[tuple[torch.nn.Parameter, torch.memory_format]]:
    """Return a convolution's kernel, where Keras would turn it, and the memory that it asks for."""
    kernel = getattr(kernel_variable(layer), "value", None)
    if not isinstance(layer, keras.layers.Conv2D) or not isinstance(kernel, torch.nn.Parameter):
        return []
    last = layer.data_format == "channels_last"
    order = torch.channels_last if last else torch.contiguous_format
    turned = kernel.detach().permute(3, 2, 0, 1).is_contiguous(memory_format=order)
    return [] if turned else [(kernel, order)]
