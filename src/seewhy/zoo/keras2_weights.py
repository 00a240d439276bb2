"""Weights in files of Keras 2, put into a model that was rebuilt: by the names of layers.

The order in which a file lists the weights of a model inside a model need not be that of Keras 3;
two kernels of one shape would be swapped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.zoo.backend import import_keras

Stored = list[tuple[str, ndarray]]
"""A layer's weights as the file lists them: 'conv1/kernel:0' and the numbers."""


def load_stored_weights(model: Any, file: Any, path: Path) -> None:
    """Load the weights of a file into the model that was rebuilt from it.

    Args:
        model: rebuilt, with all its layers built.
        file: an open h5py.File.
        path: its path, for messages.

    Raises:
        ModelError: weights are missing, too many, or of another shape.
    """
    group = file.get("model_weights", file)
    stored = {name: _stored(group[name]) for name in _names(group, "layer_names")}
    stored = {name: weights for name, weights in stored.items() if weights}
    layers = {_name_in_file(layer): layer for layer in model.layers if layer.weights}
    for name, weights in stored.items():
        layer = layers.pop(name, None)
        if layer is None:
            raise ModelError(
                f"'{path}' has weights of the layer '{name}', which the model in it has not. Get "
                "the file again."
            )
        _load(layer, weights, path)
    if layers:
        raise ModelError(
            f"'{path}' has no weights for the layer '{next(iter(layers))}'. Get the file again."
        )


def load_archived_weights(model: Any, config: Mapping[str, Any], group: Any, path: Path) -> None:
    """Load weights as the `.keras` files of Keras 2.12 to 2.15 have them: by class and number.

    The second Dense layer of a configuration is 'layers/dense_1', whatever its name.

    Args:
        model: rebuilt from the configuration.
        config: of the model, as in the file.
        group: of the model in the file of its weights.
        path: for messages.

    Raises:
        ModelError: weights are missing, or of another shape.
    """
    inner = config["config"]
    counts: dict[str, int] = {}
    for part in inner["layers"] if isinstance(inner, Mapping) else inner:
        kind = snake_case(part["class_name"])
        count = counts[kind] = counts.get(kind, -1) + 1
        name = str(part.get("name") or part["config"].get("name"))
        layer = next(
            (candidate for candidate in model.layers if _name_in_file(candidate) == name), None
        )
        if layer is None or not layer.weights:
            continue
        stored = group["layers"][kind if count == 0 else f"{kind}_{count}"]
        if isinstance(layer, import_keras().Model):
            load_archived_weights(layer, part, stored, path)
        else:
            _assign_by_attribute(layer, stored, path)


def _assign_by_attribute(layer: Any, group: Any, path: Path) -> None:
    """Put weights into a layer, and into the layers that it has as attributes."""
    own = group.get("vars", {})
    values = [np.asarray(own[str(place)]) for place in range(len(own))]
    if isinstance(layer, import_keras().layers.Normalization) and len(values) == 3:
        _assign(layer, list(zip(("mean", "variance", "count"), values, strict=True)), path)
    elif values:
        _assign(layer, [("", value) for value in values], path)
    for name in group:
        inner = getattr(layer, name, None)
        if name != "vars" and inner is not None and inner.weights:
            _assign_by_attribute(inner, group[name], path)


def _name_in_file(layer: Any) -> str:
    """Return what a layer was called before '/' was taken out of its name."""
    return str(getattr(layer, "name_in_file", layer.name))


def snake_case(name: str) -> str:
    """Return a class's name as Keras writes it in its files."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _load(layer: Any, weights: Stored, path: Path) -> None:
    """Put weights into a layer, or into the layers of a model by their names."""
    inside = list(_innermost(layer))
    by_layer: dict[str, Stored] = {}
    for name, value in weights:
        by_layer.setdefault(name.rpartition("/")[0], []).append((name, value))
    names = [_name_in_file(sublayer) for sublayer in inside]
    if len(inside) > 1 and len(set(names)) == len(names) and set(names) == set(by_layer):
        for sublayer in inside:
            _assign(sublayer, by_layer[_name_in_file(sublayer)], path)
    else:
        _assign(layer, weights, path)


def _innermost(layer: Any) -> Iterator[Any]:
    """Yield the layers with weights in a model, also in models inside it; or the layer itself."""
    if not isinstance(layer, import_keras().Model):
        yield layer
        return
    for inner in layer.layers:
        if inner.weights:
            yield from _innermost(inner)


def _assign(layer: Any, weights: Stored, path: Path) -> None:
    keras = import_keras()
    if isinstance(layer, keras.layers.Normalization):
        statistics = {name.rpartition("/")[2].partition(":")[0]: value for name, value in weights}
        if layer.input_mean is None:
            layer.adapt_mean.assign(statistics["mean"].reshape(layer.adapt_mean.shape))
            layer.adapt_variance.assign(statistics["variance"].reshape(layer.adapt_variance.shape))
            layer.finalize_state()
        return
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    values = [value for _, value in weights if value.dtype.kind == "f"]
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ModelError(
            f"The weights of '{layer.name}' in '{path}' have the shapes "
            f"{[value.shape for value in values]:}, and the layer takes {shapes}. Get the file "
            "again."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _stored(group: Any) -> Stored:
    return [(name, np.asarray(group[name])) for name in _names(group, "weight_names")]


def _names(group: Any, attribute: str) -> list[str]:
    """Return names that an attribute lists; long lists are in several: weight_names0, 1, ..."""
    attributes: Mapping[str, Any] = group.attrs
    names = list(attributes.get(attribute, ()))
    part = 0
    while f"{attribute}{part}" in attributes:
        names += list(attributes[f"{attribute}{part}"])
        part += 1
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]
