"""Boxes from heatmaps: localization by a network that was only trained to classify.

A box is [x0, y0, x1, y1] in pixels of the photo, half-open.

Axes: n photo, k class of the network, m box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.boxes import Components, heatmap_boxes, merge_overlaps
from seewhy.classifier import Classifier
from seewhy.explaining.explain import as_classifier, explain
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.result import Explanation
from seewhy.locating.result import Location, Locations
from seewhy.locating.search import Search, mix_classes
from seewhy.locating.settings import SUPPORT
from seewhy.locating.several import Candidates, find_candidates, supports
from seewhy.maps import resize_map
from seewhy.photos.reading import Photo
from seewhy.progress import Progress, no_progress

__all__ = ["locate", "Location", "Locations", "locate_in"]

DOUBT = 0.5
"""The fall of a class's probability, from the photo to the box, from which a box is doubted."""

CROPS_AT_ONCE = 8
"""Crops in one batch of the second look, unless given."""


def locate(
    classifier: Any,
    photos: Any,
    *,
    method: str | None = None,
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    layer: Any = None,
    options: Mapping[str, Any] | None = None,
    fast: bool = False,
    zoom: int | None = None,
    threshold: float | None = None,
    components: Components = "largest",
    objects: int = 1,
    several: bool = False,
    min_support: float = SUPPORT,
    look_again: bool = True,
    overlap: float = 0.5,
    min_probability: float = 0.0,
    batch_size: int | None = None,
    progress: Progress = no_progress,
) -> Locations:
    """Draw boxes around what the network recognises.

    Nine overlapping tiles of each photo are explained, and their maps fused into a finer one. The
    heat of the five best classes is added up by their probability, and its largest part gives the
    box. Each box is cut from the original photo, at its own resolution, and classified again. With
    `objects`, what was found is erased, and the network looks again.

    Args:
        classifier: as for `seewhy.explain`; so are `photos`, `method`, `classes`, `layer`,
            `options`, `batch_size` and `progress`.
        top: boxes of each of the `top` best classes by itself; None: one box for what the best
            classes see together. More classes find more objects, and more boxes without one.
        fast: one forward pass over the whole photo, for its best class, instead of ten.
        zoom: of the tiles, see `seewhy.explain`; 2 unless given, 1 with `fast`.
        threshold: share of a heatmap's maximum above which it belongs to the object; None: the
            one that was best on photos with boxes, 0.25 (0.2 on the whole photo).
        components: box the 'largest' connected component, or 'all' of them.
        objects: how often to look for an object, at most: each time the box that was found is
            painted in the photo's mean colour, and the photo is explained again.
        several: look for several objects: tiles of two scales are explained for the best classes
            of the photo and of every tile, and boxes on which their maps agree, and in which the
            network sees the same, are kept. Up to 95 forward passes of a photo.
        min_support: with `several`, the least support of a box; a lower one gives more boxes, and
            more wrong ones. 1 is a box that every map of a class draws, of the whole photo.
        look_again: label each box by classifying its content; otherwise by the heatmap's class.
        overlap: intersection over union above which only the likelier of two boxes is kept.
        min_probability: boxes with a lower probability are left out.

    Returns:
        The boxes of each photo, the likeliest first, to be drawn or written as JSON, COCO or VOC.

    Raises:
        OptionError: threshold, components, objects, overlap, zoom, min_probability or min_support
            is out of range, or `several` meets an option of the search for one object.
        UnknownMethod, UnknownLayer, UnknownClass, PhotoError, TargetError, LayerError,
        NotACamNetwork, NotFinite: as `seewhy.explain`.

    Source:
        Zhou et al., *Learning Deep Features for Discriminative Localization*, CVPR 2016, section
        3.2 (arXiv:1512.04150), for threshold and component. Differs from the paper: tiles, the
        heat of several classes, the second classification of each box, erasing, and merging.
    """
    classifier = as_classifier(classifier)
    search = Search(
        method=method,
        top=top,
        classes=classes,
        layer=layer,
        options=options or {},
        fast=fast,
        zoom=zoom,
        threshold=threshold,
        components=components,
        objects=objects,
        several=several,
        min_support=min_support,
        look_again=look_again,
        overlap=overlap,
        min_probability=min_probability,
        batch_size=batch_size,
    )
    explanation = explain(classifier, photos, progress=progress, **search.question())
    return locate_in(classifier, explanation, search)


def locate_in(classifier: Classifier, explanation: Explanation, search: Search) -> Locations:
    """Draw boxes from heatmaps that exist already, those of the search's question."""
    if search.several:
        return _locate_several(classifier, explanation, search)
    if search.mixes_classes:
        explanation = mix_classes(explanation)
    photos = explanation.photos
    found = _proposed(explanation, search)
    looked = found
    for _ in range(1, search.objects):
        places = [place for place, boxes in enumerate(looked) if boxes]
        if not places:
            break
        erased = [erase(photos[place], [one.box for one in found[place]]) for place in places]
        again = explain(classifier, erased, **search.question())
        again = mix_classes(again) if search.mixes_classes else again
        looked = [[] for _ in photos]
        for place, boxes in zip(places, _proposed(again, search), strict=True):
            looked[place] = boxes
            found[place] = [*found[place], *boxes]
    if search.look_again:
        found = _look_again(classifier, explanation, found, search)
        if search.mixes_classes:
            found, explanation = _reconsider(classifier, explanation, found, search)
    return Locations(
        photos=photos,
        found=tuple(_merged(boxes, search.overlap, search.min_probability) for boxes in found),
        model=explanation.model,
        method=explanation.method,
        threshold=search.share,
        explanation=explanation,
    )


def _locate_several(classifier: Classifier, explanation: Explanation, search: Search) -> Locations:
    """Box several objects of each photo: those that classes and scales agree on."""
    found, heat = [], []
    for place, photo in enumerate(explanation.photos):
        candidates = find_candidates(classifier, explanation, place, search)
        found.append(_supported(classifier, photo, candidates, search))
        heat.append(candidates.heat)
    shown = replace(
        explanation,
        maps=np.concatenate([one.maps for one in heat]),
        targets=tuple(row[:1] for row in explanation.targets),
        placements=tuple(one.placements[0] for one in heat),
        extras=(),
        shown=(),
    )
    return Locations(
        photos=explanation.photos,
        found=tuple(found),
        model=explanation.model,
        method=explanation.method,
        threshold=search.min_support,
        explanation=shown,
    )


def _supported(
    classifier: Classifier, photo: Photo, candidates: Candidates, search: Search
) -> tuple[Location, ...]:
    """Look into the candidates, and keep those with enough support, the best first."""
    if not len(candidates.boxes):
        return ()
    scores = _scores_of_crops(classifier, photo, candidates.boxes, search)
    likely = classifier.probabilities(scores)
    indices = np.array([one.index for one in candidates.targets], np.int64)
    support, class_of = supports(candidates, likely[:, indices], photo.pixels.shape[:2])
    kept = merge_overlaps(candidates.boxes, support, overlap=search.overlap)
    found = []
    for one, seen in zip(kept, _best_class(classifier, scores[kept]), strict=True):
        if support[one] >= search.min_support and seen.probability >= search.min_probability:
            x0, y0, x1, y1 = candidates.boxes[one].tolist()
            found.append(
                Location(
                    box=(x0, y0, x1, y1),
                    seen=seen,
                    proposed_by=candidates.targets[class_of[one]],
                    confirmed=float(likely[one, indices[class_of[one]]]),
                    support=float(support[one]),
                )
            )
    return tuple(found)


def _scores_of_crops(
    classifier: Classifier, photo: Photo, boxes: Int[ndarray, "m 4"], search: Search
) -> Float[ndarray, "m k"]:
    """Return the scores of what is in each box."""
    at_once = search.batch_size or CROPS_AT_ONCE
    scores = []
    for start in range(0, len(boxes), at_once):
        crops = [crop(photo, tuple(box)) for box in boxes[start : start + at_once].tolist()]
        images, _ = classifier.prepare(crops)
        scores.append(classifier.network.scores(images))
    return np.concatenate(scores)


def _proposed(explanation: Explanation, search: Search) -> list[list[Location]]:
    """Return the boxes of the heat of each photo."""
    found: list[list[Location]] = []
    for photo, targets in enumerate(explanation.targets):
        proposed = []
        for index, target in enumerate(targets):
            heatmap = explanation.heatmap(photo, index)
            for box in heatmap_boxes(heatmap, threshold=search.share, components=search.components):
                x0, y0, x1, y1 = box.tolist()
                proposed.append(Location(box=(x0, y0, x1, y1), seen=target, proposed_by=target))
        found.append(proposed)
    return found


def erase(photo: Photo, boxes: Sequence[tuple[int, int, int, int]]) -> Photo:
    """Return the photo with the boxes painted in its mean colour."""
    pixels = photo.pixels.copy()
    colour = photo.pixels.mean(axis=(0, 1)).round()
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = colour
    return Photo(pixels, name=photo.name, path=photo.path)


def _look_again(
    classifier: Classifier,
    explanation: Explanation,
    found: list[list[Location]],
    search: Search,
) -> list[list[Location]]:
    """Cut every box out of its photo and classify it."""
    places = [(photo, one) for photo, boxes in enumerate(found) for one in boxes]
    looked: list[list[Location]] = [[] for _ in found]
    at_once = search.batch_size or CROPS_AT_ONCE
    for start in range(0, len(places), at_once):
        batch = places[start : start + at_once]
        crops = [crop(explanation.photos[photo], one.box) for photo, one in batch]
        images, _ = classifier.prepare(crops)
        scores = classifier.network.scores(images)
        best, likely = _best_class(classifier, scores), classifier.probabilities(scores)
        for (photo, one), seen, shares in zip(batch, best, likely, strict=True):
            index = one.proposed_by.index
            confirmed = None if index is None else float(shares[index])
            looked[photo].append(replace(one, seen=seen, confirmed=confirmed))
    return looked


def _fall(one: Location) -> float:
    """Return how much less probable the heatmap's class is in the box than in the photo."""
    return 0.0 if one.confirmed is None else one.proposed_by.probability - one.confirmed


def _reconsider(
    classifier: Classifier,
    explanation: Explanation,
    found: list[list[Location]],
    search: Search,
) -> tuple[list[list[Location]], Explanation]:
    """Take the box of the whole photo where the network no longer sees its class in the tiles'.

    A tile of a close-up is a patch of fur, and its box may hold no more of the animal than that.
    """
    doubted = [place for place, boxes in enumerate(found) if boxes and _fall(boxes[0]) > DOUBT]
    if not doubted:
        return found, explanation
    photos = [explanation.photos[place] for place in doubted]
    whole_search = replace(search, fast=True, zoom=1, threshold=None, objects=1)
    whole = explain(classifier, photos, **whole_search.question())
    others = _look_again(classifier, whole, _proposed(whole, whole_search), search)
    found, maps = list(found), explanation.maps.copy()
    for place, boxes, heat in zip(doubted, others, whole.maps, strict=True):
        if boxes and _fall(boxes[0]) < _fall(found[place][0]):
            found[place] = boxes
            maps[place] = resize_map(heat, maps.shape[2:])
    return found, replace(explanation, maps=maps)


def crop(photo: Photo, box: tuple[int, int, int, int]) -> Photo:
    """Cut a box out of a photo."""
    x0, y0, x1, y1 = box
    return Photo(photo.pixels[y0:y1, x0:x1], name=f"{photo.name} {list(box)}", path=photo.path)


def _best_class(classifier: Classifier, scores: Float[ndarray, "m k"]) -> list[Prediction]:
    probabilities = classifier.probabilities(scores)
    return [
        Prediction(
            label=classifier.label(index),
            index=index,
            probability=float(probabilities[row, index]),
            score=float(scores[row, index]),
        )
        for row, index in enumerate(scores.argmax(axis=1).tolist())
    ]


def _merged(boxes: list[Location], overlap: float, min_probability: float) -> tuple[Location, ...]:
    """Keep the likeliest of overlapping boxes; those without a probability count as 0."""
    likely = np.nan_to_num(np.array([one.seen.probability for one in boxes], np.float64), nan=0.0)
    edges = np.array([one.box for one in boxes], np.int64).reshape(-1, 4)
    kept = merge_overlaps(edges, likely, overlap=overlap)
    return tuple(boxes[index] for index in kept if likely[index] >= min_probability)
