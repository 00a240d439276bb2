"""Search a class for shortcuts: suspects, each tested on the network, and a sentence about each.

Axes: n photo, h row, w column of a map, d feature, H W of the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import PhotoError
from seewhy.reporting.heat import place_of
from seewhy.reporting.proof import (
    FEWEST,
    MOST,
    Answer,
    Outcome,
    Trial,
    colour_distance,
    cover_trial,
    matching,
    recolour_trial,
    regions_of,
)
from seewhy.reporting.suspects import COLOUR, Groups, Suspect, find_groups, overlap

TESTED = 4
"""Suspects of a class that are tested."""

REPLACED = 0.6
"""The share of a photo up to which a region is replaced."""

COLOURS_TESTED = 2
"""Suspects of a class that are tested of those that are found by colour."""

LISTED = 2
"""Suspects of a class that are too few to tell and are listed: those that stand out most."""

FAR = 1.5
"""Standard deviations between mean colours from which colour is tested too."""


class Verdict(StrEnum):
    """What a test said of a suspect, the gravest first."""

    CONFIRMED = "confirmed"
    UNTESTED = "not tested"
    CLEARED = "not confirmed"
    TOO_FEW = "too few to tell"


WHOLE_COLOUR = "the colour of the photo"
"""The place of what is not at a place."""

Pixels = Callable[[Int[ndarray, " m"]], UInt8[ndarray, "m H W 3"]]
"""From places of photos to pixels at the network's input size."""


@dataclass(frozen=True, eq=False)
class Shortcut:
    """A suspect with what the test said.

    Attributes:
        suspect: the group.
        place: where its heat is, in words.
        verdict: what the test said.
        trials: the tests.
        sentence: what it means, for everybody.
    """

    suspect: Suspect
    place: str
    verdict: Verdict
    trials: tuple[Trial, ...]
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
        colours: as `colour_descriptors` returns them; None where the photos are not at hand.
    """

    index: int
    name: str
    maps: Float[ndarray, "n h w"]
    p_found: Float[ndarray, " n"]
    features: Float[ndarray, "n d"] | None = None
    right: Bool[ndarray, " n"] | None = None
    pixels: Pixels | None = None
    colours: Float[ndarray, "n c"] | None = None


def find_shortcuts(
    photos: ClassPhotos, answer: Answer | None, *, seed: int = 0
) -> tuple[Groups, list[Shortcut]]:
    """Return how a class falls apart, and its suspects with their verdicts.

    Args:
        photos: of the class.
        answer: the network; None where it is not at hand, so that nothing can be tested.
        seed: of clusters and draws.
    """
    groups = find_groups(photos.maps, photos.features, photos.colours, seed=seed)
    by_colour = [one for one in groups.suspects if one.descriptor == COLOUR]
    others = [one for one in groups.suspects if one.descriptor != COLOUR]
    found = _once([
        _examined(photos, one, answer if place < most else None, seed=seed)
        for several, most in ((others, TESTED), (by_colour, COLOURS_TESTED))
        for place, one in enumerate(several)
    ])  # fmt: skip
    few = [one for one in found if one.verdict == Verdict.TOO_FEW]
    kept = [one for one in found if one.verdict != Verdict.TOO_FEW or one in few[:LISTED]]
    order = list(Verdict)
    return groups, sorted(kept, key=lambda one: order.index(one.verdict))


def _once(found: list[Shortcut]) -> list[Shortcut]:
    """Keep one of suspects of the same photos: what was confirmed, else what stands apart most."""
    order = (Verdict.CONFIRMED, Verdict.CLEARED, Verdict.UNTESTED, Verdict.TOO_FEW)
    kept: list[Shortcut] = []
    for one in sorted(found, key=lambda each: (order.index(each.verdict), -each.suspect.gap)):
        if not any(overlap(one.suspect, other.suspect) for other in kept):
            kept.append(one)
    return kept


def _examined(
    photos: ClassPhotos, suspect: Suspect, answer: Answer | None, *, seed: int
) -> Shortcut:
    maps = photos.maps[suspect.members]
    regions, shared = regions_of(maps)
    place = place_of(regions[0]) if shared else "changing places"
    trials: tuple[Trial, ...] = ()
    if len(suspect.members) < FEWEST:
        verdict = Verdict.TOO_FEW
    elif answer is None or photos.pixels is None:
        verdict = Verdict.UNTESTED
    else:
        try:
            trials = _tried(photos, suspect, answer, seed=seed)
            verdict = Verdict.CONFIRMED if any(one.confirmed for one in trials) else Verdict.CLEARED
        except PhotoError:  # it was there when the run was made
            verdict = Verdict.UNTESTED
    by_region = any(one.confirmed and one.kind != "recolour" for one in trials)
    if suspect.descriptor == COLOUR and not by_region:
        place = WHOLE_COLOUR
    sentence = _sentence(photos, suspect, place, verdict, trials)
    return Shortcut(suspect, place, verdict, trials, sentence)


def _tried(
    photos: ClassPhotos, suspect: Suspect, answer: Answer, *, seed: int
) -> tuple[Trial, ...]:
    """Test a suspect by covering, and by its colours where those are unlike the others'.

    Where one region is everyone's, it is also replaced by that of other photos, unless it is most
    of the photo: then there is another photo, and that its answer differs says nothing.
    """
    assert photos.pixels is not None
    generator = np.random.default_rng(seed)
    members = suspect.members
    if len(members) > MOST:
        members = np.sort(generator.choice(members, MOST, replace=False))
    outside = np.setdiff1d(np.arange(len(photos.maps)), suspect.members)
    others = outside[
        matching(photos.p_found[members], photos.p_found[outside], generator=generator)
    ]
    ours, theirs = photos.pixels(members), photos.pixels(others)
    right = None if photos.right is None else (photos.right[members], photos.right[others])
    regions, shared = regions_of(photos.maps[members])
    ways = (False, True) if shared and regions[0].mean() <= REPLACED else (False,)
    trials = [
        cover_trial(
            answer,
            photos.index,
            members=ours,
            member_maps=photos.maps[members],
            others=theirs,
            other_maps=photos.maps[others],
            generator=generator,
            is_right=right,
            swap=swap,
        )
        for swap in ways
    ]
    colours = [one.mean(axis=(1, 2)) for one in (ours, theirs)]
    if suspect.descriptor == COLOUR or colour_distance(*colours) >= FAR:
        trials.append(
            recolour_trial(
                answer,
                photos.index,
                members=ours,
                others=theirs,
                generator=generator,
                is_right=right,
            )
        )
    return tuple(trials)


def _sentence(
    photos: ClassPhotos, suspect: Suspect, place: str, verdict: Verdict, trials: tuple[Trial, ...]
) -> str:
    """Say what a suspect is, and what came of its test."""
    which = f"{len(suspect.members)} of {len(photos.maps)} '{photos.name}' photos"
    apart = "what is under their heat is unlike the others'"
    if suspect.descriptor == "where" or suspect.odd >= 0.5:
        apart = f"their heat is at an odd place, {place}"
    if suspect.descriptor == COLOUR:
        apart = "their colours are unlike the others'"
    if verdict == Verdict.TOO_FEW:
        return f"{which} stand apart ({apart}); too few to tell: a test needs {FEWEST}."
    if verdict == Verdict.UNTESTED:
        return f"{which} stand apart ({apart}). That was not tested on the network."
    if verdict == Verdict.CLEARED:
        trial = trials[-1 if suspect.descriptor == COLOUR else 0]
        done = "taking that away" if suspect.descriptor == COLOUR else "covering it"
        return (
            f"{which} stand apart ({apart}), but {done} makes no such difference: "
            f"the probability falls by {trial.members.drop.mean:.2f}, and by "
            f"{trial.matched.drop.mean:.2f} in other photos."
        )
    trial = next(one for one in trials if one.confirmed)
    on, done = {
        "cover": (f"{place}" if trial.shared else "something at changing places", "covered"),
        "swap": (place, "replaced by that of other photos"),
        "recolour": (WHOLE_COLOUR, "with the others' mean colour"),
    }[trial.kind]
    return (
        f"For {which} the network relies on {on}: {done}, it gets {_share(trial.members)}; "
        f"{_others(trial.matched)}."
    )


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
