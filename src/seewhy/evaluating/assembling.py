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
from seewhy.evaluating.localizing import held_out_of
from seewhy.evaluating.measures import OVERLAPS, accuracy_of
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
    for name in ("grid", "disconnected"):
        column = [on_mosaics.get(f"{name} {look.key}") for look in looks]
        if any(f"{name} {look.key}" in on_mosaics for look in looks):
            arrays[name] = _column(column)
    overlaps = [one.overlaps for one in found]
    if found and all(one is not None for one in overlaps):
        arrays |= _boxes(np.array(overlaps, np.float64))
    filled = [f"{name}_{fill}" for name in ("deletion", "insertion") for fill in FILLS]
    there = [name for name in filled if name in found[0].curves]
    return MethodScores(
        **arrays,
        fills={name: _column([one.values.get(name) for one in found]) for name in there},
        curves={name: np.mean([one.curves[name] for one in found], axis=0) for name in there},
    )


def _column(values: Sequence[float | None]) -> Float[ndarray, " n"]:
    return np.array([np.nan if one is None else one for one in values], np.float64)


def _boxes(overlaps: Float[ndarray, "n s"]) -> dict[str, Any]:
    """Return the measures of boxes; chosen and scored on the same photos if there is only one."""
    if len(overlaps) < 2:
        return {"boxes": accuracy_of(overlaps)}
    held_out = held_out_of(overlaps)
    hits = held_out.hits[OVERLAPS.index(FOUND_AT)]
    return {"boxes": accuracy_of(overlaps), "held_out": held_out, "box": hits.astype(np.float64)}
