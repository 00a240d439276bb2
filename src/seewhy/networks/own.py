"""A network object of the user's own as a `Network`.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.base import Head, Layer, Network

REQUIRED_VERBS = ("scores", "activations")
"""The verbs by which an object is recognised as a network."""

FACTS = ("name", "input_shape", "layers", "default_layer", "head", "classes")


def is_network_like(model: Any) -> bool:
    """True for an object with the verbs that every network has."""
    return all(callable(getattr(model, verb, None)) for verb in REQUIRED_VERBS)


class OwnNetwork(Network):
    """An object of the user's own: it has the verbs that the object has, and no others.

    Args:
        own: the object, which has the facts and verbs of `Network` that are abstract there.

    Raises:
        ModelError: it lacks a fact.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        missing = [fact for fact in FACTS if not hasattr(own, fact)]
        if missing:
            raise ModelError(
                f"A {type(own).__name__} computes scores and activations, but does not tell its "
                f"{', '.join(missing)}. Add what `seewhy.networks.base.Network` describes."
            )
        self.name, self.input_shape, self.model = own.name, own.input_shape, own
        for name in vars(Network):
            if not name.startswith("_") and name not in vars(OwnNetwork) and hasattr(own, name):
                vars(self)[name] = getattr(own, name)

    @property
    def layers(self) -> Sequence[Layer]:
        """As the object tells."""
        layers: Sequence[Layer] = self.own.layers
        return layers

    @property
    def default_layer(self) -> str:
        """As the object tells."""
        return str(self.own.default_layer)

    @property
    def head(self) -> Head:
        """As the object tells."""
        head: Head = self.own.head
        return head

    @property
    def classes(self) -> int | None:
        """As the object tells."""
        classes: int | None = self.own.classes
        return classes

    @property
    def has_gradients(self) -> bool:
        """Whether the object has the backward verbs."""
        return hasattr(self.own, "activations_and_gradients")

    def scores(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n k"]:
        """Return the class scores before softmax or sigmoid."""
        scores: ndarray = self.own.scores(images)
        return scores

    def activations(
        self, images: Float[ndarray, "n h w c"], layers: Sequence[str]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        """Return the outputs of layers, all from one forward pass."""
        outputs: dict[str, ndarray] = self.own.activations(images, layers)
        return outputs
