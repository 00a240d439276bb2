"""Measure every method on one photo: what the removal of cells and random weights change.

Axes: t target (0 the class, 1 its runner-up), h w rows and columns of the network's input, H W of
the photo, c channel, m copy, s step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from seewhy.boxes import Boxes
from seewhy.classifier import Classifier
from seewhy.evaluating.baselines import BASELINES, baseline_maps, generator_of
from seewhy.evaluating.curves import PhotoCurves
from seewhy.evaluating.faithfulness import cell_means
from seewhy.evaluating.localizing import (
    box_mask,
    box_overlaps,
    energy_lift,
    energy_share,
    pointing_game,
)
from seewhy.evaluating.records import Record
from seewhy.evaluating.sanity import agreement
from seewhy.explaining.explain import compare
from seewhy.maps import rank_correlation
from seewhy.methods import METHODS
from seewhy.photos.photo import Photo, Placement

OCCLUSION = "occlusion"
"""The method that the others are compared with."""


@dataclass(frozen=True)
class Look:
    """What a first look tells of a photo.

    Attributes:
        source: where it is read from.
        name: of the photo.
        key: its name and a checksum of its pixels.
        size: (height, width) of the photo.
        target: the measured class.
        rival: the most probable other class; None if there is none.
        probability: of the target.
        is_best: whether the target is the network's best class.
    """

    source: Any
    name: str
    key: str
    size: tuple[int, int]
    target: int
    rival: int | None
    probability: float
    is_best: bool


@dataclass(frozen=True, eq=False)
class Objects:
    """Where the objects of a photo are.

    Attributes:
        boxes: (m, 4).
        mask: (H, W) the pixels of the objects: a human's, or those in the boxes.
        is_drawn: whether the mask is a human's.
    """

    boxes: Boxes
    mask: Bool[ndarray, "H W"]
    is_drawn: bool = False


@dataclass(frozen=True, eq=False)
class Study:
    """What is asked of every photo.

    Attributes:
        classifier: the network.
        layer: the explained layer; None: the classifier's own.
        options: by method, checked.
        groups: keys of `GROUPS`.
        steps: of deletion and insertion.
        batch_size: copies at a time.
        copies: ('head', ...) and ('weights', ...): copies of the network with random weights.
    """

    classifier: Classifier
    layer: Any
    options: Mapping[str, Mapping[str, Any]]
    groups: frozenset[str]
    steps: int
    batch_size: int | None
    copies: tuple[tuple[str, Classifier], ...] = ()

    def explain(
        self,
        photo: Photo,
        methods: Sequence[str],
        classes: Sequence[int],
        *,
        classifier: Classifier | None = None,
    ) -> dict[str, Any]:
        """Explain a photo by some methods; by a copy of the network, if one is given."""
        if not methods:
            return {}
        return compare(
            classifier or self.classifier,
            photo,
            methods=methods,
            classes=list(classes),
            layer=self.layer,
            options={name: one for name, one in self.options.items() if name in methods},
            batch_size=self.batch_size,
        )

    def settings(self, method: str) -> str:
        """Return a method's options as JSON: what a record depends on."""
        if method in BASELINES:
            return "{}"
        found = METHODS[method].settings(self.options.get(method, {}))
        return json.dumps(found, sort_keys=True, default=str)

    def fitted(self, pixels: UInt8[ndarray, "h w 3"], name: str) -> Photo:
        """Return pixels that fit the network as a photo."""
        height, width = pixels.shape[:2]
        placement = Placement((0.0, 0.0, float(width), float(height)))
        return Photo(pixels, name, None, (self.classifier.fit, pixels, placement))


def measure_photo(
    study: Study,
    photo: Photo,
    look: Look,
    wanted: Sequence[str],
    *,
    reference: Float[ndarray, "g g"] | None = None,
    objects: Objects | None = None,
    prior: Float[ndarray, "_g _g"] | None = None,
) -> dict[str, Record]:
    """Measure methods and baselines on one photo.

    Args:
        study: what is measured.
        photo: the photo.
        look: what the first look told.
        wanted: names of methods and baselines.
        reference: what exact occlusion says of each cell, where the others are compared with it.
        objects: where the objects are; None without boxes.
        prior: the mean box of the other photos.

    Raises:
        NotFinite: the network returned NaN or infinity.
    """
    methods = [name for name in wanted if name not in BASELINES]
    (pixels,), _ = study.classifier.fit_photos([photo])
    classes = [look.target] if look.rival is None else [look.target, look.rival]
    explained = study.explain(photo, methods, classes)
    maps = {name: explained[name].maps[0] for name in methods}
    heat = {name: explained[name].heatmap(0, 0) for name in methods} if objects else {}
    baselines = [name for name in wanted if name in BASELINES]
    random = generator_of(look.key)
    drawn = baseline_maps(pixels, baselines, generator=random, prior=prior)
    maps |= {name: one[None] for name, one in drawn.items()}
    if objects:
        heat |= baseline_maps(photo.pixels, baselines, generator=random, prior=prior)
    values: dict[str, dict[str, float]] = {name: {} for name in wanted}
    curves: dict[str, dict[str, list[float]]] = {name: {} for name in wanted}
    if "removal" in study.groups:
        photo_curves = PhotoCurves.of(study.classifier, photo, look.target)
        for name in wanted:
            found, curves[name] = photo_curves.measure(maps[name], study.steps, study.batch_size)
            values[name] |= found
    if reference is not None:
        for name in wanted:
            if name != OCCLUSION:
                values[name]["agreement"] = agreement(maps[name][0], reference)
    _randomize(study, photo, look, maps, values)
    overlaps: dict[str, list[float]] = {}
    if objects is not None:
        for name in wanted:
            values[name] |= _on_objects(heat[name], objects)
            overlaps[name] = box_overlaps(heat[name], objects.boxes).tolist()
    return {
        name: Record(
            {key: float(one) if np.isfinite(one) else None for key, one in values[name].items()},
            curves[name],
            overlaps.get(name),
            study.settings(name),
        )
        for name in wanted
    }


def occlusion_cells(study: Study, photo: Photo, look: Look) -> Float[ndarray, "g g"]:
    """Return how much the score falls, in the mean, where each cell is covered."""
    explained = study.explain(photo, [OCCLUSION], [look.target])
    return cell_means(explained[OCCLUSION].maps[0, 0])


def _randomize(
    study: Study,
    photo: Photo,
    look: Look,
    maps: Mapping[str, Float[ndarray, "t _h _w"]],
    values: Mapping[str, dict[str, float]],
) -> None:
    """Compare maps with those of copies of the network whose weights are random."""
    methods = [name for name in maps if name not in BASELINES]
    for stop, copy in study.copies:
        explained = study.explain(photo, methods, [look.target], classifier=copy)
        for name in maps:
            is_baseline = name in BASELINES  # its map stays as it is
            other = maps[name][0] if is_baseline else explained[name].maps[0, 0]
            values[name][stop] = rank_correlation(maps[name][0], other)


def _on_objects(heatmap: Float[ndarray, "H W"], objects: Objects) -> dict[str, float]:
    """Measure a heatmap against where the objects are; an object without pixels tells nothing."""
    if not objects.mask.any():
        return {}
    heat = np.nan_to_num(heatmap, nan=0.0)
    if objects.is_drawn:
        place = np.unravel_index(heat.argmax(), heat.shape)
        points = bool(heat.max() > 0 and objects.mask[place])
    else:
        points = bool(pointing_game([heatmap], [objects.boxes])[0])
    return {
        "energy": energy_share(heatmap, objects.mask),
        "lift": energy_lift(heatmap, objects.mask),
        "pointing": float(points),
    }


def objects_of(photo: Photo, boxes: Boxes, mask: Bool[ndarray, "H W"] | None = None) -> Objects:
    """Return where the objects of a photo are: in a human's mask if there is one, else in boxes."""
    size = (photo.pixels.shape[0], photo.pixels.shape[1])
    if mask is not None:
        return Objects(boxes, mask, is_drawn=True)
    return Objects(boxes, box_mask(boxes, size))
