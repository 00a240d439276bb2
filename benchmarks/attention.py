"""Memory and passes of methods on attention, beside Grad-CAM and a plain pass: ViT-B/16 at 224.

    python benchmarks/attention.py --photos 8 --classes 5

Each runs in a process of its own. Memory is the peak beside the model, in megabytes, and as a ratio
to the plain pass's; passes are the model's own forward passes, counted by a hook.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

METHODS = ("plain", "grad-cam", "attention-rollout", "chefer", "chefer all", "legrad", "grad-eclip")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--classes", type=int, default=1)
    parser.add_argument("--model", default="timm:vit_base_patch16_224?weights=none")
    parser.add_argument("--only", choices=METHODS, help="in this process")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.model, args.photos, args.classes)))
        return 0
    plain = None
    print("method\tpeak MB\tto plain\tforward passes\tCPU s")
    for name in METHODS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        plain = plain or told["peak"]
        print(
            f"{name}\t{told['peak']:.0f}\t{told['peak'] / plain:.2f}\t{told['passes']}\t"
            f"{told['seconds']:.1f}",
            flush=True,
        )
    return 0


def measure(name: str, spec: str, photos: int, classes: int) -> dict[str, float]:
    """Run one method once, after a first call that finds out what is found out once."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    import numpy as np
    import torch

    import seewhy

    torch.manual_seed(0)
    classifier = seewhy.load(spec, preprocess="torch")
    size = classifier.size
    pixels = np.random.default_rng(0).integers(0, 256, (photos, *size, 3)).astype(np.uint8)
    method, _, layers = name.partition(" ")
    keywords: dict[str, Any] = {"layers": layers} if layers else {}

    def run(some: Any) -> None:
        if name == "plain":
            classifier.network.scores(classifier.to_input(np.stack(some)))
        else:
            seewhy.explain(
                classifier, list(some), method=method, top=classes, batch_size=photos, **keywords
            )

    model = classifier.network.model
    with torch.no_grad():
        model(torch.zeros(1, 3, *size))
    before = resident()
    run(pixels[:1])
    passes = []
    hook = model.register_forward_hook(lambda *_: passes.append(1))
    start = time.process_time()
    peak = watched(lambda: run(pixels))
    hook.remove()
    return {
        "peak": peak - before,
        "passes": len(passes),
        "seconds": time.process_time() - start,
    }


def watched(call: Any) -> float:
    """Return the largest resident memory while a function runs, in megabytes."""
    peak, over = [resident()], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], resident())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        call()
    finally:
        over.set()
        thread.join()
    return peak[0]


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main())
