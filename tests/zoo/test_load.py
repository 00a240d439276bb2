"""A name or a file leads to a classifier: right size, preprocessing, labels, layer and fit."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from seewhy.classifier import Classifier
from seewhy.errors import ModelError, OptionError, UnknownLayer, UnknownModel
from seewhy.photos.fitting import Fit
from seewhy.photos.preprocessing import Normalize
from seewhy.photos.reading import read_photo
from seewhy.zoo.load import backend_in_use, load, models, write_metadata
from seewhy.zoo.names import parse_name
from tests.fuzz.rule import peak, start_of_peak
from tests.places import DATA, NO_DATA
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def small_model(*, channels: int = 3, classes: int = 2, size: int | None = 16) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((size, size, channels)),
            layers.Conv2D(4, 3, name="first", activation="relu"),
            layers.Conv2D(5, 3, name="last", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax" if classes > 1 else "sigmoid"),
        ]
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.keras"
    small_model().save(path)
    return path


@pytest.mark.parametrize(
    ("name", "size", "mode", "layer", "shape"),
    [
        ("vgg16?weights=none&size=32", 32, "caffe", "block5_conv3", (2, 2, 512)),
        ("mobilenet?alpha=0.25&weights=none", 224, "tf", "conv_pw_13_relu", (7, 7, 256)),
        ("xception?weights=none", 299, "tf", "block14_sepconv2_act", (10, 10, 2048)),
    ],
)
def test_a_network_of_keras_comes_with_all_that_it_needs(
    name: str, size: int, mode: str, layer: str, shape: tuple[int, int, int]
) -> None:
    classifier = load(name)
    assert classifier.name == name
    assert classifier.size == (size, size)
    assert classifier.fit == Fit(size=(size, size))
    assert classifier.preprocess == mode
    assert classifier.layer == layer
    assert {one.name: one.shape for one in classifier.network.layers}[layer] == shape
    assert classifier.label(classifier.class_index("egyptian_cat")) == "Egyptian cat"
    assert classifier.wordnet_ids[285] == "n02124075"


def test_a_name_of_torchvision_or_timm_is_suggested_with_its_prefix() -> None:
    with pytest.raises(UnknownModel) as caught:
        load("resnet18")
    assert str(caught.value) == (
        "Keras has no network 'resnet18'. Did you mean 'torchvision:resnet18' or 'timm:resnet18'?"
    )
    with pytest.raises(UnknownModel) as caught:
        load("vit_tiny_patch16_224")
    assert str(caught.value) == (
        "Keras has no network 'vit_tiny_patch16_224'. Did you mean 'timm:vit_tiny_patch16_224'?"
    )


def test_torchvision_and_timm_come_with_all_that_they_need() -> None:
    classifier = load("torchvision:squeezenet1_1?weights=none")
    assert classifier.fit == Fit(size=(224, 224), mode="crop", resize=256)
    assert isinstance(classifier.preprocess, Normalize)
    assert classifier.label(285) == "Egyptian cat"
    assert backend_in_use(classifier) == f"PyTorch {torch.__version__.partition('+')[0]}"
    classifier = load("timm:mobilenetv3_small_050?weights=none&size=96")
    assert classifier.fit.resize == 109  # floor(96 / 0.875)
    assert classifier.wordnet_ids[0] == "n01440764"


def test_settings_in_the_name_go_before_the_networks_own_and_arguments_before_both(
    tmp_path: Path,
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\npanda\n")
    path = tmp_path / "any.keras"
    small_model(size=None, classes=3).save(path)
    name = f"{path}?size=64x96&preprocess=unit&labels={labels}&layer=first&fit=crop:80"
    classifier = load(name)
    assert classifier.size == (64, 96)
    assert classifier.preprocess == "unit"
    assert classifier.labels == ("cat", "dog", "panda")
    assert classifier.layer == "first"
    assert classifier.fit == Fit(size=(64, 96), mode="crop", resize=80)
    names = ["a", "b", "c"]
    classifier = load(name, size=64, preprocess="tf", labels=names, layer="last", fit="stretch")
    assert classifier.size == (64, 64)
    assert classifier.preprocess == "tf"
    assert classifier.labels == ("a", "b", "c")
    assert classifier.layer == "last"
    assert classifier.fit == Fit(size=(64, 64))


def test_a_file_is_loaded_with_what_the_model_itself_tells(file: Path) -> None:
    for name in (file, str(file)):
        classifier = load(name)
        assert classifier.size == (16, 16)
        assert classifier.preprocessing is None
        assert classifier.labels == ("class 0", "class 1")
        assert classifier.layer == "last"
    assert load(f"{file}?labels=imagenet&layer=first", labels=["x", "y"]).labels == ("x", "y")


def test_a_file_with_a_metadata_explains_itself(tmp_path: Path) -> None:
    path = tmp_path / "animals.keras"
    small_model(size=None).save(path)
    metadata = {"labels": ["cat", "dog"], "size": [20, 24], "layer": "first", "preprocess": "tf"}
    write_metadata(path, {**metadata, "fit": "crop"})
    classifier = load(path)
    assert classifier.size == (20, 24)
    assert classifier.labels == ("cat", "dog")
    assert classifier.layer == "first"
    assert classifier.preprocess == "tf"
    assert classifier.fit == Fit(size=(20, 24), mode="crop")
    assert load(path, size=32).fit == Fit(size=(32, 32), mode="crop")


def test_a_grey_network_and_one_sigmoid_output_are_read_right(tmp_path: Path) -> None:
    path = tmp_path / "grey.h5"
    small_model(channels=1, classes=1).save(path)
    classifier = load(path, labels=["sad", "happy"], preprocess="none")
    images, _ = classifier.prepare([read_photo(np.zeros((20, 20, 3), np.uint8))])
    assert images.shape == (1, 16, 16, 1)
    scores = classifier.network.scores(images)
    np.testing.assert_allclose(classifier.probabilities(scores).sum(axis=1), 1, rtol=1e-6)
    assert classifier.class_index("happy") == 1


def test_the_emotion_network_of_keras_2_is_a_classifier() -> None:
    path = DATA / "networks/fer2013_mini_XCEPTION.102-0.66.hdf5"
    if not path.is_file():
        pytest.skip(NO_DATA)
    classifier = load(path, preprocess="tf")
    assert (classifier.size, len(classifier.labels)) == ((64, 64), 7)
    images, _ = classifier.prepare([read_photo(np.zeros((20, 20, 3), np.uint8))])
    np.testing.assert_array_equal(images, np.full((1, 64, 64, 1), -1, np.float32))


def test_real_weights_name_most_real_photos_right() -> None:
    weights = DATA / "networks/mobilenet_0.75_224.weights.h5"
    if not weights.is_file():
        pytest.skip(NO_DATA)
    classifier = load(f"mobilenet?alpha=0.75&weights={weights}")
    paths = sorted((DATA / "photos").glob("*.jpg"))
    images, _ = classifier.prepare([read_photo(path) for path in paths])
    best = classifier.network.scores(images).argmax(axis=1)
    right = sum(
        classifier.wordnet_ids[index] == path.name[:9]
        for index, path in zip(best, paths, strict=True)
    )
    assert (right, len(paths)) == (35, 40)


def test_an_own_module_is_named_by_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ownnet.py").write_text(
        "from torch import nn\n"
        "def build(classes=2):\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),\n"
        "                         nn.Flatten(), nn.Linear(4, classes))\n"
    )
    (tmp_path / "labels.txt").write_text("cat\ndog\npanda\n")
    monkeypatch.chdir(tmp_path)
    classifier = load("python:ownnet:build?classes=3&size=12&preprocess=torch&labels=labels.txt")
    assert classifier.size == (12, 12)
    assert classifier.labels == ("cat", "dog", "panda")
    images, _ = classifier.prepare([read_photo(np.zeros((20, 20, 3), np.uint8))])
    assert classifier.network.scores(images).shape == (1, 3)
    with pytest.raises(OptionError, match=r"^'python:ownnet:build' takes photos of any size"):
        load("python:ownnet:build")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "resnet51",
            UnknownModel,
            "There is no network 'resnet51', and no such file; the nearest names are 'resnet50' "
            "and 'resnet152'. List the names: seewhy models",
        ),
        (
            "qqqqqq",
            UnknownModel,
            "There is no network 'qqqqqq', and no such file. List the names: seewhy models",
        ),
        (
            "nowhere/animals.keras",
            UnknownModel,
            "The model file 'nowhere/animals.keras' does not exist. Give a .keras, .h5 or .hdf5 "
            "file, or a name: seewhy models",
        ),
        (
            "{folder}",
            UnknownModel,
            "The model file '{folder}' is a folder. Give a .keras, .h5 or .hdf5 file, or a name: "
            "seewhy models",
        ),
        (
            "{folder}/net.pt",
            ModelError,
            "'{folder}/net.pt' contains PyTorch weights, but no network. Name the function that "
            "builds the network too: python:module:function?weights={folder}/net.pt",
        ),
        (
            "{folder}/photo.jpg",
            ModelError,
            "'{folder}/photo.jpg' is not a model file: seewhy loads .keras, .h5, .hdf5 from Keras, "
            "and .onnx, .tflite. For PyTorch, name the function that builds the network: "
            "python:module:function",
        ),
        (
            "{folder}/photo.keras",
            ModelError,
            "'{folder}/photo.keras' is not a .keras file: it is not a zip archive, or not a whole "
            "one. Such files are zip archives, written by model.save('name.keras').",
        ),
        (
            "mobilenet?alpha",
            OptionError,
            "'alpha' in 'mobilenet?alpha' is not a setting. Write NAME?name=value&name=value, for "
            "example mobilenet?alpha=0.75&weights=none",
        ),
        (
            "mobilenet?alpha=1&alpha=2",
            OptionError,
            "'alpha' is set twice in 'mobilenet?alpha=1&alpha=2'. Set it once.",
        ),
        (
            "{folder}/photo.keras?alpha=2",
            OptionError,
            "'alpha' cannot be set for the file '{folder}/photo.keras', which contains a complete "
            "network.",
        ),
        (
            "mobilenet?alpha=0.25&weights=none&size=32&channels=red",
            OptionError,
            "channels=red in 'mobilenet?alpha=0.25&weights=none&size=32&channels=red' is not a "
            "number. Give 1 or 3.",
        ),
    ],
)
def test_what_is_wrong_with_a_name_is_said(
    tmp_path: Path, name: str, kind: type[Exception], message: str
) -> None:
    for file in ("net.pt", "photo.jpg", "photo.keras"):
        (tmp_path / file).write_bytes(b"\xff\xd8 not a model")
    with pytest.raises(kind) as caught:
        load(name.format(folder=tmp_path))
    assert str(caught.value) == message.format(folder=tmp_path)


def test_an_unknown_layer_is_an_error_when_the_network_is_loaded(file: Path) -> None:
    with pytest.raises(UnknownLayer, match="'lost'"):
        load(file, layer="lost")


def test_only_a_network_that_was_loaded_by_name_is_listed_by_the_command_line(file: Path) -> None:
    text = f"{file}?size=16"
    with pytest.raises(UnknownLayer) as caught:
        load(text, layer="lost")
    assert str(caught.value).endswith(f"list them: seewhy layers '{text}'")
    in_memory = Classifier(load(text).network.model, name=text)
    with pytest.raises(UnknownLayer) as caught:
        in_memory.network.layer_name("lost")
    assert str(caught.value).endswith("list them: classifier.network.layers")


def test_the_wrong_count_of_labels_is_an_error(file: Path) -> None:
    with pytest.raises(OptionError) as caught:
        load(f"{file}?labels=imagenet")
    assert str(caught.value) == (
        f"'{file}?labels=imagenet' has 2 classes, but there are 1000 labels in 'imagenet'. Give "
        "one label per output, in the order of the outputs (for one sigmoid output two: of the low "
        "and of the high value)."
    )


def test_a_name_is_taken_apart_and_a_value_may_hold_an_ampersand() -> None:
    name = parse_name("vgg16?weights=a%26b+c.h5&size=64&pooling=avg")
    assert name.base == "vgg16"
    assert name.weights == "a&b+c.h5"
    assert name.settings == {"size": "64"}
    assert name.arguments == {"pooling": "avg"}


def test_a_file_whose_name_holds_a_question_mark_is_found(tmp_path: Path) -> None:
    path = tmp_path / "which?one.keras"
    small_model().save(path)
    assert load(path).size == (16, 16)


def test_the_built_in_network_is_said_to_be_missing_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "built_in.keras"
    monkeypatch.setattr(importlib.import_module("seewhy.zoo.load"), "BUILT_IN_FILE", file)
    with pytest.raises(ModelError) as caught:
        load("built-in")
    assert str(caught.value) == (
        "This copy of seewhy comes without its built-in network. Name another one, for example "
        "--model mobilenetv2; seewhy models lists them."
    )
    small_model().save(file)
    assert load("built-in").name == "built-in"


def test_models_lists_the_names_without_importing_a_framework() -> None:
    names = models()
    assert names[0] == "built-in"
    assert {"vgg16", "resnet50", "xception", "mobilenetv3small", "convnexttiny"} <= set(names)
    code = (
        "import sys; from seewhy.zoo import models; models();"
        "sys.exit(bool({'keras', 'torch', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "torchvision:resnet50" in models("torchvision")
    assert "timm:resnet18.a1_in1k" in models("timm")
    with pytest.raises(OptionError) as caught:
        models("caffe")
    assert str(caught.value) == (
        "'caffe' is not a family of networks. Choose keras, torchvision or timm."
    )


def test_a_file_that_claims_a_huge_input_is_refused_before_a_photo_is_made(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((30_000, 30_000, 3)),
            layers.Conv2D(2, 3, strides=3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    model.save(tmp_path / "huge.keras")
    before = start_of_peak()
    with pytest.raises(OptionError) as caught:
        load(tmp_path / "huge.keras")
    assert "takes photos of 30000×30000 pixels, and one of them would take 10.8 GB" in str(
        caught.value
    )
    assert peak() - before < 5e8
