"""Boxes: from heatmaps, compared with each other, merged.

A box is [x0, y0, x1, y1] in pixels, half-open: x1 and y1 are the first column and row after it,
so that a box is x1 − x0 wide, and the whole photo is [0, 0, width, height].

Axes: m n box, H row of a photo, W column.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.errors import OptionError, needed

Boxes = Float[ndarray, "_m 4"] | Int[ndarray, "_m 4"]

Components = Literal["largest", "all"]

SMALLEST_SHARE = 0.01
"""With `components="all"`, components below this share of the largest one are dropped."""


def heatmap_boxes(
    heatmap: Float[ndarray, "H W"],
    *,
    threshold: float = 0.2,
    components: Components = "largest",
) -> Int[ndarray, "m 4"]:
    """Return boxes around the hot regions of a heatmap.

        hot = {(y, x): heatmap[y, x] > threshold · max(heatmap)}

    and a box is drawn around the largest 8-connected component of it, or around each of them.

    Args:
        heatmap: one heatmap, at the photo's size; NaN (not seen) is not hot.
        threshold: share of the heatmap's maximum.
        components: 'largest', or 'all' from the largest down, without specks (`SMALLEST_SHARE`).

    Returns:
        The boxes; empty for an empty map.

    Raises:
        OptionError: the threshold is outside 0 ≤ threshold < 1, or `components` is unknown.

    Source:
        Zhou et al., *Learning Deep Features for Discriminative Localization*, CVPR 2016, section
        3.2 (arXiv:1512.04150): 20 % of the maximum, the largest component.
    """
    if components not in ("largest", "all"):
        raise OptionError(f"components={components!r} is unknown. Choose 'largest' or 'all'.")
    regions, order = _regions(heatmap, threshold)
    extents = needed("scipy.ndimage", "A box around heat").find_objects(regions)
    return np.array(
        [
            [columns.start, rows.start, columns.stop, rows.stop]
            for rows, columns in (
                extents[label - 1] for label in (order[:1] if components == "largest" else order)
            )
        ],
        np.int64,
    ).reshape(-1, 4)


def heatmap_mask(heatmap: Float[ndarray, "H W"], *, threshold: float = 0.2) -> Bool[ndarray, "H W"]:
    """Return the largest hot region of a heatmap: what `heatmap_boxes` draws its box around.

    Args:
        heatmap, threshold: as for `heatmap_boxes`.

    Raises:
        OptionError: as `heatmap_boxes`.
    """
    regions, order = _regions(heatmap, threshold)
    return np.isin(regions, order[:1])


def _regions(
    heatmap: Float[ndarray, "H W"], threshold: float
) -> tuple[Int[ndarray, "H W"], Int[ndarray, " m"]]:
    """Return the number of each pixel's hot region, and these from the largest down, no specks."""
    if not 0 <= threshold < 1:
        raise OptionError(
            f"The threshold {threshold} is not a share of the heatmap's maximum. Give 0 or more "
            "and less than 1; 0.2 is usual."
        )
    heat = np.nan_to_num(heatmap, nan=0.0)
    if not (heat.size and heat.max() > 0):
        return np.zeros(heat.shape, np.int64), np.zeros(0, np.int64)
    label = needed("skimage.measure", "A box around heat").label
    regions = label(heat > threshold * heat.max(), connectivity=2)
    areas = np.bincount(regions.ravel())[1:]
    order = np.argsort(-areas, kind="stable")  # the upper of two equals comes first
    return regions, 1 + order[areas[order] >= SMALLEST_SHARE * areas.max()]


def area(boxes: Float[ndarray, "m 4"] | Int[ndarray, "m 4"]) -> Float[ndarray, " m"]:
    """Return each box's area in pixels; 0 for a box that ends before it starts."""
    sides = np.maximum(np.asarray(boxes, np.float64)[:, 2:] - boxes[:, :2], 0)
    product: ndarray = sides[:, 0] * sides[:, 1]
    return product


def intersection_over_union(
    boxes: Float[ndarray, "m 4"] | Int[ndarray, "m 4"],
    others: Float[ndarray, "n 4"] | Int[ndarray, "n 4"],
) -> Float[ndarray, "m n"]:
    """Return the intersection over union of each box of one list with each of the other.

    IoU(a, b) = area(a ∩ b) / (area(a) + area(b) − area(a ∩ b)); 0 where both are empty.
    """
    starts = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(np.asarray(ends, np.float64) - starts, 0)
    common = sides[..., 0] * sides[..., 1]
    union = area(boxes)[:, None] + area(others)[None] - common
    shares: ndarray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def merge_overlaps(
    boxes: Float[ndarray, "m 4"] | Int[ndarray, "m 4"],
    scores: Float[ndarray, " m"],
    *,
    overlap: float = 0.5,
) -> Int[ndarray, " kept"]:
    """Return the indices of the boxes that are kept, best first (non-maximum suppression).

    The best box is kept, all whose IoU with it exceeds `overlap` are dropped, and so on.

    Raises:
        OptionError: the overlap is outside 0 to 1.
    """
    if not 0 <= overlap <= 1:
        raise OptionError(f"The overlap {overlap} is not a share. Give 0 to 1; 0.5 is usual.")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    shared = intersection_over_union(boxes, boxes)
    kept: list[int] = []
    for index in order.tolist():
        if not np.any(shared[index, kept] > overlap):
            kept.append(index)
    return np.array(kept, np.int64)
