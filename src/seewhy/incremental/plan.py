"""The plan of a sweep: the recomputed window of each node, the batches, and the gain.

Positions are grouped by how much they change: a batch pays for its largest window, so that
windows of one size, up to shifts, are run together. Along each axis there are at most five classes
of size; a group is a class of rows and a class of columns.

Axes: m position (window), n node, u distinct range of an axis, g class of ranges.

Source:
    The idea: Nakandala, Kumar and Papakonstantinou, *Incremental and Approximate Inference for
    Faster Occlusion-based Deep CNN Explanations*, SIGMOD 2019, section 4. Differs from the paper:
    windows are the exact ones of each position rather than one upper bound for all, any graph of
    known operations is taken, and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.incremental.cost import NodeCosts, Rates, costs
from seewhy.incremental.folding import Subgraph
from seewhy.incremental.graph import Node, Rest
from seewhy.incremental.ranges import Spread, partition, spread

CLASSES = 5
"""How many classes of window size there are at most along each axis."""

COPIES_CHECKED = 4
"""How many whole copies the check before a sweep runs: three occluded ones and the clean image."""

DENSE_SHARE = 0.85
"""From this share of a map on, the whole map is computed: cutting out would cost more."""


@dataclass(frozen=True, eq=False)
class Group:
    """Positions whose windows are about as large, and are run in the same batches.

    Attributes:
        positions: their numbers.
        sizes: (n, 2) height and width of every node's window, large enough for each of them;
            (0, 0) where nothing changes.
        dense: (n) True where the whole map is computed.
    """

    positions: Int[ndarray, " p"]
    sizes: Int[ndarray, "n 2"]
    dense: Bool[ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """What arithmetic expects.

    Attributes:
        gain: how many times faster than running every occluded copy whole, everything included:
            reading the network, the check of three positions, the clean pass.
        limit: the same by multiply-adds alone, without the clean pass.
        plain: seconds of whole copies on the machine that the rates describe.
        ahead: seconds, on that machine, for reading the network and the check.
    """

    gain: float
    limit: float
    plain: float
    ahead: float


@dataclass(frozen=True, eq=False)
class Plan:
    """How a sweep is run.

    Attributes:
        part: the nodes that lead to the output.
        windows: (m, 4) each window [x0, y0, x1, y1], half open.
        rows, columns: how the windows' rows and columns spread.
        groups: all positions, by how much they change.
        batch_size: how many positions are run at once.
        forecast: the gain to expect.
        rates: how fast the machine is that the forecast is for.
    """

    part: Subgraph
    windows: Int[ndarray, "m 4"]
    rows: Spread
    columns: Spread
    groups: tuple[Group, ...]
    batch_size: int
    forecast: Forecast
    rates: Rates


def plan(
    part: Subgraph,
    windows: Int[ndarray, "m 4"],
    *,
    batch_size: int,
    plain: Sequence[Node] | None = None,
    rates: Rates | None = None,
) -> Plan:
    """Plan the sweep of an output over windows of the input.

    Args:
        part: what leads to the output, see `trim`.
        windows: rows [x0, y0, x1, y1]: pixels [y0, y1) × [x0, x1) of the input.
        batch_size: how many positions are run at once.
        plain: the same nodes before anything was folded, for the forecast of the plain sweep.
        rates: how fast the machine is.

    Raises:
        OptionError: a window is empty or leaves the image.
    """
    rates = rates if rates is not None else Rates()
    _check_windows(windows, part.nodes[0].shape)
    rows = spread(part.nodes, windows[:, [1, 3]], 0)
    columns = spread(part.nodes, windows[:, [0, 2]], 1)
    cost = costs(part.nodes, rates=rates, gathers=True)
    best: tuple[float, list[Group]] | None = None
    for classes in range(1, CLASSES + 1):
        groups = _grouped(part.nodes, rows, columns, cost, classes)
        seconds = sum(_seconds(group, cost, batch_size) for group in groups)
        if best is None or seconds < best[0]:
            best = seconds, groups
    assert best is not None
    unfolded = part.nodes if plain is None or rates.folds else plain
    whole = costs(unfolded, rates=rates, gathers=False)
    ahead = rates.reading * len(part.nodes) + COPIES_CHECKED * whole.whole
    forecast = _forecast(len(windows), best[1], best[0], cost, whole, batch_size, ahead)
    return Plan(part, windows, rows, columns, tuple(best[1]), batch_size, forecast, rates)


def _check_windows(windows: Int[ndarray, "m 4"], shape: tuple[int, ...]) -> None:
    x0, y0, x1, y1 = windows.T
    wrong = (y0 < 0) | (x0 < 0) | (y1 > shape[0]) | (x1 > shape[1]) | (y0 >= y1) | (x0 >= x1)
    if wrong.any():
        first = windows[np.flatnonzero(wrong)[0]].tolist()
        raise OptionError(
            f"The window {first} (x0, y0, x1, y1) is empty or leaves the image of "
            f"{shape[0]}×{shape[1]} pixels. Cut windows at the image's edge."
        )


def _grouped(
    nodes: Sequence[Node], rows: Spread, columns: Spread, cost: NodeCosts, classes: int
) -> list[Group]:
    """Sort the positions into groups, and fix each group's window in every node."""
    heights, widths = rows.lengths, columns.lengths
    row_class = partition(heights, cost.pixel * widths.mean(axis=1), classes)
    column_class = partition(widths, cost.pixel * heights.mean(axis=1), classes)
    of_position = row_class[rows.which] * classes + column_class[columns.which]
    groups = []
    for key in np.unique(of_position):
        positions = np.flatnonzero(of_position == key)
        height = heights[:, row_class == key // classes].max(axis=1)
        width = widths[:, column_class == key % classes].max(axis=1)
        changed = (height > 0) & (width > 0)
        dense = _dense(
            nodes, changed & (height * width >= DENSE_SHARE * rows.sizes * columns.sizes)
        )
        height = np.where(dense, rows.sizes, np.where(changed, height, 0))
        width = np.where(dense, columns.sizes, np.where(changed, width, 0))
        groups.append(Group(positions, np.stack([height, width], axis=1), dense))
    return groups


def _dense(nodes: Sequence[Node], covered: Bool[ndarray, " n"]) -> Bool[ndarray, " n"]:
    """Let everything be dense that reads something dense, or is a dense operation by its kind."""
    dense = covered.copy()
    for number, node in enumerate(nodes):
        spreads = any(dense[source] for source in node.inputs)
        dense[number] |= spreads or isinstance(node.operation, Rest)
    return dense


def _seconds(group: Group, cost: NodeCosts, batch_size: int) -> float:
    """Return how long a group takes."""
    count = len(group.positions)
    changed = group.sizes[:, 0] > 0
    each = float(group.sizes.prod(axis=1) @ cost.pixel + cost.copy @ changed)
    batches = -(-count // batch_size)
    return count * each + batches * float(2 * cost.call @ changed)


def _forecast(
    count: int,
    groups: Sequence[Group],
    seconds: float,
    cost: NodeCosts,
    whole: NodeCosts,
    batch_size: int,
    ahead: float,
) -> Forecast:
    batches = -(-count // batch_size)
    plain = count * whole.whole + batches * float(whole.call.sum())
    clean = cost.whole + float(cost.call.sum())
    share = sum(
        len(group.positions) * float((group.sizes.prod(axis=1) / cost.pixels) @ cost.multiply_adds)
        for group in groups
    )
    total = count * float(cost.multiply_adds.sum())
    return Forecast(
        gain=plain / (ahead + clean + seconds),
        limit=total / share if share else float("inf"),
        plain=plain,
        ahead=ahead,
    )


def mean_sizes(plan: Plan) -> Float[ndarray, "n 2"]:
    """Return each node's mean window, as it is computed, over all positions."""
    weights = np.array([len(group.positions) for group in plan.groups], dtype=np.float64)
    sizes = np.stack([group.sizes for group in plan.groups]).astype(np.float64)
    mean: Float[ndarray, "n 2"] = np.tensordot(weights / weights.sum(), sizes, axes=1)
    return mean
