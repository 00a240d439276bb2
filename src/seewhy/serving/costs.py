"""The cost of a question, reported before it starts."""

from __future__ import annotations

import time

import numpy as np

from seewhy.classifier import Classifier
from seewhy.evaluating.comparing import COPIES
from seewhy.explaining.costs import TIMED, estimate
from seewhy.methods import METHODS
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion


def cost(classifier: Classifier, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
    """Say how many copies of the photo a method needs, and how long it and the badge will take."""
    asked.check(classifier)
    found = estimate(classifier, photo, method=asked.method, layer=asked.layer, **asked.options)
    trust = seconds_each(classifier, photo) * COPIES + 2 * found.seconds
    return frame(
        {
            "kind": "result",
            "copies": found.copies,
            "seconds": found.seconds,
            "trustSeconds": trust,
        }
    )


def seconds_each(classifier: Classifier, photo: Photo) -> float:
    """Time a forward pass of one copy among several, once it is warm."""
    images, _ = classifier.prepare([photo])
    batch = np.repeat(images, TIMED, axis=0)
    classifier.network.scores(batch)
    started = time.perf_counter()
    classifier.network.scores(batch)
    return (time.perf_counter() - started) / TIMED


def is_slow(asked: PageQuestion) -> bool:
    """True for methods that run many copies: no quick company for another question."""
    row = METHODS.get(asked.method or "")
    return row is not None and row.copies is not None
