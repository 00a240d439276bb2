"""Models in `.h5` files of Keras 2, rebuilt in Keras 3 from their configuration, as data.

A configuration is a graph: layers with settings, and the calls that join them. Each layer is built
from repaired settings (`keras2_layers`), functions of TensorFlow by their twins
(`keras2_operations`), and weights are put into the layers of the same names. What cannot be rebuilt
is told with its layer, and the way out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seewhy.errors import ModelError
from seewhy.zoo.backend import import_keras
from seewhy.zoo.keras2_layers import CannotRebuild, new_name, repaired_layer
from seewhy.zoo.keras2_operations import NODES, call_operation, name_operations

MODELS = ("Functional", "Model", "Sequential")
CONSTANT = "_CONSTANT_VALUE"

Key = tuple[str, int]
"""A layer's name in the file, and which of its calls."""


def rebuild(config: Any, path: Path) -> Any:
    """Rebuild a model from the configuration that Keras 2 wrote; its weights are not loaded yet.

    Raises:
        ModelError: a layer cannot be rebuilt; the message names it, and what to do.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        raise ModelError(f"'{path}' contains no configuration of a model. Get the file again.")
    try:
        return _model(config)
    except CannotRebuild as error:
        raise ModelError(_refusal(error, config, path)) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(_refusal(line, config, path)) from error


def _refusal(why: Any, config: Mapping[str, Any], path: Path) -> str:
    builders = [name.lower() for name in dir(import_keras().applications) if name[0].isupper()]
    inside = re.sub(r"[^a-z0-9]", "", " ".join(_model_names(config)).lower())
    known = [name for name in builders if name in inside]
    name = max(known, key=len) if known else "mobilenetv3small"
    return (
        f"'{path}' is from Keras 2 and cannot be rebuilt: {str(why).rstrip('.')}. Build the "
        f"network and load only its weights: '{name}?classes=5&weights={path}' for a network of "
        f"keras.applications, 'python:module:function?weights={path}' for one of your own."
    )


def _model_names(config: Any) -> list[str]:
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    named = [str(inner.get("name", ""))] if isinstance(inner, Mapping) else []
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, Mapping) and layer.get("class_name") in MODELS:
            named += _model_names(layer)
    return named


def _model(part: Mapping[str, Any], name: str | None = None) -> Any:
    kind, config = part["class_name"], part["config"]
    if kind == "Sequential":
        return _sequential(config, name)
    if kind not in MODELS and not (isinstance(config, Mapping) and "input_layers" in config):
        raise CannotRebuild(f"it is a model of the class '{kind}', whose code is not in the file")
    return _Graph(config, name).model()


def _sequential(config: Any, name: str | None) -> Any:
    keras = import_keras()
    layers = config["layers"] if isinstance(config, Mapping) else config
    own = str(config.get("name")) if isinstance(config, Mapping) and config.get("name") else None
    shape = _first_shape({"class_name": "Sequential", "config": config})
    made = [] if shape is None else [keras.Input(batch_shape=shape)]
    names: set[str] = set()
    made += [_layer(layer, names) for layer in layers if layer["class_name"] != "InputLayer"]
    return keras.Sequential(made, name=new_name(name or own or "sequential"))


def _first_shape(part: Mapping[str, Any]) -> Sequence[int | None] | None:
    """Return the input shape, batch axis included, of a layer or of a model's first layer."""
    config = part.get("config")
    if isinstance(config, Mapping):
        for key in ("batch_input_shape", "batch_shape"):
            if isinstance(config.get(key), list):
                return tuple(config[key])
    layers = config.get("layers") if isinstance(config, Mapping) else config
    if isinstance(layers, list) and layers:
        shape = _first_shape(layers[0])
        if shape is not None:
            return shape
    if isinstance(config, Mapping) and isinstance(config.get("build_input_shape"), list):
        return tuple(config["build_input_shape"])
    return None


def _layer(part: Mapping[str, Any], names: set[str]) -> Any:
    """Build a layer, or a model inside a model, under a name that is not in use."""
    config = part["config"]
    own = config.get("name") if isinstance(config, Mapping) else None
    name = unique = new_name(str(part.get("name") or own or part["class_name"].lower()))
    count = 1
    while unique in names:
        count += 1
        unique = f"{name}_{count}"
    names.add(unique)
    try:
        if part["class_name"] in MODELS:
            made = _model(part, unique)
        else:
            made = repaired_layer(part["class_name"], config, unique)
        made.name_in_file = str(part.get("name") or own)
        return made
    except CannotRebuild as error:
        raise CannotRebuild(
            f"layer '{part.get('name') or own}' ({part['class_name']}): {error}"
        ) from error


class _Graph:
    """A functional model's configuration, and what of it has been built."""

    def __init__(self, config: Mapping[str, Any], name: str | None) -> None:
        self.config = config
        self.name = new_name(name or str(config.get("name") or "model"))
        self.parts = {str(part.get("name") or part["config"]["name"]): part for part in self._all()}
        self.layers: dict[str, Any] = {}
        self.outputs: dict[Key, Any] = {}
        self.names: set[str] = set()
        self.first = {name: self._first_call(name) for name in self.parts}

    def _all(self) -> list[Mapping[str, Any]]:
        parts: list[Mapping[str, Any]] = self.config["layers"]
        return parts

    def model(self) -> Any:
        keras = import_keras()
        waiting = [
            (name, place, node)
            for name, part in self.parts.items()
            for place, node in enumerate(part.get("inbound_nodes") or [None])
        ]
        while waiting:
            left = [call for call in waiting if not self._called(*call)]
            if len(left) == len(waiting):
                raise CannotRebuild(f"layer '{left[0][0]}' is called with what is not there")
            waiting = left
        inputs, outputs = (
            self._ends(self.config[key]) for key in ("input_layers", "output_layers")
        )
        return keras.Model(inputs, outputs, name=self.name)

    def _first_call(self, name: str) -> int:
        """Return the number of a layer's first call: models count their own making before."""
        calls = len(self.parts[name].get("inbound_nodes") or [None])
        return max(0, self._largest_calls.get(name, 0) - calls + 1)

    @property
    def _largest_calls(self) -> dict[str, int]:
        calls: dict[str, int] = {}
        pending: list[Any] = [part.get("inbound_nodes") for part in self._all()]
        pending += [self.config["input_layers"], self.config["output_layers"]]
        while pending:
            value = pending.pop()
            reference = self._reference(value)
            if reference is not None:
                calls[reference[0]] = max(calls.get(reference[0], 0), reference[1])
            if isinstance(value, Mapping):
                pending += value.values()
            elif isinstance(value, list):
                pending += value
        return calls

    def _reference(self, value: Any) -> tuple[str, int, int] | None:
        """Return layer, call and output where a value in the configuration stands for a tensor."""
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            value = value["config"]["keras_history"]
        if not (isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str)):
            return None
        if value[0] not in self.parts or not all(type(number) is int for number in value[1:3]):
            return None
        return value[0], value[1], value[2]

    def _called(self, name: str, place: int, node: Any) -> bool:
        """Call a layer, if all that it is called with is there."""
        part = self.parts[name]
        if node is None and part["class_name"] == "InputLayer":
            self.outputs[name, 0] = [self._input(name, part["config"])]
            return True
        if node is None:
            raise CannotRebuild(f"layer '{name}' is never called")
        arguments, settings = self._arguments(node)
        try:
            arguments, settings = self._tensors(arguments), self._tensors(settings)
        except LookupError:
            return False
        output = self._call(name, part, arguments, settings)
        self.outputs[name, place + self.first[name]] = (
            list(output) if isinstance(output, list | tuple) else [output]
        )
        return True

    def _input(self, name: str, config: Mapping[str, Any]) -> Any:
        shape = config.get("batch_input_shape") or config.get("batch_shape")
        if not isinstance(shape, list):
            raise CannotRebuild(f"layer '{name}' (InputLayer): it has no shape")
        self.names.add(new_name(name))
        return import_keras().Input(
            batch_shape=tuple(shape), dtype=config.get("dtype"), name=new_name(name)
        )

    def _arguments(self, node: Any) -> tuple[list[Any], dict[str, Any]]:
        """Return what a node calls its layer with, by place and by name, as in the file."""
        if isinstance(node, Mapping):  # as Keras 3 writes it
            return list(node["args"]), dict(node["kwargs"])
        if isinstance(node[0], str):  # one tensor, not in a list
            return [node[:3]], dict(node[3]) if len(node) > 3 else {}
        settings = dict(node[0][3]) if len(node[0]) > 3 else {}
        tensors = [tensor[:3] for tensor in node]
        return [tensors if len(tensors) > 1 else tensors[0]], settings

    def _tensors(self, value: Any) -> Any:
        """Put tensors in the place of what stands for them.

        Raises:
            LookupError: one is not there yet.
        """
        if isinstance(value, list) and len(value) == 3 and value[0] == CONSTANT:
            return value[2]
        reference = self._reference(value)
        if reference is not None and (isinstance(value, Mapping) or len(value) == 3):
            name, call, output = reference
            return self.outputs[name, max(call, self.first[name])][output]
        if isinstance(value, list):
            if len(value) == 3 and isinstance(value[0], str) and type(value[1]) is int:
                raise CannotRebuild(f"there is no layer '{value[0]}' to call another with")
            return [self._tensors(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self._tensors(item) for key, item in value.items()}
        return value

    def _call(
        self, name: str, part: Mapping[str, Any], arguments: list[Any], settings: dict[str, Any]
    ) -> Any:
        kind, config = part["class_name"], part["config"]
        try:
            if kind in ("TFOpLambda", "SlicingOpLambda"):
                output = call_operation(config["function"], arguments, settings)
                return self._named(output, name)
            if kind == "TensorFlowOpLayer":
                return self._named(_call_node(config, arguments), name)
        except (CannotRebuild, ValueError, TypeError, AttributeError) as error:
            why = str(error).strip().partition("\n")[0]
            raise CannotRebuild(f"layer '{name}' ({kind}): {why}") from error
        if name not in self.layers:
            self.layers[name] = _layer({**part, "name": name}, self.names)
        if settings.get("mask", 0) is None:
            settings.pop("mask")
        return self.layers[name](*arguments, **settings)

    def _named(self, output: Any, name: str) -> Any:
        """Give operations the name that the file has for them: Keras's own may be a layer's."""
        for tensor in output if isinstance(output, list | tuple) else [output]:
            name_operations(tensor, new_name(name), self.names)
        return output

    def _ends(self, ends: Any) -> Any:
        """Return the model's inputs or outputs: one tensor, a list, or a dictionary of them."""
        tensors = self._tensors(ends)
        return tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors


def _call_node(config: Mapping[str, Any], arguments: list[Any]) -> Any:
    """Call an operation as TensorFlow 2.0 to 2.3 wrote it: a node, and constants by their place."""
    node = config["node_def"]
    operation = (
        node.get("op") if isinstance(node, Mapping) else re.search(r'op: ?"(\w+)"', str(node))
    )
    kind = operation if isinstance(operation, str) else operation[1] if operation else ""
    if kind not in NODES:
        raise CannotRebuild(f"the operation '{kind}' has no twin in Keras 3 that is known here")
    tensors = arguments[0] if isinstance(arguments[0], list) else [arguments[0]]
    for place, value in sorted((int(key), value) for key, value in config["constants"].items()):
        tensors.insert(place, value)
    return call_operation(NODES[kind], tensors, {})
