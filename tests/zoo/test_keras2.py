"""Files of Keras 2: rebuilt from their configuration, as data, with the predictions of Keras 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from seewhy.errors import ModelError
from seewhy.zoo.keras_files import load_keras_file

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
RNG = np.random.default_rng(0)
PYTHON = os.environ.get("SEEWHY_KERAS2_PYTHON")
"""A Python with tf_keras: see `make keras2`."""

Part = dict[str, Any]

WRITER = Path(__file__).with_name("keras2_writer.py")
FILES = re.findall(r'^    "(\w+)": ', WRITER.read_text("utf-8"), re.MULTILINE)
AS_KERAS = ("mobilenet_v2", "transfer_mobilenet_v3", "augmented", "flowers", "others")


def part(kind: str, name: str, calls: Any, **config: Any) -> Part:
    """One layer, as Keras 2 writes it."""
    settings = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {"class_name": kind, "name": name, "config": settings, "inbound_nodes": calls}


def photo_input(name: str = "input_1", shape: Sequence[int] = (4, 4, 2)) -> Part:
    batch = {"batch_input_shape": [None, *shape], "sparse": False, "ragged": False}
    return part("InputLayer", name, [], **batch)


def after(*names: str, **settings: Any) -> list[Any]:
    """One call of a layer with what other layers returned."""
    return [[[name, 0, 0, settings] for name in names]]


def function(layer: str, of: str, function: str, /, **settings: Any) -> Part:
    """A function of TensorFlow: its node is not in a list."""
    return part("TFOpLambda", layer, [[of, 0, 0, settings]], function=function)


def network(parts: list[Part], *, name: str = "model") -> Part:
    ends = {
        "input_layers": [[parts[0]["name"], 0, 0]],
        "output_layers": [[parts[-1]["name"], 0, 0]],
    }
    config = {"name": name, "trainable": True, "layers": parts, **ends}
    return {"class_name": "Functional", "name": name, "config": config}


def write(
    path: Path,
    model: Part,
    weights: Mapping[str, Sequence[tuple[str, Any]]],
    version: str = "2.11.0",
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        file.attrs["model_config"] = json.dumps(model)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, values in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name, _ in values]
            for name, value in values:
                inner[name] = np.asarray(value, np.float32)
    return path


def answer(path: Path, photos: Any) -> Any:
    model = load_keras_file(path)
    return np.asarray(keras.ops.convert_to_numpy(model(np.asarray(photos, np.float32))))


def photos(shape: Sequence[int] = (4, 4, 2)) -> Any:
    return RNG.uniform(-3, 3, (2, *shape)).astype(np.float32)


def test_a_depthwise_convolution_of_one_group_is_loaded_whatever_its_name(tmp_path: Path) -> None:
    kernel = RNG.normal(size=(1, 1, 2, 1))
    settings = {"kernel_size": [1, 1], "groups": 1, "kernel_initializer": "zeros"}
    for version in ("2.11.0", "3.0.5"):  # a file that was copied by a newer Keras too
        parts = [
            photo_input("in/put"),
            part("DepthwiseConv2D", "a/conv", after("in/put"), use_bias=False, **settings),
            part("ReLU", "a_conv", after("a/conv"), max_value=None, negative_slope=0.0),
        ]
        weights = {"a/conv": [("a/conv/depthwise_kernel:0", kernel)]}
        path = write(tmp_path / "old.h5", network(parts), weights, version)
        given = photos()
        expected = np.maximum(given * kernel[0, 0, :, 0], 0)
        np.testing.assert_allclose(answer(path, given), expected, atol=1e-5)
        model = load_keras_file(path)
        assert [layer.name for layer in model.layers[1:]] == ["a_conv", "a_conv_2"]


def test_functions_of_tensorflow_are_their_twins_in_keras_3(tmp_path: Path) -> None:
    given = photos()
    flip = [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]
    parts = [
        photo_input(),
        part("SlicingOpLambda", "flip", [["input_1", 0, 0, {"slice_spec": flip}]],
             function="__operators__.getitem"),
        function("bias", "flip", "nn.bias_add", bias=[-1.0, 2.0], data_format="NHWC"),
        function("add", "bias", "__operators__.add", y=3.0, name=None),
        function("relu6", "add", "nn.relu6"),
        function("mul", "relu6", "math.multiply", y=["bias", 0, 0], name=None),
        function("div", "mul", "math.truediv", y=6.0, name=None),
        part("TFOpLambda", "minus", [["_CONSTANT_VALUE", -1, 1.0, {"y": ["div", 0, 0]}]],
             function="math.subtract"),
        part("TFOpLambda", "join", [[["minus", 0, 0, {"axis": -1}], ["div", 0, 0, {"axis": -1}]]],
             function="concat"),
        function("mean", "join", "math.reduce_mean", axis=[1, 2]),
    ]  # fmt: skip
    path = write(tmp_path / "old.h5", network(parts), {})
    moved = given[..., ::-1] + np.array([-1.0, 2.0])
    hard = np.clip(moved + 3, 0, 6) * moved / 6
    expected = np.concatenate([1 - hard, hard], axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(path, given), expected, atol=1e-5)


def test_what_keras_3_computes_otherwise_has_the_numbers_of_keras_2(tmp_path: Path) -> None:
    parts = [
        photo_input(),
        part("LeakyReLU", "leaky", after("input_1"), alpha=0.25),
        part("Activation", "hard", after("leaky"), activation="hard_sigmoid"),
    ]
    given = photos()
    leaky = np.where(given > 0, given, 0.25 * given)
    expected = np.clip(0.2 * leaky + 0.5, 0, 1)  # Keras 3 has the slope 1/6
    found = answer(write(tmp_path / "old.h5", network(parts), {}), given)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def dense(name: str, units: int, calls: Any, **config: Any) -> Part:
    return part("Dense", name, calls, units=units, activation="linear", use_bias=False, **config)


def test_weights_of_a_model_in_a_model_go_by_name_and_not_by_order(tmp_path: Path) -> None:
    one, two = RNG.normal(size=(2, 2)), RNG.normal(size=(2, 2))
    base = network(
        [
            photo_input("photo"),
            dense("first", 2, after("photo")),
            part("ReLU", "relu", after("first")),
            dense("second", 2, after("relu")),
        ],
        name="base",
    )
    base["inbound_nodes"] = [[["input_1", 0, 0, {"training": False}]]]
    parts = [
        photo_input(),
        base,
        # The first call of a model is number 1: its own making was number 0.
        part("GlobalAveragePooling2D", "pool", [[["base", 1, 0, {}]]], keepdims=False),
    ]
    weights = {"base": [("second/kernel:0", two), ("first/kernel:0", one)]}
    given = photos()
    expected = (np.maximum(given @ one, 0) @ two).mean(axis=(1, 2))
    found = answer(write(tmp_path / "old.h5", network(parts), weights), given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_sequential_models_in_each_other_are_rebuilt(tmp_path: Path) -> None:
    one, two = RNG.normal(size=(2, 2)), RNG.normal(size=(2, 3))
    first = dense("dense_1", 2, None, batch_input_shape=[None, 4, 4, 2])
    augment = part("RandomFlip", "flip", None, mode="horizontal", seed=None, rng_type="stateful")
    features = {"name": "sequential_1", "layers": [first, augment]}
    pool = part("GlobalAveragePooling2D", "pool", None)
    head = {"name": "sequential_2", "layers": [dense("dense_2", 3, None)]}
    inner = [
        {"class_name": "Sequential", "config": features},
        pool,
        {"class_name": "Sequential", "config": head},
    ]
    model = {"class_name": "Sequential", "config": {"name": "whole", "layers": inner}}
    weights = {
        "sequential_1": [("dense_1/kernel:0", one)],
        "sequential_2": [("dense_2/kernel:0", two)],
    }
    given = photos()
    found = answer(write(tmp_path / "old.h5", model, weights), given)
    np.testing.assert_allclose(found, given.mean(axis=(1, 2)) @ one @ two, rtol=1e-4, atol=1e-5)


def test_what_a_normalization_has_learned_is_loaded(tmp_path: Path) -> None:
    parts = [photo_input(), part("Normalization", "norm", after("input_1"), axis=[-1])]
    mean, variance = np.array([1.0, -2.0]), np.array([4.0, 0.25])
    weights = {"norm": [("mean:0", mean), ("variance:0", variance), ("count:0", 7)]}
    given = photos()
    found = answer(write(tmp_path / "old.h5", network(parts), weights), given)
    np.testing.assert_allclose(found, (given - mean) / np.sqrt(variance), rtol=1e-4, atol=1e-5)


WAY_OUT = (
    " Build the network and load only its weights: '{name}?classes=5&weights={path}' for a network "
    "of keras.applications, 'python:module:function?weights={path}' for one of your own."
)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (
            function("fft", "input_1", "signal.fft2d"),
            "layer 'fft' (TFOpLambda): tf.signal.fft2d has no twin in Keras 3 that is known here",
        ),
        (
            part("Conv2D", "conv", after("input_1"), filters=1, kernel_size=1, spectral=True),
            "layer 'conv' (Conv2D): its setting spectral=True has no twin in Keras 3",
        ),
        (
            part("Telescope", "far", after("input_1")),
            "layer 'far' (Telescope): Keras 3 has no layer of that class",
        ),
        (
            part("Activation", "act", after("input_1"), activation="own"),
            "layer 'act' (Activation): Keras 3 has no activation 'own'",
        ),
        (
            part("ReLU", "relu", after("missing")),
            "there is no layer 'missing' to call another with",
        ),
    ],
)
def test_what_cannot_be_rebuilt_is_named_with_the_way_out(
    tmp_path: Path, broken: Part, why: str
) -> None:
    path = write(tmp_path / "F.h5", network([photo_input(), broken], name="MobilenetV3large"), {})
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value) == (
        f"'{path}' is from Keras 2 and cannot be rebuilt: {why}."
        + WAY_OUT.format(name="mobilenetv3large", path=path)
    )


def test_code_in_an_old_file_is_refused(tmp_path: Path) -> None:
    code = part("Lambda", "secret", after("input_1"), function=["4wEAAA", None, None])
    path = write(tmp_path / "old.h5", network([photo_input(), code]), {})
    with pytest.raises(ModelError, match="contains the Lambda layer 'secret', which is code"):
        load_keras_file(path)


def test_weights_that_do_not_fit_are_told_by_layer(tmp_path: Path) -> None:
    model = network([photo_input(), dense("dense", 3, after("input_1"))])
    for weights, why in (
        ({"dense": [("dense/kernel:0", np.ones((2, 4)))]}, "have the shapes [(2, 4)]"),
        ({}, "has no weights for the layer 'dense'"),
        ({"gone": [("gone/kernel:0", [1.0])]}, "has weights of the layer 'gone'"),
    ):
        path = write(tmp_path / "old.h5", model, weights)
        with pytest.raises(ModelError) as caught:
            load_keras_file(path)
        assert why in str(caught.value)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that Keras 2 itself wrote: all kinds that people have."""
    folder = tmp_path_factory.mktemp("keras2")
    assert PYTHON is not None
    subprocess.run([PYTHON, str(WRITER), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.skipif(PYTHON is None, reason="SEEWHY_KERAS2_PYTHON names no Python with tf_keras")
@pytest.mark.parametrize(
    "name", [*(f"{one}.h5" for one in FILES), *(f"{one}.keras" for one in AS_KERAS)]
)
def test_a_file_of_keras_2_has_its_predictions(written: Path, name: str) -> None:
    given = np.load(written / "x.npy")
    expected = np.load((written / name).with_suffix(".npy"))
    found = load_keras_file(written / name).predict(given, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
