"""From observations to a report: measure, search, and say first what matters.

Axes: n photo, k class.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import PhotoError
from seewhy.progress import Progress, no_progress
from seewhy.reporting.accuracy import ClassAccuracy, calibration, per_class, wilson
from seewhy.reporting.confusion import ConfusedPair, confused_pairs
from seewhy.reporting.descriptors import what_descriptors
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.heat import border_heat, mean_heat
from seewhy.reporting.mislabelled import likely_mislabelled
from seewhy.reporting.objects import Objects
from seewhy.reporting.observations import Observations
from seewhy.reporting.page import make_page
from seewhy.reporting.proof import Answer
from seewhy.reporting.result import ReasonKind, Report, Search, SearchedClass, WrongReason
from seewhy.reporting.robustness import FEWEST_PHOTOS, balanced_sample, try_changes
from seewhy.reporting.sentences import (
    notes_on,
    on_accuracy,
    on_changes,
    on_heat,
    on_mistakes,
    on_shortcuts,
)
from seewhy.reporting.settings import ReportSettings
from seewhy.reporting.shortcuts import ClassPhotos, Verdict, find_shortcuts
from seewhy.reporting.suspects import FEWEST_CLASS_PHOTOS

SEARCHED_CLASSES = 40
"""Classes that are searched for shortcuts: those with the most photos."""

AT_BORDER = 0.75
"""The share of a photo's heat in the border ring from which a right answer is listed."""

SHARE_OUTSIDE = 0.75
"""The share of a photo's heat outside its boxes or mask from which a right answer is listed."""

RECIPIENT_PHOTOS = 200
"""Photos into which regions are pasted, of all classes."""

LOOKED_AT = 20_000
"""Photos up to which groups are also looked for by pixels, which takes 3 KB for each."""

AT_ONCE = 32
"""Pictures that the network is shown at once."""

TOO_FEW_TO_CHANGE = (
    f"Harmless changes were not tried: at least {FEWEST_PHOTOS} photos are needed that can still "
    "be read."
)


@dataclass(frozen=True)
class ReportContext:
    """What the observations do not say themselves.

    Attributes:
        facts: model, weights, data, method, in words.
        gallery: the photos.
        network: None where it is not at hand.
        notes: what could not be said, and why.
        signed: whether maps have negative values that mean something.
        objects: where the things are; None where nobody has drawn it.
        settings: of the report.
    """

    facts: Mapping[str, str]
    gallery: Gallery
    network: Classifier | None = None
    notes: tuple[str, ...] = ()
    signed: bool = False
    objects: Objects | None = None
    settings: ReportSettings = field(default_factory=ReportSettings)

    @property
    def answer(self) -> Answer | None:
        """The network as a function from fitted pixels to probabilities; None without it."""
        return None if self.network is None else functools.partial(probabilities, self.network)


def probabilities(
    classifier: Classifier, pixels: UInt8[ndarray, "n H W 3"]
) -> Float[ndarray, "n k"]:
    """Return what a network says of fitted pixels, `AT_ONCE` at a time."""
    parts = [
        classifier.network.scores(classifier.to_input(pixels[start : start + AT_ONCE]))
        for start in range(0, len(pixels), AT_ONCE)
    ]
    return classifier.probabilities(np.concatenate(parts))


def analyse(
    seen: Observations, context: ReportContext, *, progress: Progress = no_progress
) -> Report:
    """Return the report on what was observed.

    Args:
        seen: what the network said.
        context: what else is known.
        progress: called with (done, total) photos that the network sees again.
    """
    labelled, settings = np.flatnonzero(seen.labelled), context.settings
    notes = [*context.notes, *notes_on(seen), *_notes_on_objects(seen, context.objects)]
    changes = None
    if context.network is not None and context.answer is not None and settings.changes:
        changes = try_changes(
            seen, context.gallery, context.answer, context.network.label,
            seed=settings.seed, progress=progress,
        )  # fmt: skip
        notes += [] if changes else [TOO_FEW_TO_CHANGE]
    search = _searched(seen, context) if settings.search else None
    accuracy, calibrated = None, None
    classes: tuple[ClassAccuracy, ...] = ()
    pairs: tuple[ConfusedPair, ...] = ()
    mislabelled = confident = np.zeros(0, np.int64)
    if len(labelled):
        correct = seen.correct[labelled]
        accuracy = wilson(int(correct.sum()), len(labelled))
        classes = tuple(per_class(seen.true[labelled], seen.found[labelled], seen.names))
        if np.isfinite(seen.p_found[labelled]).all():
            calibrated = calibration(seen.p_found[labelled], correct)
        judged = np.where(seen.labelled, seen.true, -1)
        pairs = tuple(confused_pairs(judged, seen.found, seen.p_found))
        mislabelled = likely_mislabelled(judged, seen.found, seen.p_true, seen.p_found)
        others = np.setdiff1d(np.flatnonzero(seen.mistakes), mislabelled)
        confident = others[np.argsort(-seen.p_found[others], kind="stable")]
    heat = mean_heat(seen.maps)
    class_heat = {
        index: mean_heat(seen.maps[seen.found == index]) for index in np.unique(seen.found).tolist()
    }
    reasons = _wrong_reasons(seen, context, search)
    findings = [
        *on_shortcuts(search),
        *on_changes(changes),
        *on_accuracy(accuracy, classes, calibrated),
        *on_heat(seen, heat, class_heat, reasons),
        *on_mistakes(seen, accuracy, pairs, mislabelled),
    ]
    order = {"bad": 0, "plain": 1, "good": 2}
    return Report(
        findings=tuple(
            sorted(findings, key=lambda finding: (order[finding.tone], not finding.next))
        ),
        facts=context.facts,
        notes=tuple(notes),
        accuracy=accuracy,
        classes=classes,
        calibration=calibrated,
        pairs=pairs,
        mislabelled=mislabelled,
        confident=confident,
        wrong_reasons=reasons,
        search=search,
        heat=heat,
        class_heat=class_heat,
        observations=seen,
        gallery=context.gallery,
        page=make_page,
        changes=changes,
        signed=context.signed,
        appendix=settings.appendix,
        outlined=context.objects is not None,
    )


def _searched(seen: Observations, context: ReportContext) -> Search:
    """Search the classes with the most photos for shortcuts."""
    indices, counts = np.unique(seen.found, return_counts=True)
    taken = dict(zip(indices.tolist(), counts.tolist(), strict=True))
    whole = sorted({*taken, *seen.class_sizes}, key=lambda index: (-taken.get(index, 0), index))
    large = [index for index in whole if taken.get(index, 0) >= FEWEST_CLASS_PHOTOS]
    has_pixels = context.answer is not None and len(seen) <= LOOKED_AT
    given, seed = _given_to(seen, context), context.settings.seed
    searched = []
    for index in large[:SEARCHED_CLASSES]:
        photos = np.flatnonzero(seen.found == index)
        features = None if seen.descriptors is None else what_descriptors(seen.descriptors[photos])
        right = None
        if seen.labelled.any():
            right = seen.true[photos] == seen.found[photos]
        groups, shortcuts = find_shortcuts(
            ClassPhotos(
                index,
                seen.names[index],
                seen.maps[photos],
                seen.p_found[photos],
                features,
                right,
                functools.partial(_fitted, context.gallery, photos),
                context.gallery.tiny(photos) if has_pixels else None,
                given[1][seen.found[given[0]] != index] if given else None,
            ),
            context.answer,
            seed=seed,
        )
        searched.append(SearchedClass(index, photos, groups.parts, tuple(shortcuts)))
    names = [seen.names[index] for index in whole]
    return Search(
        tuple(searched), tuple(names[len(large) :]), tuple(names[SEARCHED_CLASSES : len(large)])
    )


def _given_to(
    seen: Observations, context: ReportContext
) -> tuple[Int[ndarray, " s"], UInt8[ndarray, "s H W 3"]] | None:
    """Return photos, drawn evenly from all classes, into which regions are pasted."""
    if context.answer is None:
        return None
    generator = np.random.default_rng(context.settings.seed)
    places = balanced_sample(seen.found, RECIPIENT_PHOTOS, generator=generator)
    try:
        return places, context.gallery.fitted(places)
    except PhotoError:  # it was there when the run was made
        return None


def _fitted(
    gallery: Gallery, photos: Int[ndarray, " n"], some: Int[ndarray, " m"]
) -> UInt8[ndarray, "m H W 3"]:
    """Return some of a class's photos at the network's input size."""
    return gallery.fitted(photos[some])


def _wrong_reasons(
    seen: Observations, context: ReportContext, search: Search | None
) -> tuple[WrongReason, ...]:
    """List right answers whose heat is outside the boxes, in a shortcut, or at the border."""
    right = np.flatnonzero(seen.correct)
    listed: dict[int, WrongReason] = {}
    border = border_heat(seen.maps[right])
    for photo, share in zip(right.tolist(), border.tolist(), strict=True):
        if share >= AT_BORDER:
            listed[photo] = WrongReason(photo, ReasonKind.BORDER, share)
    for searched in search.classes if search else ():
        for shortcut in searched.shortcuts:
            if shortcut.verdict != Verdict.CONFIRMED:
                continue
            for photo in searched.photos[shortcut.suspect.members].tolist():
                if seen.correct[photo]:
                    listed[photo] = WrongReason(photo, ReasonKind.SHORTCUT, 1.0, shortcut.place)
    if context.objects is not None:
        for photo in right.tolist():
            share, kind = context.objects.outside(seen, photo, context.gallery.fit)
            if share >= SHARE_OUTSIDE:
                listed[photo] = WrongReason(photo, kind, share)
    order = {ReasonKind.BORDER: 2, ReasonKind.SHORTCUT: 1}
    return tuple(
        sorted(
            listed.values(),
            key=lambda reason: (order.get(reason.kind, 0), -reason.share, reason.photo),
        )
    )


def _notes_on_objects(seen: Observations, objects: Objects | None) -> list[str]:
    if objects is None or objects.masks is None:
        return []
    missing = len(seen) - len(objects.masks)
    return [f"{missing} of {len(seen)} photos have no mask."] if missing else []
