"""Compare one map with baselines by removal, as `evaluate` does: what the page says of a map."""

from __future__ import annotations

from seewhy.classifier import Classifier
from seewhy.errors import TargetError
from seewhy.evaluating.baselines import CENTRE, RANDOM, baseline_maps, generator_of, photo_key
from seewhy.evaluating.curves import DIRECTIONS, FILLS, PhotoCurves
from seewhy.evaluating.faithfulness import CELLS
from seewhy.explaining.result import Explanation
from seewhy.progress import Progress, no_progress

COMPARED = {"map": None, "centre": CENTRE, "random": RANDOM}
"""The map itself, and the baselines beside it."""

COPIES = 1 + len(FILLS) + len(COMPARED) * len(DIRECTIONS) * len(FILLS) * (CELLS - 1)
"""Copies of the photo that `removal_areas` runs through the network."""


def removal_areas(
    classifier: Classifier, explanation: Explanation, *, progress: Progress = no_progress
) -> dict[str, dict[str, float]]:
    """Return deletion and insertion of an explanation's first map, and of two baselines.

    They are the values that `evaluate` gives for this photo and class, by direction ('deletion',
    'insertion') and then 'map', 'centre' and 'random'.

    Args:
        classifier: the network that was explained.
        explanation: of a class.
        progress: called with (done, total) maps.

    Raises:
        TargetError: no class is explained, or the network has no probabilities.
    """
    target, photo = explanation.targets[0][0], explanation.photos[0]
    if target.index is None:
        raise TargetError("Only the map of a class can be measured, not one of something else.")
    (pixels,), _ = classifier.fit_photos([photo])
    random = generator_of(photo_key(photo.name, pixels))
    drawn = baseline_maps(pixels, (CENTRE, RANDOM), generator=random)
    curves = PhotoCurves.of(classifier, photo, target.index)
    areas: dict[str, dict[str, float]] = {direction: {} for direction, _ in DIRECTIONS}
    for done, (name, baseline) in enumerate(COMPARED.items(), 1):
        heatmap = explanation.maps[0, 0] if baseline is None else drawn[baseline]
        values, _ = curves.areas(heatmap, CELLS)
        for direction, by_map in areas.items():
            by_map[name] = values[direction]
        progress(done, len(COMPARED))
    return areas
