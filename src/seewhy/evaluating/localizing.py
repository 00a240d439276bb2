"""How much of the heat is on the object: measures that need boxes, masks or mosaics.

A box is [x0, y0, x1, y1] in pixels, half-open.

Axes: n photo, s threshold, o overlap, H row, W column of a photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seewhy.boxes import Boxes, heatmap_boxes, intersection_over_union
from seewhy.errors import OptionError

THRESHOLDS = np.arange(0, 1, 0.02)
"""Shares of a heatmap's maximum at which its box is drawn."""

OVERLAPS = (0.3, 0.5, 0.7)
"""Intersection over union from which on a box counts as found."""


def box_mask(boxes: Boxes, size: tuple[int, int]) -> Bool[ndarray, "H W"]:
    """Return which pixels of a photo of (height, width) are in any of the boxes.

    A pixel is in a box where its centre is.
    """
    rows, columns = (np.arange(length) + 0.5 for length in size)
    inside = np.zeros(size, bool)
    for x0, y0, x1, y1 in np.asarray(boxes, np.float64):
        inside |= np.outer((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))
    return inside


def energy_share(heatmap: Float[ndarray, "H W"], inside: Bool[ndarray, "_H _W"]) -> float:
    """Return the share of the positive heat that is in the object (energy-based pointing game).

        share = sum over the object of relu(L) / sum over the photo of relu(L)

    Args:
        heatmap: at the photo's size; NaN counts as no heat.
        inside: the pixels of the object: `box_mask`, or a human's mask.

    Returns:
        0 to 1; NaN for a map without positive heat, which points nowhere.

    Raises:
        OptionError: a mask of another size.

    Source:
        Wang et al., *Score-CAM*, CVPRW 2020, section 4.3 (arXiv:1910.01279).
    """
    if heatmap.shape != inside.shape:
        raise OptionError(
            f"The heatmap has {heatmap.shape[0]} × {heatmap.shape[1]} pixels and the object's mask "
            f"{inside.shape[0]} × {inside.shape[1]}. Give both at the photo's size."
        )
    heat = np.maximum(np.nan_to_num(heatmap, nan=0.0), 0).astype(np.float64)
    total = heat.sum()
    return float(heat[inside].sum() / total) if total > 0 else float("nan")


def energy_lift(heatmap: Float[ndarray, "H W"], inside: Bool[ndarray, "_H _W"]) -> float:
    """Return how much denser the heat is in the object than in the photo: 1 for a uniform map.

        lift = energy share / (pixels of the object / pixels of the photo)

    A share alone rewards large objects; the lift does not. NaN for an empty map or object.
    """
    share = float(inside.mean())
    return energy_share(heatmap, inside) / share if share > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class HeldOutBoxAccuracy:
    """How often a heatmap's box is the object's, its threshold chosen on other photos.

    Attributes:
        overlaps: the IoU that counts as found.
        thresholds: for each overlap the two thresholds, one chosen on each half.
        accuracies: for each overlap the share of all photos whose box was found.
        hits: for each overlap and photo, whether it was found.
    """

    overlaps: tuple[float, ...]
    thresholds: tuple[tuple[float, float], ...]
    accuracies: tuple[float, ...]
    hits: Bool[ndarray, "o n"]


def box_overlaps(
    heatmap: Float[ndarray, "H W"], boxes: Boxes, *, thresholds: Float[ndarray, " s"] = THRESHOLDS
) -> Float[ndarray, " s"]:
    """Return the largest IoU of a heatmap's box with any of a photo's boxes, at each threshold."""
    overlap = np.zeros(len(thresholds))
    for step, threshold in enumerate(thresholds.tolist()):
        heat_boxes = heatmap_boxes(heatmap, threshold=threshold)
        if len(heat_boxes) and len(boxes):
            overlap[step] = intersection_over_union(heat_boxes, boxes).max()
    return overlap


def held_out_box_accuracy(
    best_overlaps: Float[ndarray, "n s"],
    *,
    thresholds: Float[ndarray, " s"] = THRESHOLDS,
    overlaps: Sequence[float] = OVERLAPS,
) -> HeldOutBoxAccuracy:
    """Choose the threshold on every second photo, and score it on the others; then swap.

        BoxAcc(τ, δ) = mean over n of 1[max over B of IoU(box(heatmap[n], τ), B) ≥ δ]

    box(·, τ) encloses the largest component above τ times the maximum (`heatmap_boxes`); B is any
    of the photo's boxes. The paper's MaxBoxAcc chooses τ on the scored photos, which favours maps
    whose best threshold varies, and calls for a separate set of photos; with two halves that take
    turns, every photo is scored once.

    Args:
        best_overlaps: what `box_overlaps` gave for n photos.
        thresholds: the thresholds τ to choose from.
        overlaps: the IoU δ that counts as found.

    Raises:
        OptionError: fewer than two photos.

    Source:
        Choe et al., *Evaluating Weakly Supervised Object Localization Methods Right*, CVPR 2020,
        sections 3.2 and 4.1 (arXiv:2001.07437). Differs from the paper: the heatmap is divided by
        its maximum with negatives taken as 0; the paper also shifts its minimum to 0.
    """
    if len(best_overlaps) < 2:
        raise OptionError(f"{len(best_overlaps)} photos cannot be halved. Give two or more.")
    right = best_overlaps[None] >= np.array(overlaps, np.float64)[:, None, None]
    chosen = [right[:, start::2].mean(axis=1).argmax(axis=1) for start in (0, 1)]
    hits = np.zeros(right.shape[:2], bool)
    for row in range(len(overlaps)):
        for half in (0, 1):  # each is scored at the threshold that the other half chose
            hits[row, half::2] = right[row, half::2, chosen[1 - half][row]]
    return HeldOutBoxAccuracy(
        overlaps=tuple(float(overlap) for overlap in overlaps),
        thresholds=tuple(
            (float(thresholds[first]), float(thresholds[second]))
            for first, second in zip(*chosen, strict=True)
        ),
        accuracies=tuple(hits.mean(axis=1).tolist()),
        hits=hits,
    )


def pointing_game(
    heatmaps: Sequence[Float[ndarray, "_H _W"]],
    boxes: Sequence[Boxes],
    *,
    tolerance: int = 15,
) -> Bool[ndarray, " n"]:
    """Return for each photo whether the heatmap's hottest pixel is on an object.

    Args:
        heatmaps: one for each photo, at its own size; an empty one points nowhere.
        boxes: the true boxes of each photo, in the same order.
        tolerance: pixels that the point may be outside a box, along each axis.

    Returns:
        (n) hit or not; its mean is the accuracy.

    Raises:
        OptionError: the numbers of boxes and heatmaps differ, or are 0.

    Source:
        Zhang et al., *Top-down Neural Attention by Excitation Backprop*, ECCV 2016, section 4.1
        (arXiv:1608.00507). Differs from the paper: boxes instead of masks, and hits are counted
        over all photos rather than averaged per class.
    """
    if len(heatmaps) != len(boxes) or not heatmaps:
        raise OptionError(
            f"{len(heatmaps)} heatmaps and the boxes of {len(boxes)} photos were given. Give one "
            "array of boxes (m, 4) for each heatmap, and at least one."
        )
    hits = np.zeros(len(heatmaps), bool)
    for photo, (heatmap, truth) in enumerate(zip(heatmaps, boxes, strict=True)):
        heat = np.nan_to_num(heatmap, nan=0.0)
        if not heat.max() > 0:
            continue
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        grown = np.asarray(truth, np.float64) + tolerance * np.array([-1, -1, 1, 1])
        inside = (grown[:, :2] <= (x, y)) & ((x, y) < grown[:, 2:])
        hits[photo] = inside.all(axis=1).any()
    return hits


def quadrant_share(heatmap: Float[ndarray, "H W"], quadrant: int) -> float:
    """Return the share of the positive heat that is in one quadrant (grid pointing game).

        L_i = sum over quadrant i of relu(A) / sum over all quadrants of relu(A)

    The network sees a mosaic of four photos of different classes; a map for the class of photo i
    should be hot in quadrant i. Chance is 0.25.

    Args:
        heatmap: of the whole mosaic, at any resolution with even sides.
        quadrant: 0 to 3, in reading order.

    Returns:
        0 to 1; NaN for a map without positive heat.

    Raises:
        OptionError: the quadrant does not exist, or a side is odd.

    Source:
        Böhle et al., *Convolutional Dynamic Alignment Networks*, CVPR 2021 (arXiv:2104.00032);
        Rao et al., *Towards Better Understanding Attribution Methods*, CVPR 2022, equation 1
        (arXiv:2205.10435).
    """
    height, width = heatmap.shape
    if quadrant not in range(4):
        raise OptionError(f"There is no quadrant {quadrant}. Give 0, 1, 2 or 3, in reading order.")
    if height % 2 or width % 2:
        raise OptionError(
            f"A map of {height} × {width} has no quadrants of whole cells. Resize it to even sides."
        )
    row, column = divmod(quadrant, 2)
    inside = np.zeros(heatmap.shape, bool)
    inside[
        row * height // 2 : (row + 1) * height // 2, column * width // 2 : (column + 1) * width // 2
    ] = True
    return energy_share(heatmap, inside)
