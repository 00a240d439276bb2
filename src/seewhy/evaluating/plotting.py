"""Draw an evaluation: curves of deletion and insertion, and the methods' ranks by each measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Protocol, runtime_checkable

import numpy as np

from seewhy.errors import OptionError
from seewhy.evaluating.baselines import BASELINES
from seewhy.evaluating.columns import MEASURES
from seewhy.files import written_whole

ENDINGS = (".png", ".jpg", ".pdf")

COLOURED_METHODS = 6
"""Methods with a colour of their own: the best. The others are thin grey lines."""

SAME_CURVE_WITHIN = 0.004
"""Probability by which two curves differ at most that are drawn as one."""

BASELINE_STYLES = ("--", ":", "-.", (0, (1, 4)))


@runtime_checkable
class RankedEvaluation(Protocol):
    """An `Evaluation`, as far as it is drawn."""

    @property
    def methods(self) -> Mapping[str, Any]:
        """Scores by method name."""
        ...

    @property
    def photos(self) -> Sequence[str]:
        """The names of the photos."""
        ...

    def ranks(self) -> dict[str, dict[str, float]]:
        """Return the rank of each method by each measure."""
        ...

    def beats_baselines(self, method: str, measure: str) -> bool:
        """Return whether a method is better than every baseline."""
        ...


def plot(evaluation: RankedEvaluation, path: Path) -> Path:
    """Write the picture of an evaluation.

    Above, the mean probability while the hottest cells go, and while they come, over both fills:
    the best six in colour, each with all methods whose curve it is, baselines in black. Below, the
    rank of every method by every measure, sorted by the mean rank.

    Raises:
        OptionError: the file does not end in .png, .jpg or .pdf.
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    if path.suffix.lower() not in ENDINGS:
        raise OptionError(
            f"'{path}' cannot be drawn: pictures are PNG, JPEG or PDF. Let the file end in .png, "
            ".jpg or .pdf."
        )
    has_curves = any(scores.curves for scores in evaluation.methods.values())
    height = 0.3 * len(evaluation.methods) + 1.6
    figure = Figure(figsize=(11, height + (4.4 if has_curves else 0)), layout="constrained")
    if has_curves:
        parts: Any = figure.subfigures(2, 1, height_ratios=(4.4, height))
        above, below = parts
        left, right = above.subplots(1, 2, sharey=True)
        _curves(evaluation, "deletion", left)
        _curves(evaluation, "insertion", right)
        _ranks(evaluation, below.subplots())
    else:
        _ranks(evaluation, figure.subplots())
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=130)
    return path


def _curves(evaluation: RankedEvaluation, direction: str, axes: Any) -> None:
    """Draw the mean curve of each method, over both fills."""
    from matplotlib import colormaps

    sign = -1 if MEASURES[direction].higher_is_better else 1
    curves = {
        name: np.mean(
            [curve for key, curve in scores.curves.items() if key.startswith(direction)], 0
        )
        for name, scores in evaluation.methods.items()
    }
    order = sorted(
        (name for name in curves if name not in BASELINES),
        key=lambda name: sign * evaluation.methods[name].mean(direction),
    )
    steps = np.linspace(0, 100, len(next(iter(curves.values()))))
    groups = _alike(curves, order)
    for names in groups[COLOURED_METHODS:]:
        axes.plot(steps, curves[names[0]], color="0.8", linewidth=0.8)
    palette = colormaps["tab20"]
    colours = {name: palette(number % 20) for number, name in enumerate(curves)}
    for names in groups[:COLOURED_METHODS]:
        area = evaluation.methods[names[0]].mean(direction)
        label = fill(f"{', '.join(names)} {area:.3f}", 42, break_on_hyphens=False)
        axes.plot(steps, curves[names[0]], color=colours[names[0]], label=label)
    present = [name for name in BASELINES if name in curves]
    for name, style in zip(present, BASELINE_STYLES, strict=False):
        area = evaluation.methods[name].mean(direction)
        axes.plot(steps, curves[name], color="black", linestyle=style, label=f"{name} {area:.3f}")
    verb = "removed" if direction == "deletion" else "added"
    good = "low" if sign > 0 else "high"
    axes.set_title(f"{direction}: {good} is good")
    axes.set_xlabel(f"% of the cells {verb}, the hottest first")
    axes.set_ylabel("probability of the class" if direction == "deletion" else "")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper right" if sign > 0 else "lower right")


def _alike(curves: Mapping[str, Any], order: Sequence[str]) -> list[list[str]]:
    """Group methods whose curves cannot be told apart; the first of a group is drawn."""
    groups: list[list[str]] = []
    for name in sorted(order, key=list(curves).index):
        same = (
            group
            for group in groups
            if np.allclose(curves[group[0]], curves[name], 0, SAME_CURVE_WITHIN)
        )
        group = next(same, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return sorted(groups, key=lambda names: min(order.index(name) for name in names))


def _ranks(evaluation: RankedEvaluation, axes: Any) -> None:
    """Draw the rank of each method by each measure as numbers on shades."""
    ranks = evaluation.ranks()
    measures = [name for name in MEASURES if any(name in row for row in ranks.values())]
    order = sorted(ranks, key=lambda name: np.mean(list(ranks[name].values()) or [np.inf]))
    numbers = np.array(
        [[ranks[name].get(measure, np.nan) for measure in measures] for name in order]
    )
    shown = np.ma.masked_invalid(numbers)
    axes.set_facecolor("0.95")  # where there is no rank
    axes.imshow(shown, cmap="YlGnBu_r", aspect="auto", vmin=1, vmax=len(order))
    titles = [MEASURES[name].title.split()[0] for name in measures]
    axes.set_xticks(range(len(measures)), titles, rotation=35, ha="left", fontsize=9)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(order)), order, fontsize=9)
    for label in axes.get_yticklabels():
        label.set_style("italic" if label.get_text() in BASELINES else "normal")
    for (row, column), rank in np.ndenumerate(numbers):
        if np.isfinite(rank):
            starred = evaluation.beats_baselines(order[row], measures[column])
            shade = "white" if rank < len(order) * 0.45 else "black"
            axes.text(
                column,
                row,
                f"{rank:g}",
                ha="center",
                va="center",
                color=shade,
                fontsize=8,
                weight="bold" if starred else "normal",
            )
    axes.tick_params(length=0)
    axes.set_xlabel(
        f"rank by each measure, {len(evaluation.photos)} photos; 1 is the best; bold: beats every "
        "baseline at 95 %",
        fontsize=9,
    )
