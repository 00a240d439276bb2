"""Networks that are written with their heat, and run without seewhy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import ModelError, NotACamNetwork, OutputError
from tests.networks.contract import BODY, FLAT, HEIGHT, SOFTMAX, WIDTH, answers, some
from tests.networks.contract import DENSE as DENSE_STEP
from tests.networks.onnx_builder import built

SIDE = 12


def model_of(*, nested: bool = False) -> Any:
    layers = keras.layers
    body = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Conv2D(5, 3, activation="relu", name="map")],
        name="body",
    )
    middle = [body] if nested else body.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            *middle,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", name="dense"),
        ]
    )
    for place, variable in enumerate(model.weights):
        variable.assign(some(*variable.shape, seed=place, scale=0.3))
    return model


@pytest.mark.parametrize("nested", [False, True])
def test_a_keras_file_gives_its_heat_without_seewhy(nested: bool, tmp_path: Path) -> None:
    model = model_of(nested=nested)
    classifier = seewhy.Classifier(model, preprocess="unit")
    written = seewhy.export_with_cam(classifier, tmp_path / "heat.keras")
    assert written.shape == (SIDE - 2, SIDE - 2, 3)
    assert written.error < 1e-5

    pixels = np.random.default_rng(3).uniform(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    output, heat = keras.models.load_model(written.path).predict(pixels, verbose=0)
    np.testing.assert_allclose(output, model.predict(pixels, verbose=0), rtol=1e-5)
    _, bias = model.get_layer("dense").get_weights()
    logits = heat.mean(axis=(1, 2)) + bias  # CAM: its mean is the score without the bias
    powers = np.exp(logits)
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), output, rtol=1e-4)
    assert [node for layer in model.layers for node in layer._outbound_nodes[1:]] == []


@pytest.mark.parametrize("channels_last", [False, True])
def test_an_onnx_file_gives_its_heat_without_seewhy(channels_last: bool, tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    onnx.save(built(SOFTMAX, channels_last=channels_last), source)
    before = source.read_bytes()
    classifier = seewhy.Classifier(
        onnx.load(source), channels=2, preprocess=lambda pixels: pixels[..., :2] / 255
    )
    written = seewhy.export_with_cam(classifier, tmp_path / "heat.onnx")
    images = some(3, HEIGHT, WIDTH, 2, seed=40)
    session = onnxruntime.InferenceSession(written.path)
    given = images if channels_last else images.transpose(0, 3, 1, 2)
    output, heat = session.run(None, {"image": np.ascontiguousarray(given)})
    expected = answers(SOFTMAX, images)
    np.testing.assert_allclose(output, expected[""], rtol=1e-4)
    maps = expected["relu2"] @ DENSE_STEP.weights
    np.testing.assert_allclose(heat, maps.transpose(0, 3, 1, 2), rtol=1e-4, atol=1e-5)
    onnx.checker.check_model(onnx.load(written.path), full_check=True)
    assert source.read_bytes() == before


def test_what_gives_other_numbers_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = seewhy.Classifier(model_of(), preprocess="unit", name="tiny")
    weights = classifier.network.class_weights("map")
    proper = classifier.network.with_cam

    def with_cam(layer: str, path: Path) -> Any:
        monkeypatch.setattr(classifier.network, "class_weights", lambda layer: 1.01 * weights)
        return proper(layer, path)

    monkeypatch.setattr(classifier.network, "with_cam", with_cam)
    with pytest.raises(ModelError) as caught:
        seewhy.export_with_cam(classifier, tmp_path / "heat.keras")
    assert str(caught.value) == (
        "'tiny' gives other numbers once it is written: its outputs differ by 0.0%, its heat by "
        "1.0%. Nothing was written; export the network by its own tools, and explain that file."
    )
    assert list(tmp_path.iterdir()) == []


class OwnCode(keras.Model):
    """A model whose layers Keras does not see joined."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.dense = keras.layers.Conv2D(4, 3), keras.layers.Dense(3)

    def call(self, images: Any) -> Any:
        return self.dense(keras.ops.mean(self.map(images), axis=(1, 2)))


def test_what_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    kept = tmp_path / "kept.keras"
    kept.write_bytes(b"mine")
    classifier = seewhy.Classifier(model_of(nested=True), preprocess="unit", name="tiny")
    with pytest.raises(OutputError) as exists:
        seewhy.export_with_cam(classifier, kept)
    assert str(exists.value) == f"'{kept}' exists. Give another name: nothing is replaced."
    with pytest.raises(ModelError) as ending:
        seewhy.export_with_cam(classifier, tmp_path / "heat.onnx")
    assert str(ending.value) == (
        "'tiny' is written to a file ending in .keras, not in '.onnx'. Name it so."
    )
    own = seewhy.Classifier(OwnCode(), size=SIDE, channels=3, preprocess="unit", name="tiny")
    with pytest.raises(ModelError) as joined:
        seewhy.export_with_cam(own, tmp_path / "heat.keras")
    assert str(joined.value) == (
        "'tiny' computes its output in code of its own, so that Keras cannot give it a further "
        "output. Build it by keras.Model(inputs, outputs)."
    )
    for steps in (FLAT, BODY):
        network = seewhy.Classifier(
            built(steps), channels=2, preprocess=lambda pixels: pixels[..., :2], name="tiny"
        )
        with pytest.raises(NotACamNetwork, match=r"^CAM needs global average pooling and one"):
            seewhy.export_with_cam(network, tmp_path / "heat.onnx")
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_bytes() == b"mine"


def test_the_command_writes_a_network_with_its_heat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_of().save(tmp_path / "net.keras")
    command = ["export", str(tmp_path / "net.keras"), "--preprocess", "unit", "--with-cam"]
    assert main([*command, str(tmp_path / "heat.keras")]) == 0
    answer = capsys.readouterr()
    assert answer.out == f"{tmp_path / 'heat.keras'}\n"
    assert "has the heat of 3 classes, 10×10 each" in answer.err
    assert main([*command, str(tmp_path / "net.keras")]) == 1
