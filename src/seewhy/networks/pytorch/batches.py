"""How a PyTorch module treats its images as a batch, and whether it draws lots: found by trial.

Axes: n image, k class.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils._pytree import tree_leaves

from seewhy.errors import ModelError
from seewhy.networks.base import Head
from seewhy.networks.pytorch.network import TorchNetwork
from seewhy.networks.pytorch.trial import TrialPass
from seewhy.networks.pytorch.view import FAILURES, to_numpy
from seewhy.networks.trying import ending_by_trial

ImageAxis = Literal["kept", "dropped", "flat"]
"""What becomes of the axis of images in the output: kept; dropped, one row whatever the number of
images (`scores[0]`); or flat, the rows of all images one after another."""

_SMALL_SIDE = 224
"""About the shorter side of the images by which the end of a network is tried."""


def image_axis(run: Callable[[torch.Tensor], Any], images: torch.Tensor) -> ImageAxis:
    """Return what becomes of the axis of images, from a run of two images and one of the first."""
    pair = run(images)
    if not isinstance(pair, torch.Tensor) or pair.ndim != 1:
        return "kept"
    alone = run(images[:1])
    if not isinstance(alone, torch.Tensor) or alone.numel() < 2:
        return "kept"
    if alone.numel() == pair.numel():
        return "dropped"
    return "flat" if alone.numel() * len(images) == pair.numel() else "kept"


def with_images(output: Any, count: int, axis: ImageAxis) -> Any:
    """Return an output with its axis of images put back."""
    if axis == "flat" and isinstance(output, torch.Tensor):
        return output.reshape(count, -1)
    if axis == "dropped" and count == 1 and isinstance(output, torch.Tensor):
        return output.unsqueeze(0)
    return output


class BatchedNetwork(TorchNetwork):
    """A module whose images may change each other's answers, and whose passes may differ."""

    _axis: ImageAxis = "kept"

    @abstractmethod
    def _trial(self) -> TrialPass:
        """Return what the trial pass has shown; it settles what becomes of the images' axis."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of several outputs, or their numbers; () for one."""
        return self._trial().outputs

    @cached_property
    def mixes_images(self) -> bool:
        """True where an image's answer depends on the others beside it: each is then run alone.

        As with batch normalization that has no running statistics, or `x - x.mean()`.
        """
        self._trial()
        if self._axis == "dropped":
            return True
        pair = self._noise()
        mixes = any(  # the brighter image may change the darker one, and not the other way
            _differ(self, _first(self, pair[[row, 1 - row]]), _first(self, pair[[row, row]]))
            for row in (0, 1)
        )
        return mixes and not self.is_random

    @cached_property
    def is_random(self) -> bool:
        """True where two passes of one image differ, as by dropout that is always on."""
        if not self._trial().draws:
            return False
        twice = self._noise()[[0, 0]]
        return _differ(self, _first(self, twice), _first(self, twice))

    def _ending_by_trial(self) -> Head:
        """Try small images where the network takes them: what it ends in has no size."""
        height, width = self.image_size
        shrink = max(1, min(height, width) // _SMALL_SIDE)
        for size in ((height // shrink, width // shrink), (height, width)):
            with suppress(*FAILURES):
                return ending_by_trial(self._noise(size), self._returned)
        return "linear"

    def _returned(self, images: Float[ndarray, "n h w c"]) -> ndarray | None:
        step = 1 if self._axis == "dropped" else len(images)
        with self._undisturbed(), torch.no_grad():
            parts = [self._ask(part) for part in self._tensor(images).split(step)]
        output = torch.cat(parts)
        return to_numpy(output.reshape(len(images), -1)) if len(output) == len(images) else None

    def _check_independent(self) -> None:
        """Raise ModelError where an image has not the same scores in every pass."""
        if self.mixes_images or self.is_random:
            raise ModelError(
                f"'{self.name}' does not give an image the same scores in every pass, so that no "
                "window can be re-run alone."
            )


def _first(network: BatchedNetwork, images: Float[ndarray, "n h w c"]) -> list[ndarray]:
    """Return what the module returns for the first image, tensor by tensor."""
    with network._undisturbed(), torch.no_grad():
        output = network._ask(network._tensor(images))
    return [
        leaf[:1].float().cpu().numpy()
        for leaf in tree_leaves(output)
        if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf) == len(images)
    ]


def _differ(network: BatchedNetwork, some: list[ndarray], others: list[ndarray]) -> bool:
    limit = network._tolerance() / 10
    return any(
        array.shape != other.shape
        or float(np.abs(array - other).max(initial=0)) > limit * float(np.abs(array).max(initial=0))
        for array, other in zip(some, others, strict=False)
    )
