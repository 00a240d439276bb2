"""Explain the first photos in float32 too, where the network computes in another way.

Axes: n image, k class.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from jaxtyping import Float
from numpy import ndarray

from seewhy.explaining.provenance import plain
from seewhy.explaining.question import Question
from seewhy.explaining.rounding import Rounding, measure_rounding
from seewhy.explaining.running import PHOTOS_AT_ONCE, MethodResult, NetworkResult, run
from seewhy.methods.base import Method
from seewhy.networks.execution import EXACT
from seewhy.photos.reading import Photo
from seewhy.progress import no_progress


def measure(
    question: Question,
    photos: Sequence[Photo],
    results: Mapping[str, MethodResult],
    network: NetworkResult,
) -> dict[str, Rounding]:
    """Return by method how far the results are off, measured on the first photos.

    Those are the first batch; for methods that run copies of a photo, the first photo alone. The
    same question is measured once in a classifier's life, or until its weights change.

    Args:
        question: as it was answered.
        photos, results, network: what it was asked for, and its answers.

    Returns:
        Nothing where the network computes in float32.

    Warns:
        SeewhyWarning: a map is too far off to be read.
    """
    if question.computed == EXACT or not photos:
        return {}
    known = question.classifier.session.measured
    left = [method for method in question.methods if _key(question, method) not in known]
    first = min(question.batch_size or PHOTOS_AT_ONCE, len(photos))
    for count, methods in (
        (first, [method for method in left if method.per_batch]),
        (1, [method for method in left if not method.per_batch]),
    ):
        if not methods:
            continue
        exact, clean = run(
            replace(
                question,
                methods=tuple(methods),
                execution=EXACT,
                targets=question.targets if network.targets is None else network.targets[:count],
            ),
            list(photos[:count]),
            progress=no_progress,
        )
        for method in methods:
            rounded = results[method.name].maps[:count]
            rounding = measure_rounding(
                question.computed,
                list(zip(rounded, exact[method.name].maps, strict=True)),
                _probabilities(question, network, clean),
                from_minimum=method.from_minimum,
            )
            rounding.warn()
            known[_key(question, method)] = rounding
    return {method.name: known[_key(question, method)] for method in question.methods}


def _probabilities(
    question: Question, rounded: NetworkResult, exact: NetworkResult
) -> tuple[Float[ndarray, "n k"], Float[ndarray, "n k"]] | None:
    """Return the probabilities of the same photos, rounded and exact; None without classes."""
    if rounded.scores is None or exact.scores is None:
        return None
    turn = question.classifier.probabilities
    return turn(rounded.scores[: len(exact.scores)]), turn(exact.scores)


def _key(question: Question, method: Method) -> Hashable:
    """Return what tells two questions apart, whatever their photos and classes."""
    settings = method.settings(question.options[method.name])
    return (
        method.name,
        json.dumps({name: plain(value) for name, value in settings.items()}, sort_keys=True),
        question.layers,
        question.output,
        question.computed,
        callable(question.targets),
        question.contrast_of(method),
    )
