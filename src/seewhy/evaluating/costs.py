"""What an evaluation costs, in forward passes, before it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.evaluating.curves import FILLS
from seewhy.evaluating.faithfulness import SHARES
from seewhy.evaluating.measuring import OCCLUSION, Study
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


def evaluation_cost(study: Study, methods: Sequence[str], *, photos: int, baselines: int) -> Cost:
    """Estimate what an evaluation costs; runs the network twice on a small batch.

    Args:
        study: what is asked of every photo.
        methods: those that are measured.
        photos: how many.
        baselines: how many of them.
    """
    classifier, request, groups = study.classifier, study.request, study.groups
    layer = request.layer[0] if request.layer else None
    each = {
        name: method_passes(classifier, name, layer=layer, options=request.options.get(name))
        for name in {*methods, OCCLUSION}
    }
    maps = 1 + 2 * ("randomization" in groups)
    maps_on_mosaics = 1 / 4 if "mosaics" in groups else 0  # a mosaic has four photos
    passes = (maps + maps_on_mosaics) * sum(each[name] for name in methods)
    if "occlusion" in groups and OCCLUSION not in methods:
        passes += each[OCCLUSION]
    if "removal" in groups:
        copies = 2 * len(FILLS) * (study.removal_steps - 1) + 2 * len(SHARES)
        passes += copies * (len(methods) + baselines)
    batch = np.zeros((TIMED, *classifier.size, classifier.network.input_shape[2]), np.float32)
    classifier.network.scores(batch)  # compiles, and warms up
    start = time.perf_counter()
    classifier.network.scores(batch)
    seconds = (time.perf_counter() - start) / TIMED
    total = round(passes * photos)
    return Cost(total, total * seconds)
