"""Compare one map with baselines by removal, as `evaluate` does: what the page says of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.classifier import Classifier
from seewhy.errors import TargetError, needed
from seewhy.evaluating.baselines import (
    CENTRE,
    RANDOM,
    baseline_maps,
    generator_of,
    photo_key,
    random_map,
)
from seewhy.evaluating.curves import DIRECTIONS, FILLS, PhotoCurves
from seewhy.evaluating.faithfulness import CELLS
from seewhy.explaining.result import Explanation
from seewhy.progress import Progress, no_progress

RANDOM_MAPS = 6
"""Maps of random cells, from whose spread a margin's interval is; the first is `evaluate`'s."""

MAPS_COMPARED = 2 + RANDOM_MAPS
"""The map itself, the centre, and random cells."""

COPIES = 1 + len(FILLS) + MAPS_COMPARED * len(DIRECTIONS) * len(FILLS) * (CELLS - 1)
"""Copies of the photo that `compare_removal` runs through the network."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Removal:
    """One map's deletion or insertion, beside the baselines on the same photo.

    Attributes:
        map: the area of the map, as `evaluate` gives it.
        centre: that of a map which points at the centre.
        random: the mean over maps of random cells.
        half_width: of the interval in which one more map of random cells is found 95 times of 100:
            a margin below it could be luck.
    """

    map: float
    centre: float
    random: float
    half_width: float


def compare_removal(
    classifier: Classifier, explanation: Explanation, *, progress: Progress = no_progress
) -> dict[str, Removal]:
    """Return deletion and insertion of an explanation's first map, and of the baselines.

    A map's values are those that `evaluate` gives for this photo and class.

    Args:
        classifier: the network that was explained.
        explanation: of a class.
        progress: called with (done, total) maps.

    Returns:
        By direction: 'deletion', 'insertion'.

    Raises:
        TargetError: no class is explained, or the network has no probabilities.
    """
    target, photo = explanation.targets[0][0], explanation.photos[0]
    if target.index is None:
        raise TargetError("Only the map of a class can be measured, not one of something else.")
    (pixels,), _ = classifier.fit_photos([photo])
    random = generator_of(photo_key(photo.name, pixels))
    drawn = baseline_maps(pixels, (CENTRE, RANDOM), generator=random)
    size = pixels.shape[0], pixels.shape[1]
    further = [random_map(size, random) for _ in range(RANDOM_MAPS - 1)]
    randoms = [drawn[RANDOM], *further]
    curves = PhotoCurves.of(classifier, photo, target.index)
    areas: dict[str, list[float]] = {direction: [] for direction, _ in DIRECTIONS}
    for done, heatmap in enumerate([explanation.maps[0, 0], drawn[CENTRE], *randoms], 1):
        values, _ = curves.areas(heatmap, CELLS)
        for direction, direction_areas in areas.items():
            direction_areas.append(values[direction])
        progress(done, MAPS_COMPARED)
    return {direction: _removal(*direction_areas) for direction, direction_areas in areas.items()}


def _removal(own: float, centre: float, *randoms: float) -> Removal:
    """Return a map's margins: x̄ ± t · s · √(1 + 1/r) holds one more random map."""
    count = len(randoms)
    student = needed("scipy.stats", "A comparison of maps").t
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, count - 1))
    spread = float(np.std(randoms, ddof=1)) * (1 + 1 / count) ** 0.5
    return Removal(own, centre, float(np.mean(randoms)), quantile * spread)
