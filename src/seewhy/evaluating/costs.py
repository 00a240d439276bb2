"""What an evaluation costs, in forward passes, before it starts."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.evaluating.curves import FILLS
from seewhy.evaluating.faithfulness import SHARES
from seewhy.evaluating.measuring import OCCLUSION
from seewhy.explaining.budget import method_passes

TIMED = 4
"""Images in the timed batch."""


@dataclass(frozen=True)
class Cost:
    """What an evaluation costs.

    Attributes:
        passes: forward passes; a backward pass to the pixels counts as two.
        seconds: from the time of a small batch; less where an engine re-runs windows.
    """

    passes: int
    seconds: float

    def __str__(self) -> str:
        minutes = round(self.seconds / 60)
        hours, rest = divmod(minutes, 60)
        spoken = f"{hours} h {rest} min" if hours else f"{minutes} min" if minutes else "1 min"
        return f"about {self.passes:,} forward passes, {spoken} or less"


def evaluation_cost(
    classifier: Classifier,
    methods: Sequence[str],
    *,
    photos: int,
    groups: Collection[str],
    steps: int,
    baselines: int,
    layer: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Cost:
    """Estimate what an evaluation costs; runs the network twice on a small batch.

    Args:
        classifier: the network.
        methods: those that are measured.
        photos: how many.
        groups: keys of `GROUPS`.
        steps: of deletion and insertion.
        baselines: how many of them.
        layer: the explained layer.
        options: by method.
    """
    given = options or {}
    each = {
        name: method_passes(classifier, name, layer=layer, options=given.get(name))
        for name in {*methods, OCCLUSION}
    }
    maps = 1 + 2 * ("randomization" in groups)
    maps_on_mosaics = 1 / 4 if "mosaics" in groups else 0  # a mosaic has four photos
    passes = (maps + maps_on_mosaics) * sum(each[name] for name in methods)
    if "occlusion" in groups:
        passes += each[OCCLUSION]
    if "removal" in groups:
        copies = 2 * len(FILLS) * (steps - 1) + 2 * len(SHARES)
        passes += copies * (len(methods) + baselines)
    batch = np.zeros((TIMED, *classifier.size, classifier.network.input_shape[2]), np.float32)
    classifier.network.scores(batch)  # compiles, and warms up
    start = time.perf_counter()
    classifier.network.scores(batch)
    seconds = (time.perf_counter() - start) / TIMED
    total = round(passes * photos)
    return Cost(total, total * seconds)
