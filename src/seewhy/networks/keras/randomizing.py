"""A copy of a Keras model in which some layers have random weights.

The functions are methods of the adapter: `network` is it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from seewhy.errors import ModelError
from seewhy.networks.keras.private import functional, learns
from seewhy.networks.random_weights import layer_generator, random_weights

_FAILURES = (ValueError, TypeError, RuntimeError, AttributeError, NotImplementedError, LookupError)
"""What a model may raise when it is copied."""


def randomized(network: Any, layers: Sequence[Any] | None = None, *, seed: int = 0) -> Any:
    """Return a copy of the network in which layers, and all inside them, have random weights."""
    names = None if layers is None else [network.layer_name(one) for one in layers]
    made = type(network)(
        _copied(network),
        size=network.image_size,
        channels=network.input_shape[2],
        name=network.name,
        call=network.call,
        is_pair=network.is_pair,
    )
    if [(one.name, one.shape) for one in made.layers] != [
        (one.name, one.shape) for one in network.layers
    ]:
        raise _no_copy(network.name, "the copy has other layers")
    for path, layer, variable in _variables(made):
        if names is None or any(path == one or path.startswith(f"{one}/") for one in names):
            shape = tuple(variable.shape)
            variable.assign(
                random_weights(
                    variable.name,
                    shape,
                    fan_in=_fan_in(layer, variable),
                    generator=layer_generator(seed, f"{path}/{variable.name}"),
                )
            )
    return made


def _copied(network: Any) -> Any:
    """Return the model again, with the same weights."""
    model = network.model
    try:
        # A subclassed model does not tell how its layers are joined; Keras saves and loads it.
        is_joined = functional(model) is not None
        made = keras.models.clone_model(model) if is_joined else copy.deepcopy(model)
        made.set_weights([keras.ops.convert_to_numpy(one) for one in model.weights])
    except _FAILURES as error:
        said = str(error).strip().partition("\n")[0]
        raise _no_copy(network.name, f"{type(error).__name__}: {said}") from error
    return made


def _no_copy(name: str, reason: str) -> ModelError:
    return ModelError(
        f"'{name}' cannot be copied, so there is none of it with random weights: {reason}. Give "
        "its classes a get_config, or build the model by keras.Model(inputs, outputs)."
    )


def _variables(network: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each weight that training changes, with its innermost layer and that one's path."""
    seen: set[int] = set()
    paths = sorted(network.operations, key=lambda path: -path.count("/"))
    inside = [(path, network.operations[path]) for path in paths]
    for path, layer in [*inside, ("", network.model)]:
        if not isinstance(layer, keras.layers.Layer):
            continue
        own = [one for one in layer.weights if id(one) not in seen]
        seen.update(id(one) for one in own)
        # Not the statistics of a rescaling in the model, which training leaves alone.
        if learns(layer) or hasattr(layer, "moving_mean"):
            for variable in own:
                if "float" in str(variable.dtype):  # not the state of a random generator
                    yield path, layer, variable


def _fan_in(layer: Any, variable: Any) -> int:
    shape = tuple(variable.shape)
    is_depthwise = "Depthwise" in type(layer).__name__ or variable.name.startswith("depthwise")
    return math.prod(shape[: -2 if is_depthwise else -1])
