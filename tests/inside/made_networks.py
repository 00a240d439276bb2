"""Networks for looking inside that are known by arithmetic, in plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, UnknownLayer
from seewhy.networks.base import INPUT, SCORES, Capture, Layer, Units
from seewhy.networks.weights import FilterBank


def correlate(images: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Return a convolution (h w i o) without padding."""
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    return np.einsum("nhwiab,abio->nhwo", windows[:, ::stride, ::stride], kernel)


class Stack:
    """Two convolutions of stride 2 and 1, ReLUs behind, and one that sees everything.

    Layer 'first' (3 × 3, stride 2), 'second' (3 × 3), 'whole' (second · mean of second).
    """

    name = "stack"
    input_shape = (23, 31, 3)
    layers = (
        Layer("pad", "ZeroPadding2D", (25, 33, 3)),
        Layer("first", "Conv2D", (11, 15, 4)),
        Layer("second", "Conv2D", (9, 13, 5)),
        Layer("whole", "Multiply", (9, 13, 5)),
        Layer("flat", "Dense", (5,)),
        Layer("list", "Lambda", ()),
    )
    default_layer = "second"
    head = "linear"
    classes: int | None = 5

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.weights = {
            "first": generator.normal(size=(3, 3, 3, 4)).astype(np.float32),
            "second": generator.normal(size=(3, 3, 4, 5)).astype(np.float32),
        }

    def layer_name(self, layer: Any) -> str:
        if layer not in [one.name for one in self.layers]:
            raise UnknownLayer(f"'stack' has no layer '{layer}'.")
        return str(layer)

    def activations(self, images: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        first = np.maximum(correlate(images, self.weights["first"], 2), 0)
        second = np.maximum(correlate(first, self.weights["second"], 1), 0)
        means = second.mean(axis=(1, 2))
        found = {"first": first, "second": second, "whole": second * means[:, None, None]}
        found |= {"flat": means, SCORES: means}
        return {name: found[name].astype(np.float32) for name in layers}

    def filters(self, layer: str) -> tuple[FilterBank, ...]:
        if layer not in self.weights:
            raise LayerError(f"'{layer}' has no kernels.")
        return (FilterBank(self.weights[layer]),)

    def scores(self, images: np.ndarray) -> np.ndarray:
        return self.activations(images, [SCORES])[SCORES]


class Linear:
    """Filters that are whole images: the map of 1 × 1 is Σ kernel · image."""

    name = "linear"
    layers = (Layer("conv", "Conv2D", (1, 1, 2)),)
    default_layer = "conv"
    head = "linear"

    def __init__(self, kernels: np.ndarray) -> None:
        self.weights = kernels  # (h, w, c, o)
        self.input_shape = kernels.shape[:3]
        self.classes: int | None = kernels.shape[3]
        self.seen: list[np.ndarray] = []

    def layer_name(self, layer: Any) -> str:
        return str(layer)

    def activations(self, images: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        scores = np.einsum("nhwc,hwco->no", images, self.weights).astype(np.float32)
        return {name: scores if name == SCORES else scores[:, None, None] for name in layers}

    def scores(self, images: np.ndarray) -> np.ndarray:
        return self.activations(images, [SCORES])[SCORES]

    def input_gradients(
        self, images: np.ndarray, targets: Any, *, output: str = "score", guided: bool = False
    ) -> Capture:
        self.seen.append(images)
        channels = targets.channels if isinstance(targets, Units) else targets[:, 0]
        rows = np.arange(len(images))
        values = self.scores(images)[rows, channels][:, None]
        slopes = np.moveaxis(self.weights, 3, 0)[channels][:, None].astype(np.float32)
        return Capture(values=values, gradients={INPUT: slopes})


def stack() -> Classifier:
    return Classifier(Stack(), preprocess="unit")


def linear(kernels: np.ndarray, **settings: Any) -> Classifier:
    return Classifier(Linear(kernels), **{"preprocess": "unit", **settings})
