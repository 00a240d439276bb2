"""A plan in words: what is computed anew of each layer, where it goes dense, what is gained."""

from __future__ import annotations

import numpy as np

from seewhy.incremental.choosing import WORTH_FROM
from seewhy.incremental.cost import costs
from seewhy.incremental.graph import Convolution, Node, Pool, Rest
from seewhy.incremental.memory import memory
from seewhy.incremental.plan import Plan, mean_sizes


def plan_lines(plan: Plan) -> list[str]:
    """Return a table of the layers, and what the arithmetic expects.

    The columns: the layer; what it does; its whole map; the part that is computed anew, as its
    mean height and width over all positions; the share of the map that this is; the share of the
    sweep's time that it takes by the forecast.
    """
    nodes = plan.part.nodes
    sizes = mean_sizes(plan)
    share = _mean_share(plan)
    seconds = _seconds(plan)
    rows = [("layer", "operation", "map", "window", "of it", "time")]
    for number, node in enumerate(nodes):
        height, width = sizes[number]
        whole = "×".join(map(str, node.shape)) or "-"
        window = f"{height:.1f}×{width:.1f}" if node.is_map else "all"
        rows.append(
            (
                node.name,
                kind(node),
                whole,
                window,
                f"{100 * share[number]:.0f} %",
                f"{100 * seconds[number]:.0f} %",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, "", *summary_lines(plan)]


def summary_lines(plan: Plan) -> list[str]:
    """Return where the plan goes dense, how positions are grouped, and the forecast."""
    nodes = plan.part.nodes
    everywhere = np.all([group.dense for group in plan.groups], axis=0)
    maps = [n for n, node in enumerate(nodes) if everywhere[n] and max(node.shape[:2]) > 1]
    first = next((n for n in maps if nodes[n].is_map), None)
    dense = (
        "No map is computed whole at every position."
        if first is None
        else f"From '{nodes[first].name}' on, whole maps are computed at every position."
    )
    forecast = plan.forecast
    taken = memory(plan)
    kept, weights, batch = (each / 1e6 for each in (taken.kept, taken.weights, taken.batch))
    worth = "re-run" if forecast.gain >= WORTH_FROM else "not re-run"
    return [
        f"{len(plan.windows)} positions in {len(plan.groups)} groups of alike windows, "
        f"{plan.batch_size} at a time.",
        dense,
        f"{forecast.limit:.1f} times fewer multiply-adds; forecast: {forecast.gain:.1f} times as "
        f"fast as the plain sweep. By default windows are {worth} (from {WORTH_FROM} on).",
        f"Memory: {kept:.0f} MB of the clean photo's outputs, {weights:.0f} MB of weights, at most "
        f"{batch:.0f} MB of one batch's windows.",
    ]


def kind(node: Node) -> str:
    """Return what a node does, in few words: '3×3 convolution /2'."""
    operation = node.operation
    name = type(operation).__name__.lower()
    if isinstance(operation, (Convolution, Pool)):
        height, width = operation.kernel
        if isinstance(operation, Pool):
            name = operation.kind
        elif operation.groups > 1:
            name = "depthwise" if operation.weight.shape[2] == 1 else "grouped convolution"
        name = f"{height}×{width} {name}"
        if max(operation.stride) > 1:
            name += f" /{max(operation.stride)}"
    elif isinstance(operation, Rest):
        name = f"{operation.name} (dense)"
    return name


def _mean_share(plan: Plan) -> np.ndarray:
    """Return each node's mean share of its map that is computed."""
    pixels = (plan.rows.sizes * plan.columns.sizes).astype(np.float64)
    weights = np.array([len(group.positions) for group in plan.groups], np.float64)
    areas = np.stack([group.sizes.prod(axis=1) for group in plan.groups])
    share: np.ndarray = weights @ areas / weights.sum() / pixels
    return share


def _seconds(plan: Plan) -> np.ndarray:
    """Return each node's share of the time that all windows take."""
    cost = costs(plan.part.nodes, rates=plan.rates, gathers=True)
    seconds: np.ndarray = _mean_share(plan) * (cost.pixel * cost.pixels) + cost.copy
    return np.asarray(seconds / seconds.sum())
