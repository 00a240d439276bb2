"""The adapter of networks that numpy computes; what needs gradients, Keras does.

Axes: n image, h row, w column, c channel, k class, m copy of one image.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import MissingFramework, ModelError
from seewhy.incremental import Engine
from seewhy.incremental.computing import Batch, Computation, ReadRegion, whole
from seewhy.incremental.cost import RATES
from seewhy.incremental.folding import Subgraph, trim
from seewhy.incremental.graph import Convolution
from seewhy.incremental.kernels import Tensor
from seewhy.networks.adapter import Adapter, Objective
from seewhy.networks.base import INPUT, SCORES, Capture, Head, Layer, Network
from seewhy.networks.checks import is_name, not_on_the_way
from seewhy.networks.execution import Execution
from seewhy.networks.linear import LinearMap, for_classes
from seewhy.networks.plain.kernels import NumpyKernels, framed
from seewhy.networks.plain.reading import PlainModel
from seewhy.networks.weights import FilterBank, Moments, WithCam


class DenseRun(Computation):
    """A graph on a batch of whole images; what is read is computed when it is read first.

    Args:
        part: the graph.
        kernels: numpy's.
        values: the outputs of nodes that are known, (n, ...) or of one image for all.
    """

    def __init__(self, part: Subgraph, kernels: NumpyKernels, values: dict[int, ndarray]) -> None:
        super().__init__(part, kernels)
        self.values = values

    def of(self, number: int) -> ndarray:
        """Return a node's output, (n, ...)."""
        pending = [number]
        while pending:
            last = pending[-1]
            node = self.part.nodes[last]
            unknown = [source for source in node.inputs if source not in self.values]
            if last not in self.values and unknown:
                pending += unknown
                continue
            pending.pop()
            if last not in self.values:
                batch = max(len(self.values[source]) for source in node.inputs)
                self.values[last] = self.compute(last, whole(node, batch), Batch(batch))
        return self.values[number]

    def region(self, number: int, read: ReadRegion, batch: Batch) -> Tensor:
        """Return a node's map, with the frame that a pool reads around it, or without the rest."""
        value = self.values[number]
        if value.ndim != 4 or not int(read.place.rows.length):
            return value
        frame, kept = [], [slice(None)]
        for axis, size in zip((read.place.rows, read.place.columns), value.shape[1:3], strict=True):
            start, stop = int(axis.starts[0]), int(axis.starts[0]) + axis.length
            frame.append((max(-start, 0), max(stop - size, 0)))
            kept.append(slice(max(start, 0), min(stop, size)))
        return framed(value[tuple(kept)], (frame[0], frame[1]), read.halo)

    def mean(self, number: int, batch: Batch) -> Tensor:
        """Return the mean over a map, as a map of one pixel."""
        return self.values[number].mean(axis=(1, 2), keepdims=True)


class PlainNetwork(Adapter):
    """A small network that numpy computes; its gradients, and copies of it, are Keras's.

    Args:
        model: as `read_model` returns it.
        name: in messages.
        twin: loads the same network on Keras; raises MissingFramework where that is not installed.
        has_gradients: whether Keras is installed.
    """

    framework = "numpy"

    def __init__(
        self, model: PlainModel, *, name: str, twin: Callable[[], Network], has_gradients: bool
    ) -> None:
        self.model, self.name, self._has_gradients = model, name, has_gradients
        self.graph = model.graph
        self.input_shape = (*self.graph.size, self.graph.nodes[0].shape[2])
        self._make_twin = twin
        self._twin: Adapter | None = None
        self._lock = RLock()
        self._folded: dict[int, tuple[Subgraph, NumpyKernels]] = {}

    @property
    def twin(self) -> Adapter:
        """The same network on Keras.

        Raises:
            MissingFramework: Keras or a framework for it is not installed.
        """
        with self._lock:
            if self._twin is None:
                made = self._make_twin()
                assert isinstance(made, Adapter)
                self._twin = made
            return self._twin

    # Facts

    @property
    def has_gradients(self) -> bool:
        """Whether Keras is here to compute them."""
        return self._has_gradients

    @property
    def layers(self) -> Sequence[Layer]:
        """As Keras lists them."""
        layers: Sequence[Layer] = self.model.layers
        return layers

    @property
    def default_layer(self) -> str:
        """The last map before the pooling."""
        return [layer.name for layer in self.layers if layer.is_spatial][-1]

    @property
    def head(self) -> Head:
        """Always softmax: others are not read."""
        return "softmax"

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.output_shape[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the probabilities per image."""
        return self.graph.nodes[-1].shape

    @property
    def image_size(self) -> tuple[int, int]:
        """The size of the images."""
        return self.graph.size

    def _parts(self) -> Mapping[str, Any]:
        return {layer.name: layer for layer in self.layers}

    def _layers_after(self, layer: str) -> Sequence[Layer]:
        names = [INPUT, *(known.name for known in self.layers)]
        return self.layers[names.index(layer) :]

    def _linear_map(self, layer: str) -> LinearMap | None:
        weights = self.model.weights.get(layer, ())
        if self._parts()[layer].kind != "Dense":
            return None
        return for_classes(weights[0].T, weights[1], classes=self.classes)

    def _tolerance(self) -> float:
        return 1e-3

    # Weights

    def weight_arrays(self) -> Iterator[ndarray]:
        """Yield all weights, in Keras's order."""
        for layer in self.layers:
            yield from self.model.weights.get(layer.name, ())

    def layers_with_weights(self) -> list[str]:
        """Name the layers that learn."""
        return [layer.name for layer in self.layers if self.model.weights.get(layer.name)]

    def remembered(self) -> dict[str, Moments]:
        """Return the mean and the variance of every batch normalization."""
        return {
            layer.name: Moments(*self.model.weights[layer.name][2:])
            for layer in self.layers
            if layer.kind == "BatchNormalization"
        }

    def filters(self, layer: Any) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution."""
        name = self.layer_name(layer)
        if name == INPUT or "Conv" not in self._parts()[name].kind:
            self._no_filters(name)
        operation = self.graph.nodes[self.graph.layers[name]].operation
        assert isinstance(operation, Convolution)
        return (FilterBank(operation.weight, operation.groups),)

    # Running

    def _scores_of(self, run: DenseRun) -> Float[ndarray, "n k"]:
        assert self.graph.scores is not None
        return run.of(self.graph.scores)

    @cached_property
    def _whole(self) -> tuple[Subgraph, NumpyKernels]:
        """The graph with every node of its own."""
        part = trim(self.graph, len(self.graph.nodes) - 1, fold=False)
        return part, NumpyKernels(part.nodes)

    def _run_to(self, number: int, images: Float[ndarray, "n h w c"]) -> ndarray:
        """Return a node's output by a graph that is folded up to it."""
        with self._lock:
            if number not in self._folded:
                part = trim(self.graph, number)
                self._folded[number] = part, NumpyKernels(part.nodes)
            part, kernels = self._folded[number]
        return DenseRun(part, kernels, {0: images}).of(len(part.nodes) - 1)

    def _activations(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        images = np.ascontiguousarray(images, np.float32)
        wanted = [self.graph.layers[name] for name in names if is_name(name)]
        first = min(wanted, default=self.graph.scores)
        assert first is not None
        run = DenseRun(*self._whole, {0: images})
        run.values[first] = self._run_to(first, images)
        arrays = {name: run.of(self.graph.layers[name]) for name in names if is_name(name)}
        if INPUT in names:
            arrays[INPUT] = images
        if SCORES in names:
            arrays[SCORES] = self._scores_of(run)
        return {name: arrays[name] for name in names}

    def _scores_from(
        self, image: Float[ndarray, "1 h w c"], name: str, activations: Float[ndarray, "m ..."]
    ) -> Float[ndarray, "m k"]:
        number = 0 if name == INPUT else self.graph.layers[name]
        image = np.ascontiguousarray(image, np.float32)
        values = {0: image, number: np.ascontiguousarray(activations, np.float32)}
        scores = self._scores_of(DenseRun(*self._whole, values))
        if len(scores) != len(activations):
            raise not_on_the_way(self.name, name)
        return scores

    def first_input(
        self, images: Float[ndarray, "n h w c"], names: Collection[str]
    ) -> tuple[str, ndarray] | None:
        """Run up to the first of the layers; return its name and its input."""
        for node in self.graph.nodes[1:]:
            if node.name in names:
                run = DenseRun(*self._whole, {0: np.ascontiguousarray(images, np.float32)})
                return node.name, run.of(node.inputs[0])
        return None

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs windows with numpy."""
        return Engine(self.graph, NumpyKernels, rates=RATES["numpy"])

    # What Keras does

    def _capture(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture:
        try:
            twin = self.twin
        except MissingFramework as error:
            raise MissingFramework(
                f"NumPy runs '{self.name}', but has no gradients of it: use a method without them, "
                f"such as cam or occlusion. {error}"
            ) from error
        return twin._capture(images, names, objective)

    def _twin_for(self, what: str) -> Adapter:
        """Return the twin.

        Raises:
            ModelError: its framework is not installed.
        """
        try:
            return self.twin
        except MissingFramework as error:
            raise ModelError(f"NumPy runs '{self.name}', but {what}. {error}.") from error

    def randomized(self, layers: Sequence[Any] | None = None, *, seed: int = 0) -> Network:
        """Return a copy on Keras in which layers have random weights."""
        return self._twin_for("not with random weights").randomized(layers, seed=seed)

    def computing(self, execution: Execution) -> Network:
        """Return the network on Keras, in another precision."""
        return self._twin_for("not in another precision").computing(execution)

    def with_cam(self, layer: Any, path: Path) -> WithCam:
        """Write the network as Keras does."""
        return self._twin_for("writes no networks").with_cam(layer, path)
