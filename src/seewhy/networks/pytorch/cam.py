"""What comes after a PyTorch layer, for CAM: the weights of a linear module, or of several steps.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

import torch

from seewhy.networks.linear import LinearMap, for_classes
from seewhy.networks.pytorch.layout import Layout, places_of
from seewhy.networks.pytorch.view import to_numpy

LINEAR_FUNCTIONS = frozenset({
    "adaptive_avg_pool2d", "avg_pool2d", "mean", "sum", "flatten", "reshape", "view", "squeeze",
    "unsqueeze", "permute", "transpose", "contiguous", "clone", "to", "float", "__get__",
    "__getitem__", "linear", "conv2d", "matmul", "__matmul__", "mm", "addmm", "batch_norm",
    "dropout", "dropout2d", "alpha_dropout", "feature_alpha_dropout", "add", "__add__", "__radd__",
    "add_", "__iadd__", "sub", "__sub__", "mul", "__mul__", "__rmul__", "div", "__truediv__",
    "softmax", "log_softmax", "sigmoid",
})  # fmt: skip
"""Functions that may be steps of one linear map; softmax and sigmoid at its end are taken off."""

_CLASSES_AT_ONCE = 64


def linear_map(module: torch.nn.Module | None, *, classes: int | None) -> LinearMap | None:
    """Return the weights of a linear layer or a 1×1 convolution; None for other modules."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim not in (2, 4):
        return None
    if weight.ndim == 4 and tuple(weight.shape[2:]) != (1, 1):
        return None
    return for_classes(
        to_numpy(weight).reshape(len(weight), -1),
        to_numpy(bias) if isinstance(bias, torch.Tensor) else None,
        classes=classes,
    )


def derived_map(
    scores: torch.Tensor, activations: torch.Tensor, layout: Layout | None
) -> LinearMap | None:
    """Return what linear steps after a layer are together, from gradients at one image.

        W[k, c] = Σ over h, w of ∂score[k] / ∂A[h, w, c]
        b = scores − W · mean over h, w of A

    Args:
        scores: (1, k), with the graph that leads back to the activations.
        activations: of the layer, for one image.
        layout: what the activations' axes mean.
    """
    rows = []
    if not scores.requires_grad:
        return None
    for each in torch.eye(scores.shape[1], device=scores.device).split(_CLASSES_AT_ONCE):
        (slopes,) = torch.autograd.grad(
            scores[0],
            activations,
            each,
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        if slopes is None:
            return None
        rows.append(places_of(slopes[:, 0], layout).sum(1))
    weights = torch.cat(rows)
    bias = scores[0] - weights @ places_of(activations, layout).mean(1)[0]
    return LinearMap(to_numpy(weights), to_numpy(bias))
