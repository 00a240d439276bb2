"""A copy of a Keras model, and the weights in it that training changes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from seewhy.errors import ModelError
from seewhy.networks.keras.private import functional, learns
from seewhy.networks.random_weights import LearnedWeight

_FAILURES = (ValueError, TypeError, RuntimeError, AttributeError, NotImplementedError, LookupError)
"""What a model may raise when it is copied."""


def copied(model: Any, *, name: str) -> Any:
    """Return a model again, with the same weights.

    Raises:
        ModelError: it cannot be copied.
    """
    try:
        # A subclassed model does not tell how its layers are joined; Keras saves and loads it.
        is_joined = functional(model) is not None
        made = keras.models.clone_model(model) if is_joined else copy.deepcopy(model)
        made.set_weights([keras.ops.convert_to_numpy(weight) for weight in model.weights])
    except _FAILURES as error:
        reason = str(error).strip().partition("\n")[0]
        raise no_copy(name, f"{type(error).__name__}: {reason}") from error
    return made


def no_copy(name: str, reason: str) -> ModelError:
    """Return the error for a model that cannot be copied."""
    return ModelError(
        f"'{name}' cannot be copied, so there is none of it with random weights: {reason}. Give "
        "its classes a get_config, or build the model by keras.Model(inputs, outputs)."
    )


def learned_weights(model: Any, operations: Mapping[str, Any]) -> Iterator[LearnedWeight]:
    """Yield each weight that training changes, with the innermost layer that holds it."""
    seen: set[int] = set()
    inside = sorted(operations.items(), key=lambda item: -item[0].count("/"))
    for path, layer in [*inside, ("", model)]:
        if not isinstance(layer, keras.layers.Layer):
            continue
        own = [weight for weight in layer.weights if id(weight) not in seen]
        seen.update(id(weight) for weight in own)
        # Not the statistics of a rescaling in the model, which training leaves alone.
        if learns(layer) or hasattr(layer, "moving_mean"):
            for weight in own:
                if "float" in str(weight.dtype):  # not the state of a random generator
                    shape = tuple(weight.shape)
                    yield LearnedWeight(
                        path, weight.name, shape, _fan_in(layer, weight), weight.assign
                    )


def _fan_in(layer: Any, variable: Any) -> int:
    shape = tuple(variable.shape)
    is_depthwise = "Depthwise" in type(layer).__name__ or variable.name.startswith("depthwise")
    return math.prod(shape[: -2 if is_depthwise else -1])
