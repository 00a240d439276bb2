"""`seewhy.check`: the page, the short repr, the JSON, and what cannot be done."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seewhy
from seewhy.classifier.labels import imagenet_labels
from seewhy.commands.cli import main
from tests.classifier.made import SIDE, keras_network, moments, torch_network
from tests.places import DATA, NO_DATA


def checked(model: Any, **settings: Any) -> seewhy.CheckResult:
    classifier = seewhy.Classifier(model, size=SIDE, name="own", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", seewhy.SeewhyWarning)  # the page says it all
        return seewhy.check(classifier)


@pytest.mark.parametrize(
    "build", [pytest.param(keras_network, marks=pytest.mark.backends), torch_network]
)
def test_the_page_tells_what_was_inferred_and_from_what(build: Any) -> None:
    found = checked(build(moments("tf")), labels=["cat", "dog"])
    assert found.preprocessing.mode == "tf"
    assert found.evidence.choice == "tf"
    assert found.cam == ""
    assert found.method == "cam"
    assert found.input == (SIDE, SIDE, 3)
    assert found.layer_shape == (SIDE, SIDE, 3)
    page = str(found)
    assert "preprocessing  tf, inferred from the training statistics of " in page
    assert "labels         2 classes: cat, dog" in page
    assert "method         cam by default: CAM applies" in page
    if found.lines[0].endswith("on JAX"):
        cannot = "faster occlusion: 'own' runs on JAX; windows are re-run on TensorFlow and PyTorch"
    else:
        cannot = "nothing was found that cannot be done"
    assert f"cannot         {cannot}" in page
    assert all(len(line) <= 100 for line in found.lines)


def test_methods_on_attention_are_told_to_be_none_where_there_is_none() -> None:
    found = checked(torch_network(moments("tf")))
    assert found.attention == (
        "chefer, legrad, grad-eclip, attention-rollout: 'own' has no attention, which this method "
        "shows: it is no transformer, or computes its attention in a way of its own. Use "
        "'grad-cam', which explains any network."
    )
    assert found.as_dict()["attention"] == found.attention


def test_the_repr_fits_five_lines() -> None:
    found = checked(torch_network(moments("tf")))
    lines = repr(found).splitlines()
    assert len(lines) <= 5
    assert lines[0] == "<CheckResult 'own': 32×32 pixels, 2 classes without names."


def test_the_json_holds_what_the_page_says() -> None:
    found = checked(torch_network(moments("unit")), preprocess="tf")
    read = json.loads(found.as_json())
    assert read == found.as_dict()
    assert read["preprocessing"]["mode"] == "tf"
    assert read["preprocessing"]["doubt"].startswith("'unit' fits much better")
    assert next(iter(read["evidence"]["values"])) == "unit"
    assert "doubt          'unit' fits much better" in str(found)


def test_a_thousand_classes_without_names_may_be_imagenets() -> None:
    model = nn.Sequential(*list(torch_network(moments("tf")))[:-1], nn.Linear(3, 1000)).eval()
    assert checked(model).labels == (
        "1,000 classes without names. If they are ImageNet's: labels='imagenet', or --labels "
        "imagenet."
    )
    assert checked(model, labels="imagenet").labels.startswith(
        f"1,000 classes: {', '.join(imagenet_labels().names[:3])} and so on"
    )


class Flattened(nn.Module):
    """No pooling, no ReLU, two linear maps: nothing that CAM or guided methods could use."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.first, self.second = nn.Linear(2 * (SIDE - 2) ** 2, 4), nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(self.conv(images).flatten(1)))
        return self.second(hidden)


def test_what_cannot_be_done_is_said_with_its_reason() -> None:
    found = checked(Flattened().eval(), preprocess="unit")
    assert found.method == "grad-cam"
    assert found.cam.startswith("CAM needs global average pooling")
    said = {limit.partition(":")[0] for limit in found.limits}
    assert {"cam", "guided-backpropagation"} <= said
    assert all(limit.endswith(".") for limit in found.limits)


def test_a_network_without_classes_is_told_what_to_do() -> None:
    maps = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    found = checked(maps, preprocess="unit")
    assert found.labels.startswith("no classes")
    assert any("a target of your own" in limit for limit in found.limits)


def test_photos_show_their_answers(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    classifier = seewhy.Classifier(torch_network(moments("tf")), size=SIDE, labels=["x", "y"])
    (answer,) = seewhy.check(classifier, tmp_path / "a.png").answers
    assert answer.startswith("a.png: ")
    assert "x 0." in answer


def test_the_command_prints_the_page_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras_network(moments("tf")).save(tmp_path / "own.keras")
    assert main(["check", str(tmp_path / "own.keras")]) == 0
    assert (
        "preprocessing  tf, inferred from the training statistics of 'norm'"
        in capsys.readouterr().out
    )
    assert main(["check", str(tmp_path / "own.keras"), "--json", "--preprocess", "tf"]) == 0
    assert json.loads(capsys.readouterr().out)["preprocessing"]["origin"] == "given"


NETWORKS = {
    "mobilenet_0.75_224.keras": ("tf", "known"),
    "fer2013_mini_XCEPTION.102-0.66.hdf5": ("tf", "inferred"),
}


@pytest.mark.parametrize("file", NETWORKS)
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_real_networks_get_the_preprocessing_that_they_were_trained_with(file: str) -> None:
    path = DATA / "networks" / file
    if not path.is_file():
        pytest.skip(NO_DATA)
    found = seewhy.check(seewhy.load(path))
    assert (found.preprocessing.mode, found.preprocessing.origin) == NETWORKS[file]
    assert next(iter(found.evidence.values)) == "tf"


def test_a_tabby_is_no_longer_a_class_904_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, photo = DATA / "networks/mobilenet_0.75_224.keras", DATA / "photos"
    if not model.is_file():
        pytest.skip(NO_DATA)
    tabby = str(photo / "n02123045_tabby.jpg")
    assert main(["explain", tabby, "--model", str(model), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "class 285" in printed.out.splitlines()[1]  # the Egyptian cat
    assert (
        "Preprocessing: tf, known from the names of its layers: a MobileNet of keras.applications."
        in printed.err
    )
    assert "Its 1,000 classes have no names. ImageNet's are: --labels imagenet" in printed.err
