"""Keras files: whole, damaged, with code in them, with metadata."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from seewhy.errors import ModelError, OutputError
from seewhy.zoo.keras import load_keras_weights
from seewhy.zoo.keras_files import load_keras_file, read_metadata, write_metadata
from tests.places import DATA, NO_DATA

METADATA = {
    "labels": ["cat", "dog"],
    "size": [8, 8],
    "layer": "last",
    "preprocess": "none",
    "fit": "stretch",
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
EMOTIONS = DATA / "networks/fer2013_mini_XCEPTION.102-0.66.hdf5"


def small_model(*, code: bool = False) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="last"),
            *([layers.Lambda(lambda maps: maps + 1, name="secret", output_shape=(6, 6, 4))] * code),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.keras"
    small_model().save(path)
    return path


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_a_model_file_is_loaded_with_its_numbers_and_not_compiled(
    tmp_path: Path, ending: str
) -> None:
    model = small_model()
    model.compile("adam", "categorical_crossentropy")
    path = tmp_path / f"small{ending}"
    model.save(path)
    loaded = load_keras_file(path)
    assert not loaded.compiled
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_is_refused_before_anything_is_built(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"code{ending}"
    small_model(code=True).save(path)
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value) == (
        f"'{path}' contains the Lambda layer 'secret', which is code, and seewhy runs no code in "
        "files. Build the model in Python, load its weights and give it to seewhy.Classifier, or "
        "name the function that builds it: python:module:function?weights=FILE"
    )


def test_a_class_of_a_foreign_module_is_refused_and_the_module_not_imported(
    keras_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "trap.keras"
    with zipfile.ZipFile(keras_file) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1].update(
                    module="trap", class_name="Trap", registered_name="Trap"
                )
                content = json.dumps(config).encode()
            new.writestr(name, content)
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value) == (
        f"'{path}' needs 'Trap' of the module 'trap', which Keras does not know, and seewhy "
        "imports no code that a file names. Import and register it (keras.saving."
        "register_keras_serializable), then load the file from Python."
    )


def test_a_registered_class_is_loaded(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("seewhy_tests")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, maps: Any) -> Any:
            return maps * 2

    path = tmp_path / "own.keras"
    keras.Sequential([keras.layers.Input((4, 4, 3)), Doubled()]).save(path)
    assert type(load_keras_file(path).layers[-1]) is Doubled


def test_an_unregistered_class_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    class Lonely(keras.layers.Layer):  # type: ignore[misc]
        def call(self, maps: Any) -> Any:
            return maps

    path = tmp_path / "lonely.keras"
    keras.Sequential([keras.layers.Input((4, 4, 3)), Lonely()]).save(path)
    with pytest.raises(ModelError, match=r"needs 'Lonely' of the module '.*test_keras_files'"):
        load_keras_file(path)


def test_a_truncated_file_is_an_error(keras_file: Path) -> None:
    keras_file.write_bytes(keras_file.read_bytes()[:-200])
    with pytest.raises(ModelError) as caught:
        load_keras_file(keras_file)
    assert str(caught.value) == (
        f"'{keras_file}' is not a .keras file: it is not a zip archive, or not a whole one. Such "
        "files are zip archives, written by model.save('name.keras')."
    )


def test_a_zip_archive_of_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value) == (
        f"'{path}' is a zip archive, but it contains no Keras model (\"There is no item named "
        "'config.json' in the archive\".) Save the model by model.save('name.keras')."
    )


def test_a_file_whose_weights_are_gone_is_an_error(keras_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "hollow.keras"
    with zipfile.ZipFile(keras_file) as old, zipfile.ZipFile(path, "w") as new:
        for name in ("metadata.json", "config.json"):
            new.writestr(name, old.read(name))
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value).startswith(
        f"'{path}' could not be loaded by Keras {keras.__version__}: "
    )
    assert "\n" not in str(caught.value)


def test_a_damaged_hdf5_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "small.h5"
    small_model().save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    message = str(caught.value)
    assert message.startswith(f"'{path}' is not an HDF5 file, or not a whole one (")
    assert message.endswith(") Copy or download it again.")


def test_a_file_of_weights_alone_is_an_error_that_says_how_to_use_it(tmp_path: Path) -> None:
    path = tmp_path / "small.weights.h5"
    small_model().save_weights(path)
    with pytest.raises(ModelError) as caught:
        load_keras_file(path)
    assert str(caught.value) == (
        f"'{path}' contains weights, or other data, but no model. Name the network that they "
        f"belong to: mobilenet?weights={path}"
    )


def test_hdf5_whose_configuration_is_broken_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{"
    with pytest.raises(ModelError, match="contains a model's configuration that cannot be read"):
        load_keras_file(path)


def test_the_emotion_network_that_keras_2_saved_is_loaded() -> None:
    if not EMOTIONS.is_file():
        pytest.skip(NO_DATA)
    model = load_keras_file(EMOTIONS)
    assert (model.input_shape, model.output_shape) == ((None, 64, 64, 1), (None, 7))


def test_a_card_goes_into_the_file_and_comes_out_again(keras_file: Path) -> None:
    assert read_metadata(keras_file) == {}
    before = [np.asarray(one) for one in load_keras_file(keras_file).get_weights()]
    write_metadata(keras_file, {**METADATA, "accuracy": 0.95})
    write_metadata(keras_file, {**METADATA, "accuracy": 0.96})
    assert read_metadata(keras_file) == {**METADATA, "accuracy": 0.96}
    with zipfile.ZipFile(keras_file) as archive:
        assert archive.namelist().count("seewhy.json") == 1
        assert archive.testzip() is None
    for ours, theirs in zip(load_keras_file(keras_file).get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert list(keras_file.parent.iterdir()) == [keras_file]  # nothing is left beside it


def test_a_wrong_card_is_an_error_and_leaves_the_file_alone(keras_file: Path) -> None:
    before = keras_file.read_bytes()
    with pytest.raises(ModelError) as caught:
        write_metadata(keras_file, {"labels": "cat"})
    assert str(caught.value) == (
        f"The metadata of '{keras_file}' are not valid: 'labels' is 'cat', not a list. They are a "
        "table of labels, size [height, width], layer, preprocess and fit."
    )
    assert keras_file.read_bytes() == before


def test_a_damaged_card_is_an_error(keras_file: Path) -> None:
    with zipfile.ZipFile(keras_file, "a") as archive:
        archive.writestr("seewhy.json", "{")
    with pytest.raises(ModelError) as caught:
        read_metadata(keras_file)
    assert str(caught.value) == (
        f"The metadata seewhy.json in '{keras_file}' are damaged (Expecting property name enclosed "
        "in double quotes: line 1 column 2 (char 1).) Write "
        "them again: seewhy.zoo.write_metadata(path, metadata)."
    )


def test_a_card_that_cannot_be_written_leaves_the_model_whole(
    keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keras_file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_metadata(keras_file, METADATA)
    assert keras_file.read_bytes() == before
    assert list(keras_file.parent.iterdir()) == [keras_file]


def test_a_card_for_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "none.keras"
    with pytest.raises(ModelError) as caught:
        write_metadata(path, METADATA)
    assert str(caught.value) == (
        f"'{path}' is not a .keras file: No such file or directory. Such files are zip archives, "
        "written by model.save('name.keras')."
    )


@pytest.mark.backends
def test_a_file_is_loaded_without_drawing_weights_that_it_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Dense(2)]
    )
    model.save(tmp_path / "net.keras")
    drawn = keras.initializers.VarianceScaling.__call__
    shapes: list[tuple[int, ...]] = []

    def draw(self: object, shape: tuple[int, ...], dtype: object = None) -> object:
        shapes.append(tuple(shape))
        return drawn(self, shape, dtype=dtype)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", draw)
    loaded = load_keras_file(tmp_path / "net.keras")
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    jax = keras.backend.backend() == "jax"
    assert shapes == ([] if jax else [(3, 3, 3, 2), (2, 2)])
    assert keras.initializers.VarianceScaling.__call__ is draw
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    assert np.any(np.asarray(layer.kernel) != 0)


def test_a_heap_without_an_end_is_refused_before_the_library_reads_it_for_ever(
    tmp_path: Path,
) -> None:
    path = tmp_path / "whole.h5"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's, of the old format
        model.save(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"GCOL") + 16
    while content[place : place + 2] != b"\0\0":  # to the free space
        place += 16 + (int.from_bytes(content[place + 8 : place + 16], "little") + 7) // 8 * 8
    content[place + 8 : place + 16] = bytes(8)
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(content)
    assert isinstance(load_keras_file(path), keras.Model)
    with pytest.raises(ModelError, match="a heap in it has no end"):
        load_keras_file(damaged)
    with pytest.raises(ModelError, match="a heap in it has no end"):
        load_keras_weights(model, str(damaged), name="mine")
    archive = tmp_path / "damaged.keras"
    model.save(archive)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("more.weights.h5", bytes(content))
    with pytest.raises(ModelError, match="a heap in it has no end"):
        load_keras_file(archive)
