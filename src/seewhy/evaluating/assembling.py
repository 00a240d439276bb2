"""Put records together: one array per measure and method, over the photos.

Axes: n photo, s step or threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.evaluating.columns import MEASURES
from seewhy.evaluating.curves import FILLS
from seewhy.evaluating.localizing import OVERLAPS, held_out_box_accuracy
from seewhy.evaluating.measuring import Look
from seewhy.evaluating.records import Record, Records
from seewhy.evaluating.result import FOUND_AT, Evaluation, MethodScores
from seewhy.evaluating.run import Run, mosaic_key
from seewhy.photos.photo import PhotoFailure


def assemble(
    run: Run,
    records: Records,
    *,
    failed: Sequence[PhotoFailure],
    question: Mapping[str, Any],
) -> Evaluation:
    """Return the evaluation of the photos that were measured."""
    methods = {}
    looks = run.looks
    for name in run.rows:
        settings = run.settings(name)
        found = [records.get("photo", look.key, name, settings) for look in looks]
        there = [one for one in found if one is not None]
        assert len(there) == len(looks)
        on_mosaics: dict[str, float | None] = {}
        for four in run.mosaic_looks:
            record = records.get("mosaic", mosaic_key(four), name, settings)
            on_mosaics |= {} if record is None else record.values
        methods[name] = _scores(looks, there, on_mosaics)
    classifier = run.study.classifier
    return Evaluation(
        photos=tuple(look.name for look in looks),
        model=classifier.name,
        methods=methods,
        failed=tuple(failed),
        classes=tuple(classifier.label(look.target) for look in looks),
        question=dict(question),
    )


def _scores(
    looks: Sequence[Look], found: Sequence[Record], on_mosaics: Mapping[str, float | None]
) -> MethodScores:
    arrays: dict[str, Any] = {
        name: _column([one.values.get(name) for one in found])
        for name in MEASURES
        if any(name in one.values for one in found)
    }
    if any(look.key in on_mosaics for look in looks):
        arrays["grid"] = _column([on_mosaics.get(look.key) for look in looks])
    overlaps = [one.overlaps for one in found]
    if len(found) > 1 and all(one is not None for one in overlaps):
        held_out = held_out_box_accuracy(np.array(overlaps, np.float64))
        hits = held_out.hits[OVERLAPS.index(FOUND_AT)]
        arrays |= {"held_out": held_out, "box": hits.astype(np.float64)}
    filled = [f"{name}_{fill}" for name in ("deletion", "insertion") for fill in FILLS]
    there = [name for name in filled if name in found[0].curves]
    return MethodScores(
        **arrays,
        fills={name: _column([one.values.get(name) for one in found]) for name in there},
        curves={name: np.mean([one.curves[name] for one in found], axis=0) for name in there},
    )


def _column(values: Sequence[float | None]) -> Float[ndarray, " n"]:
    return np.array([np.nan if one is None else one for one in values], np.float64)
