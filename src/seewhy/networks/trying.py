"""What is found out about a network by trying it: company for one image, and probabilities.

Axes: n image, t target, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.base import Capture, Head, Targets, Top, Units


class NeedsCompany(Exception):
    """A network means something else by one image, as it drops the axis of one: give it two."""


PROBABLE = 1e-6
"""How near to 0 and 1 a probability that the network itself returns is taken to come."""


def ending_by_trial(
    noise: Float[ndarray, "n h w c"], outputs: Callable[[ndarray], ndarray | None]
) -> Head:
    """Return "sigmoid" or "softmax" for outputs that are probabilities already, else "linear".

    They stay within 0 ... 1 whatever the images, however far from any photo; those that add up
    to 1 are of classes that exclude each other.

    Args:
        noise: images of the network's size.
        outputs: returns the network's output for images (n, k); None where there is none.
    """
    far = np.concatenate([noise, 1e3 * noise, -1e3 * noise, 0 * noise[:1], 30 * noise - 15])
    found = outputs(far.astype(np.float32))
    if found is None:
        return "linear"
    found = found[np.isfinite(found).all(axis=1)]
    inside = bool(found.size) and found.min() >= 0 and found.max() <= 1 + PROBABLE
    if not inside or np.ptp(found) < PROBABLE:
        return "linear"
    sums = found.sum(axis=1)
    adds_up = found.shape[1] > 1 and bool(np.allclose(sums, 1, atol=1e-3))
    return "softmax" if adds_up else "sigmoid"


def repeated(targets: Targets, times: int) -> Targets:
    """Return targets for images that are there several times."""
    if times == 1 or (callable(targets) and not isinstance(targets, Top | Units)):
        return targets
    if isinstance(targets, Units):
        return replace(targets, channels=np.repeat(targets.channels, times))
    if isinstance(targets, Top):
        also = None if targets.also is None else np.repeat(targets.also, times, axis=0)
        return replace(targets, also=also)
    assert isinstance(targets, ndarray)
    return np.repeat(targets, times, axis=0)


def first(capture: Capture, count: int) -> Capture:
    """Return what was captured of the first images."""
    if len(capture.values) == count:
        return capture
    return Capture(
        scores=None if capture.scores is None else capture.scores[:count],
        targets=None if capture.targets is None else capture.targets[:count],
        values=capture.values[:count],
        activations={name: array[:count] for name, array in capture.activations.items()},
        gradients={name: array[:count] for name, array in capture.gradients.items()},
    )
