"""The examples run, with random weights where they are written for real ones."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.zoo.keras_files import write_metadata
from tests.places import EXAMPLES
from tests.training.made_photos import make_folder


def run(
    name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> dict[str, object]:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.chdir(folder)
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def pictures(folder: Path) -> dict[str, tuple[int, int]]:
    """The pictures in a folder, by name, with their sizes."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            found[path.name] = picture.size
    return found


def test_grad_cam_on_vgg16_and_xception(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        "grad_cam_vgg16_xception.py",
        *("--weights", "none", "--out", str(tmp_path / "why")),
        monkeypatch=monkeypatch,
        folder=tmp_path,
    )
    said = capsys.readouterr().out
    assert "vgg16: (224, 224) pixels, caffe, layer block5_conv3" in said
    assert "xception: (299, 299) pixels, tf, layer block14_sepconv2_act" in said
    assert list(pictures(tmp_path / "why")) == [
        "vgg16_best.png",
        "vgg16_named.png",
        "xception_best.png",
        "xception_named.png",
    ]


def test_the_bare_map_and_an_overlay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        "grad_cam_map_and_overlay.py",
        *("--weights", "none", "--out", str(tmp_path / "why")),
        monkeypatch=monkeypatch,
        folder=tmp_path,
    )
    assert "(14, 14), peak" in capsys.readouterr().out
    assert pictures(tmp_path / "why")["overlay.png"] == (451, 300)


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_a_network_of_ones_own(
    framework: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("own_network.py", framework, monkeypatch=monkeypatch, folder=tmp_path)
    assert list(pictures(tmp_path / "why")) == ["own_network.png"]


def test_occlusion_on_resnet50(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        "occlusion_resnet50.py",
        *("--weights", "none", "--out", str(tmp_path / "why.png")),
        monkeypatch=monkeypatch,
        folder=tmp_path,
    )
    assert "The largest drop is " in capsys.readouterr().out
    assert pictures(tmp_path)["why.png"] == (451, 300)


def test_cam_and_boxes_on_vgg19_with_global_average_pooling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_folder(tmp_path / "photos", counts={"ring": 3, "cross": 3})
    run(
        "cam_vgg19_gap.py",
        *(str(photos), "--weights", "none", "--size", "64", "--epochs", "1"),
        *("--out", str(tmp_path / "gap")),
        monkeypatch=monkeypatch,
        folder=tmp_path,
    )
    assert "accuracy" in capsys.readouterr().out
    assert (tmp_path / "gap" / "boxes.json").is_file()
    assert len(list((tmp_path / "gap").glob("cam*.png"))) == 4
    assert len(list((tmp_path / "gap" / "boxes").iterdir())) == 4


def test_a_photo_of_each_class_with_the_heat_of_its_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    colours = {"deep_red": (200, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 200)}
    inputs = keras.Input((32, 32, 3))
    maps = keras.layers.Conv2D(3, 1, use_bias=False, name="maps")(inputs)
    scores = keras.layers.Dense(3, name="classes")(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, scores)
    model.get_layer("maps").set_weights([np.eye(3).reshape(1, 1, 3, 3)])
    model.get_layer("classes").set_weights([np.eye(3) / 20, np.zeros(3)])
    model.save(tmp_path / "colours.keras")
    labels = [name.replace("_", " ") for name in colours]
    write_metadata(tmp_path / "colours.keras", {"labels": labels, "preprocess": "none"})
    for name, colour in colours.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number, shown in enumerate((colour, (200, 200, 210))):  # which is blue, but hardly
            Image.new("RGB", (40, 30), shown).save(tmp_path / f"photos/{name}/{number}.png")
    run(
        *("animals.py", "colours.keras", "photos", "--out", "animals.png"),
        monkeypatch=monkeypatch,
        folder=tmp_path,
    )
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "blue/0.png: blue 1.00",
        "deep_red/0.png: deep red 1.00",
        "green/0.png: green 1.00",
    ]
    assert pictures(tmp_path)["animals.png"] == (1200, 636)
    with Image.open(tmp_path / "animals.png") as drawn:
        page = np.asarray(drawn.convert("RGB"), int)
    drawn_at = [(page[3:183, left : left + 240] < 250).any() for left in range(0, 1200, 240)]
    assert drawn_at == [True, True, True, False, False]
