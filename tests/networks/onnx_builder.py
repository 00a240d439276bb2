"""The contract's steps as an ONNX model; tensors have the names of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.networks.contract import (
    CHANNELS,
    HEIGHT,
    WIDTH,
    Add,
    Conv,
    Dense,
    Flatten,
    Head,
    MaxPool,
    Nested,
    Pool,
    Relu,
    Step,
    answers,
)


class Builder:
    """Collects the operators and weights of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def weight(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return what was collected as a `ModelProto`; inputs and outputs are (name, shape)."""
        kind = TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def step(self, step: Step, x: str, path: str) -> str:
        name = path + step.name
        if isinstance(step, Nested):
            for inner in step.steps:
                x = self.step(inner, x, f"{name}/")
            return x
        if isinstance(step, Conv):
            kernel = self.weight(f"{name}.w", step.kernel.transpose(3, 2, 0, 1))
            bias = self.weight(f"{name}.b", step.bias)
            rows, columns = step.kernel.shape[:2]
            up, left = rows // 2, columns // 2
            pads = [up, left, rows - 1 - up, columns - 1 - left]
            return self.add("Conv", [x, kernel, bias], name, pads=pads)
        if isinstance(step, Relu):
            return self.add("Relu", [x], name)
        if isinstance(step, MaxPool):
            return self.add("MaxPool", [x], name, kernel_shape=[2, 2], strides=[2, 2])
        if isinstance(step, Add):
            return self.add("Add", [x, path + step.to], name)
        if isinstance(step, Pool):
            return self.add("ReduceMean", [x], name, axes=[2, 3], keepdims=0)
        if isinstance(step, Flatten):
            last = self.add("Transpose", [x], f"{name}.last", perm=[0, 2, 3, 1])
            return self.add("Flatten", [last], name, axis=1)
        if isinstance(step, Dense):
            weights = self.weight(f"{name}.w", step.weights)
            return self.add("Gemm", [x, weights, self.weight(f"{name}.b", step.bias)], name)
        assert isinstance(step, Head)
        kind, keywords = ("Softmax", {"axis": 1}) if step.kind == "softmax" else ("Sigmoid", {})
        return self.add(kind, [x], name, **keywords)


def built(steps: Sequence[Step], *, batch: int | str = "n", channels_last: bool = False) -> Any:
    """Return the steps as a `ModelProto` of images of the contract's size."""
    builder = Builder()
    x = "image"
    shape: list[int | str] = [batch, CHANNELS, HEIGHT, WIDTH]
    if channels_last:
        shape = [batch, HEIGHT, WIDTH, CHANNELS]
        x = builder.add("Transpose", [x], "turned", perm=[0, 3, 1, 2])
    for step in steps:
        x = builder.step(step, x, "")
    answer = answers(steps, np.zeros((1, HEIGHT, WIDTH, CHANNELS)))[""].shape[1:]
    if len(answer) == 3:
        answer = (answer[2], *answer[:2])
    return builder.model([("image", shape)], [(x, [batch, *answer])])
