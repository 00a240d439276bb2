"""What `locate` returns: boxes with labels, drawn on the photo, or as annotations.

A box is [x0, y0, x1, y1] in pixels of the photo, half-open.

Axes: H row and W column of a photo.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.classifier.familiarity import UNFAMILIAR
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.result import Explanation
from seewhy.files import UniqueStems, finite, write_whole
from seewhy.locating.annotations import AnnotatedPhoto, coco, coco_file, voc_file
from seewhy.photos.photo import PhotoFailure
from seewhy.photos.reading import Photo
from seewhy.rendering.boxes import draw_boxes
from seewhy.rendering.colours import overlay
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name

OF_PHOTOS = (
    "photos",
    "targets",
    "predictions",
    "placements",
    "extras",
    "familiarity",
    "shown",
)
"""The fields of an explanation that have an item for each photo."""

HEAT_OPACITY = 0.5
"""Opacity of the hottest place under the boxes; the bare photo shows where there is no heat."""


@dataclass(frozen=True)
class Location:
    """A box, and the class that the network sees in it.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the photo, half-open.
        seen: the class, by the second look into the box (by the heatmap's class without one).
        proposed_by: the class whose heatmap gave the box, as the whole photo was seen.
        confirmed: the probability that the second look gives to the class of the heatmap; None
            without a second look.
        threshold: the share of the heatmap's maximum at which the box was drawn.
    """

    box: tuple[int, int, int, int]
    seen: Prediction
    proposed_by: Prediction
    confirmed: float | None = None
    threshold: float = float("nan")

    @property
    def title(self) -> str:
        """The class in the box: 'dog 0.98'."""
        return _title(self.seen)

    @property
    def caption(self) -> str:
        """The box's caption: its class and, on a second line, the class of its heatmap."""
        if self.seen is self.proposed_by:
            return f"heat of {self.title}"
        return f"{self.title}\nheat of {_title(self.proposed_by)}"


@dataclass(frozen=True, eq=False, repr=False)
class Locations(Drawable):
    """The located objects of each photo.

    Attributes:
        photos: the n photos.
        found: for each photo its boxes, the likeliest first; empty if the heatmap was empty.
        model, method: the network and the method.
        explanation: the heatmaps that gave the boxes; None: pictures show no heat.
        failed: photos that could not be read, or gave NaN.
    """

    photos: tuple[Photo, ...]
    found: tuple[tuple[Location, ...], ...]
    model: str
    method: str
    explanation: Explanation | None = None
    failed: tuple[PhotoFailure, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def only(self, photo: int) -> Locations:
        """Return the boxes of one photo alone."""
        part = slice(photo, photo + 1)
        explanation = None if self.explanation is None else self.explanation.only(photo)
        return replace(
            self, photos=self.photos[part], found=self.found[part], explanation=explanation
        )

    def pictures(self, *, heat: bool = True) -> list[UInt8[ndarray, "H W 3"]]:
        """Draw the boxes on each photo, at its own size, over the heat that gave them.

        Args:
            heat: False draws the boxes on the bare photo.
        """
        return [self._picture(photo, heat=heat) for photo in range(len(self))]

    def _picture(self, photo: int, *, heat: bool) -> UInt8[ndarray, "H W 3"]:
        pixels, boxes = self.photos[photo].pixels, self.found[photo]
        if heat and self.explanation is not None:
            largest = _largest_heat(self.explanation, photo)
            pixels = overlay(pixels, largest, opacity=HEAT_OPACITY, heat_is_opacity=True)
        captions = [location.caption for location in boxes]
        if captions and not self.is_familiar(photo):
            captions[0] += f"\n({UNFAMILIAR})"
        return draw_boxes(pixels, [location.box for location in boxes], captions)

    def is_familiar(self, photo: int = 0) -> bool:
        """Return False if the photo is less like the training photos than 95 % of held-out ones."""
        return self.explanation is None or self.explanation.is_familiar(photo)

    def save(self, path: str | Path, *, heat: bool = True) -> list[Path]:
        """Write each photo with its boxes as PNG, JPEG or PDF, depending on the extension.

        Several photos are written to separate files: 'where.png' becomes 'where_cat.png'.

        Raises:
            OptionError: the extension is not .png, .jpg, .jpeg or .pdf.
            OutputError: a file cannot be written; no partial file remains.
        """
        path = Path(path)
        if len(self) == 1:
            return self._write([path], heat=heat)
        paths = [path.with_name(f"{path.stem}_{stem}{path.suffix}") for stem in self._stems()]
        return self._write(paths, heat=heat)

    def save_each(
        self, folder: str | Path, ending: str = ".png", *, heat: bool = True
    ) -> list[Path]:
        """Write each photo with its boxes into a folder, under the photo's name.

        Raises:
            OptionError: the extension is not .png, .jpg, .jpeg or .pdf.
            OutputError: a file cannot be written.
        """
        return self._write([Path(folder) / f"{stem}{ending}" for stem in self._stems()], heat=heat)

    def _write(self, paths: Sequence[Path], *, heat: bool) -> list[Path]:
        return [
            save_picture(self._picture(photo, heat=heat), path) for photo, path in enumerate(paths)
        ]

    def _stems(self) -> list[str]:
        stems = UniqueStems()
        return [stems.of(photo.name) for photo in self.photos]

    def as_dict(self) -> list[dict[str, Any]]:
        """Return the boxes of each photo, ready for JSON."""
        return [
            {
                "photo": str(photo.path or photo.name),
                "width": photo.pixels.shape[1],
                "height": photo.pixels.shape[0],
                "model": self.model,
                "method": self.method,
                "familiarity": self._familiarity(index),
                "boxes": [
                    {
                        "box": list(location.box),
                        **location.seen.as_dict(),
                        "proposed_by": location.proposed_by.as_dict(),
                        "confirmed": None
                        if location.confirmed is None
                        else finite(location.confirmed),
                        "threshold": finite(location.threshold),
                    }
                    for location in boxes
                ],
            }
            for index, (photo, boxes) in enumerate(zip(self.photos, self.found, strict=True))
        ]

    def _familiarity(self, photo: int) -> dict[str, Any] | None:
        known = self.explanation.familiarity if self.explanation is not None else ()
        return known[photo].as_dict() if known else None

    def as_json(self) -> str:
        """Return `as_dict` as JSON text."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def annotated(self) -> list[AnnotatedPhoto]:
        """Return names, sizes and boxes without the photos' pixels."""
        return [
            AnnotatedPhoto(
                photo.name,
                photo.pixels.shape[1],
                photo.pixels.shape[0],
                tuple((location.box, location.seen) for location in boxes),
            )
            for photo, boxes in zip(self.photos, self.found, strict=True)
        ]

    @property
    def description(self) -> str:
        """The origin of the boxes, for annotation files."""
        return f"{self.method} of {self.model}, by seewhy"

    def as_coco(self) -> dict[str, Any]:
        """Return the boxes as COCO's annotations for object detection."""
        return coco(self.annotated(), description=self.description)

    def save_coco(self, path: str | Path) -> Path:
        """Write `as_coco` as one JSON file.

        Raises:
            OutputError: the file cannot be written.
        """
        return write_whole(path, coco_file(self.annotated(), description=self.description))

    def save_voc(self, folder: str | Path) -> list[Path]:
        """Write one Pascal VOC annotation (XML) for each photo into a folder.

        Raises:
            OutputError: a file cannot be written.
        """
        folder = Path(folder)
        return [
            write_whole(folder / f"{stem}.xml", voc_file(annotated, folder=folder.name))
            for stem, annotated in zip(self._stems(), self.annotated(), strict=True)
        ]

    def _pages(self) -> list[UInt8[ndarray, "_ _ 3"]]:
        return list(self.pictures())

    def __repr__(self) -> str:
        rows = [
            f"{photo.name}: "
            + (
                ", ".join(f"{location.title} {list(location.box)}" for location in boxes)
                or "nothing found"
            )
            + ("" if self.is_familiar(index) else f" ({UNFAMILIAR})")
            for index, (photo, boxes) in enumerate(zip(self.photos, self.found, strict=True))
        ]
        model = short_name(self.model)
        return few_lines(f"Locations({self.method} of {model})", rows)


def join(parts: Sequence[Locations], failed: Sequence[PhotoFailure] = ()) -> Locations:
    """Return the located objects of photos that were looked at one after another."""
    explanations = [part.explanation for part in parts if part.explanation is not None]
    return replace(
        parts[0],
        photos=tuple(photo for part in parts for photo in part.photos),
        found=tuple(boxes for part in parts for boxes in part.found),
        explanation=_joined(explanations) if len(explanations) == len(parts) else None,
        failed=tuple(failed),
    )


def _joined(parts: Sequence[Explanation]) -> Explanation:
    """Return the explanations of photos as one."""

    def all_of(name: str) -> tuple[Any, ...]:
        return tuple(item for part in parts for item in getattr(part, name))

    of_photos: dict[str, Any] = {name: all_of(name) for name in OF_PHOTOS}
    return replace(parts[0], maps=np.concatenate([part.maps for part in parts]), **of_photos)


def _largest_heat(explanation: Explanation, photo: int) -> Float[ndarray, "H W"]:
    """Return the largest of a photo's heatmaps at every pixel."""
    heat = explanation.heatmap(photo, 0)
    for target in range(1, len(explanation.targets[photo])):
        heat = np.fmax(heat, explanation.heatmap(photo, target))
    return heat


def _title(prediction: Prediction) -> str:
    value = prediction.probability
    return prediction.label if np.isnan(value) else f"{prediction.label} {value:.2f}"
