"""What an evaluation costs, in forward passes, before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.evaluating.curves import FILLS
from seewhy.evaluating.faithfulness import SHARES
from seewhy.evaluating.measuring import OCCLUSION, Study
from seewhy.explaining.costs import Cost, method_passes, pass_seconds


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
    total = round(passes * photos)
    return Cost(total, total * pass_seconds(classifier))
