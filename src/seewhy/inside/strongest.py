"""The photos, and the places in them, that excite a filter most.

Axes: h row, w column of an image.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.explaining.explain import as_classifier
from seewhy.inside.feature_maps import PHOTOS_AT_ONCE, as_maps
from seewhy.inside.receptive_field import Box, ReceptiveFields
from seewhy.inside.settings import COUNT
from seewhy.inside.units import check_filters
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo, find_photos, read_ahead, read_photo
from seewhy.rendering.page import Page, grid
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name


@dataclass(frozen=True, eq=False)
class PeakActivation:
    """A filter's largest activation on one photo.

    Attributes:
        photo: the photo.
        value: the filter's largest activation in it.
        position: row and column of that activation in the layer's map.
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


@dataclass(frozen=True, eq=False, repr=False)
class Strongest(Drawable):
    """The photos that excite a filter most, the strongest first.

    Attributes:
        found: one entry per photo; photos without any activation of the filter are left out.
        layer: the layer's name.
        filter: the channel.
        model: the network's name.
    """

    found: tuple[PeakActivation, ...]
    layer: str
    filter: int
    model: str

    def picture(self, *, columns: int = 3) -> Page:
        """Draw the crops, titled by photo and activation.

        Raises:
            OptionError: no photo excites the filter.
        """
        if not self.found:
            raise OptionError(
                f"None of the photos excites filter {self.filter} of '{self.layer}', so there "
                "is nothing to draw. Give more photos, or another filter."
            )
        cells = [(f"{peak.photo.name}\n{peak.value:.3g}", peak.crop) for peak in self.found]
        return grid(cells, columns=min(columns, len(cells)))

    def save(self, path: str | Path) -> list[Path]:
        """Write the picture as PNG, JPEG or PDF.

        Raises:
            OptionError: as for `picture`, or the extension is another one.
            OutputError: the file cannot be written.
        """
        return [save_picture(self.picture(), path)]

    def _pages(self) -> list[Page]:
        return [self.picture()] if self.found else []

    def __repr__(self) -> str:
        rows = [f"{peak.photo.name}: {peak.value:.3g} at {list(peak.box)}" for peak in self.found]
        head = f"Strongest of {short_name(self.model)}, {self.layer} filter {self.filter}"
        return few_lines(head, rows or ["no photo excites it"])


def strongest(
    classifier: Any,
    photos: Any,
    *,
    layer: Any = None,
    filter: int,  # noqa: A002 - the word of the field, as in `filters`
    count: int = 9,
) -> Strongest:
    """Show which photos, and where in them, excite a filter most.

    For each photo, the receptive field of the filter's largest activation is cut out of the photo
    (see `receptive_field`).

    Args:
        classifier: as for `seewhy.explain`.
        photos: as for `seewhy.explain`, or an iterator of photos; read a few at a time, in threads
            while the network runs, so there may be many.
        layer: the layer, by name or as the framework's object; None: the classifier's own.
        filter: a channel of the layer.
        count: the number of photos.

    Returns:
        Photos, values and crops, and `.picture()`, `.save("strongest.png")`.

    Raises:
        UnknownLayer, LayerError: the layer does not exist, or has no maps.
        OptionError: the filter does not exist, or the count is not positive.
        PhotoError: a photo cannot be read.

    Source:
        Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
        figure 2, without the deconvolution.
    """
    classifier = as_classifier(classifier)
    COUNT.check(count)
    name = classifier.layer if layer is None else classifier.network.layer_name(layer)
    (chosen,) = check_filters(classifier.network, name, filter)
    best: list[tuple[PeakActivation, Placement]] = []
    map_size = (1, 1)
    for batch in _batches(photos):
        images, placements = classifier.prepare(batch)
        maps = as_maps(classifier, name, classifier.network.activations(images, [name])[name])
        map_size = (maps.shape[1], maps.shape[2])
        for photo, placement, answers in zip(batch, placements, maps[..., chosen], strict=True):
            peak = int(answers.argmax())
            position = (peak // map_size[1], peak % map_size[1])
            activation = PeakActivation(photo, float(answers[position]), position, (0, 0, 0, 0))
            if activation.value > 0 or np.ptp(answers) > 0:
                best.append((activation, placement))
        best = sorted(best, key=lambda pair: -pair[0].value)[:count]
    if not best:
        return Strongest((), name, chosen, classifier.name)
    fields = ReceptiveFields.of(classifier, best[0][0].photo, layer=name, map_size=map_size)
    peaks = []
    for activation, placement in best:
        height, width = activation.photo.pixels.shape[:2]
        box = _in_photo(fields.at(activation.position), placement, classifier.size, (height, width))
        peaks.append(dataclasses.replace(activation, box=box))
    return Strongest(tuple(peaks), name, chosen, classifier.name)


def _in_photo(box: Box, placement: Placement, size: tuple[int, int], photo: tuple[int, int]) -> Box:
    """Convert a box of the network's input to the photo's pixels; at least one pixel."""
    x0, y0, x1, y1 = placement.box
    across, down = (x1 - x0) / size[1], (y1 - y0) / size[0]
    left = int(np.clip(np.floor(x0 + box[0] * across), 0, photo[1] - 1))
    top = int(np.clip(np.floor(y0 + box[1] * down), 0, photo[0] - 1))
    right = int(np.clip(np.ceil(x0 + box[2] * across), left + 1, photo[1]))
    bottom = int(np.clip(np.ceil(y0 + box[3] * down), top + 1, photo[0]))
    return (left, top, right, bottom)


def _batches(photos: Any) -> Iterator[list[Photo]]:
    """Yield photos, read ahead; those of an iterator as they come."""
    if not isinstance(photos, Iterator):
        photos = read_ahead(find_photos(photos), read_photo)
    while batch := [read_photo(photo) for photo in itertools.islice(photos, PHOTOS_AT_ONCE)]:
        yield batch
