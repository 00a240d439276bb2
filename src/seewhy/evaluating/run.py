"""An evaluation on its way: every photo, then every mosaic, with what is measured already left out.

Axes: H row and W column of a photo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from seewhy.boxes import Boxes
from seewhy.errors import NotFinite
from seewhy.evaluating.baselines import (
    BASELINES,
    MEAN_BOX,
    baseline_maps,
    generator_of,
    mean_box,
)
from seewhy.evaluating.costs import Cost, evaluation_cost
from seewhy.evaluating.faithfulness import CELLS
from seewhy.evaluating.looking import photos_ahead
from seewhy.evaluating.measuring import (
    OCCLUSION,
    Look,
    Objects,
    Study,
    measure_photo,
    objects_of,
    occlusion_cells,
)
from seewhy.evaluating.mosaics import (
    Mosaic,
    choose_mosaics,
    heat_in_quadrant,
    mosaic_pixels,
)
from seewhy.evaluating.records import Record, Records
from seewhy.explaining.question import layer_names
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.progress import Progress

MaskOf = Callable[[Photo], Bool[ndarray, "_H _W"] | None]

Truths = dict[str, tuple[Boxes, tuple[int, int]]]
"""By a photo's key: its boxes and size."""


@dataclass(eq=False)
class Run:
    """An evaluation on its way: photos that fail leave `looks`."""

    study: Study
    rows: list[str]
    looks: list[Look]
    truths: Truths
    masks: MaskOf | None
    progress: Progress
    done: int = 0

    def __post_init__(self) -> None:
        self.mosaics: list[Mosaic] = []
        if "mosaics" in self.study.groups:
            fit = [one for one in self.looks if one.is_best]
            places = [place for place, one in enumerate(self.looks) if one.is_best]
            self.mosaics = [
                Mosaic(_four(places, one.photos), one.unique)
                for one in choose_mosaics([x.target for x in fit], [x.probability for x in fit])
            ]
        self.total = (len(self.looks) + len(self.mosaics)) * len(self.rows)
        self.mosaic_looks = [[self.looks[place] for place in one.photos] for one in self.mosaics]

    def cost(self) -> Cost:
        """Estimate the cost, as if nothing was measured before."""
        methods = [name for name in self.rows if name not in BASELINES]
        classifier = self.study.classifier
        return evaluation_cost(
            classifier,
            methods,
            photos=len(self.looks),
            groups=self.study.groups if self.mosaics else self.study.groups - {"mosaics"},
            steps=self.study.steps,
            baselines=len(self.rows) - len(methods),
            layer=layer_names(classifier, self.study.layer)[0],
            options=self.study.options,
        )

    def settings(self, name: str) -> str:
        """Return what a row's records depend on, as JSON: the mean box, on all photos' boxes."""
        if name != MEAN_BOX:
            return self.study.settings(name)
        told = {key: [boxes.tolist(), size] for key, (boxes, size) in sorted(self.truths.items())}
        return json.dumps({"boxes": f"{crc32(json.dumps(told).encode()):08x}"})

    def left(self, stage: str, key: str, records: Records) -> list[str]:
        """Return the rows that are not measured yet."""
        return [
            name for name in self.rows if records.get(stage, key, name, self.settings(name)) is None
        ]

    def advance(self, maps: int) -> None:
        """Count maps that are measured."""
        self.done += maps
        self.progress(self.done, self.total)

    def measure_photos(self, records: Records) -> list[PhotoFailure]:
        """Measure every photo, and return those that failed."""
        failed: list[PhotoFailure] = []
        wanted = {one.key: self.left("photo", one.key, records) for one in self.looks}
        todo = [one for one in self.looks if wanted[one.key]]
        self.advance(sum(len(self.rows) - len(rows) for rows in wanted.values()))
        photos = photos_ahead([one.source for one in todo], self.study.classifier.fit)
        for look, photo in zip(todo, photos, strict=True):
            if isinstance(photo, PhotoFailure):  # it was there at the first look
                failed.append(photo)
                self.looks.remove(look)
                continue
            try:
                found = measure_photo(
                    self.study,
                    photo,
                    look,
                    wanted[look.key],
                    reference=self.reference(photo, look, records),
                    objects=self.objects(photo, look),
                    prior=self.prior(look.key),
                )
            except NotFinite as error:
                failed.append(PhotoFailure(look.name, str(error)))
                self.looks.remove(look)
                continue
            for name, record in found.items():
                kept = replace(record, options=self.settings(name))
                records.add("photo", look.key, name, kept)
            self.advance(len(found))
        return failed

    def reference(self, photo: Photo, look: Look, records: Records) -> ndarray | None:
        """Return exact occlusion's cells, which are kept too; None if they are not wanted."""
        if "occlusion" not in self.study.groups:
            return None
        settings = self.study.settings(OCCLUSION)
        record = records.get("reference", look.key, OCCLUSION, settings)
        if record is None:
            cells = occlusion_cells(self.study, photo, look)
            record = Record({}, {"cells": cells.ravel().tolist()}, options=settings)
            records.add("reference", look.key, OCCLUSION, record)
        return np.reshape(record.curves["cells"], (CELLS, CELLS))

    def objects(self, photo: Photo, look: Look) -> Objects | None:
        """Return where the objects of a photo are; None without boxes."""
        if "boxes" not in self.study.groups:
            return None
        mask = None if self.masks is None else self.masks(photo)
        return objects_of(photo, self.truths[look.key][0], mask)

    def prior(self, key: str | None = None) -> ndarray | None:
        """Return the mean box of the other photos."""
        others = [truth for other, truth in self.truths.items() if other != key]
        return mean_box(others) if self.truths else None

    def measure_mosaics(self, records: Records) -> None:
        """Measure every mosaic."""
        for mosaic, looks in zip(self.mosaics, self.mosaic_looks, strict=True):
            key = mosaic_key(looks)
            wanted = self.left("mosaic", key, records)
            self.advance(len(self.rows) - len(wanted))
            if not wanted:
                continue
            sources = [one.source for one in looks]
            photos = list(photos_ahead(sources, self.study.classifier.fit))
            there = [one for one in photos if isinstance(one, Photo)]
            if len(there) < 4:
                continue  # a photo that failed is listed already
            pixels, _ = self.study.classifier.fit_photos(there)
            found = self.shares(key, pixels, looks, mosaic.unique, wanted)
            for name, values in found.items():
                record = Record(values, options=self.settings(name))
                records.add("mosaic", key, name, record)
            self.advance(len(wanted))

    def shares(
        self,
        key: str,
        pixels: ndarray,
        looks: Sequence[Look],
        quadrants: Sequence[int],
        wanted: Sequence[str],
    ) -> dict[str, dict[str, float | None]]:
        """Return by method and photo the share of heat in the right quadrant."""
        study = self.study
        whole = mosaic_pixels(pixels)
        classes = [one.target for one in looks]
        methods = [name for name in wanted if name not in BASELINES]
        explained = study.explain(study.fitted(whole, "mosaic"), methods, classes)
        drawings = baseline_maps(
            whole,
            [name for name in wanted if name in BASELINES],
            generator=generator_of(key),
            prior=self.prior(),
        )
        found: dict[str, dict[str, float | None]] = {}
        for name in wanted:
            found[name] = {}
            for quadrant in quadrants:
                if name in BASELINES:
                    heat = drawings[name]
                else:
                    count = explained[name].maps.shape[1]  # 1 where no class is explained
                    heat = explained[name].heatmap(0, min(quadrant, count - 1))
                share = heat_in_quadrant(heat, quadrant)
                found[name][looks[quadrant].key] = share if np.isfinite(share) else None
        return found


def mosaic_key(looks: Sequence[Look]) -> str:
    """Return the key of the records of a mosaic."""
    return " | ".join(one.key for one in looks)


def _four(places: Sequence[int], photos: Sequence[int]) -> tuple[int, int, int, int]:
    first, second, third, fourth = (places[index] for index in photos)
    return first, second, third, fourth
