"""How much memory a sweep takes that re-runs windows, by arithmetic, before it runs.

Axes: n node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.incremental.cost import BYTES
from seewhy.incremental.graph import Convolution, GlobalAverage, Node, Pool
from seewhy.incremental.plan import Group, Plan

INDEX_BYTES = 8
"""Of the place of one pixel that is laid out."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a sweep takes besides the network itself.

    Attributes:
        kept: every output of the clean photo, and the maps once more as rows with their halo;
            kept for the whole sweep.
        weights: of the convolutions, once more, laid out for the kernels.
        batch: the most that the windows of one batch take at a time: those that are still read,
            those that are computed, and what is laid out for them. A convolution's own working
            memory comes on top.
    """

    kept: int
    weights: int
    batch: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.kept + self.weights + self.batch


def memory(plan: Plan) -> Memory:
    """Return what a plan's sweep takes, at most."""
    nodes, halos = plan.part.nodes, plan.part.halos
    outputs = sum(int(np.prod(node.shape)) for node in nodes)
    rows = sum(
        int(np.prod(node.shape)) + len(each) * node.shape[-1]
        for node, each in zip(nodes, halos, strict=True)
        if node.is_map
    )
    weights = sum(
        node.operation.weight.size + node.shape[-1]
        for node in nodes
        if isinstance(node.operation, Convolution)
    )
    batch = max(_largest(plan, group) for group in plan.groups)
    return Memory(BYTES * (outputs + rows), BYTES * weights, batch)


def _largest(plan: Plan, group: Group) -> int:
    """Return the most bytes that one batch of a group takes, over all nodes."""
    nodes, last_use = plan.part.nodes, plan.part.last_use
    count = min(len(group.positions), plan.batch_size)
    areas = [int(np.prod(group.sizes[n])) if node.is_map else 1 for n, node in enumerate(nodes)]
    changed = group.sizes[:, 0] > 0
    bytes_of = [
        BYTES * count * area * (node.shape[-1] if node.is_map else int(np.prod(node.shape)))
        if is_changed
        else 0
        for node, area, is_changed in zip(nodes, areas, changed, strict=True)
    ]
    alive, most = 0, 0
    for number, node in enumerate(nodes):
        alive += bytes_of[number]
        if changed[number]:
            laid = sum(_laid(nodes, number, source, group) for source in node.inputs)
            most = max(most, alive + count * laid)
        for source in set(node.inputs):
            if last_use[source] == number:
                alive -= bytes_of[source]
    return most


def _laid(nodes: Sequence[Node], number: int, read: int, group: Group) -> int:
    """Return the bytes that are laid out of the node `read` for one window of a node."""
    node, source = nodes[number], nodes[read]
    if not source.is_map or not node.is_map:
        return BYTES * int(np.prod(source.shape))
    sides = []
    for axis in (0, 1):
        side = int(group.sizes[number, axis])
        if isinstance(node.operation, (Convolution, Pool)):
            operation = node.operation
            reach = (operation.kernel[axis] - 1) * operation.dilation[axis] + 1
            side = (side - 1) * operation.stride[axis] + reach
        elif isinstance(node.operation, GlobalAverage):
            side = int(group.sizes[read, axis])
        elif source.shape[axis] != node.shape[axis]:
            side = source.shape[axis]
        sides.append(side)
    pixels = sides[0] * sides[1]
    return pixels * (BYTES * source.shape[-1] + 3 * INDEX_BYTES)
