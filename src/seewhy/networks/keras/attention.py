"""Attention of Keras's `MultiHeadAttention`, seen inside a run: weights, queries, keys, values.

The layer's `_compute_attention`, which its makers let users override, is asked for its weights, so
that it computes them in the open. Each part is a tensor with a name of its own ('mha:weights'), for
which a request asks as for a layer's output.

Axes: n image, h head, q query, k key, d channel of a head.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import Attention, Grid
from seewhy.errors import LayerError
from seewhy.networks.adapter import Objective
from seewhy.networks.attending import AttendingAdapter, See
from seewhy.networks.base import Capture
from seewhy.networks.keras.calls import Around
from seewhy.networks.keras.model import KerasModel
from seewhy.networks.keras.private import FOR_WEIGHTS, attention_softmax, backend, shows_weights
from seewhy.networks.keras.request import ATTENTION, Request

_BYTES_AT_ONCE = 2**30
"""Bytes of weights and gradients that one pass may return; more are split by layers."""


class AttendingKeras(KerasModel, AttendingAdapter):
    """A Keras model that shows its attention through compiled functions."""

    @abstractmethod
    def _ask(self, request: Request, *arrays: ndarray) -> Mapping[str, ndarray]:
        """Answer a request."""

    @abstractmethod
    def _request(
        self, size: tuple[int, int], names: tuple[str, ...], objective: Objective
    ) -> tuple[Request, Sequence[ndarray]]:
        """Return a request with targets, and the arrays that go with it."""

    def attention_places(
        self, layers: Collection[str], note: Callable[[str, Any], Any]
    ) -> list[tuple[Any, str, Around]]:
        """Return what `wrapped` must wrap so that the attention of layers is seen.

        Args:
            layers: their names.
            note: takes the name of a part and its tensor; returns the tensor to go on with.
        """
        places: list[tuple[Any, str, Around]] = []
        for name in layers:
            operation = self.operations[name]
            compute, softmax = _around(name, note)
            places.append((operation, "_compute_attention", compute))
            places.append((attention_softmax(operation), "call", softmax))
        return places

    @cached_property
    def _shapes_by_size(self) -> dict[tuple[int, ...], Mapping[str, tuple[tuple[int, ...], str]]]:
        return {}

    def attention_shapes(self, size: tuple[int, ...]) -> Mapping[str, tuple[tuple[int, ...], str]]:
        """Return shape (with a batch of 2) and dtype of each part, in the order of the calls."""
        if size not in self._shapes_by_size:
            self._shapes_by_size[size] = self._look_at_shapes(size)
        return self._shapes_by_size[size]

    def _look_at_shapes(self, size: tuple[int, ...]) -> Mapping[str, tuple[tuple[int, ...], str]]:
        names = [
            layer.name
            for layer in self.layers
            if layer.calls == 1 and shows_weights(self.operations[layer.name])
        ]
        shapes: dict[str, tuple[tuple[int, ...], str]] = {}

        def note(name: str, tensor: Any) -> Any:
            shapes[name] = tuple(tensor.shape), backend.standardize_dtype(tensor.dtype)
            return tensor

        def look(images: Any) -> Any:
            self.run(images, {}, backend_functions=self.attention_places(names, note))
            return images

        if names:
            backend.compute_output_spec(look, self._image(*size))
        return shapes

    def _token_grids(self, size: tuple[int, int]) -> dict[int, list[Grid]]:
        return self.structure(size).token_grids

    def _attend(
        self,
        images: Float[ndarray, "n h w c"],
        calls: Collection[int] | None,
        objective: Objective | None,
        see: See,
        *,
        of_blocks: bool = False,
    ) -> Capture:
        if of_blocks:
            raise LayerError(
                f"'{self.name}' is a Keras model, whose blocks are not told apart from their parts "
                "here, and this method scores each block. Use 'chefer', or the model on PyTorch"
            )
        size = images.shape[1:3]
        shapes = self.attention_shapes(size)
        names = [name.removesuffix(ATTENTION[0]) for name in shapes if name.endswith(ATTENTION[0])]
        wanted = [n for n in range(len(names)) if calls is None or n in calls]
        bytes_each = [
            4 * len(images) * int(np.prod(shapes[name + ATTENTION[0]][0][1:])) for name in names
        ]
        capture = Capture(values=np.zeros((len(images), 0), np.float32))
        for group in _groups(wanted, bytes_each, 1 if objective is None else 1 + 2 * 3):
            parts = ATTENTION if objective is None else ATTENTION[:3]
            layers = tuple(names[number] + part for number in group for part in parts)
            request = Request(size, layers)
            further: Sequence[ndarray] = ()
            if objective is not None:
                request, further = self._request(size, layers, objective)
            results = self._ask(request, images, *further)
            if objective is not None:
                capture = Capture(
                    scores=results.get("scores"),
                    targets=results.get("classes"),
                    values=results["values"],
                )
            for number in group:
                weights, queries, keys = (
                    results[f"activations {names[number]}{part}"] for part in ATTENTION[:3]
                )
                values = results.get(f"activations {names[number]}{ATTENTION[3]}")
                slopes = results.get(f"gradients {names[number]}{ATTENTION[0]}")
                for t in range(1 if slopes is None else slopes.shape[1]):
                    gradients = None if slopes is None else slopes[:, t]
                    see(number, t, Attention(weights, gradients, queries, keys, values))
        return capture


def _around(layer: str, note: Callable[[str, Any], Any]) -> tuple[Around, Around]:
    """Return what stands around an attention's computation, and around its softmax."""

    def compute(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        for part, tensor in zip(ATTENTION[1:], args[:3], strict=True):
            note(layer + part, keras.ops.transpose(tensor, (0, 2, 1, 3)))
        mask, training = (*args[3:5], None, None)[:2]
        return call(*args[:3], mask, training, *FOR_WEIGHTS, **kwargs)

    def softmax(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return note(layer + ATTENTION[0], call(*args, **kwargs))

    return compute, softmax


def _groups(wanted: Sequence[int], bytes_each: Sequence[int], times: int) -> Iterator[list[int]]:
    """Yield the wanted numbers in groups that stay within `_BYTES_AT_ONCE`, or alone."""
    group: list[int] = []
    for number in wanted:
        if group and times * sum(bytes_each[n] for n in (*group, number)) > _BYTES_AT_ONCE:
            yield group
            group = []
        group.append(number)
    if group:
        yield group
