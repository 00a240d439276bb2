"""Whether a Keras model's images change each other's answers, and whether it draws random numbers.

Layers that are called with `training=True` do, whatever the model is called with.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import keras

from seewhy.networks.adapter import Adapter
from seewhy.networks.keras.calls import Around
from seewhy.networks.keras.private import backend
from seewhy.networks.keras.structure import ModelStructure

_RANDOM_FUNCTIONS = (
    "normal", "uniform", "categorical", "randint", "truncated_normal", "gamma", "binomial", "beta",
    "dropout", "shuffle",
)  # fmt: skip
"""Functions of a backend that draw random numbers."""


class BatchWatch:
    """Sees, during one abstract run, layers in training mode and random numbers.

    Attributes:
        mixes: whether a batch normalization is on the statistics of the batch.
        draws: whether random numbers are drawn.
    """

    def __init__(self) -> None:
        self.mixes = self.draws = False

    def note(self, operation: Any, kwargs: Mapping[str, Any]) -> None:
        """Note one call of a layer, by its keywords."""
        is_training = kwargs.get("training") is True
        self.mixes |= is_training and isinstance(operation, keras.layers.BatchNormalization)

    def places(self) -> list[tuple[Any, str, Around]]:
        """Return what `wrapped` must wrap so that random numbers are seen."""

        def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            self.draws = True
            return call(*args, **kwargs)

        held = vars(backend.random)
        return [(backend.random, name, around) for name in _RANDOM_FUNCTIONS if name in held]


class BatchedModel(Adapter):
    """What an abstract run shows of a model's batches."""

    @abstractmethod
    def structure(self) -> ModelStructure:
        """Return what an abstract run shows."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of several outputs, or their numbers; () for one."""
        return self.structure().outputs_named

    @property
    def mixes_images(self) -> bool:
        """True where an image's answer depends on the others beside it: each is then run alone."""
        return self.structure().mixes

    @property
    def is_random(self) -> bool:
        """True where random numbers are drawn, as by dropout that is always on."""
        return self.structure().draws
