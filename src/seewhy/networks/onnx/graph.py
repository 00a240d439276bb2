"""An ONNX graph as data: its image input, its maps with their axes, its scores, and its parts.

Axes: n image, h row, w column, c channel, k class. ONNX's own maps are (n, c, h, w); files made
from TensorFlow take (n, h, w, c) and transpose it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.base import INPUT, Head
from seewhy.networks.checks import not_on_the_way
from seewhy.networks.onnx.reading import import_onnx

Axes = Literal["nchw", "nhwc"]

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)

CONVOLUTIONS = frozenset(
    {
        *(
            "Conv",
            "ConvTranspose",
            "QLinearConv",
            "ConvInteger",
            "MaxPool",
            "AveragePool",
            "LpPool",
        ),
        *("BatchNormalization", "InstanceNormalization", "LRN", "DepthToSpace", "SpaceToDepth"),
        *("GlobalAveragePool", "GlobalMaxPool", "Upsample", "QLinearAveragePool"),
    }
)
"""Operators whose maps are (n, c, h, w) by definition."""

VALUE_PRESERVING = frozenset(
    {"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast", "Dropout"}
)
"""Operators that give the same numbers in another shape."""

PLACE_CHANGING = frozenset(
    {"Reshape", "Flatten", "Gather", "GatherND", "Squeeze", "Unsqueeze", "Split"}
)
"""Operators after which axes 2 and 3 need not be rows and columns."""

FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
"""ONNX's numbers of the types that hold maps and scores."""

IMAGES = {**FLOATS, 2: np.uint8}


@dataclass(frozen=True, eq=False)
class Tensor:
    """One value of the graph.

    Attributes:
        name: as in the file.
        kind: the operator that computes it.
        node: that operator's own name.
        axes: of a map; None where they are not known.
    """

    name: str
    kind: str
    node: str
    axes: Axes | None


class Graph:
    """A classifier's graph; nothing is computed here.

    Args:
        model: the `ModelProto`.
        name: in messages.
    """

    def __init__(self, model: Any, *, name: str) -> None:
        self.model = model
        self.name = name
        self.makers: dict[str, Any] = {
            output: node for node in model.graph.node for output in node.output if output
        }

    @cached_property
    def image(self) -> Any:
        """The graph's one image input.

        Raises:
            ModelError: there is none, or there are other inputs.
        """
        fixed = {weight.name for weight in self.model.graph.initializer}
        inputs = [tensor for tensor in self.model.graph.input if tensor.name not in fixed]
        images = [
            tensor
            for tensor in inputs
            if len(tensor.type.tensor_type.shape.dim) == 4
            and tensor.type.tensor_type.elem_type in IMAGES
        ]
        if len(inputs) == 1 and images:
            return images[0]
        described = (
            ", ".join(f"'{tensor.name}' {_spoken(_dims(tensor))}" for tensor in inputs) or "none"
        )
        raise ModelError(
            f"'{self.name}' has no single image input: an image has four axes (images, channels, "
            f"rows, columns), and the inputs are {described}. Export the network with one image "
            "as its only input."
        )

    @cached_property
    def image_dims(self) -> tuple[int | None, ...]:
        """The four axes of the input as the file says them; None: any length."""
        return _dims(self.image)

    @property
    def image_type(self) -> Any:
        """The numpy type of the input."""
        return IMAGES[self.image.type.tensor_type.elem_type]

    def likely_axes(self, channels: int | None) -> list[tuple[Axes, int]]:
        """Return the axes and the channels that the input may have, the likeliest first.

        A stem that rearranges pixels (YOLOX's has 12 channels) says nothing about the input's.

        Args:
            channels: as the user gave them.
        """
        _, second, _, last = self.image_dims
        likely: list[tuple[Axes, int]] = []
        for number in (3, 1) if channels is None else (channels,):
            likely += [("nchw", number)] if second == number else []
            likely += [("nhwc", number)] if last == number else []
            likely += [("nchw", number)] if second is None else []
            likely += [("nhwc", number)] if last is None else []
        if channels is None and second is not None and not likely:
            likely.append(("nchw", second))  # bands
        if not likely:
            raise ModelError(
                f"The input of '{self.name}' is {_spoken(self.image_dims)}, which has no axis of "
                f"{channels or '3 or 1'} channels. Give channels=... as the network has them."
            )
        return likely

    def size_of(self, axes: Axes) -> tuple[int | None, int | None]:
        """Return the rows and columns that the file fixes, None for any."""
        dims = self.image_dims
        return (dims[2], dims[3]) if axes == "nchw" else (dims[1], dims[2])

    # Scores

    @cached_property
    def output(self) -> str:
        """The output that is explained: the first one of numbers.

        Raises:
            ModelError: there is none.
        """
        for tensor in self.model.graph.output:
            if tensor.type.tensor_type.elem_type in FLOATS:
                return str(tensor.name)
        raise ModelError(
            f"'{self.name}' has no output of floating-point numbers to explain. Export the network "
            "with its scores as the output."
        )

    @cached_property
    def scores(self) -> tuple[str, Head]:
        """The tensor of the scores before softmax or sigmoid, and which of these follows."""
        name = self.output
        while (node := self.makers.get(name)) is not None:
            if node.op_type == "Softmax":
                return str(node.input[0]), "softmax"
            if node.op_type == "Sigmoid":
                return str(node.input[0]), "sigmoid"
            if node.op_type == "LogSoftmax":
                return str(node.input[0]), "linear"
            if node.op_type not in VALUE_PRESERVING:
                break
            name = str(node.input[0])
        return self.output, "linear"

    # Maps

    def tensors(self, image_axes: Axes) -> list[Tensor]:
        """Return what operators compute on the way to the scores, in order, with maps' axes."""
        axes: dict[str, Axes | None] = {self.image.name: image_axes}
        needed = set(self._names_before(self.scores[0]))
        tensors = []
        for node in self.model.graph.node:
            known = self._axes_after(node, axes)
            for output in node.output:
                axes[output] = known
                if output in needed:
                    tensors.append(Tensor(output, node.op_type, node.name, known))
        return tensors

    def _axes_after(self, node: Any, axes: dict[str, Axes | None]) -> Axes | None:
        if node.op_type in CONVOLUTIONS:
            return "nchw"
        before = {axes[name] for name in node.input if axes.get(name) is not None}
        if node.op_type in PLACE_CHANGING or len(before) != 1:
            return None
        (known,) = before
        if node.op_type == "Transpose":
            order = next(
                (tuple(attribute.ints) for attribute in node.attribute if attribute.name == "perm"),
                (),
            )
            if (known, order) == ("nchw", TO_LAST):
                return "nhwc"
            return "nchw" if (known, order) == ("nhwc", TO_FIRST) else None
        return known

    def _names_before(self, name: str) -> Iterator[str]:
        """Yield a tensor's name, and those of everything that it is computed from."""
        pending, seen = [name], set()
        while pending:
            tensor = pending.pop()
            if tensor in seen or not tensor:
                continue
            seen.add(tensor)
            yield tensor
            node = self.makers.get(tensor)
            if node is not None:
                pending += node.input

    def nodes_after(self, name: str) -> list[Any]:
        """Return the operators on the way from a tensor to the scores, in order."""
        reached = {name}
        needed = set(self._names_before(self.scores[0]))
        nodes = []
        for node in self.model.graph.node:
            if reached & set(node.input) and needed & set(node.output):
                reached |= set(node.output)
                nodes.append(node)
        return nodes

    @cached_property
    def constants(self) -> dict[str, Any]:
        """The tensors that the file contains, by name, as its own messages."""
        return {weight.name: weight for weight in self.model.graph.initializer}

    def constant(self, name: str) -> ndarray | None:
        """Return a tensor that the file contains; through operators that only turn it."""
        onnx, _ = import_onnx()
        if name in self.constants:
            return np.asarray(onnx.numpy_helper.to_array(self.constants[name]))
        node = self.makers.get(name)
        if node is None or node.op_type not in ("Identity", "Transpose", "Cast"):
            return None
        array = self.constant(node.input[0])
        if array is None or node.op_type != "Transpose":
            return array
        order = next(
            (tuple(attribute.ints) for attribute in node.attribute if attribute.name == "perm"),
            None,
        )
        return array.transpose(order)

    def linear(self, name: str) -> tuple[ndarray, ndarray | None] | None:
        """Return the weights (k, c) and the bias (k) of a linear operator or a 1×1 convolution.

        None for other operators, and for weights that are computed.
        """
        node = self.makers[name]
        constants = [self.constant(source) for source in node.input[1:]]
        weights = constants[0] if constants else None
        if weights is None or node.op_type not in ("Gemm", "MatMul", "Conv"):
            return None
        bias = constants[1] if len(constants) > 1 else self._added_next(name)
        if node.op_type == "Conv":
            weights = weights[..., 0, 0] if weights.shape[2:] == (1, 1) else weights
        elif not any(attribute.name == "transB" and attribute.i for attribute in node.attribute):
            weights = weights.T
        return (weights, bias) if weights.ndim == 2 else None

    def _added_next(self, name: str) -> ndarray | None:
        """Return the constant that is added to a tensor next."""
        for node in self.nodes_after(name)[:1]:
            if node.op_type == "Add":
                constants = [self.constant(source) for source in node.input if source != name]
                return next(
                    (constant.ravel() for constant in constants if constant is not None), None
                )
        return None

    # Parts

    def with_outputs(self, names: Iterable[str]) -> bytes:
        """Return a file of the same network that returns the named tensors."""
        return self._part(start=None, ends=tuple(names))[0]

    def from_tensor(
        self, start: str, shape: Sequence[int], *, end: str | None = None
    ) -> tuple[bytes, bool]:
        """Return a file of the part after a tensor, and whether it takes the image first.

        It does only where the end depends on the image in another way too.

        Args:
            start: the tensor's name.
            shape: of one image's tensor, in the file's own axes.
            end: the tensor that the part returns; None: the scores.

        Raises:
            LayerError: the end does not depend on the start.
        """
        onnx, _ = import_onnx()
        value = onnx.helper.make_tensor_value_info(start, 1, ["n", *shape])
        return self._part(start=value, ends=[end or self.scores[0]])

    def _part(self, *, start: Any, ends: Sequence[str]) -> tuple[bytes, bool]:
        onnx, _ = import_onnx()
        first = None if start is None else start.name
        kept, used = [], set(ends)
        for node in reversed(self.model.graph.node):
            if any(output in used and output != first for output in node.output):
                kept.append(node)
                used |= {*node.input, *_inner_inputs(node)}
        if first is not None and first not in used:
            raise not_on_the_way(self.name, INPUT if first == self.image.name else first)
        part = onnx.ModelProto()
        part.CopyFrom(self._shell)
        part.graph.node.extend(reversed(kept))
        part.graph.initializer.extend(
            weight for weight in self.model.graph.initializer if weight.name in used
        )
        with_image = first is None or (self.image.name in used and first != self.image.name)
        if with_image:
            part.graph.input.append(self.image)
        if start is not None:
            part.graph.input.append(start)
        for name in ends:
            part.graph.output.add().name = name  # its type is inferred
        return bytes(part.SerializeToString()), with_image

    @cached_property
    def _shell(self) -> Any:
        """The model without its operators, weights, inputs and outputs."""
        onnx, _ = import_onnx()
        shell = onnx.ModelProto()
        shell.CopyFrom(self.model)
        for part in ("node", "initializer", "input", "output", "value_info"):
            shell.graph.ClearField(part)
        return shell


def _inner_inputs(node: Any) -> set[str]:
    """Return what the graphs inside an operator (of If and Loop) read."""
    names: set[str] = set()
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for inner in graph.node:
                names |= {*inner.input, *_inner_inputs(inner)}
    return names


def _dims(value: Any) -> tuple[int | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)


def _spoken(dims: Sequence[int | None]) -> str:
    return "(" + " × ".join("any" if dim is None else str(dim) for dim in dims) + ")"
