"""What is found out about a network by trying it: how many images at once, and probabilities.

Axes: n image, t target, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.base import Capture, Head, Targets, Top, Units


class NeedsCompany(Exception):
    """A network means something else by one image, as it drops the axis of one: give it two."""


PROBABILITY_MARGIN = 1e-6
"""How near to 0 and 1 a probability that the network itself returns is taken to come."""


def ending_by_trial(
    noise: Float[ndarray, "n h w c"], outputs: Callable[[ndarray], ndarray | None]
) -> Head:
    """Return "sigmoid" or "softmax" for outputs that are probabilities already, else "linear".

    They stay within 0 ... 1 whatever the images, however far from any photo. Those that add up
    to 1, or in percent to 100, are of classes that exclude each other.

    Args:
        noise: images of the network's size.
        outputs: returns the network's output for images (n, k); None where there is none.
    """
    far = np.concatenate([noise, 1e3 * noise, -1e3 * noise, 0 * noise[:1], 30 * noise - 15])
    returned = outputs(far.astype(np.float32))
    if returned is None:
        return "linear"
    returned = returned[np.isfinite(returned).all(axis=1)]
    if not returned.size or returned.min() < 0 or np.ptp(returned) < PROBABILITY_MARGIN:
        return "linear"
    if adds_up(returned):
        return "softmax"
    return "sigmoid" if returned.max() <= 1 + PROBABILITY_MARGIN else "linear"


def adds_up(values: Float[ndarray, "n k"]) -> bool:
    """Return whether every row adds up to 1, or to 100."""
    sums = values.sum(axis=1)
    return values.shape[1] > 1 and any(np.allclose(sums, whole, rtol=1e-3) for whole in (1, 100))


Answer = TypeVar("Answer", dict[str, ndarray], Capture)


def ask(
    network: Any,
    images: Float[ndarray, "n h w c"],
    targets: Targets | None,
    verb: Callable[[ndarray, Any], Answer],
) -> Answer:
    """Ask a network by images, as many at once as leave each image's answer as it is.

    Images that change each other's answers are asked by one at a time; one image whose axis the
    network drops is asked by twice.

    Args:
        network: the adapter.
        images: of the question.
        targets: for these images; None where the question has none.
        verb: takes images, and targets for them.
    """
    if len(images) > 1 and not network.mixes_images:
        try:
            return verb(images, targets)
        except NeedsCompany:  # each beside itself
            pass
    answers = [
        _ask_by_one(network, images[row : row + 1], picked(targets, [row]), verb)
        for row in range(len(images))
    ]
    return answers[0] if len(answers) == 1 else _combined(answers, np.concatenate)


def _ask_by_one(
    network: Any,
    image: Float[ndarray, "1 h w c"],
    targets: Targets | None,
    verb: Callable[[ndarray, Any], Answer],
) -> Answer:
    if not network._needs_company:
        try:
            return verb(image, targets)
        except NeedsCompany:
            pass
    doubled = verb(np.concatenate([image, image]), picked(targets, [0, 0]))
    network._needs_company = True
    return _combined([doubled], lambda arrays: arrays[0][:1])


def picked(targets: Targets | None, rows: Sequence[int]) -> Targets | None:
    """Return targets for some of the images, each as often as it is named."""
    if isinstance(targets, Units):
        return replace(targets, channels=targets.channels[list(rows)])
    if isinstance(targets, Top):
        return targets if targets.also is None else replace(targets, also=targets.also[list(rows)])
    return targets[list(rows)] if isinstance(targets, ndarray) else targets


def _combined(answers: Sequence[Answer], join: Callable[[list[Any]], ndarray]) -> Answer:
    """Return one answer of several, array by array."""
    first = answers[0]
    if isinstance(first, dict):
        return {name: join([part[name] for part in answers]) for name in first}
    fields = {name: [getattr(part, name) for part in answers] for name in vars(first)}
    combined: dict[str, Any] = {}
    for name, values in fields.items():
        if isinstance(values[0], Mapping):
            combined[name] = {key: join([value[key] for value in values]) for key in values[0]}
        else:
            combined[name] = None if values[0] is None else join(values)
    return Capture(**combined)
