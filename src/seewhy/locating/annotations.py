"""Annotation files of boxes: our own JSON, COCO's and Pascal VOC's, read and written.

A box is [x0, y0, x1, y1] in pixels of the photo, half-open.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from seewhy.boxes import Boxes
from seewhy.errors import OptionError
from seewhy.explaining.prediction import Prediction
from seewhy.files import parse_json, read_text
from seewhy.photos.reading import Photo

FORMS = (
    'Give JSON such as {"cat.jpg": [[x0, y0, x1, y1]]}, COCO\'s annotations, or a folder of Pascal '
    "VOC's."
)

NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that are invalid in XML, even escaped, but valid in file names."""

EDGES = ("xmin", "ymin", "xmax", "ymax")


LabelledBox = tuple[tuple[int, int, int, int], Prediction]
"""A box, and the class of what is in it."""


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo's name and size, without its pixels, and the boxes in it."""

    name: str
    width: int
    height: int
    boxes: tuple[LabelledBox, ...]


def coco(photos: Sequence[AnnotatedPhoto], *, description: str) -> dict[str, Any]:
    """Return boxes as COCO's annotations for object detection.

    COCO's boxes are [x, y, width, height]; a category's id is the network's class index + 1, since
    COCO counts from 1.
    """
    categories: dict[int, str] = {}
    annotations: list[dict[str, Any]] = []
    for image, photo in enumerate(photos, 1):
        for (x0, y0, x1, y1), content in photo.boxes:
            category = 0 if content.index is None else content.index + 1
            categories[category] = content.label
            probability = content.probability
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    "score": float(probability) if np.isfinite(probability) else None,
                }
            )
    return {
        "info": {"description": description},
        "images": [
            {"id": image, "file_name": photo.name, "width": photo.width, "height": photo.height}
            for image, photo in enumerate(photos, 1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": category, "name": name} for category, name in sorted(categories.items())
        ],
    }


def coco_file(photos: Sequence[AnnotatedPhoto], *, description: str) -> bytes:
    """Return what a file of COCO's annotations contains."""
    content = coco(photos, description=description)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode(
        errors="backslashreplace"  # of names that are not UTF-8; JSON reads it back
    )


def voc_file(photo: AnnotatedPhoto, *, folder: str) -> bytes:
    """Return one photo's annotation as Pascal VOC's XML.

    VOC counts pixels from 1, and its xmax and ymax are the last ones inside: the box
    [x0, y0, x1, y1] is xmin = x0 + 1, ymin = y0 + 1, xmax = x1, ymax = y1.
    """
    root = ElementTree.Element("annotation")
    _add(root, {"folder": folder, "filename": photo.name})
    _add(ElementTree.SubElement(root, "source"), {"database": "boxes from heatmaps, by seewhy"})
    size = {"width": photo.width, "height": photo.height, "depth": 3}
    _add(ElementTree.SubElement(root, "size"), size)
    _add(root, {"segmented": 0})
    for (x0, y0, x1, y1), content in photo.boxes:
        each = ElementTree.SubElement(root, "object")
        rest = {"pose": "Unspecified", "truncated": 0, "difficult": 0}
        _add(each, {"name": content.label, **rest})
        corners = dict(zip(EDGES, (x0 + 1, y0 + 1, x1, y1), strict=True))
        _add(ElementTree.SubElement(each, "bndbox"), corners)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def read_boxes(path: str | Path, photos: Sequence[Photo]) -> list[Boxes]:
    """Read the true boxes of photos, keyed by the photos' file names: see `box_reader`."""
    boxes_of = box_reader(path)
    return [boxes_of(photo) for photo in photos]


def box_reader(path: str | Path) -> Callable[[Photo], Boxes]:
    """Read true boxes, and return the function that gives those of a photo, by its file's name.

    The file is JSON: {name: [[x0, y0, x1, y1], ...]}, or {name: [{"box": [x0, y0, x1, y1]}, ...]},
    or COCO's annotations for object detection. A folder contains Pascal VOC's XML files.

    Raises:
        OptionError: the file is missing or is not of these forms. The function raises it if the
            file lacks the photo, or has a box that is not finite, is empty or reversed, or is not
            in the photo.
    """
    path = Path(path)
    try:
        if os.path.isdir(path):  # noqa: PTH112  (Path.is_dir raises for names that are too long)
            by_name = _voc_boxes(path)
        else:
            content = parse_json(read_text(path, what="The boxes", advice=FORMS))
            if not isinstance(content, dict):
                raise ValueError(f"they are a JSON {type(content).__name__}, and not by photo")
            by_name = _coco_boxes(content) if "annotations" in content else _named_boxes(content)
    except OptionError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, ElementTree.ParseError) as error:
        raise OptionError(f"The boxes {path} are not understood: {error}. {FORMS}") from error
    return partial(_checked, path, by_name=by_name)


def _checked(path: Path, photo: Photo, *, by_name: dict[str, Boxes]) -> Boxes:
    if photo.name not in by_name:
        raise OptionError(
            f"The boxes {path} do not mention '{photo.name}'. Add the photo to them, or leave it "
            "out."
        )
    height, width = photo.pixels.shape[:2]
    for box in by_name[photo.name]:
        x0, y0, x1, y1 = box
        if not np.isfinite(box).all():
            what = "is not finite"
        elif x1 <= x0 or y1 <= y0:
            what = "is empty or reversed"
        elif x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            what = f"is outside the photo, which is {width} × {height} pixels"
        else:
            continue
        corners = ", ".join(f"{edge:g}" for edge in box)
        raise OptionError(
            f"The box [{corners}] of '{photo.name}' in {path} {what}. A box is [x0, y0, x1, y1] "
            "in pixels, with x0 < x1 and y0 < y1."
        )
    return by_name[photo.name]


def _named_boxes(content: Any) -> dict[str, Boxes]:
    return {
        Path(name).name: _array(
            [entry["box"] if isinstance(entry, dict) else entry for entry in boxes]
        )
        for name, boxes in content.items()
    }


def _coco_boxes(content: Any) -> dict[str, Boxes]:
    names = {image["id"]: Path(image["file_name"]).name for image in content["images"]}
    boxes: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        boxes[names[annotation["image_id"]]].append([x, y, x + width, y + height])
    return {name: _array(each) for name, each in boxes.items()}


def _voc_boxes(folder: Path) -> dict[str, Boxes]:
    """Read every annotation of a folder; xmin and ymin count from 1."""
    boxes_by_name = {}
    for file in sorted(folder.glob("*.xml")):
        root = ElementTree.fromstring(file.read_bytes())
        boxes = []
        for box in root.iterfind("object/bndbox"):
            x0, y0, x1, y1 = (float(box.findtext(edge, "missing")) for edge in EDGES)
            boxes.append([x0 - 1, y0 - 1, x1, y1])
        boxes_by_name[root.findtext("filename") or file.stem] = _array(boxes)
    return boxes_by_name


def _array(boxes: Sequence[Sequence[float]]) -> Boxes:
    return np.array(boxes, np.float64).reshape(-1, 4)


def _add(parent: ElementTree.Element, texts: dict[str, Any]) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = NOT_XML.sub("\ufffd", str(text))
