"""Where the cells of a layer's map are in the network's input: found by trial.

A network may crop or pad its input, keep tokens in an order of its own, or have axes that are not
rows and columns. The shape of a tensor tells none of that. What a changed patch of the input
changes in the map does.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import LayerError
from seewhy.networks.arranging import Arrangement, Maps, arrangement_by_trial
from seewhy.networks.base import INPUT
from seewhy.networks.checks import is_name, layers_hint

PATCHES = ((0.3, 0.25), (0.3, 0.75), (0.7, 0.25), (0.7, 0.75))
"""Centres of the patches that are changed, as shares of height and width."""

PATCH = 0.09
"""Half the side of a patch, as a share of the side."""

LEAST_CORRELATION = 0.6
"""The least correlation of the places of the patches with the places where they show."""

LEAST_CHANGE = 1e-5
"""Changes below this share of the largest activation are rounding."""

LEAST_SHIFT = 0.75
"""Cells by which a map must be off before it is placed otherwise than over the whole input; the
width of the strips at the edges that must show in it, too."""

LEAST_ROLLED_SHIFT, FEWEST_CELLS = 2.0, 16
"""Where all edges show, as after a padding by reflection, a map must be off by so many cells, and
have so many along each side: where patches show is not more exact."""

LEAST_MIDDLE_CHANGE = 0.25
"""The least change in the middle of what a patch changes, as a share of the largest."""

LARGEST_DIFFERENCE = 0.05
"""How far the parts that layers cover may differ, as a share of the side."""

Shares = tuple[float, float, float, float]
"""(y0, x0, y1, x1) in shares of the input's height and width."""

WHOLE_INPUT: Shares = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Cells:
    """Where a layer's map lies in the network's input.

    Attributes:
        box: what the map covers; beyond 0 and 1 where the network pads.
        shows: True where changed patches show at their places; else it is no map of the input.
        arrangement: where its cells are in what the layer returns; None for row after row.
    """

    box: Shares = WHOLE_INPUT
    shows: bool = True
    arrangement: Arrangement | None = None


def find_cells(network: Any, layer: str, size: tuple[int, int]) -> Cells:
    """Return where a layer's map lies in the network's input, by trial where that may differ.

    Args:
        network: the adapter.
        layer: by its name.
        size: of the images.

    Raises:
        LayerError: the layer has no map.
    """
    if layer == INPUT or not network.may_move(layer):
        return Cells()
    cells: dict[Any, Cells] = network.__dict__.setdefault("_cells_by_layer", {})
    if (layer, size) not in cells:
        cells[layer, size] = _tried(network, layer, size)
    return cells[layer, size]


def arrangement_of(
    network: Any, layer: str, images: Float[ndarray, "n h w c"]
) -> Arrangement | None:
    """Return where a map's cells are in what the layer returns; None for row after row."""
    if not is_name(layer):
        return None
    return find_cells(network, layer, (images.shape[1], images.shape[2])).arrangement


def arranged(
    network: Any, by_layer: Mapping[str, ndarray], images: Float[ndarray, "n h w c"]
) -> dict[str, ndarray]:
    """Return activations or gradients (n, ..., a, b, d) in the order of the photo's cells."""
    in_order = dict(by_layer)
    for layer, array in by_layer.items():
        arrangement = arrangement_of(network, layer, images)
        if arrangement is not None:
            in_order[layer] = arrangement.apply(array)
    return in_order


def _tried(network: Any, layer: str, size: tuple[int, int]) -> Cells:
    def maps(images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n ..."]:
        found: ndarray = network.activations_as_returned(images, layer)
        return found

    shape: tuple[int, ...] = network._shape(layer)
    if len(shape) != 3:
        return Cells()
    base, other = trial_images((*size, network.input_shape[2]))
    images = tried(base, other, (shape[0], shape[1]))
    answers = maps(images)
    if answers.ndim != 4 or max(answers.shape[1:3]) < 2:
        return Cells()
    box = _seen(maps, base, other, answers)
    if box == WHOLE_INPUT:
        box = _padded(maps, base, other, answers)
    cells = Cells(box, shows_patches(answers, box))
    if cells.shows and not _is_rolled(box):
        return cells
    arrangement = arrangement_by_trial(maps, base)
    if arrangement is None or not shows_patches(arrangement.apply(answers)):
        return cells
    return Cells(arrangement=arrangement)


def _is_rolled(box: Shares) -> bool:
    """Return whether a part is as large as the input, but not at its place."""
    y0, x0, y1, x1 = box
    sides = y1 - y0, x1 - x0
    return box != WHOLE_INPUT and max(abs(side - 1) for side in sides) < LARGEST_DIFFERENCE


def common_part(network: str, by_layer: Mapping[str, Shares]) -> Shares:
    """Return what the maps of layers cover of the network's input, which must be the same part.

    Raises:
        LayerError: the network crops or pads between the layers.
    """
    parts = list(by_layer.values())
    if np.ptp(parts, axis=0).max() > LARGEST_DIFFERENCE:
        raise LayerError(
            f"The layers {', '.join(by_layer)} of '{network}' cover unlike parts of the photo: the "
            "network crops or pads between them. Explain them one at a time."
        )
    return parts[0]


def not_a_map(network: str, layer: str) -> LayerError:
    """Return the error for a layer whose rows and columns are not those of the photo."""
    return LayerError(
        f"'{layer}' of '{network}' is no map of the photo: patches that were changed do not show "
        "at their places in it. Its places are in no order of the photo's, or its axes are no rows "
        f"and columns. Choose another layer, or list them: {layers_hint(network)}"
    )


def trial_images(shape: tuple[int, int, int]) -> tuple[ndarray, ndarray]:
    """Return two images that differ everywhere."""
    base = np.random.default_rng(3).uniform(size=shape).astype(np.float32)
    return base, ((base + 0.5) % 1).astype(np.float32)


def tried(base: ndarray, other: ndarray, cells: tuple[int, int] = (25, 25)) -> ndarray:
    """Return the base, the base with each edge changed, and with each patch changed.

    Args:
        base: an image (h, w, c).
        other: another.
        cells: rows and columns of the map.
    """
    height, width = sides = base.shape[:2]
    images = np.repeat(base[None], 5 + len(PATCHES), axis=0)
    rows, columns = (
        max(1, int(LEAST_SHIFT * side / count)) for side, count in zip(sides, cells, strict=True)
    )
    images[1, :rows], images[2, :, :columns] = other[:rows], other[:, :columns]
    images[3, -rows:], images[4, :, -columns:] = other[-rows:], other[:, -columns:]
    for image, (y, x) in zip(images[5:], PATCHES, strict=True):
        place = tuple(
            slice(max(0, round((at - PATCH) * side)), round((at + PATCH) * side) + 1)
            for at, side in ((y, height), (x, width))
        )
        image[place] = other[place]
    return images


def shows_patches(answers: Float[ndarray, "n h w c"], box: Shares = WHOLE_INPUT) -> bool:
    """Return whether the changed patches show at their places in a map."""
    changes = np.abs(answers[5:] - answers[0]).sum(-1)
    rows, columns = changes.shape[1:]
    y0, x0, y1, x1 = box
    felt = changes.max(axis=(1, 2)) > LEAST_CHANGE * max(float(np.abs(answers[0]).max()), 1e-12)
    if felt.sum() < 3:
        return bool(felt.sum() == 0) or box != WHOLE_INPUT
    if sum(_is_amid(change) for change in changes[felt]) < 3:
        return False
    for axis, cells, low, high in ((0, rows, y0, y1), (1, columns, x0, x1)):
        if cells < 2:
            continue
        expected = np.array([patch[axis] for patch in PATCHES])[felt]
        centers = np.array([_middle(change, axis) for change in changes])[felt]
        centers = low + (centers + 0.5) / cells * (high - low)
        if np.ptp(centers) == 0 or np.corrcoef(expected, centers)[0, 1] < LEAST_CORRELATION:
            return False
    return True


def _is_amid(change: Float[ndarray, "h w"]) -> bool:
    """Return whether a change is in one place: strong in its middle, and not around it only."""
    row, column = (round(_middle(change, axis)) for axis in (0, 1))
    around = change[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    return bool(around.max() >= LEAST_MIDDLE_CHANGE * change.max())


def _middle(change: Float[ndarray, "h w"], axis: int) -> float:
    """Return the row or column in which a change is concentrated."""
    weights = np.where(change >= 0.5 * change.max(), change, 0).sum(1 - axis)
    return float((weights * np.arange(len(weights))).sum() / max(float(weights.sum()), 1e-30))


def _seen(maps: Maps, base: ndarray, other: ndarray, answers: ndarray) -> Shares:
    """Return the part of the input that the map depends on: less than all of it after a crop."""
    limit = LEAST_CHANGE * max(float(np.abs(answers[0]).max()), 1e-12)
    is_felt = np.abs(answers[1:5] - answers[0]).reshape(4, -1).max(1) > limit
    if is_felt.all():
        return WHOLE_INPUT
    height, width = sides = base.shape[:2]
    limits = np.array([height, width, height, width])
    unfelt = np.where(is_felt, 0, 1)
    felt = np.where(is_felt, 1, limits)
    while np.any(felt - unfelt > 1):
        middle = (unfelt + felt) // 2
        changed = np.abs(maps(_beyond(base, other, middle)) - answers[0]).reshape(4, -1).max(1)
        unfelt = np.where(changed > limit, unfelt, middle)
        felt = np.where(changed > limit, middle, felt)
    top, left, bottom, right = (int(border) for border in np.where(is_felt, 0, unfelt))
    if top + bottom >= height or left + right >= width:
        return WHOLE_INPUT  # it depends on nothing
    rows, columns = answers.shape[1:3]
    # A stride that does not divide the side leaves a few pixels out: that is no crop.
    if (
        max(top, bottom) * rows < LEAST_SHIFT * height
        and max(left, right) * columns < LEAST_SHIFT * width
    ):
        return WHOLE_INPUT
    return top / sides[0], left / sides[1], 1 - bottom / sides[0], 1 - right / sides[1]


def _beyond(base: ndarray, other: ndarray, counts: ndarray) -> ndarray:
    """Return the base four times, with its first or last rows or columns changed."""
    top, left, bottom, right = counts
    images = np.repeat(base[None], 4, axis=0)
    images[0, :top], images[1, :, :left] = other[:top], other[:, :left]
    images[2, len(base) - bottom :] = other[len(base) - bottom :]
    images[3, :, base.shape[1] - right :] = other[:, base.shape[1] - right :]
    return images


def _padded(maps: Maps, base: ndarray, other: ndarray, answers: ndarray) -> Shares:
    """Return what the map covers where cells at its edges see no photo at all: padding.

    The places of two patches in the map tell how many pixels a cell is, and where the first is.
    Cells that see a photo again, reflected or rolled, are told by these places alone.
    """
    changed = np.abs(maps(other[None])[0] - answers[0]).max(-1)
    limit = LEAST_CHANGE * max(float(np.abs(answers[0]).max()), 1e-12)
    edges = [changed[0], changed[:, 0], changed[-1], changed[:, -1]]
    least = LEAST_SHIFT
    if all((edge > limit).any() for edge in edges):
        least = LEAST_ROLLED_SHIFT
        if min(changed.shape) < FEWEST_CELLS:
            return WHOLE_INPUT
    changes = np.abs(answers[5:] - answers[0]).sum(-1)
    spans = []
    for axis, cells in ((0, changed.shape[0]), (1, changed.shape[1])):
        expected = np.array([patch[axis] for patch in PATCHES])
        centers = np.array([_middle(change, axis) for change in changes]) + 0.5
        if np.ptp(centers) == 0:
            return WHOLE_INPUT
        share, start = np.polyfit(centers, expected, 1)
        if np.abs(start + share * centers - expected).max() > share:
            return WHOLE_INPUT  # by more than a cell: they are in no line
        low, high = start, start + share * cells
        is_whole = max(abs(low), abs(high - 1)) * cells < least
        spans.append((0.0, 1.0) if is_whole else (float(low), float(high)))
    (y0, y1), (x0, x1) = spans
    return y0, x0, y1, x1
