"""How faithful each method was measured to be: the small table that `make truth` writes.

The figures are means over photos on one network with real weights. docs/trust.md has all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("measured.json")

SHOWN_MEASURES = ("insertion", "deletion", "road", "grid", "pointing")
"""The measures that `seewhy methods` tells."""

TITLES = {"road": "ROAD", "grid": "GridPG"}


@dataclass(frozen=True)
class Measured:
    """What was measured of one method.

    Attributes:
        network: on which.
        photos: on how many.
        passes: what a map costs in forward passes, with the options that were measured.
        means: by measure.
        better: measures by which it beats every baseline at 95 %.
        use: what to use it for, in one sentence; "" where nothing was measured.
    """

    network: str
    photos: int
    passes: int
    means: Mapping[str, float]
    better: tuple[str, ...]
    use: str

    def __str__(self) -> str:
        figures = [
            f"{TITLES.get(name, name)} {self.means[name]:.2f}{'*' * (name in self.better)}"
            for name in SHOWN_MEASURES
            if name in self.means
        ]
        passes = f"{self.passes:,} pass{'es' * (self.passes != 1)}"
        return f"{', '.join(figures)}; {passes} ({self.photos} photos, {self.network})"


@dataclass(frozen=True)
class Best:
    """The most faithful methods that were measured.

    Attributes:
        method: the best within the budget.
        budget: forward passes.
        order: names from the best down, each cheaper than those before it or for other networks.
    """

    method: str
    budget: int
    order: tuple[str, ...]


@cache
def best() -> Best:
    """Return what `method="best"` means."""
    told = json.loads(TABLE.read_text("utf-8"))["best"]
    return Best(told["method"], told["budget"], tuple(told["order"]))


@cache
def measured() -> Mapping[str, Measured]:
    """Return what was measured, by method; methods that were not measured are not in it."""
    content = json.loads(TABLE.read_text("utf-8"))
    return {
        name: Measured(
            network=content["network"],
            photos=row["photos"],
            passes=row["passes"],
            means=row["means"],
            better=tuple(row["better"]),
            use=row["use"],
        )
        for name, row in content["methods"].items()
    }
