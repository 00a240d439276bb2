"""How well a network that `seewhy train` made tells photos that are unlike its training photos.

    python benchmarks/familiarity.py PHOTOS --others FOLDER [--others FOLDER ...] [--model FILE]
        [--boxes boxes.json] [--without tabby,boxer]

PHOTOS is the folder that the network was trained on; its validation photos are drawn again. Printed
for each folder of other things: AUROC (1: every photo of other things is less familiar than every
validation photo; 0.5: chance) of the familiarity and, beside it, of the largest probability, and
which share of the photos is told to be unlike anything.

--boxes names the classes in the photos of a folder, {file: [{"class": ...}]}. Photos of one of the
network's own classes are left out: by these names, or by their file's, where it contains the words.
So are those of the classes of --without.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import seewhy
from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.errors import PhotoError
from seewhy.networks.base import SCORES
from seewhy.photos.reading import read_photo
from seewhy.tables import aligned
from seewhy.training.data import find_classes, sample_photos, split_photos
from seewhy.zoo.keras_files import read_metadata

BATCH = 32


def auroc(own: np.ndarray, other: np.ndarray) -> float:
    """Return the chance that a photo of other things is stranger than one of the network's own."""
    below = (other[:, None] < own[None]).mean()
    return float(below + (other[:, None] == own[None]).mean() / 2)


def scores_of(
    classifier: seewhy.Classifier, references: ReferenceFeatures, paths: Sequence[Path]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return similarity, largest probability and class found of every readable photo."""
    similarities, probabilities, classes = [], [], []
    for start in range(0, len(paths), BATCH):
        photos = []
        for path in paths[start : start + BATCH]:
            try:
                photos.append(read_photo(path))
            except PhotoError as error:
                print(f"left out: {error}")
        images = classifier.to_input(classifier.fit_photos(photos)[0])
        found = classifier.network.activations(images, [references.layer, SCORES])
        shares = classifier.probabilities(found[SCORES])
        judged = references.judge(found[references.layer], shares.argmax(axis=1))
        similarities += [one.similarity for one in judged]
        probabilities.append(shares.max(axis=1))
        classes.append(shares.argmax(axis=1))
    return np.array(similarities), np.concatenate(probabilities), np.concatenate(classes)


def words(name: str) -> frozenset[str]:
    """Return the words of a class, or of a file's name."""
    return frozenset(re.findall("[a-z]+", name.lower()))


def other_photos(folder: Path, boxes: Path | None, without: Sequence[str]) -> list[Path]:
    """List the photos of a folder that show none of some classes."""
    classes = {} if boxes is None else json.loads(boxes.read_text())
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        shown = {words(box["class"]) for box in classes.get("/".join(path.parts[-2:]), [])}
        named = words(path.stem)
        if not any(words(one) in shown or words(one) <= named for one in without):
            found.append(path)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--others", type=Path, action="append", required=True)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--boxes", type=Path)
    parser.add_argument(
        "--without", default="", type=lambda names: names.split(",") if names else []
    )
    args = parser.parse_args()
    classifier = seewhy.load(args.model)
    references = classifier.references
    if references is None:
        raise SystemExit(f"'{args.model}' remembers no training photos: train it again.")
    recipe = {"validation_split": 0.1, "seed": 0, "per_class": None}
    if args.model != "built-in":
        recipe |= read_metadata(args.model)["training"]["recipe"]
    seed = recipe["seed"]
    folder = sample_photos(find_classes(args.photos), per_class=recipe["per_class"], seed=seed)
    _, validation = split_photos(folder, share=recipe["validation_split"], seed=seed)
    own = scores_of(classifier, references, [folder.paths[index] for index in validation])
    rows = [("photos", "count", "AUROC", "by probability", "unlike", "of them p > 0.9")]
    limit = references.limit
    rows.append(("validation", len(own[0]), "", "", f"{(own[0] < limit).mean():.1%}", ""))
    everything = []
    for place in args.others:
        without = [*classifier.labels, *args.without]
        other = scores_of(classifier, references, other_photos(place, args.boxes, without))
        everything.append(other)
        rows.append(row_of(place.name, own, other, limit))
    if len(everything) > 1:
        joined = tuple(np.concatenate(parts) for parts in zip(*everything, strict=True))
        rows.append(row_of("all others", own, joined, limit))
    print(aligned(rows, right=(1, 2, 3, 4, 5)), end="")


def row_of(name: str, own: Sequence, other: Sequence, limit: float) -> tuple[object, ...]:
    """Return one line of the table."""
    unlike = other[0] < limit
    sure = other[1] > 0.9
    return (
        name,
        len(unlike),
        f"{auroc(own[0], other[0]):.3f}",
        f"{auroc(own[1], other[1]):.3f}",
        f"{unlike.mean():.1%}",
        f"{unlike[sure].sum()} of {sure.sum()}",
    )


if __name__ == "__main__":
    main()
