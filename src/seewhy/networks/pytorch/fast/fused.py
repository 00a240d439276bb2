"""Convolutions that end in the batch normalization, addition and activation after them.

Each pass over memory that is left out counts: without them half of a ResNet's time remains. On
processors the fused operators are oneDNN's, which PyTorch's own compiler uses; where a PyTorch does
not have them, or a tensor does not fit them, the same is computed by one function after the other.

Axes: n image, c channel, h row, w column; o output channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Ending:
    """An activation that a convolution may end in.

    Attributes:
        name, scalars: as oneDNN calls it.
        apply: the same as a function.
    """

    name: str
    scalars: tuple[float, ...]
    apply: Any


ENDINGS = {
    "relu": Ending("relu", (), functional.relu),
    "relu6": Ending("hardtanh", (0.0, 6.0), functional.relu6),
    "silu": Ending("swish", (), functional.silu),
    "hardswish": Ending("hardswish", (), functional.hardswish),
}


@dataclass(frozen=True)
class Normalization:
    """What a batch normalization computes: (x − mean) / √(variance + epsilon) · scale + shift."""

    mean: torch.Tensor
    variance: torch.Tensor
    scale: torch.Tensor | None
    shift: torch.Tensor | None
    epsilon: float


class FoldedWeights:
    """The weights of a convolution or a linear layer, with the normalization after it.

    Computed in double precision, and rounded once.

    Args:
        layer: the layer, with exact weights.
        normalization: that follows it; None for none.
        kind: the type to round to.
    """

    def __init__(self, layer: Any, normalization: Normalization | None, kind: torch.dtype) -> None:
        self.layer = layer
        weight = layer.weight.detach().double()
        bias = None if layer.bias is None else layer.bias.detach().double()
        if normalization is not None:
            scale = (normalization.variance.double() + normalization.epsilon).rsqrt()
            if normalization.scale is not None:
                scale = scale * normalization.scale.detach().double()
            weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
            bias = ((0 if bias is None else bias) - normalization.mean.double()) * scale
            if normalization.shift is not None:
                bias = bias + normalization.shift.detach().double()
        layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        self.weight = weight.to(kind).contiguous(memory_format=layout)
        self.bias = None if bias is None else bias.to(kind)
        self._packed: torch.Tensor | None = None
        self._backward: torch.Tensor | None = None

    @property
    def has_fused_operators(self) -> bool:
        """Whether oneDNN computes this layer together with what follows."""
        operators = torch.ops.mkldnn
        return (
            type(self.layer).forward is torch.nn.Conv2d.forward
            and self.weight.device.type == "cpu"
            and self.weight.dtype in (torch.float32, torch.bfloat16)
            and self.layer.padding_mode == "zeros"
            and not isinstance(self.layer.padding, str)
            and torch.backends.mkldnn.is_available()
            and hasattr(operators, "_convolution_pointwise")
            and hasattr(operators, "_reorder_convolution_weight")
        )

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer and its normalization return."""
        if isinstance(self.layer, torch.nn.Linear):
            return functional.linear(x, self.weight, self.bias)
        output: torch.Tensor = self.layer._conv_forward(x, self.weight, self.bias)
        return output

    def fused(
        self, x: torch.Tensor, other: torch.Tensor | None, ending: Ending | None
    ) -> torch.Tensor:
        """Return ending(layer(x) + other), computed at once by oneDNN."""
        layer = self.layer
        shape = layer.padding, layer.stride, layer.dilation, layer.groups
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *shape, list(x.shape)
            )
        name, scalars = ("none", []) if ending is None else (ending.name, list(ending.scalars))
        operator, given = torch.ops.mkldnn._convolution_pointwise, (self._packed, self.bias, *shape)
        output: torch.Tensor
        if other is None:
            output = operator(x, *given, name, scalars, "")
        else:
            unary = None if ending is None else name
            output = operator.binary(x, other, *given, "add", 1.0, unary, scalars, "")
        return output

    def slope_by_input(self, slope: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return the gradient by the layer's input, from the gradient by its output.

        With stride 1 that is a convolution too, with its weights turned by 180°.
        """
        layer, weight = self.layer, self.weight
        around = [
            dilation * (side - 1) - padding
            for dilation, side, padding in zip(
                layer.dilation, layer.kernel_size, layer.padding, strict=True
            )
        ]
        gradient: torch.Tensor
        if tuple(layer.stride) == (1, 1) and min(around) >= 0:
            given = around, (1, 1), layer.dilation, layer.groups
            if self._backward is None:
                apart = weight.unflatten(0, (layer.groups, -1)).transpose(1, 2).flip(3, 4)
                turned = apart.flatten(0, 1).contiguous(memory_format=torch.channels_last)
                self._backward = torch.ops.mkldnn._reorder_convolution_weight(
                    turned, *given, list(slope.shape)
                )
            operator = torch.ops.mkldnn._convolution_pointwise
            gradient = operator(slope, self._backward, None, *given, "none", [], "")
        else:
            gradient = torch.nn.grad.conv2d_input(
                shape, weight, slope, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        return gradient

    def shape(self, x: torch.Tensor) -> tuple[int, ...]:
        """Return the shape of a 2-dimensional convolution's output."""
        layer, sides = self.layer, []
        for axis, side in enumerate(x.shape[2:]):
            reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) + 1
            sides.append((side + 2 * layer.padding[axis] - reach) // layer.stride[axis] + 1)
        return (len(x), layer.out_channels, *sides)


class FusedLayer(torch.nn.Module):  # type: ignore[misc]  # torch ships no types here
    """A convolution or linear layer that computes what follows it too.

    Args:
        weights: of the layer.
        ending: the activation; None for none.
    """

    def __init__(self, weights: FoldedWeights, ending: Ending | None) -> None:
        super().__init__()
        self.weights = weights
        self.ending = ending
        self.is_offered = weights.has_fused_operators

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """Return ending(layer(x) + other)."""
        if self._fits(x, other):
            is_differentiated = torch.is_grad_enabled() and (
                x.requires_grad or (other is not None and other.requires_grad)
            )
            if not is_differentiated:
                return self.weights.fused(x, other, self.ending)
            if self.ending in (None, ENDINGS["relu"]):
                output: torch.Tensor = _Differentiable.apply(x, other, self.weights, self.ending)
                return output
        output = self.weights.apply(x)
        if other is not None:
            output = output + other
        return output if self.ending is None else self.ending.apply(output)

    def _fits(self, x: torch.Tensor, other: torch.Tensor | None) -> bool:
        if not self.is_offered or x.ndim != 4 or x.dtype != self.weights.weight.dtype:
            return False
        if other is None:
            return True
        return other.dtype == x.dtype and tuple(other.shape) == self.weights.shape(x)


class _Differentiable(torch.autograd.Function):  # type: ignore[misc]
    """relu(layer(x) + other), or without the ReLU, differentiable by x and by other."""

    @staticmethod
    def forward(
        context: Any,
        x: torch.Tensor,
        other: torch.Tensor | None,
        weights: FoldedWeights,
        ending: Ending | None,
    ) -> torch.Tensor:
        output = weights.fused(x, other, ending)
        context.save_for_backward(output if ending is not None else None)
        context.weights, context.shape = weights, x.shape
        return output

    @staticmethod
    def backward(context: Any, slope: torch.Tensor) -> Any:
        (output,) = context.saved_tensors
        if output is not None:
            slope = torch.ops.aten.threshold_backward(slope, output, 0)
        by_x = None
        if context.needs_input_grad[0]:
            by_x = context.weights.slope_by_input(slope, context.shape)
        return by_x, slope if context.needs_input_grad[1] else None, None, None
