"""The private names of Keras that seewhy reads, all in one place.

Public ones do not tell which layers a model holds, how they are joined, or what a layer's call runs
on. Nothing else under `networks/keras` may use a private name of Keras; a test sees to that, and
another that each name is there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras.src import backend

from seewhy.errors import ModelError

__all__ = ["backend"]

_NAMES: Sequence[tuple[Any, str]] = (
    (keras.layers.Layer, "_flatten_layers"),
    (keras.Sequential, "call"),
    (keras.layers.MultiHeadAttention, "_compute_attention"),
    (backend, "AutocastScope"),
    (backend, "nn"),
    (backend, "numpy"),
    (backend, "core"),
    (backend, "cast"),
    (backend, "compute_output_spec"),
    (backend, "is_tensor"),
    (backend, "standardize_dtype"),
    (backend.nn, "softmax"),
    (backend.nn, "sigmoid"),
    (backend.nn, "relu"),
    (backend.numpy, "reshape"),
    (backend.numpy, "concatenate"),
)


_GONE = [f"{owner.__name__}.{name}" for owner, name in _NAMES if not hasattr(owner, name)]
if _GONE:
    raise ModelError(
        f"Keras {keras.__version__} no longer has what seewhy reads of it: {', '.join(_GONE)}. "
        "Install Keras 3.15, or a newer seewhy."
    )


def all_layers(model: Any) -> list[Any]:
    """Return a model and every layer inside it."""
    layers: list[Any] = model._flatten_layers()
    return layers


def inner_layers(layer: Any) -> list[Any]:
    """Return what a layer or model holds itself, as attributes or in lists."""
    layers: list[Any] = layer._flatten_layers(include_self=False, recursive=False)
    return layers


def learns(layer: Any) -> bool:
    """True for a layer with weights of its own that were made to be trained, frozen or not."""
    return bool(layer._trainable_variables)


def kernel_variable(layer: Any) -> Any:
    """Return the variable that holds a layer's kernel; None where there is none."""
    return getattr(layer, "_kernel", None)


def functional(model: Any) -> Any | None:
    """Return a model that knows how its layers are joined; None where there is none."""
    if isinstance(model, keras.Sequential):
        return model._functional if model.built else None
    return model if hasattr(model, "_nodes_by_depth") else None


def calls_in(model: Any) -> Iterator[Any]:
    """Yield the calls of a functional model's operations, in the order in which they run."""
    inside = functional(model)
    by_depth = {} if inside is None else inside._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if node.operation and not node.is_input)


def joined_tensor(model: Any, path: str) -> Any | None:
    """Return what a layer returns within the outermost model's graph; None where it is not there.

    Args:
        model: that model.
        path: of the layer; one inside another model must be what that model returns.
    """
    name, _, inner = path.partition("/")
    node = next((node for node in calls_in(model) if node.operation.name == name), None)
    if node is None or not inner:
        return None if node is None else node.outputs[0]
    tensor = joined_tensor(node.operation, inner)
    inside = functional(node.operation)
    returned = [] if inside is None or tensor is None else inside.outputs
    places = [place for place, output in enumerate(returned) if output is tensor]
    return node.outputs[places[0]] if places else None


@contextmanager
def without_tail(tensor: Any) -> Iterator[None]:
    """Forget what is joined to a tensor inside, which its layer would remember."""
    followers = tensor._keras_history.operation._outbound_nodes
    count = len(followers)
    try:
        yield
    finally:
        del followers[count:]


def attention_softmax(layer: Any) -> Any:
    """Return the layer that makes the weights of a `MultiHeadAttention`, once it is built."""
    return layer._softmax


_COMPUTING = inspect.signature(keras.layers.MultiHeadAttention._compute_attention).parameters

FOR_WEIGHTS = (True,) if "return_attention_scores" in _COMPUTING else ()
"""What `_compute_attention` is given last for its weights; Keras 3.5 computes them in any case."""


def shows_weights(layer: Any) -> bool:
    """True for an attention layer that computes its weights where it is asked for them."""
    return isinstance(layer, keras.layers.MultiHeadAttention) and not getattr(
        layer, "_flash_attention", False
    )
