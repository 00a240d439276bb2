"""How well boxes from heatmaps are the objects': MaxBoxAcc and the pointing game.

    python benchmarks/localization.py                                 built-in and MobileNet
    python benchmarks/localization.py --model mine.keras --method cam,grad-cam,layer-cam

The data are photos of cats and dogs with boxes (`boxes.json`: {file: [{"class", "box"}]}); every
photo counts once for each of the two that it shows, and any box of that kind may be hit. What is
explained is the network's best class of that kind, whether or not it is the best of all. Beside
the methods stands a baseline that looks at nothing: a centred box, of the best size.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("SEEWHY_TEST_DATA", "no-test-data"))
MOBILENET = "mobilenet?alpha=0.75&weights=" + str(
    DATA / "networks" / "mobilenet_0.75_224.weights.h5"
)
KINDS = {"dog": range(151, 269), "cat": range(281, 286)}
"""Which of ImageNet's classes are dogs and cats."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA / "boxes")
    parser.add_argument("--model", action="append", help="a name or a file; may be repeated")
    parser.add_argument("--method", default="cam,grad-cam")
    args = parser.parse_args()
    if not (args.data / "boxes.json").is_file():
        print(f"{args.data} holds no boxes.json")
        return 1
    photos, kinds, truths = samples(args.data)
    print(f"{len(photos)} samples: {kinds.count('dog')} of dogs, {kinds.count('cat')} of cats")
    for model in args.model or ["built-in", MOBILENET]:
        measure(model, args.method.split(","), photos, kinds, truths)
    return 0


def samples(folder: Path) -> tuple[list, list[str], list[np.ndarray]]:
    from seewhy.photos.reading import read_photo

    photos, kinds, truths = [], [], []
    for file, objects in json.loads((folder / "boxes.json").read_text()).items():
        for kind in KINDS:
            boxes = [one["box"] for one in objects if one["class"] == kind]
            if boxes:
                photos.append(read_photo(folder / file))
                kinds.append(kind)
                truths.append(np.array(boxes, np.float64))
    return photos, kinds, truths


def measure(model: str, methods: list[str], photos: list, kinds: list, truths: list) -> None:
    import seewhy
    from seewhy.evaluating.baselines import centre_map

    classifier = seewhy.load(model)
    scores = np.concatenate(
        [classifier.network.scores(classifier.prepare([photo])[0]) for photo in photos]
    )
    classes = [[best_of(kind, classifier, row)] for kind, row in zip(kinds, scores, strict=True)]
    explained = seewhy.compare(classifier, photos, methods=methods, classes=classes)
    right = np.mean([row.argmax() == index for row, (index,) in zip(scores, classes, strict=True)])
    print(f"\n{Path(model).name} (its best class is the explained one for {right:.0%})")
    print(
        f"{'':14} {'MaxBoxAcc at IoU ≥ 0.3, 0.5, 0.7 (best threshold)':^52}"
        f" {'at 0.2, IoU ≥ 0.5':>18} {'pointing':>9}"
    )
    for name, explanation in explained.items():
        heatmaps = [explanation.heatmap(index) for index in range(len(photos))]
        report(name, heatmaps, truths)
    report("centred box", [centre_map(photo.pixels.shape[:2]) for photo in photos], truths)


def best_of(kind: str, classifier: object, scores: np.ndarray) -> int:
    """Return the network's best class of a kind."""
    if kind in classifier.labels:
        return classifier.labels.index(kind)
    return max(KINDS[kind], key=lambda index: scores[index])


def report(name: str, heatmaps: list[np.ndarray], truths: list[np.ndarray]) -> None:
    from seewhy.evaluating.measures import max_box_accuracy, pointing_game

    measured = max_box_accuracy(heatmaps, truths)
    best = "  ".join(
        f"{accuracy:6.1%} ({threshold:.2f})"
        for accuracy, threshold in zip(measured.best, measured.best_thresholds, strict=True)
    )
    usual = measured.accuracies[1, np.argmin(np.abs(measured.thresholds - 0.2))]
    hits = pointing_game(heatmaps, truths).mean()
    print(f"{name:14} {best:^52} {usual:18.1%} {hits:9.1%}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
