"""The filters of a Keras layer, read from its variables and turned to (h, w, i, o)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy import ndarray

from seewhy.networks.weights import FilterBank


def filters_of(layer: Any) -> tuple[FilterBank, ...]:
    """Return the filters of a layer: none, one set, or two of a separable convolution."""
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    depthwise = getattr(layer, "depthwise_kernel", None)
    pointwise = getattr(layer, "pointwise_kernel", None)
    kernel = getattr(layer, "kernel", None)
    if depthwise is not None and pointwise is not None and len(depthwise.shape) == 4:
        return (
            _depthwise(to_numpy(depthwise), part="depthwise"),
            FilterBank(to_numpy(pointwise), part="pointwise"),
        )
    if not any("Conv" in kind for kind in kinds) or len(getattr(kernel, "shape", ())) != 4:
        return ()
    weights = to_numpy(kernel)
    if "DepthwiseConv2D" in kinds:
        return (_depthwise(weights),)
    if "Conv2DTranspose" in kinds:
        weights = weights.transpose(0, 1, 3, 2)
    return (FilterBank(np.ascontiguousarray(weights), groups=int(getattr(layer, "groups", 1))),)


def to_numpy(variable: Any) -> ndarray:
    """Return a variable's values, in float32."""
    values = keras.ops.cast(keras.ops.convert_to_tensor(variable), "float32")
    return np.array(keras.ops.convert_to_numpy(values))


def _depthwise(kernel: ndarray, *, part: str = "") -> FilterBank:
    """Turn (h, w, channels, multiplier) into one input channel per group."""
    height, width, channels, multiplier = kernel.shape
    weights = kernel.reshape(height, width, 1, channels * multiplier)
    return FilterBank(weights, groups=channels, part=part)
