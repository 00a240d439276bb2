"""Whether a Keras model's images change each other's answers, and whether it draws random numbers.

Layers that are called with `training=True` do, whatever the model is called with.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np

from seewhy.networks.adapter import Adapter
from seewhy.networks.base import SCORES
from seewhy.networks.keras.calls import Around
from seewhy.networks.keras.private import backend, functional
from seewhy.networks.keras.structure import ModelStructure
from seewhy.networks.trying import NeedsCompany

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
        is_plain: whether all layers are Keras's own, and keep images apart by themselves.
    """

    def __init__(self) -> None:
        self.mixes = self.draws = False
        self.is_plain = True

    def note(self, operation: Any, kwargs: Mapping[str, Any]) -> None:
        """Note one call of a layer, by its keywords."""
        is_training = kwargs.get("training") is True
        self.mixes |= is_training and isinstance(operation, keras.layers.BatchNormalization)
        self.is_plain &= (
            type(operation).__module__.startswith("keras.")
            and isinstance(operation, keras.layers.Layer)
            and not isinstance(operation, keras.layers.Lambda)
            and 0 not in np.ravel(_axis(operation))
        )

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

    @cached_property
    def mixes_images(self) -> bool:
        """True where an image's answer depends on the others beside it: each is then run alone.

        Layers of the user's own, and operations, are tried by two images: `x - mean(x, axis=0)`.
        """
        structure = self.structure()
        is_plain = structure.is_plain and functional(self.model) is not None
        if structure.mixes or is_plain or structure.draws:
            return structure.mixes
        name = SCORES if self.classes is not None else self.default_layer
        pair = self._noise()
        try:
            beside_another, *beside_itself = (
                self._activations(pair[rows], (name,))[name] for rows in ([0, 1], [0, 0], [1, 1])
            )
        except NeedsCompany:
            return False
        alone = np.stack([answers[0] for answers in beside_itself])
        limit = self._tolerance() / 10 * float(np.abs(alone).max(initial=0))
        return float(np.abs(beside_another - alone).max(initial=0)) > limit

    @property
    def is_random(self) -> bool:
        """True where random numbers are drawn, as by dropout that is always on."""
        return self.structure().draws


def _axis(operation: Any) -> Any:
    axis = getattr(operation, "axis", None)
    return -1 if axis is None else axis
