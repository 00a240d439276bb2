"""docs/coming_from.md holds: each peer's call gives the map of the call beside it."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import skimage.data

import seewhy
from tests.places import ROOT
from tests.torchvision_operators import declare_missing_operators

TORCH = {"pytorch-grad-cam": "pytorch_grad_cam", "torchcam": "torchcam", "Captum": "captum"}
KERAS = {"tf-keras-vis": "tf_keras_vis", "tf-explain": "tf_explain"}
PAGE = (ROOT / "docs" / "coming_from.md").read_text("utf-8")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.chelsea()[20:244, 100:324]


def both(title: str, names: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert "theirs =" in code
    assert "ours =" in code
    names = {"seewhy": seewhy, "np": np, **names}
    exec(code, names)  # the page's own text
    theirs = names["theirs"]
    return np.asarray(theirs.detach() if hasattr(theirs, "detach") else theirs), names["ours"]


def in_torch(photo: np.ndarray) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 8), nn.ReLU())
            self.layer4 = nn.Sequential(nn.Conv2d(8, 16, 3, 2), nn.ReLU())
            self.fc = nn.Linear(16, 5)

        def forward(self, images: Any) -> Any:
            return self.fc(self.layer4(self.stem(images)).mean((2, 3)))

    model = Own().eval()
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    array = ((photo / 255 - mean) / deviation).astype(np.float32).transpose(2, 0, 1)
    classifier = seewhy.Classifier(model, preprocess="torch", size=224, labels=list("abcde"))
    return {"model": model, "tensor": torch.from_numpy(array)[None], "classifier": classifier}


def in_keras(photo: np.ndarray) -> dict[str, Any]:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the peer runs on TensorFlow only")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((224, 224, 3))
    maps = keras.layers.Conv2D(8, 7, strides=8, activation="relu")(inputs)
    maps = keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="last")(maps)
    scores = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, scores)
    classifier = seewhy.Classifier(model, preprocess="unit", labels=list("abcde"))
    images = (photo / 255).astype(np.float32)[None]
    return {"model": model, "images": images, "classifier": classifier}


@pytest.mark.filterwarnings("ignore")  # of the peers themselves
@pytest.mark.parametrize("title", [*TORCH, *KERAS])
def test_the_calls_of_the_page_give_the_same_map(title: str, photo: np.ndarray) -> None:
    package = (TORCH | KERAS)[title]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{title} is not installed")
    if title in TORCH:
        declare_missing_operators()
    make = in_torch if title in TORCH else in_keras
    theirs, ours = both(title, {"photo": photo, **make(photo)})
    assert theirs.shape == ours.shape
    assert ours.max() > 0
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.999
