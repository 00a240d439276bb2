"""How far a change spreads: per position and node the range of rows, or columns, it touches.

Axes: p position, u distinct range of rows (or columns), n node, m window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.incremental.geometry import changed_outputs, span
from seewhy.incremental.graph import Node, Rest, sampling


@dataclass(frozen=True, eq=False)
class Spread:
    """How the distinct ranges of one axis spread through a network.

    Attributes:
        which: (m) the number of each window's range of rows (or columns).
        ranges: (n, u, 2) the range that each distinct one touches in each node; (0, 0): none.
        sizes: (n) the axis's length in each node; 1 where the output is no map.
    """

    which: Int[ndarray, " m"]
    ranges: Int[ndarray, "n u 2"]
    sizes: Int[ndarray, " n"]

    @property
    def lengths(self) -> Int[ndarray, "n u"]:
        """How many rows (or columns) each range touches in each node."""
        lengths: Int[ndarray, "n u"] = self.ranges[..., 1] - self.ranges[..., 0]
        return lengths


def spread(nodes: Sequence[Node], ranges: Int[ndarray, "m 2"], axis: int) -> Spread:
    """Follow ranges of the input's rows (axis 0) or columns (axis 1) through all nodes.

    Exact for chains; where maps meet, the smallest range that holds what any of them changes.
    """
    distinct, which = np.unique(ranges, axis=0, return_inverse=True)
    touched: list[Int[ndarray, "u 2"]] = [distinct.astype(np.int64)]
    for node in nodes[1:]:
        length = node.shape[axis] if node.is_map else 1
        parts = []
        for source in node.inputs:
            reads = sampling(node, nodes[source], axis)
            if reads is not None:
                parts.append(changed_outputs(touched[source], reads))
                continue
            changed = touched[source][:, :1] < touched[source][:, 1:]
            parts.append(np.where(changed | isinstance(node.operation, Rest), [[0, length]], 0))
        touched.append(span(np.stack(parts)))
    sizes = [node.shape[axis] if node.is_map else 1 for node in nodes]
    return Spread(which=which.ravel(), ranges=np.stack(touched), sizes=np.array(sizes))
