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
from seewhy.evaluating.measurements import Measurement
from seewhy.evaluating.result import FOUND_AT, Evaluation, MethodScores
from seewhy.evaluating.survey import Survey


def assemble(survey: Survey, *, question: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation of the photos that were measured."""
    methods = {}
    keys = [subject.key for subject in survey.subjects]
    for name in survey.rows:
        settings = survey.settings(name)
        records = [survey.records.get("photo", key, name, settings) for key in keys]
        measured = [record for record in records if record is not None]
        assert len(measured) == len(keys)
        grid: dict[str, float | None] = {}
        for mosaic in survey.mosaics:
            record = survey.records.get("mosaic", mosaic, name, settings)
            grid |= {} if record is None else record.values
        methods[name] = _scores(keys, measured, grid)
    classifier = survey.study.classifier
    return Evaluation(
        photos=tuple(subject.name for subject in survey.subjects),
        model=classifier.name,
        methods=methods,
        failed=tuple(survey.failed),
        classes=tuple(classifier.label(subject.target) for subject in survey.subjects),
        question=dict(question),
    )


def _scores(
    keys: Sequence[str], measured: Sequence[Measurement], grid: Mapping[str, float | None]
) -> MethodScores:
    arrays: dict[str, Any] = {
        name: _column([record.values.get(name) for record in measured])
        for name in MEASURES
        if any(name in record.values for record in measured)
    }
    if any(key in grid for key in keys):
        arrays["grid"] = _column([grid.get(key) for key in keys])
    overlaps = [record.overlaps for record in measured]
    if len(measured) > 1 and all(shares is not None for shares in overlaps):
        held_out = held_out_box_accuracy(np.array(overlaps, np.float64))
        hits = held_out.hits[OVERLAPS.index(FOUND_AT)]
        arrays |= {"held_out": held_out, "box": hits.astype(np.float64)}
        arrays["box_v2"] = held_out.hits.mean(axis=0)
    filled = [f"{name}_{fill}" for name in ("deletion", "insertion") for fill in FILLS]
    there = [name for name in filled if name in measured[0].curves]
    return MethodScores(
        **arrays,
        fills={name: _column([record.values.get(name) for record in measured]) for name in there},
        curves={
            name: np.mean([record.curves[name] for record in measured], axis=0) for name in there
        },
    )


def _column(values: Sequence[float | None]) -> Float[ndarray, " n"]:
    return np.array([np.nan if value is None else value for value in values], np.float64)
