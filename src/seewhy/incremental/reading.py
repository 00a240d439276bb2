"""What an operation reads of its inputs to compute windows of its output.

Axes: b position of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.incremental.geometry import Places
from seewhy.incremental.graph import NO_PADDING, Convolution, Node, Pad, Padding, Pair, Pool


@dataclass(frozen=True)
class Place:
    """Where a batch of windows lies on a map."""

    rows: Places
    columns: Places

    def is_whole(self, node: Node) -> bool:
        """Say whether the windows are the node's whole map."""
        return (self.rows.length, self.columns.length) == node.shape[:2]

    def are(self, other: Place) -> bool:
        """Say whether both are the same windows."""
        return self.rows.are(other.rows) and self.columns.are(other.columns)


@dataclass(frozen=True)
class Read:
    """What an operation reads of one input: where, over which halo, and how it strides then."""

    place: Place
    halo: float = 0.0
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING


def whole(node: Node, batch: int) -> Place:
    """Return the whole map (or the one pixel) of a node, for each position of a batch."""
    height, width = node.shape[:2] if node.is_map else (1, 1)
    starts = np.zeros(batch, dtype=np.int64)
    return Place(Places(starts, height), Places(starts, width))


def reads(node: Node, source: Node, place: Place) -> Read:
    """Return what must be known of `source` to compute `place` of `node`."""
    operation = node.operation
    batch = len(place.rows.starts)
    if isinstance(operation, Convolution):
        if place.is_whole(node):
            return Read(whole(source, batch), stride=operation.stride, padding=operation.padding)
        stride = tuple(
            1 if size == 1 else step
            for size, step in zip(operation.kernel, operation.stride, strict=True)
        )
        return Read(_needed(operation, place), stride=(stride[0], stride[1]))
    if isinstance(operation, Pool):
        return Read(_needed(operation, place), halo=operation.halo, stride=operation.stride)
    if isinstance(operation, Pad):
        (top, _), (left, _) = operation.padding
        rows = Places(place.rows.starts - top, place.rows.length)
        columns = Places(place.columns.starts - left, place.columns.length)
        return Read(Place(rows, columns), halo=operation.value)
    if source.shape[:2] == node.shape[:2]:
        return Read(place)
    return Read(whole(source, batch))


def _needed(operation: Convolution | Pool, place: Place) -> Place:
    """Return the inputs of windows of outputs, halo included; a 1×1 kernel skips by its stride."""
    needed = []
    for axis, outputs in enumerate((place.rows, place.columns)):
        kernel, stride = operation.kernel[axis], operation.stride[axis]
        starts = outputs.starts * stride - operation.padding[axis][0]
        if kernel == 1 and isinstance(operation, Convolution):
            needed.append(Places(starts, outputs.length, stride))
            continue
        reach = (kernel - 1) * operation.dilation[axis] + 1
        needed.append(Places(starts, (outputs.length - 1) * stride + reach))
    return Place(needed[0], needed[1])
