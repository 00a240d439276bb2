"""A Keras model in bfloat16: casts around its layers' calls; model and policies are not touched.

While the model runs, or is traced, each innermost layer gets its inputs and its variables in
bfloat16, as under Keras's policy 'mixed_bfloat16'. Layers that scale pixels, the layer that the
scores come from and what follows it compute in float32; normalizations round only their results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from seewhy.networks.base import Layer
from seewhy.networks.keras.calls import Around
from seewhy.networks.keras.private import backend, inner_layers

_EXACT_LAYERS = (
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Softmax,
)

_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
)

Place = tuple[Any, str, Around]


def casting_places(operations: Mapping[str, Any], called: Sequence[Layer]) -> list[Place]:
    """Return what `wrapped` must wrap so that a model computes in bfloat16.

    Args:
        operations: every layer and operation by name.
        called: those that a model calls, in order.
    """
    exact = {id(operations[layer.name]) for layer in called[_end(operations, called) :]}
    return [
        (layer, "call", _rounded if isinstance(layer, _NORMALIZATIONS) else _in_bfloat16)
        for layer in operations.values()
        if isinstance(layer, keras.layers.Layer)
        and id(layer) not in exact
        and not isinstance(layer, _EXACT_LAYERS)
        and layer.compute_dtype == "float32"
        and getattr(layer, "quantization_mode", None) is None
        and not inner_layers(layer)
    ]


def exact_places(operations: Mapping[str, Any], called: Sequence[Layer]) -> list[Place]:
    """Return what `wrapped` must wrap so that the scores are computed in float64.

    TensorFlow's rewriting of graphs turns float32 into bfloat16, and leaves float64 alone.
    """
    end = [operations[layer.name] for layer in called[_end(operations, called) :]]
    return [
        (layer, "call", _in_float64)
        for layer in end
        if isinstance(layer, keras.layers.Layer) and layer.weights and not inner_layers(layer)
    ]


def _end(operations: Mapping[str, Any], called: Sequence[Layer]) -> int:
    """Return the place of the last layer with weights, or if its output is a map the next one."""
    layers = [operations[layer.name] for layer in called]
    weighty = [
        place
        for place, layer in enumerate(layers)
        if getattr(layer, "weights", None) and not inner_layers(layer)
    ]
    if not weighty:
        return len(called)
    is_row = math.prod(called[weighty[-1]].shape[:-1]) == 1
    return weighty[-1] + (not is_row)


def cast_all(tensors: Any, before: str, after: str) -> Any:
    """Return a structure with its tensors of one type converted to another."""

    def cast(tensor: Any) -> Any:
        if not backend.is_tensor(tensor) or backend.standardize_dtype(tensor.dtype) != before:
            return tensor
        return backend.cast(tensor, after)

    return keras.tree.map_structure(cast, tensors)


def _in_float64(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    args, kwargs = cast_all((args, kwargs), "float32", "float64")
    with backend.AutocastScope("float64"):
        return cast_all(call(*args, **kwargs), "float64", "float32")


def _rounded(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return cast_all(call(*args, **kwargs), "float32", "bfloat16")


def _in_bfloat16(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    args, kwargs = cast_all((args, kwargs), "float32", "bfloat16")
    with backend.AutocastScope("bfloat16"):
        return cast_all(call(*args, **kwargs), "float32", "bfloat16")
