"""Explain many photos, batch after batch: decoding runs ahead in threads, and memory is bounded.

A photo that fails yields an item with the reason, and the others continue.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

from seewhy.explaining.answering import Comparison, answer
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.keywords import RequestKeywords
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.result import Explanation
from seewhy.explaining.running import PHOTOS_AT_ONCE
from seewhy.photos.batches import PhotoBatch, finite_answers, photos_in_batches
from seewhy.photos.reading import PhotoFailure, find_sources
from seewhy.progress import Progress, no_progress


@with_keywords()
def stream(
    classifier: Any,
    photos: Any,
    *,
    progress: Progress = no_progress,
    **request: Unpack[RequestKeywords],
) -> Iterator[Explanation | PhotoFailure]:
    """Explain many photos, batch after batch, in bounded memory.

        for item in seewhy.stream(classifier, "photos", method="grad-cam"):
            if isinstance(item, seewhy.PhotoFailure):
                print(item.name, item.reason)
            else:
                item.save("why/photo.jpg")

    Photos are read and fitted ahead in threads while the network runs. Invalid options raise at
    once, before the first item.

    Args:
        classifier, photos, request: as for `seewhy.explain`. A batch may be smaller than
            `batch_size`: large photos take more memory, and photos that fail are left out.
        progress: called with (done, total) photos.

    Yields:
        In the order of the photos: the `Explanation` of a batch, or a `PhotoFailure` for a photo
        that cannot be read, cannot be fitted, or for which the network returns NaN or infinity.

    Raises:
        As `seewhy.explain`, except errors of single photos.
    """
    items = stream_request(Request.single(**request), classifier, photos, progress=progress)
    return (item if isinstance(item, PhotoFailure) else next(iter(item.values())) for item in items)


def stream_request(
    request: Request,
    classifier: Any,
    photos: Any,
    *,
    keep_pixels: bool = True,
    progress: Progress = no_progress,
) -> Iterator[Comparison | PhotoFailure]:
    """Explain many photos as `stream` does, by all methods of a request.

    Args:
        request, classifier, photos, progress: as for `stream`.
        keep_pixels: False: of the photos' pixels only a preview is kept, enough for maps and for
            pages (`shrunk`), so that large photos take little memory.
    """
    classifier = as_classifier(classifier)
    sources = find_sources(photos)
    question = request.bind(classifier, len(sources))

    def run() -> Iterator[Comparison | PhotoFailure]:
        done = 0
        batches = photos_in_batches(
            sources,
            classifier.fit,
            request.batch_size or PHOTOS_AT_ONCE,
            keep="pixels" if keep_pixels or request.zoom > 1 else "preview",
        )
        for batch in batches:
            yield from batch.failures.values()
            done += len(batch.failures)

            def inputs(part: int, whole: int, done: int = done, batch: PhotoBatch = batch) -> None:
                progress(done + len(batch.photos) * part // max(whole, 1), len(sources))

            def explained(part: PhotoBatch, inputs: Progress = inputs) -> Comparison:
                asked = question.of_photos(part.places)
                return answer(asked, part.photos, progress=inputs)[0]

            for _, item in finite_answers(batch, explained):
                yield item
            done += len(batch.photos)
            progress(done, len(sources))

    return run()
