"""What the page shows of a network's inside: receptive fields, channels, maximized pictures.

Axes: h row, w column, c channel.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, NotACamNetwork, OptionError
from seewhy.inside import Features, features, maximize_activation
from seewhy.inside.features import cosines
from seewhy.inside.receptive_field import ReceptiveFields
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.serving.frames import frame
from seewhy.serving.questions import PageQuestion

CHANNELS = 24
"""Channels that are shown, those that contribute most first."""

KEPT_ANSWERS = 24
"""Answers that are kept for the next question: fields, maximized pictures."""

STEPS = 160
"""Of the ascent to a maximized picture."""


class Inner:
    """The inside of one model; what is found out once is kept."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def field(self, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
        """Say what part of the input every cell of a layer's map sees."""
        layer = asked.layer or self.classifier.layer
        shape = self._shape(layer)

        def find() -> ReceptiveFields:
            return ReceptiveFields.of(
                self.classifier, photo, layer=layer, map_size=(shape[0], shape[1])
            )

        fields = self._once(("field", layer), find)
        return frame(
            {
                "kind": "result",
                "field": list(fields.field),
                "strides": list(fields.strides),
                "map": list(fields.map_size),
                "size": list(fields.size),
            }
        )

    def channels(self, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
        """List the channels that contribute most to a class, at one place or over the map.

        contribution[k] = A[i, j, k] · ∂y/∂A[i, j, k], at (i, j), or summed over all places
        """
        layer = asked.layer or self.classifier.layer
        index = self.classifier.class_index(asked.classes[0] if asked.classes else 0)
        answers, gradients = self._once(
            ("channels", asked.photo, layer, index), lambda: self._captured(photo, layer, index)
        )
        product = answers * gradients
        if asked.place is None:
            contributions = product.sum(axis=(0, 1))
        else:
            contributions = product[_cell(asked.place, layer, product.shape)]
        order = np.argsort(-contributions, kind="stable")[:CHANNELS]
        header = {
            "kind": "result",
            "layer": layer,
            "channels": order.tolist(),
            "contributions": [float(contributions[channel]) for channel in order],
            "total": float(contributions.sum()),
            "count": int(product.shape[2]),
        }
        return frame(header, {"maps": np.moveaxis(answers[..., order], -1, 0)})

    def features(self, photo: Photo, asked: PageQuestion, _progress: Progress) -> bytes:
        """Return a layer's features as colours, and what is like one place of it."""
        layer = asked.layer or self.classifier.layer
        self._shape(layer)

        def find() -> tuple[Features, ndarray, float]:
            found = features(self.classifier, photo, layer=layer)
            colours, shares = found.colours_and_shares()
            return found, colours[0], float(shares.sum())

        found, colours, share = self._once(("features", asked.photo, layer), find)
        arrays = {"colours": np.rint(255 * colours).astype(np.uint8)}
        if asked.place is not None:
            one = found.maps[0][_cell(asked.place, layer, colours.shape)]
            arrays["likeness"] = cosines(found.maps[0], one[None])[..., 0]
        return frame({"kind": "result", "layer": layer, "share": share}, arrays)

    def maximized(self, _photo: Photo | None, asked: PageQuestion, progress: Progress) -> bytes:
        """Return the picture that a channel answers to most."""
        layer = asked.layer or self.classifier.layer
        if asked.filter is None:
            raise OptionError("No filter was named. Click one of the feature maps.")
        key = ("maximized", layer, asked.filter)

        def find() -> Any:
            return maximize_activation(
                self.classifier,
                layer=layer,
                filters=[asked.filter or 0],
                steps=STEPS,
                progress=progress,
            )

        maximized = self._once(key, find)
        header = {
            "kind": "result",
            "layer": layer,
            "filter": asked.filter,
            "value": float(maximized.values[0]),
        }
        return frame(header, {"picture": maximized.images[0]})

    def _captured(self, photo: Photo, layer: str, index: int) -> tuple[ndarray, ndarray]:
        images, _ = self.classifier.prepare([photo])
        with contextlib.suppress(NotACamNetwork):
            # CAM's weights are the gradients, times the places.
            weights = self.classifier.session.class_weights(layer)[index]
            answers = self.classifier.network.activations(images, [layer])[layer][0]
            _check_map(layer, answers.shape)
            rows, columns, _ = answers.shape
            return answers, np.broadcast_to(weights / (rows * columns), answers.shape)
        capture = self.classifier.network.activations_and_gradients(
            images, [layer], np.array([[index]])
        )
        answers, gradients = capture.activations[layer][0], capture.gradients[layer][0, 0]
        _check_map(layer, answers.shape)
        return answers, gradients

    def _shape(self, layer: str) -> tuple[int, ...]:
        name = self.classifier.network.layer_name(layer)
        layers = self.classifier.network.layers
        shape = next((known.shape for known in layers if known.name == name), ())
        _check_map(layer, shape)
        return shape

    def _once(self, key: Any, find: Any) -> Any:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        result = find()
        with self._lock:
            self._kept[key] = result
            while len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
        return result


def _cell(place: tuple[int, int], layer: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return a place that the map has.

    Raises:
        OptionError: it has none there.
    """
    row, column = place
    if row >= shape[0] or column >= shape[1]:
        raise OptionError(f"The map of '{layer}' has no cell at row {row}, column {column}.")
    return place


def _check_map(layer: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise LayerError(
            f"The layer '{layer}' has no rows and columns to show. Choose another layer."
        )
