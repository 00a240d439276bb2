"""The sentences that a report begins with, for everybody.

Axes: n photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.reporting.accuracy import Calibration, ClassAccuracy, Share, wilson
from seewhy.reporting.changes import RELIANCES
from seewhy.reporting.confusion import ConfusedPair
from seewhy.reporting.heat import MeanHeat
from seewhy.reporting.observations import Observations
from seewhy.reporting.result import Finding, ReasonKind, Search, WrongReason
from seewhy.reporting.robustness import LOSS, ChangeResult, ChangeTest, ClassLoss
from seewhy.reporting.shortcuts import PASTED_FROM, Verdict
from seewhy.reporting.suspects import FEWEST_CLASS_PHOTOS, LARGEST_SHARE

CALIBRATED_ERROR = 0.03
"""The expected calibration error below which probabilities mean what they say."""

CHANCE = 0.05
"""The probability of any false finding of a kind, among all classes or pairs."""

FEWEST_CONFUSED = 5
"""Photos of a pair of classes from which it has a sentence."""

TRUSTED_ACCURACY = 0.85
"""The accuracy, for sure, from which a network's doubts about labels have a sentence."""

STRANGE_SHARE = 0.05
"""The share of held-out photos that are as unlike the training photos, by construction."""

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
    elif labelled < (unseen := int(seen.unseen.sum())):
        notes.append(
            f"{unseen - labelled} of {unseen} photos have no label, and are left out where "
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
    findings = [
        Finding(
            f"The network gets {accuracy.count} of {accuracy.of} photos right: {accuracy}.",
            "plain",
            "accuracy",
        )
    ]
    weak = [row for row in classes if _is_weak(row, accuracy, len(classes))]
    if weak:
        listed = ", ".join(
            f"'{row.name}' ({row.recall.count} of {row.recall.of})" for row in weak[:3]
        )
        more = f" and {len(weak) - 3} more" if len(weak) > 3 else ""
        findings.append(
            Finding(
                f"It is clearly weaker on {listed}{more}.",
                "bad",
                "accuracy",
                next="Look at what these photos are taken for, and add training photos of the kind "
                "that is missed.",
            )
        )
    if calibrated is not None:
        error = (
            f"expected calibration error {calibrated.error:.3f}, {calibrated.low:.3f} to "
            f"{calibrated.high:.3f}"
        )
        if accuracy.of < 50 or (calibrated.low == 0 and calibrated.error >= CALIBRATED_ERROR):
            text, tone = f"Too few photos to judge its probabilities ({error}).", "plain"
        elif calibrated.error < CALIBRATED_ERROR:
            text, tone = f"Its probabilities are close to its accuracy ({error}).", "good"
        else:
            way = "too sure of itself" if calibrated.bias > 0 else "less sure than it could be"
            text = (
                f"It is {way}: its mean probability is {accuracy.value + calibrated.bias:.0%}, and "
                f"it is right in {accuracy.value:.0%} ({error})."
            )
            tone = "bad" if calibrated.bias > 0 else "plain"
        findings.append(Finding(text, tone, "accuracy"))
    return findings


def _is_weak(row: ClassAccuracy, whole: Share, classes: int) -> bool:
    """Return whether a class is weaker than the others, corrected for the number of classes."""
    from scipy.stats import binom

    others = whole.of - row.recall.of
    if not others:
        return False
    level = (whole.count - row.recall.count) / others
    return bool(binom.cdf(row.recall.count, row.recall.of, level) <= CHANCE / classes)


def on_mistakes(
    seen: Observations,
    accuracy: Share | None,
    pairs: tuple[ConfusedPair, ...],
    mislabelled: Int[ndarray, " m"],
) -> list[Finding]:
    """Say what is confused more often than by chance, and how many labels are doubtful.

    A network that is often wrong doubts labels that are right: of those it says nothing here.
    """
    findings = []
    first = next((pair for pair in pairs if _is_more_than_chance(pair, pairs)), None)
    if first is not None:
        findings.append(
            Finding(
                f"It takes '{seen.names[first.true]}' for '{seen.names[first.found]}': "
                f"{first.count} photos, where class sizes explain {first.expected:.1f}.",
                "plain",
                "pairs",
                next="Compare the heat of both classes in these photos.",
            )
        )
    count = len(mislabelled)
    if count and accuracy is not None and accuracy.low >= TRUSTED_ACCURACY:
        findings.append(
            Finding(
                f"{count} photo{'s' if count > 1 else ''} may have a wrong label: the network is "
                "surer of another class than it usually is.",
                "plain",
                "mistakes",
                next="Look at each: it is a wrong label, or a real mistake.",
            )
        )
    return findings


def _is_more_than_chance(pair: ConfusedPair, pairs: tuple[ConfusedPair, ...]) -> bool:
    """Return whether a pair has more photos than mistakes by class sizes, of all pairs."""
    from scipy.stats import binom

    mistakes = sum(other.count for other in pairs if other.true == pair.true)
    if pair.count < FEWEST_CONFUSED or not np.isfinite(pair.expected):
        return False
    chance = binom.sf(pair.count - 1, mistakes, min(pair.expected / mistakes, 1))
    return bool(chance <= CHANCE / len(pairs))


def on_shortcuts(search: Search | None) -> list[Finding]:
    """Say which shortcuts were confirmed, which are open, and what was not searched.

    A search that found nothing is no acquittal: it never gets a tick.
    """
    if search is None:
        return []
    suspects = [(each, shortcut) for each in search.classes for shortcut in each.shortcuts]
    grave = [
        (each, shortcut) for verdict in (Verdict.CONFIRMED, Verdict.OPEN, Verdict.UNTESTED)
        for each, shortcut in suspects if shortcut.verdict == verdict
    ]  # fmt: skip
    findings = [
        Finding(
            shortcut.sentence,
            "bad" if shortcut.verdict == Verdict.CONFIRMED else "plain",
            "shortcuts",
            tuple(each.photos[shortcut.suspect.members].tolist()),
            NEXT_OF[shortcut.verdict],
        )
        for each, shortcut in grave[:SHORTCUTS]
    ]
    if len(grave) > SHORTCUTS:
        findings.append(Finding(f"{len(grave) - SHORTCUTS} more are below.", "plain", "shortcuts"))
    counts = Counter(shortcut.verdict for _, shortcut in suspects)
    searched, few = len(search.classes), len(search.too_small)
    if searched and not grave:
        reason = "no small group of photos stands apart from its class"
        if suspects:
            kinds = (Verdict.CLEARED, Verdict.TOO_FEW)
            reason = "small groups stand apart: " + ", ".join(
                f"{counts[kind]} {kind}" for kind in kinds if counts[kind]
            )
        text = f"No shortcut was found in {_classes(searched)}: {reason}. That is no acquittal."
        findings.append(Finding(text, "plain", "shortcuts"))
    if search.too_small:
        text = (
            f"{_classes(few, of=searched + few + len(search.left_out))} "
            f"{'was' if few == 1 else 'were'} not searched for shortcuts: fewer than "
            f"{FEWEST_CLASS_PHOTOS} photos were taken for each, and a group that can be told "
            f"from chance has {PASTED_FROM}, and at most {LARGEST_SHARE:.0%} of the class."
        )
        findings.append(Finding(text, "plain", "shortcuts"))
    if search.left_out:
        text = f"{_classes(len(search.left_out))} with fewer photos were not searched either."
        findings.append(Finding(text, "plain", "shortcuts"))
    return findings


NEXT_OF = {
    Verdict.CONFIRMED: "Look at these photos: if what they share is no part of the thing, take it "
    "out of the training photos or put it into all classes alike, and train again.",
    Verdict.OPEN: "Look at these photos: more photos of this kind, or a network with a finer "
    "map, would tell.",
    Verdict.UNTESTED: "Repeat the report where the network and the photos are.",
}
"""What to do about a suspect."""


def _classes(count: int, *, of: int | None = None) -> str:
    whole = "" if of is None else f" of {of}"
    return f"{count}{whole} class{'es' if (of or count) != 1 else ''}"


def on_changes(tested: ChangeTest | None) -> list[Finding]:
    """Say which harmless changes do harm, on what the network relies, and which classes do."""
    if tested is None or not tested.results:
        return []
    photos = len(tested.photos)
    kinds: dict[str, list[ChangeResult]] = {}
    for result in sorted(tested.results, key=lambda each: -each.loss.mean):
        if result.matters:
            kinds.setdefault(result.change.kind, []).append(result)
    findings = [
        Finding(
            f"{share_after(several[0], tested)}{_also(several, photos)}: the network relies on "
            f"{RELIANCES[kind]}.{_taken(several[0], tested)}",
            "bad",
            "changes",
            next=f"Train with photos that differ in {RELIANCES[kind]}, or change them at random.",
        )
        for kind, several in list(kinds.items())[:KINDS]
    ]
    if len(kinds) > KINDS:
        others = ", ".join(RELIANCES[kind] for kind in list(kinds)[KINDS:])
        findings.append(Finding(f"It also relies on {others}.", "bad", "changes"))
    by_class = _on_classes(tested)
    by_class += [
        Finding(
            f"{share_after(result, tested)}: the training photos were like that, and other photos "
            "are not.",
            "bad",
            "changes",
            next="Make photos so before they are asked about, and train with photos of all kinds.",
        )
        for result in tested.results
        if result.helps
    ]
    if not kinds:
        worst = max(tested.results, key=lambda each: each.loss.mean)
        findings.append(
            Finding(
                f"Over all classes, none of {len(tested.results)} harmless changes costs more than "
                f"{LOSS:.0%} of the photos for sure. At worst: {share_after(worst, tested)}.",
                "good" if photos >= 100 and not by_class else "plain",
                "changes",
            )
        )
    return findings + by_class


def share_after(result: ChangeResult, tested: ChangeTest) -> str:
    """Say how many photos are recognised with a change, and without it."""
    photos = len(tested.photos)
    what = f"{result.change.clause}, {result.after / photos:.0%} of {photos} photos"
    if not tested.labelled:
        return f"{what} keep their class"
    return f"{what} are recognised instead of {result.before / photos:.0%}"


def _also(several: list[ChangeResult], photos: int) -> str:
    others = [f"{result.change.name}: {result.after / photos:.0%}" for result in several[1:]]
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
        for row in result.classes:
            loss = (row.before - row.after) / row.before
            if row.index not in worst or loss > worst[row.index][0]:
                worst[row.index] = loss, result, row
    ordered = sorted(worst.values(), key=lambda each: -each[0])
    return [
        Finding(
            f"{result.change.clause}, {row.after} of {row.photos} '{row.name}' photos "
            f"{'are recognised' if tested.labelled else 'keep their class'} instead of "
            f"{row.before}; the other classes lose {row.others:.0%} of theirs.",
            "bad",
            "changes",
        )
        for _, result, row in ordered[:KINDS]
    ]


def on_heat(
    seen: Observations,
    heat: MeanHeat,
    class_heat: Mapping[int, MeanHeat],
    reasons: tuple[WrongReason, ...],
) -> list[Finding]:
    """Say where heat is that it should not be."""
    findings = []
    if heat.alarm:
        findings.append(Finding(f"Over all photos: {heat.alarm}", "bad", "heat"))
    rows = [(index, mean) for index, mean in class_heat.items() if mean.alarm]
    for index, mean in sorted(rows, key=lambda item: -item[1].photos)[:3]:
        findings.append(Finding(f"'{seen.names[index]}': {mean.alarm}", "bad", "heat"))
    if len(rows) > 3:
        findings.append(Finding(f"{len(rows) - 3} more classes have such an alarm.", "bad", "heat"))
    if reasons:
        count = len(reasons)
        findings.append(
            Finding(
                f"{count} right answer{'s have their' if count > 1 else ' has its'} heat in the "
                f"wrong place: {_counted(reasons)}.",
                "plain",
                "reasons",
                next="On other photos such answers may be wrong: look at what is under the heat.",
            )
        )
    if seen.unfamiliar is not None:
        strange = wilson(int((seen.unfamiliar & seen.unseen).sum()), int(seen.unseen.sum()))
        if strange.low > STRANGE_SHARE:
            findings.append(
                Finding(
                    f"{strange.count} of {strange.of} photos are less like the training photos "
                    f"than {1 - STRANGE_SHARE:.0%} of held-out ones; {STRANGE_SHARE:.0%} would be "
                    "by chance.",
                    "bad",
                    "accuracy",
                    next="Its answers on such photos are guesses: add photos of this kind.",
                )
            )
    return findings


def _counted(reasons: tuple[WrongReason, ...]) -> str:
    counts = Counter(reason.kind for reason in reasons)
    return ", ".join(f"{counts[kind]} {IN_WORDS[kind]}" for kind in ReasonKind if counts[kind])
