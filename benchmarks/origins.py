"""The built-in network on photos that were not gathered with its training photos.

    python benchmarks/origins.py [--model FILE] [--data SHARED]

Printed by origin, with 95 % intervals: how many of its own animals are named right, and how many
are told to be unlike anything; and AUROC, the chance that a photo of something else is less
familiar than one of its animals. Needs SEEWHY_TEST_DATA: photos of ImageNet, COCO and ECSSD, and
forty dogs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import seewhy
from benchmarks.familiarity import auroc, scores_of
from benchmarks.truth_photos import DATA
from seewhy.reporting.accuracy import wilson
from seewhy.tables import aligned

IMAGENET = {
    "dog": range(151, 269),
    "cat": range(281, 286),
    "bear": range(294, 298),
    "butterfly": range(321, 327),
    "ape": range(365, 370),
    "monkey": range(370, 383),
    "elephant": (101, 385, 386),
    "puma": (286,),
    "leopard": (288,),
    "snow leopard": (289,),
    "lion": (291,),
    "tiger": (292,),
    "cheetah": (293,),
    "horse": (339,),
    "zebra": (340,),
    "cow": (345,),
    "panda": (388,),
}
"""The numbers of ImageNet's classes by animal; deer and giraffes have none."""

COCO = ("bear", "cat", "cow", "dog", "elephant", "giraffe", "horse", "zebra")
"""COCO's animals among the network's; a photo counts if one of them is the largest thing in it."""

ECSSD = {
    "ape": "0150 0162 0215",
    "butterfly": "0323 0482 0912",
    "cat": "0077 0868",
    "cheetah": "0960",
    "cow": "0061 0146 0204 0265",
    "deer": "0103 0253 0542 0863",
    "dog": "0072 0522",
    "giraffe": "0464 0666",
    "horse": "0005 0043 0062 0602",
    "zebra": "0131",
}
"""Photos of ECSSD by animal, as we saw it; other photos of ECSSD are not used."""

PHOTOS = {
    "dog": "n02099601 n02108089",
    "cat": "n02123045 n02124075",
    "bear": "n02132136",
    "butterfly": "n02279972",
    "zebra": "n02391049",
    "elephant": "n02504458",
    "panda": "n02510455",
}
"""ImageNet photos by the number of their synset."""


def animal(index: int) -> str | None:
    """Return the network's animal of an ImageNet class."""
    return next((name for name, numbers in IMAGENET.items() if index in numbers), None)


def photos(data: Path) -> Iterator[tuple[Path, str, str | None]]:
    """Yield photos with their origin and animal, None where something else is on it."""
    synsets = {number: name for name, numbers in PHOTOS.items() for number in numbers.split()}
    for path in sorted((data / "photos").glob("*.jpg")):
        yield path, "ImageNet", synsets.get(path.stem.split("_")[0])
    for file, boxes in json.loads((data / "boxes" / "boxes.json").read_text()).items():
        origin, path = file.split("/")[0], data / "boxes" / file
        if origin == "imagenet300":
            shown = {animal(box["index"]) for box in boxes}
            if len(shown) == 1:
                yield path, "ImageNet", shown.pop()
        elif origin == "dogs40":
            yield path, "forty dogs", "dog"
        elif origin == "coco128":
            areas: dict[str, float] = {}
            for box in boxes:
                left, top, right, bottom = box["box"]
                area = (right - left) * (bottom - top)
                areas[box["class"]] = max(areas.get(box["class"], 0), area)
            own = set(areas) & set(COCO)
            if not own:
                yield path, "COCO", None
            elif own == {max(areas, key=areas.__getitem__)}:
                yield path, "COCO", own.pop()
    for name, numbers in ECSSD.items():
        for number in numbers.split():
            yield next((data / "boxes" / "ecssd200").glob(f"{number}.*")), "ECSSD", name


def share(hits: np.ndarray) -> str:
    """Return a share with its 95 % interval."""
    return str(wilson(int(hits.sum()), len(hits)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    classifier = seewhy.load(arguments.model)
    references = classifier.references
    assert references is not None
    paths, origins, animals = map(np.array, zip(*photos(arguments.data), strict=True))
    similarities, probabilities, found = scores_of(classifier, references, list(paths))
    own = animals != None  # noqa: E711 - element by element
    right = found == np.array(
        [-1 if name is None else classifier.class_index(name) for name in animals]
    )
    unlike = similarities < references.limit
    groups = {"all": own, "dogs": animals == "dog", "other animals": own & (animals != "dog")}
    groups |= {name: own & (origins == name) for name in sorted(set(origins))}
    rows = [("photos", "count", "right", "unlike")]
    rows += [
        (name, int(of.sum()), share(right[of]), share(unlike[of])) for name, of in groups.items()
    ]
    rows.append(("something else", int((~own).sum()), "", share(unlike[~own])))
    print(aligned(rows, right=(1,)), end="")
    for name, scores in (("familiarity", similarities), ("probability", probabilities)):
        print(f"AUROC by {name}: {auroc(scores[own], scores[~own]):.3f}")


if __name__ == "__main__":
    main()
