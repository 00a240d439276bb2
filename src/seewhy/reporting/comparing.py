"""Compare two networks, or two epochs, on the same photos.

Axes: n photo, g row and column of the grid on which maps are compared.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.datasets.asking import RowJob, read_listed, row_job
from seewhy.datasets.manifest import Item
from seewhy.datasets.plan import describe
from seewhy.errors import OptionError
from seewhy.evaluating.intervals import bootstrap
from seewhy.explaining.answering import answer
from seewhy.explaining.keywords import RequestKeywords
from seewhy.explaining.order import refuse_networks
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.result import Explanation
from seewhy.explaining.rows import RowSelection
from seewhy.files import shared_folder
from seewhy.maps import heatmap_on_photo
from seewhy.photos.batches import PhotoBatch, finite_answers, photos_in_batches
from seewhy.photos.fitting import Fit
from seewhy.photos.photo import PhotoFailure, Placement
from seewhy.progress import Progress, no_progress
from seewhy.reporting.comparison import CHANCE, Answers, ComparedClass, NetworkComparison
from seewhy.reporting.comparison_findings import findings_of
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import Failure, Observations, coarse
from seewhy.reporting.page import make_page
from seewhy.reporting.paired import overlaps, paired_accuracy, usual_overlaps
from seewhy.reporting.proof import difference
from seewhy.reporting.report import check_classes, listed_photos, loaded
from seewhy.reporting.sections import COMPARISON_SECTIONS

GRID = 14
"""Rows and columns on which the maps of both networks are compared, of the whole photo."""

FEWEST_PHOTOS = 5
"""Photos that changed, and that did not, from which their heat is compared."""


@with_keywords()
def compare_networks(
    photos: Any,
    first: Any,
    second: Any,
    *,
    true_labels: str | Sequence[str] | None = None,
    column: str = "path",
    settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    progress: Progress = no_progress,
    **request: Unpack[RequestKeywords],
) -> NetworkComparison:
    """Compare two networks, or two epochs, on the same photos: what changed, and whose heat moved.

        comparison = seewhy.compare_networks("photos", "epoch-10.keras", "epoch-20.keras")
        print(comparison.verdict)
        comparison.save("comparison.html")

    Both networks explain the true class of each photo. Their maps are brought to the photo, so that
    networks of different input sizes, fits and layers can be compared.

    Args:
        photos: as for `seewhy.batch`.
        first, second: the networks: names or files, or what `seewhy.explain` takes. What is said of
            a change is said of the second.
        true_labels: as for `seewhy.report`. Photos without a label are left out.
        column: the column of paths in a table.
        settings: further arguments of `seewhy.load` for networks that are given by name; a pair
            where they differ.
        progress: called with (done, total) photos, each of which counts twice.
        request: as for `seewhy.explain`, but for classes, top, target and contrast. Unless a method
            is given, it is the default of both networks, or grad-cam where their defaults differ.

    Returns:
        What changed; `.save("comparison.html")` writes the page.

    Raises:
        OptionError: photos have no labels, the method has no maps of classes, or something else
            cannot be used.
        UnknownClass: labels that one of the networks does not have; names them.
        PhotoError, ModelError, UnknownModel, UnknownMethod, UnknownLayer: as `seewhy.batch`.
    """
    refuse_networks(photos)
    refused = [name for name in ("classes", "top", "target", "contrast") if request.get(name)]
    if refused:
        raise OptionError(
            f"A comparison explains the true class of each photo. Leave {refused[0]}=... out."
        )
    listed = listed_photos(photos, column, true_labels)
    items = [item for item in listed if item.label is not None]
    if not items:
        raise OptionError(
            "The photos have no labels, and networks are compared by what they get right. Put "
            "photos of a class into a folder of its name, or name a column of labels: "
            "true_labels=..., --true-labels."
        )
    each = settings if isinstance(settings, Sequence) else (settings or {},) * 2
    networks = [
        loaded(network, given) for network, given in zip((first, second), each, strict=True)
    ]
    return _compared(
        [replace(item, photo_id=place) for place, item in enumerate(items)],
        _asked(networks, items, {**request}),
        notes=_notes_on(len(listed) - len(items)),
        progress=progress,
    )


def _asked(
    networks: Sequence[Classifier], items: Sequence[Item], request: Mapping[str, Any]
) -> list[RowJob]:
    """Return what is asked of each network: the same method of both."""
    for network in networks:
        check_classes(network)
    asked = Request.single(**request)
    if (
        request.get("method") is None
        and len({request.methods for request in map(asked.settle, networks)}) > 1
    ):
        asked = Request.single(**{**request, "method": "grad-cam"})
    jobs = [row_job(network, asked, items, wanted=RowSelection()) for network in networks]
    for job in jobs:
        (method,) = job.question.methods
        if job.question.is_class_free(method):
            raise OptionError(
                f"'{method.name}' has one map per photo, whatever the class, and the true class is "
                "compared. Choose a method with maps of classes, such as cam or grad-cam."
            )
    return jobs


def _notes_on(unlabelled: int) -> tuple[str, ...]:
    return (f"{unlabelled} photos have no label, and are left out.",) if unlabelled else ()


@dataclass(frozen=True, eq=False)
class _Answer:
    """What a network said about a photo: best class, probabilities, right or wrong, and the map."""

    found: str
    p_found: float
    p_true: float
    correct: bool
    heatmap: Float[ndarray, "g g"]


def _compared(
    items: Sequence[Item],
    jobs: Sequence[RowJob],
    *,
    notes: tuple[str, ...],
    progress: Progress,
) -> NetworkComparison:
    failures: dict[int, PhotoFailure] = {}
    done, total = 0, len(jobs) * len(items)

    def advance(photos: int) -> None:
        nonlocal done
        done += photos
        progress(done, total)

    answers_of_jobs = [_answers(job, items, failures, advance) for job in jobs]
    kept = [item for item in items if item.photo_id not in failures]
    if not kept:
        reason = next(iter(failures.values())).reason
        raise OptionError(
            f"None of {len(items)} photos could be explained. The first one: {reason}"
        )
    if failures:
        notes += (
            f"{len(failures)} of {len(items)} photos could not be explained, and are left out.",
        )
    first, second = (
        _together(name, [answers[item.photo_id] for item in kept])
        for name, answers in zip(_names(jobs), answers_of_jobs, strict=True)
    )
    paths = tuple(item.path for item in kept)
    names, classes = np.unique([item.label or "" for item in kept], return_inverse=True)
    generator = np.random.default_rng(0)
    overlap = overlaps(first.maps, second.maps)
    usual = np.mean(
        [usual_overlaps(answers.maps, classes, generator=generator) for answers in (first, second)],
        axis=0,
    )
    changed = first.correct != second.correct
    there = np.isfinite(overlap)
    ours, theirs = overlap[changed & there], overlap[~changed & there]
    result = NetworkComparison(
        findings=(),
        facts=_facts(jobs, items, paths, (first.name, second.name)),
        notes=notes,
        paths=paths,
        labels=tuple(item.label or "" for item in kept),
        first=first,
        second=second,
        accuracy=paired_accuracy(first.correct, second.correct),
        classes=_classes(names.tolist(), classes, (first, second), overlap, usual),
        overlap=overlap,
        usual=usual,
        heat=bootstrap(overlap - usual, generator=generator),
        heat_of_changed=difference(ours, theirs, generator=generator)
        if min(len(ours), len(theirs)) >= FEWEST_PHOTOS
        else None,
        observations=Observations(
            paths=paths,
            true=classes,
            found=np.where(first.correct, classes, -1),
            p_found=first.p_found,
            p_true=first.p_true,
            maps=first.maps,
            names=dict(enumerate(names.tolist())),
            sizes=np.zeros((len(kept), 2), np.int64),
            failures=tuple(
                Failure(failure.name, failure.kind, failure.reason) for failure in failures.values()
            ),
        ),
        gallery=Gallery(paths, Fit(None)),
        page=functools.partial(make_page, sections=COMPARISON_SECTIONS),
    )
    return replace(result, findings=tuple(findings_of(result)))


def _answers(
    job: RowJob,
    items: Sequence[Item],
    failures: dict[int, PhotoFailure],
    advance: Callable[[int], None],
) -> dict[int, _Answer]:
    """Return what a network says about each photo; those that fail are added to the failures."""
    question, (method,) = job.question, job.question.methods
    truths = [job.truths[item.label or ""] for item in items]

    def ask(batch: PhotoBatch) -> Explanation:
        targets = np.array([[truths[place]] for place in batch.places], np.int64)
        explained, _ = answer(replace(question, targets=targets), batch.photos)
        return explained[method.name]

    answers: dict[int, _Answer] = {}
    batches = photos_in_batches(
        [
            item.path if item.problem is None else PhotoFailure(item.path, item.problem)
            for item in items
        ],
        question.classifier.fit,
        job.batch_size,
        keep="pixels" if job.request.zoom > 1 else "nothing",
        read=read_listed,
    )
    for batch in batches:
        failures.update(batch.failures)
        for part, explained in finite_answers(batch, ask):
            if isinstance(explained, PhotoFailure):
                failures[part.places[0]] = explained
                continue
            for index, place in enumerate(part.places):
                best, target = explained.predictions[index][0], explained.targets[index][0]
                height, width = explained.photos[index].pixels.shape[:2]
                answers[place] = _Answer(
                    best.label, best.probability, target.probability, best.index == target.index,
                    on_grid(explained.maps[index, 0], explained.placements[index], (height, width)),
                )  # fmt: skip
        advance(len(batch.photos) + len(batch.failures))
    return answers


def on_grid(
    heatmap: Float[ndarray, "h w"], placement: Placement, size: tuple[int, int]
) -> Float[ndarray, "g g"]:
    """Return a map on 14 × 14 cells of the whole photo; 0 where the network saw nothing.

    Args:
        heatmap: of the part of the photo that the network saw.
        placement: that part.
        size: height and width of the photo.
    """
    down, across = GRID / size[0], GRID / size[1]
    x0, y0, x1, y1 = placement.map_box
    part = Placement((x0 * across, y0 * down, x1 * across, y1 * down))
    small = coarse(np.nan_to_num(heatmap).astype(np.float32), GRID)
    return np.asarray(np.nan_to_num(heatmap_on_photo(small, part, (GRID, GRID))))


def _together(name: str, answers: Sequence[_Answer]) -> Answers:
    return Answers(
        name,
        tuple(answer.found for answer in answers),
        np.array([answer.p_found for answer in answers], np.float64),
        np.array([answer.p_true for answer in answers], np.float64),
        np.array([answer.correct for answer in answers], bool),
        np.stack([answer.heatmap for answer in answers]),
    )


def _names(jobs: Sequence[RowJob]) -> tuple[str, str]:
    first, second = (job.question.classifier.name for job in jobs)
    return (first, second) if first != second else (f"{first} (1)", f"{second} (2)")


def _facts(
    jobs: Sequence[RowJob], items: Sequence[Item], paths: Sequence[str], names: tuple[str, str]
) -> dict[str, str]:
    """Return both networks, the photos and the date, in words."""
    facts: dict[str, str] = {}
    for which, name, job in zip(("first", "second"), names, jobs, strict=True):
        asked = describe(job, items)
        height, width = asked.network.size
        weights = f"SHA-256 {asked.network.weights[:16]}…" if asked.network.weights else "unknown"
        layers = ", ".join(asked.request.layer or ())
        facts[which] = (
            f"{name}, weights {weights}, input {height} × {width}, {asked.fit.mode}, preprocessing "
            f"{asked.network.preprocess}; {asked.method} of the {asked.request.output}, at {layers}"
        )
    kinds = len({item.label for item in items})
    return facts | {
        "photos": f"{len(paths)} photos, {kinds} classes: {shared_folder(paths)}",
        "date": datetime.date.today().isoformat(),
    }


def _classes(
    names: Sequence[str],
    classes: ndarray,
    answers: tuple[Answers, Answers],
    overlap: Float[ndarray, " n"],
    usual: Float[ndarray, " n"],
) -> tuple[ComparedClass, ...]:
    """Return right, wrong and heat by class, those that lost the most photos first."""
    rows = []
    for index, name in enumerate(names):
        own = classes == index
        accuracy = paired_accuracy(*(network.correct[own] for network in answers))
        there = overlap[own][np.isfinite(overlap[own])]
        rows.append(
            ComparedClass(
                name,
                accuracy,
                min(1.0, accuracy.p * len(names)),
                float(there.mean()) if len(there) else float("nan"),
                bootstrap(overlap[own] - usual[own], level=1 - CHANCE / len(names)),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.accuracy.gained - row.accuracy.lost))
