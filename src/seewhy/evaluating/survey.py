"""An evaluation on its way: every photo once, then what needs all of them.

Axes: g cells along a side, h w rows and columns of the network's input, H W of a photo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from seewhy.boxes import Boxes
from seewhy.evaluating.baselines import (
    BASELINES,
    MEAN_BOX,
    baseline_maps,
    generator_of,
    mean_box,
    photo_key,
)
from seewhy.evaluating.faithfulness import CELLS, cell_means
from seewhy.evaluating.measurements import Measurement, Measurements
from seewhy.evaluating.measuring import OCCLUSION, MeasuredMap, Study, Subject, measure_rows
from seewhy.evaluating.mosaics import choose_mosaics, heat_in_quadrant, mosaic_pixels
from seewhy.explaining.result import Explanation
from seewhy.maps import resize_map
from seewhy.photos.batches import PhotoBatch, finite_answers, photos_in_batches
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.progress import Progress

BoxesOf = Callable[[Photo, int], Boxes]
"""The boxes of a photo, by the photo and its place."""

MaskOf = Callable[[Photo], Bool[ndarray, "_H _W"] | None]

_Class = tuple[int, int | None, float, bool]
"""The measured class, its runner-up, its probability, and whether it is the best one."""


@dataclass(eq=False)
class Survey:
    """An evaluation on its way.

    The fitted pixels of every photo stay in memory (150 KB of a photo of 224 × 224): the mean box
    and the mosaics need all photos.

    Attributes:
        study: what is asked of every photo.
        rows: the names of methods, then those of baselines.
        classes: of each photo, the class that was named; None: its best one.
        boxes, masks: where the objects of a photo are; None without boxes.
        records: what is measured.
        progress: called with (done, total) maps.
        subjects: the photos that were measured.
        failed: the others.
        mosaics: by key, their four photos.
        all_boxes: a checksum of the boxes of all photos, as JSON.
        done: maps that are measured.
    """

    study: Study
    rows: Sequence[str]
    classes: Sequence[int | None]
    boxes: BoxesOf | None
    masks: MaskOf | None
    records: Measurements
    progress: Progress
    subjects: list[Subject] = field(default_factory=list)
    failed: list[PhotoFailure] = field(default_factory=list)
    mosaics: dict[str, list[Subject]] = field(default_factory=dict)
    all_boxes: str = ""
    done: int = 0

    @property
    def total(self) -> int:
        """Maps to measure, with as many mosaics as there may be."""
        mosaics = len(self.classes) // 4 if "mosaics" in self.study.groups else 0
        return (len(self.classes) + mosaics) * len(self.rows)

    def run(self, sources: Sequence[Any]) -> None:
        """Measure every photo as it is read, then the mean box and the mosaics."""
        for batch in photos_in_batches(sources, self.study.classifier.fit, 1):
            for failure in batch.failures.values():
                self.fail(failure)
            for _, subject in finite_answers(batch, self._measure):
                if isinstance(subject, PhotoFailure):
                    self.fail(subject)
                else:
                    self.subjects.append(subject)
        content = json.dumps(
            {
                subject.key: [subject.boxes.tolist(), subject.size]
                for subject in sorted(self.subjects, key=lambda subject: subject.key)
                if subject.boxes is not None
            }
        )
        self.all_boxes = json.dumps({"boxes": f"{crc32(content.encode()):08x}"})
        if MEAN_BOX in self.rows:
            self.measure_mean_box()
        if "mosaics" in self.study.groups:
            self.measure_mosaics()
        self.progress(self.total, self.total)

    def fail(self, failure: PhotoFailure) -> None:
        """Keep a photo that cannot be measured."""
        self.failed.append(failure)
        self.advance(len(self.rows))

    def advance(self, maps: int) -> None:
        """Count maps that are measured."""
        self.done += maps
        self.progress(self.done, self.total)

    def settings(self, name: str) -> str:
        """Return what a row's records depend on, as JSON: the mean box, on all photos' boxes."""
        return self.all_boxes if name == MEAN_BOX else self.study.settings(name)

    def left(self, stage: str, key: str, names: Sequence[str]) -> list[str]:
        """Return the rows that are not measured yet."""
        return [
            name
            for name in names
            if self.records.get(stage, key, name, self.settings(name)) is None
        ]

    def _measure(self, batch: PhotoBatch) -> Subject:
        """Explain a photo once, for its class and the runner-up, and measure all rows on it."""
        (photo,), (place,) = batch.photos, batch.places
        (pixels,), _ = self.study.classifier.fit_photos([photo])
        named = self.classes[place]
        objects = self._objects(photo, place)
        key = photo_key(photo.name, pixels) + ("" if named is None else f" class {named}")
        if "boxes" in self.study.groups:
            key += _objects_key(*objects)
        names = [name for name in self.rows if name != MEAN_BOX]
        left = self.left("photo", key, names)
        methods = [name for name in left if name not in BASELINES]
        cells = self.reference(key)
        needs_cells = "occlusion" in self.study.groups and cells is None
        asked = [*methods, *([OCCLUSION] if needs_cells and OCCLUSION not in methods else [])]
        known = self.records.get("class", key, "", "{}")
        if known is None and (named is not None or not asked):
            known = self._keep_class(key, self._class_by_scores(pixels, named))
        explained = (
            self.study.explain(photo, asked, top=2)
            if known is None
            else self.study.explain(photo, asked, classes=_pair(known))
        )
        if known is None:
            best = next(iter(explained.values())).predictions[0]
            rival = best[1].index if len(best) > 1 else None
            target = 0 if best[0].index is None else best[0].index
            known = self._keep_class(key, (target, rival, best[0].probability, True))
        subject = self._subject(photo, key, pixels, known, objects)
        if needs_cells:
            cells = cell_means(explained[OCCLUSION].maps[0, 0])
            settings = self.study.settings(OCCLUSION)
            self.records.add(
                "reference",
                key,
                OCCLUSION,
                Measurement({}, {"cells": cells.ravel().tolist()}, options=settings),
            )
        rows = self._of_methods(photo, subject, {name: explained[name] for name in methods})
        rows |= self._of_baselines(photo, subject, [name for name in left if name in BASELINES])
        self.keep(subject, measure_rows(self.study, subject, rows, cells))
        self.advance(len(names))
        return subject

    def _class_by_scores(self, pixels: UInt8[ndarray, "h w 3"], named: int | None) -> _Class:
        """Return the class that was named, or the best one, and the most probable other one."""
        classifier = self.study.classifier
        scores = classifier.network.scores(classifier.to_input(pixels[None]))
        order = np.argsort(-scores[0], kind="stable").tolist()
        target = order[0] if named is None else named
        rival = next((index for index in order if index != target), None)
        probability = float(classifier.probabilities(scores)[0, target])
        return target, rival, probability, target == order[0]

    def _keep_class(self, key: str, photo_class: _Class) -> Measurement:
        target, rival, probability, is_best = photo_class
        values = {
            "target": target,
            "rival": rival,
            "probability": probability if np.isfinite(probability) else None,
            "is_best": float(is_best),
        }
        record = Measurement(values)
        self.records.add("class", key, "", record)
        return record

    def _objects(
        self, photo: Photo, place: int
    ) -> tuple[Boxes | None, Bool[ndarray, "H W"] | None]:
        """Return where the objects of a photo are: boxes, and a mask if there is one."""
        if self.boxes is None:
            return None, None
        boxes = _boxes(self.boxes(photo, place))
        if "boxes" not in self.study.groups or self.masks is None:
            return boxes, None
        return boxes, self.masks(photo)

    def _subject(
        self,
        photo: Photo,
        key: str,
        pixels: UInt8[ndarray, "h w 3"],
        known: Measurement,
        objects: tuple[Boxes | None, Bool[ndarray, "H W"] | None],
    ) -> Subject:
        (target, *rival), probability = _pair(known), known.values["probability"]
        return Subject(
            name=photo.name,
            key=key,
            size=(photo.pixels.shape[0], photo.pixels.shape[1]),
            target=target,
            rival=rival[0] if rival else None,
            probability=float("nan") if probability is None else probability,
            is_best=bool(known.values["is_best"]),
            boxes=objects[0],
            mask=objects[1],
            pixels=pixels,
        )

    def _of_methods(
        self, photo: Photo, subject: Subject, explained: Mapping[str, Explanation]
    ) -> dict[str, MeasuredMap]:
        """Return the maps of methods, and those of copies of the network."""
        copies = {
            stop: self.study.explain(
                photo, list(explained), classifier=copy, classes=[subject.target]
            )
            for stop, copy in self.study.copies
        }
        return {
            name: MeasuredMap(
                maps=explanation.maps[0],
                heat=explanation.heatmap(0, 0) if "boxes" in self.study.groups else None,
                copies={
                    stop: explanations[name].maps[0, 0] for stop, explanations in copies.items()
                },
            )
            for name, explanation in explained.items()
        }

    def _of_baselines(
        self, photo: Photo, subject: Subject, names: Sequence[str]
    ) -> dict[str, MeasuredMap]:
        """Return the maps of baselines, as the network sees the photo and at the photo's size."""
        random = generator_of(photo_key(subject.name, subject.pixels))
        drawn = baseline_maps(subject.pixels, names, generator=random)
        heat = baseline_maps(photo.pixels, names, generator=random)
        return {name: self._unchanging(heatmap, heat[name]) for name, heatmap in drawn.items()}

    def _unchanging(
        self, heatmap: Float[ndarray, "h w"], heat: Float[ndarray, "H W"]
    ) -> MeasuredMap:
        """Return a map that no copy of the network changes."""
        return MeasuredMap(
            maps=heatmap[None],
            heat=heat if "boxes" in self.study.groups else None,
            copies={stop: heatmap for stop, _ in self.study.copies},
        )

    def keep(self, subject: Subject, records: Mapping[str, Measurement]) -> None:
        """Keep what was measured of a photo."""
        for name, record in records.items():
            kept = replace(record, options=self.settings(name))
            self.records.add("photo", subject.key, name, kept)

    def reference(self, key: str) -> Float[ndarray, "g g"] | None:
        """Return exact occlusion's cells; None if they are not there, or not wanted."""
        if "occlusion" not in self.study.groups:
            return None
        record = self.records.get("reference", key, OCCLUSION, self.study.settings(OCCLUSION))
        return None if record is None else np.reshape(record.curves["cells"], (CELLS, CELLS))

    def prior(self, key: str | None = None) -> Float[ndarray, "g g"]:
        """Return the mean box of all photos, or of the others than one."""
        return mean_box(
            [
                (subject.boxes, subject.size)
                for subject in self.subjects
                if subject.boxes is not None and subject.key != key
            ]
        )

    def measure_mean_box(self) -> None:
        """Measure the mean box of the other photos on every photo."""
        for subject in self.subjects:
            if self.left("photo", subject.key, [MEAN_BOX]):
                prior = self.prior(subject.key)
                height, width = subject.pixels.shape[:2]
                row = self._unchanging(
                    resize_map(prior, (height, width)), resize_map(prior, subject.size)
                )
                self.keep(
                    subject,
                    measure_rows(self.study, subject, {MEAN_BOX: row}, self.reference(subject.key)),
                )
            self.advance(1)

    def measure_mosaics(self) -> None:
        """Measure mosaics of four photos whose class the network is sure of."""
        sure = [subject for subject in self.subjects if subject.is_best]
        for mosaic in choose_mosaics([x.target for x in sure], [x.probability for x in sure]):
            four = [sure[place] for place in mosaic.photos]
            key = " | ".join(subject.key for subject in four)
            self.mosaics[key] = four
            wanted = self.left("mosaic", key, self.rows)
            if wanted:
                for name, values in self._shares(key, four, mosaic.unique, wanted).items():
                    self.records.add(
                        "mosaic", key, name, Measurement(values, options=self.settings(name))
                    )
            self.advance(len(self.rows))

    def _shares(
        self, key: str, four: Sequence[Subject], quadrants: Sequence[int], wanted: Sequence[str]
    ) -> dict[str, dict[str, float | None]]:
        """Return by method and photo the share of heat in the right quadrant."""
        whole = mosaic_pixels(np.stack([subject.pixels for subject in four]))
        methods = [name for name in wanted if name not in BASELINES]
        classes = [subject.target for subject in four]
        explained = self.study.explain(self.study.fitted(whole, "mosaic"), methods, classes=classes)
        drawn = baseline_maps(
            whole,
            [name for name in wanted if name in BASELINES],
            generator=generator_of(key),
            prior=self.prior(),
        )
        shares: dict[str, dict[str, float | None]] = {name: {} for name in wanted}
        for name in wanted:
            for quadrant in quadrants:
                if name in BASELINES:
                    heat = drawn[name]
                else:
                    count = explained[name].maps.shape[1]  # 1 where no class is explained
                    heat = explained[name].heatmap(0, min(quadrant, count - 1))
                share = heat_in_quadrant(heat, quadrant)
                shares[name][four[quadrant].key] = share if np.isfinite(share) else None
        return shares


def _pair(known: Measurement) -> list[int]:
    """Return the class of a photo, and its runner-up if there is one."""
    pair = (known.values["target"], known.values["rival"])
    return [int(index) for index in pair if index is not None]


def _objects_key(boxes: Boxes | None, mask: Bool[ndarray, "H W"] | None) -> str:
    """Return what tells the objects of a photo from others, which its measures depend on."""
    parts = [
        b"" if array is None else np.ascontiguousarray(array).tobytes() for array in (boxes, mask)
    ]
    return f" objects {crc32(b''.join(parts)):08x}"


def _boxes(boxes: Boxes) -> Boxes:
    return np.asarray(boxes, np.float64).reshape(-1, 4)
