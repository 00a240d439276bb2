"""What the three Keras backends share: layers by name, one run of a model, its scores and head.

Axes: n image, h row, w column, c channel, k class. "Tensor" is one of the backend's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

import keras

from seewhy.errors import ModelError, UnknownLayer
from seewhy.incremental import Graph
from seewhy.networks.adapter import Adapter
from seewhy.networks.base import INPUT, FilterBank, Head, Layer
from seewhy.networks.checks import by_ending, check_input_shape, no_map, unknown_layer
from seewhy.networks.execution import EXACT, Execution
from seewhy.networks.keras import normalizations, randomizing
from seewhy.networks.keras.calls import TRACING, Around, Recorder, wrapped
from seewhy.networks.keras.cam import layers_after, linear_map, may_be_linear
from seewhy.networks.keras.fast.lowering import lower
from seewhy.networks.keras.fast.narrowing import Place, cast_all, casting_places
from seewhy.networks.keras.filters import keras_filters
from seewhy.networks.keras.private import backend
from seewhy.networks.keras.published import published
from seewhy.networks.keras.structure import (
    ModelOutput,
    ModelStructure,
    channels_by_trial,
    channels_first,
    input_shape,
    walk,
)
from seewhy.networks.keras.tokens import Grid, TokenGrids, first_that_matters
from seewhy.networks.linear import LinearMap

_NOT_EXPLAINED = ("Pool", "Dropout", "Pad", "Cropping", "EinsumDense", "Softmax")
"""Kinds that are never the default: what shrinks or pads a map, and the heads of attention."""
_SIZE_FOR_ANY = 224


class KerasModel(Adapter):
    """A Keras model with its layers by name; knows nothing of gradients.

    Attributes:
        model: the user's model.
        name: for messages.
        input_shape: height, width (None: any) and channels.
        call: how the model is called, call(model, images); None: with images alone.
        operations: every layer and operation by its path ('resnet50/conv5_block3_out'), called
            or not. If two have the same name in one model, the second gets '#2'.
        channels_first: True where the model's own maps are (n, c, h, w).
    """

    functions: ClassVar[tuple[Any, ...]] = (backend.nn,)
    """The modules whose softmax, sigmoid and ReLU a model may call."""

    def __init__(
        self,
        model: Any,
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        name: str,
        call: Callable[[Any, Any], Any] | None = None,
        is_pair: bool = False,
    ) -> None:
        self.model = model
        self.name = name
        if not isinstance(model, keras.layers.Layer):
            raise ModelError(f"a {type(model).__name__} is no Keras model. Give a keras.Model")
        self.call, self.is_pair = call, is_pair
        self._size = size or (_SIZE_FOR_ANY, _SIZE_FOR_ANY)
        self.channels_first = channels_first(operation for _, operation in walk(model))
        found = input_shape(model, is_channels_first=self.channels_first)
        if size is not None and channels is None and found[2] is None:
            channels = channels_by_trial(name, size, self._try)
        self.input_shape = check_input_shape(name, found, size, channels)
        self._build()
        self.operations = dict(walk(model))
        self._paths = {id(operation): path for path, operation in self.operations.items()}
        self._structures: dict[tuple[int, int], ModelStructure] = {}
        self._matters: str | None = None
        self._execution = EXACT
        self._casts: list[Place] = []

    remembered = normalizations.remembered
    layers_with_weights = normalizations.layers_with_weights
    first_input = normalizations.first_input
    published = published
    randomized = randomizing.randomized

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that are called, in the order in which their calls end."""
        return self.structure().layers

    @property
    def default_layer(self) -> str:
        """The last layer with a spatial map before pooling or flattening.

        In transformers, the last whose patches still reach the score: see `tokens`.
        """
        structure = self.structure()
        if structure.default_layer is None:
            raise no_map(self.name)
        if structure.default_layer not in structure.grids:
            return structure.default_layer
        if self._matters is None:
            self._matters = first_that_matters(self, structure.candidates)
        return self._matters

    @property
    def head(self) -> Head:
        """What the output ends in; that of two classes, where the user names two labels."""
        structure = self.structure()
        is_logit = structure.classes == 2 and structure.output_shape == (1,)
        return "sigmoid" if is_logit else structure.head

    @property
    def classes(self) -> int | None:
        """How many classes there are: 2 for one sigmoid output, 1 for one without."""
        return self.structure().classes

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape per image; () for several outputs."""
        return self.structure().output_shape

    @property
    def image_size(self) -> tuple[int, int]:
        """The size of the images that the network takes; the one given, where it takes any."""
        height, width = self.input_shape[:2]
        return height or self._size[0], width or self._size[1]

    def layer_name(self, layer: Any) -> str:
        """Return the path of a layer that is given by its path, its unique end, or as an object.

        Raises:
            UnknownLayer: the model has no such layer.
        """
        if isinstance(layer, str):
            if layer in self.operations or layer == INPUT:
                return layer
            ending = by_ending(layer, self.operations)
            if ending is None:
                raise self.unknown_layer(layer)
            return ending
        if id(layer) in self._paths:
            return self._paths[id(layer)]
        raise self.unknown_layer(getattr(layer, "name", repr(layer)))

    def unknown_layer(self, layer: str) -> UnknownLayer:
        """Say that there is no such layer, and what is near."""
        return unknown_layer(self.name, layer, self.layers)

    def weight_arrays(self) -> Iterator[Any]:
        """Yield all weights, those that are not trained too, in Keras's order."""
        for variable in self.model.weights:
            yield keras.ops.convert_to_numpy(variable)

    def filters(self, layer: Any) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution; two sets of a separable one."""
        name = self.layer_name(layer)
        layer = self.operations.get(name)

        def numbers(variable: Any) -> Any:
            return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable) + 0)

        return keras_filters(self.name, name, layer, self.layers, numbers)

    def graph(self, size: tuple[int, int]) -> Graph:
        """Return the model as a graph that can be re-run where a patch changed its input.

        Raises:
            ModelError: it cannot be read, see `lower`.
        """
        if self.call is not None:
            raise ModelError(
                f"'{self.name}' is called by a function of yours; a Keras model can be re-run "
                "window by window only where it is called with images alone."
            )
        graph = lower(self.model, size=size)
        is_pair = self.classes == 2 and self.output_shape == (1,)
        return replace(graph, pair_scores=is_pair)

    def computing(self, execution: Execution) -> KerasModel:
        """Return the same network in another precision: see `Network`."""
        made = copy(self)
        for cached in ("_compiled", "_kernels", "_spreads"):
            made.__dict__.pop(cached, None)
        made._structures = {}
        made._execution = execution
        if execution.precision == "bfloat16":
            self._check_units()
            made._casts = self._narrowing_places()
        return made

    @abstractmethod
    def _check_units(self) -> None:
        """Raise a ModelError where bfloat16 would not be faster."""

    def _narrowing_places(self) -> list[Place]:
        return casting_places(self.operations, self.layers)

    def structure(self, size: tuple[int, int] | None = None) -> ModelStructure:
        """Return what an abstract run at a size shows; at the network's own if none is given."""
        height, width = (
            own or given
            for own, given in zip(self.input_shape[:2], size or self._size, strict=True)
        )
        with TRACING:
            if (height, width) not in self._structures:
                self._structures[height, width] = self._look(height, width)
        return self._structures[height, width]

    def run(
        self,
        images: Any,
        around: Mapping[str, Around],
        *,
        backend_functions: Sequence[tuple[Any, str, Around]] = (),
    ) -> ModelOutput:
        """Run the model once, with wrapped layers, in inference mode.

        Args:
            images: a tensor (n, h, w, c).
            around: by layer name, what wraps its call.
            backend_functions: further places to wrap, as `wrapped` takes them.
        """
        recorder = Recorder()
        places = list(self._casts)
        for name, stand in around.items():
            operation = self.operations[name]
            places.append((operation, "call", stand))
            if getattr(operation, "quantization_mode", None) is not None:
                places.append((operation, "quantized_call", stand))
        with wrapped([*places, *recorder.places(self.functions), *backend_functions]):
            output = self._answer(images)
            if self._casts:
                output = cast_all(output, "bfloat16", "float32")
        heads: list[Head] = []

        def take_off(tensor: Any) -> Any:
            head, scores = recorder.take_off(tensor)
            heads.append(head)
            return scores

        scores = keras.tree.map_structure(take_off, output)
        head = heads[0] if len(heads) == 1 else "linear"
        return ModelOutput(output, scores, head, tuple(recorder.activations))

    def class_scores(self, run: ModelOutput) -> Any:
        """Return a run's scores as one float32 tensor (n, k); None where there are no classes.

        One output z of two classes becomes −z and z.
        """
        scores = run.scores
        if keras.tree.is_nested(scores) or len(scores.shape) != 2:
            return None
        scores = keras.ops.cast(scores, "float32")
        is_logit = run.head == "sigmoid" or (run.head == "linear" and self.is_pair)
        if is_logit and scores.shape[1] == 1:
            scores = keras.ops.concatenate([-scores, scores], axis=1)
        return scores

    def class_probabilities(self, run: ModelOutput) -> Any:
        """Return the probabilities (n, k) of a run: sigmoid of the scores, or else softmax."""
        scores = self.class_scores(run)
        if self.head == "sigmoid":
            return keras.ops.sigmoid(scores)
        return keras.ops.softmax(scores, axis=-1)

    def _layers_after(self, layer: str) -> Sequence[Layer]:
        return layers_after(self.layers, layer)

    def _linear_map(self, layer: str) -> LinearMap | None:
        return linear_map(self.operations.get(layer), classes=self.classes)

    def _may_be_linear(self, layer: str) -> bool:
        return may_be_linear(self.operations, self._layers_after(layer))

    def _tolerance(self) -> float:
        kinds = {dtype for _, dtype in self.structure().outputs.values()}
        return 0.1 if "bfloat16" in kinds else 0.02 if "float16" in kinds else 1e-3

    def _image(self, height: int | None, width: int | None) -> Any:
        shape = (1, height, width, self.input_shape[2])
        return keras.KerasTensor(shape, dtype="float32")

    def _build(self) -> None:
        """Give a model that was never called its weights, as its first call would."""
        if self.model.built:
            return
        height, width = self.image_size
        if isinstance(self.model, keras.Sequential):
            maps = (self.input_shape[2], height, width)
            self.model.build((None, *(maps if self.channels_first else (*maps[1:], maps[0]))))
        else:
            backend.compute_output_spec(self._answer, self._image(height, width))

    def _try(self, size: tuple[int, int], channels: int) -> None:
        self.input_shape = (*size, channels)
        self._build()
        backend.compute_output_spec(self._answer, self._image(*size))

    def _answer(self, images: Any) -> Any:
        if self.channels_first:
            images = keras.ops.transpose(images, (0, 3, 1, 2))
        if self.call is None:
            return self.model(images, training=False)
        return self.call(self.model, images)

    def _look(self, height: int, width: int) -> ModelStructure:
        answers: list[tuple[str, Any]] = []

        def note(name: str) -> Around:
            def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                answer = call(*args, **kwargs)
                answers.append((name, answer))
                return answer

            return around

        found: list[ModelStructure] = []

        def look(images: Any) -> Any:
            answers.clear()
            tokens = TokenGrids()
            around = {name: note(name) for name in self.operations}
            run = self.run(images, around, backend_functions=tokens.places())
            found.append(self._structure_of(run, answers, tokens))
            return images

        backend.compute_output_spec(look, self._image(height, width))
        return found[-1]

    def _structure_of(
        self, run: ModelOutput, answers: Sequence[tuple[str, Any]], tokens: TokenGrids
    ) -> ModelStructure:
        names = [name for name, _ in answers]
        last = {name: place for place, name in enumerate(names)}
        layers, outputs, default = [], {}, None
        grids: dict[str, Grid] = {}
        candidates: list[str] = []
        seen: set[int] = set()
        for place, (name, answer) in enumerate(answers):
            fresh, spec = id(answer) not in seen, _spec(answer)
            seen.add(id(answer))
            if last[name] != place:
                continue
            shape = () if spec is None else spec[0][1:]
            if self.channels_first and len(shape) == 3:
                shape = (*shape[1:], shape[0])
            grid = None if spec is None else tokens.of(spec[0])
            if grid is not None:
                grids[name] = grid
                shape = (grid.rows, grid.columns, shape[1])
            kind = type(self.operations[name]).__name__
            layer = Layer(name, kind, shape, names.count(name))
            layers.append(layer)
            if spec is not None:
                outputs[name] = spec
            # A nested model, a dropout or an identity hands on the very tensor of another layer.
            plain = fresh and not any(word in kind for word in _NOT_EXPLAINED)
            if plain and layer.is_spatial and layer.calls == 1:
                default = name
                if grid is None or not isinstance(self.operations[name], keras.layers.Dense):
                    candidates.append(name)
        scores = self.class_scores(run)
        nested = keras.tree.is_nested(run.output)
        return ModelStructure(
            layers=tuple(layers),
            outputs=outputs,
            default_layer=default,
            grids=grids,
            candidates=tuple(reversed(candidates)),
            head=run.head,
            classes=None if scores is None else int(scores.shape[1]),
            output_shape=() if nested else tuple(run.output.shape)[1:],
        )


def _spec(answer: Any) -> tuple[tuple[int, ...], str] | None:
    """Return shape and dtype of a layer's answer if it is one tensor for one image."""
    shape = getattr(answer, "shape", None)
    if shape is None or len(shape) < 2 or shape[0] != 1 or any(side is None for side in shape):
        return None
    return tuple(int(side) for side in shape), backend.standardize_dtype(answer.dtype)
