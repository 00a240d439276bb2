"""Write what `benchmarks/truth.py` measured: docs/trust.md, and the small table in the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.truth_words import ABOUT, NAMES, USES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "trust.md"
PICTURE = ROOT / "docs" / "images" / "trust.jpg"
TABLE = ROOT / "src" / "seewhy" / "methods" / "measured.json"
BEGIN, END = "<!-- Written by make truth: from here -->", "<!-- Written by make truth: to here -->"

COMPARED = (
    "deletion",
    "insertion",
    "road",
    "agreement",
    "sensitivity",
    "grid",
    "energy",
    "pointing",
)
"""The measures by which methods are compared with the default."""

BUDGET = 200
"""Forward passes that --method best may take: seconds on a CPU."""

MARGIN = 2
"""Measures by which a method is better than the default, less those by which it is worse, from
which on it is the better one. One of eight may be chance."""

FEW = 8
"""Photos below which no method is called the best, and no halves are compared."""

TOO_FEW = "So few photos show whether the order of the methods is similar, and no more than that."

HALVES = ("deletion", "insertion", "road", "agreement", "weights", "energy")
"""The measures whose order of methods is compared between the halves."""


@dataclass(frozen=True, eq=False)
class Row:
    """One method or baseline of one network.

    Attributes:
        scores: its `MethodScores`.
        evaluation: where it was measured.
        passes: forward passes of a map; 0 for baselines.
        photos: how many.
    """

    scores: Any
    evaluation: Any
    passes: int
    photos: int


def write(measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page's tables between its marks, and the table in the package.

    Tables of networks that are not among the measured ones stay; the table in the package is of
    the first of NAMES.
    """
    networks = {name: rows_of(name, tiers) for name, tiers in measured.items()}
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    told, _, after = rest.partition(END)
    parts = sections_of(told) | {name: section(name, rows) for name, rows in networks.items()}
    text = "\n".join(parts[name] for name in NAMES if name in parts)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", "utf-8")
    print(f"wrote {PAGE}")
    main = next(iter(NAMES))
    if main in networks:
        measured[main]["cheap"].plot(PICTURE)
        small = small_table(main, networks[main])
        TABLE.write_text(json.dumps(small, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"wrote {PICTURE} and {TABLE}")


def sections_of(text: str) -> dict[str, str]:
    """Return the sections that a page has, by the network whose name begins their title."""
    found = {}
    for part in text.split("### ")[1:]:
        for name, title in NAMES.items():
            if part.startswith(title):
                found[name] = f"### {part.rstrip()}\n"
    return found


def rows_of(network: str, tiers: Mapping[str, Any]) -> dict[str, Row]:
    """Return every method in the order of METHODS, then the baselines; each where it has photos."""
    from benchmarks.truth_costs import cost_of
    from benchmarks.truth_photos import load_network
    from seewhy.evaluating.baselines import BASELINES
    from seewhy.methods import METHODS

    classifier = load_network(network)
    found: dict[str, Row] = {}
    for evaluation in tiers.values():
        for name, scores in {} if evaluation is None else evaluation.methods.items():
            cost = 0 if name in BASELINES else cost_of(classifier, name)
            if name not in found:
                found[name] = Row(scores, evaluation, cost, len(evaluation.photos))
    return {name: found[name] for name in (*METHODS, *BASELINES) if name in found}


def section(network: str, rows: Mapping[str, Row]) -> str:
    """Return the tables of one network."""
    counts = sorted({row.photos for row in rows.values()}, reverse=True)
    spoken = (
        ", ".join(map(str, counts[:-1])) + (" or " if len(counts) > 1 else "") + str(counts[-1])
    )
    lines = [
        f"### {NAMES[network]}{trained_for(network)}",
        "",
        f"On {spoken} photos {ABOUT.get(network, 'that it is right about')}. Bold: better than "
        "every baseline at 95 %, photo by photo. The last row is the median half-width of the 95 % "
        "intervals.",
        "",
        *main_table(rows),
        "",
        *against_default(rows),
        "",
        *([TOO_FEW] if counts[0] < FEW else [*halves(rows), "", *best_on_halves(rows)]),
        "",
    ]
    return "\n".join(lines)


def trained_for(network: str) -> str:
    """Return what a network tells apart, as the end of a title."""
    from benchmarks.truth_photos import load_network

    labels = load_network(network).labels
    if len(labels) == 1000:
        return ", ImageNet's weights"
    return f" ({', '.join(labels) if len(labels) < 5 else f'{len(labels)} classes'})"


def main_table(rows: Mapping[str, Row]) -> list[str]:
    from seewhy.evaluating.columns import MEASURES
    from seewhy.evaluating.intervals import bootstrap

    shown = [
        name
        for name in MEASURES
        if any(np.isfinite(row.scores.mean(name)) for row in rows.values())
    ]
    lines = [
        f"| method | photos | cost | {' | '.join(MEASURES[name].title for name in shown)} |",
        "|---|" + "---|" * (2 + len(shown)),
    ]
    widths: dict[str, list[float]] = {name: [] for name in shown}
    for method, row in rows.items():
        cells = []
        for name in shown:
            mean = row.scores.mean(name)
            if not np.isfinite(mean):
                cells.append("–")
                continue
            bold = "**" if row.evaluation.beats_baselines(method, name) else ""
            shown_mean = f"{mean:.2f}".replace("-0.00", "0.00")
            cells.append(f"{bold}{shown_mean}{bold}".replace("-", "−"))
            told = bootstrap(row.scores.values(name))
            widths[name].append((told.high - told.low) / 2)
        cost = f"{row.passes:,}" if row.passes else "0"
        lines.append(f"| {_code(method)} | {row.photos} | {cost} | {' | '.join(cells)} |")
    typical = [f"±{np.median(widths[name]):.2f}" for name in shown]
    return [*lines, f"| *interval* |  |  | {' | '.join(typical)} |"]


def against_default(rows: Mapping[str, Row]) -> list[str]:
    """Compare each method with the default, on the photos that both have."""
    from seewhy.evaluating.columns import MEASURES
    from seewhy.evaluating.intervals import bootstrap

    default = default_of(rows)
    lines = [
        f"Against the default, `{default}`, on the same photos; positive is better, and bold means "
        "at 95 %:",
        "",
        f"| method | {' | '.join(MEASURES[name].title.split()[0] for name in COMPARED)} |",
        "|---|" + "---|" * len(COMPARED),
    ]
    for method, row in rows.items():
        if method == default:
            continue
        cells = []
        for name in COMPARED:
            gains = gains_over(row, rows[default], name)
            told = bootstrap(gains)
            if not np.isfinite(told.mean):
                cells.append("–")
                continue
            told_mean = f"{told.mean:+.2f}".replace("-0.00", "+0.00")
            is_sure = told.low > 1e-9 or told.high < -1e-9
            bold = "**" if is_sure and told_mean != "+0.00" else ""
            cells.append(f"{bold}{told_mean}{bold}".replace("-", "−"))
        lines.append(f"| {_code(method)} | {' | '.join(cells)} |")
    return lines


def gains_over(row: Row, other: Row, measure: str) -> np.ndarray:
    """Return by how much a method is better than another, on the first photos, which both have."""
    from seewhy.evaluating.columns import MEASURES

    values, base = row.scores.values(measure), other.scores.values(measure)
    if values is None or base is None:
        return np.array([np.nan])
    count = min(len(values), len(base))
    sign = 1 if MEASURES[measure].higher_is_better else -1
    return sign * (values[:count] - base[:count])


def halves(rows: Mapping[str, Row]) -> list[str]:
    """Say whether the order of the methods is the same on the two halves of the photos."""
    from scipy.stats import spearmanr

    from seewhy.evaluating.columns import MEASURES

    most = max(row.photos for row in rows.values())
    names = [name for name, row in rows.items() if row.photos == most and not name.startswith("(")]
    told = []
    for measure in HALVES:
        if rows[names[0]].scores.values(measure) is None:
            continue  # not measured on this network
        means = [
            [np.nanmean(rows[name].scores.values(measure)[half::2]) for name in names]
            for half in (0, 1)
        ]
        title = MEASURES[measure].title.split()[0]
        told.append(f"{title} {spearmanr(*means).statistic:.2f}")
    return [
        f"Every second photo was kept apart. The order of the {len(names)} methods with {most} "
        "photos on the one half and on the other, as a rank correlation: "
        f"{', '.join(told)}."
    ]


def order_of(rows: Mapping[str, Row]) -> list[str]:
    """Return the methods that are clearly better than the default, the best first, and the default.

    Clearly: better by at least MARGIN measures more than it is worse by, each at 95 %. Of equals
    the cheaper comes first, and one that is dearer than a better one is left out. Grad-CAM ends the
    list, for networks to which CAM does not apply.
    """
    from seewhy.evaluating.intervals import bootstrap

    default = default_of(rows)
    balance = {}
    for name, row in rows.items():
        told = [bootstrap(gains_over(row, rows[default], one)) for one in COMPARED]
        balance[name] = sum((one.low > 1e-9) - (one.high < -1e-9) for one in told)
    better = [name for name, row in rows.items() if row.passes and balance[name] >= MARGIN]
    order: list[str] = []
    for name in sorted(better, key=lambda name: (-balance[name], rows[name].passes)):
        if all(rows[name].passes < rows[other].passes for other in order):
            order.append(name)
    return list(dict.fromkeys([*order, default, "grad-cam"]))


def best_of(rows: Mapping[str, Row]) -> str:
    """Return the first method of the order that is within the budget."""
    return next(name for name in order_of(rows) if rows[name].passes <= BUDGET)


def best_on_halves(rows: Mapping[str, Row]) -> list[str]:
    """Tell the best method within the budget, and its gains on both halves of the photos."""
    from seewhy.evaluating.columns import MEASURES
    from seewhy.evaluating.intervals import bootstrap

    best, default = best_of(rows), default_of(rows)
    if best == default:
        return [
            f"Within {BUDGET} forward passes no method is better than `{default}` by {MARGIN} "
            "measures more than it is worse by."
        ]
    told = []
    signs = []
    for measure in COMPARED:
        gains = gains_over(rows[best], rows[default], measure)
        whole = bootstrap(gains)
        signs.append((whole.low > 1e-9, whole.high < -1e-9))
        halves = [gains[half::2] for half in (0, 1)]
        if all(np.isfinite(half).any() for half in halves):
            first, other = (f"{np.nanmean(half):+.2f}".replace("-", "−") for half in halves)
            told.append(f"{MEASURES[measure].title.split()[0]} {first} and {other}")
    better, worse = (sum(sign) for sign in zip(*signs, strict=True))
    return [
        f"Within {BUDGET} forward passes, `{best}` is better than `{default}` by {better} of these "
        f"{len(told)} measures and worse by {worse}, at 95 %. Its gains on the one half and on the "
        f"other: {', '.join(told)}."
    ]


def default_of(rows: Mapping[str, Row]) -> str:
    return "cam" if "cam" in rows else "grad-cam"


def small_table(network: str, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Return what `seewhy methods` tells."""
    from seewhy.evaluating.columns import MEASURES

    methods = {}
    for name, row in rows.items():
        if name.startswith("("):
            continue
        means = {one: round(row.scores.mean(one), 3) for one in MEASURES}
        methods[name] = {
            "photos": row.photos,
            "passes": row.passes,
            "means": {one: mean for one, mean in means.items() if np.isfinite(mean)},
            "better": [one for one in means if row.evaluation.beats_baselines(name, one)],
            "use": USES.get(name, ""),
        }
    return {
        "network": NAMES[network],
        "best": {"method": best_of(rows), "budget": BUDGET, "order": order_of(rows)},
        "methods": methods,
    }


def _code(method: str) -> str:
    return method if method.startswith("(") else f"[`{method}`](methods.md#{_anchor(method)})"


def _anchor(method: str) -> str:
    return {"grad-cam++": "grad-cam-1"}.get(method, method)
