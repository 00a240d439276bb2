"""Damaged model files of every kind that is read."""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
from numpy.random import Generator
from torch import nn

import seewhy
from seewhy.zoo.keras_files import load_keras_file
from seewhy.zoo.torch_files import load_torch_weights
from tests.fuzz.mutations import damaged
from tests.fuzz.rule import CASES, violations
from tests.networks.contract import CHANNELS, FLAT, HEIGHT, SOFTMAX, WIDTH
from tests.networks.onnx_builder import built
from tests.networks.test_runtimes import converted


def torch_files(tmp_path: Path) -> dict[str, bytes]:
    from safetensors.torch import save

    state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()
    files = {"safetensors": save(state)}
    for ending, is_zip in (("pt", True), ("pth", False)):
        content = io.BytesIO()
        torch.save(state, content, _use_new_zipfile_serialization=is_zip)
        files[ending] = content.getvalue()
    return files


def test_damaged_torch_weights_are_loaded_or_refused(tmp_path: Path) -> None:
    files = torch_files(tmp_path)

    def case(generator: Generator) -> None:
        ending = str(generator.choice(list(files)))
        path = tmp_path / f"weights.{ending}"
        path.write_bytes(damaged(files[ending], list(files.values()), generator))
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        load_torch_weights(model, str(path), name="own")

    found = violations(case, CASES // 10, tmp_path)
    assert not found


def keras_files(tmp_path: Path) -> dict[str, bytes]:
    keras.utils.set_random_seed(0)  # a failure is found again by its number
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 6, 3)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    files = {}
    for ending in ("keras", "h5"):
        path = tmp_path / f"whole.{ending}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(path)
        files[ending] = path.read_bytes()
    return files


def changed_inside(content: bytes, others: list[bytes], generator: Generator) -> bytes:
    """Damage one member of a zip archive, and let the archive be whole."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        chosen = str(generator.choice(old.namelist()))
        for name in old.namelist():
            member = old.read(name)
            new.writestr(name, damaged(member, others, generator) if name == chosen else member)
    return changed.getvalue()


def test_damaged_keras_files_are_loaded_or_refused(tmp_path: Path) -> None:
    files = keras_files(tmp_path)
    others = list(files.values())

    def case(generator: Generator) -> None:
        ending = str(generator.choice(["keras", "h5"]))
        content = files[ending]
        if ending == "keras" and generator.random() < 0.7:
            content = changed_inside(content, others, generator)
        else:
            content = damaged(content, others, generator)
        path = tmp_path / f"damaged.{ending}"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras's, of odd settings
            loaded = load_keras_file(path)
        assert isinstance(loaded, keras.Model)
        assert np.size(loaded.get_weights()[0]) > 0 or not loaded.weights
        keras.backend.clear_session(free_memory=False)  # gc.collect is slow

    found = violations(case, CASES // 25, tmp_path)
    assert not found


WHOLE = (0, 1, -1, 2, 3, 7, 255, 65536, 2**31 - 1, -(2**31), 2**40, 2**62)
"""Whole numbers at which readers of dimensions and types stumble."""

OPERATORS = ("", "x", "image", "dense", "Conv", "Loop", "If", "Reshape", "Unique", "Resize", "a.b")


def fields(message: Any) -> list[tuple[Any, Any]]:
    """List every field of a message of Protocol Buffers, and of those inside, that has values."""
    found = []
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.type != field.TYPE_MESSAGE:
            found += [(message, field)] * bool(len(value) if repeated(value) else value)
        elif repeated(value):
            found += [one for inner in value for one in fields(inner)]
        elif message.HasField(field.name):
            found += fields(value)
    return found


def repeated(value: Any) -> bool:
    return hasattr(value, "append") or hasattr(value, "add")


def odd(value: Any, generator: Generator) -> Any:
    if isinstance(value, int):
        return int(generator.choice(WHOLE))
    if isinstance(value, float):
        return float(generator.choice([0.0, -1.0, 1e30, np.nan, np.inf]))
    if isinstance(value, bytes):
        return damaged(value, [value], generator)
    return str(generator.choice(OPERATORS))


def changed_fields(content: bytes, generator: Generator) -> bytes:
    """Change one to three values of an ONNX file, and let its messages be whole."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(int(generator.integers(1, 4))):
        known = fields(model)
        message, field = known[int(generator.integers(len(known)))]
        value = getattr(message, field.name)
        with contextlib.suppress(ValueError, TypeError):  # a number that the field cannot have
            if repeated(value):
                place = int(generator.integers(len(value)))
                value[place] = odd(value[place], generator)
            else:
                setattr(message, field.name, odd(value, generator))
    return model.SerializeToString()


def test_damaged_onnx_files_are_explained_or_refused(tmp_path: Path) -> None:
    files = [built(steps).SerializeToString() for steps in (SOFTMAX, FLAT)]
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def case(generator: Generator) -> None:
        content = files[int(generator.integers(2))]
        is_whole = generator.random() < 0.9
        path = tmp_path / "damaged.onnx"
        path.write_bytes(
            changed_fields(content, generator) if is_whole else damaged(content, files, generator)
        )
        classifier = seewhy.load(path, preprocess=lambda pixels: pixels[..., :CHANNELS])
        seewhy.explain(classifier, photo, method="eigen-cam", top=1)

    found = violations(case, CASES // 25, tmp_path)
    assert not found


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow converts")
@pytest.mark.filterwarnings("ignore")
def test_damaged_tflite_files_are_explained_or_refused(tmp_path: Path) -> None:
    files = [converted(quantized=False)]
    path = tmp_path / "damaged.tflite"
    photo = np.zeros((8, 8, 3), np.uint8)

    def case(generator: Generator) -> None:
        path.write_bytes(damaged(files[0], files, generator))
        classifier = seewhy.load(path, preprocess="unit")
        seewhy.explain(classifier, photo, patch=4, stride=4)

    found = violations(case, CASES // 25, tmp_path)
    path.write_bytes(files[0].replace(b"\x0c\0\0\0\x0c\0\0\0\x03", b"\0\0\x10\0\0\0\x10\0\x03"))
    with pytest.raises(seewhy.errors.OptionError, match=r"one of them would take 13\d+"):
        seewhy.load(path)
    assert not found
