"""What Grad-CAM costs, in plain forward passes of the same batch, on one network and framework.

    KERAS_BACKEND=tensorflow python benchmarks/grad_cam.py resnet50
    KERAS_BACKEND=jax        python benchmarks/grad_cam.py vgg16
    python benchmarks/grad_cam.py torchvision:resnet50          # beside captum and pytorch-grad-cam

Everything is timed in turn, round by round, in one run, and medians are compared: the machine's
noise then falls on all alike. Weights are random: they do not change the cost.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from networks import declare_missing_operators

import seewhy
from seewhy.networks.base import Top

Task = Callable[[], object]


def plain_forward(classifier: seewhy.Classifier, images: np.ndarray) -> Task:
    """The same batch through the same network, as fast as its framework does it by itself."""
    model = classifier.network.model
    if "torch.nn" in str(type(model).__mro__) and not hasattr(model, "stateless_call"):
        import torch

        batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        batch = batch.contiguous(memory_format=torch.channels_last)

        def run() -> object:
            with torch.inference_mode():
                return model(batch).numpy()

        return run
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(lambda batch: model(batch, training=False))
        tensor = tf.constant(images)
        return lambda: compiled(tensor).numpy()
    if keras.backend.backend() == "jax":
        import jax

        trainable = [variable.value for variable in model.trainable_variables]
        fixed = [variable.value for variable in model.non_trainable_variables]
        jitted = jax.jit(lambda t, f, batch: model.stateless_call(t, f, batch, training=False)[0])
        return lambda: np.asarray(jitted(trainable, fixed, images))
    import torch

    def run() -> object:
        with torch.no_grad():
            return model(images, training=False).numpy()

    return run


def ours(classifier: seewhy.Classifier, images: np.ndarray, top: int) -> Task:
    """Grad-CAM of the best classes: network and method, without reading and drawing photos."""
    network, layer = classifier.network, classifier.layer
    method = seewhy.METHODS["grad-cam"].function

    def run() -> object:
        capture = network.activations_and_gradients(images, [layer], Top(top))
        gradients = capture.gradients[layer]
        return [method(capture.activations[layer], gradients[:, t]) for t in range(top)]

    return run


def captums(model: object, layer: object, images: np.ndarray, top: int) -> Task:
    """Captum needs the classes beforehand, and one pass for each."""
    import torch
    from captum.attr import LayerGradCam

    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())

    def run() -> object:
        with torch.no_grad():
            best = model(batch).topk(top).indices  # type: ignore[operator]
        explainer = LayerGradCam(model, layer)
        return [explainer.attribute(batch, best[:, t], relu_attributions=True) for t in range(top)]

    return run


def pytorch_grad_cams(model: object, layer: object, images: np.ndarray, top: int) -> Task:
    """pytorch-grad-cam: one call for each class."""
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())

    def run() -> object:
        with torch.no_grad():
            best = model(batch).topk(top).indices.numpy()  # type: ignore[operator]
        with GradCAM(model=model, target_layers=[layer]) as explainer:
            return [
                explainer(batch, [ClassifierOutputTarget(int(one)) for one in best[:, t]])
                for t in range(top)
            ]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="resnet50")
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    if arguments.network.startswith(("torchvision:", "timm:")):
        declare_missing_operators()
    separator = "&" if "?" in arguments.network else "?"
    classifier = seewhy.load(f"{arguments.network}{separator}weights=none")
    shape = (arguments.photos, *classifier.size, classifier.network.input_shape[2])
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    model = classifier.network.model

    tasks: dict[str, Task] = {
        "plain forward pass": plain_forward(classifier, images),
        "seewhy, top 1": ours(classifier, images, 1),
        "seewhy, top 5": ours(classifier, images, 5),
    }
    is_torch = arguments.network.startswith(("torchvision:", "timm:", "python:"))
    if is_torch:
        model.eval()
        layer = model.get_submodule(classifier.layer)
        if importlib.util.find_spec("captum"):
            tasks["captum, top 5"] = captums(model, layer, images, 5)
        if importlib.util.find_spec("pytorch_grad_cam"):
            tasks["pytorch-grad-cam, top 5"] = pytorch_grad_cams(model, layer, images, 5)

    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()  # compile, and warm up
    for _ in range(arguments.rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)

    plain = statistics.median(seconds["plain forward pass"])
    mine = statistics.median(seconds["seewhy, top 5"])
    print(f"{arguments.network}, {arguments.photos} photos, layer {classifier.layer}")
    for name, times in seconds.items():
        median = statistics.median(times)
        beside = f"{median / mine:6.1f} × ours" if "captum" in name or "pytorch-" in name else ""
        print(f"  {name:26} {median * 1000:8.0f} ms {median / plain:8.2f} passes {beside}")


if __name__ == "__main__":
    main()
