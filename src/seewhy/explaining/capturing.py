"""Query the network for a batch: what is explained of it, and what methods need for that.

Axes: n image, t explained value, m column of a capture, h row, w column, c channel, k class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.explaining.contrast import Contrast, Differences, alone
from seewhy.explaining.question import Question
from seewhy.networks.base import INPUT, SCORES, Capture, Targets
from seewhy.networks.checks import explained_classes


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """What is explained of a batch.

    Attributes:
        capture: the network's answer, with a column for each class that occurs.
        explained: the values as differences of classes; None for a callable, and where there are
            no classes.
    """

    capture: Capture
    explained: Differences | None

    @property
    def count(self) -> int:
        """How many values each photo has."""
        columns = self.capture.values if self.explained is None else self.explained.classes
        return int(columns.shape[1])

    def of_photos(self) -> list[Differences | None]:
        """Return what is explained of each photo."""
        photos = range(len(self.capture.values))
        return [
            None if self.explained is None else self.explained.of_photo(photo) for photo in photos
        ]

    def combine(self, values: Float[ndarray, "n m ..."]) -> Float[ndarray, "n t ..."]:
        """Return the explained values' part of what belongs to classes: gradients, weights."""
        classes = self.capture.targets
        if classes is None or self.explained is None or self.explained.is_all_of(classes):
            return values
        return self.explained.combine(classes, values)


def explain_batch(
    question: Question, images: Float[ndarray, "n h w c"], start: int
) -> dict[Contrast | None, ExplainedBatch]:
    """Run one batch through the network; once for each contrast of the methods."""
    targets = question.targets
    if isinstance(targets, ndarray):
        targets = targets[start : start + len(images)]
    explained: dict[Contrast | None, ExplainedBatch] = {}
    for contrast in dict.fromkeys(question.contrast_of(method) for method in question.methods):
        if contrast is None:
            capture = capture_batch(question, images, targets)
            classes = capture.targets
            explained[None] = ExplainedBatch(capture, None if classes is None else alone(classes))
            continue
        wanted, read = contrast.ask(question.classifier, images, targets)
        capture = capture_batch(question, images, wanted)
        explained[contrast] = ExplainedBatch(capture, read(capture))
    return explained


def capture_batch(
    question: Question, images: Float[ndarray, "n h w c"], targets: Targets
) -> Capture:
    """Query the network: with a backward pass only where a method needs one."""
    network = question.network
    layers = question.all_layers
    given = {INPUT: images} if INPUT in layers else {}
    if question.needs_gradients:
        capture = network.activations_and_gradients(images, layers, targets, output=question.output)
        return replace(capture, activations=given | dict(capture.activations))
    layers = tuple(name for name in layers if name != INPUT)
    if network.classes is None:
        activations = given | (network.activations(images, layers) if layers else {})
        return Capture(values=np.zeros((len(images), 0), np.float32), activations=activations)
    activations = given | network.activations(images, [*layers, SCORES])
    scores = activations.pop(SCORES)
    classes = explained_classes(targets, scores)
    assert classes is not None  # callables need gradients
    values = question.classifier.values(scores, question.output)
    return Capture(
        scores=scores,
        targets=classes,
        values=np.take_along_axis(values, classes, axis=1),
        activations=activations,
    )
