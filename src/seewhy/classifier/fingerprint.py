"""The fingerprint of a network: whatever changes a number or a name in its results.

Axes: h row, w column, c channel of a made image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import SeewhyError
from seewhy.files import is_file
from seewhy.networks.checks import LoadableName

SCORES = 16
"""How many scores of the made image are kept, at most."""

CLOSE_SHARE, ALIKE_SHARE = 1e-2, 1e-4
"""Scores may differ by this share of the largest: the first where the weights are the same, since
another machine adds up in another order; the second where a network shows no weights to compare."""


@dataclass(frozen=True)
class NetworkFingerprint:
    """What tells two networks apart.

    Attributes:
        name: as it was loaded; a network may have several.
        weights: the SHA-256 of its weights; None where it shows none.
        labels: the names of its classes.
        preprocess: how pixels become its input; None where photos have yet to decide.
        size: of its input, height and width.
        fit: how a photo meets it: mode, resize and interpolation.
        scores: some of a made image, which the same weights in another network change; none of a
            network of a package, whose name says what it computes.
    """

    name: str
    weights: str | None
    labels: tuple[str, ...]
    preprocess: str | None
    size: tuple[int, int]
    fit: tuple[str, int | None, str]
    scores: tuple[float, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of all but its name, and the scores, which `differences` compares."""
        text = json.dumps(replace(self, name="", scores=()).as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {
            field.name: list(value)
            if isinstance(value := getattr(self, field.name), tuple)
            else value
            for field in fields(self)
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> NetworkFingerprint:
        """Return the fingerprint of `as_dict`.

        Raises:
            ValueError, TypeError, KeyError: it is damaged.
        """
        values = {field.name: stored[field.name] for field in fields(cls)}
        pairs: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        fingerprint = cls(**pairs)
        if not all(isinstance(label, str) for label in fingerprint.labels) or not all(
            isinstance(score, int | float) for score in fingerprint.scores
        ):
            raise ValueError("the labels are not names, or the scores are not numbers")
        return fingerprint

    def differences(self, there: NetworkFingerprint) -> list[str]:
        """Say how the network of before differs: "size: 224×224 there, 320×320 now"."""
        differences = [
            f"{name}: {_short(old)} there, {_short(new)} now"
            for name in ("weights", "preprocess", "size", "fit")
            if (old := getattr(there, name)) != (new := getattr(self, name))
        ]
        if len(self.labels) != len(there.labels):
            differences.append(f"classes: {len(there.labels)} there, {len(self.labels)} now")
        elif self.labels != there.labels:
            pairs = zip(there.labels, self.labels, strict=True)
            index, (old, new) = next(
                (index, pair) for index, pair in enumerate(pairs) if pair[0] != pair[1]
            )
            differences.append(f"labels: class {index} is {_short(old)} there, {_short(new)} now")
        if not differences and not self._scores_agree(there):
            differences.append("scores: the same image has other scores than before")
        return differences

    def _scores_agree(self, there: NetworkFingerprint) -> bool:
        if len(self.scores) != len(there.scores):
            return False
        here, before = np.array(self.scores, np.float64), np.array(there.scores, np.float64)
        largest = max(float(np.abs(here).max(initial=0)), float(np.abs(before).max(initial=0)))
        share = ALIKE_SHARE if self.weights is None else CLOSE_SHARE
        return bool((np.abs(here - before) <= share * largest).all())


def network_fingerprint(classifier: Classifier) -> NetworkFingerprint:
    """Return the fingerprint of a network; of code and of files, by a pass of a made image."""
    preprocessing = classifier.preprocessing
    fit = classifier.fit
    return NetworkFingerprint(
        name=str(classifier.name),
        weights=classifier.session.weights_sha256(),
        labels=tuple(classifier.labels),
        preprocess=None if preprocessing is None else _named(classifier, preprocessing.mode),
        size=classifier.size,
        fit=(fit.mode, fit.resize, fit.interpolation),
        scores=() if _is_published(classifier.name) else _scores(classifier),
    )


def _is_published(name: str) -> bool:
    """True for the name of a network of a package: neither code nor a file, which may change."""
    base = name.partition("?")[0]
    return isinstance(name, LoadableName) and not (base.startswith("python:") or is_file(base))


def _named(classifier: Classifier, mode: Any) -> str:
    """Return the preprocessing by name; of a function, by what it makes of all grey values."""
    if isinstance(mode, str):
        return mode
    height, width = classifier.size
    ramp = (np.arange(height * width * 3) % 256).astype(np.uint8).reshape(1, height, width, 3)
    return f"function {hashlib.sha256(classifier.to_input(ramp).tobytes()).hexdigest()[:16]}"


def _scores(classifier: Classifier) -> tuple[float, ...]:
    """Return some scores of a made image, or of its layer's outputs where there are no classes."""
    network = classifier.network
    image = made_image((*classifier.size, network.input_shape[2]))[None]
    try:
        if network.classes is None:
            values = network.activations(image, [classifier.layer])[classifier.layer]
        else:
            values = network.scores(image)
    except SeewhyError:  # NaN for noise: photos will tell
        return ()
    flat = np.ravel(values)
    some = flat[:: max(1, -(-flat.size // SCORES))]
    return tuple(float(f"{value:.5g}") for value in some.tolist())


def made_image(shape: tuple[int, int, int]) -> Float[ndarray, "h w c"]:
    """Return an image of noise: from 0 to 1 on the left, to 255 on the right.

    So it is neither nothing nor too much for a network of any input range.
    """
    image = np.random.default_rng(0).random(shape, np.float32)
    image[:, shape[1] // 2 :] *= 255
    return image


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = repr(value)
    else:
        between = "×" if all(isinstance(part, int) for part in value) else " "
        text = between.join(str(part) for part in value if part is not None)
    return text if len(text) <= 60 else f"{text[:57]}..."
