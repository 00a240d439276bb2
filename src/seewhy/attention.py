"""Attention of transformers, as methods are given it.

Axes: n image, h head, q query, k key, d and e channel of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class Attention:
    """One layer's attention for a batch of images.

    Attributes:
        weights: after the softmax; the rows of queries add up to 1.
        gradients: of the explained value by them; None where none is explained.
        queries: (n, h, q, d), up to a factor; None where the model does not show them.
        keys: (n, h, k, d); None likewise.
        values: (n, h, k, d); None likewise, and where gradients are there.
    """

    weights: Float[ndarray, "n h q k"]
    gradients: Float[ndarray, "n h q k"] | None = None
    queries: Float[ndarray, "n h q d"] | None = None
    keys: Float[ndarray, "n h k d"] | None = None
    values: Float[ndarray, "n h k e"] | None = None

    def of_first(self, count: int) -> Attention:
        """Return that of the first images."""
        parts = {name: value[:count] for name, value in vars(self).items() if value is not None}
        return replace(self, **parts)


@dataclass(frozen=True, eq=False)
class AttendedLayers:
    """What is kept of the attentions of one forward pass, with a backward pass per target.

    Attributes:
        layers: by target, then by layer from the first to the last: what `reduce` returned.
        read: (q) how much the network reads of each query of the last layer; adds up to 1.
        grid: rows and columns of patches.
        prefix: how many keys (class, distillation, registers) stand before the first patch.
    """

    layers: Sequence[Sequence[Any]]
    read: Float[ndarray, " q"]
    grid: tuple[int, int]
    prefix: int


Reduce = Callable[[Attention], Any]
"""What is kept of one layer's attention: so the memory of a pass is that of one layer."""

Grid = tuple[tuple[int, int], int]
"""Rows and columns of patches, and how many tokens stand before them."""
