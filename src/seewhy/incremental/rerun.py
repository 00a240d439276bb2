"""Run a sweep by its plan: keep the clean photo's outputs, compute each position's windows anew.

The result is exact: what a window does not touch is what the clean photo gave, and inside a window
every operation sees the true inputs, kept ones or changed ones, and the true halo at the edge.

Axes: p (b) position of a batch, k class or channel, h row, w column, c channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.incremental.folding import Trimmed
from seewhy.incremental.geometry import Mosaic, Places, fitted_starts, mosaic, occluding
from seewhy.incremental.graph import (
    NO_PADDING,
    Add,
    Channels,
    Concatenate,
    Convolution,
    GlobalAverage,
    Input,
    Multiply,
    Node,
    Pad,
    Padding,
    Pair,
    Pool,
    Rest,
)
from seewhy.incremental.kernels import Kernels, Tensor
from seewhy.incremental.plan import Group, Plan


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


class _Batch:
    """What has changed so far, in one batch of positions; nothing, for the clean photo."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: dict[int, Tensor] = {}
        self.places: dict[int, Place] = {}
        self.mosaics: dict[tuple[object, ...], Mosaic] = {}


class Rerun:
    """One photo's sweep: the clean outputs, kept once, and one batch of positions at a time."""

    def __init__(
        self,
        part: Trimmed,
        kernels: Kernels,
        image: Float[ndarray, "h w c"],
        filled: Float[ndarray, "h w c"],
    ) -> None:
        """Run the clean photo once, and keep what every node answers."""
        self._part, self._kernels = part, kernels
        self._filled = kernels.tensor(filled[None])
        self._rows: dict[int, Tensor] = {}
        self._means: dict[int, Tensor] = {}
        self._clean: list[Tensor] = [kernels.tensor(image[None])]
        for number, node in enumerate(part.nodes[1:], start=1):
            self._clean.append(self._compute(number, whole(node, 1), _Batch(1)))

    def batch(
        self,
        plan: Plan,
        group: Group,
        positions: Int[ndarray, " p"],
        *,
        is_difference: bool,
    ) -> Float[ndarray, "p k"]:
        """Return the output of some positions of one group, or its mean change over the map."""
        batch = _Batch(len(positions))
        nodes, last = self._part.nodes, len(self._part.nodes) - 1
        for number, node in enumerate(nodes):
            if group.sizes[number, 0] == 0:
                continue
            place = _place(plan, group, number, positions)
            if isinstance(node.operation, Input):
                value = self._occluded(place, plan.windows[positions])
            else:
                value = self._compute(number, place, batch)
            batch.values[number], batch.places[number] = value, place
            for source in node.inputs:
                if self._part.last_use[source] == number:
                    batch.values.pop(source, None)
        if is_difference:
            if last not in batch.values:
                return np.zeros((batch.size, nodes[last].shape[-1]), dtype=np.float32)
            value = self._kernels.array(self._change(last, batch))
            return (value / np.prod(nodes[last].shape[:2])).reshape(batch.size, -1)
        if last not in batch.values:
            batch.values[last] = self._kernels.repeat(self._clean[last], batch.size)
        return self._kernels.array(batch.values[last]).reshape(batch.size, -1)

    def _compute(self, number: int, place: Place, batch: _Batch) -> Tensor:
        """Compute a node's windows, its whole map, or what is no map."""
        node, kernels = self._part.nodes[number], self._kernels
        operation = node.operation
        if isinstance(operation, GlobalAverage):
            value = self._mean(node.inputs[0], batch)
        elif isinstance(operation, Rest):
            value = operation.call(batch.size, *(self._all(each, batch) for each in node.inputs))
        else:
            wanted = [reads(node, self._part.nodes[each], place) for each in node.inputs]
            inputs = [
                self._region(source, read, batch)
                for source, read in zip(node.inputs, wanted, strict=True)
            ]
            if isinstance(operation, Convolution):
                value = kernels.convolution(
                    number, inputs[0], stride=wanted[0].stride, padding=wanted[0].padding
                )
            elif isinstance(operation, Pool):
                value = self._pool(operation, inputs[0], place)
            elif isinstance(operation, Add):
                value = kernels.add(inputs)
            elif isinstance(operation, Multiply):
                value = kernels.multiply(inputs)
            elif isinstance(operation, Concatenate):
                value = kernels.concatenate(inputs)
            elif isinstance(operation, Channels):
                value = kernels.channels(number, inputs[0])
            else:
                value = inputs[0]
        fresh = isinstance(operation, (Convolution, Pool, Add, Multiply, Concatenate))
        return kernels.functions(number, value, fresh=fresh)

    def _pool(self, operation: Pool, x: Tensor, place: Place) -> Tensor:
        """Pool a region that holds its halo."""
        pool = self._kernels.max_pool if operation.kind == "max" else self._kernels.mean_pool
        pooled = pool(
            x, kernel=operation.kernel, stride=operation.stride, dilation=operation.dilation
        )
        if operation.divisors is None:
            return pooled
        area = operation.kernel[0] * operation.kernel[1]
        rows = operation.divisors[0][place.rows.coordinates()]
        columns = operation.divisors[1][place.columns.coordinates()]
        factor = (area / (rows[:, :, None] * columns[:, None, :])).astype(np.float32)
        return pooled if (factor == 1).all() else self._kernels.scale(pooled, factor[..., None])

    def _region(self, number: int, read: Read, batch: _Batch) -> Tensor:
        """Lay out what is read of a node; a clean whole map is a batch of one."""
        node, place = self._part.nodes[number], batch.places.get(number)
        if place is None:
            if read.place.are(whole(node, batch.size)):
                return self._clean[number]
        elif read.place.are(place):
            return batch.values[number]
        key = (
            _key(read.place), None if place is None else _key(place), node.shape[:2], read.halo,
            self._part.halos[number],
        )  # fmt: skip
        if key not in batch.mosaics:
            halo = self._part.halos[number].index(read.halo)
            batch.mosaics[key] = mosaic(
                read.place.rows,
                read.place.columns,
                None if place is None else place.rows,
                None if place is None else place.columns,
                size=(node.shape[0], node.shape[1]),
                halo_row=node.shape[0] * node.shape[1] + halo,
            )
        shape = (batch.size, read.place.rows.length, read.place.columns.length)
        return self._kernels.lay(
            self._clean_rows(number), batch.values.get(number), batch.mosaics[key], shape
        )

    def _all(self, number: int, batch: _Batch) -> Tensor:
        """Return a node's whole output for every position."""
        node = self._part.nodes[number]
        if number not in batch.values:
            clean = self._clean[number]
            return clean if batch.size == 1 else self._kernels.repeat(clean, batch.size)
        if not node.is_map:
            return batch.values[number]
        return self._region(number, Read(whole(node, batch.size)), batch)

    def _mean(self, number: int, batch: _Batch) -> Tensor:
        """Return the mean over a map: the clean mean and the sum of the change over the area."""
        area = int(np.prod(self._part.nodes[number].shape[:2]))
        if number not in self._means:
            total = self._kernels.total(self._clean[number], None)
            self._means[number] = total / area
        if number not in batch.values:
            return self._means[number]
        return self._means[number] + self._change(number, batch) / area

    def _change(self, number: int, batch: _Batch) -> Tensor:
        """Return the sum over the map of what has changed, per channel."""
        place = batch.places[number]
        unchanged = _Batch(batch.size)
        unchanged.mosaics = batch.mosaics
        clean = self._region(number, Read(place, halo=self._part.halos[number][0]), unchanged)
        return self._kernels.total(batch.values[number], clean)

    def _occluded(self, place: Place, windows: Int[ndarray, "p 4"]) -> Tensor:
        """Return the changed part of the image: the filled image's pixels in each window."""
        width = self._part.nodes[0].shape[1]
        laid = occluding(place.rows, place.columns, windows, width=width)
        shape = (len(windows), place.rows.length, place.columns.length)
        return self._kernels.lay(self._clean_rows(0), self._filled, laid, shape)

    def _clean_rows(self, number: int) -> Tensor:
        """Return a node's clean map as rows with its halos, made when first asked for."""
        if number not in self._rows:
            self._rows[number] = self._kernels.rows(self._clean[number], self._part.halos[number])
        return self._rows[number]


def _place(plan: Plan, group: Group, number: int, positions: Int[ndarray, " p"]) -> Place:
    """Return where the windows of some positions lie on a node's map."""
    if group.dense[number]:
        return whole(plan.part.nodes[number], len(positions))
    places = []
    for axis, spread in enumerate((plan.rows, plan.columns)):
        length = int(group.sizes[number, axis])
        starts = spread.ranges[number, spread.which[positions], 0]
        starts = fitted_starts(starts, length, int(spread.sizes[number]))
        places.append(Places(starts, length))
    return Place(places[0], places[1])


def _key(place: Place) -> tuple[object, ...]:
    """Return what tells places apart."""
    return tuple(
        (axis.starts.tobytes(), axis.length, axis.step) for axis in (place.rows, place.columns)
    )
