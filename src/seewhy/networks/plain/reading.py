"""A Keras model's configuration and weights as a graph of `seewhy.incremental`, without Keras.

Only the kinds of layer in `READERS` are known: those of the networks that `seewhy train --base
small` makes. Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.graph import (
    Add,
    Affine,
    Convolution,
    Elementwise,
    GlobalAverage,
    Graph,
    Input,
    Node,
    Operation,
    Point,
    Pool,
    Rest,
    mean_divisors,
    same_padding,
)
from seewhy.networks.base import Layer

Shape = tuple[int, ...]

Steps = list[tuple[Operation, Shape]]
"""Operations with their outputs' shapes; the first reads the layer's inputs."""


class UnknownKind(ValueError):
    """A layer, or a setting of it, that numpy does not compute here."""


@dataclass(frozen=True, eq=False)
class PlainModel:
    """A model that numpy computes.

    Attributes:
        graph: its operations.
        layers: as Keras lists them.
        weights: of each layer, in Keras's order.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    weights: Mapping[str, Sequence[ndarray]]


@dataclass(frozen=True, eq=False)
class LayerFile:
    """One layer as the file has it.

    Attributes:
        name: of the layer.
        settings: its configuration.
        weights: in Keras's order.
        before: the shapes of its inputs.
    """

    name: str
    settings: Mapping[str, Any]
    weights: Sequence[ndarray]
    before: Sequence[Shape]

    def require(self, **wanted: Any) -> None:
        """Raise UnknownKind unless settings have these values, where the file has them at all."""
        for key, value in wanted.items():
            if self.settings.get(key, value) != value:
                raise UnknownKind(f"'{self.name}' has {key}={self.settings[key]!r}")


def read_model(config: Mapping[str, Any], weights: Mapping[str, Sequence[ndarray]]) -> PlainModel:
    """Return a functional model with one image as input and a softmax at its end.

    Args:
        config: as in a `.keras` file.
        weights: of each layer by its name, in Keras's order.

    Raises:
        UnknownKind: a layer or a setting is not known here.
        KeyError, TypeError, IndexError: the configuration is damaged.
    """
    if config["class_name"] != "Functional":
        raise UnknownKind(f"the model is a {config['class_name']}")
    nodes: list[Node] = []
    ends: dict[str, int] = {}
    layers = []
    scores = None
    for entry in config["config"]["layers"]:
        name, kind = entry["config"]["name"], entry["class_name"]
        sources = tuple(ends[source] for source in _inputs(entry))
        if kind not in READERS or scores is not None:
            raise UnknownKind(f"'{name}' is a {kind}")
        file = LayerFile(
            name,
            entry["config"],
            weights.get(name, ()),
            [nodes[source].shape for source in sources],
        )
        file.require(data_format="channels_last")
        for place, (operation, shape) in enumerate(READERS[kind](file)):
            nodes.append(Node(name, operation, sources if place == 0 else (len(nodes) - 1,), shape))
        ends[name] = len(nodes) - 1
        if kind != "InputLayer":
            layers.append(Layer(name, kind, nodes[-1].shape))
        if kind == "Dense":
            scores = len(nodes) - 2
    if scores is None:
        raise UnknownKind("it has no classes")
    return PlainModel(Graph(tuple(nodes), scores, ends), tuple(layers), weights)


def _inputs(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of the layers whose outputs a layer reads."""
    if len(entry["inbound_nodes"]) > 1:
        raise UnknownKind(f"'{entry['config']['name']}' is called several times")
    names = []
    for call in entry["inbound_nodes"]:
        for argument in call["args"]:
            tensors = argument if isinstance(argument, list) else [argument]
            names += [tensor["config"]["keras_history"][0] for tensor in tensors]
    return names


def _input(file: LayerFile) -> Steps:
    shape = file.settings["batch_shape"][1:]
    if len(shape) != 3 or None in shape:
        raise UnknownKind(f"'{file.name}' takes images of any size")
    return [(Input(), tuple(shape))]


def _rescaling(file: LayerFile) -> Steps:
    scale, offset = (
        np.asarray(file.settings[setting], np.float32).reshape(-1)
        for setting in ("scale", "offset")
    )
    return [(Point((Affine(scale, offset),)), file.before[0])]


def _convolution(file: LayerFile) -> Steps:
    file.require(activation="linear", groups=1, dilation_rate=[1, 1], padding="same")
    kernel, *bias = file.weights
    stride = _pair(file.settings["strides"])
    before = file.before[0]
    padding = same_padding(before, (kernel.shape[0], kernel.shape[1]), stride, (1, 1))
    made = Convolution(kernel, bias[0] if bias else None, stride, padding=padding)
    return [(made, (*_strided(before, stride), kernel.shape[-1]))]


def _normalization(file: LayerFile) -> Steps:
    file.require(axis=-1, center=True, scale=True)
    return [(Point((normalization(file.weights, file.settings["epsilon"]),)), file.before[0])]


def normalization(weights: Sequence[ndarray], epsilon: float) -> Affine:
    """Return a batch normalization of γ, β, mean and variance as what it does after training."""
    gamma, beta, mean, variance = (weight.astype(np.float64) for weight in weights)
    scale = gamma / np.sqrt(variance + epsilon)
    return Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))


def _relu(file: LayerFile) -> Steps:
    file.require(max_value=None, negative_slope=0.0, threshold=0.0)
    return [(Point((Elementwise("relu", relu),)), file.before[0])]


def _average_pool(file: LayerFile) -> Steps:
    file.require(padding="same")
    before, kernel = file.before[0], _pair(file.settings["pool_size"])
    stride = _pair(file.settings["strides"])
    after = _strided(before, stride)
    padding = same_padding(before, kernel, stride, (1, 1))
    divisors = mean_divisors(
        (before[0], before[1]),
        after,
        kernel=kernel,
        stride=stride,
        padding=padding,
        counts_padding=False,
    )
    pool = Pool("mean", kernel, stride, padding=padding, divisors=divisors)
    return [(pool, (*after, before[2]))]


def _upsampling(file: LayerFile) -> Steps:
    file.require(interpolation="nearest")
    rows, columns = _pair(file.settings["size"])
    height, width, channels = file.before[0]
    shape = (height * rows, width * columns, channels)
    return [(Rest("UpSampling2D", Repeat(rows, columns)), shape)]


def _add(file: LayerFile) -> Steps:
    if len(set(file.before)) != 1:
        raise UnknownKind(f"'{file.name}' adds maps of different sizes")
    return [(Add(), file.before[0])]


def _global_average(file: LayerFile) -> Steps:
    file.require(keepdims=False)
    return pooled(file.before[0][-1])


def _dense(file: LayerFile) -> Steps:
    file.require(activation="softmax", use_bias=True)
    kernel, bias = file.weights
    return classified(kernel, bias)


def pooled(channels: int) -> Steps:
    """Return the mean over a map, as a vector."""
    return [(GlobalAverage(), (1, 1, channels)), (Rest("flatten", flat), (channels,))]


def classified(kernel: Float[ndarray, "c k"], bias: Float[ndarray, " k"]) -> Steps:
    """Return a dense layer that ends in a softmax."""
    dense, shape = Dense(kernel, bias), (kernel.shape[1],)
    return [
        (Rest("Dense", dense, kernel.size, kernel.size), shape),
        (Rest("softmax", softmax), shape),
    ]


@dataclass(frozen=True, eq=False)
class Dense:
    """y = x · W + b."""

    kernel: Float[ndarray, "c k"]
    bias: Float[ndarray, " k"]

    def __call__(self, _: int, x: Float[ndarray, "n c"]) -> Float[ndarray, "n k"]:
        """Return y, without BLAS: few rows, for which its threads would wait and spin."""
        scores: ndarray = np.einsum("nc,ck->nk", x, self.kernel) + self.bias
        return scores


@dataclass(frozen=True)
class Repeat:
    """Every row and column several times."""

    rows: int
    columns: int

    def __call__(self, _: int, x: Float[ndarray, "n h w c"]) -> Float[ndarray, "n H W c"]:
        """Return the larger map."""
        return x.repeat(self.rows, axis=1).repeat(self.columns, axis=2)


def flat(_: int, x: Float[ndarray, "n 1 1 c"]) -> Float[ndarray, "n c"]:
    """Return a map of one pixel as a vector."""
    return x.reshape(len(x), -1)


def softmax(_: int, x: Float[ndarray, "n k"]) -> Float[ndarray, "n k"]:
    """Return the probabilities."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    shares: ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def relu(x: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Return max(x, 0)."""
    above: ndarray = np.maximum(x, 0)
    return above


def relu6(x: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Return min(max(x, 0), 6)."""
    between: ndarray = np.clip(x, 0, 6)
    return between


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = value if isinstance(value, list) else (value, value)
    return int(rows), int(columns)


def _strided(before: Shape, stride: tuple[int, int]) -> tuple[int, int]:
    return -(-before[0] // stride[0]), -(-before[1] // stride[1])


READERS: dict[str, Callable[[LayerFile], Steps]] = {
    "InputLayer": _input,
    "Rescaling": _rescaling,
    "Conv2D": _convolution,
    "BatchNormalization": _normalization,
    "ReLU": _relu,
    "AveragePooling2D": _average_pool,
    "UpSampling2D": _upsampling,
    "Add": _add,
    "GlobalAveragePooling2D": _global_average,
    "Dense": _dense,
}
"""How each kind of layer is read, by its class's name."""
