"""The networks that benchmarks run: random weights, calibrated batch norms, the fastest plain call.

Time does not depend on the weights, but a map's size does: a deep network with random weights whose
batch norms were never calibrated answers every photo alike, and all maps are rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FRAMEWORKS = {"pytorch": "torch", "tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
"""By name: what must be installed. 'torch' is Keras on PyTorch."""

Call = Callable[[np.ndarray], np.ndarray]

SIZES = {"inception_v3": 299, "InceptionV3": 299, "Xception": 299, "InceptionResNetV2": 299}
"""Height and width of the input, where they are not 224."""

SLOW_TO_DRAW = ("inception_v3", "googlenet")
"""torchvision's networks whose own initial weights take minutes to draw."""

_DECLARED: list[Any] = []


def declare_missing_operators() -> None:
    """A torchvision beside a PyTorch of another build lacks operators that no classifier needs."""
    import torch

    if not _DECLARED and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)


def size_of(name: str) -> int:
    return SIZES.get(name, 224)


def build(framework: str, name: str, size: int) -> tuple[Any, Call]:
    """Return a torchvision network or a keras.applications one, and its fastest plain call."""
    pictures = photos(size)
    if framework == "pytorch":
        model = _torch_model(name)
        calibrate_torch(model, pictures)
        import torch

        def call(copies: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model(torch.from_numpy(copies).permute(0, 3, 1, 2)).numpy()

        return model, call
    import keras

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        weights=None, classifier_activation=None, input_shape=(size, size, 3)
    )
    if framework != "jax":
        calibrate_keras(model, pictures)
    return model, model.predict_on_batch


def _torch_model(name: str) -> Any:
    import torch

    declare_missing_operators()
    import torchvision

    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name in SLOW_TO_DRAW else {}
    return torchvision.models.get_model(name, weights=None, **options).eval()


def photos(size: int) -> np.ndarray:
    """Return four real photos (4, size, size, 3), about −2 … 2, as networks take them."""
    from skimage import data
    from skimage.transform import resize

    squares = []
    for name in ("chelsea", "coffee", "astronaut", "rocket"):
        photo = getattr(data, name)()
        side = min(photo.shape[:2])
        square = resize(photo[:side, :side], (size, size), anti_aliasing=True)
        squares.append((square - 0.45) / 0.25)
    return np.stack(squares).astype(np.float32)


def calibrate_torch(model: Any, pictures: np.ndarray) -> None:
    """Set the batch norms' statistics to those of some photos."""
    import torch

    norms = [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        model(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def calibrate_keras(model: Any, pictures: np.ndarray) -> None:
    """Set the batch norms' statistics to those of some photos."""
    import keras

    norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(pictures, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
