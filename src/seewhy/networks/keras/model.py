"""What the three Keras backends share: layers by name, one run of a model, its scores and head.

Axes: n image, h row, w column, c channel, k class. "Tensor" is one of the backend's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

import keras
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError, SeewhyError
from seewhy.incremental import Graph
from seewhy.networks.base import Head, Layer
from seewhy.networks.checks import check_input_shape, no_map
from seewhy.networks.execution import EXACT, Execution
from seewhy.networks.keras import ending
from seewhy.networks.keras.batches import BatchWatch
from seewhy.networks.keras.calls import TRACING, Around, Recorder, wrapped
from seewhy.networks.keras.cam import layers_after, linear_map, may_be_linear
from seewhy.networks.keras.copying import copied, learned_weights, no_copy
from seewhy.networks.keras.fast.lowering import lower
from seewhy.networks.keras.fast.narrowing import Place, cast_all, casting_places
from seewhy.networks.keras.filters import filters_of
from seewhy.networks.keras.private import backend, inner_layers, learns
from seewhy.networks.keras.structure import (
    FAILURES,
    ModelOutput,
    ModelStructure,
    before_scores,
    channels_by_trial,
    channels_first,
    check_inputs,
    input_shape,
    moves,
    structure_of,
    walk,
)
from seewhy.networks.keras.tokens import TokenGrids, first_that_matters
from seewhy.networks.keras.writing import WritableModel
from seewhy.networks.linear import LinearMap
from seewhy.networks.random_weights import LearnedWeight
from seewhy.networks.trying import NeedsCompany
from seewhy.networks.weights import FilterBank, Moments
from seewhy.photos.preprocessing import Preprocess

_SIZE_FOR_ANY = 224


class KerasModel(WritableModel):
    """A Keras model with its layers by name; knows nothing of gradients.

    Attributes:
        model, name: the user's model, and how messages name it.
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
        check_inputs(model, name, call)
        self.call, self.is_pair = call, is_pair
        self._size = size or (_SIZE_FOR_ANY, _SIZE_FOR_ANY)
        self.channels_first = channels_first(operation for _, operation in walk(model))
        shape = input_shape(model, is_channels_first=self.channels_first)
        if size is not None and channels is None and shape[2] is None:
            channels = channels_by_trial(name, size, self._try)
        self.input_shape = check_input_shape(name, shape, size, channels)
        self._build()
        self.operations = dict(walk(model))
        self._structures: dict[tuple[int, int], ModelStructure] = {}
        self._matters: str | None = None
        self._ends_in: Head | None = None
        self._execution = EXACT
        self._casts: list[Place] = []

    def _parts(self) -> Mapping[str, Any]:
        return self.operations

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
            is_map = len(structure.output_shape) > 1
            before = before_scores(structure, self.layers_with_weights()) if is_map else None
            return before or structure.default_layer
        self._matters = self._matters or first_that_matters(self, structure.candidates)
        return self._matters

    @property
    def head(self) -> Head:
        """What the output ends in; that of two classes, where the user names two labels."""
        structure = self.structure()
        ending = self._ending()
        if ending != "linear":
            return ending
        is_logit = structure.classes == 2 and structure.output_shape == (1,)
        return "sigmoid" if is_logit else structure.head

    @property
    def classes(self) -> int | None:
        """How many classes there are: 2 for one sigmoid output, 1 for one without."""
        is_pair = self._ending() == "sigmoid" and self.structure().output_shape == (1,)
        return 2 if is_pair else self.structure().classes

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape per image; () for several outputs."""
        return self.structure().output_shape

    @property
    def image_size(self) -> tuple[int, int]:
        """The size of the images that the network takes; the one given, where it takes any."""
        height, width = self.input_shape[:2]
        return height or self._size[0], width or self._size[1]

    def weight_arrays(self) -> Iterator[Any]:
        """Yield all weights, those that are not trained too, in Keras's order."""
        for variable in self.model.weights:
            yield keras.ops.convert_to_numpy(variable)

    def may_move(self, layer: str) -> bool:
        """True where rows and columns may not be those of the photo: crops, pads, reshapes."""
        return moves(self.model, self.operations, self.structure(), layer)

    def filters(self, layer: Any) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution; two sets of a separable one."""
        name = self.layer_name(layer)
        return filters_of(self.operations.get(name)) or self._no_filters(name)

    def layers_with_weights(self) -> list[str]:
        """Name the innermost layers that learn, frozen or not."""
        return [
            name
            for name, layer in self.operations.items()
            if isinstance(layer, keras.layers.Layer) and learns(layer) and not inner_layers(layer)
        ]

    def remembered(self) -> dict[str, Moments]:
        """Return the stored mean and variance of every batch normalization, by its layer's name."""
        return ending.remembered(self.operations)

    def first_input(
        self, images: Float[ndarray, "n h w c"], names: Collection[str]
    ) -> tuple[str, ndarray] | None:
        """Run the model up to the first of the layers; return its name and its input."""
        return ending.first_input(self, images, names)

    def published(self) -> tuple[Preprocess, str] | None:
        """Return the mode that the model's family was published with, and how this is known."""
        return ending.published(self.operations)

    def _learned_weights(self) -> Iterator[LearnedWeight]:
        return learned_weights(self.model, self.operations)

    def _copied(self) -> KerasModel:
        made = type(self)(
            copied(self.model, name=self.name),
            size=self.image_size,
            channels=self.input_shape[2],
            name=self.name,
            call=self.call,
            is_pair=self.is_pair,
        )
        pairs = [[(layer.name, layer.shape) for layer in each.layers] for each in (made, self)]
        if pairs[0] != pairs[1]:
            raise no_copy(self.name, "the copy has other layers")
        return made

    def graph(self, size: tuple[int, int]) -> Graph:
        """Return the model as a graph that can be re-run where a patch changed its input.

        Raises:
            ModelError: it cannot be read, see `lower`.
        """
        ending.check_graph(self.name, self.call, self._ending())
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
            try:
                output = self._answer(images)
            except FAILURES as error:
                if isinstance(error, SeewhyError) or not self._structures or images.shape[0] != 1:
                    raise
                raise NeedsCompany from error
            if self._casts:
                output = cast_all(output, "bfloat16", "float32")
        known = self._structures.get(tuple(images.shape[1:3]))
        if known is not None and images.shape[0] == 1:
            ending.check_axes(output, known.output_shape)
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
        if self._ends_in in ("sigmoid", "softmax"):
            scores = ending.as_scores(scores, self._ends_in)
        is_logit = (
            self._ends_in == "sigmoid"
            or run.head == "sigmoid"
            or (run.head == "linear" and self.is_pair)
        )
        if is_logit and scores.shape[1] == 1:
            scores = keras.ops.concatenate([-scores, scores], axis=1)
        return scores

    def _ending(self) -> Head:
        """Return what the output itself is: "sigmoid" or "softmax" of scores that are not there."""
        if self._ends_in is None:
            self._ends_in = "linear"
            self._ends_in = ending.ending(self)
            self.__dict__.pop("_compiled", None)  # scores mean something else now
        return self._ends_in

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
        # Two, as a model that squeezes its tensors means something else with one.
        return keras.KerasTensor((2, height, width, self.input_shape[2]), dtype="float32")

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
        calls: list[tuple[str, Any]] = []
        watch = BatchWatch()

        def note(name: str) -> Around:
            def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                output = call(*args, **kwargs)
                calls.append((name, output))
                watch.note(self.operations[name], kwargs)
                return output

            return around

        structures: list[ModelStructure] = []

        def look(images: Any) -> Any:
            calls.clear()
            tokens = TokenGrids()
            around = {name: note(name) for name in self.operations}
            run = self.run(images, around, backend_functions=tokens.places() + watch.places())
            scores = self.class_scores(run)
            classes = None if scores is None else int(scores.shape[1])
            structures.append(
                structure_of(
                    self.operations,
                    run,
                    calls,
                    tokens,
                    classes=classes,
                    is_channels_first=self.channels_first,
                )
            )
            return images

        backend.compute_output_spec(look, self._image(height, width))
        return replace(structures[-1], **vars(watch))
