"""Measure maps of one photo: what the removal of cells and random weights change, and the objects.

Axes: t target (0 the class, 1 its runner-up), h w rows and columns of the network's input, H W of
the photo, g cells along a side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from seewhy.boxes import Boxes
from seewhy.classifier import Classifier
from seewhy.evaluating.baselines import BASELINES
from seewhy.evaluating.curves import PhotoCurves
from seewhy.evaluating.localizing import (
    box_mask,
    box_overlaps,
    energy_lift,
    energy_share,
    pointing_game,
)
from seewhy.evaluating.measurements import Measurement
from seewhy.evaluating.sanity import agreement
from seewhy.explaining.answering import answer
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.methods import METHODS
from seewhy.photos.photo import Photo, Placement
from seewhy.ranks import rank_correlation

OCCLUSION = "occlusion"
"""The method that the others are compared with."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A photo and the class of it that is measured.

    Attributes:
        name: of the photo.
        key: its name, a checksum of its pixels, and its class if that was named.
        size: (height, width) of the photo.
        target: the measured class.
        rival: the most probable other class; None for a network of one class.
        probability: of the target.
        is_best: whether the target is the network's best class.
        boxes: (m, 4) of the objects; None without boxes.
        mask: (H, W) the pixels of the objects as a human drew them, if one did.
        pixels: fitted to the network.
    """

    name: str
    key: str
    size: tuple[int, int]
    target: int
    rival: int | None
    probability: float
    is_best: bool
    boxes: Boxes | None
    mask: Bool[ndarray, "H W"] | None
    pixels: UInt8[ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class MeasuredMap:
    """What is measured of a row: a method, or a baseline.

    Attributes:
        maps: (t, ...) raw, for the class, and where they differ for its runner-up.
        heat: (H, W) the class's heatmap at the photo's size; None without boxes.
        copies: the map of each copy of the network with random weights; a baseline's is its own.
    """

    maps: Float[ndarray, "t _h _w"]
    heat: Float[ndarray, "H W"] | None
    copies: Mapping[str, Float[ndarray, "_h _w"]]


@dataclass(frozen=True, eq=False)
class Study:
    """What is asked of every photo.

    Attributes:
        classifier: the network.
        request: methods with their options, layer, output, zoom, precision.
        groups: keys of `GROUPS`.
        removal_steps: of deletion and insertion.
        copies: ('head', ...) and ('weights', ...): copies of the network with random weights.
    """

    classifier: Classifier
    request: Request
    groups: frozenset[str]
    removal_steps: int
    copies: tuple[tuple[str, Classifier], ...] = ()

    def explain(
        self,
        photo: Photo,
        methods: Sequence[str],
        *,
        classifier: Classifier | None = None,
        top: int | None = None,
        classes: Sequence[int] | None = None,
    ) -> dict[str, Explanation]:
        """Explain a photo by some methods; by a copy of the network, if one is given."""
        if not methods:
            return {}
        request = replace(
            self.request,
            methods=tuple(methods),
            options={name: own for name, own in self.request.options.items() if name in methods},
            top=top,
            classes=None if classes is None else tuple(classes),
        )
        question = request.bind(classifier or self.classifier, 1)
        return answer(question, [photo])[0]

    def settings(self, method: str) -> str:
        """Return a method's options as JSON: what a record depends on."""
        if method in BASELINES:
            return "{}"
        settings = METHODS[method].settings(self.request.options.get(method, {}))
        return json.dumps(settings, sort_keys=True, default=str)

    def fitted(self, pixels: UInt8[ndarray, "h w 3"], name: str) -> Photo:
        """Return pixels that fit the network as a photo."""
        height, width = pixels.shape[:2]
        placement = Placement((0.0, 0.0, float(width), float(height)))
        return Photo(pixels, name, None, (self.classifier.fit, pixels, placement))


def measure_rows(
    study: Study,
    subject: Subject,
    rows: Mapping[str, MeasuredMap],
    reference: Float[ndarray, "g g"] | None = None,
) -> dict[str, Measurement]:
    """Measure methods and baselines on one photo.

    Args:
        study: what is measured.
        subject: the photo and its class.
        rows: the maps, by the name of the method or baseline.
        reference: what exact occlusion says of each cell, where the others are compared with it.

    Raises:
        NotFinite: the network returned NaN or infinity.
    """
    curves_of = None
    if "removal" in study.groups and rows:
        photo = study.fitted(subject.pixels, subject.name)
        curves_of = PhotoCurves.of(study.classifier, photo, subject.target)
    records = {}
    for name, row in rows.items():
        values: dict[str, float] = {}
        curves: dict[str, list[float]] = {}
        if curves_of is not None:
            values, curves = curves_of.measure(
                row.maps, study.removal_steps, study.request.batch_size
            )
        if reference is not None and name != OCCLUSION:
            values = values | {"agreement": agreement(row.maps[0], reference)}
        values = values | {
            stop: rank_correlation(row.maps[0], other) for stop, other in row.copies.items()
        }
        overlaps = None
        if row.heat is not None and subject.boxes is not None:
            values |= _on_objects(row.heat, subject)
            overlaps = box_overlaps(row.heat, subject.boxes).tolist()
        finite = {
            key: float(value) if np.isfinite(value) else None for key, value in values.items()
        }
        records[name] = Measurement(finite, curves, overlaps, study.settings(name))
    return records


def _on_objects(heatmap: Float[ndarray, "H W"], subject: Subject) -> dict[str, float]:
    """Measure a heatmap against where the objects are; an object without pixels tells nothing."""
    assert subject.boxes is not None
    mask = box_mask(subject.boxes, subject.size) if subject.mask is None else subject.mask
    if not mask.any():
        return {}
    if subject.mask is None:
        points = bool(pointing_game([heatmap], [subject.boxes])[0])
    else:
        heat = np.nan_to_num(heatmap, nan=0.0)
        points = bool(heat.max() > 0 and mask[np.unravel_index(heat.argmax(), heat.shape)])
    return {
        "energy": energy_share(heatmap, mask),
        "lift": energy_lift(heatmap, mask),
        "pointing": float(points),
    }
