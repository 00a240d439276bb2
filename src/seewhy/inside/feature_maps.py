"""The activations of each channel of a layer for a photo.

Axes: n photo, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from seewhy.errors import LayerError, OptionError
from seewhy.explaining.explain import as_classifier, as_photos
from seewhy.explaining.question import layer_names
from seewhy.files import write_arrays
from seewhy.inside.filters import DEAD_SHARE, first_convolution
from seewhy.inside.settings import MOST_CHANNELS
from seewhy.maps import heatmap_on_photo, scale_map, scale_signed_map
from seewhy.networks.cells import WHOLE_INPUT, Shares, find_cells
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.rendering.colours import colour, colour_signed, overlay, overlay_signed
from seewhy.rendering.page import Cell, Page, tiles
from seewhy.rendering.palettes import FOR_AND_AGAINST
from seewhy.rendering.saving import save_pages
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name

PHOTOS_AT_ONCE = 8

GREY = 160
"""The colour of a dead channel, which no map uses."""

PER_PAGE = 64
"""Channels on a page."""

TILE = 160
"""Pixels of the longer side of a map on a page, and of the photo under it."""

COLUMNS = 8
"""Maps in a row of a page."""


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps(Drawable):
    """The activations of layers for photos.

    Attributes:
        photos: the n photos.
        maps: by layer name, (n, h, w, c), raw, at the layer's own resolution.
        placements: for each photo the part of it that the network saw.
        model: the network's name.
        cells: by layer name, what its maps cover of the network's input.
    """

    photos: tuple[Photo, ...]
    maps: Mapping[str, Float[ndarray, "n h w c"]]
    placements: tuple[Placement, ...]
    model: str
    cells: Mapping[str, Shares] = field(default_factory=dict)

    def strengths(self, layer: str, photo: int = 0) -> Float[ndarray, " c"]:
        """Return the largest magnitude of each channel's map."""
        strengths: Float[ndarray, " c"] = np.abs(self.maps[layer][photo]).max(axis=(0, 1))
        return strengths

    def dead(self, layer: str, photo: int = 0) -> Bool[ndarray, " c"]:
        """Return True for each channel whose activation is constant: it saw nothing.

        Differences below a millionth of the layer's largest activation count as rounding. In a
        map of one place, a channel is dead if its activation is 0.
        """
        maps = self.maps[layer][photo]
        spread = np.ptp(maps, axis=(0, 1)) if maps.shape[:2] != (1, 1) else np.abs(maps[0, 0])
        dead: Bool[ndarray, " c"] = spread <= DEAD_SHARE * np.abs(maps).max()
        return dead

    def pictures(
        self,
        layer: str,
        photo: int = 0,
        *,
        order: str = "index",
        most: int | None = None,
        over_photo: bool = False,
    ) -> list[Page]:
        """Draw the channels of one layer, 64 per page, each scaled by its own largest activation.

        A layer without negative activations is shown from 0 (dark) up; in other layers 0 is white,
        positive activations are red and negative ones blue. Dead channels are grey.

        Args:
            layer: the layer's name.
            photo: the index of the photo.
            order: "index", or "strength": the strongest channels first; among channels with the
                same largest activation (ReLU6 ends at 6), those with the larger mean.
            most: the number of channels shown; None: all.
            over_photo: lay each map over the photo instead of showing it bare.

        Raises:
            OptionError: the order is unknown, or `most` is below 1.
        """
        if order not in ("index", "strength"):
            raise OptionError(f"order={order!r} is unknown. Choose 'index' or 'strength'.")
        MOST_CHANNELS.check(most)
        ranked = np.arange(self.maps[layer].shape[3])
        if order == "strength":
            means = np.abs(self.maps[layer][photo]).mean(axis=(0, 1))
            ranked = np.lexsort((-means, -self.strengths(layer, photo)))
        ranked = ranked[:most]
        pages = []
        for start in range(0, len(ranked), PER_PAGE):
            shown = ranked[start : start + PER_PAGE]
            cells = self._cells(layer, photo, shown, over_photo=over_photo)
            title = self._title(layer, photo, order, start, len(ranked))
            pages.append(tiles(cells, columns=COLUMNS, title=title, cell=TILE))
        return pages

    def save(
        self,
        path: str | Path,
        *,
        photo: int = 0,
        order: str = "index",
        most: int | None = None,
        over_photo: bool = False,
    ) -> list[Path]:
        """Write the pages of every layer as PNG, JPEG or PDF: 'x.png' becomes 'x_conv1.png'.

        Pages of one layer are numbered, 'x_conv1-1.png', or are one PDF.

        Raises:
            OptionError: as for `pictures`, or the extension is another one.
            OutputError: a file cannot be written.
        """
        path = Path(path)
        files = []
        for layer in self.maps:
            pages = self.pictures(layer, photo, order=order, most=most, over_photo=over_photo)
            file = path.with_name(f"{path.stem}_{layer.replace('/', '.')}{path.suffix}")
            files += save_pages(pages, file)
        return files

    def save_numbers(self, path: str | Path) -> Path:
        """Write the raw maps (n, h, w, c) as `.npz`, by layer name ('/' becomes '.').

        Raises:
            OutputError: the file cannot be written.
        """
        return write_arrays(
            path, {name.replace("/", "."): maps for name, maps in self.maps.items()}
        )

    def _pages(self) -> list[Page]:
        return [page for layer in self.maps for page in self.pictures(layer)[:1]]

    def __repr__(self) -> str:
        photos = self.photos[0].name if len(self.photos) == 1 else f"{len(self.photos)} photos"
        return few_lines(
            f"FeatureMaps of {photos} by {short_name(self.model)}",
            [self._summary(layer, 0) for layer in self.maps],
        )

    def _summary(self, layer: str, photo: int) -> str:
        h, w, c = self.maps[layer].shape[1:]
        dead = int(self.dead(layer, photo).sum())
        return f"{layer}: {c} channels of {h} × {w}, {dead} dead"

    def _cells(self, layer: str, photo: int, channels: ndarray, *, over_photo: bool) -> list[Cell]:
        maps, dead = self.maps[layer][photo], self.dead(layer, photo)
        signed = maps.min() < 0
        scale = scale_signed_map if signed else scale_map
        small, placement = shrunk(self.photos[photo].pixels, self.placements[photo], TILE)
        placement = placement.of_cells(self.cells.get(layer, WHOLE_INPUT))
        cells: list[Cell] = []
        for channel in channels:
            raw = np.ascontiguousarray(maps[:, :, channel])
            if dead[channel]:
                grey = np.full((*(small.shape[:2] if over_photo else raw.shape), 3), GREY, np.uint8)
                cells.append((f"{channel} dead", grey))
                continue
            if over_photo:
                placed = scale(heatmap_on_photo(raw, placement, small.shape[:2]))
                lay = overlay_signed if signed else overlay
                picture = lay(small, placed)
            else:
                paint = colour_signed if signed else colour
                picture = paint(scale(raw), colormap=FOR_AND_AGAINST if signed else "viridis")
            peak = raw.flat[np.abs(raw).argmax()]
            cells.append((f"{channel}: {peak:.2g}", picture))
        return cells

    def _title(self, layer: str, photo: int, order: str, start: int, shown: int) -> str:
        c = self.maps[layer].shape[3]
        summary = self._summary(layer, photo)
        parts = [f"{self.photos[photo].name}, {short_name(self.model)}, {summary}"]
        if shown < c:
            parts.append(f"the {'strongest' if order == 'strength' else 'first'} {shown}")
        if shown > PER_PAGE:
            parts.append(f"page {start // PER_PAGE + 1} of {-(-shown // PER_PAGE)}")
        if order == "strength":
            parts.append("strongest first")
        parts.append("each channel has its own scale")
        return "; ".join(parts)


def feature_maps(
    classifier: Any, photos: Any, *, layers: Sequence[Any] | None = None
) -> FeatureMaps:
    """Show the activations of each channel for photos, for all layers in one forward pass.

    Args:
        classifier: as for `seewhy.explain`.
        photos: as for `seewhy.explain`. All their maps are kept in memory.
        layers: names or layer objects; None: the stages of the network: its first convolution,
            the last layer of every resolution, and its last map.

    Returns:
        The raw maps, and `.pictures(layer)`, `.save("maps.png")`, `.save_numbers("maps.npz")`.

    Raises:
        UnknownLayer: no layer has that name.
        LayerError: a layer has no maps.
        OptionError: no layer was named.
        PhotoError: a photo cannot be read.
    """
    classifier = as_classifier(classifier)
    photo_list = as_photos(photos)
    names = stages(classifier) if layers is None else layer_names(classifier, list(layers))
    if not names:
        raise OptionError("layers=[] is empty. Name at least one layer.")
    maps: dict[str, list[ndarray]] = {name: [] for name in names}
    placements: list[Placement] = []
    cells = {name: _covered(classifier, name) for name in names}
    for start in range(0, len(photo_list), PHOTOS_AT_ONCE):
        images, placed = classifier.prepare(photo_list[start : start + PHOTOS_AT_ONCE])
        answers = classifier.network.activations(images, names)
        for name in names:
            maps[name].append(as_maps(classifier, name, answers[name]))
        placements += placed
    return FeatureMaps(
        photos=tuple(photo_list),
        maps={name: np.concatenate(parts) for name, parts in maps.items()},
        placements=tuple(placements),
        model=classifier.name,
        cells=cells,
    )


def _covered(classifier: Any, layer: str) -> Shares:
    """Return what a layer's maps cover of the network's input.

    Raises:
        LayerError: the layer has rows and columns that are not those of the photo.
    """
    shapes = {info.name: info.shape for info in classifier.network.layers}
    if len(shapes.get(layer, ())) != 3:
        return WHOLE_INPUT
    cells: Shares = classifier.session.cells(layer, classifier.size)
    return cells


def as_maps(
    classifier: Any, layer: str, activations: Float[ndarray, "n ..."]
) -> Float[ndarray, "n h w c"]:
    """Return a layer's output if it is a map per channel.

    Raises:
        LayerError: it is not.
    """
    if activations.ndim != 4:
        shape = " × ".join(map(str, activations.shape[1:]))
        raise LayerError(
            f"The layer '{layer}' of '{classifier.name}' returns {shape} numbers, not a map. "
            f"Choose a layer with a spatial map, such as '{classifier.layer}'."
        )
    return activations


def stages(classifier: Any) -> tuple[str, ...]:
    """Return a photo's stages: first convolution, last layer of every resolution, last map.

    The last map is the classifier's own layer; layers that only pad or crop do not count.
    """
    usable = [
        layer
        for layer in classifier.network.layers
        if layer.is_spatial and layer.calls == 1 and not _is_frame(layer.kind)
    ]
    names = [layer.name for layer in usable]
    if classifier.layer in names:
        usable = usable[: names.index(classifier.layer) + 1]
    start = first_convolution(classifier.network)
    names = [layer.name for layer in usable]
    if start in names:
        usable = usable[names.index(start) :]
    last = {layer.shape[:2]: layer.name for layer in usable}
    lasts = [layer.name for layer in usable if layer.name in last.values()]
    named = dict.fromkeys([*([start] if start else []), *lasts, classifier.layer])
    size = classifier.size
    return tuple(name for name in named if find_cells(classifier.network, name, size).shows)


def _is_frame(kind: str) -> bool:
    return "Pad" in kind or "Crop" in kind


def shrunk(
    pixels: UInt8[ndarray, "h w 3"], placement: Placement, side: int
) -> tuple[UInt8[ndarray, "H W 3"], Placement]:
    """Shrink a photo, and the part that the network saw, so that no side is longer."""
    from PIL import Image

    height, width = pixels.shape[:2]
    ratio = min(1.0, side / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    across, down = size[0] / width, size[1] / height
    boxes = [
        box if box is None else (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        for box in (placement.box, placement.cells)
    ]
    assert boxes[0] is not None
    return small, Placement(boxes[0], boxes[1])
