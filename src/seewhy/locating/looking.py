"""Look at a part of a photo: cut boxes out and classify them, or paint them over.

Axes: m box, k class of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.explaining.prediction import Prediction
from seewhy.locating.result import Location
from seewhy.photos.reading import Photo

CROPS_AT_ONCE = 8
"""Crops in one batch of the second look, unless given."""


def crop(photo: Photo, box: tuple[int, int, int, int]) -> Photo:
    """Cut a box out of a photo."""
    x0, y0, x1, y1 = box
    return Photo(photo.pixels[y0:y1, x0:x1], name=f"{photo.name} {list(box)}", path=photo.path)


def erase(photo: Photo, boxes: Sequence[tuple[int, int, int, int]]) -> Photo:
    """Return the photo with the boxes painted in its mean colour."""
    pixels = photo.pixels.copy()
    colour = photo.pixels.mean(axis=(0, 1)).round()
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = colour
    return Photo(pixels, name=photo.name, path=photo.path)


def look_again(
    classifier: Classifier,
    photos: Sequence[Photo],
    locations: Sequence[Sequence[Location]],
    *,
    batch_size: int | None,
) -> list[list[Location]]:
    """Cut every box out of its photo and classify it."""
    places = [(photo, location) for photo, boxes in enumerate(locations) for location in boxes]
    looked: list[list[Location]] = [[] for _ in locations]
    at_once = batch_size or CROPS_AT_ONCE
    for start in range(0, len(places), at_once):
        batch = places[start : start + at_once]
        crops = [crop(photos[photo], location.box) for photo, location in batch]
        images, _ = classifier.prepare(crops)
        scores = classifier.network.scores(images)
        likely = classifier.probabilities(scores)
        best = _best_class(classifier, scores, likely)
        for (photo, location), seen, shares in zip(batch, best, likely, strict=True):
            index = location.proposed_by.index
            confirmed = None if index is None else float(shares[index])
            looked[photo].append(replace(location, seen=seen, confirmed=confirmed))
    return looked


def _best_class(
    classifier: Classifier, scores: Float[ndarray, "m k"], likely: Float[ndarray, "m _k"]
) -> list[Prediction]:
    return [
        Prediction(
            label=classifier.label(index),
            index=index,
            probability=float(likely[row, index]),
            score=float(scores[row, index]),
        )
        for row, index in enumerate(scores.argmax(axis=1).tolist())
    ]
