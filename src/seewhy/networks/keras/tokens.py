"""Which token sequences in a Keras transformer stand for which rows and columns.

Keras's tensors do not say what their axes mean. While a model runs once under a tracer, two
functions are watched: a reshape of a map (n, h, w, c) to (n, h · w, c) makes tokens with a known
grid, and a concatenation puts class or register tokens before them. A later output (n, s, c) with
as many tokens as such a sequence is that sequence, further processed; nothing is guessed from
square numbers.

Where a class token is read out, nothing looks at the last block's patches: the layer to explain
is then the last whose patches still have a gradient, the normalisation before its attention.

Axes: n image, h row, w column, s token, c channel, m copy of one image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from seewhy.errors import LayerError
from seewhy.networks.keras.calls import Around
from seewhy.networks.keras.private import backend

_CANDIDATES = 24


@dataclass(frozen=True)
class Grid:
    """Where the patches of a token sequence are.

    Attributes:
        rows: of patches.
        columns: of patches.
        prefix: how many other tokens (class, registers) stand before the first patch.
    """

    rows: int
    columns: int
    prefix: int = 0

    @property
    def patches(self) -> slice:
        """Which of the tokens are patches."""
        return slice(self.prefix, self.prefix + self.rows * self.columns)


@dataclass
class TokenGrids:
    """Sees maps become tokens, and tokens being joined.

    Attributes:
        by_count: the grids found, by how many tokens the sequence has.
    """

    by_count: dict[int, Grid] = field(default_factory=dict)

    def places(self) -> list[tuple[Any, str, Around]]:
        """Return what `wrapped` must wrap so that this object sees."""
        return [
            (backend.numpy, "reshape", self._reshape),
            (backend.numpy, "concatenate", self._join),
        ]

    def of(self, shape: Sequence[int | None]) -> Grid | None:
        """Return the grid of an output (n, s, c), None for what is no known sequence.

        Args:
            shape: of the output, with the batch axis.
        """
        if len(shape) != 3 or shape[1] is None:
            return None
        return self.by_count.get(int(shape[1]))

    def _reshape(self, call: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
        output = call(x, *args, **kwargs)
        before, after = _sides(x), _sides(output)
        if len(before) == 4 and len(after) == 3 and None not in (*before[1:], *after[1:]):
            rows, columns, channels = before[1:]
            if after[1:] == (rows * columns, channels) and rows * columns > 1:
                self.by_count[rows * columns] = Grid(rows, columns)
        return output

    def _join(self, call: Callable[..., Any], parts: Any, *args: Any, **kwargs: Any) -> Any:
        output = call(parts, *args, **kwargs)
        axis = args[0] if args else kwargs.get("axis", 0)
        shapes = [_sides(part) for part in parts]
        known = [place for place, shape in enumerate(shapes) if self.of(shape)]
        if axis in (1, -2) and len(known) == 1 and len(_sides(output)) == 3:
            (place,) = known
            grid = self.of(shapes[place])
            before = sum(shape[1] for shape in shapes[:place])
            assert grid is not None
            joined = Grid(grid.rows, grid.columns, grid.prefix + before)
            self.by_count[_sides(output)[1]] = joined
        return output


def first_that_matters(network: Any, names: Sequence[str]) -> str:
    """Return the first of the layers whose rows and columns the output depends on.

    Args:
        network: a Keras model as a `Network`.
        names: of layers with a map; where the output depends on none of them, the first is it.
    """
    random = np.random.default_rng(0)
    shape = (1, *network.image_size, network.input_shape[2])
    image = random.normal(size=shape).astype(np.float32)

    def value(output: Any) -> Any:
        """Return a random projection of the output."""
        first = keras.tree.flatten(output)[0]
        width = int(np.prod([int(side) for side in first.shape[1:]]))
        flat = keras.ops.reshape(keras.ops.cast(first, "float32"), (-1, width))
        weights = np.random.default_rng(1).normal(size=(1, width)).astype(np.float32)
        return keras.ops.sum(flat * keras.ops.convert_to_tensor(weights), axis=1)

    def that_matter(some: Sequence[str]) -> list[str]:
        try:
            gradients = network.activations_and_gradients(image, some, value).gradients
        except LayerError:  # one of them is not on the way to the output
            return (
                [] if len(some) == 1 else [name for layer in some for name in that_matter([layer])]
            )
        return [name for name in some if gradients[name].any()]

    for some in (names[:1], names[1:_CANDIDATES]):
        matter = that_matter(some) if some else []
        if matter:
            return matter[0]
    return names[0]


def _sides(tensor: Any) -> tuple[Any, ...]:
    return tuple(getattr(tensor, "shape", ()))
