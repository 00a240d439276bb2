"""Tensors that were prepared for the network already, as a DataLoader gives them, as photos.

Axes: n photo, h row, w column, c channel.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import OptionError, SeewhyWarning
from seewhy.photos.photo import Photo

LEVELS = 255
"""The largest value of a pixel."""

BEYOND = 2.0
"""Levels by which pixels are outside at most, of tensors prepared as the classifier says."""


def prepared_photos(classifier: Classifier, given: Any) -> tuple[Classifier, list[Photo]]:
    """Return tensors as photos, and the classifier that makes the same tensors of them again.

    Pixels are rounded to 256 levels, so that the network sees each value to half a level. Where the
    preprocessing is not known, the levels go from the smallest value of a channel to its largest.

    Args:
        classifier: the network.
        given: (n, c, h, w) or (n, h, w, c), or one of them without n, or a list of those; or a
            batch with its labels, of which these are left out.

    Raises:
        OptionError: they are no images of the network's input size, or were prepared in another way
            than the classifier says.

    Warns:
        SeewhyWarning: the preprocessing is not known.
    """
    images = _channels_last(classifier, given)
    if classifier.preprocessing is None:
        low, high = images.min(axis=(0, 1, 2)), images.max(axis=(0, 1, 2))
        warnings.warn(
            "How these tensors were made is not known, so pictures show each channel from its "
            "smallest value to its largest. Give the classifier its preprocess=... to see the "
            "photos' colours.",
            SeewhyWarning,
            stacklevel=4,
        )
        classifier = Classifier(
            classifier.network,
            size=classifier.size,
            preprocess=_between(low, np.maximum(high - low, 1e-6)),
            labels=list(classifier.labels) if classifier.has_labels else None,
            layer=classifier.layer,
            name=classifier.name,
            references=classifier.references,
        )
    pixels = _pixels(classifier, images)
    return classifier, [Photo(row, f"photo {number + 1}") for number, row in enumerate(pixels)]


def _channels_last(classifier: Classifier, given: Any) -> Float[ndarray, "n h w c"]:
    parts = list(given) if isinstance(given, list | tuple) else [given]
    arrays = [
        np.asarray(part.detach().cpu() if hasattr(part, "detach") else part, np.float32)
        for part in parts
    ]
    if not arrays:
        raise OptionError("No tensor was given. Give a batch of them.")
    images = arrays[0] if arrays[0].ndim == 4 else np.stack(arrays)
    height, width, channels = *classifier.size, classifier.network.input_shape[2]
    if images.shape[1:] == (channels, height, width):
        return images.transpose(0, 2, 3, 1)
    if images.shape[1:] != (height, width, channels):
        raise OptionError(
            f"The tensors have the shape {images.shape}, and '{classifier.name}' takes "
            f"(photos, {channels}, {height}, {width}). Give a batch of that shape, or photos "
            "without input_is_preprocessed."
        )
    return images


def _between(
    low: Float[ndarray, " c"], span: Float[ndarray, " c"]
) -> Callable[[Float[ndarray, "n h w c"]], Float[ndarray, "n h w c"]]:
    def stretched(pixels: Float[ndarray, "n h w c"]) -> Float[ndarray, "n h w c"]:
        return np.asarray(pixels[..., : len(low)] / LEVELS * span + low, np.float32)

    return stretched


def _pixels(classifier: Classifier, images: Float[ndarray, "n h w c"]) -> ndarray:
    """Undo the preprocessing, which is affine: input = pixels · A + b, found by trial."""
    grey = images.shape[3] == 1
    rows = np.full((1, 3), LEVELS) if grey else LEVELS * np.eye(3)
    trial = np.zeros((2 + len(rows), *classifier.size, 3), np.uint8)
    trial[1:-1] = rows[:, None, None]
    trial[-1] = np.asarray((255, 255, 255) if grey else (40, 90, 200), np.uint8)
    seen = classifier.to_input(trial)[:, 0, 0].astype(np.float64)
    offset, matrix = seen[0], (seen[1:-1] - seen[0]) / LEVELS
    expected = trial[-1, 0, 0, : len(rows)] @ matrix + offset
    if not np.allclose(seen[-1], expected, atol=1e-3) or np.linalg.cond(matrix) > 1e6:
        raise OptionError(
            "The classifier's preprocessing cannot be undone, so these tensors cannot be shown. "
            "Give the photos themselves, or a classifier without preprocess=..."
        )
    values = (images - offset) @ np.linalg.inv(matrix)
    outside = max(float(-values.min()), float(values.max()) - LEVELS)
    if outside > BEYOND:
        raise OptionError(
            f"These tensors are not what the classifier's preprocessing makes of photos: as pixels "
            f"they go from {values.min():.0f} to {values.max():.0f}. Give the classifier the "
            "preprocess=... that they were made with."
        )
    pixels = np.clip(np.round(values), 0, LEVELS).astype(np.uint8)
    return np.repeat(pixels, 3, axis=3) if grey else pixels
