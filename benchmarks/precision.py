"""What bfloat16 gains and costs: times of methods, and the error on real photos.

    python benchmarks/precision.py torchvision:resnet50 --clock cpu
    python benchmarks/precision.py "mobilenet?alpha=0.75&weights=FILE" --error FOLDER

Every round times plain float32 and what is asked for one after the other; medians of the rounds are
printed, and their ratio. Grad-CAM is also compared with a plain float32 forward pass of the same
photos. On a machine that does other work too, `--clock cpu` counts the processors' time instead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import seewhy
from seewhy.explaining.rounding import map_error, same_order
from seewhy.photos.reading import read_photo
from tests.torchvision_operators import declare_missing_operators

METHODS: dict[str, dict[str, Any]] = {
    "score-cam": {},
    "rise": {"masks": 32},
    "smooth-grad": {"samples": 8},
    "integrated-gradients": {"steps": 8},
    "occlusion": {"patch": 64, "stride": 32, "engine": "sweep"},
}
"""Few copies each: the ratio of two times is the same for many."""

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def alternate(
    tasks: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Return the median time of each task; they take turns, and run once before."""
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = clock()
            task()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def time_all(arguments: argparse.Namespace) -> None:
    """Print Grad-CAM's time in forward passes, and how much faster each method becomes."""
    separator = "&" if "?" in arguments.network else "?"
    classifier = seewhy.load(f"{arguments.network}{separator}weights=none")
    random = np.random.default_rng(0)
    photos = list(random.integers(0, 256, (arguments.photos, *classifier.size, 3), np.uint8))
    clock = CLOCKS[arguments.clock]
    settings = {"precision": "bfloat16"}
    print(f"{arguments.network}, {len(photos)} photos, bfloat16")
    images, _ = classifier.prepare([read_photo(photo) for photo in photos])

    def explain(method: str, many: int, **options: Any) -> Callable[[], object]:
        return lambda: seewhy.explain(
            classifier, photos[:many], method=method, top=5 if many > 1 else 1, **options
        )

    found = alternate(
        {
            "plain": lambda: classifier.network.scores(images),
            "float32": explain("grad-cam", len(photos)),
            "faster": explain("grad-cam", len(photos), **settings),
        },
        arguments.rounds,
        clock,
    )
    for name, how in (("float32", "float32"), ("faster", "bfloat16")):
        print(f"  grad-cam, top 5, {how:18} {found[name] / found['plain']:6.2f} forward passes")
    for method in arguments.methods:
        options = METHODS[method]
        layer = {"layer": arguments.narrow_layer} if method == "score-cam" else {}
        found = alternate(
            {
                "float32": explain(method, 1, **options, **layer),
                "faster": explain(method, 1, **options, **layer, **settings),
            },
            arguments.rounds,
            clock,
        )
        print(f"  {method:26} {found['float32'] / found['faster']:6.2f} times as fast")


def error(arguments: argparse.Namespace) -> None:
    """Print how far Grad-CAM of the best class is off, over a folder of photos."""
    classifier = seewhy.load(arguments.network)
    exact = seewhy.explain(classifier, arguments.error, method="grad-cam", top=1)
    best = [[row[0].index] for row in exact.targets]
    found = seewhy.explain(
        classifier, arguments.error, method="grad-cam", classes=best, precision="bfloat16"
    )
    errors, ranks, changes, same = [], [], [], 0
    for row in range(len(exact)):
        errors.append(map_error(found.maps[row, 0], exact.maps[row, 0]))
        ranks.append(same_order(found.maps[row, 0], exact.maps[row, 0]))
        changes.append(abs(found.targets[row][0].probability - exact.targets[row][0].probability))
        same += found.predictions[row][0].index == exact.predictions[row][0].index
    print(f"{arguments.network}, {len(exact)} photos, grad-cam of the best class in bfloat16")
    print(f"  error over the amplitude: median {statistics.median(errors):.1%}, ", end="")
    print(f"largest {max(errors):.1%}")
    print(f"  rank correlation: median {statistics.median(ranks):.4f}, lowest {min(ranks):.4f}")
    print(f"  best class the same: {same} of {len(exact)}")
    print(f"  its probability changes by at most {max(changes):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="torchvision:resnet50")
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--methods", nargs="*", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--narrow-layer", default="layer1.0.conv1", help="Score-CAM's layer")
    parser.add_argument("--error", metavar="FOLDER", help="measure the error on these photos")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.network.startswith(("torchvision:", "timm:")):
        declare_missing_operators()
    if arguments.error:
        error(arguments)
    else:
        time_all(arguments)


if __name__ == "__main__":
    main()
