"""What bounds the boxes of several objects: recall with the true boxes at hand.

    python benchmarks/bounds.py                 MobileNet, photos of two to six objects

The photos are those of `benchmarks/boxes.py`, and so are the halves. A row tells how many objects
have a box with an intersection over union of at least 0.5 among those that somebody could choose
from who knows the true boxes: the best of seven thresholds, of all components, of the true class.
Classes of COCO are given the classes of ImageNet that mean the same thing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from boxes import DATA, MOBILENET, SMALLEST, areas, samples

THRESHOLDS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75)
GRID = 56
BESIDE = 0.02
"""Boxes with a smaller gap, as a share of the photo's longer side, are beside each other."""

ALIKE: dict[str, Sequence[int]] = {
    "airplane": [404],
    "banana": [954],
    "bear": range(294, 298),
    "bed": [564],
    "bench": [703],
    "bicycle": [444, 671],
    "bird": [*range(7, 25), *range(80, 101), *range(127, 147)],
    "boat": [472, 484, 554, 576, 625, 814, 833, 914],
    "bottle": [412, 440, 720, 737, 898, 907],
    "bowl": [659, 809],
    "broccoli": [937],
    "bus": [654, 779, 874],
    "car": [436, 468, 511, 609, 627, 656, 705, 717, 751, 817],
    "cat": range(281, 286),
    "cell phone": [487],
    "clock": [409, 892],
    "couch": [831],
    "cup": [504, 647, 968],
    "dining table": [532],
    "dog": range(151, 269),
    "elephant": [101, 385, 386],
    "handbag": [414, 636, 748],
    "horse": [339],
    "hot dog": [934],
    "laptop": [620, 681],
    "microwave": [651],
    "motorcycle": [665, 670],
    "mouse": [673],
    "orange": [950],
    "oven": [827],
    "pizza": [963],
    "potted plant": [738],
    "refrigerator": [760],
    "remote": [761],
    "sandwich": [933],
    "skis": [795],
    "sports ball": [429, 430, 522, 574, 722, 768, 805, 852, 890],
    "stop sign": [919],
    "teddy bear": [850],
    "tennis racket": [752],
    "tie": [906],
    "toilet": [861],
    "traffic light": [920],
    "train": [466, 547, 705, 820],
    "truck": [555, 569, 675, 717, 864, 867],
    "tv": [664, 782, 851],
    "umbrella": [879],
    "vase": [883],
    "zebra": [340],
}
CLASSES = 3
"""Classes of ImageNet that are tried for an object: those with the highest scores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA / "boxes")
    parser.add_argument("--model", default=MOBILENET)
    args = parser.parse_args()
    import seewhy

    classifier = seewhy.load(args.model)
    rows: list[tuple[bool, dict[str, float]]] = []
    for photo, truth, classes, apart in several(args.data):
        rows += [(apart, row) for row in facts(classifier, photo, truth, classes)]
    for name in rows[0][1]:
        halves = [np.mean([row[name] for apart, row in rows if apart == half]) for half in (0, 1)]
        print(f"{name:48} {halves[0]:.2f} / {halves[1]:.2f}")


def several(folder: Path) -> Iterator[tuple[Any, np.ndarray, list[str], bool]]:
    """Yield the photos of several objects with boxes, classes and half."""
    known = json.loads((folder / "boxes.json").read_text())
    for photo, truth, apart in zip(*samples(folder), strict=True):
        if len(truth) > 1:
            objects = next(found for file, found in known.items() if Path(file).name == photo.name)
            boxes = np.array([one["box"] for one in objects], np.float64)
            large = np.flatnonzero(areas(boxes, photo) >= SMALLEST)
            yield photo, truth, [objects[one]["class"] for one in large], bool(apart)


def facts(
    classifier: Any, photo: Any, truth: np.ndarray, classes: list[str]
) -> list[dict[str, float]]:
    """Return what holds for each object of a photo: 1 for yes, 0 for no."""
    import seewhy
    from seewhy.locating.search import mix_classes

    share = areas(truth, photo)
    images, _ = classifier.prepare([photo])
    scores = classifier.network.scores(images)[0]
    mixed = mix_classes(seewhy.explain(classifier, photo, top=5, zoom=2)).maps[0, 0]
    largest = boxes_of(mixed, photo, "largest")
    objects: list[dict[str, float]] = []
    for one, name in enumerate(classes):
        known = sorted(ALIKE.get(name, ()), key=lambda index: -scores[index])[:CLASSES]
        row = {
            "of a class that ImageNet has": bool(known),
            "below 0.1 of the photo": share[one] < 0.1,
            "below 0.25 of the photo": share[one] < 0.25,
            "beside another of its class": beside(one, truth, classes, max(photo.pixels.shape)),
            "default's box, best threshold": reached(largest, truth[one]),
        }
        for zoom in (1, 2, 3):
            boxes = np.zeros((0, 4))
            if known:
                maps = seewhy.explain(classifier, photo, classes=known, zoom=zoom).maps[0]
                boxes = np.concatenate([boxes_of(heat, photo, "all") for heat in maps])
            row[f"true class, best threshold and part, zoom {zoom}"] = reached(boxes, truth[one])
        objects.append({key: float(value) for key, value in row.items()})
    return objects


def boxes_of(heat: np.ndarray, photo: Any, components: Any) -> np.ndarray:
    """Return the boxes of a map at all thresholds, in pixels of the photo."""
    from seewhy.boxes import heatmap_boxes
    from seewhy.maps import resize_map

    fine = resize_map(heat, (GRID, GRID))
    height, width = photo.pixels.shape[:2]
    found = [heatmap_boxes(fine, threshold=one, components=components) for one in THRESHOLDS]
    scaled: np.ndarray = np.concatenate(found) * (np.array([width, height] * 2) / GRID)
    return scaled


def reached(boxes: np.ndarray, truth: np.ndarray) -> bool:
    from seewhy.boxes import intersection_over_union

    return bool((intersection_over_union(boxes, truth[None]) >= 0.5).any())


def beside(one: int, truth: np.ndarray, classes: list[str], side: int) -> bool:
    """Return whether another object of the same class is less than a gap away."""
    grown = truth[one] + BESIDE * side * np.array([-1, -1, 1, 1])
    others = [box for place, box in enumerate(truth) if place != one]
    names = [name for place, name in enumerate(classes) if place != one]
    return any(
        name == classes[one] and (box[:2] < grown[2:]).all() and (grown[:2] < box[2:]).all()
        for box, name in zip(others, names, strict=True)
    )


if __name__ == "__main__":
    main()
