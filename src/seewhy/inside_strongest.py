"""Where in photos a filter fires most, and how much of a photo a unit of a layer sees.

Axes: h row, w column of an image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.explaining import as_classifier
from seewhy.images import Photo, Placement, find_photos, read_photo
from seewhy.inside_maps import PHOTOS_AT_ONCE, as_maps
from seewhy.inside_targets import check_filters

TOLERANCE = 1e-5
"""Of a unit's scale: what changes it by less is beyond its receptive field."""

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, edges."""


@dataclass(frozen=True, eq=False)
class Excited:
    """One photo that excites a filter.

    Attributes:
        photo: the photo.
        value: the filter's largest answer in it.
        position: row and column of that answer in the layer's map.
        box: the receptive field of that position, in the photo's own pixels.
    """

    photo: Photo
    value: float
    position: tuple[int, int]
    box: Box

    @property
    def crop(self) -> UInt8[ndarray, "h w 3"]:
        """The photo's pixels in the box."""
        x0, y0, x1, y1 = self.box
        return self.photo.pixels[y0:y1, x0:x1]


@dataclass(frozen=True, eq=False)
class Strongest:
    """The photos that excite a filter most, the strongest first.

    Attributes:
        found: one entry per photo; photos that the filter answers to nowhere are left out.
        layer: the layer's name.
        filter: the channel.
        model: the network's name.
    """

    found: tuple[Excited, ...]
    layer: str
    filter: int
    model: str

    def picture(self, *, columns: int = 3) -> UInt8[ndarray, "rows columns 3"]:
        """Draw the crops, titled by photo and answer.

        Raises:
            OptionError: the filter answers to no photo.
        """
        from seewhy.render import grid

        if not self.found:
            raise OptionError(
                f"Filter {self.filter} of '{self.layer}' answers to none of the photos, so there "
                "is nothing to draw."
            )
        cells = [(f"{one.photo.name}\n{one.value:.3g}", one.crop) for one in self.found]
        return grid(cells, columns=min(columns, len(cells)))

    def save(self, path: str | Path) -> Path:
        """Write the picture as PNG, JPEG or PDF.

        Raises:
            OptionError: as for `picture`, or another ending.
            OutputError: the file cannot be written.
        """
        from seewhy.render import save_picture

        return save_picture(self.picture(), path)


def strongest(
    classifier: Any,
    photos: Any,
    *,
    layer: Any = None,
    filter: int,  # noqa: A002 - the word of the field, as in `filters`
    count: int = 9,
) -> Strongest:
    """Show which photos, and where in them, excite a filter most.

    Of each photo the place of the filter's largest answer is taken, and cut out is all that this
    place sees: its receptive field, found by `receptive_field`.

    Args:
        classifier: as for `seewhy.explain`.
        photos: as for `seewhy.explain`; read a few at a time, so that there may be many.
        layer: the layer, by name or as the framework's object; None: the classifier's own.
        filter: a channel of the layer.
        count: how many photos.

    Returns:
        Photos, values and crops, and `.picture()`, `.save("strongest.png")`.

    Raises:
        UnknownLayer, LayerError: no such layer, or it has no maps.
        OptionError: no such filter, or a count that is not positive.
        PhotoError: a photo cannot be read.

    Source:
        Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
        figure 2, without the deconvolution.
    """
    classifier = as_classifier(classifier)
    if count < 1:
        raise OptionError(f"count={count} asks for no photo. Give 1 or more.")
    name = classifier.layer if layer is None else classifier.network.layer_name(layer)
    (chosen,) = check_filters(classifier.network, name, filter)
    best: list[tuple[Excited, Placement]] = []
    map_size = (1, 1)
    for batch in _batches(find_photos(photos)):
        images, placements = classifier.prepare(batch)
        maps = as_maps(classifier, name, classifier.network.activations(images, [name])[name])
        map_size = (maps.shape[1], maps.shape[2])
        for photo, placement, answers in zip(batch, placements, maps[..., chosen], strict=True):
            peak = int(answers.argmax())
            position = (peak // map_size[1], peak % map_size[1])
            excited = Excited(photo, float(answers[position]), position, (0, 0, 0, 0))
            if excited.value > 0 or np.ptp(answers) > 0:
                best.append((excited, placement))
        best = sorted(best, key=lambda one: -one[0].value)[:count]
    if not best:
        return Strongest((), name, chosen, classifier.name)
    see = Sight.of(classifier, best[0][0].photo, layer=name, map_size=map_size)
    found = []
    for excited, placement in best:
        height, width = excited.photo.pixels.shape[:2]
        box = _in_photo(see.at(excited.position), placement, classifier.size, (height, width))
        found.append(dataclasses.replace(excited, box=box))
    return Strongest(tuple(found), name, chosen, classifier.name)


def receptive_field(
    classifier: Any, photo: Any, *, layer: Any = None, position: tuple[int, int] | None = None
) -> Box:
    """Return how much of the network's input one unit of a layer's map sees.

    Found by trying: everything beyond a row or column is replaced by noise, and where that
    changes the unit, in any channel, by more than 1e-5 of its largest answer, the unit sees beyond.
    The four sides are bisected together, four images to a pass.

    Args:
        classifier: as for `seewhy.explain`.
        photo: which photo stands around the noise.
        layer: the layer; None: the classifier's own.
        position: row and column of the unit in the map; None: the one in the middle.

    Returns:
        (x0, y0, x1, y1) in pixels of the input: the effective field, which is smaller than the
        one by arithmetic where weights at its rim are next to nothing. Of a layer that looks at
        everything (squeeze and excitation) it is everything.

    Raises:
        UnknownLayer, LayerError: no such layer, or it has no maps.
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

    answer = unit(image[None])
    scale = max(float(np.abs(answer).max()), float(np.abs(unit(noise[None])).max()))
    height, width = image.shape[:2]
    # How many rows and columns may go unfelt, and how many are felt: from the top, the left, the
    # bottom and the right.
    unfelt, felt = np.zeros(4, int), np.array([height, width, height, width])
    while np.any(felt - unfelt > 1):
        tried = (unfelt + felt) // 2
        changed = np.abs(unit(_beyond(image, noise, tried)) - answer).max(axis=1)
        is_felt = changed > TOLERANCE * scale
        unfelt, felt = np.where(is_felt, unfelt, tried), np.where(is_felt, tried, felt)
    top, left, bottom, right = (int(one) for one in unfelt)
    if top + bottom >= height or left + right >= width:
        return (0, 0, width, height)
    return (left, top, width - right, height - bottom)


@dataclass(frozen=True)
class Sight:
    """What every unit of a map sees: the field of the one in the middle, and how it moves.

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
    def of(cls, classifier: Any, photo: Photo, *, layer: str, map_size: tuple[int, int]) -> Sight:
        """Find two fields, and from them how fields move."""
        middle = (map_size[0] // 2, map_size[1] // 2)
        steps = (map_size[0] // 4, map_size[1] // 4)
        other = (middle[0] + steps[0], middle[1] + steps[1])
        one = receptive_field(classifier, photo, layer=layer, position=middle)
        two = receptive_field(classifier, photo, layer=layer, position=other)
        size = classifier.size
        strides = tuple(
            _stride((one[axis], one[axis + 2]), (two[axis], two[axis + 2]), step) or pixels / cells
            for axis, step, pixels, cells in zip((1, 0), steps, size, map_size, strict=True)
        )
        return cls(one, (strides[0], strides[1]), map_size, size)

    def at(self, position: tuple[int, int]) -> Box:
        """Return the field of another unit, clipped at the image's edges.

        A side at the edge already is left there: how far beyond it the unit would see is unknown.
        """
        x0, y0, x1, y1 = self.field
        down, across = (
            round((place - cells // 2) * stride)
            for place, cells, stride in zip(position, self.map_size, self.strides, strict=True)
        )
        top, bottom = _moved((y0, y1), down, self.size[0])
        left, right = _moved((x0, x1), across, self.size[1])
        return (left, top, right, bottom)


def _stride(one: tuple[int, int], two: tuple[int, int], step: int) -> float | None:
    """Return how far a field moves from unit to unit; None where the image's edge hides it."""
    if step == 0 or one[0] == 0:
        return None
    return (two[0] - one[0]) / step


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


def _in_photo(box: Box, placement: Placement, size: tuple[int, int], photo: tuple[int, int]) -> Box:
    """Carry a box of the network's input to the photo's pixels; at least one pixel of it."""
    x0, y0, x1, y1 = placement.box
    across, down = (x1 - x0) / size[1], (y1 - y0) / size[0]
    left = int(np.clip(np.floor(x0 + box[0] * across), 0, photo[1] - 1))
    top = int(np.clip(np.floor(y0 + box[1] * down), 0, photo[0] - 1))
    right = int(np.clip(np.ceil(x0 + box[2] * across), left + 1, photo[1]))
    bottom = int(np.clip(np.ceil(y0 + box[3] * down), top + 1, photo[0]))
    return (left, top, right, bottom)


def _batches(sources: list[Any]) -> Iterable[list[Photo]]:
    for start in range(0, len(sources), PHOTOS_AT_ONCE):
        yield [read_photo(source) for source in sources[start : start + PHOTOS_AT_ONCE]]
