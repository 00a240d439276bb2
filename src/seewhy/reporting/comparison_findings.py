"""The sentences that a comparison of two networks begins with."""

from __future__ import annotations

import numpy as np

from seewhy.evaluating.intervals import Interval
from seewhy.reporting.comparison import CHANCE, NetworkComparison
from seewhy.reporting.result import Finding

NAMED = 3
"""Classes that a sentence names."""


def findings_of(compared: NetworkComparison) -> list[Finding]:
    """Say which network is better, in which classes, and whose heat moved."""
    first, second, paired = compared.first.name, compared.second.name, compared.accuracy
    low, high = 100 * paired.difference.low, 100 * paired.difference.high
    sure = paired.p < CHANCE
    tone = "plain" if not sure else "good" if paired.gained > paired.lost else "bad"
    found = [
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
            one
            for one in compared.classes[::-sign]
            if one.p < CHANCE and sign * (one.accuracy.gained - one.accuracy.lost) > 0
        ]
        if listed:
            names = ", ".join(
                f"'{one.name}' ({one.accuracy.second} right for {one.accuracy.first}, of "
                f"{one.accuracy.photos})"
                for one in listed[:NAMED]
            )
            more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
            found.append(
                Finding(f"'{second}' is clearly {word} on {names}{more}.", tone, "compared")
            )
    found += _on_heat(compared)
    order = {"bad": 0, "plain": 1, "good": 2}
    return [found[0], *sorted(found[1:], key=lambda one: order[one.tone])]


def _on_heat(compared: NetworkComparison) -> list[Finding]:
    """Say whose heat moved, and whether it moved with the answers."""
    overlap = compared.overlap[np.isfinite(compared.overlap)]
    usual = compared.usual[np.isfinite(compared.usual)]
    if not len(overlap) or not len(usual):
        return []
    gap = compared.heat
    if gap.high < 0:
        said = "less than"
    elif gap.low > 0:
        said = "more than"
    else:
        said = "about as much as"
    found = [
        Finding(
            f"{overlap.mean():.0%} of the heat for the true class is at the same place with both "
            f"networks: {said} one network's maps of two photos of a class have in common "
            f"({usual.mean():.0%}; the difference is {_points(gap)}). In {len(compared.moved)} of "
            f"{len(compared.paths)} photos it is less: there the heat moved.",
            "plain",
            "moved",
        )
    ]
    away = [one.name for one in compared.classes if one.heat.high < 0]
    if away:
        more = f" and {len(away) - NAMED} more" if len(away) > NAMED else ""
        names = ", ".join(f"'{one}'" for one in away[:NAMED])
        found.append(Finding(f"As a class, the heat of {names}{more} moved.", "plain", "moved"))
    changed = compared.heat_of_changed
    if changed is not None and (changed.high < 0 or changed.low > 0):
        word = "less" if changed.mean < 0 else "more"
        found.append(
            Finding(
                f"Photos that became right or wrong have {word} of their heat at the same place "
                f"than the others: {_points(changed)}.",
                "plain",
                "moved",
            )
        )
    return found


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.0f} points ({100 * value.low:+.0f} to {100 * value.high:+.0f})"
