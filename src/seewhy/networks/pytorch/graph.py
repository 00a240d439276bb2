"""A graph that numpy computes as a module of PyTorch, for its gradients.

Axes of PyTorch's tensors: n image, c channel, h row, w column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own spelling)
from torch import nn

from seewhy.errors import ModelError
from seewhy.incremental.graph import (
    Add,
    Affine,
    Convolution,
    Function,
    GlobalAverage,
    Graph,
    Node,
    Point,
    Pool,
    Rest,
)
from seewhy.networks.plain.reading import Dense, Repeat, flat


class GraphModule(nn.Module):  # type: ignore[misc]
    """The layers of a graph by their names, up to the scores before the softmax."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        assert graph.scores is not None
        self.steps: list[tuple[str, tuple[int, ...], int]] = []
        for number, node in enumerate(graph.nodes[1 : graph.scores + 1], start=1):
            module = _module(node)
            if node.name in self._modules:  # a layer of two operations
                name, sources, _ = self.steps.pop()
                module = nn.Sequential(self._modules[name], module)
                self.steps.append((name, sources, number))
            else:
                self.steps.append((node.name, node.inputs, number))
            self.add_module(node.name, module)

    def forward(self, images: Any) -> Any:
        """Return the scores (n, k) of images (n, c, h, w)."""
        values = {0: images}
        for name, sources, number in self.steps:
            values[number] = self._modules[name](*(values[source] for source in sources))
        return values[number]


def _module(node: Node) -> Any:
    operation = node.operation
    if isinstance(operation, Convolution):
        return _Convolution(operation)
    if isinstance(operation, Point):
        functions = [_function(function) for function in operation.functions]
        return functions[0] if len(functions) == 1 else nn.Sequential(*functions)
    if isinstance(operation, Pool) and operation.kind == "mean":
        return _MeanPool(operation)
    if isinstance(operation, Add):
        return _Sum()
    if isinstance(operation, GlobalAverage):
        return nn.AdaptiveAvgPool2d(1)
    if isinstance(operation, Rest) and operation.call is flat:
        return nn.Flatten()
    if isinstance(operation, Rest) and isinstance(operation.call, Dense):
        return _linear(operation.call)
    if isinstance(operation, Rest) and isinstance(operation.call, Repeat):
        return nn.Upsample(scale_factor=(operation.call.rows, operation.call.columns))
    raise ModelError(f"'{node.name}' has no module of PyTorch.")


def _function(function: Function) -> Any:
    if isinstance(function, Affine):
        return _Scaled(function)
    return nn.ReLU6() if function.name == "relu6" else nn.ReLU()


def _linear(dense: Dense) -> Any:
    linear = nn.Linear(*dense.kernel.shape)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(dense.kernel.T.copy()))
        linear.bias.copy_(torch.from_numpy(dense.bias))
    return linear


class _Convolution(nn.Conv2d):  # type: ignore[misc]
    def __init__(self, operation: Convolution) -> None:
        weight = np.ascontiguousarray(operation.weight.transpose(3, 2, 0, 1))
        super().__init__(
            weight.shape[1] * operation.groups,
            weight.shape[0],
            operation.kernel,
            operation.stride,
            dilation=operation.dilation,
            groups=operation.groups,
            bias=operation.bias is not None,
        )
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(weight))
            if operation.bias is not None:
                self.bias.copy_(torch.from_numpy(operation.bias))
        self.frame = operation.padding

    def forward(self, x: Any) -> Any:
        return super().forward(_framed(x, self.frame))


class _Scaled(nn.Module):  # type: ignore[misc]
    def __init__(self, affine: Affine) -> None:
        super().__init__()
        self.register_buffer("scale", torch.from_numpy(affine.scale.reshape(-1, 1, 1).copy()))
        self.register_buffer("shift", torch.from_numpy(affine.shift.reshape(-1, 1, 1).copy()))

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.shift


class _MeanPool(nn.Module):  # type: ignore[misc]
    def __init__(self, operation: Pool) -> None:
        super().__init__()
        self.operation = operation
        assert operation.divisors is not None
        rows, columns = operation.divisors
        area = operation.kernel[0] * operation.kernel[1]
        factor = (area / np.outer(rows, columns)).astype(np.float32)
        self.register_buffer("factor", torch.from_numpy(factor))

    def forward(self, x: Any) -> Any:
        framed = _framed(x, self.operation.padding)
        return F.avg_pool2d(framed, self.operation.kernel, self.operation.stride) * self.factor


class _Sum(nn.Module):  # type: ignore[misc]
    def forward(self, *maps: Any) -> Any:
        return sum(maps[1:], maps[0])


def _framed(x: Any, padding: Any) -> Any:
    (top, bottom), (left, right) = padding
    return F.pad(x, (left, right, top, bottom)) if any((top, bottom, left, right)) else x
