"""How often `locate` draws the right box, on photos of several origins.

    python benchmarks/boxes.py                              MobileNet, every way of looking
    python benchmarks/boxes.py --model mine.keras --only fast,tiles --origin imagenet300
    python benchmarks/boxes.py --choose                     the prior and the factor, cross-fitted

The data are photos with boxes of all their objects (`boxes.json`: {origin/file: [{"box"}]}); the
network is not told what to look for. A box is right if its intersection over union with an object's
is at least 0.5. Photos of one object: how often the likeliest box is right, and how often where the
object is smaller than half of the photo, with 95 % bootstrap intervals over photos. Photos of two
to six objects of at least 1 % of the photo: recall at precision, every object counts once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(
    os.environ.get("SEEWHY_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
MOBILENET = "mobilenet?alpha=0.75&weights=" + str(
    SHARED / "networks" / "mobilenet_0.75_224.weights.h5"
)
SMALLEST, MOST_OBJECTS = 0.01, 6
"""The smallest share of a photo that counts as an object, and the most objects of a photo."""

WAYS: dict[str, dict[str, Any]] = {
    "tiles": {},
    "tiles, prior='none'": {"prior": "none"},
    "tiles, threshold 0.25, no prior": {"prior": "none", "threshold": 0.25},
    "fast": {"fast": True},
    "fast, prior='none'": {"fast": True, "prior": "none"},
    "fast, threshold 0.2, one class": {"fast": True, "prior": "none", "threshold": 0.2, "top": 1},
}
"""Keywords of `seewhy.locate`; the thresholds are those of CAM's paper and of earlier versions."""

CENTRED = (0.7, 0.75, 0.8)
"""Shares of both sides of centred boxes, for comparison."""

SPREADS = (0.5, 0.6, 0.7, 0.8, 1.0, np.inf)
FACTORS = np.arange(0.5, 1.21, 0.05)
"""What --choose chooses from; an infinite spread is no prior."""


@dataclass(frozen=True)
class Case:
    """A photo with its objects: their boxes in pixels, and which half of the photos it is in."""

    photo: Any
    boxes: np.ndarray
    half: int

    @property
    def share(self) -> float:
        """The largest object's share of the photo."""
        return float(shares(self.boxes, self.photo).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED / "boxes")
    parser.add_argument("--model", default=MOBILENET)
    parser.add_argument("--only", help="names of ways, separated by semicolons")
    parser.add_argument("--origin", help="one of them (all)")
    parser.add_argument("--choose", action="store_true", help="cross-fit prior and factor")
    args = parser.parse_args()
    if not (args.data / "boxes.json").is_file():
        print(f"{args.data} has no boxes.json")
        return 1
    import seewhy

    origins = cases_of(args.data, args.origin)
    classifier = seewhy.load(args.model)
    if args.choose:
        choose(classifier, origins)
        return 0
    wanted = args.only.split(";") if args.only else list(WAYS)
    for origin, cases in origins.items():
        print(f"\n{origin}: {counted(cases)}")
        for side in CENTRED:
            report(f"a centred box of {side:g}", [centred(one, side) for one in cases], cases)
        for name in wanted:
            start = time.process_time()
            found = [
                [one.box for one in seewhy.locate(classifier, case.photo, **WAYS[name]).found[0]]
                for case in cases
            ]
            seconds = (time.process_time() - start) / len(cases)
            report(f"{name} ({seconds:.2f} s)", found, cases)
    return 0


def cases_of(folder: Path, wanted: str | None) -> dict[str, list[Case]]:
    """Return the photos of each origin: of one object, or of several that are large enough."""
    from seewhy.photos.reading import read_photo

    found: dict[str, list[Case]] = defaultdict(list)
    for file, objects in json.loads((folder / "boxes.json").read_text()).items():
        origin = file.partition("/")[0]
        if wanted not in (None, origin):
            continue
        photo = read_photo(folder / file)
        boxes = np.array([one["box"] for one in objects], np.float64).reshape(-1, 4)
        large = boxes[shares(boxes, photo) >= SMALLEST]
        if len(boxes) == 1 or 2 <= len(large) <= MOST_OBJECTS:
            digest = hashlib.sha256(Path(file).name.encode()).hexdigest()
            kept = boxes if len(boxes) == 1 else large
            found[origin].append(Case(photo, kept, int(digest, 16) % 2))
    return found


def shares(boxes: np.ndarray, photo: Any) -> np.ndarray:
    """Return the boxes' shares of the photo."""
    from seewhy.boxes import area

    height, width = photo.pixels.shape[:2]
    return area(boxes) / (height * width)


def centred(case: Case, side: float) -> list[tuple[float, ...]]:
    height, width = case.photo.pixels.shape[:2]
    edge = (1 - side) / 2
    return [(edge * width, edge * height, (1 - edge) * width, (1 - edge) * height)]


def counted(cases: list[Case]) -> str:
    single = [one for one in cases if len(one.boxes) == 1]
    small = sum(one.share < 0.5 for one in single)
    objects = sum(len(one.boxes) for one in cases if len(one.boxes) > 1)
    return (
        f"{len(single)} photos of one object, in {small} smaller than half of the photo; "
        f"{len(cases) - len(single)} of several, {objects} objects"
    )


def report(name: str, found: list[Any], cases: list[Case]) -> None:
    single = [place for place, case in enumerate(cases) if len(case.boxes) == 1]
    first = np.array([hits(found[place][:1], cases[place].boxes) for place in single], float)
    small = np.array([cases[place].share < 0.5 for place in single], bool)
    told = [interval(first)] if len(first) else []
    told += [f"small {interval(first[small])}"] if small.any() else []
    several = [place for place, case in enumerate(cases) if len(case.boxes) > 1]
    if several:
        right = sum(hits(found[place], cases[place].boxes) for place in several)
        objects = sum(len(cases[place].boxes) for place in several)
        boxes = sum(len(found[place]) for place in several)
        told.append(f"several {right / objects:.3f} at {right / max(boxes, 1):.3f}")
    print(f"  {name:40} {'  '.join(told)}", flush=True)


def interval(values: np.ndarray) -> str:
    from seewhy.evaluating.intervals import bootstrap

    mean = bootstrap(values)
    return f"{mean.mean:.3f} [{mean.low:.2f}, {mean.high:.2f}]"


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


def choose(classifier: Any, origins: dict[str, list[Case]]) -> None:
    """Choose the prior's spread and Otsu's factor on one half, score them on the other.

    The best is the one with the best mean over the origins of at least 100 photos of one object.
    """
    import seewhy
    from seewhy.boxes import heatmap_boxes
    from seewhy.locating import heat

    single = {
        origin: [case for case in cases if len(case.boxes) == 1]
        for origin, cases in origins.items()
    }
    single = {origin: cases for origin, cases in single.items() if len(cases) >= 100}
    settings = [(spread, factor) for spread in SPREADS for factor in FACTORS]
    right = {origin: np.zeros((len(cases), len(settings))) for origin, cases in single.items()}
    steps = ((np.arange(heat.GRID) + 0.5) / heat.GRID * 2 - 1) ** 2
    for origin, cases in single.items():
        for row, case in enumerate(cases):
            explained = seewhy.explain(classifier, case.photo, top=5, zoom=2)
            maps = heat.mix_classes(explained).maps[0, 0]
            raw = np.maximum(resized(maps, heat.GRID), 0)
            size = case.photo.pixels.shape[:2]
            scale = np.array([size[1], size[0]] * 2) / heat.GRID
            for column, (spread, factor) in enumerate(settings):
                weighed = raw * np.exp(-np.add.outer(steps, steps) / (2 * spread**2))
                share = min(factor / heat.OTSU * heat.otsu_share(weighed), 0.99)
                boxes = heatmap_boxes(weighed, threshold=share) * scale
                right[origin][row, column] = hits(boxes, case.boxes)
    for prior, kept in (("with a prior", True), ("without", False)):
        columns = [k for k, (spread, _) in enumerate(settings) if np.isfinite(spread) == kept]
        chosen = []
        scored = {origin: np.zeros(len(cases)) for origin, cases in single.items()}
        for half in (0, 1):
            halves = {
                origin: np.array([case.half for case in cases]) == half
                for origin, cases in single.items()
            }
            means = [right[one][~halves[one]].mean(axis=0) for one in single]
            best = max(columns, key=lambda k: np.mean([mean[k] for mean in means]))
            chosen.append(settings[best])
            for one, inside in halves.items():
                scored[one][inside] = right[one][inside, best]
        print(f"{prior}: spread and factor {', '.join(f'{s:g} {f:.2f}' for s, f in chosen)}")
        for origin, values in scored.items():
            small = np.array([case.share < 0.5 for case in single[origin]])
            print(f"  {origin}: {interval(values)}, small {interval(values[small])}")


def resized(heatmap: np.ndarray, side: int) -> np.ndarray:
    from seewhy.maps import resize_map

    return resize_map(np.nan_to_num(heatmap), (side, side))


if __name__ == "__main__":
    sys.exit(main())
