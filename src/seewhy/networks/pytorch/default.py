"""Which layer of a PyTorch module is explained where none is named: found by trial.

The functions take the adapter. Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils._pytree import tree_leaves

from seewhy.networks.cells import find_cells
from seewhy.networks.pytorch.trial import ModuleCall
from seewhy.networks.trying import NeedsCompany

_CANDIDATES = 24


def first_that_matters(network: Any, names: list[str]) -> str:
    """Return the first of the layers whose rows and columns the output depends on."""
    if network.classes is None:
        before = _before_scores(network, names[:_CANDIDATES])
        if before is not None:
            return before
    for some in (names[:1], names[1:_CANDIDATES]):
        matter = _that_matter(network, some, at=None)
        if matter:
            return matter[0]
    # The scores depend on nothing: a new head of zeros. Ask what the head is given instead.
    weighty = [call.layer.name for call in network._trial().calls if is_weighty(network, call)]
    matter = _that_matter(network, names[:_CANDIDATES], at=weighty[-1]) if weighty else []
    return (matter or names)[0]


def first_that_shows(network: Any, chosen: str, names: list[str]) -> str:
    """Return the chosen layer, or the next one before it in which changed patches show.

    What is inside the chosen layer, such as the end of its perceptron, is no state of the network.
    """
    network._default_layer = chosen  # what follows may ask for it
    size = network.image_size
    before = names[names.index(chosen) + 1 :]
    outside = [layer for layer in before if not layer.startswith(chosen + network.separator)]
    some = [chosen, *outside][:_CANDIDATES]
    return next((layer for layer in some if find_cells(network, layer, size).shows), chosen)


def _before_scores(network: Any, names: list[str]) -> str | None:
    """Return the last layer that all outputs come from, and that is not the outputs themselves.

    Of a segmentation it is the layer before the scores, whose map a mask is made of; of a
    detector with branches for boxes and for classes the last layer before both.
    """
    with network._undisturbed():
        seen = network._see(network._noise(), names, differentiable=True)
        leaves = [leaf for leaf in tree_leaves(seen.before) if isinstance(leaf, torch.Tensor)]
        outputs = next((leaf for leaf in leaves if leaf.requires_grad and leaf.ndim > 2), None)
        if outputs is None:
            return None
        # Images, then channels: the shorter of two axes that may be channels or anchors.
        shape = tuple(outputs.shape)
        axis = 1 if len(shape) > 3 or shape[1] <= shape[2] else 2
        channels = outputs.movedim(axis, 1).float().flatten(2)
        picked = sorted({*range(min(3, shape[axis])), shape[axis] // 2, shape[axis] - 1})
        random = np.random.default_rng(2).normal(size=tuple(channels[:, 0].shape))
        random = torch.from_numpy(random.astype(np.float32)).to(outputs.device)
        left = {name: seen.caught[name] for name in names}
        users: dict[str, list[int]] = {name: [] for name in names}
        for channel in picked:
            value = (channels[:, channel] * random).sum()
            slopes = torch.autograd.grad(
                value, list(left.values()), retain_graph=True, allow_unused=True
            )
            slope_by_layer = dict(zip(left, slopes, strict=True))
            left = {
                name: activations
                for name, activations in left.items()
                if slope_by_layer[name] is not None and bool(slope_by_layer[name].any())
            }
            for name in left:
                slope = network._channels_last(slope_by_layer[name], name, network._noise())
                used = np.abs(slope).reshape(-1, slope.shape[-1]).max(axis=0) > 0
                users[name].append(int(used.sum()))
    for name in names:
        is_scores = name in left and max(users[name]) <= 1
        if name in left and not is_scores:
            return name
    return None


def is_weighty(network: Any, call: ModuleCall) -> bool:
    """True for a call of an innermost module that has weights."""
    module = network._modules[call.layer.name]
    return next(module.children(), None) is None and hasattr(module, "weight")


def _that_matter(network: Any, names: list[str], *, at: str | None) -> list[str]:
    """Return the layers whose rows and columns the output, or a layer's input, depends on."""
    try:
        return _matter_for(network, network._noise()[:1], names, at)
    except NeedsCompany:
        return _matter_for(network, network._noise(), names, at)


def _matter_for(
    network: Any, image: Float[ndarray, "n h w c"], names: list[str], at: str | None
) -> list[str]:
    given: list[Any] = []

    def note(inputs: Any, output: Any) -> None:
        given.extend(inputs[:1])

    with network._undisturbed():
        with network._hooked({} if at is None else {at: note}):
            seen = network._see(image, [name for name in names if name != at], differentiable=True)
        seen_at = seen.before if at is None else (given or [None])[0]
        if not isinstance(seen_at, torch.Tensor) or not seen_at.requires_grad:
            return []
        random = np.random.default_rng(2).normal(size=tuple(seen_at.shape)).astype(np.float32)
        value = (seen_at.float() * torch.from_numpy(random).to(seen_at.device)).sum()
        asked = [name for name in names if name != at]
        caught = [seen.caught[name] for name in asked]
        slopes = torch.autograd.grad(value, caught, allow_unused=True)
        return [
            name
            for name, slope in zip(asked, slopes, strict=True)
            if slope is not None and network._channels_last(slope, name, image).any()
        ]
