"""Draw what two networks lose by harmless changes, and where one of them looks in the mean.

    python benchmarks/animals19_picture.py BEFORE.json AFTER.json --out picture.png

Both are `report.json` files of `seewhy report`. The mean heat of each class is the second one's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

COLUMNS = 4


def draw(before: dict[str, Any], after: dict[str, Any]) -> Figure:
    """Draw the share of photos right after each change at the left, mean heatmaps at the right."""
    figure = Figure(figsize=(12, 6), dpi=100, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    axes = left.subplots()
    rows = [one["change"] for one in after["changes"]["results"]]
    for shift, report, colour, name in (
        (-0.2, before, "#c44e52", "before"),
        (0.2, after, "#4c72b0", "after"),
    ):
        results = {one["change"]: one for one in report["changes"]["results"]}
        count = len(report["changes"]["photos"])
        shares = [100 * results[row]["right_after"] / count for row in rows]
        axes.barh(np.arange(len(rows)) + shift, shares, 0.38, color=colour, label=name)
        axes.axvline(100 * results[rows[0]]["right_before"] / count, color=colour, ls="--", lw=1)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of 300 held-out photos right (dashed: unchanged)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    classes = after["heat"]["classes"]
    grid = right.subplots(-(-len(classes) // COLUMNS), COLUMNS).ravel()
    for axis in grid:
        axis.axis("off")
    for axis, (name, heat) in zip(grid, classes.items(), strict=False):
        axis.imshow(np.maximum(np.array(heat["map"]), 0), cmap="inferno", interpolation="bilinear")
        axis.set_title(name.replace("_", " "), fontsize=9, pad=2)
    right.suptitle("mean heat of each class, after", fontsize=11)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--out", type=Path, default=Path("picture.png"))
    arguments = parser.parse_args()
    before, after = (json.loads(one.read_text()) for one in (arguments.before, arguments.after))
    draw(before, after).savefig(arguments.out)


if __name__ == "__main__":
    main()
