"""Who sweeps a black patch over an image, and how they take turns on the clock."""

from __future__ import annotations

import importlib.util
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from networks import Call

Task = Callable[[], np.ndarray]

CLASSES = 8
"""How many classes' drops are compared; the time is the same, but for drawing the maps."""


def loop(image: np.ndarray, call: Call, patch: int, stride: int, batch: int, index: int) -> Task:
    """Return what one writes by hand for one class."""
    height, width, _ = image.shape
    places = [
        (top, left)
        for top in range(0, height - patch + 1, stride)
        for left in range(0, width - patch + 1, stride)
    ]

    def run() -> np.ndarray:
        clean = call(image[None])[0, index]
        drops = []
        for start in range(0, len(places), batch):
            copies = np.repeat(image[None], min(batch, len(places) - start), axis=0)
            for copy, (top, left) in zip(copies, places[start:], strict=False):
                copy[top : top + patch, left : left + patch] = 0
            drops.append(clean - call(copies)[:, index])
        return np.concatenate(drops)

    return run


def sweep(image: np.ndarray, network: Any, patch: int, stride: int) -> Task:
    """Return seewhy's plain sweep: the drops of some classes, (k, positions)."""
    from seewhy.methods.occlusion import occlusion

    def run() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of gaps between the patches, where some are left out
            probed = occlusion(
                image,
                lambda copies: network.scores(copies)[:, :CLASSES],
                patch=patch,
                stride=stride,
                filled=np.zeros_like(image),
            )
        grid = probed.extras["grid"]
        return grid.reshape(len(grid), -1)

    return run


def captums(model: Any, image: np.ndarray, patch: int, stride: int) -> dict[str, Task]:
    """Return captum's occlusion by its perturbations per pass, where it can be used.

    It refuses gaps between patches; they are made as large as the stride, which costs the same.
    """
    if importlib.util.find_spec("captum") is None or not hasattr(model, "forward"):
        return {}
    import torch
    from captum.attr import Occlusion

    patch = max(patch, stride)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()

    def run(per_pass: int) -> np.ndarray:
        with torch.no_grad():
            found = Occlusion(model).attribute(
                tensor,
                sliding_window_shapes=(3, patch, patch),
                strides=(3, stride, stride),
                target=0,
                baselines=0,
                perturbations_per_eval=per_pass,
            )
        return found.numpy()

    return {f"captum, {one} per pass": (lambda one=one: run(one)) for one in (1, 8, 32)}


def copies_of(contender: str, side: int, patch: int, stride: int) -> int:
    """Count the copies that a contender asks for: each has its own idea of the last edge."""
    if contender.startswith("captum"):
        return (math.ceil((side - max(patch, stride)) / stride) + 1) ** 2
    if contender.startswith("xplique"):
        return math.ceil((side - patch + 1) / stride) ** 2
    if contender == "hand-written loop":
        return ((side - patch) // stride + 1) ** 2
    return (math.ceil((side - patch) / stride) + 1) ** 2


def xpliques(model: Any, image: np.ndarray, patch: int, stride: int) -> dict[str, Task]:
    """Return xplique's occlusion of a Keras model on TensorFlow, where it is installed."""
    if importlib.util.find_spec("xplique") is None:
        return {}
    from xplique.attributions import Occlusion

    classes = model.output_shape[-1]
    target = np.eye(1, classes, dtype=np.float32)
    explainer = Occlusion(
        model, batch_size=32, patch_size=patch, patch_stride=stride, occlusion_value=0.0
    )
    return {"xplique, 32 per pass": lambda: explainer.explain(image[None], target).numpy()}


def take_turns(tasks: Mapping[str, Task], repeats: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each, as they pass and of the processors."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, run in tasks.items():
            wall, work = time.perf_counter(), time.process_time()
            run()
            times[name].append((time.perf_counter() - wall, time.process_time() - work))
    medians = {name: np.median(each, axis=0) for name, each in times.items()}
    return {name: (float(wall), float(work)) for name, (wall, work) in medians.items()}
