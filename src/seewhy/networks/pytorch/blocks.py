"""The blocks of a PyTorch transformer: the modules that hold one attention each, in a chain.

LeGrad scores what each block puts out as the network scores the last one's. One forward pass does
so for all: each block goes on from a copy of the one before, and the last one hands on the outputs
of all, one after the other in the batch, to what follows it.

Axes: n image, s token, c channel.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import LayerError
from seewhy.networks.pytorch.attention import AttentionWatcher
from seewhy.networks.pytorch.hooks import LayerHook


@dataclass(frozen=True)
class _End:
    """The end of a module's call: how many attentions there were when it began, and then."""

    name: str
    first: int
    after: int
    given: torch.Tensor
    output: torch.Tensor


def block_hooks(
    network: Any, images: Float[ndarray, "n h w c"], calls: Collection[int]
) -> dict[str, LayerHook]:
    """Return hooks by which the network scores the outputs of all blocks at once.

    Args:
        network: an adapter of PyTorch.
        images: of the question.
        calls: the numbers of the attentions whose blocks are scored.

    Raises:
        LayerError: the network has no such blocks.
    """
    outputs: list[torch.Tensor] = []

    def cut(inputs: Any, output: torch.Tensor) -> torch.Tensor:
        outputs.append(output)
        return output.detach().clone()

    def join(inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([*outputs, output])

    names = _blocks(network, images[:1])
    chosen = [names[call] for call in sorted(calls) if call in names]
    if len(chosen) < len(calls):
        raise LayerError(
            f"'{network.name}' has no chain of blocks, each a module with one attention, and this "
            "method scores each block. Use 'chefer', which looks at the attention alone"
        )
    return {**dict.fromkeys(chosen[:-1], cut), chosen[-1]: join}


def _blocks(network: Any, images: Float[ndarray, "n h w c"]) -> Mapping[int, str]:
    """Return by the number of each attention its block: what it puts out, the next one is given."""
    ends: list[_End] = []
    watcher = AttentionWatcher(
        len(images), (), lambda *_: None, differentiable=False, device=torch.device("cpu")
    )

    def hook_for(name: str) -> LayerHook:
        def hook(inputs: Any, output: Any) -> None:
            given = inputs[0] if isinstance(inputs, tuple) and inputs else None
            inner = [end.first for end in ends if end.name.startswith(name + network.separator)]
            before = ends[-1].after if ends else 0
            if all(isinstance(tensor, torch.Tensor) for tensor in (given, output)):
                first = min([before, *inner])
                ends.append(_End(name, first, watcher.count, given, output))

        return hook

    with network._undisturbed(), torch.no_grad():
        hooks = {name: hook_for(name) for name in network._parts()}
        with network._hooked(hooks), watcher:
            network._ask(network._tensor(np.repeat(images, 2, axis=0)))
    by_call = [
        [end for end in ends if (end.first, end.after) == (call, call + 1)]
        for call in range(watcher.count)
    ]
    return _chain(by_call)


def _chain(by_call: Sequence[Sequence[_End]]) -> Mapping[int, str]:
    """Return the outermost modules whose outputs are the next ones' inputs, unchanged."""
    names: dict[int, str] = {}
    for call, (own, following) in enumerate(pairwise(by_call)):
        for end in reversed(own):
            after = [
                other
                for other in reversed(following)
                if other.given.shape == end.output.shape and torch.equal(other.given, end.output)
            ]
            if after:
                names[call], names[call + 1] = end.name, after[0].name
                break
    return names
