"""Read a Keras model as a graph of `seewhy.incremental`: functional, Sequential, nested ones.

What is not one of the graph's kinds becomes a dense operation that calls the layer itself: always
right. Nothing in the user's model is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from seewhy.errors import ModelError
from seewhy.incremental.graph import Elementwise, Graph, Input, Node, Operation, Point, Rest
from seewhy.networks.keras.fast.operations import (
    KERAS_LOWERINGS,
    LoweredLayer,
    SplitLayer,
    activation_of,
)
from seewhy.networks.keras.private import calls_in, functional

HEADS = ("softmax", "sigmoid")
"""Activations that are removed from the end: their inputs are the scores."""


def lower(model: Any, *, size: tuple[int, int]) -> Graph:
    """Return the model's graph for inputs of one size.

    Raises:
        ModelError: the model is neither functional nor Sequential, has several inputs or outputs,
            keeps its channels first, or computes in another precision than float32.
    """
    inside = functional(model)
    if inside is None:
        raise ModelError(
            f"'{model.name}' is a {type(model).__name__}; only functional and Sequential models "
            "tell how their layers are joined."
        )
    if len(inside.inputs) != 1 or len(inside.outputs) != 1:
        raise ModelError(
            f"'{model.name}' has {len(inside.inputs)} inputs and {len(inside.outputs)} outputs; "
            "only models with one of each can be re-run window by window."
        )
    lowering = ModelLowering()
    channels = inside.inputs[0].shape[-1]
    first = lowering.append("input", Input(), (), (*size, channels))
    (last,) = lowering.run(inside, [first], "")
    scores: int | None = last
    pair = False
    while scores in lowering.heads:
        scores, head = lowering.heads[scores]
        pair = head == "sigmoid" and lowering.nodes[scores].shape == (1,)
    if scores is not None and len(lowering.nodes[scores].shape) != 1:
        scores = None
    return Graph(tuple(lowering.nodes), scores, lowering.layers, pair)


class ModelLowering:
    """The lowering of one model, its nested ones included."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.layers: dict[str, int] = {}
        self.heads: dict[int, tuple[int, str]] = {}

    def append(
        self, name: str, operation: Operation, sources: tuple[int, ...], shape: tuple[int, ...]
    ) -> int:
        """Add an operation and return its number."""
        self.nodes.append(Node(name, operation, sources, shape))
        return len(self.nodes) - 1

    def run(self, model: Any, inputs: Sequence[int], prefix: str) -> list[int]:
        """Lower a model's operations, and return the numbers of its outputs."""
        numbers = dict(zip(map(id, model.inputs), inputs, strict=True))
        for node in calls_in(model):
            sources = [numbers[id(each)] for each in node.input_tensors]
            name = f"{prefix}{node.operation.name}"
            inner = functional(node.operation)
            if inner is not None:
                outputs = self.run(inner, sources, f"{name}/")
            else:
                outputs = self.operation(node, sources, name)
            if len(outputs) == 1:
                self.layers[name] = outputs[0]
            numbers.update(zip(map(id, node.outputs), outputs, strict=True))
        return [numbers[id(each)] for each in model.outputs]

    def operation(self, node: Any, sources: Sequence[int], name: str) -> list[int]:
        """Lower one call of one layer or operation, and return its outputs' numbers."""
        layer = node.operation
        _check(layer)
        kind = type(layer).__name__
        shapes = self._shapes(node, sources)
        lower_one = (
            KERAS_LOWERINGS.get(kind) if type(layer).__module__.startswith("keras.") else None
        )
        before = [self.nodes[source].shape for source in sources]
        lowered: LoweredLayer = None
        if lower_one is not None and len(shapes) == 1:
            lowered = lower_one(node, before, shapes[0])
        if isinstance(lowered, SplitLayer):
            return [self._split(lowered, name, sources, shapes[0])]
        if lowered is not None:
            number = sources[0]
            for each, (operation, shape) in enumerate(lowered):
                read = tuple(sources) if each == 0 else (number,)
                number = self.append(name, operation, read, shape)
            if kind in ("Activation", "Softmax") and activation_of(layer) in HEADS:
                self.heads[number] = (sources[0], activation_of(layer) or "")
            return [number]
        return [
            self._dense(node, name, sources, shape, index if len(shapes) > 1 else None)
            for index, shape in enumerate(shapes)
        ]

    def _split(
        self, split: SplitLayer, name: str, sources: Sequence[int], shape: tuple[int, ...]
    ) -> int:
        """Add a layer as what it does before its activation, and the activation."""
        before = tuple(sources)
        number = before[0]
        for operation, between in split.operations:
            number = self.append(name, operation, before, between)
            before = (number,)
        if split.activation is None:
            return number
        call = Elementwise(split.activation, split.call)
        activated: Operation = Point((call,))
        if len(shape) != 3:
            activated = Rest(split.activation, lambda _, x: split.call(x))
        result = self.append(name, activated, (number,), shape)
        if split.activation in HEADS:
            self.heads[result] = (number, split.activation)
        return result

    def _dense(
        self,
        node: Any,
        name: str,
        sources: Sequence[int],
        shape: tuple[int, ...],
        index: int | None,
    ) -> int:
        """Add a dense operation that calls the layer itself."""
        layer = node.operation
        keys = [id(each) for each in node.input_tensors]

        def call(batch: int, *tensors: Any) -> Any:
            args, kwargs = node.arguments.fill_in(dict(zip(keys, tensors, strict=True)))
            result = layer(*args, **kwargs)
            return result if index is None else keras.tree.flatten(result)[index]

        parameters = sum(int(np.prod(each.shape)) for each in getattr(layer, "weights", ()))
        number = self.append(
            name, Rest(type(layer).__name__, call, parameters=parameters), tuple(sources), shape
        )
        activation = activation_of(layer)
        if activation in HEADS and type(layer).__name__ in ("Activation", "Softmax"):
            self.heads[number] = (sources[0], activation)
        return number

    def _shapes(self, node: Any, sources: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the outputs' shapes without the batch axis, for this input size."""
        shapes = [tuple(each.shape[1:]) for each in node.outputs]
        if all(None not in shape for shape in shapes):
            return shapes
        given = {
            id(tensor): keras.KerasTensor((None, *self.nodes[source].shape), dtype=tensor.dtype)
            for tensor, source in zip(node.input_tensors, sources, strict=True)
        }
        args, kwargs = node.arguments.fill_in(given)
        specs = keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
        return [tuple(each.shape[1:]) for each in specs]


def _check(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        raise ModelError(
            f"The layer '{layer.name}' keeps its channels first; only channels last can be re-run "
            "window by window."
        )
    precision = getattr(layer, "compute_dtype", "float32")
    if precision != "float32":
        raise ModelError(
            f"The layer '{layer.name}' computes in {precision}; only float32 can be re-run window "
            "by window."
        )
