"""The filters of a Keras layer, read from its variables and turned to (h, w, i, o)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.networks.base import FilterBank, Layer
from seewhy.networks.checks import no_filters


def keras_filters(
    network: str, name: str, layer: Any, layers: Sequence[Layer], numpy: Callable[[Any], ndarray]
) -> tuple[FilterBank, ...]:
    """Return the filters of a Keras layer.

    Args:
        network: the network's name, for messages.
        name: the layer's.
        layer: the layer.
        layers: all layers, for messages.
        numpy: turns a variable into an array.

    Raises:
        LayerError: the layer has no filters.
    """
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    depthwise = getattr(layer, "depthwise_kernel", None)
    pointwise = getattr(layer, "pointwise_kernel", None)
    kernel = getattr(layer, "kernel", None)
    if depthwise is not None and pointwise is not None and len(depthwise.shape) == 4:
        return (
            _depthwise(numpy(depthwise), part="depthwise"),
            FilterBank(_float32(numpy(pointwise)), part="pointwise"),
        )
    if not any("Conv" in kind for kind in kinds) or len(getattr(kernel, "shape", ())) != 4:
        raise no_filters(network, name, layers)
    if "DepthwiseConv2D" in kinds:
        return (_depthwise(numpy(kernel)),)
    weights = _float32(numpy(kernel))
    if "Conv2DTranspose" in kinds:
        weights = weights.transpose(0, 1, 3, 2)
    return (FilterBank(np.ascontiguousarray(weights), groups=int(getattr(layer, "groups", 1))),)


def _depthwise(kernel: ndarray, *, part: str = "") -> FilterBank:
    """Turn (h, w, channels, multiplier) into one input channel per group."""
    height, width, channels, multiplier = kernel.shape
    weights = _float32(kernel).reshape(height, width, 1, channels * multiplier)
    return FilterBank(weights, groups=channels, part=part)


def _float32(array: ndarray) -> ndarray:
    return np.asarray(array).astype(np.float32)
