"""What a network remembers of its training photos, to tell photos unlike all of them.

Axes: n photo, d twice the channels of the last map.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.classifier.familiarity import (
    NEIGHBOURS,
    ReferenceFeatures,
    pooled_features,
    reference_features,
)
from seewhy.training.batches import ordered_batches

REFERENCES = 500
"""Reference photos in all, as far as each class has at least `FEWEST_PER_CLASS`."""

FEWEST_PER_CLASS = 4
"""Reference photos of a class where there are many classes."""

FEWEST_HELD_OUT = 20
"""Held-out photos that a limit needs; 5 % of fewer is less than one."""

BATCH = 64


def remember(
    network: Any,
    layer: str,
    pixels: ndarray,
    classes: Int[ndarray, " n"],
    *,
    training: Int[ndarray, " t"],
    validation: Int[ndarray, " v"],
    seed: int,
) -> ReferenceFeatures | None:
    """Return features of some training photos, and the limit that the validation photos set.

    Args:
        network: the trained Keras model.
        layer: its last map.
        pixels: the photos at the network's input size.
        classes: the class of each.
        training: which of them were trained on; references are drawn from each class alike.
        validation: which were held out.
        seed: of the draw.

    Returns:
        None if fewer than `FEWEST_HELD_OUT` photos were held out: they do not determine a limit.
    """
    if len(validation) < FEWEST_HELD_OUT:
        return None
    from keras import Model

    references = draw_references(classes, training, seed=seed)
    outputs = [network.get_layer("pooling").input, network.output]
    extractor = Model(network.input, outputs, name="last_map_and_classes")

    def features(
        indices: Int[ndarray, " m"],
    ) -> tuple[Float[ndarray, "m d"], Int[ndarray, " m"]]:
        """Return the features of photos and the class that is found in each."""
        batches = ordered_batches(pixels, classes, indices, batch_size=BATCH)
        pooled, predicted = [], []
        for number in range(len(batches)):
            maps, probabilities = extractor.predict(batches[number][0], verbose=0)
            pooled.append(pooled_features(np.asarray(maps)))
            predicted.append(np.asarray(probabilities).argmax(axis=1))
        return np.concatenate(pooled).astype(np.float32), np.concatenate(predicted)

    smallest = np.unique(classes[references], return_counts=True)[1].min()
    held_out, predicted = features(validation)
    return reference_features(
        features(references)[0],
        held_out,
        layer=layer,
        classes=classes[references],
        found=predicted,
        neighbours=min(NEIGHBOURS, int(smallest)),
    )


def draw_references(
    classes: Int[ndarray, " n"], training: Int[ndarray, " t"], *, seed: int
) -> Int[ndarray, " r"]:
    """Draw the reference photos from those that are trained on: the same number of each class."""
    generator = np.random.default_rng(seed)
    kinds = np.unique(classes[training])
    per_class = max(FEWEST_PER_CLASS, REFERENCES // len(kinds))
    drawn = [
        generator.permutation(training[classes[training] == kind])[:per_class] for kind in kinds
    ]
    return np.sort(np.concatenate(drawn))
