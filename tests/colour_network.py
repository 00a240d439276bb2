"""A network that is known: it sees red, green and blue, and CAM applies to it."""

from __future__ import annotations

import numpy as np

from seewhy.classifier import Classifier
from seewhy.networks.base import Layer, Network
from seewhy.photos.fitting import Fit
from seewhy.photos.reading import Photo

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


class Colours(Network):
    """Activations are the 4 × 4 means of an image of 32 × 32; scores are 10 · their mean."""

    name = "colours"
    input_shape = (32, 32, 3)
    layers = (Layer("cells", "AveragePooling", (8, 8, 3)),)
    default_layer = "cells"
    head = "softmax"
    classes = 3

    def __init__(self, weights=None):
        self.seen = 0
        self.weights = 10 * np.eye(3, dtype=np.float32) if weights is None else weights

    def activations(self, images, layers):
        self.seen += len(images)
        cells = images.reshape(len(images), 8, 4, 8, 4, 3).mean(axis=(2, 4)).astype(np.float32)
        scores = cells.mean(axis=(1, 2)) @ self.weights.T
        return {name: cells if name == "cells" else scores for name in layers}

    def scores(self, images):
        self.seen += len(images)
        return images.mean(axis=(1, 2)) @ self.weights.T

    def class_weights(self, layer):
        return self.weights

    def layers_with_weights(self):
        return ["cells"]

    def randomized(self, layers=None, *, seed=0):
        return Colours(np.roll(self.weights, 1, axis=1))


def colour_classifier() -> Classifier:
    """Return the network with its labels; a photo's pixels are averaged exactly."""
    return Classifier(
        Colours(),
        preprocess="unit",
        labels=["red", "green", "blue"],
        fit=Fit((32, 32), interpolation="box"),
    )


def painted(*spots: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> Photo:
    """Return a black photo of 64 × 96 (height × width) with rectangles."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    for (x0, y0, x1, y1), colour in spots:
        pixels[y0:y1, x0:x1] = colour
    return Photo(pixels, "painted.png")


# The cells of 8 × 8 are 12 × 8 pixels of the photo; the heatmap is linear between their centres
# and 0.2 of the way down lies 0.8 of a cell beyond the centre of the last hot one.
RED_SPOT = (12, 8, 36, 32)
RED_BOX = (8, 6, 40, 34)
GREEN_SPOT = (60, 40, 84, 56)
GREEN_BOX = (56, 38, 88, 58)
