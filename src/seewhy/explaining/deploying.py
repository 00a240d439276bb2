"""A network for deployment that returns its heat itself, by a forward pass alone.

Axes: n photo, t class, h row, w column, k class of the network.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import ModelError, OutputError
from seewhy.explaining.explain import as_classifier, as_photos, explain
from seewhy.files import written_whole
from seewhy.photos.photo import Photo
from seewhy.photos.reading import find_photos

PHOTOS = 8
"""On which a written network is compared."""

TOLERANCE = 1e-3
"""The largest difference, as a share of the largest value: two runtimes round differently."""

COARSE = 8
"""Cells along a side of the pictures that are made where no photos are given."""

TOP = 3
"""Classes of each photo whose maps are compared."""


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that was written with its heat.

    Attributes:
        path: the file.
        shape: (h, w, k) of the maps of one image; the file may have them as (k, h, w).
        error: the largest difference of a map, as a share of the largest value of all.
    """

    path: Path
    shape: tuple[int, int, int]
    error: float


def export_with_cam(
    classifier: Any,
    out: str | os.PathLike[str],
    *,
    photos: Any = None,
    layer: Any = None,
) -> ExportedNetwork:
    """Write a network that returns CAM's map of every class as one more output.

        seewhy.export_with_cam("net.onnx", "net_with_heat.onnx")

    The file's inputs and outputs are the network's own, and the last output is new: M of
    `seewhy.methods.cam`, raw and signed, at the layer's resolution. Any runtime computes it in the
    forward pass: no gradient is needed, and no seewhy. Keras models become `.keras` files, PyTorch
    modules and ONNX files become `.onnx` files.

    Before the file has its name, its own runtime runs it on eight photos: all outputs must be the
    network's, and the maps those of `explain(method="cam")`.

    Args:
        classifier: as for `explain`; a network whose explained layer is pooled and followed by
            one linear map.
        out: the file, which must not exist.
        photos: of which eight are compared; None: pictures that are made.
        layer: the layer before the pooling; None: the classifier's own.

    Raises:
        NotACamNetwork: something else follows the layer; the message says what.
        ModelError: the framework cannot write the network, or what it wrote gives other numbers.
        OutputError: the file exists, or cannot be written.
    """
    path = Path(out)
    if path.exists():
        raise OutputError(f"'{path}' exists. Give another name: nothing is replaced.")
    classifier = as_classifier(classifier)
    name = classifier.layer if layer is None else classifier.network.layer_name(layer)
    classifier.session.class_weights(name)
    compared = _made(classifier) if photos is None else as_photos(find_photos(photos)[:PHOTOS])
    top = min(TOP, classifier.network.classes or 1)
    expected = explain(classifier, compared, method="cam", layer=name, top=top)
    images, _ = classifier.prepare(compared)
    with written_whole(path) as unproved:
        written = classifier.network.with_cam(name, unproved)
        *outputs, maps = written.outputs(images)
        error = max(map(_difference, outputs, written.own(images)), default=0.0)
        chosen = [
            [maps[place, ..., target.index] for target in targets]
            for place, targets in enumerate(expected.targets)
        ]
        off = _difference(np.array(chosen), expected.maps)
        if max(error, off) > TOLERANCE:
            raise ModelError(
                f"'{classifier.name}' gives other numbers once it is written: its outputs differ "
                f"by {error:.1%}, its heat by {off:.1%}. Nothing was written; export the network "
                "by its own tools, and explain that file."
            )
    return ExportedNetwork(path, tuple(maps.shape[1:]), off)


def _made(classifier: Classifier) -> Sequence[Photo]:
    """Return pictures of random patches of colour at the network's size."""
    height, width = classifier.size
    generator = np.random.default_rng(0)
    cells = generator.integers(0, 256, (PHOTOS, COARSE, COARSE, 3), np.uint8)
    side = -(-max(height, width) // COARSE)
    pixels = cells.repeat(side, axis=1).repeat(side, axis=2)[:, :height, :width]
    return [Photo(picture, f"made {number}") for number, picture in enumerate(pixels, 1)]


def _difference(array: ndarray, expected: ndarray) -> float:
    """Return the largest difference as a share of the largest value; 1 for another shape."""
    if array.shape != expected.shape:
        return 1.0
    largest = float(np.abs(expected).max(initial=0))
    return float(np.abs(array - expected).max(initial=0)) / (largest or 1.0)
