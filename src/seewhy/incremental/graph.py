"""A network as a graph of about twelve kinds of operation, without any framework.

Maps are channels last: a node's shape is (h, w, c) without the batch axis; other shapes occur only
between dense operations. Weights are numpy arrays; callables take and return the framework's own
tensors, maps channels last.

Axes: h, w kernel; i input channel of a group; o output channel; c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.incremental.geometry import Sampling

Pair = tuple[int, int]
"""Along the rows, along the columns."""

Padding = tuple[Pair, Pair]
"""((top, bottom), (left, right))."""

NO_PADDING: Padding = ((0, 0), (0, 0))


@dataclass(frozen=True, eq=False)
class Affine:
    """scale · x + shift, per channel or one number for all: a batch norm, a rescaling."""

    scale: Float[ndarray, " c"]
    shift: Float[ndarray, " c"]


@dataclass(frozen=True, eq=False)
class Elementwise:
    """Any function of each pixel's channels by themselves, mostly of each number by itself.

    `call` takes the framework's tensor and leaves it as it is.
    """

    name: str
    call: Callable[[Any], Any]


Function = Affine | Elementwise


@dataclass(frozen=True, eq=False)
class Input:
    """The image."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution, grouped, depthwise and dilated ones included; the halo is 0."""

    weight: Float[ndarray, "h w i o"]
    bias: Float[ndarray, " o"] | None = None
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Padding = NO_PADDING
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """Height and width."""
        return self.weight.shape[0], self.weight.shape[1]


@dataclass(frozen=True, eq=False)
class Pool:
    """A maximum or a mean over windows.

    A framework's own padding of a maximum has the halo −∞; a frame of zeros before it, 0. The mean
    is the sum over the window, the halo being 0, over the product of two divisors, one
    for the output's row and one for its column: so padding counts or does not, and windows that
    a ceil mode lets hang over the edge are divided by what the framework says.
    """

    kind: Literal["max", "mean"]
    kernel: Pair
    stride: Pair
    dilation: Pair = (1, 1)
    padding: Padding = NO_PADDING
    halo: float = 0.0
    divisors: tuple[Float[ndarray, " h"], Float[ndarray, " w"]] | None = None


@dataclass(frozen=True, eq=False)
class Pad:
    """A frame of one constant around the map; negative sizes crop it."""

    padding: Padding
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Point:
    """Functions of each pixel by itself, one after the other."""

    functions: tuple[Function, ...]


@dataclass(frozen=True, eq=False)
class Channels:
    """Some of the channels, in any order: a slice, a split, a shuffle."""

    take: Int[ndarray, " c"]


@dataclass(frozen=True, eq=False)
class Add:
    """The sum of maps; a map of one pixel is added everywhere."""


@dataclass(frozen=True, eq=False)
class Multiply:
    """The product of maps; a map of one pixel weighs the channels (squeeze and excite)."""


@dataclass(frozen=True, eq=False)
class Concatenate:
    """Maps concatenated along the channels."""


@dataclass(frozen=True, eq=False)
class GlobalAverage:
    """The mean over the map, as a map of one pixel."""


@dataclass(frozen=True, eq=False)
class Rest:
    """Anything else, run densely: `call(batch, *tensors)` for `batch` copies.

    Attributes:
        name: for people.
        call: takes the inputs' tensors, a map as (batch, h, w, c), and returns the output's.
        multiply_adds: how many it takes per copy, for the forecast (0: not known).
        parameters: how many numbers it reads once per batch.
    """

    name: str
    call: Callable[..., Any]
    multiply_adds: int = 0
    parameters: int = 0


Operation = (
    Input
    | Convolution
    | Pool
    | Pad
    | Point
    | Channels
    | Add
    | Multiply
    | Concatenate
    | GlobalAverage
    | Rest
)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation in its place.

    Attributes:
        name: as the framework names the layer, for people.
        operation: what is computed.
        inputs: the numbers of the nodes it reads.
        shape: the output's, without the batch axis.
        then: functions of each element that follow at once (batch norm, ReLU), see `fold`.
    """

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    then: tuple[Function, ...] = ()

    @property
    def is_map(self) -> bool:
        """True where the output has rows, columns and channels."""
        return len(self.shape) == 3


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: its nodes in an order in which they can be computed; the first is the input.

    Attributes:
        nodes: the operations.
        scores: the number of the node that holds the class scores before the softmax; None where
            the network has no classes.
        layers: the number of the node that holds a layer's output, by the layer's name.
        pair_scores: True for a single output z under a sigmoid, which counts as the classes −z, z.
    """

    nodes: tuple[Node, ...]
    scores: int | None
    layers: Mapping[str, int] = field(default_factory=dict)
    pair_scores: bool = False

    @property
    def size(self) -> Pair:
        """The input's height and width."""
        return self.nodes[0].shape[0], self.nodes[0].shape[1]


def sampling(node: Node, source: Node, axis: int) -> Sampling | None:
    """Return how `node` reads `source` along an axis (0 rows, 1 columns); None: all of it.

    A map of one pixel that meets a larger one, a global average and everything dense read all.
    """
    operation = node.operation
    if not (node.is_map and source.is_map) or isinstance(operation, (GlobalAverage, Rest)):
        return None
    size, out = source.shape[axis], node.shape[axis]
    if isinstance(operation, (Convolution, Pool)):
        return Sampling(
            size,
            out,
            kernel=operation.kernel[axis],
            stride=operation.stride[axis],
            dilation=operation.dilation[axis],
            before=operation.padding[axis][0],
        )
    if isinstance(operation, Pad):
        return Sampling(size, out, before=operation.padding[axis][0])
    return Sampling(size, out) if size == out else None


def mean_divisors(
    sizes: Pair,
    outs: Pair,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    counts_padding: bool,
) -> tuple[Float[ndarray, " h"], Float[ndarray, " w"]]:
    """Return by how much a mean pool divides, per output row and per output column.

    The window of output o is [o · stride − before, … + kernel); it counts the places on the
    map, or those on the padded map, never those that a ceil mode reads beyond the padding.
    """
    divisors = []
    for axis in (0, 1):
        before, after = padding[axis]
        start = np.arange(outs[axis]) * stride[axis] - before
        low, high = (-before, sizes[axis] + after) if counts_padding else (0, sizes[axis])
        count = np.minimum(start + kernel[axis], high) - np.maximum(start, low)
        divisors.append(np.maximum(count, 1).astype(np.float32))
    return divisors[0], divisors[1]


def same_padding(sizes: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Return Keras's padding 'same': the smaller half before, whatever the stride leaves."""
    frame = []
    for size, taps, step, gap in zip(sizes[:2], kernel, stride, dilation, strict=True):
        reach = (taps - 1) * gap + 1
        total = max((-(-size // step) - 1) * step + reach - size, 0)
        frame.append((total // 2, total - total // 2))
    return frame[0], frame[1]
