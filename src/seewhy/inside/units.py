"""Objectives to maximize, or to look for in photos: filters of a layer, or classes.

Axes: n image or photo, t filter or class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, OptionError
from seewhy.explaining.explain import as_classifier, as_photos
from seewhy.explaining.question import class_indices
from seewhy.inside.feature_maps import PHOTOS_AT_ONCE
from seewhy.inside.settings import FILTER
from seewhy.networks.base import SCORES, Network, Targets, Units


@dataclass(frozen=True, eq=False)
class Objectives:
    """What is maximized or looked for: filters of one layer, or classes.

    Attributes:
        names: for titles: 'conv1 filter 3', or the class's label.
        indices: (t) channels of the layer, or classes.
        layer: the layer's name; None for classes.
    """

    names: tuple[str, ...]
    indices: Int[ndarray, " t"]
    layer: str | None

    @property
    def targets(self) -> Targets:
        """One target per image: filter or class i for image i."""
        return self.indices[:, None] if self.layer is None else Units(self.layer, self.indices)


def find_objectives(
    classifier: Classifier,
    *,
    layer: Any,
    filters: Sequence[int] | int | None,
    classes: Sequence[Any] | None,
) -> Objectives:
    """Resolve filters or classes.

    Raises:
        OptionError: neither or both are given, or the filter does not exist.
        TargetError, UnknownClass, UnknownLayer, LayerError: they do not exist.
    """
    if (filters is None) == (classes is None):
        raise OptionError("Give either filters of a layer or classes, and not both.")
    if classes is not None:
        if layer is not None:
            raise OptionError("A layer has filters, not classes. Leave layer or classes out.")
        if classifier.network.classes is None:
            raise OptionError(f"'{classifier.name}' has no classes. Give filters of a layer.")
        indices = class_indices(classifier, classes, 1)[0]
        return Objectives(tuple(classifier.label(int(index)) for index in indices), indices, None)
    network = classifier.network
    name = classifier.layer if layer is None else network.layer_name(layer)
    indices = np.array(check_filters(network, name, filters))
    return Objectives(tuple(f"{name} filter {index}" for index in indices), indices, name)


def check_filters(network: Network, layer: str, filters: Any) -> list[int]:
    """Return filters as a list.

    Raises:
        OptionError: the list is empty, or the layer has no such filter.
        LayerError: the layer does not return a single map or vector.
    """
    given = filters.tolist() if isinstance(filters, ndarray) else filters
    chosen = [
        FILTER.check(number) for number in (given if isinstance(given, Iterable) else [given])
    ]
    if not chosen:
        raise OptionError("filters=[] is empty. Name at least one filter.")
    shape = next((info.shape for info in network.layers if info.name == layer), ())
    if not shape:
        raise LayerError(
            f"The layer '{layer}' returns neither a map nor a vector. Choose another layer."
        )
    for number in chosen:
        if not 0 <= number < shape[-1]:
            raise OptionError(
                f"The layer '{layer}' has no filter {number}. Choose one of its {shape[-1]} "
                f"filters: 0 to {shape[-1] - 1}."
            )
    return chosen


def photo_values(
    classifier: Any,
    photos: Any,
    *,
    layer: Any = None,
    filters: Sequence[int] | None = None,
    classes: Sequence[Any] | None = None,
) -> Float[ndarray, "n t"]:
    """Return the values that filters or classes reach on photos, as in `maximize_activation`.

    Args:
        classifier: as for `seewhy.explain`.
        photos: as for `seewhy.explain`.
        layer: the layer that has the filters; None: the classifier's own.
        filters: channels of the layer; the value is the mean over the map.
        classes: names, WordNet ids or indices, instead of filters; the value is the score.

    Raises:
        OptionError, UnknownLayer, UnknownClass, PhotoError: as for `maximize_activation`.
    """
    classifier = as_classifier(classifier)
    objectives = find_objectives(classifier, layer=layer, filters=filters, classes=classes)
    name = objectives.layer or SCORES
    photo_list = as_photos(photos)
    values = []
    for start in range(0, len(photo_list), PHOTOS_AT_ONCE):
        images, _ = classifier.prepare(photo_list[start : start + PHOTOS_AT_ONCE])
        activations = classifier.network.activations(images, [name])[name]
        means = activations.reshape(len(images), -1, activations.shape[-1]).mean(axis=1)
        values.append(means[:, objectives.indices])
    return np.concatenate(values)
