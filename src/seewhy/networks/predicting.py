"""A network that only gives scores: a function of arrays, or a file that only its runtime reads.

Axes: n image, h row, w column, c channel, k class, q number that the function returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError, UnknownLayer
from seewhy.networks.base import INPUT, SCORES, Head, Layer, Network
from seewhy.networks.checks import check_finite, check_images
from seewhy.networks.execution import Execution

LARGEST_TRIAL_VALUE = 1000.0
"""The largest value of the images with which it is tried whether outputs leave 0 to 1."""

SUM_TOLERANCE = 0.02
"""How far the probabilities of all classes may be from adding up to 1: files of 8 bits round."""

SCORES_SUFFICE = "occlusion, rise"
"""The methods that need nothing but scores."""

LEAST_PROBABILITY = 1e-30
"""The probability below which a logarithm is not taken."""


class PredictNetwork(Network):
    """A function that takes images and returns one row of numbers per image.

    Whether these are scores or probabilities is found by trial, on noise and on extreme images:
    numbers that stay in 0 to 1 are probabilities, of a softmax where they add up to 1. Their
    logarithms are then explained, which are the scores up to a constant of each photo.

    Args:
        predict: takes float32 (n, h, w, c) in its own input range; returns numbers (n, k) or (n).
        size: height and width of the images.
        channels: of the images.
        name: in messages.
        call: None; it is for models.
        is_pair: whether a single number is the logit of two classes.
    """

    framework = "numpy"

    def __init__(
        self,
        predict: Callable[[ndarray], Any],
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        name: str,
        call: Any = None,
        is_pair: bool = False,
    ) -> None:
        if size is None:
            raise ModelError(
                f"'{name}' is a function, which does not tell which images it takes. Give "
                "size=(height, width), and channels=1 if they are grey."
            )
        self.name, self.model, self.is_pair = name, predict, is_pair
        self.input_shape = (*size, 3 if channels is None else channels)

    @property
    def layers(self) -> Sequence[Layer]:
        """Nothing: a function has no layers to look at."""
        return ()

    @property
    def default_layer(self) -> str:
        """The input, which is all that there is to look at."""
        return INPUT

    def layer_name(self, layer: Any) -> str:
        """Return the input's name.

        Raises:
            UnknownLayer: another layer is named.
        """
        if layer == INPUT:
            return INPUT
        raise UnknownLayer(
            f"'{self.name}' has no layer '{layer}': it only gives scores. Leave the layer out, and "
            f"use a method that needs no more: {SCORES_SUFFICE}."
        )

    @cached_property
    def _trial(self) -> Float[ndarray, "n k"]:
        """The outputs for two images of noise, for black, and for two extreme images."""
        height, width, channels = self.input_shape
        shape = (2, height or 0, width or 0, channels)
        noise = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        extreme = np.float32(LARGEST_TRIAL_VALUE) * (2 * noise - 1)
        ordinary = np.concatenate([noise, 255 * noise, np.zeros_like(noise[:1])])
        outputs = np.concatenate([self._predict(ordinary), self._predict(extreme)])
        finite = np.isfinite(outputs).all(axis=1)  # a softmax of one's own may overflow
        return outputs[finite] if finite.any() else outputs

    @cached_property
    def head(self) -> Head:
        """What the outputs are: probabilities of a softmax, of sigmoids, or scores."""
        outputs = self._trial
        if self.is_pair and outputs.shape[1] == 1 and not _are_shares(outputs):
            return "sigmoid"
        if not _are_shares(outputs):
            return "linear"
        adds_up = np.allclose(outputs.sum(axis=1), 1, rtol=0, atol=SUM_TOLERANCE)
        return "softmax" if adds_up and outputs.shape[1] > 1 else "sigmoid"

    @property
    def classes(self) -> int | None:
        """How many classes there are: 2 for one probability, 1 for one other number."""
        width = int(self._trial.shape[1])
        if width > 1:
            return width
        return 2 if self.head == "sigmoid" else 1

    def scores(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n k"]:
        """Return the class scores; of probabilities, the logarithms or the logits."""
        check_images(self.name, images, self.input_shape)
        scores = self._scores(self._predict(images))
        check_finite(self.name, {"scores": scores})
        return scores

    def activations(
        self, images: Float[ndarray, "n h w c"], layers: Sequence[str]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        """Return the input and the scores, as far as they are named."""
        verbs = {INPUT: lambda: images, SCORES: lambda: self.scores(images)}
        names = [name if name == SCORES else self.layer_name(name) for name in layers]
        return {name: verbs[name]() for name in names}

    def computing(self, execution: Execution) -> Network:
        """Refuse other precisions: the function has its own."""
        raise ModelError("A function computes in its own precision.")

    def _lacks(self, verb: str, consequence: str) -> ModelError:
        return ModelError(
            f"'{self.name}' {consequence}: it only gives scores. Use a method that needs no more: "
            f"{SCORES_SUFFICE}."
        )

    def _scores(self, outputs: Float[ndarray, "n q"]) -> Float[ndarray, "n k"]:
        scores = outputs
        if _are_shares(self._trial):
            shares = np.clip(outputs.astype(np.float64), LEAST_PROBABILITY, 1)
            rest = np.clip(1 - outputs.astype(np.float64), LEAST_PROBABILITY, 1)
            logarithms = np.log(shares)
            scores = logarithms if self.head == "softmax" else logarithms - np.log(rest)
        if scores.shape[1] == 1 and self.classes == 2:
            scores = np.concatenate([-scores, scores], axis=1)
        return np.asarray(scores, np.float32)

    def _predict(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n q"]:
        """Return one row of numbers for each image.

        Raises:
            ModelError: the function returned something else.
        """
        return self._checked(self.model(images), len(images))

    def _checked(self, outputs: Any, images: int) -> Float[ndarray, "n q"]:
        """Return outputs as one row of numbers for each image."""
        rows = np.asarray(outputs)
        if rows.ndim == 1 and len(rows) == images:
            rows = rows[:, None]
        if rows.ndim != 2 or len(rows) != images or rows.dtype.kind not in "fiu":
            kind = f"an array of {rows.dtype} of the shape {rows.shape}"
            raise ModelError(
                f"'{self.name}' returned {kind} for {images} image{'s' * (images != 1)}. "
                "It must return one row of numbers per image: the shape (images, classes)."
            )
        width = self.__dict__.setdefault("_columns", rows.shape[1])
        if rows.shape[1] != width:
            raise ModelError(
                f"'{self.name}' returned {rows.shape[1]} numbers per image, and {width} before. "
                "It must return the same number of classes for every photo."
            )
        return np.asarray(rows, np.float32)


def _are_shares(outputs: Float[ndarray, "n k"]) -> bool:
    """True for numbers that stay in 0 to 1, and are not all the same."""
    inside = bool((outputs >= 0).all() and (outputs <= 1).all())
    return inside and bool(np.ptp(outputs) > 0)
