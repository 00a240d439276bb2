"""The one engine of explanations: a question and photos become explanations.

Axes: n image, t target (class), h w rows and columns of a map, c channel, k class of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.explaining.contrast import Differences
from seewhy.explaining.measuring import measure
from seewhy.explaining.prediction import Prediction, Rivals
from seewhy.explaining.provenance import provenance_of
from seewhy.explaining.question import Question
from seewhy.explaining.result import Explanation
from seewhy.explaining.running import MethodResult, NetworkResult, run
from seewhy.explaining.zooming import zoom_in
from seewhy.photos.photo import Photo
from seewhy.progress import Progress, no_progress

PREDICTIONS = 5
"""Predictions reported per photo, unless more classes are explained."""

Comparison = dict[str, Explanation]
"""Explanations of the same photos and classes, by the method's name."""

Rows = tuple[tuple[Prediction, ...], ...]


def answer(
    question: Question,
    photos: Sequence[Photo],
    *,
    progress: Progress = no_progress,
    keep_activations: bool = False,
) -> tuple[Comparison, NetworkResult]:
    """Explain photos by every method of a question.

    Args:
        question: with targets for these photos.
        photos: the n photos.
        progress: called with (done, total) network inputs.
        keep_activations: those of the first layer are in the network's result.

    Returns:
        An explanation by each method, and the network's output.
    """
    photos = list(photos)
    results, network = run(question, photos, progress=progress, keep_activations=keep_activations)
    rounding = measure(question, photos, results, network)
    placements = network.placements
    if question.request.zoom > 1:
        fused, placements = zoom_in(
            question, photos, network, question.request.zoom, progress=progress
        )
        results = {
            name: replace(
                result, maps=fused[name], extras=({},) * len(photos), shown=(None,) * len(photos)
            )
            for name, result in results.items()
        }
    target = getattr(question.request.target, "label", "target")
    explained, predictions = _labelled(question.classifier, network, target)
    explanations = {
        row.name: Explanation(
            photos=tuple(photos),
            maps=results[row.name].maps,
            targets=_targets(question, explained, results[row.name])
            if not question.is_class_free(row)
            else ((WHATEVER,),) * len(photos),
            predictions=predictions,
            placements=question.placed(row, placements),
            row=row,
            layer=", ".join(question.layers_of(row)),
            model=question.classifier.name,
            request=question.request,
            extras=results[row.name].extras,
            familiarity=network.familiarity,
            shown=results[row.name].shown,
            provenance=provenance_of(question, row, rounding.get(row.name)),
            rounding=rounding.get(row.name),
        )
        for row in question.methods
    }
    return explanations, network


WHATEVER = Prediction("whatever the class", None, float("nan"), float("nan"))
"""What a map explains that is the same for every class."""


def _targets(question: Question, explained: Rows, result: MethodResult) -> Rows:
    """Add to the explained classes what each was contrasted with."""
    return tuple(
        row
        if differences is None or not differences.strength.any()
        else tuple(_with_rivals(question.classifier, row, differences))
        for row, differences in zip(explained, result.explained, strict=True)
    )


def _with_rivals(
    classifier: Classifier, row: Sequence[Prediction], differences: Differences
) -> Iterator[Prediction]:
    for target, indices, strength in zip(
        row, differences.rivals[0].tolist(), differences.strength.tolist(), strict=True
    ):
        labels = tuple(classifier.label(index) for index in indices)
        rivals = Rivals(labels, tuple(indices), strength)
        yield replace(target, rivals=rivals) if strength else target


def _labelled(classifier: Classifier, result: NetworkResult, target: str) -> tuple[Rows, Rows]:
    """Return the explained targets and the best classes of each photo."""
    scores, targets, values = result.scores, result.targets, result.values
    unnamed = tuple(
        tuple(Prediction(target, None, float("nan"), float(value)) for value in row)
        for row in values
    )
    if scores is None:
        return unnamed, ((),) * len(values)
    probabilities = classifier.probabilities(scores)
    shown = max(PREDICTIONS, 0 if targets is None else targets.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = order.argsort(axis=1) + 1
    best = order[:, :shown]

    def named(indices: Int[ndarray, "n t"]) -> Rows:
        return tuple(
            tuple(
                Prediction(
                    label=classifier.label(int(index)),
                    index=int(index),
                    probability=float(probabilities[photo, index]),
                    score=float(scores[photo, index]),
                    rank=int(ranks[photo, index]),
                )
                for index in row
            )
            for photo, row in enumerate(indices)
        )

    return unnamed if targets is None else named(targets), named(best)
