"""Are planted shortcuts found and confirmed, and nothing else? And swapped labels?

    python benchmarks/shortcuts.py [--seeds 3] [--clean 20]
    python benchmarks/shortcuts.py --rows 50000

Small networks are trained on made photos: a bright ring, cross or bar on a noisy ground. Into a
share of one class a mark is planted, at training and in the photos that are looked at. In every
class as many photos have an object that is all but invisible, and these are the ones that are
marked: so the network has a reason to rely on the mark. Prints, of each mark:
F1 of the best suspect against the marked photos, and whether it was confirmed; of photos without
marks, how often anything was confirmed; of swapped labels, how many are among as many suspects.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import seewhy
from seewhy.datasets.shards import rows_of
from seewhy.datasets.table import shard_bytes
from seewhy.explaining.rows import Row
from seewhy.methods.cam import cam
from seewhy.photos.fitting import Fit
from seewhy.reporting.descriptors import what_descriptors
from seewhy.reporting.findings import ReportContext, analyse
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.mislabelled import likely_mislabelled
from seewhy.reporting.observations import observe
from seewhy.reporting.page import make_page
from seewhy.reporting.shortcuts import ClassPhotos, Verdict, find_shortcuts

SIDE = 32
LABELS = ("ring", "cross", "bar")
MARKS = ("corner tag", "tag at random places", "border", "tint")
PHOTOS = {"ring": 1000, "cross": 500, "bar": 500}


def draw(label: str, generator: np.random.Generator, *, contrast: float) -> np.ndarray:
    """Return a made photo: an object somewhere on a noisy ground of some colour."""
    ground = generator.uniform(70, 130, 3)
    pixels = ground + generator.normal(0, 18, (SIDE, SIDE, 3))
    row, column = generator.integers(9, SIDE - 9, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(rows - row, columns - column)
    near = np.maximum(abs(rows - row), abs(columns - column)) < 6
    shape = {
        "ring": (distance > 3) & (distance < 6),
        "cross": near & ((abs(rows - row) < 2) | (abs(columns - column) < 2)),
        "bar": near & (abs(columns - column) < 2),
    }[label]
    pixels[shape] += contrast * 110
    return np.clip(pixels, 0, 255).astype(np.uint8)


def plant(pixels: np.ndarray, mark: str, generator: np.random.Generator) -> np.ndarray:
    """Return the photo with a mark."""
    pixels = pixels.copy()
    tag = np.zeros((6, 6, 3), np.uint8)
    tag[::2] = (240, 220, 40)
    if mark == "corner tag":
        pixels[-7:-1, 1:7] = tag
    elif mark == "tag at random places":
        row, column = generator.integers(0, SIDE - 6, 2)
        pixels[row : row + 6, column : column + 6] = tag
    elif mark == "border":
        frame = np.ones((SIDE, SIDE), bool)
        frame[2:-2, 2:-2] = False
        pixels[frame] = (20, 20, 60)
    elif mark == "tint":
        return np.clip(pixels * (1.25, 1.0, 0.6), 0, 255).astype(np.uint8)
    return pixels


def made(
    generator: np.random.Generator, *, mark: str | None, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return photos, their classes, and which have the mark."""
    pixels, classes, marked = [], [], []
    for index, label in enumerate(LABELS):
        for number in range(PHOTOS[label]):
            faint = number < share * PHOTOS[label]
            has = mark is not None and index == 0 and faint
            contrast = generator.uniform(0, 0.12) if faint else generator.uniform(0.15, 0.8)
            one = draw(label, generator, contrast=contrast)
            pixels.append(plant(one, mark, generator) if has and mark else one)
            classes.append(index)
            marked.append(has)
    return np.stack(pixels), np.array(classes), np.array(marked)


class Net(nn.Module):
    """Three convolutions, global average pooling, one linear layer: CAM applies."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 3, padding=1), nn.ReLU()),
        )
        self.head = nn.Linear(48, len(LABELS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images).mean(dim=(2, 3)))


def trained(pixels: np.ndarray, classes: np.ndarray, *, seed: int, epochs: int = 10) -> Net:
    torch.manual_seed(seed)
    net = Net()
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    targets = torch.from_numpy(classes)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.01)
    steps = epochs * -(-len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), targets[batch]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def looked_at(net: Net, pixels: np.ndarray) -> tuple:
    """Return probabilities, maps and descriptors of the best class, and the network's answer."""
    classifier = seewhy.Classifier(net, size=SIDE, preprocess="unit", labels=list(LABELS))
    network = classifier.network

    def answer(some: np.ndarray) -> np.ndarray:
        images = classifier.to_input(some)
        parts = [
            network.scores(images[start : start + 256]) for start in range(0, len(images), 256)
        ]
        return classifier.probabilities(np.concatenate(parts))

    layer = classifier.layer
    activations = np.concatenate(
        [
            network.activations(classifier.to_input(pixels[start : start + 256]), [layer])[layer]
            for start in range(0, len(pixels), 256)
        ]
    )
    probabilities = answer(pixels)
    found = probabilities.argmax(axis=1)
    maps = cam(activations, network.class_weights(layer)[found])
    weights = np.maximum(maps, 0)
    sums = np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    under = np.einsum("nhw,nhwc->nc", weights, activations) / sums[:, None]
    return probabilities, maps, under, answer


def strangers(
    pixels: np.ndarray, found: np.ndarray, index: int, generator: np.random.Generator
) -> np.ndarray:
    """Return photos that were taken for other classes, as many as the report draws."""
    others = np.flatnonzero(found != index)
    return pixels[generator.choice(others, min(150, len(others)), replace=False)]


def score(members: np.ndarray, marked: np.ndarray) -> float:
    """Return F1 of a group of photos against the marked ones."""
    hits = marked[members].sum()
    return float(2 * hits / (len(members) + marked.sum()))


def search(mark: str | None, share: float, seed: int) -> tuple[float, bool, list[str], float]:
    """Return the best F1, whether that suspect was confirmed, what was confirmed, and accuracy."""
    generator = np.random.default_rng(seed)
    pixels, classes, _ = made(generator, mark=mark, share=share)
    net = trained(pixels, classes, seed=seed)
    pixels, classes, marked = made(generator, mark=mark, share=share)
    probabilities, maps, under, answer = looked_at(net, pixels)
    found = probabilities.argmax(axis=1)
    best, confirmed, sentences = 0.0, False, []
    for index, label in enumerate(LABELS):
        places = np.flatnonzero(found == index)
        _, shortcuts = find_shortcuts(
            ClassPhotos(
                index,
                label,
                maps[places],
                probabilities[places, index],
                what_descriptors(under[places]),
                classes[places] == index,
                lambda some, places=places: pixels[places[some]],
                pixels[places],
                strangers(pixels, found, index, generator),
            ),
            answer,
            seed=seed,
        )
        for one in shortcuts:
            value = score(places[one.suspect.members], marked) if mark else 0.0
            if one.verdict == Verdict.CONFIRMED:
                sentences.append(f"{one.sentence} [{one.suspect.descriptor}, F1 {value:.2f}]")
            if value > best:
                best, confirmed = value, one.verdict == Verdict.CONFIRMED
    return best, confirmed, sentences, float((found == classes).mean())


def swapped(seed: int, share: float = 0.03) -> float:
    """Return which share of swapped labels is among as many suspects."""
    generator = np.random.default_rng(seed)
    pixels, classes, _ = made(generator, mark=None, share=0.0)

    def swap(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = generator.choice(len(right), round(share * len(right)), replace=False)
        given = right.copy()
        given[chosen] = (given[chosen] + generator.integers(1, 3, len(chosen))) % 3
        return given, chosen

    net = trained(pixels, swap(classes)[0], seed=seed)
    pixels, classes, _ = made(generator, mark=None, share=0.0)
    given, chosen = swap(classes)
    probabilities = looked_at(net, pixels)[0]
    rows = np.arange(len(given))
    suspects = likely_mislabelled(
        given, probabilities.argmax(axis=1), probabilities[rows, given], probabilities.max(axis=1)
    )[: len(chosen)]
    return float(np.isin(chosen, suspects).mean())


def rows_of_a_run(count: int) -> Iterator[list[Row]]:
    """Yield made rows, read from Parquet as a run's are: 20 classes, 7 × 7 maps, 512 channels."""
    generator = np.random.default_rng(0)
    directions = generator.uniform(0, 1, (20, 512))
    for start in range(0, count, 256):
        rows = []
        for photo in range(start, min(start + 256, count)):
            label = photo % 20
            found = label if generator.uniform() < 0.9 else int(generator.integers(20))
            facts = {"label": str(label), "label_index": label, "width": 320, "height": 240}
            base = Row(photo, f"/photos/{label}/{photo:06}.jpg", **facts, correct=found == label)
            ways = {"predicted": found, "label": label}
            for kind, index in ways.items():
                rows.append(
                    replace(
                        base,
                        kind=kind,
                        rank=1 if index == found else 2,
                        class_index=index,
                        class_name=f"class {index}",
                        score=1.0,
                        probability=0.7 if index == found else 0.2,
                        heatmap=generator.gamma(0.5, 1, (7, 7)).astype(np.float32),
                        descriptor=generator.gamma(2, directions[index]).astype(np.float32),
                    )
                )
        yield rows_of(shard_bytes(rows, (7, 7), "float16", {}))


def many(count: int) -> None:
    """Print how long a report of many rows takes, and how large its page is."""
    start = time.perf_counter(), time.process_time()
    seen = observe(rows_of_a_run(count))
    made_in = time.perf_counter() - start[0], time.process_time() - start[1]
    facts = {"model": "made", "photos": f"{count} photos"}
    report = analyse(seen, ReportContext(facts, Gallery(seen.paths, Fit((224, 224)))))
    size = len(make_page(report, Path("report.html"), None)) / 2**20
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    print(
        f"{count} photos: {wall:.0f} s ({cpu:.0f} s of CPU), of which {made_in[0]:.0f} s "
        f"({made_in[1]:.0f}) to make, write and read the rows; a page of {size:.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clean", type=int, default=20)
    parser.add_argument("--marks", nargs="*", default=MARKS)
    parser.add_argument("--rows", type=int, default=0, help="only: a report of so many photos")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.rows:
        many(given.rows)
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
        return
    for mark in given.marks:
        for share in (0.03, 0.1):
            for seed in range(given.seeds):
                start = time.perf_counter()
                best, confirmed, sentences, accuracy = search(mark, share, seed)
                print(
                    f"{mark} {share:.0%} seed {seed}: F1 {best:.2f}, "
                    f"{'confirmed' if confirmed else 'NOT confirmed'}, {len(sentences)} confirmed "
                    f"in all; accuracy {accuracy:.1%}, {time.perf_counter() - start:.0f} s"
                )
                for sentence in sentences:
                    print(f"    {sentence}")
    alarms = 0
    for seed in range(given.clean):
        _, _, sentences, accuracy = search(None, 0.03 if seed % 2 else 0.1, 100 + seed)
        alarms += bool(sentences)
        for sentence in sentences:
            print(f"    seed {seed}: {sentence}")
    print(f"without marks: an alarm in {alarms} of {given.clean} seeds")
    for seed in range(given.seeds):
        print(f"3 % swapped labels, seed {seed}: {swapped(seed):.0%} among as many suspects")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
