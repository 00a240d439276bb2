"""The sentences that a report begins with, for everybody.

Axes: n photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.reporting.accuracy import Calibration, ClassAccuracy, Share
from seewhy.reporting.changes import RELIANCES
from seewhy.reporting.confusion import ConfusedPair
from seewhy.reporting.heat import MeanHeat
from seewhy.reporting.observations import Observations
from seewhy.reporting.result import Finding, ReasonKind, Search, WrongReason
from seewhy.reporting.robustness import LOSS, ChangeResult, ChangeTest, ClassLoss
from seewhy.reporting.shortcuts import PASTED_FROM, Verdict
from seewhy.reporting.suspects import FEWEST, LARGEST

CALIBRATED = 0.03
"""The expected calibration error below which probabilities mean what they say."""

SHORTCUTS = 5
"""Suspects that have a sentence of their own."""

KINDS = 3
"""Kinds of harmless changes, and classes that mind them, that have a sentence of their own."""

IN_WORDS = {
    ReasonKind.BOXES: "outside their boxes",
    ReasonKind.MASK: "outside their masks",
    ReasonKind.SHORTCUT: "in a confirmed shortcut",
    ReasonKind.BORDER: "with the heat at the border",
}
"""What is counted of right answers whose heat is in the wrong place."""


def notes_on(seen: Observations) -> list[str]:
    """Say what could not be said, and why."""
    notes: list[str] = []
    labelled = int(seen.labelled.sum())
    if not labelled:
        notes.append(
            "The photos have no labels: this report has clusters and mean maps only, and cannot "
            "say where the network is wrong. Put photos of a class into a folder of its name, or "
            "name a column of labels with --true-labels."
        )
    elif labelled < len(seen):
        notes.append(
            f"{len(seen) - labelled} of {len(seen)} photos have no label, and are left out where "
            "right and wrong matter."
        )
    kinds = np.unique(seen.true[seen.labelled])
    if len(kinds) == 1:
        notes.append(
            f"All labelled photos are of one class, '{seen.names[int(kinds[0])]}': the accuracy is "
            "that class's recall, and other classes' photos that are taken for it are not seen."
        )
    if seen.failures:
        notes.append(
            f"{len(seen.failures)} of {len(seen.failures) + len(seen)} photos could not be "
            "explained, and are not in the numbers."
        )
    if seen.descriptors is None:
        notes.append(
            "The run has no descriptors, so photos are compared by where the heat is, and not by "
            "what is under it. Repeat it with --descriptors to search for marks at changing places."
        )
    return notes


def on_accuracy(
    accuracy: Share | None, classes: tuple[ClassAccuracy, ...], calibrated: Calibration | None
) -> list[Finding]:
    """Say how often the network is right, where it is weaker, and how sure it is."""
    if accuracy is None:
        return []
    found = [
        Finding(
            f"The network gets {accuracy.count} of {accuracy.of} photos right: {accuracy}.",
            "plain",
            "accuracy",
        )
    ]
    weak = [one for one in classes if one.recall.high < accuracy.low]
    if weak:
        listed = ", ".join(
            f"'{one.name}' ({one.recall.count} of {one.recall.of})" for one in weak[:3]
        )
        more = f" and {len(weak) - 3} more" if len(weak) > 3 else ""
        found.append(Finding(f"It is clearly weaker on {listed}{more}.", "bad", "accuracy"))
    if calibrated is not None:
        error = (
            f"expected calibration error {calibrated.error:.3f}, {calibrated.low:.3f} to "
            f"{calibrated.high:.3f}"
        )
        if accuracy.of < 50 or (calibrated.low == 0 and calibrated.error >= CALIBRATED):
            text, tone = f"Too few photos to judge its probabilities ({error}).", "plain"
        elif calibrated.error < CALIBRATED:
            text, tone = f"Its probabilities are close to its accuracy ({error}).", "good"
        else:
            way = "too sure of itself" if calibrated.bias > 0 else "less sure than it could be"
            text = (
                f"It is {way}: its mean probability is {accuracy.value + calibrated.bias:.0%}, and "
                f"it is right in {accuracy.value:.0%} ({error})."
            )
            tone = "bad" if calibrated.bias > 0 else "plain"
        found.append(Finding(text, tone, "accuracy"))
    return found


def on_mistakes(
    seen: Observations, pairs: tuple[ConfusedPair, ...], mislabelled: Int[ndarray, " m"]
) -> list[Finding]:
    """Say what is confused most, and how many labels are doubtful."""
    found = []
    if pairs:
        first = pairs[0]
        sizes = (
            f", where class sizes explain {first.expected:.1f}"
            if np.isfinite(first.expected) and len(seen.class_sizes) > 2
            else ""
        )
        found.append(
            Finding(
                f"Most often it takes '{seen.names[first.true]}' for '{seen.names[first.found]}': "
                f"{first.count} photo{'s' if first.count > 1 else ''}{sizes}.",
                "plain",
                "confusion",
            )
        )
    if len(mislabelled):
        count = len(mislabelled)
        found.append(
            Finding(
                f"{count} photo{'s' if count > 1 else ''} may have a wrong label: the network is "
                "surer of another class than it usually is.",
                "bad",
                "mistakes",
            )
        )
    return found


def on_shortcuts(search: Search | None) -> list[Finding]:
    """Say which shortcuts were confirmed, which are open, and what was not searched.

    A search that found nothing is no acquittal: it never gets a tick.
    """
    if search is None:
        return []
    suspects = [(each, one) for each in search.classes for one in each.shortcuts]
    grave = [
        (each, one) for verdict in (Verdict.CONFIRMED, Verdict.OPEN, Verdict.UNTESTED)
        for each, one in suspects if one.verdict == verdict
    ]  # fmt: skip
    found = [
        Finding(
            one.sentence,
            "bad" if one.verdict == Verdict.CONFIRMED else "plain",
            "shortcuts",
            tuple(each.photos[one.suspect.members].tolist()),
        )
        for each, one in grave[:SHORTCUTS]
    ]
    if len(grave) > SHORTCUTS:
        found.append(Finding(f"{len(grave) - SHORTCUTS} more are below.", "plain", "shortcuts"))
    counts = Counter(one.verdict for _, one in suspects)
    searched, few = len(search.classes), len(search.too_small)
    if searched and not grave:
        said = "no small group of photos stands apart from its class"
        if suspects:
            kinds = (Verdict.CLEARED, Verdict.TOO_FEW)
            said = "small groups stand apart: " + ", ".join(
                f"{counts[one]} {one}" for one in kinds if counts[one]
            )
        text = f"No shortcut was found in {_classes(searched)}: {said}. That is no acquittal."
        found.append(Finding(text, "plain", "shortcuts"))
    if search.too_small:
        text = (
            f"{_classes(few, of=searched + few + len(search.left_out))} "
            f"{'was' if few == 1 else 'were'} not searched for shortcuts: fewer than {FEWEST} "
            "photos were taken for it, and a group that can be told from chance has "
            f"{PASTED_FROM}, and at most {LARGEST:.0%} of the class."
        )
        found.append(Finding(text, "plain", "shortcuts"))
    if search.left_out:
        text = f"{_classes(len(search.left_out))} with fewer photos were not searched either."
        found.append(Finding(text, "plain", "shortcuts"))
    return found


def _classes(count: int, *, of: int | None = None) -> str:
    whole = "" if of is None else f" of {of}"
    return f"{count}{whole} class{'es' if (of or count) != 1 else ''}"


def on_changes(tested: ChangeTest | None) -> list[Finding]:
    """Say which harmless changes do harm, on what the network relies, and which classes do."""
    if tested is None or not tested.results:
        return []
    photos = len(tested.photos)
    kinds: dict[str, list[ChangeResult]] = {}
    for one in sorted(tested.results, key=lambda each: -each.loss.mean):
        if one.matters:
            kinds.setdefault(one.change.kind, []).append(one)
    found = [
        Finding(
            f"{share_after(several[0], tested)}{_also(several, photos)}: the network relies on "
            f"{RELIANCES[kind]}.{_taken(several[0], tested)}",
            "bad",
            "changes",
        )
        for kind, several in list(kinds.items())[:KINDS]
    ]
    if len(kinds) > KINDS:
        others = ", ".join(RELIANCES[kind] for kind in list(kinds)[KINDS:])
        found.append(Finding(f"It also relies on {others}.", "bad", "changes"))
    if not kinds:
        worst = max(tested.results, key=lambda each: each.loss.mean)
        found.append(
            Finding(
                f"None of {len(tested.results)} harmless changes costs more than {LOSS:.0%} of the "
                f"photos for sure. At worst: {share_after(worst, tested)}.",
                "good" if photos >= 100 else "plain",
                "changes",
            )
        )
    return found + _on_classes(tested)


def share_after(result: ChangeResult, tested: ChangeTest) -> str:
    """Say how many photos are recognised with a change, and without it."""
    photos = len(tested.photos)
    what = f"{result.change.clause}, {result.after / photos:.0%} of {photos} photos"
    if not tested.labelled:
        return f"{what} keep their class"
    return f"{what} are recognised instead of {result.before / photos:.0%}"


def _also(several: list[ChangeResult], photos: int) -> str:
    others = [f"{one.change.name}: {one.after / photos:.0%}" for one in several[1:]]
    return f" ({', '.join(others)})" if others else ""


def _taken(result: ChangeResult, tested: ChangeTest) -> str:
    """Say what the lost photos are taken for, where that is one class."""
    lost = len(result.lost)
    if not result.taken_for or lost < 5:
        return ""
    index, count = result.taken_for[0]
    name = tested.names[index]
    kinds = len({*tested.before.tolist(), *(taken for taken, _ in result.taken_for)})
    if count > lost * (0.5 if kinds > 2 else 0.75):
        return f" Most of the lost ones are taken for '{name}'."
    if kinds > 4 and count >= 10 and count >= lost / 4:
        return f" Of {lost} lost ones {count} are taken for '{name}'."
    return ""


def _on_classes(tested: ChangeTest) -> list[Finding]:
    """Say which classes mind a change much more than the others: of each class the worst."""
    worst: dict[int, tuple[float, ChangeResult, ClassLoss]] = {}
    for result in tested.results:
        for one in result.classes:
            loss = (one.before - one.after) / one.before
            if one.index not in worst or loss > worst[one.index][0]:
                worst[one.index] = loss, result, one
    ordered = sorted(worst.values(), key=lambda each: -each[0])
    return [
        Finding(
            f"{result.change.clause}, {one.after} of {one.photos} '{one.name}' photos "
            f"{'are recognised' if tested.labelled else 'keep their class'} instead of "
            f"{one.before}; the other classes lose {one.others:.0%} of theirs.",
            "bad",
            "changes",
        )
        for _, result, one in ordered[:KINDS]
    ]


def on_heat(
    seen: Observations,
    heat: MeanHeat,
    class_heat: Mapping[int, MeanHeat],
    reasons: tuple[WrongReason, ...],
) -> list[Finding]:
    """Say where heat is that it should not be."""
    found = []
    if heat.alarm:
        found.append(Finding(f"Over all photos: {heat.alarm}", "bad", "heat"))
    alarms = [(index, one) for index, one in class_heat.items() if one.alarm]
    for index, one in sorted(alarms, key=lambda item: -item[1].photos)[:3]:
        found.append(Finding(f"'{seen.names[index]}': {one.alarm}", "bad", "heat"))
    if len(alarms) > 3:
        found.append(Finding(f"{len(alarms) - 3} more classes have such an alarm.", "bad", "heat"))
    if reasons:
        count = len(reasons)
        found.append(
            Finding(
                f"{count} right answer{'s' if count > 1 else ''} may be right for a wrong reason: "
                f"{_counted(reasons)}.",
                "plain",
                "reasons",
            )
        )
    if seen.unfamiliar is not None and seen.unfamiliar.any():
        count = int(seen.unfamiliar.sum())
        found.append(
            Finding(
                f"{count} of {len(seen)} photos are unlike anything the network was trained on.",
                "plain",
                "accuracy",
            )
        )
    return found


def _counted(reasons: tuple[WrongReason, ...]) -> str:
    counts = Counter(one.kind for one in reasons)
    return ", ".join(f"{counts[kind]} {IN_WORDS[kind]}" for kind in ReasonKind if counts[kind])
