"""A network in plain numpy, for tests above the adapters: A = images · M, scores = mean(A) · Wᵀ.

It counts its passes, and refuses what a real adapter refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seewhy.errors import NotACamNetwork, NotFinite, UnknownLayer
from seewhy.networks.base import INPUT, SCORES, Capture, Head, Layer, Network, Top

COLOURS = np.eye(3, dtype=np.float32)


@dataclass
class LinearNetwork(Network):
    """Channel k of layer 'maps' is colour k of the pixels, pooled 2 × 2; class k sums channel k."""

    name: str = "linear"
    input_shape: tuple[int | None, int | None, int] = (8, 12, 3)
    weights: np.ndarray = field(default_factory=lambda: COLOURS)
    head: Head = "softmax"
    cam: bool = True
    passes: list[int] = field(default_factory=list)
    backward: list[int] = field(default_factory=list)
    weighed: list[str] = field(default_factory=list)
    layers: Sequence[Layer] = (Layer("maps", "Conv2D", (4, 6, 3)), Layer("flat", "Dense", (3,)))
    default_layer: str = "maps"

    framework: str = "numpy"

    @property
    def classes(self) -> int | None:
        return len(self.weights)

    def layer_name(self, layer: Any) -> str:
        if layer in ("maps", "flat"):
            return str(layer)
        raise UnknownLayer(f"'linear' has no layer '{layer}'.")

    def maps(self, images: np.ndarray) -> np.ndarray:
        n, h, w, c = images.shape
        return images.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4), dtype=np.float32)

    def scores(self, images: np.ndarray) -> np.ndarray:
        self.passes.append(len(images))
        if np.isnan(images).any():
            raise NotFinite("'linear' returned NaN.")
        return (self.maps(images).mean(axis=(1, 2)) @ self.weights.T).astype(np.float32)

    def activations(self, images: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        scores = self.scores(images)
        known = {"maps": self.maps(images), "flat": scores, SCORES: scores}
        return {name: known[name] for name in layers}

    def activations_and_gradients(
        self, images: np.ndarray, layers: Sequence[str], targets: Any, *, output: str = "score"
    ) -> Capture:
        found = self.activations(images, [*layers, SCORES])
        scores = found.pop(SCORES)
        if callable(targets):
            values = np.asarray(targets(scores), np.float32)[:, None]
            chosen, rows = None, np.ones((len(images), 1, 3), np.float32)
        else:
            chosen = targets
            if isinstance(targets, Top):
                chosen = np.argsort(-scores, axis=1, kind="stable")[:, : targets.count]
                if targets.also is not None:
                    chosen = np.concatenate([chosen, targets.also], axis=1)
            values = np.take_along_axis(scores, chosen, axis=1)
            rows = self.weights[chosen]
        self.backward.append(values.shape[1])
        maps = self.maps(images)
        area = maps.shape[1] * maps.shape[2]
        gradient = np.broadcast_to(
            (rows / area)[:, :, None, None], (*rows.shape[:2], *maps.shape[1:])
        ).astype(np.float32)
        return Capture(
            scores=scores,
            targets=chosen,
            values=values,
            activations=found,
            gradients={"maps": gradient},
        )

    def input_gradients(
        self, images: np.ndarray, targets: Any, *, output: str = "score", guided: bool = False
    ) -> Capture:
        capture = self.activations_and_gradients(images, (), targets)
        spread = capture.gradients["maps"].repeat(2, axis=2).repeat(2, axis=3) / 4
        return replace(capture, activations={}, gradients={INPUT: spread})

    def class_weights(self, layer: str) -> np.ndarray:
        self.weighed.append(layer)
        if not self.cam:
            raise NotACamNetwork("'linear' is no CAM network.")
        return self.weights

    def scores_from(self, image: np.ndarray, layer: str, activations: np.ndarray) -> np.ndarray:
        return (activations.mean(axis=(1, 2)) @ self.weights.T).astype(np.float32)
