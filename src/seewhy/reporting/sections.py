"""The sections of the page: one table, and what each template is given.

A section is a row of `SECTIONS` and a template. Its number and the menu follow from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.reporting.accuracy import wilson
from seewhy.reporting.changes import CHANGES
from seewhy.reporting.comparison import NetworkComparison
from seewhy.reporting.confusion import confusion_matrix
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.heat import hot_region, mean_map, place_of
from seewhy.reporting.proof import Outcome
from seewhy.reporting.result import Report, SearchedClass
from seewhy.reporting.robustness import ChangeResult, ChangeTest, variants
from seewhy.reporting.shelf import Thumbnail, jpeg_bytes
from seewhy.reporting.shortcuts import Shortcut

MATRIX = 30
"""Classes of the matrix, at most."""

SHOWN_MEMBERS = 8
"""Photos of a group that are shown."""

AVERAGED_PHOTOS = 60
"""Photos whose mean is shown, at most."""

SHOWN_CLASSES = 20
"""Classes whose groups are shown; of the others, only suspects are."""

REGIONS = {"heat": "what is hot in them alone", "pixels": "the pixels that they share"}
"""What was taken away, by the kind of the region."""

NAMED_CLASSES = 3
"""Classes that lost photos are taken for, and that lose most: so many are named in the table."""

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        id: by which findings and the menu point to it.
        title: its heading, also in the menu.
        template: its file in `templates/`.
        data: what the template needs beside the report; None where there is nothing to show.
    """

    id: str
    title: str
    template: str
    data: Callable[[Any], Data | None]


def _accuracy(report: Report) -> Data:
    return {"shown": 20}


def _confusion(report: Report) -> Data:
    return {"shown": 12, "matrix": _matrix(report) if report.pairs else None}


def _matrix(report: Report) -> Data:
    """Return the rows of the matrix; of many classes, those that are confused most."""
    seen = report.observations
    sizes = seen.class_sizes
    classes = sorted({*sizes, *(pair.found for pair in report.pairs)})
    is_part = len(classes) > MATRIX
    if is_part:
        weight = dict.fromkeys(classes, 0)
        for pair in report.pairs:
            weight[pair.true] += pair.count
            weight[pair.found] += pair.count
        classes = sorted(sorted(classes, key=lambda index: -weight[index])[:MATRIX])
    counts = confusion_matrix(np.where(seen.labelled, seen.true, -1), seen.found, classes)
    rows = []
    for true, row in zip(classes, counts.tolist(), strict=True):
        shares = np.array(row) / max(sizes.get(true, 0), 1)
        shades = np.where(np.array(row) > 0, 1 + np.searchsorted([0.05, 0.2, 0.6], shares), 0)
        cells = [
            {"found": predicted, "count": count, "shade": shade}
            for predicted, count, shade in zip(classes, row, shades.tolist(), strict=True)
        ]
        rows.append({"true": true, "cells": cells})
    return {"classes": classes, "rows": rows, "is_part": is_part}


def _pairs(report: Report) -> Data | None:
    return {"shown": 12, "of_each": 12} if report.pairs else None


def _mistakes(report: Report) -> Data | None:
    return {"shown": 24} if report.accuracy else None


def _shortcuts(report: Report) -> Data:
    """Return each class's suspects and its groups, with the pictures of both."""
    classes = []
    for number, searched in enumerate(report.searched):
        suspects = [
            (
                shortcut,
                _outcomes(shortcut),
                _group(report, searched, searched.photos[shortcut.suspect.members]),
            )
            for shortcut in searched.shortcuts
        ]
        parts = [
            _group(report, searched, searched.photos[searched.parts == part])
            for part in (_by_size(searched.parts) if number < SHOWN_CLASSES else [])
        ]
        if suspects or parts:
            classes.append({"searched": searched, "suspects": suspects, "parts": parts})
    return {"classes": classes, "regions": REGIONS}


def _outcomes(shortcut: Shortcut) -> list[tuple[str, str, Outcome]]:
    """Return which photos were treated how, with what came of it, test by test."""
    rows: list[tuple[str, str, Outcome]] = []
    for trial in shortcut.trials:
        done = {"cover": "covered", "swap": "replaced", "recolour": "recoloured"}[trial.kind]
        if trial.region is not None:
            done = f"{REGIONS[trial.region.kind]} {done}"
        rows.append(("its photos", done, trial.members))
        rows.append(("other photos of the class", done, trial.matched))
        if trial.shuffled is not None:
            rows.append(("its photos", f"{done} where others are hot", trial.shuffled))
    return rows


def _by_size(parts: Int[ndarray, " n"]) -> list[int]:
    groups, counts = np.unique(parts, return_counts=True)
    return [int(group) for group in groups[np.argsort(-counts, kind="stable")]]


def _group(report: Report, searched: SearchedClass, photos: Int[ndarray, " n"]) -> Data:
    """Return the mean map, the mean photo, and the members that are most like the mean."""
    seen = report.observations
    mean = mean_map(seen.maps[photos])
    flat = seen.maps[photos].reshape(len(photos), -1)
    lengths = np.linalg.norm(flat, axis=1)
    likeness = flat @ mean.ravel() / np.where(lengths > 0, lengths, 1)
    labelled = photos[seen.labelled[photos]]
    return {
        "photos": photos,
        "share": len(photos) / len(searched.photos),
        "right": seen.correct[labelled].mean() if len(labelled) else None,
        "place": place_of(hot_region(mean)),
        "map": mean,
        "picture": report.gallery.mean(photos[:AVERAGED_PHOTOS]),
        "averaged": min(len(photos), AVERAGED_PHOTOS),
        "typical": photos[np.argsort(-likeness, kind="stable")][:SHOWN_MEMBERS].tolist(),
    }


def _changes(report: Report) -> Data | None:
    tested = report.changes
    if tested is None or not tested.results:
        return None
    return {
        "tested": tested,
        "before": wilson(tested.results[0].before, len(tested.photos)),
        "rows": [_changed(result, tested) for result in tested.results],
        "example": _example(report.gallery, tested),
    }


def _changed(result: ChangeResult, tested: ChangeTest) -> Data:
    """Return a row of the table: the share, and in words what is lost and by which classes."""
    taken = [f"{tested.names[index]} {count}" for index, count in result.taken_for[:NAMED_CLASSES]]
    if len(result.taken_for) > NAMED_CLASSES:
        taken.append(f"others {sum(count for _, count in result.taken_for[NAMED_CLASSES:])}")
    ordered = sorted(result.classes, key=lambda each: each.after / each.before)
    return {
        "result": result,
        "share": wilson(result.after, len(tested.photos)),
        "taken": taken,
        "classes": [
            f"{row.name}: {row.after} of {row.photos} ({row.before} before)"
            for row in ordered[:NAMED_CLASSES]
        ],
    }


def _example(gallery: Gallery, tested: ChangeTest) -> Data | None:
    """Return the photo that is lost by the changes that are findings, and by no others."""
    losses = np.zeros((2, len(tested.photos)), np.int64)
    for result in tested.results:
        losses[int(result.matters), result.lost] += 1
    apart = losses[1] - losses[0] if losses[1].any() else losses[0]
    number = int(apart.argmax())
    photo = int(tested.photos[number])
    several = variants(gallery, photo)
    if several is None:
        return None
    there = {result.change.name: result for result in tested.results}
    pictures = [("as it is", _whole(several[0]), int(tested.before[number]))]
    for change, pixels in zip(CHANGES, several[1:], strict=True):
        if change.name in there:
            predicted = int(there[change.name].found[number])
            pictures.append((change.name, _whole(pixels), predicted))
    return {"photo": photo, "losses": int(losses[:, number].sum()), "pictures": pictures}


def _whole(pixels: ndarray) -> Thumbnail:
    height, width = pixels.shape[:2]
    return Thumbnail(jpeg_bytes(pixels), width, height, (0.0, 0.0, float(width), float(height)))


def _heat(report: Report) -> Data:
    """Return the classes whose mean maps are shown: those with an alarm first."""
    seen = report.observations
    ordered = sorted(
        report.class_heat.items(), key=lambda item: (not item[1].alarm, -item[1].photos)
    )
    return {
        "means": [
            (
                index,
                heat,
                report.gallery.mean(np.flatnonzero(seen.found == index)[:AVERAGED_PHOTOS]),
            )
            for index, heat in ordered[:MATRIX]
        ]
    }


def _appendix(report: Report) -> Data | None:
    return {"appendix": report.appendix} if report.appendix else None


def _lost(compared: NetworkComparison) -> Data | None:
    return _photos(compared.lost, "The surest mistakes first.")


def _gained(compared: NetworkComparison) -> Data | None:
    return _photos(compared.gained, "The surest answers first.")


def _moved(compared: NetworkComparison) -> Data | None:
    return _photos(
        compared.moved,
        "The two networks' maps of the true class have less in common than one network's maps of "
        "two photos of this class. The least in common first.",
    )


def _photos(photos: Int[ndarray, " k"], caption: str) -> Data | None:
    return {"photos": photos, "said": caption, "shown": 24} if len(photos) else None


SECTIONS = (
    Section("accuracy", "How often it is right", "accuracy.html", _accuracy),
    Section("confusion", "What is taken for what", "confusion.html", _confusion),
    Section("pairs", "Mistakes, pair by pair", "pairs.html", _pairs),
    Section("mistakes", "Doubtful labels, and the surest mistakes", "mistakes.html", _mistakes),
    Section("reasons", "Right, with the heat in the wrong place", "reasons.html", _mistakes),
    Section("shortcuts", "Groups that stand apart, and shortcuts", "shortcuts.html", _shortcuts),
    Section("changes", "What harmless changes do", "changes.html", _changes),
    Section("heat", "Where the heat is on average", "heat.html", _heat),
    Section("reading", "How to read this page", "reading.html", lambda report: {}),
    Section("appendix", "How it was trained", "appendix.html", _appendix),
)
"""All sections of a report, in the order of the page."""

COMPARISON_SECTIONS = (
    Section("compared", "How often each is right", "compared.html", lambda result: {"shown": 40}),
    Section("lost", "Right with the first, wrong with the second", "pair.html", _lost),
    Section("gained", "Wrong with the first, right with the second", "pair.html", _gained),
    Section("moved", "Whose heat moved", "pair.html", _moved),
    Section("method", "How to read this page", "comparison.html", lambda result: {}),
)
"""The sections of a comparison of two networks."""
