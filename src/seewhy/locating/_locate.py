"""Boxes from heatmaps: localization by a network that was only trained to classify.

A box is [x0, y0, x1, y1] in pixels of the photo, half-open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np

from seewhy.boxes import Components, heatmap_boxes, merge_overlaps
from seewhy.classifier import Classifier
from seewhy.errors import NotFinite, PhotoError
from seewhy.explaining.answering import answer
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.keywords import RequestKeywords, parted
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.result import Explanation
from seewhy.explaining.stream import stream_request
from seewhy.locating.heat import mix_classes, otsu_share, weigh_middle
from seewhy.locating.looking import erase, look_again
from seewhy.locating.result import Location, Locations, join
from seewhy.locating.search import BoxSearch, Prior
from seewhy.locating.settings import SEARCH
from seewhy.photos.photo import PhotoFailure
from seewhy.photos.reading import Photo
from seewhy.progress import Progress, no_progress


class LocateKeywords(RequestKeywords, total=False):
    """The keywords of `locate`: those of `seewhy.explain`, and of the search."""

    fast: bool
    threshold: float | None
    prior: Prior | None
    components: Components
    objects: int
    look_again: bool
    overlap: float
    min_probability: float


@with_keywords(LocateKeywords, *SEARCH)
def locate(
    classifier: Any,
    photos: Any,
    *,
    progress: Progress = no_progress,
    **request: Unpack[LocateKeywords],
) -> Locations:
    """Draw boxes around what the network recognises.

    Nine overlapping tiles of each photo are explained, and their maps fused into a finer one. The
    heat of the five best classes is added up by their probability, and weighed by a Gaussian of the
    photo's middle; Otsu's threshold parts it, and its largest part gives the box. Each box is cut
    from the original photo, at its own resolution, and classified again. With `objects`, what was
    found is erased, and the network looks again.

    Args:
        classifier, photos: as for `seewhy.explain`. Photos are read ahead while the network runs.
        progress: called with (done, total) photos.
        request: as for `seewhy.explain`. With `top`, `classes` or a `target`, each of them gives
            boxes by itself; more classes find more objects, and more boxes without one. `zoom` is
            that of the tiles: 2 unless given, 1 with `fast`. And:
        fast: one forward pass over the whole photo, instead of ten.
        threshold: share of a heatmap's maximum above which it belongs to the object; None: Otsu's,
            of each heatmap.
        prior: "middle": heat counts more in the middle of the photo, where photographers put
            objects; "none"; None: the middle where one object is looked for.
        components: box the 'largest' connected component, or 'all' of them.
        objects: how often to look for an object, at most: each time the box that was found is
            painted in the photo's mean colour, and the photo is explained again.
        look_again: label each box by classifying its content; otherwise by the heatmap's class.
        overlap: intersection over union above which only the likelier of two boxes is kept.
        min_probability: boxes with a lower probability are left out.

    Returns:
        The boxes of each photo, the likeliest first, to be drawn or written as JSON, COCO or VOC.
        Photos that cannot be read or give NaN are in `failed`, and the others are looked at.

    Raises:
        OptionError: a setting is out of range.
        PhotoError, NotFinite: no photo could be looked at.
        UnknownMethod, UnknownLayer, UnknownClass, TargetError, LayerError, NotACamNetwork: as
        `seewhy.explain`.

    Source:
        Zhou et al., *Learning Deep Features for Discriminative Localization*, CVPR 2016, section
        3.2 (arXiv:1512.04150), for threshold and component. Differs from the paper: tiles, the
        heat of several classes, the prior, Otsu's threshold, the second classification of each box,
        erasing, and merging.
    """
    own, asked = parted(request, (row.name for row in SEARCH))
    search = BoxSearch(request=Request.single(**asked), **own)
    located, failed = [], []
    for item in located_photos(classifier, photos, search, progress=progress):
        if isinstance(item, PhotoFailure):
            failed.append(item)
        else:
            located.append(item)
    if not located:
        reason, kind = (failed[0].reason, failed[0].kind) if failed else ("No photo was given.", "")
        raise (NotFinite if kind == "not-finite" else PhotoError)(reason)
    return join(located, failed)


def located_photos(
    classifier: Any, photos: Any, search: BoxSearch, *, progress: Progress = no_progress
) -> Iterator[Locations | PhotoFailure]:
    """Yield the boxes of one photo after another, or why there are none, as `locate` finds them."""
    classifier = as_classifier(classifier)
    items = stream_request(search.question, classifier, photos, progress=progress)
    return (
        located
        for item in items
        for located in (
            [item]
            if isinstance(item, PhotoFailure)
            else _located(classifier, next(iter(item.values())), search)
        )
    )


def _located(
    classifier: Classifier, explanation: Explanation, search: BoxSearch
) -> Iterator[Locations | PhotoFailure]:
    """Yield the boxes of each photo of a batch; where the network returns NaN, one by one."""
    try:
        locations = _locations(classifier, explanation, search)
    except NotFinite as error:
        if len(explanation) == 1:
            yield PhotoFailure(explanation.photos[0].name, str(error), "not-finite")
            return
        for photo in range(len(explanation)):
            yield from _located(classifier, explanation.only(photo), search)
        return
    for photo in range(len(locations)):
        yield locations.only(photo)


def _locations(classifier: Classifier, explanation: Explanation, search: BoxSearch) -> Locations:
    """Draw boxes from heatmaps, those of the search's question."""
    explanation = _heat(explanation, search)
    photos = explanation.photos
    locations = _proposed(explanation, search)
    newest = locations
    for _ in range(1, search.objects):
        places = [place for place, boxes in enumerate(newest) if boxes]
        if not places:
            break
        erased = [
            erase(photos[place], [location.box for location in locations[place]])
            for place in places
        ]
        newest = [[] for _ in photos]
        proposed = _proposed(_heat(_explained(classifier, erased, search), search), search)
        for place, boxes in zip(places, proposed, strict=True):
            newest[place] = boxes
            locations[place] = [*locations[place], *boxes]
    if search.look_again:
        batch_size = search.request.batch_size
        locations = look_again(classifier, photos, locations, batch_size=batch_size)
    return Locations(
        photos=photos,
        found=tuple(_merged(boxes, search.overlap, search.min_probability) for boxes in locations),
        model=explanation.model,
        method=explanation.method,
        explanation=explanation,
    )


def _explained(classifier: Classifier, photos: list[Photo], search: BoxSearch) -> Explanation:
    """Explain photos that are in memory, as the search asks."""
    question = search.question.bind(classifier, len(photos))
    return next(iter(answer(question, photos)[0].values()))


def _heat(explanation: Explanation, search: BoxSearch) -> Explanation:
    """Return the heat that boxes are drawn from."""
    explanation = mix_classes(explanation) if search.mixes_classes else explanation
    return weigh_middle(explanation) if search.weighs_middle else explanation


def _proposed(explanation: Explanation, search: BoxSearch) -> list[list[Location]]:
    """Return the boxes of the heat of each photo."""
    proposed: list[list[Location]] = []
    for photo, targets in enumerate(explanation.targets):
        proposed.append([])
        for index, target in enumerate(targets):
            share = search.threshold
            share = otsu_share(explanation.maps[photo, index]) if share is None else share
            heatmap = explanation.heatmap(photo, index)
            for box in heatmap_boxes(heatmap, threshold=share, components=search.components):
                x0, y0, x1, y1 = box.tolist()
                location = Location((x0, y0, x1, y1), target, target, threshold=share)
                proposed[-1].append(location)
    return proposed


def _merged(boxes: list[Location], overlap: float, min_probability: float) -> tuple[Location, ...]:
    """Keep the likeliest of overlapping boxes; those without a probability count as 0."""
    likely = np.nan_to_num(
        np.array([location.seen.probability for location in boxes], np.float64), nan=0.0
    )
    edges = np.array([location.box for location in boxes], np.int64).reshape(-1, 4)
    kept = merge_overlaps(edges, likely, overlap=overlap)
    return tuple(boxes[index] for index in kept if likely[index] >= min_probability)
