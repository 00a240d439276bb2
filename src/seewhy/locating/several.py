"""Several objects of a photo: boxes on which the heat of many classes and scales agrees.

Axes: t class, h w of a map; m box, j box that may agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.boxes import area, intersection_over_union, merge_overlaps
from seewhy.classifier import Classifier
from seewhy.explaining.explain import explain
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.result import Explanation
from seewhy.explaining.zooming import tile_boxes, tile_of
from seewhy.locating.search import Search, mix_classes
from seewhy.maps import resize_map
from seewhy.photos.photo import Photo, Placement

__all__ = ["Candidates", "candidates_of", "find_candidates", "supports"]

ZOOMS = (2, 3)
"""Of the tiles: half and a third of the photo's sides."""

SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Of a heatmap's maximum: every map gives boxes at all of them, and none is the right one."""

GRID = 56
"""Rows and columns on which boxes are drawn."""

PARTS, SPECK = 6, 0.02
"""Components of one map at one share: at most so many, and none below this share of the largest."""

AGREE, DISTINCT = 0.75, 0.65
"""Intersection over union above which two boxes are votes for one place, and above which only the
one with more votes is looked into."""

MOST = 24
"""Boxes of a photo that are looked into."""


@dataclass(frozen=True)
class Candidates:
    """Boxes of one photo that are worth a second look, and the boxes that vote for them.

    Attributes:
        boxes: (m, 4) in pixels of the photo, those with the most votes first.
        agreement: (m, j) the intersection over union with every proposed box, 0 below `AGREE`.
        classes: (j,) the class whose heat gave the proposed box, as a place in `targets`.
        targets: the classes that were explained, as the whole photo was seen.
        heat: the maps of the largest tiles, mixed by probability: what pictures show.
    """

    boxes: Int[ndarray, "m 4"]
    agreement: Float[ndarray, "m j"]
    classes: Int[ndarray, " j"]
    targets: tuple[Prediction, ...]
    heat: Explanation


def find_candidates(
    classifier: Classifier, explanation: Explanation, photo: int, search: Search
) -> Candidates:
    """Explain the tiles of two scales, and return the boxes on which their maps agree.

    The classes are the best of the whole photo and the best of every tile: what is small in the
    photo is large in a tile.

    Args:
        classifier: the network.
        explanation: of the whole photos, for their best classes.
        photo: which of them.
        search: the settings.
    """
    source, seen = explanation.photos[photo], explanation.placements[photo]
    indices = [one.index for one in explanation.targets[photo]]
    question = {**search.question(), "top": None}
    question["classes"] = list(dict.fromkeys([*indices, *_tile_classes(classifier, source, seen)]))
    zoomed = [explain(classifier, source, **{**question, "zoom": zoom}) for zoom in ZOOMS]
    proposed, classes = [np.zeros((0, 4))], []
    for one in zoomed:
        for place, heat in enumerate(one.maps[0]):
            boxes = _boxes_of(heat, one.placements[0])
            proposed.append(boxes)
            classes += [place] * len(boxes)
    return candidates_of(
        np.concatenate(proposed), np.array(classes, np.int64), zoomed[0], source.pixels.shape[:2]
    )


def candidates_of(
    proposed: Float[ndarray, "j 4"],
    classes: Int[ndarray, " j"],
    zoomed: Explanation,
    size: tuple[int, int],
) -> Candidates:
    """Return the proposed boxes that have the most votes, each place once.

        votes[m] = sum over j of IoU(m, j) where IoU(m, j) > AGREE

    Args:
        proposed: the boxes of all maps, in pixels of the photo.
        classes: the class of each, as a place in the explanation's targets.
        zoomed: the explanation of the largest tiles.
        size: rows and columns of the photo.
    """
    shared = intersection_over_union(proposed, proposed)
    agreement = np.where(shared > AGREE, shared, 0.0)
    kept = merge_overlaps(proposed, agreement.sum(axis=1), overlap=DISTINCT)[:MOST]
    edges = np.round(proposed[kept]).astype(np.int64)
    # a box is at least one pixel, and inside the photo
    rows, columns = size
    edges[:, :2] = np.clip(edges[:, :2], 0, (columns - 1, rows - 1))
    edges[:, 2:] = np.clip(np.maximum(edges[:, 2:], edges[:, :2] + 1), 0, (columns, rows))
    return Candidates(edges, agreement[kept], classes, zoomed.targets[0], mix_classes(zoomed))


def supports(
    candidates: Candidates, likely: Float[ndarray, "m t"], size: tuple[int, int]
) -> tuple[Float[ndarray, " m"], Int[ndarray, " m"]]:
    """Return how well each box is supported, and the class that supports it most.

        support[m] = √(area[m] / area of the photo) · sum over j of
                     IoU(m, j) · p(class of j | content of m) / N

    where N is the number of maps of one class times the number of shares: about 1 where one class,
    of which the network is sure, gives the same box on every scale and at every share. A box that
    many maps draw, but in which the network then sees something else, has little support. Larger
    boxes are likelier to be objects.

    Args:
        candidates: the boxes, and who votes for them.
        likely: the probability of each class of `candidates.targets` in each box.
        size: rows and columns of the photo.

    Source:
        Ours. Boxes that agree across thresholds are stable in the sense of Matas et al., *Robust
        wide-baseline stereo from maximally stable extremal regions*, BMVC 2002.
    """
    votes = np.zeros(likely.shape)
    np.add.at(votes.T, candidates.classes, candidates.agreement.T)
    weighed = votes * np.nan_to_num(likely, nan=0.0)
    side = np.sqrt(area(candidates.boxes) / (size[0] * size[1]))
    total: ndarray = side * weighed.sum(axis=1) / (len(ZOOMS) * len(SHARES))
    return total, weighed.argmax(axis=1)


def _tile_classes(classifier: Classifier, photo: Photo, seen: Placement) -> list[int]:
    """Return the best class of every tile, once each."""
    rows, columns = photo.pixels.shape[:2]
    x0, y0, x1, y1 = seen.box
    inside = (max(x0, 0.0), max(y0, 0.0), min(x1, float(columns)), min(y1, float(rows)))
    best: list[int] = []
    for zoom in ZOOMS:
        tiles = [tile_of(classifier, photo, box) for box in tile_boxes(inside, zoom)]
        images, _ = classifier.prepare(tiles)
        best += classifier.network.scores(images).argmax(axis=1).tolist()
    return list(dict.fromkeys(best))


def _boxes_of(heat: Float[ndarray, "h w"], placed: Placement) -> Float[ndarray, "m 4"]:
    """Return the boxes of a map's components at all shares of its maximum, on the photo."""
    from scipy.ndimage import find_objects, label

    fine = np.nan_to_num(resize_map(heat, (GRID, GRID)), nan=0.0)
    peak = fine.max()
    found: list[Any] = []
    for share in SHARES if peak > 0 else ():
        parts, _ = label(fine > share * peak, np.ones((3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        slices = find_objects(parts)
        order = np.argsort(-sizes, kind="stable")[:PARTS]
        kept = [slices[one] for one in order if sizes[one] >= SPECK * sizes[order[0]]]
        found += [(x.start, y.start, x.stop, y.stop) for y, x in kept]
    x0, y0, x1, y1 = placed.box
    scale = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0]) / GRID
    return np.array(found, np.float64).reshape(-1, 4) * scale + (x0, y0, x0, y0)
