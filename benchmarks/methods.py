"""What every method costs, in plain forward passes of one photo, on one PyTorch network.

    python benchmarks/methods.py                              # ResNet-18
    python benchmarks/methods.py torchvision:mobilenet_v2 --rounds 3
    python benchmarks/methods.py --only grad-cam occlusion

One photo, one class, random weights (they do not change the cost), one thread. What is timed is the
processor time of this process, in turn and round by round; medians are compared. A machine that is
busy with other things changes the ratios little.

Methods that ask again (score-cam, rise, occlusion ...) are run with few copies and reported per
copy, and for as many copies as they make by default. Beside them stand captum and pytorch-grad-cam,
where they are installed, with as many copies.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from networks import declare_missing_operators

import seewhy
from seewhy.explaining.question import Question
from seewhy.explaining.running import copies_of
from seewhy.methods.base import Method
from seewhy.networks.base import Top
from seewhy.photos.reading import Photo

Task = Callable[[], object]

FEW: Mapping[str, Mapping[str, Any]] = {
    "rise": {"masks": 32},
    "occlusion": {"patch": 56, "stride": 56},
    "smooth-grad": {"samples": 4},
    "integrated-gradients": {"steps": 4},
}
"""Options under which a method makes few copies."""

AT_ONCE = 16
"""Copies in one batch, here and in the peers."""

GRAD_CAMS = {
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "xgrad-cam": "XGradCAM",
    "hires-cam": "HiResCAM",
    "layer-cam": "LayerCAM",
    "element-wise-grad-cam": "GradCAMElementWise",
    "eigen-cam": "EigenCAM",
    "eigen-grad-cam": "EigenGradCAM",
    "score-cam": "ScoreCAM",
    "ablation-cam": "AblationCAM",
}
"""pytorch-grad-cam's classes, by our names."""


@dataclass(frozen=True)
class Bench:
    """One network, one photo, and the layers that are explained.

    Attributes:
        photo: (h, w, 3), 0 ... 255.
        batch: the same, as the network takes it.
        layer: the default layer; `early` is the first map of few channels, for score-cam.
    """

    classifier: seewhy.Classifier
    photo: np.ndarray
    batch: torch.Tensor
    layer: str
    early: str

    @property
    def model(self) -> Any:
        return self.classifier.network.model

    def layer_of(self, method: str) -> str:
        return self.early if method == "score-cam" else self.layer

    def copies(self, method: Method, options: Mapping[str, Any]) -> int:
        """Count the copies that a method asks of this photo; of a layer's channels, all."""
        if method.at_layer and not method.per_batch:
            shapes = {one.name: one.shape for one in self.classifier.network.layers}
            return int(shapes[self.layer_of(method.name)][-1])
        question = Question(
            self.classifier, (method,), {method.name: options}, (self.layer,), Top(1), "score", None
        )
        return copies_of(question, method)


def bench(network: str) -> Bench:
    separator = "&" if "?" in network else "?"
    classifier = seewhy.load(f"{network}{separator}weights=none")
    height, width = classifier.size
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    images, _ = classifier.prepare([Photo(photo, "noise")])
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    early = next(
        one.name
        for one in classifier.network.layers
        if one.is_spatial and one.calls == 1 and one.shape[2] <= 64 and one.shape[0] <= height // 4
    )
    return Bench(classifier, photo, batch, classifier.layer, early)


def ours(it: Bench, method: Method) -> Task:
    options = FEW.get(method.name, {})
    return lambda: seewhy.explain(
        it.classifier,
        it.photo,
        method=method.name,
        classes=[0],
        layer=it.layer_of(method.name),
        batch_size=AT_ONCE,
        **options,
    )


def captums(it: Bench) -> dict[str, Task]:
    """The same by captum, for the methods that it has."""
    from captum import attr

    def run(explainer: Any, **options: Any) -> Task:
        return lambda: explainer.attribute(it.batch.clone().requires_grad_(), target=0, **options)

    module = it.model.get_submodule(it.layer)
    return {
        "grad-cam": run(attr.LayerGradCam(it.model, module), relu_attributions=True),
        "saliency": run(attr.Saliency(it.model)),
        "gradient-x-input": run(attr.InputXGradient(it.model)),
        "smooth-grad": run(attr.NoiseTunnel(attr.Saliency(it.model)), nt_samples=4),
        "integrated-gradients": run(
            attr.IntegratedGradients(it.model), n_steps=4, return_convergence_delta=True
        ),
        "guided-backpropagation": run(attr.GuidedBackprop(it.model)),
        "guided-grad-cam": run(attr.GuidedGradCam(it.model, module)),
        "occlusion": run(
            attr.Occlusion(it.model),
            sliding_window_shapes=(3, 56, 56),
            strides=(3, 56, 56),
            perturbations_per_eval=AT_ONCE,
        ),
    }


def pytorch_grad_cams(it: Bench) -> dict[str, Task]:
    """The same by pytorch-grad-cam, for the methods that it has."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def run(method: str, kind: str) -> Task:
        module = it.model.get_submodule(it.layer_of(method))

        def task() -> object:
            with getattr(pytorch_grad_cam, kind)(model=it.model, target_layers=[module]) as cam:
                cam.batch_size = AT_ONCE
                return cam(it.batch, [ClassifierOutputTarget(0)])

        return task

    return {method: run(method, kind) for method, kind in GRAD_CAMS.items()}


def measure(tasks: Mapping[str, Task], rounds: int) -> dict[str, float]:
    """Return the median processor time of every task, in seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", nargs="?", default="torchvision:resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=seewhy.METHODS, default=list(seewhy.METHODS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    declare_missing_operators()

    it = bench(arguments.network)
    it.model.eval()

    def plain() -> object:
        with torch.inference_mode():
            return it.model(it.batch)

    methods = [one for name in arguments.only if not (one := seewhy.METHODS[name]).attends]
    tasks: dict[str, Task] = {"plain": plain}
    tasks |= {f"seewhy {method.name}": ours(it, method) for method in methods}
    for peer, module, make in (
        ("captum", "captum", captums),
        ("pytorch-grad-cam", "pytorch_grad_cam", pytorch_grad_cams),
    ):
        if importlib.util.find_spec(module):
            theirs = make(it)
            tasks |= {f"{peer} {name}": theirs[name] for name in arguments.only if name in theirs}
    found = measure(tasks, arguments.rounds)

    passes = {name: seconds / found["plain"] for name, seconds in found.items()}
    print(
        f"{arguments.network}, one photo of {it.classifier.size[0]}×{it.classifier.size[1]}, ",
        end="",
    )
    print(f"layer {it.layer} (score-cam: {it.early}); in plain forward passes")
    print(f"{'method':24}{'seewhy':>9}{'copies':>8}{'per copy':>10}{'default':>9}", end="")
    print(f"{'captum':>9}{'pytorch-grad-cam':>18}")
    for method in methods:
        mine = passes[f"seewhy {method.name}"]
        made = it.copies(method, FEW.get(method.name, {}))
        line = f"{method.name:24}{mine:9.1f}"
        if made > 1:
            each = (mine - 1) / made
            line += f"{made:8}{each:10.2f}{1 + each * it.copies(method, {}):9.0f}"
        else:
            line += " " * 27
        for peer, width in (("captum", 9), ("pytorch-grad-cam", 18)):
            theirs = passes.get(f"{peer} {method.name}")
            line += f"{'–' if theirs is None else f'{theirs:.1f}':>{width}}"
        print(line)


if __name__ == "__main__":
    main()
