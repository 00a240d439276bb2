"""An explanation as numbers and words: what JSON and the command line tell of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from seewhy.files import finite
from seewhy.maps import peaks_on_photo

Explanation = Any
"""`seewhy.Explanation`, whose module imports this one."""


def described(explanation: Explanation) -> list[dict[str, Any]]:
    """Return predictions, targets and peaks of each photo, ready for JSON."""
    peaks, empty = explanation.peaks, explanation.empty
    provenance, familiarity = explanation.provenance, explanation.familiarity
    records = []
    for index, photo in enumerate(explanation.photos):
        places = _peaks_at(explanation, index, empty[index])
        targets = [
            prediction.as_row()
            | {
                "peak": finite(float(peaks[index, target])),
                "peak_at": places[target],
                "empty": bool(empty[index, target]),
            }
            | _numbers(explanation, index, target)
            for target, prediction in enumerate(explanation.targets[index])
        ]
        records.append(
            {
                "photo": str(photo.path or photo.name),
                "model": explanation.model,
                "method": explanation.method,
                "layer": explanation.layer,
                "provenance": None if provenance is None else provenance.as_dict(),
                "familiarity": familiarity[index].as_dict() if familiarity else None,
                "predictions": [
                    prediction.as_row() for prediction in explanation.predictions[index]
                ],
                "targets": targets,
            }
        )
    return records


def _numbers(explanation: Explanation, photo: int, target: int) -> dict[str, float | None]:
    """Return the method's further results for one target that are single numbers."""
    extras = explanation.extras[photo] if explanation.extras else {}
    count = explanation.maps.shape[1]
    return {
        name: finite(float(values[target]))
        for name, values in extras.items()
        if values.shape == (count,)
    }


def _peaks_at(
    explanation: Explanation, photo: int, empty: Bool[ndarray, " t"]
) -> list[tuple[int, int] | None]:
    """Return `peak_at` of all targets of a photo, of which some are `empty`, at once."""
    targets = range(len(empty))
    raws = np.stack([explanation.shown_map(photo, target) for target in targets])
    if np.isnan(raws).any():
        return [explanation.peak_at(photo, target) for target in targets]
    size = explanation.photos[photo].pixels.shape[:2]
    placement = explanation.placements[photo]
    peaks = peaks_on_photo(raws, placement, size, signed=explanation.signed)
    return [None if none else peak for none, peak in zip(empty, peaks, strict=True)]
