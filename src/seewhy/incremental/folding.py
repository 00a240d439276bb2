"""The part of a graph that one output needs, with fewer passes over memory and the same numbers.

convolution → x · scale + shift    becomes    one convolution: W · scale, b · scale + shift
operation → function → function    becomes    one operation that ends in these functions
frame of zeros → convolution       becomes    one convolution with that padding
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seewhy.incremental.graph import (
    Affine,
    Convolution,
    Function,
    Graph,
    Input,
    Node,
    Pad,
    Padding,
    Point,
    Pool,
    Rest,
)


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A graph's part that leads to one output.

    Attributes:
        nodes: in an order in which they can be computed: the first is the input, the last the
            output.
        last_use: for each node, the last node that reads it (the output: itself).
        halos: for each node, the values that its readers expect beyond its edge.
    """

    nodes: tuple[Node, ...]
    last_use: tuple[int, ...]
    halos: tuple[tuple[float, ...], ...]


def trim(graph: Graph, output: int, *, fold: bool = True, apart: bool = False) -> Subgraph:
    """Return the nodes that lead to `output`, folded unless `fold` is False.

    Args:
        graph: the network.
        output: the number of a node.
        fold: whether to fold anything.
        apart: whether functions stay nodes of their own, but for scales and shifts that follow a
            convolution: so each node is linear or is not.
    """
    nodes = _ancestors(graph.nodes, output)
    if fold:
        nodes = _fold_frames(nodes)
        nodes = _fold_functions(nodes, apart=apart)
        nodes = [_fold_affine(node) for node in nodes]
    last_use = list(range(len(nodes)))
    halos: list[set[float]] = [set() for _ in nodes]
    for number, node in enumerate(nodes):
        for source in node.inputs:
            last_use[source] = number
            halos[source].add(_halo(node))
    return Subgraph(
        tuple(nodes), tuple(last_use), tuple(tuple(sorted(each or {0.0})) for each in halos)
    )


def _halo(node: Node) -> float:
    operation = node.operation
    if isinstance(operation, Pool):
        return operation.halo
    return operation.value if isinstance(operation, Pad) else 0.0


def _ancestors(nodes: Sequence[Node], output: int) -> list[Node]:
    needed = {0, output}
    for number in range(output, -1, -1):
        if number in needed:
            needed.update(nodes[number].inputs)
    return _renumbered(nodes, {old: old for old in needed})


def _renumbered(nodes: Sequence[Node], stands_for: dict[int, int]) -> list[Node]:
    """Keep the nodes that are not replaced; readers of the others read their replacements."""
    kept = [old for old, stand_in in sorted(stands_for.items()) if old == stand_in]
    new = {old: number for number, old in enumerate(kept)}
    return [
        replace(nodes[old], inputs=tuple(new[stands_for[source]] for source in nodes[old].inputs))
        for old in kept
    ]


def _readers(nodes: Sequence[Node]) -> list[int]:
    counts = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            counts[source] += 1
    counts[-1] += 1  # the output is read by whoever asked
    return counts


def _fold_functions(nodes: Sequence[Node], *, apart: bool) -> list[Node]:
    """Let each operation end in the functions of each element that follow it alone."""
    readers = _readers(nodes)
    folded = list(nodes)
    stands_for = {number: number for number in range(len(nodes))}
    for number, node in enumerate(nodes):
        if not isinstance(node.operation, Point):
            continue
        (source,) = node.inputs
        target = stands_for[source]
        if readers[source] > 1 or isinstance(folded[target].operation, (Input, Rest)):
            continue
        functions: tuple[Function, ...] = node.operation.functions
        if apart and not (
            isinstance(folded[target].operation, Convolution)
            and all(isinstance(each, Affine) for each in functions)
        ):
            continue
        folded[target] = replace(folded[target], then=folded[target].then + functions)
        stands_for[number] = target
    return _renumbered(folded, stands_for)


def _fold_frames(nodes: Sequence[Node]) -> list[Node]:
    """Give a frame around a map to the convolution or pool that alone reads it."""
    readers = _readers(nodes)
    folded = list(nodes)
    stands_for = {number: number for number in range(len(nodes))}
    for number, node in enumerate(nodes):
        if not isinstance(node.operation, (Convolution, Pool)):
            continue
        (source,) = node.inputs
        frame = nodes[source].operation
        if readers[source] > 1 or not isinstance(frame, Pad) or _cuts(frame.padding):
            continue
        padding = _joined(node.operation.padding, frame.padding)
        unpadded = node.operation.padding == ((0, 0), (0, 0))
        if isinstance(node.operation, Pool) and node.operation.kind == "max":
            if not unpadded:
                continue
            folded[number] = replace(
                node, operation=replace(node.operation, padding=padding, halo=frame.value)
            )
        elif frame.value == 0.0:
            folded[number] = replace(node, operation=replace(node.operation, padding=padding))
        else:
            continue
        stands_for[source] = nodes[source].inputs[0]
    return _renumbered(folded, stands_for)


def _cuts(padding: Padding) -> bool:
    """Say whether a frame takes something away: a crop."""
    return any(size < 0 for sides in padding for size in sides)


def _joined(padding: Padding, other: Padding) -> Padding:
    (top, bottom), (left, right) = padding
    (above, below), (before, behind) = other
    return (top + above, bottom + below), (left + before, right + behind)


def _fold_affine(node: Node) -> Node:
    """Put scales and shifts that follow a convolution into its weights."""
    operation, then = node.operation, node.then
    if not isinstance(operation, Convolution):
        return node
    weight, bias = operation.weight, operation.bias
    while then and isinstance(then[0], Affine):
        first, then = then[0], then[1:]
        weight = (weight * first.scale).astype(np.float32)
        bias = first.shift if bias is None else bias * first.scale + first.shift
    if bias is not None:
        bias = np.broadcast_to(bias, weight.shape[-1:]).astype(np.float32)
    return replace(node, operation=replace(operation, weight=weight, bias=bias), then=then)
