"""What a network's operations cost, by arithmetic: seconds per output pixel of each node.

    seconds = multiply-adds / rate + bytes moved / bandwidth + bytes laid / gather + pixels · pixel

The rates are those of one ordinary pair of processor cores. Mostly their ratio matters, because a
forecast divides one time by another. `benchmarks/rates.py` measures them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.graph import (
    Add,
    Concatenate,
    Convolution,
    GlobalAverage,
    Multiply,
    Node,
    Pad,
    Point,
    Pool,
    Rest,
)

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Rates:
    """How fast a machine is.

    Attributes:
        multiply_adds: per second, of a convolution over all channels.
        separate: per second, of a depthwise convolution, whose channels do not share inputs, and of
            pools.
        bandwidth: bytes per second read and written by operations on each element.
        gather: bytes per second of windows that are laid out before they are read.
        pixel: seconds for each pixel that is laid out, whatever its channels: finding its place.
        call: seconds that starting one operation takes.
        reading: seconds per operation of a network that is read; once per photo.
        folds: whether the framework's own run of a whole copy folds batch norms and functions into
            the convolutions before them, as compiled models do.
    """

    multiply_adds: float = 100e9
    separate: float = 12e9
    bandwidth: float = 18e9
    gather: float = 30e9
    pixel: float = 40e-9
    call: float = 12e-6
    reading: float = 20e-3
    folds: bool = False


RATES: dict[str, Rates] = {
    "pytorch": Rates(),
    "keras on torch": Rates(reading=2e-3),
    "numpy": Rates(multiply_adds=60e9, separate=2e9, bandwidth=12e9, gather=6e9, folds=True),
    "tensorflow": Rates(
        multiply_adds=115e9,
        separate=10e9,
        bandwidth=36e9,
        gather=6e9,
        call=40e-6,
        reading=2e-3,
        folds=True,
    ),
}
"""By framework. Fitted to sweeps and plain runs of eight networks on one core (five in PyTorch,
three in TensorFlow); for two cores the four rates are taken to double, or nearly."""

HALO = 1.35
"""What is laid out for a kernel wider than one, of what its windows cover: 14² of 12² pixels."""


@dataclass(frozen=True, eq=False)
class NodeCosts:
    """What each node costs.

    Attributes:
        pixel: (n) seconds per output pixel, of a map.
        copy: (n) seconds per copy of the image, of what is no map or is dense anyway.
        call: (n) seconds per batch.
        multiply_adds: (n) per copy of the image.
        pixels: (n) how many output pixels there are.
    """

    pixel: Float[ndarray, " n"]
    copy: Float[ndarray, " n"]
    call: Float[ndarray, " n"]
    multiply_adds: Float[ndarray, " n"]
    pixels: Float[ndarray, " n"]

    @property
    def whole(self) -> float:
        """Seconds for one whole copy, within a batch."""
        return float((self.pixel * self.pixels + self.copy).sum())


def costs(nodes: Sequence[Node], *, rates: Rates, gathers: bool) -> NodeCosts:
    """Return what every node costs; with `gathers`, windows are laid out before they are read."""
    count = len(nodes)
    pixel, copy, call, adds = (np.zeros(count) for _ in range(4))
    for number, node in enumerate(nodes[1:], start=1):
        sources = [nodes[source] for source in node.inputs]
        outputs = int(np.prod(node.shape))
        pixels = node.shape[0] * node.shape[1] if node.is_map else 1
        adds[number] = multiply_adds(node, sources)
        seconds = adds[number] / _rate(node, rates)
        seconds += BYTES * _moved(node, sources, outputs) / rates.bandwidth
        if gathers and node.is_map:
            laid = [_laid(node, source) for source in sources]
            numbers = sum(n * s.shape[-1] for n, s in zip(laid, sources, strict=True))
            seconds += BYTES * numbers / rates.gather + sum(laid) * rates.pixel
        if node.is_map and not isinstance(node.operation, Rest):
            pixel[number] = seconds / pixels
        else:
            copy[number] = seconds
        steps = 1 + len(node.then) + (3 if gathers and node.is_map else 0)
        call[number] = rates.call * steps
        if isinstance(node.operation, Rest):
            call[number] += BYTES * node.operation.parameters / rates.bandwidth
    area = [float(n.shape[0] * n.shape[1]) if n.is_map else 1.0 for n in nodes]
    return NodeCosts(pixel, copy, call, adds, np.array(area))


def multiply_adds(node: Node, sources: Sequence[Node]) -> int:
    """Return how many multiply-adds one copy of the image takes in this node."""
    operation = node.operation
    if isinstance(operation, Convolution):
        height, width, inputs, _ = operation.weight.shape
        return int(np.prod(node.shape)) * int(height * width * inputs)
    if isinstance(operation, Pool):
        return int(np.prod(node.shape)) * operation.kernel[0] * operation.kernel[1]
    if isinstance(operation, GlobalAverage):
        return int(np.prod(sources[0].shape))
    return int(operation.multiply_adds) if isinstance(operation, Rest) else 0


def _rate(node: Node, rates: Rates) -> float:
    operation = node.operation
    if isinstance(operation, Pool) or (
        isinstance(operation, Convolution) and operation.weight.shape[2] == 1 < operation.groups
    ):
        return rates.separate
    return rates.multiply_adds


def _moved(node: Node, sources: Sequence[Node], outputs: int) -> float:
    """Count the numbers that one copy reads and writes in this node."""
    read = sum(int(np.prod(source.shape)) for source in sources)
    functions = len(node.then)
    if isinstance(node.operation, Point):
        functions += len(node.operation.functions) - 1
    return float(read + outputs + 2 * functions * outputs)


def _laid(node: Node, source: Node) -> float:
    """Count the pixels of a source that are laid out for the whole of a node's map.

    Where maps meet, their windows differ; at most all but one are copied again.
    """
    operation = node.operation
    if not source.is_map or isinstance(operation, (GlobalAverage, Rest)):
        return 0.0
    pixels = float(source.shape[0] * source.shape[1])
    if isinstance(operation, (Convolution, Pool)):
        if max(operation.kernel) > 1:
            return HALO * pixels
        return pixels / np.prod(operation.stride) if max(operation.stride) > 1 else 0.0
    if isinstance(operation, (Add, Multiply, Concatenate)):
        return pixels * (1 - 1 / len(node.inputs))
    return pixels if isinstance(operation, Pad) else 0.0
