"""Search a class for shortcuts: suspects, each tested on the network, and a sentence about each.

Axes: n photo, h row, w column of a map, d feature, H W of the network's input.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import PhotoError
from seewhy.reporting.heat import place_of
from seewhy.reporting.proof import (
    CLEARED_EFFECT,
    FEWEST_MEMBERS,
    MOST_MEMBERS,
    WIDEST_REGION,
    Answer,
    Comparison,
    Outcome,
    Paste,
    Region,
    Trial,
    colour_distance,
    cover_trial,
    hot_regions,
    matching,
    paste_trial,
    recolour_trial,
    shared_pixels,
)
from seewhy.reporting.suspects import COLOUR, STAMP, Groups, Suspect, find_groups, overlap

TESTED_SUSPECTS = {"heat": 4, COLOUR: 2, STAMP: 6}
"""Suspects of a class that are tested, by how they were found."""

PASTED_FROM = 10
"""Members from which a region is pasted into other photos; covering needs `FEWEST_MEMBERS`."""

FEWEST_STRANGERS = 30
"""Photos of other classes, at least, into which something is pasted."""

LISTED_SUSPECTS = 2
"""Suspects of a class that are too few to tell and are listed: those that stand out most."""

COLOUR_DISTANCE = 1.5
"""Standard deviations between mean colours from which colour is tested too."""


class Verdict(StrEnum):
    """What a test said of a suspect, the gravest first."""

    CONFIRMED = "confirmed"
    OPEN = "open"
    UNTESTED = "not tested"
    CLEARED = "cleared"
    TOO_FEW = "too few to tell"


WHOLE_COLOUR = "the colour of the photo"
"""The place of what is not at a place."""

CHANGING = "changing places"
"""The place of what is elsewhere in each photo."""

Pixels = Callable[[Int[ndarray, " m"]], UInt8[ndarray, "m H W 3"]]
"""From places of photos to pixels at the network's input size."""


@dataclass(frozen=True, eq=False)
class Shortcut:
    """A suspect with what the test said.

    Attributes:
        suspect: the group.
        place: where its heat is, in words.
        verdict: what the test said.
        trials: what came of taking it away.
        pasted: what came of giving it to photos of other classes.
        sentence: what it means, for everybody.
    """

    suspect: Suspect
    place: str
    verdict: Verdict
    trials: tuple[Trial, ...]
    pasted: tuple[Paste, ...]
    sentence: str


@dataclass(frozen=True, eq=False)
class ClassPhotos:
    """The photos that were taken for one class.

    Attributes:
        index, name: the class.
        maps: of the class.
        p_found: its probabilities.
        features: *what*; None where not recorded.
        right: which of them are of the class; None without labels.
        pixels: reads some of them.
        tiny: photos at 32 × 32; None where they are not at hand.
        strangers: photos that the network takes for other classes, at its input size; None where
            there are none.
    """

    index: int
    name: str
    maps: Float[ndarray, "n h w"]
    p_found: Float[ndarray, " n"]
    features: Float[ndarray, "n d"] | None = None
    right: Bool[ndarray, " n"] | None = None
    pixels: Pixels | None = None
    tiny: UInt8[ndarray, "n 32 32 3"] | None = None
    strangers: UInt8[ndarray, "s H W 3"] | None = None


def find_shortcuts(
    photos: ClassPhotos, predict: Answer | None, *, seed: int = 0
) -> tuple[Groups, list[Shortcut]]:
    """Return how a class falls apart, and its suspects with their verdicts.

    Args:
        photos: of the class.
        predict: the network; None where it is not at hand, so that nothing can be tested.
        seed: of clusters and draws.
    """
    groups = find_groups(photos.maps, photos.features, photos.tiny, seed=seed)
    tested: Counter[str] = Counter()
    examined = []
    for suspect in groups.suspects:
        kind = suspect.descriptor if suspect.descriptor in (COLOUR, STAMP) else "heat"
        tested[kind] += 1
        if kind == STAMP and tested[kind] > TESTED_SUSPECTS[kind]:
            continue
        by = predict if tested[kind] <= TESTED_SUSPECTS[kind] else None
        examined.append(_examined(photos, suspect, by, seed=seed))
    shortcuts = _once(examined)
    few = [
        shortcut
        for shortcut in shortcuts
        if shortcut.verdict == Verdict.TOO_FEW and shortcut.suspect.descriptor != STAMP
    ]
    kept = [
        shortcut
        for shortcut in shortcuts
        if shortcut.verdict != Verdict.TOO_FEW or shortcut in few[:LISTED_SUSPECTS]
    ]
    order = list(Verdict)
    return groups, sorted(kept, key=lambda shortcut: order.index(shortcut.verdict))


def _once(shortcuts: list[Shortcut]) -> list[Shortcut]:
    """Keep one of suspects of the same photos: of those that are confirmed, what turns the most
    photos; else what stands apart most."""
    order = (Verdict.CONFIRMED, Verdict.OPEN, Verdict.CLEARED, Verdict.UNTESTED, Verdict.TOO_FEW)
    kept: list[Shortcut] = []

    def rank(shortcut: Shortcut) -> tuple[int, float, float]:
        turned = max(
            (paste.against.mean for paste in shortcut.pasted if paste.confirmed), default=0
        )
        return order.index(shortcut.verdict), -turned, -shortcut.suspect.gap

    for shortcut in sorted(shortcuts, key=rank):
        if not any(overlap(shortcut.suspect, other.suspect) for other in kept):
            kept.append(shortcut)
    return kept


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What the tests of a suspect found.

    Attributes:
        regions: what sets it apart: by heat, and by pixels.
        trials: what came of taking it away.
        pasted: what came of giving it to photos of other classes.
    """

    regions: tuple[Region, ...]
    trials: tuple[Trial, ...] = ()
    pasted: tuple[Paste, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether any test confirms the suspect."""
        return any(trial.confirmed for trial in self.trials) or any(
            paste.confirmed for paste in self.pasted
        )

    @property
    def clears(self) -> bool:
        """Whether it was taken away, and given to others, and neither did much, for sure."""
        effects = [paste.against for paste in self.pasted]
        effects += [trial.against_matched for trial in self.trials]
        return bool(self.trials and self.pasted) and all(
            effect.high < CLEARED_EFFECT for effect in effects
        )

    @property
    def place(self) -> str:
        """Where it is: of what is confirmed, else of what could be tested."""
        shown = [
            trial.region for trial in self.trials if trial.confirmed and trial.region is not None
        ]
        shown += [paste.region for paste in self.pasted if paste.confirmed]
        if self.confirmed and not shown:
            return WHOLE_COLOUR
        shown = (
            shown or [region for region in self.regions if region.is_testable] or list(self.regions)
        )
        return _in_words(shown[0])


def _in_words(region: Region) -> str:
    return place_of(region.cells[0]) if region.shared else CHANGING


def _examined(
    photos: ClassPhotos, suspect: Suspect, predict: Answer | None, *, seed: int
) -> Shortcut:
    outside = np.setdiff1d(np.arange(len(photos.maps)), suspect.members)
    evidence = _Evidence((hot_regions(photos.maps[suspect.members], photos.maps[outside]),))
    verdict = Verdict.TOO_FEW if len(suspect.members) < FEWEST_MEMBERS else Verdict.UNTESTED
    if predict is not None and photos.pixels is not None and len(suspect.members) >= PASTED_FROM:
        with contextlib.suppress(PhotoError):  # it was there when the run was made
            evidence = _tested(photos, suspect, predict, seed=seed)
            if evidence.confirmed:
                verdict = Verdict.CONFIRMED
            elif suspect.descriptor == STAMP and not evidence.pasted and not evidence.trials:
                verdict = Verdict.TOO_FEW  # what they share is nowhere, or most of the photo
            elif verdict != Verdict.TOO_FEW:
                verdict = Verdict.CLEARED if evidence.clears else Verdict.OPEN
    place = evidence.place
    if suspect.descriptor == COLOUR and not evidence.confirmed:
        place = WHOLE_COLOUR
    sentence = _sentence(photos, suspect, place, verdict, evidence)
    return Shortcut(suspect, place, verdict, evidence.trials, evidence.pasted, sentence)


def _tested(photos: ClassPhotos, suspect: Suspect, predict: Answer, *, seed: int) -> _Evidence:
    """Test a suspect: cover its regions, paste them, and take its colours away.

    A region is what is hot in its photos alone, or the pixels that they share; only those where it
    was found by them. Where one region is
    everyone's, it is also replaced by that of other photos. Colours are tested where they are
    unlike the others'.
    """
    assert photos.pixels is not None
    generator = np.random.default_rng(seed)
    members = suspect.members
    if len(members) > MOST_MEMBERS:
        members = np.sort(generator.choice(members, MOST_MEMBERS, replace=False))
    outside = np.setdiff1d(np.arange(len(photos.maps)), suspect.members)
    others = outside[
        matching(photos.p_found[members], photos.p_found[outside], generator=generator)
    ]
    ours, theirs = photos.pixels(members), photos.pixels(others)
    right = None if photos.right is None else (photos.right[members], photos.right[others])
    compared = Comparison(predict, photos.index, ours, theirs, generator, right)
    regions: tuple[Region, ...] = (shared_pixels(ours, theirs),)
    if suspect.cells is not None:
        cells = suspect.cells[np.searchsorted(suspect.members, members)]
        regions = (Region("pixels", cells, False),)
    if suspect.descriptor != STAMP:  # the heat of photos with a stamp is on the thing as well
        regions = (hot_regions(photos.maps[members], photos.maps[outside]), *regions)
    trials: list[Trial] = []
    pasted: list[Paste] = []
    for region in regions:
        if not region.is_testable:
            continue
        ways = () if len(members) < FEWEST_MEMBERS else (False, True) if region.shared else (False,)
        trials += [cover_trial(compared, region, photos.maps[others], swap=swap) for swap in ways]
        if photos.strangers is not None and len(photos.strangers) >= FEWEST_STRANGERS:
            pasted.append(paste_trial(compared, region, photos.strangers))
    colours = [pixels.mean(axis=(1, 2)) for pixels in (ours, theirs)]
    is_coloured = suspect.descriptor == COLOUR or colour_distance(*colours) >= COLOUR_DISTANCE
    if is_coloured and len(members) >= FEWEST_MEMBERS:
        trials.append(recolour_trial(compared))
    return _Evidence(regions, tuple(trials), tuple(pasted))


def _sentence(
    photos: ClassPhotos, suspect: Suspect, place: str, verdict: Verdict, evidence: _Evidence
) -> str:
    """Say what a suspect is, and what came of its test."""
    which = f"{len(suspect.members)} of {len(photos.maps)} '{photos.name}' photos"
    apart = "what is under their heat is unlike the others'"
    if suspect.descriptor == "where" or suspect.odd >= 0.5:
        apart = f"their heat is at an odd place, {place}"
    if suspect.descriptor == COLOUR:
        apart = "their colours are unlike the others'"
    if suspect.descriptor == STAMP:
        where = "at changing places" if place == CHANGING else place
        apart = f"they have the same pixels, {where}"
    stand = f"{which} stand apart ({apart})"
    if verdict == Verdict.TOO_FEW:
        return f"{stand}; too few to tell: a test needs {FEWEST_MEMBERS}."
    if verdict == Verdict.UNTESTED:
        return f"{stand}. That was not tested on the network."
    if verdict == Verdict.CONFIRMED:
        return _proof(photos, which, evidence)
    return f"{stand}{_outcome_in_words(photos, suspect, verdict, evidence)}"


def _proof(photos: ClassPhotos, which: str, evidence: _Evidence) -> str:
    """Say what a confirmed suspect relies on, and by which tests that is known."""
    clauses = []
    trial = next((trial for trial in evidence.trials if trial.confirmed), None)
    place = evidence.place
    if trial is not None:
        done = {
            "cover": "covered",
            "swap": "replaced by that of other photos",
            "recolour": "with the others' mean colour",
        }[trial.kind]
        place = WHOLE_COLOUR if trial.region is None else _in_words(trial.region)
        clauses.append(f"{done}, it gets {_share(trial.members)}; {_others(trial.matched)}")
    paste = max(evidence.pasted, key=lambda paste: paste.against.low, default=None)
    if paste is not None and paste.confirmed:
        if trial is None:
            place = _in_words(paste.region)
        clauses.append(_pasted(photos, paste))
    what = "something at changing places" if place == CHANGING else place
    return f"For {which} the network relies on {what}: {'; '.join(clauses)}."


def _pasted(photos: ClassPhotos, paste: Paste) -> str:
    return (
        f"pasted into {paste.photos} photos of other classes, it turns {paste.turned} into "
        f"'{photos.name}', and the same part of other '{photos.name}' photos {paste.compared}"
    )


def _outcome_in_words(
    photos: ClassPhotos, suspect: Suspect, verdict: Verdict, evidence: _Evidence
) -> str:
    """Say what tests that confirm nothing found, and what they could not find."""
    paste = max(evidence.pasted, key=lambda paste: paste.against.mean, default=None)
    if not evidence.trials and paste is None:
        return (
            ". That could not be tested: what sets them apart is more than "
            f"{WIDEST_REGION:.0%} of the photo, or has no place."
        )
    clauses = []
    if evidence.trials:
        trial = evidence.trials[-1 if suspect.descriptor == COLOUR else 0]
        done = "with the others' mean colour" if trial.kind == "recolour" else "covered"
        clauses.append(
            f"{done}, the probability falls by {trial.members.drop.mean:.2f}, and by "
            f"{trial.matched.drop.mean:.2f} in other photos"
        )
    clauses.append(
        _pasted(photos, paste) if paste else "it was not pasted into other classes' photos"
    )
    if verdict == Verdict.CLEARED:
        return f", but the network does not rely on it: {'; '.join(clauses)}."
    return f". The test leaves it open: {'; '.join(clauses)}."


def _share(outcome: Outcome) -> str:
    drop = f"its probability falls by {outcome.drop.mean:.2f}"
    if outcome.after == outcome.before:
        return f"{outcome.after} of {outcome.photos} right as before, but {drop}"
    return f"{outcome.after} of {outcome.photos} right (before: {outcome.before}), and {drop}"


def _others(outcome: Outcome) -> str:
    lost = outcome.before - outcome.after
    if lost <= 0 and outcome.drop.mean < 0.02:
        return "the other photos lose nothing"
    if lost <= 0:
        return f"in other photos, treated alike, it falls by {outcome.drop.mean:.2f}"
    return (
        f"of {outcome.photos} other photos, treated alike, it gets {outcome.after} right (before: "
        f"{outcome.before})"
    )
