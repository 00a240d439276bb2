"""Which heatmap to trust: every method and baseline, measured on real networks and photos.

    python benchmarks/truth.py --photos 100                      measure, write page and table
    python benchmarks/truth.py --photos 100 --only-measure       on a machine of its own, say
    python benchmarks/truth.py --photos 100 --network built-in   one network, and its tables

Measurements are kept in --cache, one file per network and tier of methods, and are not repeated:
stop it at any time, and go on with the same command, or with more photos. On a busy machine set
OMP_NUM_THREADS=1: PyTorch's threads wait for each other by spinning, which made SqueezeNet take
three times the processor time. Costly methods are measured on fewer photos (PLAN), with fewer
copies (OPTIONS in `truth_costs`).
Needs SEEWHY_TEST_DATA, and for the ViT its weights, in SEEWHY_NETWORKS if they are not among the
test data's networks. Writes docs/trust.md and src/seewhy/methods/measured.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.truth_costs import OPTIONS, cost_of
from benchmarks.truth_photos import DATA, NETWORKS, load_network, mask_of, samples_of

STEPS = 7
"""Of deletion and insertion: 28 cells at a time."""

CHEAP = 20
"""Forward passes of a map up to which a method is measured on all photos."""

EVERYTHING = ("removal", "occlusion", "randomization", "mosaics", "boxes")

TIERS = {"cheap": EVERYTHING, "middle": EVERYTHING, "costly": ("removal", "occlusion", "boxes")}
"""What is measured of methods, by what they cost."""

PLAN = {
    "mobilenet": {"cheap": 1.0, "middle": 0.4, "costly": 0.2},
    "efficientnet-lite0": {"cheap": 1.0, "middle": 0.4},
    "squeezenet": {"cheap": 1.0, "middle": 0.4},
    "built-in": {"cheap": 1.0, "middle": 0.4},
    "vits14": {"cheap": 1.28},
}
"""By network and tier, the share of the photos on which it is measured."""

MEASURED: dict[str, tuple[str, ...]] = {"vits14": ("boxes",)}
"""What is measured of all methods of a network, where that is less than of others."""

COSTLY = 300
"""Forward passes of a map from which on a method is costly."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=100, help="photos for cheap methods (100)")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="one of them (all)")
    parser.add_argument("--tier", action="append", choices=list(TIERS), help="one of them (all)")
    parser.add_argument("--method", action="append", help="one of them (all)")
    parser.add_argument("--cache", type=Path, default=Path("truth"), help="measurements (truth/)")
    parser.add_argument("--only-measure", action="store_true", help="do not write the page")
    args = parser.parse_args()
    if not (DATA / "boxes" / "boxes.json").is_file():
        print(f"{DATA} has no boxes/boxes.json: the photos and networks are not on this machine")
        return 1
    measured: dict[str, dict[str, Any]] = {}
    for name in args.network or NETWORKS:
        measured[name] = {
            tier: measure(name, tier, round(args.photos * share), args.cache, args.method)
            for tier, share in PLAN[name].items()
            if args.tier is None or tier in args.tier
        }
    if not args.only_measure:
        from benchmarks.truth_page import write

        write(measured)
    return 0


def measure(
    network: str, tier: str, photos: int, cache: Path, some: list[str] | None = None
) -> Any:
    """Measure the methods of one tier, or some; return the evaluation, None without methods."""
    from seewhy.evaluating import evaluate

    classifier = load_network(network)
    measures = MEASURED.get(network, TIERS[tier])
    samples = samples_of(network, photos)
    methods = [name for name in methods_of(network, classifier, tier) if name in (some or [name])]
    if not methods:
        return None
    boxes = {one.file.name: one.boxes for one in samples}
    named = [[one.index] for one in samples if one.index is not None]
    # Tiers with the same measures share a file, and so the baselines; other weights have others.
    weights = classifier.session.weights_sha256()
    print(f"{network}, {tier}: {len(samples)} photos, {', '.join(methods)}", flush=True)
    return evaluate(
        classifier,
        [one.file for one in samples],
        methods=methods,
        classes=named or None,
        boxes=lambda photo: boxes[photo.name],
        object_masks=mask_of(samples),
        options={name: OPTIONS[name] for name in methods if name in OPTIONS},
        measures=measures,
        removal_steps=STEPS,
        resume=cache / f"{network}-{weights[:8]}-{len(measures)}.jsonl",
        announce=lambda cost: print(f"  {cost}", flush=True),
        progress=lambda done, total: print(f"  {done} of {total} maps", flush=True),
    )


def methods_of(network: str, classifier: Any, tier: str) -> list[str]:
    """Return the methods of a tier: by what a map costs."""
    from seewhy.methods import METHODS

    found = []
    for name, row in METHODS.items():
        if row.attends and network != "vits14":  # of transformers alone
            continue
        cost = cost_of(classifier, name)
        its_tier = "cheap" if cost <= CHEAP else "middle" if cost < COSTLY else "costly"
        if its_tier == tier:
            found.append(name)
    return found


if __name__ == "__main__":
    sys.exit(main())
