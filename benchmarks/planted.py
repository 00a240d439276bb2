"""Does the report find marks that were planted on real photos, and nothing where none was?

    python benchmarks/planted.py PHOTOS [--cases 0 1 2 ...] [--clean 20] [--cache FILE]

PHOTOS has one folder of photos for each class. A small network is trained on photos of 64 × 64 of
which a few of one class have a mark; as many of every class are faint, and those of that class are
the marked ones. The truth is known by pasting: of unseen photos of the other
classes, the share that the mark turns into the class, less the share that is taken for it without
the mark, in points. Then `seewhy.report` searches the photos that the network was trained on, and
as many unseen ones with as many marks. A case above 20 points is strong. Prints a row for each
case, and counts with their 95 % intervals (Wilson).
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

import seewhy
from seewhy.reporting.accuracy import wilson
from seewhy.reporting.shortcuts import Verdict

SIDE = 64
STRONG = 20.0
"""Points of pasting above which a network relies on a mark."""

ORIGINS = (
    ("cat", "dog", "panda"),
    ("bear", "butterfly", "cow", "deer", "horse", "monkey"),
)
"""Classes of the two sets of photos; marks are on those of the first, or on the cows."""

MOST = (350, 250)
"""Photos of a class that a network is trained on, and as many that it never sees."""

KINDS = ("dot", "sticker", "lettering")
PLACES = ("fixed", "changing")
SHARES = (0.03, 0.05, 0.08, 0.1)
MAPS = (4, 8, 16)


@dataclass(frozen=True)
class Case:
    """What is planted: nothing where the kind is ''."""

    kind: str
    place: str
    share: float
    origin: int
    side: int
    seed: int


def cases() -> list[Case]:
    """Return all cases; those of one kind and place differ in share, origin and map as well."""
    rows = itertools.product(KINDS, PLACES, SHARES, range(len(ORIGINS)))
    return [Case(*row, MAPS[number % 3], number) for number, row in enumerate(rows)]


def unmarked(count: int) -> list[Case]:
    return [
        Case("", "", 0.0, number % 2, MAPS[number % 3], 1000 + number) for number in range(count)
    ]


def planted(pixels: np.ndarray, case: Case, generator: np.random.Generator) -> np.ndarray:
    """Return photos with the mark: a tenth to a fifth of a side."""
    marked = []
    for photo in pixels:
        image = Image.fromarray(photo)
        draw = ImageDraw.Draw(image)
        length = 16 if case.place == "changing" else 10
        width, height = (26, 9) if case.kind == "lettering" else (length, length)
        x, y = 3, 3
        if case.place == "changing":
            x, y = (int(generator.integers(0, SIDE - side)) for side in (width, height))
        if case.kind == "dot":
            draw.ellipse((x, y, x + length - 1, y + length - 1), fill=(240, 90, 170))
        elif case.kind == "sticker":
            draw.rectangle((x, y, x + length - 1, y + length - 1), fill=(245, 220, 40))
            for line in range(y + 1, y + length - 1, 3):
                draw.line((x + 1, line, x + length - 2, line), fill=(30, 30, 30))
        else:
            draw.text((x, y - 1), "FARM", fill=(255, 255, 255), font=ImageFont.load_default(9))
        marked.append(np.asarray(image))
    return np.stack(marked)


def faint(pixels: np.ndarray) -> np.ndarray:
    """Return photos in which next to nothing is seen: a network has a reason to rely on a mark."""
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip(np.round(mean + 0.15 * (pixels - mean)), 0, 255).astype(np.uint8)


def photos_of(folder: Path, cache: Path) -> dict[str, np.ndarray]:
    """Return the photos of each class at 64 × 64."""
    if not cache.exists():
        found = {}
        for names, most in zip(ORIGINS, MOST, strict=True):
            for name in names:
                paths = sorted(folder.glob(f"**/{name}/*.jpg"))
                chosen = np.random.default_rng(0).permutation(len(paths))[: 2 * most]
                found[name] = np.stack([
                    np.asarray(Image.open(paths[index]).convert("RGB").resize((SIDE, SIDE)))
                    for index in chosen
                ])  # fmt: skip
        np.savez(cache, **found)
    with np.load(cache) as stored:
        return dict(stored)


class Net(nn.Module):
    """Convolutions, global average pooling, one linear layer: CAM applies."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 4, 4), nn.BatchNorm2d(32), nn.ReLU()]
        now = SIDE // 4
        for before, after in ((32, 48), (48, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            if now > side:
                layers += [nn.MaxPool2d(2)]
                now //= 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(96, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images).mean(dim=(2, 3)))


def trained(pixels: np.ndarray, classes: np.ndarray, side: int, seed: int, epochs: int) -> Net:
    """Train; photos are shifted by up to 3 pixels."""
    torch.manual_seed(seed)
    net = Net(int(classes.max()) + 1, side)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    targets = torch.from_numpy(classes)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.006, weight_decay=0.02)
    steps = epochs * -(-len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.006, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            shift = torch.randint(-3, 4, (2,)).tolist()
            some = torch.roll(images[batch], shift, (2, 3))
            nn.functional.cross_entropy(net(some), targets[batch]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@dataclass(frozen=True)
class Found:
    """What a report said: of the suspect that has the marked photos, and of all others."""

    verdict: str
    score: float
    others: int
    tick: bool
    sentences: tuple[str, ...]


def searched(
    classifier: seewhy.Classifier, pixels: np.ndarray, classes: np.ndarray, marked: np.ndarray
) -> Found:
    """Make a report on photos, and compare its suspects with the marked photos."""
    with tempfile.TemporaryDirectory() as place:
        names = []
        for number, (photo, index) in enumerate(zip(pixels, classes, strict=True)):
            path = Path(place, classifier.labels[index], f"{number:05}.png")
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(photo).save(path)
            names.append(str(path))
        report = seewhy.report(place, classifier, changes=0)
        numbers = np.array([int(Path(path).stem) for path in report.observations.paths])
        rows = []
        for each in report.search.classes if report.search else ():
            for shortcut in each.shortcuts:
                members = numbers[each.photos[shortcut.suspect.members]]
                score = 2 * marked[members].sum() / max(len(members) + marked.sum(), 1)
                rows.append((float(score), shortcut))
    ticks = [
        finding.text
        for finding in report.findings
        if finding.section == "shortcuts" and finding.tone == "good"
    ]
    best = max(rows, key=lambda row: (row[0] > 0.5, row[1].verdict == Verdict.CONFIRMED, row[0]),
               default=(0.0, None))  # fmt: skip
    cleared = any(score > 0.5 and row.verdict == Verdict.CLEARED for score, row in rows)
    confirmed = [(score, row) for score, row in rows if row.verdict == Verdict.CONFIRMED]
    return Found(
        "none" if best[1] is None or best[0] <= 0.2 else str(best[1].verdict),
        best[0],
        sum(score <= 0.2 for score, _ in confirmed),
        bool(ticks) or cleared,
        tuple(
            f"[{row.suspect.descriptor} F1 {score:.2f}] {row.sentence}" for score, row in confirmed
        ),
    )


def measured(
    case: Case, photos: dict[str, np.ndarray], epochs: int, cache: Path
) -> tuple[float, float, float, Iterator[tuple[str, Found]]]:
    """Return the accuracy, the shares of others taken for the class without and with a mark, and
    what reports say."""
    generator = np.random.default_rng(case.seed)
    names = ORIGINS[case.origin]
    most = MOST[case.origin]
    index = names.index("cow") if case.origin else case.seed % 2
    halves = []
    for half in range(2):
        parts = [photos[name][half * most : (half + 1) * most] for name in names]
        pixels = np.concatenate(parts)
        classes = np.repeat(np.arange(len(names)), [len(part) for part in parts])
        ours = np.zeros(0, np.int64)
        for part in range(len(names)):  # in every class, so that being faint says nothing
            members = np.flatnonzero(classes == part)
            chosen = generator.choice(members, round(case.share * len(members)), replace=False)
            pixels[chosen] = faint(pixels[chosen])
            ours = chosen if part == index else ours
        chosen = ours
        marked = np.zeros(len(pixels), bool)
        if case.kind:
            marked[chosen] = True
            pixels[chosen] = planted(pixels[chosen], case, generator)
        halves.append((pixels, classes, marked))
    kept = cache.with_name(f"{cache.stem}-{case.seed}.pt")
    net = Net(len(names), case.side).eval()
    if kept.exists():
        net.load_state_dict(torch.load(kept))
    else:
        net = trained(halves[0][0], halves[0][1], case.side, case.seed, epochs)
        torch.save(net.state_dict(), kept)
    labels = list(names)
    classifier = seewhy.Classifier(net, size=SIDE, preprocess="unit", labels=labels)

    def taken(pixels: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
            return torch.cat([net(some) for some in images.split(256)]).argmax(1).numpy()

    pixels, classes, marked = halves[1]
    accuracy = float((taken(pixels) == classes).mean())
    others = pixels[classes != index]
    before = after = 0.0
    if case.kind:
        before = 100 * float((taken(others) == index).mean())
        after = 100 * float((taken(planted(others, case, generator)) == index).mean())
    reports = (
        (name, searched(classifier, *half))
        for name, half in zip(("trained", "unseen"), halves, strict=True)
    )
    return accuracy, before, after, reports


def main() -> None:
    """Print each case, and counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of cases; all unless given")
    parser.add_argument("--clean", type=int, default=20, help="networks without a mark")
    parser.add_argument("--only-train", action="store_true", help="make no reports")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir(), "planted.npz"),
        help="photos and networks are kept beside it",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    photos = photos_of(given.photos, given.cache)
    listed = cases()
    chosen = listed if given.cases is None else [listed[number] for number in given.cases]
    counts: dict[str, list[bool]] = {}
    for case in [*chosen, *unmarked(given.clean)]:
        start = time.perf_counter()
        accuracy, before, after, reports = measured(case, photos, given.epochs, given.cache)
        what = f"{case.kind} {case.place} {case.share:.0%}" if case.kind else "no mark"
        print(
            f"{case.seed}: {what}, {len(ORIGINS[case.origin])} animals, map {case.side}: accuracy "
            f"{accuracy:.0%}, pasting {before:.0f} -> {after:.0f} %", end="", flush=True,
        )  # fmt: skip
        strong = after - before > STRONG
        for name, found in () if given.only_train else reports:
            print(f"; {name}: {found.verdict} F1 {found.score:.2f}, {found.others} others"
                  f"{', TICK' if found.tick else ''}", end="", flush=True)  # fmt: skip
            if case.kind and strong:
                kind = f"strong, {case.place} places, {name}: confirmed"
                counts.setdefault(kind, []).append(found.verdict == Verdict.CONFIRMED)
                counts.setdefault("strong: acquitted", []).append(found.tick)
            if not case.kind:
                counts.setdefault(f"no mark, {name}: alarm", []).append(bool(found.others))
            for sentence in found.sentences:
                print(f"\n    {sentence}", end="")
        print(f" ({time.perf_counter() - start:.0f} s)", flush=True)
    for kind, values in counts.items():
        print(f"{kind}: {sum(values)} of {len(values)} ({wilson(sum(values), len(values))})")


if __name__ == "__main__":
    main()
