"""Test every preprocessing on a network, and find the one that it was trained with.

Axes: n photo, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from seewhy.classifier.evidence import (
    Evidence,
    alikeness,
    confidence,
    distance,
    is_untrained,
)
from seewhy.errors import NotFinite
from seewhy.networks.base import Network
from seewhy.photos.preprocessing import MODES, Preprocess, preprocess_pixels

PHOTOS_PER_PASS = 4
"""Photos in one pass: the first layers' maps are large."""

FEW_PHOTOS = 4
"""Photos for a network without batch normalization, which must run completely."""

COLOUR_ONLY = ("caffe", "torch")
"""Modes that a network of one channel cannot have."""


def candidates(channels: int) -> dict[str, Preprocess]:
    """Return the modes for a number of channels; empty unless it is 1 or 3."""
    if channels not in (1, 3):
        return {}
    return {mode: mode for mode in MODES if channels == 3 or mode not in COLOUR_ONLY}


def candidates_and(mode: Preprocess, channels: int) -> tuple[str, dict[str, Preprocess]]:
    """Return a mode's name among the candidates, and the candidates including it."""
    tried = candidates(channels)
    own = next((name for name in tried if mode in (name, MODES[name])), "the one given")
    return own, {**tried, own: mode}


def infer(network: Network, pixels: UInt8[ndarray, "n h w 3"]) -> Evidence:
    """Return how well each mode fits a network.

    Args:
        network: to feed.
        pixels: photos at its input size.
    """
    tried = candidates(network.input_shape[2])
    return by_normalization(network, pixels, tried) or by_answers(network, pixels, tried)


def by_normalization(
    network: Network, pixels: UInt8[ndarray, "n h w 3"], tried: Mapping[str, Preprocess]
) -> Evidence | None:
    """Return the distance of the first batch normalization's input from its statistics.

    Only the layers before it run.

    Returns:
        None if the network has no batch normalization of maps.
    """
    memory = network.remembered()
    if not memory:
        return None
    distances: dict[str, float] = {}
    layer = ""
    for name, mode in tried.items():
        means, squares = [], []
        for start in range(0, len(pixels), PHOTOS_PER_PASS):
            images = _prepared(network, pixels[start : start + PHOTOS_PER_PASS], mode)
            first_input = network.first_input(images, memory)
            if first_input is None or first_input[1].ndim != 4:
                return None
            layer, given = first_input
            if is_untrained(memory[layer]):
                return Evidence("untrained", {}, {}, layer)
            means.append(given.mean(axis=(1, 2), dtype=np.float64))
            squares.append(np.square(given, dtype=np.float64).mean(axis=(1, 2)))
        distances[name] = distance(memory[layer], np.concatenate(means), np.concatenate(squares))
    if not distances:
        return None
    return Evidence("normalization", _sorted(distances), {}, layer, len(pixels))


def by_answers(
    network: Network, pixels: UInt8[ndarray, "n h w 3"], tried: Mapping[str, Preprocess]
) -> Evidence:
    """Return how similar a network's outputs for different photos are.

    If the input values are too small, biases dominate and all outputs are the same; if they are
    too large, every output is certain.
    """
    if not tried or not network.layers_with_weights() or (network.classes or 0) < 2:
        return Evidence("nothing", {}, {})
    some = pixels[-FEW_PHOTOS:]
    alike: dict[str, float] = {}
    sure: dict[str, float] = {}
    for name, mode in tried.items():
        try:
            scores = network.scores(_prepared(network, some, mode))
        except NotFinite:
            alike[name] = sure[name] = 1.0
            continue
        alike[name], sure[name] = alikeness(scores), confidence(scores)
    return Evidence("answers", _sorted(alike), sure, photos=len(some))


def _prepared(network: Network, pixels: UInt8[ndarray, "n h w 3"], mode: Preprocess) -> ndarray:
    return preprocess_pixels(pixels, mode, channels=network.input_shape[2], network=network.name)


def _sorted(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: item[1]))
