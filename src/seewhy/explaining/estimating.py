"""Estimate the cost of an explanation, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

from seewhy.explaining.costs import COPIES_TIMED, method_passes, pass_seconds
from seewhy.explaining.explain import as_classifier, as_photos
from seewhy.explaining.keywords import RequestKeywords
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.running import PHOTOS_AT_ONCE, copies_of
from seewhy.methods.windows import default_batch_size
from seewhy.networks.base import Top
from seewhy.photos.reading import find_photos


@dataclass(frozen=True)
class Estimate:
    """What an explanation will cost.

    Attributes:
        photos: the number of photos.
        copies: network inputs per photo, the photo itself included.
        seconds: for all photos, from the time of one batch; less where an engine re-runs windows.
        memory: bytes of the copies in memory at once, without the network's own memory.
        batch_size: copies at a time.
    """

    photos: int
    copies: int
    seconds: float
    memory: int
    batch_size: int

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        spoken = f"{minutes} min {seconds} s" if minutes else f"{self.seconds:.1f} s"
        photos = "1 photo" if self.photos == 1 else f"{self.photos:,} photos"
        return (
            f"{photos}, {self.copies:,} copies of each, about {spoken} or less, "
            f"{self.memory / 1e6:.0f} MB for {self.batch_size} copies at a time"
        )


@with_keywords()
def estimate(classifier: Any, photos: Any, **request: Unpack[RequestKeywords]) -> Estimate:
    """Estimate the cost of explaining the best class of each photo; runs two small batches.

    Args:
        classifier, request: as for `seewhy.explain`.
        photos: those to explain; the first is read and run.

    Returns:
        Copies, seconds and memory. A backward pass to the pixels counts as two forward passes.

    Raises:
        UnknownMethod, UnknownLayer, PhotoError, OptionError: as `seewhy.explain`.
    """
    asked = Request.single(**request)
    classifier = as_classifier(classifier)
    sources = find_photos(photos)
    question = asked.bind(classifier, len(sources), targets=Top(1))
    (row,), batch_size = question.methods, question.batch_size
    copies = max(copies_of(question, row), 1)
    images, _ = classifier.prepare(as_photos(sources[:1]))
    usual, most = default_batch_size(images.shape[1:]), copies
    if row.per_batch:
        usual, most = PHOTOS_AT_ONCE, len(sources)
    at_once = min(batch_size or usual, most)
    passes = method_passes(
        classifier, row.name, layer=question.layers[0], options=question.options[row.name]
    )
    tiles = 0 if asked.zoom == 1 else (2 * asked.zoom - 1) ** 2
    each = pass_seconds(classifier, images[0], copies=min(at_once, COPIES_TIMED))
    seconds = each * passes * (1 + tiles) * len(sources)
    return Estimate(len(sources), copies, seconds, at_once * int(images[0].nbytes), at_once)
