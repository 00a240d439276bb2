"""The filters of a PyTorch module, turned to (h, w, i, o)."""

from __future__ import annotations

from typing import Any

import numpy as np

from seewhy.networks.weights import FilterBank


def filters_of(module: Any) -> tuple[FilterBank, ...]:
    """Return the filters of a module: one set, or none."""
    weight = getattr(module, "weight", None)
    if weight is None or getattr(weight, "ndim", 0) != 4:
        return ()
    weights = weight.detach().float().cpu().numpy()
    groups = int(getattr(module, "groups", 1))
    if getattr(module, "transposed", False):  # (input channels, output channels of a group, h, w)
        inputs, per_group, height, width = weights.shape
        weights = weights.reshape(groups, inputs // groups, per_group, height, width)
        weights = weights.transpose(3, 4, 1, 0, 2)
        weights = weights.reshape(height, width, inputs // groups, groups * per_group)
    else:
        weights = weights.transpose(2, 3, 1, 0)
    return (FilterBank(np.array(weights, order="C"), groups=groups),)
