"""Networks of keras.applications by name, and the choice of Keras's backend."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from seewhy.errors import MissingFramework, ModelError, OptionError
from seewhy.photos.preprocessing import MODES
from seewhy.zoo import backend
from seewhy.zoo.backend import choose_backend, import_keras, keras_in_use
from seewhy.zoo.keras import APPLICATIONS, application_key, build_application
from seewhy.zoo.names import LoadedModel, parse_name

BUILDERS = {
    name: function
    for name, function in vars(keras.applications).items()
    if inspect.isfunction(function)
    and "classifier_activation" in inspect.signature(function).parameters
}

ANY_SIZE = ["mobilenetv3large", "mobilenetv3small"]

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def build(text: str, *, size: tuple[int, int] | None = None) -> LoadedModel:
    name = parse_name(text)
    key = application_key(name.base)
    assert key is not None
    return build_application(key, name, size=size)


def test_every_classification_network_of_keras_applications_has_a_row() -> None:
    assert len(BUILDERS) >= 38
    assert {row.builder for row in APPLICATIONS.values()} == set(BUILDERS)
    assert all(key == row.builder.lower() for key, row in APPLICATIONS.items())


@pytest.mark.parametrize("key", [key for key in APPLICATIONS if key not in ANY_SIZE])
def test_a_row_has_the_size_that_keras_builds_by_default(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key == "nasnetmobile" and keras.backend.backend() == "torch":
        pytest.skip("Keras does not build NASNetMobile on PyTorch")

    class StopError(Exception):
        pass

    def record(input_shape: Any, default_size: int, *others: Any, **named: Any) -> None:
        raise StopError(input_shape, default_size)

    module = inspect.getmodule(BUILDERS[APPLICATIONS[key].builder])
    monkeypatch.setattr(module.imagenet_utils, "obtain_input_shape", record)  # type: ignore[union-attr]
    with pytest.raises(StopError) as caught:
        BUILDERS[APPLICATIONS[key].builder](weights=None)
    assert caught.value.args == (None, APPLICATIONS[key].size)


@pytest.mark.parametrize("key", ANY_SIZE)
def test_networks_that_keras_builds_for_any_size_have_that_of_their_weights(key: str) -> None:
    module = inspect.getmodule(BUILDERS[APPLICATIONS[key].builder])
    names = list(module.WEIGHTS_HASHES)  # type: ignore[union-attr]
    assert names
    assert all(f"_{APPLICATIONS[key].size}_" in name for name in names)


@pytest.mark.parametrize("key", APPLICATIONS)
def test_a_row_has_the_numbers_of_keras_own_preprocessing(key: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.float32)
    module = inspect.getmodule(BUILDERS[APPLICATIONS[key].builder])
    expected = module.preprocess_input(pixels.copy(), data_format="channels_last")  # type: ignore[union-attr]
    np.testing.assert_array_equal(MODES[APPLICATIONS[key].preprocess](pixels), expected)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("vgg16", "vgg16"),
        ("VGG16", "vgg16"),
        ("inception_v3", "inceptionv3"),
        ("MobileNetV2", "mobilenetv2"),
        ("mobilenet_v3-small", "mobilenetv3small"),
        ("vgg17", None),
    ],
)
def test_a_name_may_be_written_with_separators_and_capitals(name: str, key: str | None) -> None:
    assert application_key(name) == key


def test_weights_none_gives_random_ones_and_arguments_reach_the_builder() -> None:
    found = build("mobilenet?alpha=0.25&weights=none&dropout=0.5")
    assert found.model.input_shape == (None, 224, 224, 3)
    assert found.model.get_layer("conv_pw_13").kernel.shape == (1, 1, 256, 256)
    assert found.model.get_layer("dropout").rate == 0.5
    assert (found.size, found.preprocess, found.labels) == ((224, 224), "tf", "imagenet")


def test_a_network_without_its_top_has_no_labels() -> None:
    found = build("mobilenet?alpha=0.25&weights=none&include_top=false&pooling=avg", size=(64, 96))
    assert found.model.input_shape == (None, 64, 96, 3)
    assert found.model.output_shape == (None, 256)
    assert found.labels is None


def test_other_classes_than_imagenets_have_no_labels() -> None:
    assert build("mobilenet?alpha=0.25&weights=none&classes=7", size=(32, 32)).labels is None


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_weights_are_loaded_from_a_file(tmp_path: Path, ending: str) -> None:
    source = build("mobilenet?alpha=0.25&weights=none&classes=3", size=(32, 32)).model
    path = tmp_path / f"mobilenet{ending}"
    if ending == ".weights.h5":
        source.save_weights(path)
    else:
        source.save(path)
    found = build(f"mobilenet?alpha=0.25&classes=3&weights={path}", size=(32, 32)).model
    for ours, theirs in zip(found.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(ModelError) as caught:
        build(f"mobilenet?alpha=0.25&weights={path}", size=(32, 32))
    message = str(caught.value)
    assert message.startswith(f"The weights in '{path}' do not fit 'mobilenet': ")
    assert message.endswith(
        " Check the file, and the builder's arguments that the weights were trained with (alpha, "
        "classes, include_top)."
    )
    assert "\n" not in message


def test_a_missing_file_of_weights_is_an_error() -> None:
    with pytest.raises(ModelError) as caught:
        build("mobilenet?alpha=0.25&weights=nowhere.h5", size=(32, 32))
    assert str(caught.value) == (
        "There is no file 'nowhere.h5' with weights for 'mobilenet'. Give the path of a "
        ".weights.h5 or .h5 file, or weights=none for random ones."
    )


def test_offline_one_sentence_says_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    with pytest.raises(MissingFramework) as caught:
        build("mobilenet?alpha=0.25")
    assert str(caught.value) == (
        "The ImageNet weights of 'mobilenet' are not on this machine and could not be downloaded "
        "([Errno 111] Connection refused). Put "
        "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
        f"mobilenet_2_5_224_tf.h5 into {tmp_path / 'models'} as mobilenet_2_5_224_tf.h5, or name a "
        "file: mobilenet?alpha=0.25&weights=FILE (weights=none: random ones)."
    )
    assert capsys.readouterr().out == ""  # results alone go to stdout


def test_an_unknown_argument_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(OptionError) as caught:
        build("mobilenetv2?alhpa=0.5&weights=none")
    assert str(caught.value) == (
        "'mobilenetv2' has no setting 'alhpa'; the nearest name is 'alpha'. It has alpha, "
        "include_top, pooling, classes, classifier_activation, size, preprocess, labels, layer, "
        "fit, channels, device, output, prompts, template, neutral, weights."
    )


def test_a_size_that_the_weights_do_not_have_is_an_error() -> None:
    with pytest.raises(OptionError) as caught:
        build("mobilenetv2", size=(50, 50))
    assert str(caught.value) == (
        "'mobilenetv2' cannot be built: When setting `include_top=True` and loading `imagenet` "
        "weights, `input_shape` should be (224, 224, 3). Received: input_shape=(50, 50, 3)."
    )


def test_a_network_without_its_own_scaling_must_be_told_one() -> None:
    with pytest.raises(OptionError) as caught:
        build("mobilenetv3small?include_preprocessing=false&weights=none")
    assert str(caught.value) == (
        "'mobilenetv3small?include_preprocessing=false&weights=none' removes the scaling from the "
        "network. Say how pixels are scaled instead: add &preprocess=torch, tf, unit or none."
    )


def test_keras_is_told_once_and_named() -> None:
    assert import_keras() is keras
    assert choose_backend() == keras.backend.backend()
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    assert keras_in_use() == f"Keras {keras.__version__} on {names[keras.backend.backend()]}"


@pytest.fixture
def no_keras(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """A process that has imported nothing; the set holds what is installed."""
    installed: set[str] = set()
    for name in ("keras", "tensorflow", "jax", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(backend, "_is_installed", installed.__contains__)
    monkeypatch.setenv("KERAS_BACKEND", "")
    return installed


def test_the_backend_is_the_first_that_is_installed(no_keras: set[str]) -> None:
    no_keras.update(["torch", "jax"])
    assert choose_backend() == "jax"
    no_keras.add("tensorflow")
    assert choose_backend() == "tensorflow"


def test_what_is_imported_already_goes_before_what_is_installed(
    no_keras: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_keras.update(["tensorflow", "torch"])
    monkeypatch.setitem(sys.modules, "torch", os)
    assert choose_backend() == "torch"


def test_keras_backend_goes_before_all(no_keras: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    no_keras.update(["tensorflow", "torch"])
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert choose_backend() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(MissingFramework) as caught:
        choose_backend()
    assert str(caught.value) == (
        "KERAS_BACKEND is 'jax', but JAX is not installed. Install it: pip install 'seewhy[jax]'"
    )
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(OptionError) as option:
        choose_backend()
    assert str(option.value) == (
        "KERAS_BACKEND is 'numpy', and seewhy explains Keras models on tensorflow, jax, torch. "
        "Set KERAS_BACKEND to one of them, or unset it."
    )


def test_a_missing_framework_names_what_to_install(no_keras: set[str]) -> None:
    with pytest.raises(MissingFramework) as caught:
        import_keras()
    assert str(caught.value) == (
        "Keras is needed here, and is not installed. Install it: pip install 'seewhy[tensorflow]'"
    )
    no_keras.add("keras")
    with pytest.raises(MissingFramework) as caught:
        import_keras()
    assert str(caught.value) == (
        "Keras needs TensorFlow, JAX or PyTorch, and none is installed. "
        "Install one: pip install 'seewhy[tensorflow]'"
    )
