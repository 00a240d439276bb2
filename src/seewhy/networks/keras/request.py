"""One request to a Keras network, which a compiled function answers, and a forward pass's tensors.

Axes: n image, t target, k class, q explained value (each class's, or only one).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras

from seewhy.networks.base import Output

ATTENTION = (":weights", ":queries", ":keys", ":values")
"""What is added to an attention layer's name to ask for a part of its attention."""

Kind = Literal["none", "top", "classes", "unit", "callable"]


@dataclass(frozen=True)
class Request:
    """One request to a network: the key under which a compiled function is kept.

    Attributes:
        size: the images' height and width.
        layers: whose outputs are returned, and their gradients if there are targets.
        kind: of the targets.
        count: how many targets each image has, of the best classes or of those given.
        also: how many classes are given for each image besides the best ones.
        target: the layer of a unit, or the user's callable, which is traced once: numbers that
            it takes from outside are those of its first call.
        output: what is explained.
        guided: True where ReLUs let only positive gradients pass backwards.
        replaced: the layer whose output is given rather than computed.
    """

    size: tuple[int, int]
    layers: tuple[str, ...] = ()
    kind: Kind = "none"
    count: int = 0
    also: int = 0
    target: Hashable = None
    output: Output = "score"
    guided: bool = False
    replaced: str | None = None

    @property
    def differentiated(self) -> tuple[str, ...]:
        """The layers, and weights of attention, by which gradients are taken."""
        return tuple(name for name in self.layers if not name.endswith(ATTENTION[1:]))

    @property
    def attended(self) -> tuple[str, ...]:
        """The layers of which parts of the attention are wanted."""
        parts = [name.rpartition(":")[0] for name in self.layers if name.endswith(ATTENTION)]
        return tuple(dict.fromkeys(parts))


@dataclass(frozen=True)
class ForwardTensors:
    """The tensors of one forward pass, inside a compiled function.

    Attributes:
        scores: (n, k); None where there are no classes.
        classes: (n, t); None for units and callables.
        values: (n, q), what is differentiated; None without targets.
        weights: (n, t, q): the explained values are values · weights.
        activations: by layer name, before any zero was added.
    """

    scores: Any
    classes: Any
    values: Any
    weights: Any
    activations: Mapping[str, Any]

    def results(self, gradients: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a compiled function returns: float32 by what it is, batch axis first."""
        results = {f"activations {name}": value for name, value in self.activations.items()}
        results |= {f"gradients {name}": value for name, value in gradients.items()}
        if self.values is not None:
            picked = self.classes is not None
            results["values"] = (
                keras.ops.take_along_axis(self.values, self.classes, axis=1)
                if picked
                else self.values
            )
        if self.scores is not None:
            results["scores"] = self.scores
        results = {name: keras.ops.cast(value, "float32") for name, value in results.items()}
        return results if self.classes is None else {**results, "classes": self.classes}
