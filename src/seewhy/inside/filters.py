"""The learned kernels of a convolution, as pictures and numbers.

Axes: h row, w column, i input channel of a group, o output channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from seewhy.errors import LayerError
from seewhy.explaining.explain import as_classifier
from seewhy.files import write_arrays
from seewhy.inside.settings import FIRST
from seewhy.networks.base import Network
from seewhy.networks.weights import FilterBank
from seewhy.rendering.attributions import around_grey
from seewhy.rendering.page import Cell, Page, tiles
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name

FILTERS_SHOWN = 64
"""Filters on a picture, unless given."""

TILE = 96
"""Pixels of a kernel's longer side on a page."""

DEAD_SHARE = 1e-6
"""A kernel or activation below this share of the layer's largest is rounding: dead."""

COLOURED_SHARE = 0.99
"""Share of a matrix's weights that its colours span: a few large ones would hide all others."""

STRONGEST_INPUTS = 4
"""Input channels shown per filter, if there are more."""


@dataclass(frozen=True, eq=False, repr=False)
class Filters(Drawable):
    """The kernels of one layer.

    Attributes:
        kernels: one set; of a separable convolution two, depthwise and pointwise.
        layer: the layer's name.
        model: the network's name.
        sees_photo: True for the network's first convolution of a photo's red, green and blue.
        blue_first: True if that photo's channels are blue first.
        first: the number of filters in pictures; None: 64, or all of a 1 × 1 convolution.
    """

    kernels: tuple[FilterBank, ...]
    layer: str
    model: str
    sees_photo: bool = False
    blue_first: bool = False
    first: int | None = None

    def tiles(self, part: int = 0) -> list[Cell]:
        """Return captions and pictures of one set of kernels, in the order of the filters.

        Filters that see the photo are in colour, one tile each. Deeper ones are grey, one tile
        for each of the `STRONGEST_INPUTS` input channels (by Euclidean norm, shown by index) of a
        filter, captioned "output ← input"; a filter of a depthwise convolution has one input. Every
        filter has one scale for all its inputs: 0 is the middle grey, its largest magnitude an end,
        which the captions of single tiles show. Filters that are negligible compared with the
        layer's largest are captioned as dead.
        """
        in_colour = self._is_colour(self.kernels[part])
        return list(self._colour_tiles(part) if in_colour else self._grey_tiles(part))

    def pictures(self) -> list[Page]:
        """Draw a page for each set of kernels; a 1 × 1 convolution as a matrix."""
        return [self._picture(part) for part in range(len(self.kernels))]

    _pages = pictures

    def __repr__(self) -> str:
        return few_lines("Filters", [self._summary(part) for part in range(len(self.kernels))])

    def save(self, path: str | Path) -> list[Path]:
        """Write the pages as PNG, JPEG or PDF: 'x.png', for two sets 'x_depthwise.png' and so on.

        Raises:
            OptionError: the extension is another one.
            OutputError: a file cannot be written.
        """
        path = Path(path)
        files = []
        for kernels, picture in zip(self.kernels, self.pictures(), strict=True):
            mark = f"_{kernels.part}" if kernels.part else ""
            file = path.with_name(f"{path.stem}{mark}{path.suffix}")
            files.append(save_picture(picture, file))
        return files

    def save_numbers(self, path: str | Path) -> Path:
        """Write the weights (h, w, i, o) as `.npz`: 'weights', or 'depthwise' and 'pointwise'.

        Raises:
            OutputError: the file cannot be written.
        """
        arrays = {kernels.part or "weights": kernels.weights for kernels in self.kernels}
        return write_arrays(path, arrays)

    def _is_colour(self, kernels: FilterBank) -> bool:
        return self.sees_photo and kernels.groups == 1 and kernels.weights.shape[2] == 3

    def dead(self, part: int = 0) -> Bool[ndarray, " o"]:
        """Return True for each filter below a millionth of the layer's largest: rounding."""
        peaks = np.abs(self.kernels[part].weights).max(axis=(0, 1, 2))
        dead: Bool[ndarray, " o"] = peaks <= DEAD_SHARE * peaks.max()
        return dead

    def _shown(self, kernels: FilterBank, most: int | None = FILTERS_SHOWN) -> range:
        outputs = kernels.weights.shape[3]
        return range(min(self.first or most or outputs, outputs))

    def _summary(self, part: int) -> str:
        kernels = self.kernels[part]
        *sides, outputs = kernels.weights.shape
        name = " ".join(word for word in (self.layer, kernels.part) if word)
        groups = f" in {kernels.groups} groups" if kernels.groups > 1 else ""
        dead = int(self.dead(part).sum())
        return (
            f"{short_name(self.model)}, {name}: {outputs} filters of "
            f"{' × '.join(map(str, sides))}{groups}{f', {dead} dead' if dead else ''}"
        )

    def _picture(self, part: int) -> Page:
        kernels = self.kernels[part]
        height, width, inputs, outputs = kernels.weights.shape
        what = self._summary(part)
        if height == width == 1 and kernels.groups == 1 and not self._is_colour(kernels):
            return self._matrix(kernels, what)
        shown = len(self._shown(kernels))
        notes = [what] + ([f"the first {shown}"] if shown < outputs else [])
        if not self._is_colour(kernels) and inputs > STRONGEST_INPUTS:
            notes.append(f"of each the {STRONGEST_INPUTS} strongest inputs")
        notes.append("0 is middle grey, each filter has its own scale")
        columns = (
            8 if self._is_colour(kernels) or inputs == 1 else 2 * min(inputs, STRONGEST_INPUTS)
        )
        return tiles(self.tiles(part), columns=columns, title="; ".join(notes), cell=TILE)

    def _colour_tiles(self, part: int) -> Iterator[Cell]:
        kernels, dead = self.kernels[part], self.dead(part)
        for output in self._shown(kernels):
            weights = kernels.weights[:, :, :, output]
            if self.blue_first:
                weights = weights[:, :, ::-1]
            largest = float(np.abs(weights).max())
            caption = f"{output} dead" if dead[output] else f"{output} ±{largest:.2g}"
            yield caption, around_grey(weights, end=largest)

    def _grey_tiles(self, part: int) -> Iterator[Cell]:
        kernels, dead = self.kernels[part], self.dead(part)
        _, _, inputs, outputs = kernels.weights.shape
        per_group = outputs // kernels.groups
        for output in self._shown(kernels):
            weights = kernels.weights[:, :, :, output]
            largest = float(np.abs(weights).max())
            norms = np.sqrt(np.square(weights).sum(axis=(0, 1)))
            strongest = np.sort(np.argsort(-norms, kind="stable")[:STRONGEST_INPUTS])
            offset = output // per_group * inputs
            for channel in strongest:
                tile = around_grey(weights[:, :, channel], end=largest)
                caption = f"{output} ← {offset + channel}"
                if inputs == 1 and output == offset:
                    caption = f"{output} ±{largest:.2g}"
                yield f"{output} dead" if dead[output] else caption, tile

    def _matrix(self, kernels: FilterBank, what: str) -> Page:
        from seewhy.rendering.colours import bare_map

        shown = kernels.weights[0, 0][:, list(self._shown(kernels, most=None))].T
        end = float(np.quantile(np.abs(shown), COLOURED_SHARE))
        title = what.replace(": ", "\n")
        if end > 0:
            shown = np.clip(shown, -end, end)
            title += f", {COLOURED_SHARE:.0%} within the colours"
        title += "\nrows: output, columns: input channels"
        return bare_map(
            np.ascontiguousarray(shown),
            title=title,
            signed=True,
            colour_bar=True,
        )


def filters(classifier: Any, *, layer: Any = None, first: int | None = None) -> Filters:
    """Show the learned kernels of a convolution.

    Args:
        classifier: as for `seewhy.explain`.
        layer: the layer, by name or as the framework's object; None: the first convolution.
        first: the number of filters in pictures; None: 64, or all of a 1 × 1 convolution. The
            numbers are always complete.

    Returns:
        The kernels as numbers, and `.pictures()`, `.save("filters.png")`,
        `.save_numbers("filters.npz")`.

    Raises:
        UnknownLayer: no layer has that name.
        LayerError: the layer has no kernels, or the network has no convolution.
        OptionError: `first` is not positive.
    """
    from seewhy.inside.input_range import takes_blue_first

    classifier = as_classifier(classifier)
    FIRST.check(first)
    network = classifier.network
    start = first_convolution(network)
    name = start if layer is None else network.layer_name(layer)
    if name is None:
        raise LayerError(f"'{network.name}' has no convolution, so there are no filters to show.")
    kernels = network.filters(name)
    sees_photo = network.input_shape[2] == 3 and name == start
    blue_first = sees_photo and takes_blue_first(classifier)
    return Filters(kernels, name, classifier.name, sees_photo, blue_first, first)


def first_convolution(network: Network) -> str | None:
    """Return the name of the network's first convolution; None if there is none."""
    for layer in network.layers:
        if len(layer.shape) == 3 and "Conv" in layer.kind and _has_kernels(network, layer.name):
            return str(layer.name)
    return None


def _has_kernels(network: Network, name: str) -> bool:
    try:
        return bool(network.filters(name))
    except LayerError:
        return False
