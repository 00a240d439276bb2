"""What comes after a Keras layer, for CAM: which layers, and the weights of a linear one.

Axes: c channel, k class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from seewhy.networks.base import INPUT, Layer
from seewhy.networks.keras.filters import to_numpy
from seewhy.networks.linear import LinearMap, for_classes

_LINEAR_KINDS = frozenset({
    "GlobalAveragePooling2D", "AveragePooling2D", "Mean", "Flatten", "Reshape", "Squeeze",
    "Permute", "Transpose", "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "Cast",
    "ActivityRegularization", "Softmax", "Sigmoid", "LogSoftmax",
})  # fmt: skip
"""Keras's own layers and operations that leave scores = W · mean + b what it is."""


def layers_after(layers: Sequence[Layer], layer: str) -> list[Layer]:
    """Return the layers whose calls end after a layer's, but no model that contains others."""
    names = [known.name for known in layers]
    after = layers[names.index(layer) + 1 :] if layer != INPUT else layers
    return [
        known
        for known in after
        if not layer.startswith(f"{known.name}/")
        and not any(other.startswith(f"{known.name}/") for other in names)
    ]


def linear_map(operation: Any, *, classes: int | None) -> LinearMap | None:
    """Return the weights of a Dense layer or a 1×1 convolution; None for other layers."""
    dense = isinstance(operation, keras.layers.Dense)
    if not dense and getattr(operation, "kernel_size", None) != (1, 1):
        return None
    if not dense and not isinstance(operation, keras.layers.Conv2D):
        return None
    kernel = to_numpy(operation.kernel)
    bias = None if operation.bias is None else to_numpy(operation.bias)
    return for_classes(kernel.reshape(-1, kernel.shape[-1]).T, bias, classes=classes)


def ends_linear(operations: Mapping[str, Any], layers: Sequence[Layer]) -> bool:
    """True where the output is what a linear layer returned: scores, and no probabilities."""
    inner = [
        layer for layer in layers_after(layers, INPUT) if layer.kind not in ("Flatten", "Reshape")
    ]
    last = operations.get(inner[-1].name) if inner else None
    activation = getattr(last, "activation", None)
    is_linear = isinstance(last, keras.layers.Dense | keras.layers.Conv2D)
    return is_linear and getattr(activation, "__name__", "") == "linear"


def may_be_linear(operations: Mapping[str, Any], after: Sequence[Layer]) -> bool:
    """Return False where one of Keras's own layers is known not to be linear.

    Layers of other makers are tried: only running them tells.
    """
    return all(
        _may_be_linear(operations[known.name])
        for known in after
        if type(operations[known.name]).__module__.startswith("keras.")
    )


def _may_be_linear(operation: Any) -> bool:
    if isinstance(operation, keras.layers.Activation | keras.layers.Dense | keras.layers.Conv2D):
        return getattr(operation.activation, "__name__", "") in ("linear", "softmax", "sigmoid")
    return type(operation).__name__ in _LINEAR_KINDS
