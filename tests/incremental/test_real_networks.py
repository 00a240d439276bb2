"""Two networks with real weights on a real photo: re-run windows are exact."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from skimage import data
from skimage.transform import resize
from torch import nn

from tests.incremental.families import assert_agrees
from tests.incremental.made import engine
from tests.places import DATA, NO_DATA

NETWORKS = DATA / "networks"

EGYPTIAN_CAT = 285


def network_file(name: str) -> Path:
    path = NETWORKS / name
    if not path.is_file():
        pytest.skip(NO_DATA)
    return path


def cat(side: int) -> np.ndarray:
    """Return the middle of scikit-image's cat, 0 … 255."""
    photo = data.chelsea()
    height, width = photo.shape[:2]
    left = (width - height) // 2
    square = photo[:, left : left + height]
    pixels: np.ndarray = resize(square, (side, side), anti_aliasing=True, preserve_range=True)
    return pixels.astype(np.float32)


def windows(side: int) -> np.ndarray:
    """Return a 16 × 16 patch at the corners, and where the cat is."""
    far = side - 16
    places = [(0, 0), (far, 0), (0, far), (far, far), (104, 97), (60, 131), (far // 2, 0)]
    return np.array([[x, y, x + 16, y + 16] for x, y in places])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="windows are not re-run on JAX")
@pytest.mark.backends
def test_a_mobilenet_with_real_weights_is_exact() -> None:
    model = keras.saving.load_model(network_file("mobilenet_0.75_224.keras"), compile=False)
    clean = cat(224) / 127.5 - 1
    features = keras.Model(model.input, model.layers[-2].output)

    def scores(copies: np.ndarray) -> np.ndarray:
        found = np.asarray(keras.ops.convert_to_numpy(features(copies)))
        return found.reshape(len(copies), -1)

    made = engine(model, size=(224, 224))
    assert "softmax" in model.layers[-1].get_config()["activation"]
    assert_agrees(made, scores, clean, np.zeros_like(clean), windows(224))


class Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.conv1x1_1 = nn.Conv2d(inputs, squeeze, 1)
        self.conv1x1_2 = nn.Conv2d(squeeze, expand, 1)
        self.conv3x3_2 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu_(self.conv1x1_1(x))
        return torch.relu_(torch.cat([self.conv1x1_2(x), self.conv3x3_2(x)], dim=1))


class SqueezeNet(nn.Module):
    """SqueezeNet v1.0 as its authors gave it: maxima in ceil mode, a last frame of one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        self.fire2, self.fire3 = Fire(96, 16, 64), Fire(128, 16, 64)
        self.fire4, self.fire5 = Fire(128, 32, 128), Fire(256, 32, 128)
        self.fire6, self.fire7 = Fire(256, 48, 192), Fire(384, 48, 192)
        self.fire8, self.fire9 = Fire(384, 64, 256), Fire(512, 64, 256)
        self.conv_final = nn.Conv2d(512, 1000, 1, padding=1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu_(self.conv1(x)))
        x = self.pool(self.fire4(self.fire3(self.fire2(x))))
        x = self.pool(self.fire8(self.fire7(self.fire6(self.fire5(x)))))
        return torch.relu_(self.conv_final(self.fire9(x))).mean(dim=(2, 3))


def squeezenet(path: Path) -> SqueezeNet:
    model = SqueezeNet().eval()
    with np.load(path) as arrays:
        state = {
            name: torch.from_numpy(arrays[name.replace(".", "/")]) for name in model.state_dict()
        }
    model.load_state_dict(state)
    return model


def test_a_squeezenet_with_real_weights_is_exact() -> None:
    model = squeezenet(network_file("squeezenet_v1.0.npz"))
    mean = np.array([104, 117, 123], np.float32)
    clean = cat(227)[..., ::-1] - mean

    def scores(copies: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = model(torch.tensor(copies.transpose(0, 3, 1, 2))).numpy()
        return found

    assert scores(clean[None]).argmax() == EGYPTIAN_CAT
    made = engine(model, size=(227, 227))
    assert_agrees(made, scores, clean, np.zeros_like(clean), windows(227))
