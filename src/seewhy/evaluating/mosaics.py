"""Mosaics of four photos: does the heat go to the photo that the class belongs to?

Axes: h w rows and columns of the network's input, H W of a mosaic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

from seewhy.evaluating.faithfulness import CELLS, cell_means
from seewhy.evaluating.localizing import quadrant_share

LEAST_PROBABILITY = 0.5
"""The least probability of the class of a photo in a mosaic."""


@dataclass(frozen=True)
class PhotoMosaic:
    """Four photos, in reading order.

    Attributes:
        photos: their indices.
        unique: the quadrants whose class no other quadrant has: those that are measured.
    """

    photos: tuple[int, int, int, int]
    unique: tuple[int, ...]


def choose_mosaics(
    classes: Sequence[int],
    probabilities: Sequence[float],
    *,
    least: float = LEAST_PROBABILITY,
    generator: np.random.Generator | None = None,
) -> list[PhotoMosaic]:
    """Group photos of different classes by four; each is in one mosaic at most.

    Where fewer than four classes are left, a class is repeated, and only the quadrants of the
    others are measured.

    Args:
        classes: of each photo.
        probabilities: of these classes; less confident photos are left out.
        least: the least probability.
        generator: the source of the photos' places; by default one seeded with 0.

    Source:
        Rao et al., *Towards Better Understanding Attribution Methods*, CVPR 2022, section 3.1
        (arXiv:2205.10435).
    """
    random = np.random.default_rng(0) if generator is None else generator
    left: dict[int, list[int]] = defaultdict(list)
    for index in np.argsort(-np.asarray(probabilities), kind="stable").tolist():
        if probabilities[index] >= least:
            left[classes[index]].append(index)
    mosaics = []
    while len(left) > 1 and sum(map(len, left.values())) >= 4:
        largest = sorted(left, key=lambda kind: (-len(left[kind]), kind))
        chosen = [left[kind].pop(0) for kind in largest[:4]]
        while len(chosen) < 4:  # from the class with the most photos
            chosen.append(max(left.values(), key=len).pop(0))
        left = defaultdict(list, {kind: rest for kind, rest in left.items() if rest})
        placed = [chosen[place] for place in random.permutation(4)]
        kinds = [classes[index] for index in placed]
        unique = tuple(place for place in range(4) if kinds.count(kinds[place]) == 1)
        mosaics.append(PhotoMosaic((placed[0], placed[1], placed[2], placed[3]), unique))
    return mosaics


def mosaic_pixels(photos: UInt8[ndarray, "4 h w 3"]) -> UInt8[ndarray, "h w 3"]:
    """Shrink four photos by averaging, and put them together at the size of one."""
    height, width = photos.shape[1:3]
    mosaic = np.empty(photos.shape[1:], np.uint8)
    for place, photo in enumerate(photos):
        row, column = divmod(place, 2)
        rows = slice(height // 2, height) if row else slice(0, height // 2)
        columns = slice(width // 2, width) if column else slice(0, width // 2)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        mosaic[rows, columns] = np.asarray(
            Image.fromarray(photo).resize(size, Image.Resampling.BOX)
        )
    return mosaic


def heat_in_quadrant(heatmap: Float[ndarray, "H W"], quadrant: int) -> float:
    """Return `quadrant_share` for a map of any size, odd sides too: by cells of equal area."""
    heat = np.maximum(np.nan_to_num(heatmap, nan=0.0), 0)
    return quadrant_share(cell_means(heat, 2 * (CELLS // 2)), quadrant)
