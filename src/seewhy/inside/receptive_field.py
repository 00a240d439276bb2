"""How much of a photo a unit of a layer sees.

Axes: h row, w column of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.explaining.explain import as_classifier
from seewhy.inside.feature_maps import as_maps
from seewhy.photos.reading import Photo, read_photo

TOLERANCE = 1e-5
"""Share of a unit's scale below which a change counts as outside its receptive field."""


Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, edges."""


def receptive_field(
    classifier: Any, photo: Any, *, layer: Any = None, position: tuple[int, int] | None = None
) -> Box:
    """Return the part of the network's input that one unit of a layer's map sees.

    It is measured: everything beyond a row or column is replaced by noise, and if that changes the
    unit, in any channel, by more than 1e-5 of its largest activation, its field reaches further.
    The four sides are bisected together, with four images per pass.

    Args:
        classifier: as for `seewhy.explain`.
        photo: the photo in which pixels are replaced by noise.
        layer: the layer; None: the classifier's own.
        position: row and column of the unit in the map; None: the unit in the middle.

    Returns:
        (x0, y0, x1, y1) in pixels of the input: the effective field, which is smaller than the
        theoretical one if the weights at its rim are negligible. For a layer that sees everything
        (squeeze and excitation) it is the whole input.

    Raises:
        UnknownLayer, LayerError: the layer does not exist, or has no maps.
    """
    classifier = as_classifier(classifier)
    name = classifier.layer if layer is None else classifier.network.layer_name(layer)
    (image,), _ = classifier.prepare([read_photo(photo)])
    noise = np.random.default_rng(0).uniform(image.min(), image.max() + 1e-6, size=image.shape)
    noise = noise.astype(np.float32)

    def unit(images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n k"]:
        maps = as_maps(classifier, name, classifier.network.activations(images, [name])[name])
        row, column = position or (maps.shape[1] // 2, maps.shape[2] // 2)
        return maps[:, row, column].astype(np.float64)

    activation = unit(image[None])
    scale = max(float(np.abs(activation).max()), float(np.abs(unit(noise[None])).max()))
    height, width = image.shape[:2]
    # How many rows and columns have no effect, and how many have one: from the top, the left,
    # the bottom and the right.
    unfelt, felt = np.zeros(4, int), np.array([height, width, height, width])
    while np.any(felt - unfelt > 1):
        tried = (unfelt + felt) // 2
        changed = np.abs(unit(_beyond(image, noise, tried)) - activation).max(axis=1)
        is_felt = changed > TOLERANCE * scale
        unfelt, felt = np.where(is_felt, unfelt, tried), np.where(is_felt, tried, felt)
    top, left, bottom, right = (int(side) for side in unfelt)
    if top + bottom >= height or left + right >= width:
        return (0, 0, width, height)
    return (left, top, width - right, height - bottom)


@dataclass(frozen=True)
class ReceptiveFields:
    """The receptive field of every unit of a map: that of the middle unit, and its strides.

    Attributes:
        field: of the unit in the middle.
        strides: pixels from one unit to the next, down and across.
        map_size: rows and columns of the map.
        size: of the network's input.
    """

    field: Box
    strides: tuple[float, float]
    map_size: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(
        cls, classifier: Any, photo: Photo, *, layer: str, map_size: tuple[int, int]
    ) -> ReceptiveFields:
        """Measure two fields, and derive the strides from them."""
        middle = (map_size[0] // 2, map_size[1] // 2)
        steps = (map_size[0] // 4, map_size[1] // 4)
        other = (middle[0] + steps[0], middle[1] + steps[1])
        field = receptive_field(classifier, photo, layer=layer, position=middle)
        other_field = receptive_field(classifier, photo, layer=layer, position=other)
        size = classifier.size
        strides = tuple(
            _stride(
                (field[axis], field[axis + 2]), (other_field[axis], other_field[axis + 2]), step
            )
            or pixels / cells
            for axis, step, pixels, cells in zip((1, 0), steps, size, map_size, strict=True)
        )
        return cls(field, (strides[0], strides[1]), map_size, size)

    def at(self, position: tuple[int, int]) -> Box:
        """Return the field of another unit, clipped at the image's edges.

        A side that is already at the edge stays there: the field beyond it is unknown.
        """
        x0, y0, x1, y1 = self.field
        down, across = (
            round((place - cells // 2) * stride)
            for place, cells, stride in zip(position, self.map_size, self.strides, strict=True)
        )
        top, bottom = _moved((y0, y1), down, self.size[0])
        left, right = _moved((x0, x1), across, self.size[1])
        return (left, top, right, bottom)


def _stride(edges: tuple[int, int], other_edges: tuple[int, int], step: int) -> float | None:
    """Return how far a field moves from unit to unit; None if the image's edge hides it."""
    if step == 0 or edges[0] == 0:
        return None
    return (other_edges[0] - edges[0]) / step


def _moved(span: tuple[int, int], by: int, pixels: int) -> tuple[int, int]:
    low = 0 if span[0] == 0 else int(np.clip(span[0] + by, 0, pixels - 1))
    high = pixels if span[1] == pixels else int(np.clip(span[1] + by, low + 1, pixels))
    return low, high


def _beyond(
    image: Float[ndarray, "h w c"], noise: Float[ndarray, "h w c"], tried: ndarray
) -> Float[ndarray, "4 h w c"]:
    """Return the image four times, with noise in its first or last rows or columns."""
    top, left, bottom, right = tried
    images = np.repeat(image[None], 4, axis=0)
    images[0, :top] = noise[:top]
    images[1, :, :left] = noise[:, :left]
    images[2, len(image) - bottom :] = noise[len(image) - bottom :]
    images[3, :, image.shape[1] - right :] = noise[:, image.shape[1] - right :]
    return images
