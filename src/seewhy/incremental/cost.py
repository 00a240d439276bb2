"""What a network's operations cost, by arithmetic: seconds per output pixel of each node.

    seconds = multiply-adds / rate + bytes moved / bandwidth

The rates are those of one ordinary pair of processor cores; only their ratio matters, because a
forecast divides one time by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.graph import (
    Concatenate,
    Convolution,
    GlobalAverage,
    Node,
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
        separate: per second, of a depthwise convolution, whose channels do not share inputs.
        bandwidth: bytes per second read and written by operations on each element.
        call: seconds that starting one operation takes.
    """

    multiply_adds: float = 100e9
    separate: float = 12e9
    bandwidth: float = 12e9
    call: float = 25e-6


@dataclass(frozen=True, eq=False)
class Costs:
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


def costs(nodes: Sequence[Node], *, rates: Rates, gathers: bool) -> Costs:
    """Return what every node costs; with `gathers`, windows are laid out before they are read."""
    count = len(nodes)
    pixel, copy, call, adds = (np.zeros(count) for _ in range(4))
    for number, node in enumerate(nodes[1:], start=1):
        sources = [nodes[source] for source in node.inputs]
        outputs = int(np.prod(node.shape))
        pixels = node.shape[0] * node.shape[1] if node.is_map else 1
        adds[number] = multiply_adds(node, sources)
        seconds = adds[number] / _rate(node, rates)
        seconds += BYTES * _moved(node, sources, outputs, gathers=gathers) / rates.bandwidth
        if node.is_map and not isinstance(node.operation, Rest):
            pixel[number] = seconds / pixels
        else:
            copy[number] = seconds
        steps = 1 + len(node.then) + (2 if gathers and isinstance(node.operation, Pool) else 0)
        call[number] = rates.call * steps
        if isinstance(node.operation, Rest):
            call[number] += BYTES * node.operation.parameters / rates.bandwidth
    area = [float(n.shape[0] * n.shape[1]) if n.is_map else 1.0 for n in nodes]
    return Costs(pixel, copy, call, adds, np.array(area))


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


def _moved(node: Node, sources: Sequence[Node], outputs: int, *, gathers: bool) -> float:
    """Count the numbers that one copy reads and writes in this node."""
    read = sum(int(np.prod(source.shape)) for source in sources)
    operation = node.operation
    moved = float(read + outputs)
    if gathers and isinstance(operation, (Convolution, Pool)) and max(operation.kernel) > 1:
        moved += 2 * read
    if gathers and isinstance(operation, Concatenate):
        moved += read
    functions = len(node.then)
    if isinstance(operation, Point):
        functions += len(operation.functions) - 1
    return moved + 2 * functions * outputs
