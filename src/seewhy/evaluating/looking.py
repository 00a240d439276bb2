"""The first look at photos, and their mosaics: what is measured on them, before it is.

Axes: n photo.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.errors import NotFinite, PhotoError, TargetError
from seewhy.evaluating.baselines import photo_key
from seewhy.evaluating.measuring import Look
from seewhy.explaining.question import class_indices
from seewhy.photos.fitting import Fit, fit_ahead
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.reading import read_source
from seewhy.photos.threads import map_ahead

ClassesOf = Callable[[int], Sequence[Any] | None]
"""The classes that were given for a photo, by its index."""


def photos_ahead(
    sources: Sequence[Any], fit: Fit, *, ahead: int = 8
) -> Iterator[Photo | PhotoFailure]:
    """Read photos and fit them to the network, ahead in threads."""
    return map_ahead(functools.partial(_read, fit=fit), sources, ahead=ahead)


def _read(source: Any, *, fit: Fit) -> Photo | PhotoFailure:
    item = read_source(source, fit=fit)
    if isinstance(item, PhotoFailure):
        return item
    try:
        return fit_ahead(item, fit)
    except PhotoError as error:
        return PhotoFailure(item.name, str(error))


def look_at(
    classifier: Classifier, photo: Photo, source: Any, classes: Sequence[Any] | None
) -> Look | PhotoFailure:
    """Return the class to measure on a photo, and the most probable other one.

    Raises:
        TargetError: more than one class was given.
    """
    wanted = [] if classes is None else class_indices(classifier, classes, 1)[0].tolist()
    if len(wanted) > 1:
        raise TargetError(
            f"'{photo.name}' has {len(wanted)} explained classes. One class per photo is "
            "measured: give classes=[...] with a single one, or one list of one for each photo."
        )
    pixels, _ = classifier.fit_photos([photo])
    try:
        scores = classifier.network.scores(classifier.to_input(pixels))
    except NotFinite as error:
        return PhotoFailure(photo.name, str(error))
    best = int(scores[0].argmax())
    target = wanted[0] if wanted else best
    order = np.argsort(-scores[0], kind="stable").tolist()
    others = [index for index in order if index != target]
    return Look(
        source=source,
        name=photo.name,
        key=photo_key(photo.name, pixels[0]),
        size=(photo.pixels.shape[0], photo.pixels.shape[1]),
        target=target,
        rival=others[0] if others else None,
        probability=float(classifier.probabilities(scores)[0, target]),
        is_best=target == best,
    )


def classes_of(classes: Sequence[Any] | None, count: int) -> ClassesOf:
    """Return a function of a photo's index that gives its own classes, or those for all.

    Raises:
        TargetError: there are lists of classes for another number of photos.
    """
    is_nested = (
        classes is not None
        and not isinstance(classes, str)
        and any(isinstance(one, (list, tuple, np.ndarray)) for one in classes)
    )
    if not is_nested:
        return lambda _: classes
    assert classes is not None
    if len(classes) != count:
        raise TargetError(
            f"{len(classes)} lists of classes were given for {count} photos. "
            "Give one list for all photos, or one list per photo."
        )
    return lambda photo: [classes[photo]]
