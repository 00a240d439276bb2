"""Fuse the maps of several layers into one: their mean, or their product (RefineCAM).

Axes: n image, h row, w column; each layer has its own h and w.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.maps import resize_map
from seewhy.methods.precision import as_float32, quotient


def fuse_layers(maps: Sequence[Float[ndarray, "n _h _w"]]) -> Float[ndarray, "n H W"]:
    """Average the maps of several layers, each resized to the largest and scaled.

        fused = mean over layers of resized map / max |resized map|

    Each layer has the same weight, whatever the units of its map. Each image is scaled separately
    and keeps its sign; for maps without negative values the scale is the maximum. A map of zeros
    stays zero, and counts in the mean.

    Args:
        maps: one array for each layer, of the same images and class.

    Returns:
        The fused map, between −1 and 1, with the most rows and the most columns of any layer.

    Raises:
        OptionError: there are no maps, or their numbers of images differ.
    """
    return as_float32(np.mean(_scaled(maps), axis=0))


def multiply_layers(maps: Sequence[Float[ndarray, "n _h _w"]]) -> Float[ndarray, "n H W"]:
    """Multiply the maps of several layers, each resized to the largest and scaled (RefineCAM).

        fused = product over layers of relu(resized map) / max relu(resized map)

    A place is hot where every layer is: early layers, whose maps are fine but noisy, count only
    where the late ones see the class.

    Args:
        maps: one array for each layer, of the same images and class.

    Returns:
        The fused map, between 0 and 1, with the most rows and the most columns of any layer.

    Raises:
        OptionError: there are no maps, or their numbers of images differ.

    Source:
        Domeniconi et al., *How to Evaluate and Refine your CAM*, 2026 (arXiv:2605.14641); the
        product as in the authors' code. Differs from it: maps are divided by their maximum, there
        they are scaled from their minimum to their maximum.
    """
    positive = [np.maximum(layer, 0) for layer in maps]
    return as_float32(np.prod(_scaled(positive), axis=0))


def _scaled(maps: Sequence[Float[ndarray, "n _h _w"]]) -> Float[ndarray, "l n H W"]:
    """Return the layers' maps, resized to the largest and divided by their largest magnitude."""
    if not maps:
        raise OptionError("There are no maps to fuse. Give the maps of one layer or more.")
    counts = [len(layer) for layer in maps]
    if len(set(counts)) > 1:
        raise OptionError(
            f"The layers' maps are of {', '.join(map(str, counts))} images. "
            "Give maps of the same images for every layer."
        )
    size = (max(layer.shape[1] for layer in maps), max(layer.shape[2] for layer in maps))
    scaled = np.empty((len(maps), counts[0], *size))
    for target, layer in zip(scaled, maps, strict=True):
        resized = np.stack([resize_map(each, size) for each in layer]).astype(np.float64)
        target[:] = quotient(resized, np.abs(resized).max(axis=(1, 2), keepdims=True))
    return scaled
