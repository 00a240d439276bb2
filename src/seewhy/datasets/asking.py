"""Ask of photos what a data set's rows need: the best classes, the true one, what tells them apart.

Axes: n photo, t explained class.
"""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.datasets.manifest import Item
from seewhy.datasets.storage import is_address, read_bytes
from seewhy.errors import OptionError, PhotoError, UnknownClass
from seewhy.explaining.answering import answer
from seewhy.explaining.contrast import FoundRatherThan, check_rest
from seewhy.explaining.question import Question
from seewhy.explaining.request import Request
from seewhy.explaining.rows import Row, RowSelection, rows_of_photo
from seewhy.explaining.running import PHOTOS_AT_ONCE
from seewhy.networks.base import Top
from seewhy.photos.batches import PhotoBatch, finite_answers, photos_in_batches
from seewhy.photos.fitting import Fit
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.reading import read_photo

Advance = Callable[[int], None]
"""Called with a number of photos that are done."""

Tell = Callable[[str, Sequence[str]], None]
"""Called with `BEGIN` or `END` and the paths of photos, before a photo is read and when it is done;
and with `WORKING` after every part of a long explanation."""

BEGIN, END, WORKING = "begin", "end", "working"


Reader = Callable[[str, Fit], Photo]
"""Reads a photo, by its path or address, for a network that is given it with a fit."""


@dataclass(frozen=True, eq=False)
class RowJob:
    """What rows of photos need: a question, and the class of each label.

    Attributes:
        question: its targets are filled in for each batch.
        wanted: what rows hold besides maps.
        truths: the class index of each label of the photos.
        read: reads a photo for a network's input.
    """

    question: Question
    wanted: RowSelection
    truths: Mapping[str, int]
    read: Reader

    @property
    def request(self) -> Request:
        """What is asked, with the network's part filled in."""
        request: Request = self.question.request
        return request

    @property
    def batch_size(self) -> int:
        """Photos given to the network at once."""
        return self.question.batch_size or PHOTOS_AT_ONCE


def row_job(
    classifier: Classifier,
    request: Request,
    items: Sequence[Item],
    *,
    wanted: RowSelection,
    truths: Mapping[str, int] | None = None,
    read: Reader | None = None,
) -> RowJob:
    """Return the job of a request for photos.

    Args:
        classifier: the network.
        request: of one method, and of classes, not of a function.
        items: the photos, with their labels.
        wanted: what rows hold besides maps.
        truths: the class of each label, where that is known already.
        read: reads a photo; `read_listed` unless given.

    Raises:
        OptionError, UnknownClass, UnknownLayer, TargetError: something is not valid for the
            network, or cannot be in rows.
    """
    settled = request.settle(classifier)
    if len(settled.methods) != 1 or settled.target is not None:
        raise OptionError("Rows are of classes and of one method. Leave target=... out.")
    if settled.classes is not None and isinstance(settled.classes[0], tuple):
        raise OptionError("All photos of a run have the same classes. Give one list of classes.")
    label_indices = truths_of(classifier, items) if truths is None else truths
    if label_indices:
        check_rest(settled.output, None, FoundRatherThan())
    known = classifier.network.classes
    question = settled.bind(classifier, 1, targets=Top(1 if known else 0))
    return RowJob(question, wanted, label_indices, read or (lambda path, _: read_listed(path)))


def truths_of(classifier: Classifier, items: Sequence[Item]) -> dict[str, int]:
    """Return the class index of each label that the photos have.

    Raises:
        UnknownClass: labels that the network does not have; names them.
    """
    truths: dict[str, int] = {}
    unknown: list[str] = []
    for label in sorted({item.label for item in items if item.label is not None}):
        try:
            truths[label] = classifier.class_index(label)
        except UnknownClass:
            unknown.append(label)
    if unknown:
        listed = ", ".join(f"'{label}'" for label in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UnknownClass(
            f"Labels of the photos are not classes of '{classifier.name}': {listed}{more}. Rename "
            "them to its classes (by name, WordNet id or index), or leave the labels out."
        )
    return truths


def rows_in_batches(
    job: RowJob,
    items: Sequence[Item],
    *,
    advance: Advance = lambda _: None,
    tell: Tell = lambda _, __: None,
) -> Iterator[list[Row]]:
    """Explain photos, and yield their rows batch after batch; each photo is decoded once.

    Args:
        job: what is asked.
        items: the photos, or some of a run's: a batch is a fixed part of the run.
        advance: called after each batch.
        tell: called, from several threads: a process that dies has told which photos it was at.

    Yields:
        At least one row per photo: one for each explained class, or one that says what failed.
    """
    by_place = {item.photo_id: item for item in items}
    batches = photos_in_batches(
        [
            item.path if item.problem is None else PhotoFailure(item.path, item.problem)
            for item in items
        ],
        job.question.classifier.fit,
        job.batch_size,
        keep="pixels" if job.request.zoom > 1 else "nothing",
        places=list(by_place),
        read=functools.partial(_read, job=job, tell=tell),
    )
    ask = functools.partial(_explained, job, by_place, tell=tell)
    for batch in batches:
        rows = [_failed(by_place[place], failure) for place, failure in batch.failures.items()]
        for part, outcome in finite_answers(batch, ask):
            if isinstance(outcome, PhotoFailure):
                height, width = part.photos[0].pixels.shape[:2]
                failed = _failed(by_place[part.places[0]], outcome)
                rows.append(replace(failed, width=width, height=height))
            else:
                rows += outcome
        yield sorted(rows, key=lambda row: row.photo_id)  # stable: a photo's rows keep their order
        advance(len(batch.photos) + len(batch.failures))


def _read(path: str, *, job: RowJob, tell: Tell) -> Photo:
    tell(BEGIN, [path])
    try:
        return job.read(path, job.question.classifier.fit)
    except PhotoError:
        tell(END, [path])
        raise


def _explained(
    job: RowJob, by_place: Mapping[int, Item], batch: PhotoBatch, *, tell: Tell
) -> list[Row]:
    """Return the rows of photos that could be read.

    The true class is explained in the same pass as the best ones, so its rows (kind 'label'), and
    those of its difference to the class that was found ('contrast'), cost no further forward pass.
    """
    items, question = [by_place[place] for place in batch.places], job.question
    labels = np.array([job.truths.get(item.label or "", -1) for item in items], np.int64)
    also = np.maximum(labels, 0)[:, None] if (labels >= 0).any() else None
    (method,) = question.methods
    has_contrast = also is not None and not question.is_class_free(method)
    classes = job.request.classes
    if classes is not None:
        targets: Any = np.tile(classes, (len(items), 1))
        if also is not None:
            targets = np.concatenate([targets, also], axis=1)
    else:
        targets = Top(min(job.request.best, question.classifier.network.classes or 0), also)
    contrast: Any = question.contrast
    if has_contrast:
        contrast = FoundRatherThan(contrast)
    start = time.perf_counter()
    explanations, network = answer(
        replace(question, targets=targets, contrast=contrast),
        batch.photos,
        progress=lambda _, __: tell(WORKING, ()),
        keep_activations=job.wanted.descriptors,
    )
    seconds = (time.perf_counter() - start) / len(items)
    tell(END, [item.path for item in items])
    kept = network.activations
    return [
        row
        for index, item in enumerate(items)
        for row in rows_of_photo(
            explanations[method.name],
            index,
            replace(
                _base(item),
                label_index=int(labels[index]) if labels[index] >= 0 else None,
                seconds=seconds,
            ),
            job.wanted,
            contrasts=has_contrast,
            activations=None if kept is None else kept[index],
        )
    ]


def _base(item: Item) -> Row:
    return Row(photo_id=item.photo_id, path=item.path, label=item.label)


def failure(item: Item, kind: str, reason: str) -> Row:
    """Return the row of a photo that failed."""
    return replace(_base(item), status="failed", error_kind=kind, error=reason)


def _failed(item: Item, failed: PhotoFailure) -> Row:
    return failure(item, failed.kind, failed.reason)


def read_listed(path: str) -> Photo:
    """Read a photo of a run, from a path or an address.

    Raises:
        PhotoError: it cannot be read.
    """
    if not is_address(path):
        return read_photo(path)
    try:
        content = io.BytesIO(read_bytes(path))
    except OptionError as error:  # an address that nothing opens
        raise PhotoError(str(error)) from FileNotFoundError(path)
    except OSError as error:
        raise PhotoError(
            f"'{path}' cannot be read: {str(error).rstrip('.')}. Check the address, the network "
            "and your rights."
        ) from FileNotFoundError(path)
    return read_photo(content, name=path.rpartition("/")[2])
