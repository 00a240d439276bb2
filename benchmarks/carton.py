"""The watermark by which ImageNet's networks see cartons: found, placed and proved?

    pip install imagenet-w; python benchmarks/carton.py [--share 0.12] [--seeds 3]

A share of the ImageNet photos with one box (SEEWHY_TEST_DATA) gets the watermark (Li et al., *A
Whac-A-Mole Dilemma*, CVPR 2023), which raises the class carton for EfficientNet-Lite0. The search
for shortcuts of `seewhy report` gets the photos' heat and probability of carton, and not which are
marked; then the same photos without any mark. Printed: carton's rank and the share of its heat on
the watermark's rows, the suspect that fits the marked photos best (F1, place, verdict), and what
else was confirmed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.truth_photos import DATA, load_network
from tests.torchvision_operators import declare_missing_operators

CARTON = 478
ROWS = slice(2, 4)
"""Of the last map's seven, those that the watermark touches."""


def photos(classifier: Any) -> np.ndarray:
    """Return the photos as the network sees them, before its preprocessing."""
    from seewhy.photos.reading import read_photo

    boxes = json.loads((DATA / "boxes" / "boxes.json").read_text())
    files = [file for file in sorted(boxes) if file[0] == "i" and len(boxes[file]) == 1]
    read = [read_photo(DATA / "boxes" / file) for file in files]
    return np.concatenate([classifier.fit_photos([one])[0] for one in read])


def marked(pixels: np.ndarray) -> np.ndarray:
    """Return photos with the watermark."""
    declare_missing_operators()
    from imagenet_w import AddWatermark
    from PIL import Image

    draw = AddWatermark(pixels.shape[1])
    return np.stack([np.asarray(draw(Image.fromarray(one))) for one in pixels])


def f1(members: np.ndarray, truth: np.ndarray) -> float:
    """Return F1 of a group of photos against the marked ones."""
    return float(2 * truth[members].sum() / max(len(members) + truth.sum(), 1))


class Looked:
    """What the network makes of photos: scores, and the maps of carton."""

    def __init__(self, classifier: Any, pixels: np.ndarray) -> None:
        from seewhy.methods.cam import cam

        network, layer = classifier.network, classifier.layer
        maps, under, scores = [], [], []
        weights = network.class_weights(layer)
        for start in range(0, len(pixels), 16):
            images = classifier.to_input(pixels[start : start + 16])
            activations = network.activations(images, [layer])[layer]
            scores.append(activations.mean(axis=(1, 2)) @ weights.T)
            heat = cam(activations, weights[np.full(len(images), CARTON)])
            share = np.maximum(heat, 0)
            share /= np.maximum(share.sum(axis=(1, 2), keepdims=True), 1e-9)
            maps.append(heat)
            under.append(np.einsum("nhw,nhwc->nc", share, activations))
        self.maps, self.under = np.concatenate(maps), np.concatenate(under)
        self.scores = np.concatenate(scores)

    @property
    def ranks(self) -> np.ndarray:
        """Carton's rank in each photo; 1 is the best class."""
        return (self.scores > self.scores[:, [CARTON]]).sum(axis=1) + 1

    def taken(self, from_marked: np.ndarray, other: Looked) -> Looked:
        """Return these photos, the other's where they are marked."""
        made = object.__new__(Looked)
        for name in ("maps", "under", "scores"):
            one, two = getattr(self, name), getattr(other, name)
            setattr(made, name, np.where(from_marked.reshape(-1, *[1] * (one.ndim - 1)), two, one))
        return made


def search(
    classifier: Any, looked: Looked, pixels: np.ndarray, strangers: np.ndarray, seed: int
) -> list[Any]:
    """Return the shortcuts that the report finds for carton, in all photos."""
    from seewhy.photos.fitting import shrink
    from seewhy.reporting.descriptors import what_descriptors
    from seewhy.reporting.shortcuts import ClassPhotos, find_shortcuts

    def answer(some: np.ndarray) -> np.ndarray:
        images = classifier.to_input(some)
        parts = [
            classifier.network.scores(images[start : start + 16])
            for start in range(0, len(images), 16)
        ]
        return classifier.probabilities(np.concatenate(parts))

    return find_shortcuts(
        ClassPhotos(
            CARTON,
            "carton",
            looked.maps,
            classifier.probabilities(looked.scores)[:, CARTON],
            what_descriptors(looked.under),
            np.zeros(len(pixels), bool),
            lambda some: pixels[some],
            np.stack([shrink(one, (32, 32)) for one in pixels]),
            strangers,
        ),
        answer,
        seed=seed,
    )[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--share", type=float, default=0.12, help="of photos that are marked (0.12)"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--photos", type=int, help="only the first")
    args = parser.parse_args()
    classifier = load_network("efficientnet-lite0")
    plain = photos(classifier)[: args.photos]
    drawn = marked(plain)
    without, all_marked = Looked(classifier, plain), Looked(classifier, drawn)
    for name, looked in (("unmarked", without), ("marked", all_marked)):
        heat = np.maximum(looked.maps, 0)
        rows = heat[:, ROWS].sum() / heat.sum()
        first = int((looked.ranks == 1).sum())
        print(
            f"{name}: carton's median rank {np.median(looked.ranks):.0f}, the best class of "
            f"{first} of {len(plain)} photos; {rows:.0%} of its heat on the watermark's rows",
            flush=True,
        )
    for seed in range(args.seeds):
        generator = np.random.default_rng(seed)
        truth = generator.random(len(plain)) < args.share
        for case, is_marked in (("marked", truth), ("unmarked", np.zeros_like(truth))):
            pixels = np.where(is_marked[:, None, None, None], drawn, plain)
            looked = without.taken(is_marked, all_marked)
            others = plain[generator.choice(len(plain), min(40, len(plain)), replace=False)]
            found = search(classifier, looked, pixels, others, seed)
            print(f"seed {seed}, {case}: {len(found)} suspects", flush=True)
            for one in sorted(found, key=lambda one: -f1(one.suspect.members, is_marked))[:3]:
                print(
                    f"    F1 {f1(one.suspect.members, is_marked):.2f}, {one.place}, "
                    f"{one.verdict}: {one.sentence}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
