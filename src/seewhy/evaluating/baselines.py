"""Baselines: maps that do not ask the network. What does not beat them shows nothing.

Axes: h row, w column of a photo, g cells along a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.boxes import Boxes
from seewhy.errors import needed
from seewhy.evaluating.faithfulness import CELLS, pixels_of_cells
from seewhy.evaluating.localizing import box_mask
from seewhy.maps import resize_map

BASELINES = ("(centre)", "(random)", "(edges)", "(mean box)")
"""Centred boxes of every size; random cells; the photo's edges; the mean of the other photos' boxes
(only with boxes). None of them asks the network, and all but the edges ignore the photo."""

CENTRE, RANDOM, EDGES, MEAN_BOX = BASELINES

MEAN_BOX_CELLS = 56
"""Cells along a side of the mean box."""


def centre_map(size: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Make a map whose box, at the threshold τ, is centred and 1 − τ times the photo's sides."""
    sides = [np.abs((np.arange(length) + 0.5) / length - 0.5) * 2 for length in size]
    pyramid: ndarray = 1 - np.maximum.outer(sides[0], sides[1])
    return pyramid.astype(np.float32)


def random_map(
    size: tuple[int, int], generator: np.random.Generator, cells: int = CELLS
) -> Float[ndarray, "h w"]:
    """Make a map of random cells, with sharp edges: at the resolution at which maps are ranked."""
    return pixels_of_cells(generator.random((cells, cells)), size).astype(np.float32)


def edge_map(pixels: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "h w"]:
    """Return the strength of a photo's edges: Sobel's gradient of its brightness.

    Source:
        As a baseline: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 5
        (arXiv:1810.03292).
    """
    sobel = needed("scipy.ndimage", "An evaluation").sobel

    grey = pixels.astype(np.float64).mean(axis=2)
    edges: ndarray = np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))
    return edges.astype(np.float32)


def mean_box(boxes: Sequence[tuple[Boxes, tuple[int, int]]]) -> Float[ndarray, "g g"]:
    """Return where the boxes of photos are: the share of them that each place is in.

    Args:
        boxes: of each photo, with its (height, width).

    Returns:
        (56, 56) on a grid that is laid over any photo; all zero without boxes.
    """
    total = np.zeros((MEAN_BOX_CELLS, MEAN_BOX_CELLS))
    for truth, (height, width) in boxes:
        if len(truth):
            scale = np.array([MEAN_BOX_CELLS / width, MEAN_BOX_CELLS / height] * 2)
            total += box_mask(
                np.asarray(truth, np.float64) * scale, (MEAN_BOX_CELLS, MEAN_BOX_CELLS)
            )
    return (total / max(len(boxes), 1)).astype(np.float32)


def baseline_maps(
    pixels: UInt8[ndarray, "h w 3"],
    names: Sequence[str],
    *,
    generator: np.random.Generator,
    prior: Float[ndarray, "g g"] | None = None,
) -> dict[str, Float[ndarray, "h w"]]:
    """Return the maps of baselines for a photo, at its size."""
    height, width = pixels.shape[:2]
    size = (height, width)
    maps = {
        CENTRE: lambda: centre_map(size),
        RANDOM: lambda: random_map(size, generator),
        EDGES: lambda: edge_map(pixels),
        MEAN_BOX: lambda: resize_map(np.zeros((1, 1)) if prior is None else prior, size),
    }
    return {name: maps[name]() for name in names}


def photo_key(name: str, pixels: UInt8[ndarray, "h w 3"]) -> str:
    """Return the key of a photo in an evaluation: its name and a checksum of its fitted pixels."""
    return f"{name} {crc32(pixels.tobytes()):08x}"


def generator_of(key: str) -> np.random.Generator:
    """Return the source of a photo's random numbers: the same in whatever order photos come."""
    return np.random.default_rng(crc32(key.encode(errors="backslashreplace")))
