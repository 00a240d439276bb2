"""The sentences that a comparison of two networks begins with."""

from __future__ import annotations

import numpy as np

from seewhy.evaluating.intervals import Interval
from seewhy.reporting.comparison import CHANCE, NetworkComparison
from seewhy.reporting.result import Finding

NAMED_CLASSES = 3
"""Classes that a sentence names."""


def findings_of(compared: NetworkComparison) -> list[Finding]:
    """Say which network is better, in which classes, and whose heat moved."""
    first, second, paired = compared.first.name, compared.second.name, compared.accuracy
    low, high = 100 * paired.difference.low, 100 * paired.difference.high
    sure = paired.p < CHANCE
    tone = "plain" if not sure else "good" if paired.gained > paired.lost else "bad"
    findings = [
        Finding(
            f"'{second}' gets {paired.second} of {paired.photos} photos right and '{first}' "
            f"{paired.first}: {100 * paired.difference.mean:+.1f} points ({low:+.1f} to "
            f"{high:+.1f}; McNemar's exact test: p {_p(paired.p)})"
            f"{'' if sure else ', which may be chance'}.",
            tone,
            "compared",
        ),
        Finding(
            f"{paired.lost} photos became wrong, and {paired.gained} became right.",
            "plain",
            "lost" if paired.lost else "gained",
        ),
    ]
    for tone, word, sign in (("bad", "worse", -1), ("good", "better", 1)):
        listed = [
            row
            for row in compared.classes[::-sign]
            if row.p < CHANCE and sign * (row.accuracy.gained - row.accuracy.lost) > 0
        ]
        if listed:
            names = ", ".join(
                f"'{row.name}' ({row.accuracy.second} right for {row.accuracy.first}, of "
                f"{row.accuracy.photos})"
                for row in listed[:NAMED_CLASSES]
            )
            more = f" and {len(listed) - NAMED_CLASSES} more" if len(listed) > NAMED_CLASSES else ""
            findings.append(
                Finding(f"'{second}' is clearly {word} on {names}{more}.", tone, "compared")
            )
    findings += _on_heat(compared)
    order = {"bad": 0, "plain": 1, "good": 2}
    return [findings[0], *sorted(findings[1:], key=lambda finding: order[finding.tone])]


def _on_heat(compared: NetworkComparison) -> list[Finding]:
    """Say whose heat moved, and whether it moved with the answers."""
    overlap = compared.overlap[np.isfinite(compared.overlap)]
    usual = compared.usual[np.isfinite(compared.usual)]
    if not len(overlap) or not len(usual):
        return []
    gap = compared.heat
    if gap.high < 0:
        relation = "less than"
    elif gap.low > 0:
        relation = "more than"
    else:
        relation = "about as much as"
    findings = [
        Finding(
            f"{overlap.mean():.0%} of the heat for the true class is at the same place with both "
            f"networks: {relation} one network's maps of two photos of a class have in common "
            f"({usual.mean():.0%}; the difference is {_points(gap)}). In {len(compared.moved)} of "
            f"{len(compared.paths)} photos it is less: there the heat moved.",
            "plain",
            "moved",
        )
    ]
    away = [row.name for row in compared.classes if row.heat.high < 0]
    if away:
        more = f" and {len(away) - NAMED_CLASSES} more" if len(away) > NAMED_CLASSES else ""
        names = ", ".join(f"'{name}'" for name in away[:NAMED_CLASSES])
        findings.append(Finding(f"As a class, the heat of {names}{more} moved.", "plain", "moved"))
    changed = compared.heat_of_changed
    if changed is not None and (changed.high < 0 or changed.low > 0):
        word = "less" if changed.mean < 0 else "more"
        findings.append(
            Finding(
                f"Photos that became right or wrong have {word} of their heat at the same place "
                f"than the others: {_points(changed)}.",
                "plain",
                "moved",
            )
        )
    return findings


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.0f} points ({100 * value.low:+.0f} to {100 * value.high:+.0f})"
