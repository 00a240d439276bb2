"""Photos in batches: each is decoded once, ahead in threads, and memory is bounded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from seewhy.errors import NotFinite, PhotoError
from seewhy.photos.fitting import Fit, fit_ahead, fit_only
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.reading import failure_of, read_ahead, read_photo, weight

BATCH_BYTES = 2**27
"""Bytes of pixels after which a batch is full."""

Keep = Literal["pixels", "preview", "nothing"]
"""What stays of a photo beside what the network is given: its own pixels; a small copy, enough for
pages; or nothing, enough for maps."""

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class PhotoBatch:
    """Photos for the network at once, and those among them that cannot be read.

    Attributes:
        photos: fitted to the network.
        places: of the photos among the sources.
        failures: by place.
    """

    photos: tuple[Photo, ...]
    places: tuple[int, ...]
    failures: Mapping[int, PhotoFailure]

    def alone(self) -> Iterator[PhotoBatch]:
        """Yield each photo as a batch of its own."""
        for photo, place in zip(self.photos, self.places, strict=True):
            yield PhotoBatch((photo,), (place,), {})


def photos_in_batches(
    sources: Sequence[Any],
    fit: Fit,
    at_once: int,
    *,
    keep: Keep = "pixels",
    places: Sequence[int] | None = None,
    read: Callable[[Any], Photo] = read_photo,
) -> Iterator[PhotoBatch]:
    """Read and fit photos ahead in threads, and yield them in batches.

    A batch is a fixed part of the sources, whatever fails in it, so that a photo's result does not
    depend on the others; it is divided only where its pixels would take too much memory.

    Args:
        sources: items of `find_sources`.
        fit: how photos meet the network.
        at_once: photos in a batch, at most.
        keep: what stays of each photo.
        places: of the sources within the whole that is divided into batches, increasing; from 0
            unless given.
        read: reads a path, or whatever else a source is.
    """
    numbers = range(len(sources)) if places is None else places
    reading = functools.partial(_read, fit=fit, keep=keep, read=read)
    batch = _Batch()
    for place, item in zip(numbers, read_ahead(sources, reading, ahead=2 * at_once), strict=True):
        if batch.part not in (None, place // at_once):
            yield batch.closed()
            batch = _Batch()
        batch.add(place, item)
        batch.part = place // at_once
        if (place + 1) % at_once == 0 or batch.size >= BATCH_BYTES:
            yield batch.closed()
            batch = _Batch()
    if batch.part is not None:
        yield batch.closed()


@dataclass
class _Batch:
    """A batch that is being filled."""

    photos: dict[int, Photo] = field(default_factory=dict)
    failures: dict[int, PhotoFailure] = field(default_factory=dict)
    size: int = 0
    part: int | None = None

    def add(self, place: int, item: Photo | PhotoFailure) -> None:
        if isinstance(item, PhotoFailure):
            self.failures[place] = item
        else:
            self.photos[place] = item
            self.size += weight(item)

    def closed(self) -> PhotoBatch:
        return PhotoBatch(tuple(self.photos.values()), tuple(self.photos), self.failures)


def finite_answers(
    batch: PhotoBatch, process: Callable[[PhotoBatch], R]
) -> Iterator[tuple[PhotoBatch, R | PhotoFailure]]:
    """Yield the result of a batch; where the network returns NaN or infinity, photo by photo.

    Args:
        batch: without a photo there is no result.
        process: asks the network, and raises NotFinite.
    """
    if not batch.photos:
        return
    try:
        result: R | PhotoFailure = process(batch)
    except NotFinite as error:
        if len(batch.photos) > 1:
            for single in batch.alone():
                yield from finite_answers(single, process)
            return
        result = PhotoFailure(batch.photos[0].name, str(error), "not-finite")
    yield batch, result


def _read(
    source: Any, *, fit: Fit, keep: Keep, read: Callable[[Any], Photo]
) -> Photo | PhotoFailure:
    """Read a photo, and fit it to the network; what was read before is returned as it is."""
    if isinstance(source, PhotoFailure):
        return source
    if isinstance(source, Photo) and source.fitted is not None and source.fitted[0] == fit:
        return source
    try:
        photo = read(source)
    except PhotoError as error:
        return failure_of(source, error)
    try:
        if keep == "pixels":
            return fit_ahead(photo, fit)
        return fit_only(photo, fit, preview=keep == "preview")
    except PhotoError as error:
        return failure_of(source, error, kind="too-large")
