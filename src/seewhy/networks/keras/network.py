"""The verbs of `Network` for the Keras backends that trace and compile: TensorFlow and JAX.

Every question is a `Request`; a backend compiles each request once and keeps it, so that the second
question of a kind is only answered. What runs inside a compiled function stands here once, in
`keras.ops`; how gradients are taken is the backend's.

At an explained layer the output A goes on as A + 0, and the explained values are differentiated
by those zeros only: a backward pass stops at the layers, and no parameter has a gradient.

Axes: n image, t target, h row, w column, c channel, k class, m copy of one image, q explained
value (each class's, or only one).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.adapter import Objective
from seewhy.networks.base import INPUT, SCORES, Capture, Output, Top, Units
from seewhy.networks.checks import (
    check_one_per_image,
    is_name,
    no_relu,
    not_on_the_way,
)
from seewhy.networks.keras.attention import AttendingKeras
from seewhy.networks.keras.calls import TRACING, Around
from seewhy.networks.keras.private import backend
from seewhy.networks.keras.request import ATTENTION, ForwardTensors, Kind, Request
from seewhy.networks.keras.structure import ModelOutput
from seewhy.networks.keras.tokens import Grid
from seewhy.networks.tokens import fold_tokens, unfold_tokens

Keep = Callable[[str, Any], Any]
"""Takes a layer's name and its output, and returns the output to go on with."""

_KEPT_REQUESTS = 64
_RELUS: Mapping[str, float | None] = {"relu": None, "relu6": 6.0}


class KerasNetwork(AttendingKeras, ABC):
    """A Keras model that answers through compiled functions."""

    @cached_property
    def _compiled(self) -> OrderedDict[Request, Callable[..., Mapping[str, ndarray]]]:
        """The functions that answer requests, the latest last."""
        return OrderedDict()

    @abstractmethod
    def compile(self, request: Request) -> Callable[..., Mapping[str, ndarray]]:
        """Return the function that answers a request: f(images, *further arrays)."""

    @abstractmethod
    def guided(self, relu: Callable[[Any], Any], ceiling: float | None) -> Callable[[Any], Any]:
        """Return a ReLU with the guided rule on its backward pass.

        The gradient passes where it is positive and the output is between 0 and the ceiling.
        """

    # What an adapter does

    def _activations(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        size = images.shape[1:3]
        results = self._ask(Request(size, names), images)
        return {n: self._to_last(n, results[f"activations {n}"], size) for n in names}

    def _scores_from(
        self, image: Float[ndarray, "1 h w c"], name: str, activations: Float[ndarray, "m ..."]
    ) -> Float[ndarray, "m k"]:
        """Compute what is before the layer once, if a way around it needs that, or not at all."""
        request = Request(image.shape[1:3], kind="none", replaced=name)
        return self._ask(request, image, self._from_last(name, activations, image))["scores"]

    # Inside a compiled function

    def show(
        self, request: Request, images: Any, further: Sequence[Any], keep: Keep
    ) -> ForwardTensors:
        """Run the model once and return what the request asks for, as tensors.

        Args:
            request: the question.
            images: (n, h, w, c), or one image where a layer's output is replaced.
            further: classes (n, t), a unit's channels (n), or the replacing activations.
            keep: called with each layer's output, for the gradients.
        """
        if request.replaced is not None:
            return self._show_replaced(request.replaced, images, further[0])
        activations: dict[str, Any] = {}
        unit: list[Any] = []
        wanted = [name for name in request.layers if is_name(name) and not name.endswith(ATTENTION)]

        def note(name: str) -> Around:
            def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                output = call(*args, **kwargs)
                if name in wanted:
                    activations[name] = output
                    output = keep(name, output)
                if request.kind == "unit" and name == request.target:
                    unit.append(output)
                return output

            return around

        def note_part(name: str, tensor: Any) -> Any:
            activations[name] = tensor
            return keep(name, tensor) if name in request.differentiated else tensor

        if INPUT in request.layers:
            activations[INPUT] = images
            images = keep(INPUT, images)
        noted = [*wanted, *([request.target] if isinstance(request.target, str) else [])]
        relus: list[str] = []
        run = self.run(
            images,
            {name: note(name) for name in noted},
            backend_functions=[
                *(self._guided_places(relus) if request.guided else ()),
                *self.attention_places(request.attended, note_part),
            ],
        )
        if request.guided and not relus:
            raise no_relu(self.name, run.activations)
        if wanted and request.kind != "unit" and run.head != self.structure(request.size).head:
            # The layer is the softmax itself, or holds it: the scores are before it.
            raise not_on_the_way(self.name, wanted[-1])
        activations = {name: activations[name] for name in request.layers if name in activations}
        if SCORES in request.layers:
            activations[SCORES] = self.class_scores(run)
        if request.kind == "none":
            return ForwardTensors(None, None, None, None, activations)
        scores = self.class_scores(run)
        if request.kind in ("top", "classes"):
            values = self._class_values(run, request.output)
            classes = further[0] if further else None
            if request.kind == "top":
                best = keras.ops.top_k(scores, request.count)[1]
                classes = best if classes is None else keras.ops.concatenate([best, classes], 1)
            weights = keras.ops.one_hot(classes, values.shape[1], dtype="float32")
            return ForwardTensors(scores, classes, values, weights, activations)
        if unit:
            value = self._unit(unit[0], further[0], self._grid(str(request.target), request.size))
        else:
            value = self._called(request, run, images)
        values = keras.ops.cast(value, "float32")[:, None]
        return ForwardTensors(
            scores, None, values, keras.ops.ones_like(values)[:, None], activations
        )

    def _class_values(self, run: ModelOutput, output: Output) -> Any:
        """Return what of each class is explained (n, k): score, probability or ReST."""
        if output == "probability":
            return self.class_probabilities(run)
        scores = self.class_scores(run)
        if output == "score":
            return scores
        log = keras.ops.log_sigmoid if self.head == "sigmoid" else keras.ops.log_softmax
        return scores + log(scores)

    def _called(self, request: Request, run: ModelOutput, images: Any) -> Any:
        assert callable(request.target)
        value = request.target(run.scores if request.output == "score" else run.output)
        check_one_per_image(tuple(value.shape), images.shape[0])
        return value

    def _unit(self, output: Any, channels: Any, grid: Grid | None) -> Any:
        """Return the mean over the map of one channel of each image: (n)."""
        if self.channels_first and len(output.shape) == 4:
            output = keras.ops.moveaxis(output, 1, -1)
        output = keras.ops.cast(output, "float32")
        if grid is not None:
            output = output[:, grid.patches]
        means = keras.ops.mean(output, axis=tuple(range(1, len(output.shape) - 1)))
        return keras.ops.take_along_axis(means, channels[:, None], axis=1)[:, 0]

    def _guided_places(self, met: list[str]) -> list[tuple[Any, str, Around]]:
        def rule(name: str, ceiling: float | None) -> Around:
            def around(relu: Callable[[Any], Any], x: Any) -> Any:
                met.append(name)
                return self.guided(relu, ceiling)(x)

            return around

        rules = [(name, rule(name, ceiling)) for name, ceiling in _RELUS.items()]
        return [(owner, name, around) for owner in self.functions for name, around in rules]

    def _show_replaced(self, replaced: str, image: Any, activations: Any) -> ForwardTensors:
        met = []

        def put(name: str) -> Around:
            def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                if name == replaced:
                    met.append(name)
                    return keras.ops.cast(activations, self.structure().outputs[name][1])
                if met:
                    args, kwargs = _same_batch((args, kwargs), activations)
                return call(*args, **kwargs)

            return around

        around = {layer.name: put(layer.name) for layer in self.layers}
        try:
            # One image meets m activations: what is before or beside the layer is done once.
            scores = self.class_scores(self.run(image, around))
        except (TypeError, ValueError):
            copies = keras.ops.repeat(image, keras.ops.shape(activations)[0], axis=0)
            scores = self.class_scores(self.run(copies, around))
        if scores.shape[0] == 1 and activations.shape[0] != 1:
            raise not_on_the_way(self.name, replaced)
        return ForwardTensors(scores, None, None, None, {})

    # Around a compiled function

    def _capture(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture:
        size = images.shape[1:3]
        request, further = self._request(size, names, objective)
        results = self._ask(request, images, *further)
        return Capture(
            scores=results.get("scores"),
            targets=results.get("classes"),
            values=results["values"],
            activations={n: self._to_last(n, results[f"activations {n}"], size) for n in names},
            gradients={n: self._to_last(n, results[f"gradients {n}"], size, axis=2) for n in names},
        )

    def _request(
        self, size: tuple[int, int], names: tuple[str, ...], objective: Objective
    ) -> tuple[Request, Sequence[ndarray]]:
        kind: Kind
        targets = objective.targets
        count, further = 1, []
        target: Hashable = None
        if isinstance(targets, Top):
            kind, count = "top", min(targets.count, self.classes or 0)
            further = [] if targets.also is None else [targets.also.astype(np.int32)]
        elif isinstance(targets, Units):
            kind, target, further = "unit", targets.layer, [targets.channels.astype(np.int32)]
        elif callable(targets):
            kind, target = "callable", targets
        else:
            kind, count, further = "classes", targets.shape[1], [targets.astype(np.int32)]
        also = further[0].shape[1] if kind == "top" and further else 0
        request = Request(
            size, names, kind, count, also, target, objective.output, objective.guided
        )
        return request, further

    def _ask(self, request: Request, *arrays: ndarray) -> Mapping[str, ndarray]:
        images, further = arrays[0].astype(np.float32, copy=False), arrays[1:]
        with contextlib.nullcontext() if self.device is None else keras.device(self.device):
            return self._function(request)(images, *further)

    def _function(self, request: Request) -> Callable[..., Mapping[str, ndarray]]:
        with TRACING:
            if request not in self._compiled:
                self._compiled[request] = self.compile(request)
            self._compiled.move_to_end(request)
            while len(self._compiled) > _KEPT_REQUESTS:
                self._compiled.popitem(last=False)
            return self._compiled[request]

    def _grid(self, layer: str, size: tuple[int, ...]) -> Grid | None:
        """Return where a layer's tokens are, in images of a size; None for no tokens."""
        if layer not in self.structure().grids:
            return None
        return self.structure((size[0], size[1])).grids.get(layer)

    def _to_last(
        self, layer: str, array: ndarray, size: tuple[int, ...], *, axis: int = 1
    ) -> ndarray:
        """Return a layer's channels last: moved there from an axis, and tokens folded."""
        grid = self._grid(layer, size)
        if grid is not None:
            return fold_tokens(array, grid=(grid.rows, grid.columns), prefix=grid.prefix)
        if self.channels_first and layer != INPUT and array.ndim == axis + 3:
            return np.ascontiguousarray(np.moveaxis(array, axis, -1))
        return array

    def _from_last(self, layer: str, array: ndarray, image: Float[ndarray, "1 h w c"]) -> ndarray:
        """Undo `_to_last`; tokens without a place are the layer's own."""
        size = image.shape[1:3]
        grid = self._grid(layer, size)
        if grid is not None:
            own = self._ask(Request(size, (layer,)), image)[f"activations {layer}"]
            return unfold_tokens(array, own, prefix=grid.prefix)
        if self.channels_first and array.ndim == 4:
            return np.ascontiguousarray(np.moveaxis(array, -1, 1))
        return array


def _same_batch(arguments: Any, like: Any) -> Any:
    """Repeat tensors of one image where others among the arguments have as many as `like`."""

    def batch(leaf: Any) -> Any:
        return leaf.shape[0] if backend.is_tensor(leaf) and len(leaf.shape) else "none"

    if {batch(leaf) for leaf in keras.tree.flatten(arguments)} <= {1, "none"}:
        return arguments
    copies = keras.ops.shape(like)[0]

    def repeat(leaf: Any) -> Any:
        return keras.ops.repeat(leaf, copies, axis=0) if batch(leaf) == 1 else leaf

    return keras.tree.map_structure(repeat, arguments)
