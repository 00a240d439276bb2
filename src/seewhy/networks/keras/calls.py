"""Keras calls wrapped for a while: an instance's `call`, the backend's softmax, sigmoid, ReLU.

A Keras layer is reached by wrapping its instance's `call` while the model runs once under a
tracer (or, on PyTorch, while it runs): `Operation.__call__` looks `self.call` up on the instance,
so that layers are reached anywhere: in functional, Sequential and subclassed models, in nested
ones and in those that were never called. No graph is cut, and no model is cloned or rebuilt.

The softmax or sigmoid at the end is found by recording what goes into and comes out of
`keras.src.backend.nn.softmax` and its kin meanwhile, and of the framework's own (`tf.nn.softmax`);
where the model's output is a recorded one, perhaps reshaped or cast, what went in are the scores.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

from seewhy.networks.base import Head
from seewhy.networks.keras.private import backend

Around = Callable[..., Any]
"""Stands around a layer's call: takes the call itself, then the call's arguments."""

TRACING = threading.RLock()
"""Held while calls are wrapped: one thread traces at a time."""

_HEADS: Mapping[str, Head] = {
    "softmax": "softmax",
    "log_softmax": "softmax",
    "sigmoid": "sigmoid",
    "log_sigmoid": "sigmoid",
}
_SAME_VALUES = ("reshape", "squeeze", "expand_dims", "ravel")
_OTHER_ACTIVATIONS = (
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "glu",
    "tanh",
    "softplus",
    "softsign",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "sparse_plus",
    "squareplus",
)


@contextmanager
def wrapped(places: Sequence[tuple[Any, str, Around]]) -> Iterator[None]:
    """Wrap attributes of objects and modules, for this thread only, and put them back.

    Threads take turns, so that what is put back is what was found; meanwhile a call from another
    thread goes straight to the original.

    Args:
        places: (owner, attribute, around): `owner.attribute(*args)` becomes
            `around(original, *args)`.
    """
    thread = threading.get_ident()
    missing = object()

    def stand_around(original: Callable[..., Any], around: Around) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(*args, **kwargs)
            return around(original, *args, **kwargs)

        return call

    with TRACING:
        replaced: list[tuple[dict[str, Any], str, Any]] = []
        try:
            for owner, attribute, around in places:
                # The instance's own dictionary: Keras tracks what is set in the usual way.
                names = vars(owner)
                replaced.append((names, attribute, names.get(attribute, missing)))
                names[attribute] = stand_around(getattr(owner, attribute), around)
            yield
        finally:
            for names, attribute, value in reversed(replaced):
                if value is missing:
                    names.pop(attribute, None)
                else:
                    names[attribute] = value


@dataclass
class Recorder:
    """Sees which tensors come out of a softmax or sigmoid, and which activations are met."""

    activations: list[str] = field(default_factory=list)
    _seen: deque[tuple[Head | None, Any, Any]] = field(default_factory=lambda: deque(maxlen=8))

    def places(self, owners: Sequence[Any]) -> list[tuple[Any, str, Around]]:
        """Return what `wrapped` must wrap so that this recorder sees.

        Args:
            owners: the modules that hold softmax and other activations.
        """
        places = [(backend.numpy, name, self._keep) for name in _SAME_VALUES]
        places += [(owner, "cast", self._keep) for owner in (backend, backend.core)]
        for owner in owners:
            held = vars(owner)
            places += [(owner, n, self._head(n, _HEADS[n])) for n in _HEADS if n in held]
            places += [(owner, n, self._note(n)) for n in _OTHER_ACTIVATIONS if n in held]
        return places

    def _head(self, name: str, head: Head) -> Around:
        def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            self.activations.append(name)
            self._seen.append((head, next(iter((*args, *kwargs.values()))), output))
            return output

        return around

    def _note(self, name: str) -> Around:
        def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            self.activations.append(name)
            return call(*args, **kwargs)

        return around

    def _keep(self, call: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        output = call(x, *args, **kwargs)
        if any(x is known for _, _, known in self._seen):
            self._seen.append((None, x, output))
        return output

    def take_off(self, output: Any) -> tuple[Head, Any]:
        """Return what the output ends in, and the scores that went in, in the output's shape."""
        current = output
        for head, before, after in reversed(self._seen):
            if after is not current:
                continue
            current = before
            if head is not None:
                if tuple(before.shape) != tuple(output.shape):
                    before = keras.ops.reshape(before, keras.ops.shape(output))
                return head, before
        return "linear", output
