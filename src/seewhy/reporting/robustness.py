"""What harmless changes do: the network sees photos again, changed, and is asked once more.

Axes: n photo, m lost photo, H W row and column of the network's input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy import ndarray

from seewhy.evaluating.intervals import Interval, bootstrap
from seewhy.photos.threads import map_ahead
from seewhy.progress import Progress, no_progress
from seewhy.reporting.changes import CHANGES, Change, changed
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import Observations
from seewhy.reporting.proof import Answer

FEWEST_PHOTOS = 20
"""Photos below which nothing is tried."""

LOSS = 0.05
"""The share of photos that a change costs for sure (95 %) where it is a finding."""

GAIN = 0.02
"""Likewise the share that a change gains."""

CLASS_LOSS = 0.25
"""By how much larger a class's share of lost photos is, where it is a finding of its own."""

FEWEST_RIGHT = 5
"""Photos of a class that were right before, below which it is not compared."""

SIGNIFICANCE_LEVEL = 0.05
"""The chance of any false finding about a class, among all changes and classes."""

BATCH = 8
"""Photos whose changes are in memory at once."""


@dataclass(frozen=True)
class ClassLoss:
    """A class that a change costs much more than the others.

    Attributes:
        index, name: the class.
        photos: of it, in the sample.
        before, after: how many were recognised.
        others: the share that the other classes lost of theirs.
        chance: the probability that as many of the lost photos are this class's by chance.
    """

    index: int
    name: str
    photos: int
    before: int
    after: int
    others: float
    chance: float


@dataclass(frozen=True, eq=False)
class ChangeResult:
    """What a change did.

    Attributes:
        change: what was done.
        before, after: how many photos were right.
        loss: by how much the accuracy fell, with the interval of a paired bootstrap.
        lost: places in the sample of photos that were right before, and not after.
        taken_for: what the lost photos are taken for, the most photos first: (class, photos).
        classes: those that lose much more than the others.
        found: the class that each photo of the sample was given.
    """

    change: Change
    before: int
    after: int
    loss: Interval
    lost: Int[ndarray, " m"]
    taken_for: tuple[tuple[int, int], ...]
    classes: tuple[ClassLoss, ...]
    found: Int[ndarray, " n"]

    @property
    def matters(self) -> bool:
        """Whether it costs more than `LOSS`, at 95 %."""
        return self.loss.low > LOSS

    @property
    def helps(self) -> bool:
        """Whether it gains more than `GAIN`, at 95 %: the training photos were like that."""
        return self.loss.high < -GAIN


@dataclass(frozen=True, eq=False)
class ChangeTest:
    """What harmless changes did to a sample of photos.

    Attributes:
        photos: the places of the sample.
        labelled: whether 'right' means the true class; else it is the network's own answer before.
        before: the class that the network gave each photo.
        results: of each change that changed any photo.
        names: of all classes that occur.
    """

    photos: Int[ndarray, " n"]
    labelled: bool
    before: Int[ndarray, " n"]
    results: tuple[ChangeResult, ...]
    names: Mapping[int, str]


def balanced_sample(
    classes: Int[ndarray, " n"], count: int, *, generator: np.random.Generator
) -> Int[ndarray, " m"]:
    """Return places of at most `count` photos, drawn so that classes differ by one at most.

    A class that has fewer photos gives all of them.
    """
    order = generator.permutation(len(classes))
    rank = np.zeros(len(classes), np.int64)
    for index in np.unique(classes):
        places = order[classes[order] == index]
        rank[places] = np.arange(len(places))
    first = order[np.argsort(rank[order], kind="stable")]
    return np.sort(first[:count])


def drawn_sample(
    paths: Sequence[str], classes: Int[ndarray, " n"], count: int, *, seed: int
) -> list[str]:
    """Return the paths of photos that are shown again, drawn evenly from their classes."""
    places = balanced_sample(classes, count, generator=np.random.default_rng(seed))
    return [paths[place] for place in places]


def try_changes(
    seen: Observations,
    gallery: Gallery,
    predict: Answer,
    label: Callable[[int], str],
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> ChangeTest | None:
    """Show the network the photos of the gallery's sample again, with each of the `CHANGES`.

    Args:
        seen: what it said about all photos.
        gallery: the photos, and its shelf's sample.
        predict: the network.
        label: the name of a class.
        seed: of the bootstrap.
        progress: called with (done, total) photos that the network sees.

    Returns:
        The results; None where fewer than 20 photos are there, or can still be read.
    """
    labelled = bool(seen.labelled.any())
    sample = gallery.shelf.sample
    chosen = [place for place, path in enumerate(gallery.paths) if path in sample]
    generator = np.random.default_rng(seed)
    read: list[int] = []
    predicted: list[Int[ndarray, "_ c"]] = []
    differs = np.zeros(len(CHANGES), bool)
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        several = map_ahead(functools.partial(variants, gallery), part)
        there = [
            (place, versions)
            for place, versions in zip(part, several, strict=True)
            if versions is not None
        ]
        if there:
            read += [place for place, _ in there]
            stack = np.stack([versions for _, versions in there])
            differs |= (stack[:, 1:] != stack[:, :1]).any(axis=(0, 2, 3, 4))
            classes = predict(stack.reshape(-1, *stack.shape[2:])).argmax(axis=1)
            predicted.append(classes.reshape(stack.shape[:2]))
        done = min(start + BATCH, len(chosen))
        progress(done * (1 + len(CHANGES)), len(chosen) * (1 + len(CHANGES)))
    if len(read) < FEWEST_PHOTOS:
        return None
    shown, answers = np.array(read), np.concatenate(predicted)
    before = answers[:, 0]
    truth = seen.true[shown] if labelled else before
    names = {index: label(index) for index in np.unique([*answers.ravel(), *truth]).tolist()}
    results = [
        result_of(change, truth, before, answers[:, 1 + number], names, generator=generator)
        for number, change in enumerate(CHANGES)
        if differs[number]
    ]
    return ChangeTest(shown, labelled, before, tuple(results), names)


def variants(gallery: Gallery, place: int) -> UInt8[ndarray, "c H W 3"] | None:
    """Return a photo as the network sees it, and with each of the `CHANGES`; None if it is gone."""
    kept = gallery.refitted(place)
    return None if kept is None else np.stack([kept[0], *changed(kept[0], kept[1:])])


def result_of(
    change: Change,
    truth: Int[ndarray, " n"],
    before: Int[ndarray, " n"],
    after: Int[ndarray, " n"],
    names: Mapping[int, str],
    *,
    generator: np.random.Generator,
) -> ChangeResult:
    """Compare the network's answers with and without a change.

    Args:
        change: what was done.
        truth: the class that is right.
        before, after: the class that the network gave.
        names: of classes.
        generator: draws the bootstrap's samples.
    """
    was, is_now = before == truth, after == truth
    lost = np.flatnonzero(was & ~is_now)
    taken, counts = np.unique(after[lost], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return ChangeResult(
        change,
        int(was.sum()),
        int(is_now.sum()),
        bootstrap(was.astype(np.float64) - is_now, generator=generator),
        lost,
        tuple((int(taken[place]), int(counts[place])) for place in order),
        tuple(_hit_classes(truth, was, is_now, names)),
        after,
    )


def _hit_classes(
    truth: Int[ndarray, " n"], was: Bool[ndarray, " n"], is_now: Bool[ndarray, " n"],
    names: Mapping[int, str],
) -> Iterator[ClassLoss]:  # fmt: skip
    """Yield the classes that lose much more than the others."""
    right, lost = int(was.sum()), int((was & ~is_now).sum())
    kinds = np.unique(truth).tolist()
    level = SIGNIFICANCE_LEVEL / (len(kinds) * len(CHANGES))
    for index in kinds:
        ours = truth == index
        own, gone = int((was & ours).sum()), int((was & ours & ~is_now).sum())
        if own < FEWEST_RIGHT or own == right:
            continue
        others = (lost - gone) / (right - own)
        chance = upper_tail(gone, own, lost, right)
        after = int((is_now & ours).sum())
        if gone / own - others >= CLASS_LOSS and chance <= level and after < own:
            yield ClassLoss(index, names[index], int(ours.sum()), own, after, others, chance)


def upper_tail(gone: int, own: int, lost: int, right: int) -> float:
    """Return the probability that `gone` or more of `lost` photos are among `own` of `right`.

    Source:
        Fisher's exact test, one-sided: Fisher, *Statistical Methods for Research Workers*, 1934.
    """
    from scipy.stats import hypergeom

    return float(hypergeom.sf(gone - 1, right, own, lost))
