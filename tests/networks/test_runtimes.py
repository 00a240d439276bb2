"""TFLite files and TorchScript modules: their scores are the network's own, and get heatmaps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import seewhy
from seewhy.classifier import Classifier
from seewhy.errors import MissingFramework, ModelError
from seewhy.networks.predicting import PredictNetwork
from seewhy.networks.tflite import TFLiteNetwork

SIZE = 12
IMAGES = np.random.default_rng(0).uniform(size=(3, SIZE, SIZE, 3)).astype(np.float32)


class Colours(torch.nn.Module):
    """Two classes: the mean of red, and of blue, in the left half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = x[:, :, :, :6].mean((2, 3))
        return torch.stack([left[:, 0], left[:, 2]], dim=1) * self.weight


def expected(images: np.ndarray) -> np.ndarray:
    return images[:, :, :6].mean((1, 2))[:, [0, 2]] * [2, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_module_is_explained_by_its_scores() -> None:
    script = torch.jit.script(Colours()).train()
    classifier = Classifier(script, size=SIZE, preprocess="unit", labels=["red", "blue"])
    assert isinstance(classifier.network, PredictNetwork)
    np.testing.assert_allclose(classifier.network.scores(IMAGES), expected(IMAGES), rtol=1e-5)
    photo = np.full((SIZE, SIZE, 3), 200, np.uint8)
    options = {"patch": 3, "stride": 3, "fill": (0, 0, 0)}
    found = seewhy.explain(classifier, photo, method="occlusion", classes=["red"], **options)
    assert found.maps[0, 0, :, :6].min() > 0.05
    assert np.abs(found.maps[0, 0, :, 6:]).max() < 1e-6
    assert script.training  # as it was found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_module_of_several_outputs_is_told() -> None:
    class Two(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.mean((2, 3)), x.mean(1)

    with pytest.raises(ModelError) as caught:
        Classifier(torch.jit.script(Two()), size=SIZE, preprocess="unit", name="two")
    assert str(caught.value) == (
        "'two' returned a tuple, not one tensor of scores. Script a module that returns them alone."
    )


def converted(*, quantized: bool) -> bytes:
    """A Keras network of three classes as TFLite."""
    tf = pytest.importorskip("tensorflow")
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3), batch_size=1),
            keras.layers.Conv2D(3, 1, use_bias=False),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Softmax(),
        ]
    )
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0] = 4 * np.eye(3)
    model.layers[0].set_weights([kernel])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in IMAGES)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    content: bytes = converter.convert()
    return content


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow converts")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("quantized", [False, True], ids=["float32", "uint8"])
def test_a_tflite_file_gives_the_probabilities_of_its_network(
    tmp_path: Path, quantized: bool
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(converted(quantized=quantized))
    classifier: Any = seewhy.load(path, preprocess="unit", labels=["red", "green", "blue"])
    assert (classifier.size, classifier.network.head) == ((SIZE, SIZE), "softmax")
    powers = np.exp(4 * IMAGES.mean((1, 2)))
    shares = powers / powers.sum(axis=1, keepdims=True)
    found = classifier.probabilities(classifier.network.scores(IMAGES))
    np.testing.assert_allclose(found, shares, atol=0.02 if quantized else 1e-5)
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo[:, :6, 0] = 255
    red = seewhy.explain(classifier, photo, classes=["red"])
    assert red.method == "occlusion"
    assert np.nanmean(red.heatmap()[:, :6]) > np.nanmean(red.heatmap()[:, 6:])


def test_a_tflite_file_with_operators_that_write_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"TFL3 \x00FlexWriteFile\x00 and so on")
    with pytest.raises(ModelError) as raised:
        TFLiteNetwork(path)
    assert str(raised.value) == (
        f"'{path}' has the operator FlexWriteFile, which is TensorFlow's own and may read and "
        "write files. Convert the network with TFLite's operators alone (TFLITE_BUILTINS)."
    )


@pytest.mark.parametrize("content", [b"", b"TFL3", b"x" * 200], ids=["empty", "short", "other"])
def test_a_damaged_tflite_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"net.tflite' is not a TFLite network that LiteRT can "):
        seewhy.load(path)


def test_without_a_runtime_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "net.tflite").touch()
    with pytest.raises(MissingFramework) as caught:
        TFLiteNetwork(tmp_path / "net.tflite")
    assert str(caught.value) == (
        "A network in a TFLite file needs LiteRT. Install it: pip install 'seewhy[tflite]'"
    )
