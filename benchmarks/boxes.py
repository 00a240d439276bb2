"""How often `locate` draws the right box: photos of one object, and of several.

    python benchmarks/boxes.py                              MobileNet, every way of looking
    python benchmarks/boxes.py --model mine.keras --only fast,tiles

The data are photos with boxes of all their objects (`boxes.json`: {file: [{"box"}]}), whatever
their classes: the network is not told what to look for, and does not know some of them (people).
Objects below 1 % of a photo are left out. A box is right if its intersection over union with an
object's is at least 0.5; every object counts once. Photos are split into two halves by the SHA-256
of their names: the first is for choosing thresholds, the second kept apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("SEEWHY_TEST_DATA", "no-test-data"))
MOBILENET = "mobilenet?alpha=0.75&weights=" + str(
    DATA / "networks" / "mobilenet_0.75_224.weights.h5"
)
SMALLEST, MOST = 0.01, 6
"""The smallest share of a photo that counts as an object, and the most objects of a photo."""

WAYS: dict[str, dict[str, Any]] = {
    "fast": {"fast": True},
    "fast-0.4": {"fast": True, "threshold": 0.4},
    "tiles-best-class": {"top": 1},
    "tiles": {},
    "tiles-2-objects": {"objects": 2},
    "tiles-3-objects": {"objects": 3},
    "several": {"several": True},
    "several-0.1": {"several": True, "min_support": 0.1},
    "several-0.02": {"several": True, "min_support": 0.02},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA / "boxes")
    parser.add_argument("--model", default=MOBILENET)
    parser.add_argument("--only", help="names of ways, separated by commas")
    parser.add_argument("--min-probability", default="0", help="several, separated by commas")
    args = parser.parse_args()
    if not (args.data / "boxes.json").is_file():
        print(f"{args.data} holds no boxes.json")
        return 1
    photos, truths, apart = samples(args.data)
    single = np.array([len(one) == 1 for one in truths])
    share = np.array(
        [float(areas(one, photo).max()) for one, photo in zip(truths, photos, strict=True)]
    )
    print(
        f"{single.sum()} photos of one object ({(single & (share < 0.5)).sum()} below half of the "
        f"photo), {(~single).sum()} of several ({sum(map(len, truths)) - single.sum()} objects)"
    )
    report("centred box", [[centred(photo)] for photo in photos], truths, single, share, apart)
    import seewhy

    classifier = seewhy.load(args.model)
    wanted = args.only.split(",") if args.only else list(WAYS)
    for name in wanted:
        start = time.process_time()
        found = [seewhy.locate(classifier, photo, **WAYS[name]).found[0] for photo in photos]
        seconds = (time.process_time() - start) / len(photos)
        for least in map(float, args.min_probability.split(",")):
            kept = [[one.box for one in row if one.seen.probability >= least] for row in found]
            title = name if not least else f"{name}, {least:g}"
            report(title, kept, truths, single, share, apart, seconds)
    return 0


def samples(folder: Path) -> tuple[list[Any], list[np.ndarray], np.ndarray]:
    from seewhy.photos.reading import read_photo

    photos, truths, apart = [], [], []
    for file, objects in json.loads((folder / "boxes.json").read_text()).items():
        photo = read_photo(folder / file)
        boxes = np.array([one["box"] for one in objects], np.float64).reshape(-1, 4)
        large = boxes[areas(boxes, photo) >= SMALLEST]
        # One object: nothing else is annotated; several: what is too small is left out.
        if len(boxes) == 1 or 2 <= len(large) <= MOST:
            photos.append(photo)
            truths.append(boxes if len(boxes) == 1 else large)
            name = Path(file).name
            apart.append(int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 1)
    return photos, truths, np.array(apart)


def areas(boxes: np.ndarray, photo: Any) -> np.ndarray:
    """Return the boxes' shares of the photo."""
    from seewhy.boxes import area

    height, width = photo.pixels.shape[:2]
    return area(boxes) / (height * width)


def centred(photo: Any) -> tuple[float, float, float, float]:
    """Return the box of 0.8 of both sides: the best size for photos of one object."""
    height, width = photo.pixels.shape[:2]
    return 0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height


def report(
    name: str,
    found: list[Any],
    truths: list[np.ndarray],
    single: np.ndarray,
    share: np.ndarray,
    apart: np.ndarray,
    seconds: float = 0.0,
) -> None:
    right = [hits(boxes, truth) for boxes, truth in zip(found, truths, strict=True)]
    first = np.array(
        [hits(boxes[:1], truth) > 0 for boxes, truth in zip(found, truths, strict=True)]
    )
    columns = []
    for half in (~apart, apart):
        small = single & half & (share < 0.5)
        several = np.flatnonzero(~single & half)
        objects = sum(len(truths[one]) for one in several)
        boxes = sum(len(found[one]) for one in several)
        hit = sum(right[one] for one in several)
        columns.append(
            f"{first[single & half].mean():.3f} {first[small].mean():.3f}  "
            f"{hit / objects:.3f} at {hit / max(boxes, 1):.3f}"
        )
    print(f"{name:32} {'  |  '.join(columns)}  {seconds:6.2f} s", flush=True)


def hits(boxes: Any, truth: np.ndarray) -> int:
    """Return how many objects are found; every box and every object counts once."""
    from seewhy.boxes import intersection_over_union

    if not len(boxes):
        return 0
    shared = intersection_over_union(np.array(boxes, np.float64).reshape(-1, 4), truth)
    taken: set[int] = set()
    for row in shared:
        free = [(value, place) for place, value in enumerate(row) if place not in taken]
        if free and max(free)[0] >= 0.5:
            taken.add(max(free)[1])
    return len(taken)


if __name__ == "__main__":
    sys.exit(main())
