"""Occlusion against a hand-written batched loop, against captum, and how much memory it takes.

    python benchmarks/occlusion.py                      every framework that is installed
    python benchmarks/occlusion.py --framework pytorch --network resnet18 --stride 16

Each framework runs in a process of its own, on random weights (time does not depend on them). The
contenders take turns. Medians are printed of the time that passed, and of the processors' time,
which other work on the machine hardly changes. The loop is what one would write by hand: batches of
copies, the framework's own fastest call, the same batch size. Memory is the process's peak above
what it was when the model had answered one image.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

FRAMEWORKS = {"pytorch": "torch", "tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
"""By name: what must be installed. 'torch' is Keras on PyTorch."""

NETWORKS = {
    "pytorch": ("resnet18", "resnet50"),
    "tensorflow": ("MobileNet", "ResNet50"),
    "jax": ("MobileNet",),
    "torch": ("MobileNet",),
}

MEMORY_LIMIT = 1e9
"""Bytes that 3,136 copies may take above the model."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--framework", choices=FRAMEWORKS)
    parser.add_argument("--network", action="append")
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--stride", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="only 4 × 4 patches at stride 4")
    args = parser.parse_args()
    if args.framework is None:
        return run_all(sys.argv[1:])
    if args.framework != "pytorch":
        os.environ["KERAS_BACKEND"] = args.framework
    for name in args.network or NETWORKS[args.framework]:
        model, by_hand = build(args.framework, name)
        if args.memory:
            measure_memory(f"{args.framework} {name}", model)
            return 0
        compare(f"{args.framework} {name}", model, by_hand, args)
    return 0


def run_all(arguments: list[str]) -> int:
    failed = 0
    for framework, module in FRAMEWORKS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{framework}: not installed")
            continue
        for extra in ([], ["--memory"]):
            command = [sys.executable, __file__, "--framework", framework, *extra, *arguments]
            failed += subprocess.run(command, check=False).returncode != 0
    return failed


def build(framework: str, name: str) -> tuple[object, Callable[[np.ndarray], np.ndarray]]:
    """Return the user's model, and its fastest plain call on (m, h, w, c)."""
    if framework == "pytorch":
        model = torch_model(name)
        import torch

        def call(copies: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model(torch.from_numpy(copies).permute(0, 3, 1, 2)).numpy()

        return model, call
    import keras

    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    return model, model.predict_on_batch


def torch_model(name: str) -> object:
    import torch

    torch.manual_seed(0)
    try:
        import torchvision
    except (ImportError, RuntimeError):
        # A torchvision without its compiled operators still has its networks.
        for module in [one for one in sys.modules if one.startswith("torchvision")]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision.models.get_model(name, weights=None).eval()


def loop(
    image: np.ndarray, call: Callable, patch: int, stride: int, batch: int, index: int
) -> np.ndarray:
    """Slide a black patch over the image: what one writes by hand for one class."""
    height, width, _ = image.shape
    places = [
        (top, left)
        for top in range(0, height - patch + 1, stride)
        for left in range(0, width - patch + 1, stride)
    ]
    clean = call(image[None])[0, index]
    drops = []
    for start in range(0, len(places), batch):
        copies = np.repeat(image[None], min(batch, len(places) - start), axis=0)
        for copy, (top, left) in zip(copies, places[start:], strict=False):
            copy[top : top + patch, left : left + patch] = 0
        drops.append(clean - call(copies)[:, index])
    return np.concatenate(drops)


def compare(title: str, model: object, by_hand: Callable, args: argparse.Namespace) -> None:
    import seewhy
    from seewhy.methods.occlusion import occlusion
    from seewhy.methods.occlusion_cost import default_batch_size

    network = seewhy.Classifier(model, size=224).network
    image = np.random.default_rng(0).random((224, 224, 3), np.float32)
    black = np.zeros_like(image)
    batch = default_batch_size(image.shape)

    def ours() -> np.ndarray:
        probed = occlusion(
            image,
            lambda copies: network.scores(copies)[:, :1],
            patch=args.patch,
            stride=args.stride,
            filled=black,
        )
        return probed.extras["grid"].ravel()

    contenders: dict[str, Callable[[], np.ndarray]] = {
        "seewhy sweep": ours,
        "hand-written loop": lambda: loop(image, by_hand, args.patch, args.stride, batch, 0),
    }
    contenders |= captums(title, model, image, args)
    answers = {name: run() for name, run in contenders.items()}  # to warm up, and to agree
    theirs = answers["hand-written loop"]
    gap = np.abs(answers["seewhy sweep"] - theirs).max() / np.abs(theirs).max()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(args.repeats):
        for name, run in contenders.items():
            wall, work = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - work))
    medians = {name: np.median(each, axis=0) for name, each in times.items()}
    print(
        f"\n{title}: patch {args.patch}, stride {args.stride}, "
        f"{len(answers['seewhy sweep'])} positions, batches of {batch}; "
        f"largest difference from the loop, of its largest drop: {gap:.0e}"
    )
    for name, (wall, work) in medians.items():
        ratios = np.array([wall, work]) / medians["hand-written loop"]
        print(
            f"  {name:22} {wall:7.2f} s  {ratios[0]:5.2f} × the loop   "
            f"{work:7.2f} s of processors  {ratios[1]:5.2f} ×",
            flush=True,
        )


def captums(
    title: str, model: object, image: np.ndarray, args: argparse.Namespace
) -> dict[str, Callable[[], np.ndarray]]:
    """Return captum's occlusion by its perturbations per pass, where it can be used."""
    if not title.startswith("pytorch") or importlib.util.find_spec("captum") is None:
        return {}
    import torch
    from captum.attr import Occlusion

    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()

    def run(per_pass: int) -> np.ndarray:
        with torch.no_grad():
            found = Occlusion(model).attribute(
                tensor,
                sliding_window_shapes=(3, args.patch, args.patch),
                strides=(3, args.stride, args.stride),
                target=0,
                baselines=0,
                perturbations_per_eval=per_pass,
            )
        return found.numpy()

    return {f"captum, {one} per pass": (lambda one=one: run(one)) for one in (1, 8, 32)}


def measure_memory(title: str, model: object) -> None:
    import seewhy
    from seewhy.methods.occlusion import occlusion

    network = seewhy.Classifier(model, size=224).network
    image = np.random.default_rng(0).random((224, 224, 3), np.float32)
    network.scores(image[None])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.perf_counter()
    probed = occlusion(
        image,
        lambda copies: network.scores(copies)[:, :1],
        patch=4,
        stride=4,
        filled=np.zeros_like(image),
    )
    seconds = time.perf_counter() - start
    above = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    copies = probed.extras["grid"].size
    print(
        f"\n{title}: patch 4, stride 4, {copies:,} copies in {seconds:.0f} s, "
        f"peak memory {above / 1e6:.0f} MB above the model's own "
        f"({copies * image.nbytes / 1e9:.1f} GB if all were held): "
        f"{'ok' if above < MEMORY_LIMIT else 'TOO MUCH'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
