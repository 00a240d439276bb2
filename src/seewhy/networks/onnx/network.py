"""The adapter of ONNX files: scores and maps from onnxruntime, gradients by onnx2torch.

Axes: n image, t target, h row, w column, c channel, k class, m copy of one image.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import LayerError, ModelError, NotFinite
from seewhy.networks.adapter import Adapter, Objective
from seewhy.networks.base import (
    INPUT,
    SCORES,
    Capture,
    Head,
    Layer,
    Network,
    Units,
)
from seewhy.networks.checks import (
    by_ending,
    check_ending,
    check_input_shape,
    check_input_size,
    explained_classes,
    is_name,
    unknown_layer,
)
from seewhy.networks.execution import Execution
from seewhy.networks.linear import LinearMap, for_classes
from seewhy.networks.onnx.differentiating import Converted, Explained, Sample, Unit
from seewhy.networks.onnx.graph import TO_FIRST, TO_LAST, Axes, Graph
from seewhy.networks.onnx.reading import import_onnx
from seewhy.networks.onnx.session import Runner
from seewhy.networks.onnx.writing import model_with_cam, outputs_of
from seewhy.networks.weights import WithCam

SIZE_FOR_ANY = 224
"""The side of the images that layers are listed for, where any size will do."""

MOST_RUNNERS = 8
"""Parts of the graph that are kept ready to run."""


MOVING_OPERATORS = frozenset({"Transpose", "MaxPool", "AveragePool", "Pad", "Cast", "Identity"})
"""Operators that only move or pool a map: the one before them is explained."""


class OnnxNetwork(Adapter):
    """A network in an ONNX file.

    Args:
        model: the `ModelProto`.
        size: height and width of its images; None: as the file fixes them.
        channels: of its images; None: as the file fixes them, or found by trial.
        name: in messages.
        call: None; it is for networks in Python.
        is_pair: whether a single output without a sigmoid is the logit of two classes.
    """

    framework = "onnxruntime"

    def __init__(
        self,
        model: Any,
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        name: str,
        call: Any = None,
        is_pair: bool = False,
    ) -> None:
        if call is not None:
            raise ModelError(f"call=... is for networks in Python; '{name}' is an ONNX file.")
        self.name, self.model, self.is_pair = name, model, is_pair
        self.graph = Graph(model, name=name)
        self._lock = RLock()
        self._runners: OrderedDict[tuple[Any, ...], Runner] = OrderedDict()
        self._modules: dict[tuple[str, str], Any] = {}
        self.one_by_one = self.graph.image_dims[0] == 1
        self.axes, depth, self._blank = self._tried(size, channels)
        self.input_shape = check_input_shape(
            name, (*self.graph.size_of(self.axes), depth), size=size, channels=channels
        )

    def _tried(
        self, size: tuple[int, int] | None, channels: int | None
    ) -> tuple[Axes, int, dict[str, tuple[np.dtype[Any], tuple[int, ...]]]]:
        """Return the axes and channels with which the network runs, and its tensors' types."""
        refused: ModelError | None = None
        for axes, number in self.graph.likely_axes(channels):
            height, width = self.graph.size_of(axes)
            side = size or (SIZE_FOR_ANY, SIZE_FOR_ANY)
            shape = (height or side[0], width or side[1], number)
            check_input_size(self.name, shape[:2], number)
            names = tuple(tensor.name for tensor in self.graph.tensors(axes))
            for batch in (1,) if self.one_by_one else (2, 1):
                try:
                    arrays = self._run(names, np.zeros((batch, *shape), np.float32), axes)
                except ModelError as error:
                    refused = error
                    continue
                self.one_by_one = batch == 1
                types = {name: (array.dtype, array.shape) for name, array in arrays.items()}
                return axes, number, types
        assert refused is not None
        raise refused

    # What the file says of the network

    @cached_property
    def _maps(self) -> dict[str, Axes]:
        """The axes of each tensor that may be a map."""
        tensors = self.graph.tensors(self.axes)
        return {tensor.name: tensor.axes for tensor in tensors if tensor.axes is not None}

    @cached_property
    def layers(self) -> Sequence[Layer]:
        """What operators compute of each image, in order: maps, and vectors."""
        batch = 1 if self.one_by_one else 2
        listed = []
        for tensor in self.graph.tensors(self.axes):
            dtype, shape = self._blank[tensor.name]
            is_of_images = dtype.kind == "f" and len(shape) > 1 and shape[0] == batch
            if is_of_images and (len(shape) != 4 or tensor.axes is not None):
                if tensor.axes == "nchw" and len(shape) == 4:
                    shape = tuple(shape[axis] for axis in TO_LAST)
                listed.append(Layer(tensor.name, tensor.kind, shape[1:]))
        return tuple(listed)

    @cached_property
    def default_layer(self) -> str:
        """The last map before the scores; the input where there is none."""
        spatial = [
            layer.name
            for layer in self.layers
            if layer.is_spatial and layer.kind not in MOVING_OPERATORS
        ]
        return spatial[-1] if spatial else INPUT

    @property
    def head(self) -> Head:
        """What the output ends in."""
        ending = self.graph.scores[1]
        return "sigmoid" if self.is_pair and ending == "linear" and self._width == 1 else ending

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the scores per image."""
        shape = self._blank[self.graph.scores[0]][1][1:]
        return shape[:1] if len(shape) > 1 and math.prod(shape[1:]) == 1 else shape

    @property
    def _width(self) -> int | None:
        """How many numbers the output has per image; None where it is not one row."""
        shape = self.output_shape
        return None if len(shape) > 1 else math.prod(shape)

    @property
    def classes(self) -> int | None:
        """How many classes there are: 2 for one sigmoid output, 1 for one without."""
        if self._width == 1:
            return 2 if self.head == "sigmoid" else 1
        return self._width

    @property
    def image_size(self) -> tuple[int, int]:
        """The size of the images that layers are listed for."""
        height, width, _ = self.input_shape
        return height or SIZE_FOR_ANY, width or SIZE_FOR_ANY

    def layer_name(self, layer: Any) -> str:
        """Return the name of a tensor, given by it, its unique end, or its operator's name."""
        name = str(layer)
        known = [known_layer.name for known_layer in self.layers]
        if name == INPUT or name in known:
            return name
        tensors = {
            tensor.node: tensor.name for tensor in self.graph.tensors(self.axes) if tensor.node
        }
        tensor_name = by_ending(name, known) or tensors.get(name)
        if tensor_name not in known:
            raise unknown_layer(self.name, name, self.layers)
        return str(tensor_name)

    def _layers_after(self, layer: str) -> Sequence[Layer]:
        name = self.graph.image.name if layer == INPUT else layer
        return [Layer(node.output[0], node.op_type, ()) for node in self.graph.nodes_after(name)]

    def _linear_map(self, layer: str) -> LinearMap | None:
        weights_and_bias = self.graph.linear(layer)
        return (
            None
            if weights_and_bias is None
            else for_classes(*weights_and_bias, classes=self.classes)
        )

    def _tolerance(self) -> float:
        return 1e-3

    def layers_with_weights(self) -> list[str]:
        """Name the tensors that are computed with weights of the file."""
        weights = set(self.graph.constants)
        nodes = self.graph.model.graph.node
        return [node.output[0] for node in nodes if weights & set(node.input[1:])]

    def computing(self, execution: Execution) -> Network:
        """Refuse other precisions: a file has its own."""
        raise ModelError("An ONNX network computes in the precision of its file.")

    def with_cam(self, layer: Any, path: Path) -> WithCam:
        """Write an ONNX file whose last output are CAM's maps of all classes."""
        check_ending(self.name, path, ".onnx")
        (name,) = self._names([layer])
        axes: Axes = self._maps.get(name, "nhwc")
        model = model_with_cam(self.graph, name, axes, self.class_weights(name))
        path.write_bytes(model.SerializeToString())
        turned = partial(self._image, axes=self.axes)
        return WithCam(
            outputs_of(path.read_bytes(), turned, name=str(path), axes=axes),
            outputs_of(self.model.SerializeToString(), turned, name=self.name),
        )

    def weight_arrays(self) -> Iterator[ndarray]:
        """Yield all weights, in the file's order."""
        onnx, _ = import_onnx()
        for weight in self.model.graph.initializer:
            yield np.asarray(onnx.numpy_helper.to_array(weight))

    # Running

    def _runner(self, names: tuple[str, ...]) -> Runner:
        with self._lock:
            if names not in self._runners:
                content = self.graph.with_outputs(dict.fromkeys([*names, self.graph.scores[0]]))
                self._runners[names] = self._new_runner(content)
            self._runners.move_to_end(names)
            return self._runners[names]

    def _new_runner(self, content: bytes) -> Runner:
        if len(self._runners) >= MOST_RUNNERS:
            self._runners.popitem(last=False)
        return Runner(content, name=self.name, one_by_one=self.one_by_one, device=self.device)

    def _image(self, images: Float[ndarray, "n h w c"], axes: Axes) -> ndarray:
        turned = images.transpose(TO_FIRST) if axes == "nchw" else images
        kind = self.graph.image_type
        if kind == np.uint8:
            turned = turned.round().clip(0, 255)
        return np.ascontiguousarray(turned, kind)

    def _run(
        self, names: tuple[str, ...], images: Float[ndarray, "n h w c"], axes: Axes
    ) -> dict[str, ndarray]:
        """Return tensors in the file's own axes, and the scores as their last."""
        arrays = self._runner(names).run({self.graph.image.name: self._image(images, axes)})
        return {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in arrays.items()
        }

    def _scores(self, raw: ndarray) -> Float[ndarray, "n k"]:
        """Return class scores (n, k) from the tensor of scores; one output z gives −z and z."""
        rows = raw.reshape(len(raw), -1)
        if rows.shape[1] == 1 and self.classes == 2:
            rows = np.concatenate([-rows, rows], axis=1)
        return np.asarray(rows, np.float32)

    def _activations(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        wanted = tuple(name for name in names if is_name(name))
        outputs = self._run(wanted, images, self.axes)
        arrays = {name: self._to_last(name, outputs[name]) for name in wanted}
        if INPUT in names:
            arrays[INPUT] = images
        if SCORES in names:
            arrays[SCORES] = self._scores(outputs[self.graph.scores[0]])
        return {name: arrays[name] for name in names}

    def _to_last(self, name: str, array: ndarray) -> ndarray:
        turn = array.ndim == 4 and self._maps.get(name) == "nchw"
        return np.ascontiguousarray(array.transpose(TO_LAST)) if turn else array

    def _from_last(self, name: str, array: ndarray) -> ndarray:
        turn = array.ndim == 4 and self._maps.get(name) == "nchw"
        return np.ascontiguousarray(array.transpose(TO_FIRST) if turn else array, np.float32)

    def _scores_from(
        self, image: Float[ndarray, "1 h w c"], name: str, activations: Float[ndarray, "m ..."]
    ) -> Float[ndarray, "m k"]:
        if name == INPUT:
            return self._activations(activations, (SCORES,))[SCORES]
        with self._lock:
            key = ("after", name)
            given = self._from_last(name, activations)
            if key not in self._runners:
                content, _ = self.graph.from_tensor(name, given.shape[1:])
                self._runners[key] = self._new_runner(content)
            runner = self._runners[key]
        copies = np.repeat(self._image(image, self.axes), len(given), axis=0)
        outputs = runner.run({name: given, self.graph.image.name: copies})
        return self._scores(outputs[self.graph.scores[0]])

    # Gradients

    @cached_property
    def has_gradients(self) -> bool:
        """Whether onnx2torch converts the part after the explained layer, and rightly."""
        if self.classes is None:
            return False
        zeros = np.zeros((1, 1), np.int64)
        try:
            self.activations_and_gradients(self._noise()[:1], [self.default_layer], zeros)
        except (LayerError, NotFinite):
            return False
        return True

    @cached_property
    def _converted(self) -> Converted:
        """The parts of the graph as PyTorch modules."""
        return Converted(self.graph, one_by_one=self.one_by_one)

    def _capture(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture:
        targets = objective.targets
        if objective.guided:
            raise LayerError(
                f"'{self.name}' is an ONNX network, in whose copy ReLUs cannot be guided. Use a "
                "method without 'guided', such as saliency."
            )
        unit = None
        if isinstance(targets, Units):
            turned = self._maps.get(targets.layer) == "nchw"
            unit = Unit(targets.layer, targets.channels, axis=1 if turned else -1)
        with_scores = self.classes is not None and unit is None
        activations = self._activations(images, (*names, *([SCORES] if with_scores else [])))
        scores = activations.pop(SCORES, None)
        classes = explained_classes(targets, scores)
        asked = Explained(
            classes=classes,
            target=targets if callable(targets) else None,
            output=objective.output,
            head=self.head,
            is_pair=self.classes == 2 and self._width == 1,
            unit=unit,
        )
        image = self._image(images, self.axes)
        gradients, values = {}, None
        for name in names or (INPUT,):
            start = image if name == INPUT else self._from_last(name, activations[name])
            gradient, values = self._converted.gradients(
                None if name == INPUT else name,
                start,
                image,
                asked,
                check=self._check(name, asked.end),
            )
            if name in names:
                turn = (self.axes if name == INPUT else self._maps.get(name)) == "nchw"
                gradients[name] = (
                    gradient.transpose(0, 1, 3, 4, 2) if turn and gradient.ndim == 5 else gradient
                )
        assert values is not None
        return Capture(
            scores=scores,
            targets=classes,
            values=values,
            activations={name: activations[name] for name in names},
            gradients=gradients,
        )

    def _check(self, name: str, end: str | None) -> Callable[[], Sample]:
        """Return the function that runs two images in onnxruntime, to compare a module with."""

        def sample() -> Sample:
            noise = self._noise()
            names = tuple(
                tensor for tensor in (name, end) if tensor is not None and is_name(tensor)
            )
            outputs = self._run(names, noise, self.axes)
            image = self._image(noise, self.axes)
            return Sample(image, outputs.get(name, image), outputs[end or self.graph.scores[0]])

        return sample
