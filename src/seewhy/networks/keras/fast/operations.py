"""Keras's layers as kinds of the graph of `seewhy.incremental`: the table `KERAS_LOWERINGS`.

Each entry takes one call of a layer (a Keras node), its inputs' shapes and its output's, without
the batch axis, and returns operations with their outputs' shapes, the first of which reads the
layer's inputs; or a `SplitLayer`; or None (not one of the known kinds).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.graph import (
    NO_PADDING,
    Add,
    Affine,
    Concatenate,
    Convolution,
    Elementwise,
    GlobalAverage,
    Multiply,
    Operation,
    Pad,
    Pair,
    Point,
    Pool,
    Rest,
    mean_divisors,
    same_padding,
)

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SplitLayer:
    """A layer as what it does before its activation, and the activation.

    Attributes:
        operations: with their outputs' shapes.
        activation: its name; None for none.
        call: the activation itself.
    """

    operations: list[tuple[Operation, Shape]]
    activation: str | None
    call: Callable[[Any], Any]


LoweredLayer = list[tuple[Operation, Shape]] | SplitLayer | None


def activation_of(layer: Any) -> str | None:
    """Return the name of a layer's activation if it is one of Keras's own; "" for none."""
    if type(layer).__name__ == "Softmax":
        return "softmax" if getattr(layer, "axis", -1) == -1 else None
    function = getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return ""
    name = getattr(function, "__name__", "")
    return name if getattr(keras.activations, name, None) is function else None


def _array(variable: Any) -> Float[ndarray, "..."]:
    array: Float[ndarray, "..."] = np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
    return array


def _pair(value: Any) -> Pair:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return int(values[0]), int(values[-1])


def _with_activation(layer: Any, operations: list[tuple[Operation, Shape]]) -> LoweredLayer:
    name = activation_of(layer)
    if name is None:
        return None
    return SplitLayer(operations, name or None, layer.activation)


def _padding_of(layer: Any, sizes: Shape, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    if layer.padding == "same":
        return same_padding(sizes, kernel, stride, dilation)
    return NO_PADDING if layer.padding == "valid" else None


def _bias_of(layer: Any) -> Float[ndarray, " o"] | None:
    return _array(layer.bias) if layer.use_bias else None


def _strided(
    layer: Any,
    weight: Float[ndarray, "h w i o"],
    bias: Float[ndarray, " o"] | None,
    sizes: Shape,
    groups: int,
) -> Convolution | None:
    """Return a convolution with the layer's strides, dilation and padding; None: not known."""
    stride, dilation = _pair(layer.strides), _pair(layer.dilation_rate)
    padding = _padding_of(layer, sizes, weight.shape[:2], stride, dilation)
    if padding is None:
        return None
    return Convolution(weight, bias, stride, dilation, padding, groups)


def _convolution(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    weight = _array(layer.kernel)
    convolution = _strided(layer, weight, _bias_of(layer), before[0], int(layer.groups))
    return None if convolution is None else _with_activation(layer, [(convolution, after)])


def _depthwise_weight(kernel: Float[ndarray, "h w i m"]) -> Float[ndarray, "h w 1 o"]:
    height, width, inputs, multiplier = kernel.shape
    return kernel.reshape(height, width, 1, inputs * multiplier)


def _depthwise(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    weight = _depthwise_weight(_array(layer.kernel))
    convolution = _strided(layer, weight, _bias_of(layer), before[0], before[0][-1])
    return None if convolution is None else _with_activation(layer, [(convolution, after)])


def _separable(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    weight = _depthwise_weight(_array(layer.depthwise_kernel))
    depthwise = _strided(layer, weight, None, before[0], before[0][-1])
    if depthwise is None:
        return None
    pointwise = Convolution(_array(layer.pointwise_kernel), _bias_of(layer))
    between = (*after[:2], weight.shape[-1])
    return _with_activation(layer, [(depthwise, between), (pointwise, after)])


def _dense(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    if len(before[0]) == 3:
        weight = _array(layer.kernel)[None, None]
        bias = _bias_of(layer)
        return _with_activation(layer, [(Convolution(weight, bias), after)])
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        return None
    kernel, bias_variable = layer.kernel, layer.bias if layer.use_bias else None

    def call(_: int, x: Any) -> Any:
        product = keras.ops.matmul(x, kernel)
        return product if bias_variable is None else keras.ops.add(product, bias_variable)

    inputs, units = kernel.shape
    rest = Rest("Dense", call, int(inputs * np.prod(after)), int(inputs * units))
    return _with_activation(layer, [(rest, after)])


def _batch_norm(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    if len(after) != 3 or layer.axis not in (-1, 3, [3], [-1]):
        return None
    scale = 1 / np.sqrt(_array(layer.moving_variance).astype(np.float64) + layer.epsilon)
    scale = scale * _array(layer.gamma) if layer.scale else scale
    shift = -_array(layer.moving_mean) * scale
    shift = shift + _array(layer.beta) if layer.center else shift
    return [(Point((Affine(scale.astype(np.float32), shift.astype(np.float32)),)), after)]


def _rescaling(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    scale, offset = (np.asarray(each, np.float32) for each in (layer.scale, layer.offset))
    if len(after) != 3 or max(scale.ndim, offset.ndim) > 1:
        return None
    return [(Point((Affine(scale.reshape(-1), offset.reshape(-1)),)), after)]


def _normalization(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    if len(after) != 3 or tuple(layer.axis) not in ((-1,), (3,)) or layer.invert:
        return None
    mean, variance = _array(layer.mean).reshape(-1), _array(layer.variance).reshape(-1)
    scale = 1 / np.maximum(np.sqrt(variance), keras.config.epsilon())
    return [(Point((Affine(scale, -mean * scale),)), after)]


def _activation(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    """Lower a layer that works on each pixel's channels by themselves."""
    layer = node.operation
    if len(after) != 3:
        return None
    kind = type(layer).__name__
    name = activation_of(layer) if kind in ("Activation", "Softmax") else kind
    if name is None or name == "":
        return None
    is_relu = kind == "ReLU" and not (layer.max_value or layer.negative_slope or layer.threshold)
    return [(Point((Elementwise("relu" if is_relu else name, layer),)), after)]


def _layer_norm(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    if len(after) != 3 or layer.axis not in (-1, 3, [-1], [3]):
        return None
    return [(Point((Elementwise("LayerNormalization", layer),)), after)]


def _prelu(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    if len(after) != 3 or tuple(layer.alpha.shape[:2]) != (1, 1):
        return None
    return [(Point((Elementwise("PReLU", layer),)), after)]


def _max_pool(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    kernel, stride = _pair(layer.pool_size), _pair(layer.strides)
    padding = _padding_of(layer, before[0], kernel, stride, (1, 1))
    if padding is None:
        return None
    return [(Pool("max", kernel, stride, padding=padding, halo=-np.inf), after)]


def _average_pool(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    layer = node.operation
    kernel, stride = _pair(layer.pool_size), _pair(layer.strides)
    padding = _padding_of(layer, before[0], kernel, stride, (1, 1))
    if padding is None:
        return None
    if keras.backend.backend() == "torch" and any(start != end for start, end in padding):
        return None  # Keras repeats the edge's pixels there, on PyTorch only
    divisors = mean_divisors(
        (before[0][0], before[0][1]),
        (after[0], after[1]),
        kernel=kernel,
        stride=stride,
        padding=padding,
        counts_padding=False,
    )
    return [(Pool("mean", kernel, stride, padding=padding, divisors=divisors), after)]


def _global_average(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    mean: list[tuple[Operation, Shape]] = [(GlobalAverage(), (1, 1, before[0][-1]))]
    if len(after) == 3:
        return mean
    flat = Rest("flatten", lambda batch, x: keras.ops.reshape(x, (-1, after[0])))
    return [*mean, (flat, after)]


def _zero_padding(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    (top, bottom), (left, right) = node.operation.padding
    return [(Pad(((top, bottom), (left, right))), after)]


def _cropping(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    (top, bottom), (left, right) = node.operation.cropping
    return [(Pad(((-top, -bottom), (-left, -right))), after)]


def _joined(operation: Operation, node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    """Lower what joins maps of one size, or maps of one pixel with others."""
    if len(after) != 3 or len(before) < 2:
        return None
    fits = [
        len(each) == 3 and each[:2] in (after[:2], (1, 1)) and each[2] == after[2]
        for each in before
    ]
    return [(operation, after)] if all(fits) else None


def _concatenate(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    axis = getattr(node.operation, "axis", None)
    if len(after) != 3 or axis not in (-1, 3) or len(before) < 2:
        return None
    return [(Concatenate(), after)]


def _arithmetic(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    """Lower x + 1, x · s, x / 127.5, x − mean, of a map and a constant, or of two maps."""
    kind = type(node.operation).__name__
    if len(node.input_tensors) > 1:
        if kind not in ("Add", "Multiply"):
            return None
        return _joined(Add() if kind == "Add" else Multiply(), node, before, after)
    operands = [*node.arguments.args, *node.arguments.kwargs.values()]
    if len(operands) != 2 or len(after) != 3 or before[0] != after:
        return None
    is_first = isinstance(operands[0], keras.KerasTensor)
    constant = np.asarray(operands[1 if is_first else 0], np.float32)
    if constant.ndim > 1 or not (is_first or kind in ("Add", "Multiply")):
        return None
    constant = constant.reshape(-1)
    ones, zeros = np.ones(1, np.float32), np.zeros(1, np.float32)
    affine = {
        "Add": Affine(ones, constant),
        "Subtract": Affine(ones, -constant),
        "Multiply": Affine(constant, zeros),
    }.get(kind)
    if kind in ("Divide", "TrueDivide"):
        affine = Affine(ones / constant, zeros)
    return None if affine is None else [(Point((affine,)), after)]


def _nothing(node: Any, before: Sequence[Shape], after: Shape) -> LoweredLayer:
    """Lower what does nothing outside training."""
    return [] if before[0] == after else None


KERAS_LOWERINGS: dict[str, Callable[[Any, Sequence[Shape], Shape], LoweredLayer]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _average_pool,
    "GlobalAveragePooling2D": _global_average,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "Concatenate": _concatenate,
    "Add": _arithmetic,
    "Subtract": _arithmetic,
    "Multiply": _arithmetic,
    "Divide": _arithmetic,
    "TrueDivide": _arithmetic,
    "PReLU": _prelu,
    **dict.fromkeys(("Activation", "Softmax", "ReLU", "LeakyReLU", "ELU"), _activation),
    **dict.fromkeys(
        (
            "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
            "AlphaDropout", "ActivityRegularization", "InputLayer",
            # augmentation, which hands photos on as they are unless it trains
            "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear",
            "RandomPerspective", "RandomErasing", "RandomBrightness", "RandomContrast",
            "RandomColorDegeneration", "RandomColorJitter", "RandomGaussianBlur",
            "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPosterization",
            "RandomSaturation", "RandomSharpness", "RandAugment", "AugMix", "MixUp", "CutMix",
        ),
        _nothing,
    ),
}  # fmt: skip
"""How each layer or operation is lowered, by its class's name."""
