"""Networks of transformers by name: from a folder, offline, and what is refused in one sentence.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from seewhy.errors import MissingFramework, ModelError, OptionError
from tests.networks.hugging_face import ARCHITECTURES, build
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
transformers = pytest.importorskip("transformers")

NAMES = {0: "cat", 1: "dog", 2: "fox", 3: "owl", 4: "hen"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of five animals with its processor."""
    path = tmp_path_factory.mktemp("vit")
    build("ViT", id2label=NAMES, label2id={name: k for k, name in NAMES.items()}).save_pretrained(
        path
    )
    transformers.ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(path)
    return path


def copied(folder: Path, to: Path, change: Callable[[dict], None] = lambda settings: None) -> Path:
    """A folder of the same files, with another configuration."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    settings = json.loads((to / "config.json").read_text("utf-8"))
    change(settings)
    (to / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return to


def refused(name: object, kind: type[Exception] = ModelError) -> str:
    with pytest.raises(kind) as error:
        seewhy.load(str(name))
    return str(error.value)


def test_a_folder_is_loaded_with_its_processor_and_labels(folder: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    explanation = seewhy.explain(seewhy.load(f"hf:{folder}"), photo)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    with torch.no_grad():
        logits = model(**processor(Image.fromarray(photo), return_tensors="pt")).logits[0]
    own = {NAMES[index]: float(score) for index, score in enumerate(logits)}
    found = {prediction.label: prediction.score for prediction in explanation.predictions[0]}
    assert found == pytest.approx(own, abs=1e-5)


def test_another_size_keeps_the_ratio_of_the_resize(tmp_path: Path) -> None:
    build("ResNet").save_pretrained(tmp_path)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(tmp_path)
    classifier = seewhy.load(f"hf:{tmp_path}?size=128")
    assert (classifier.size, classifier.fit.resize) == ((128, 128), 146)  # 2 · 73


def test_a_folder_without_a_configuration_or_weights_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    assert refused(f"hf:{tmp_path}") == (
        f"The folder '{tmp_path}' has no config.json, and is no network of Hugging Face. Name the "
        "folder that save_pretrained wrote."
    )
    copied(folder, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert refused(f"hf:{tmp_path}") == (
        f"The folder '{tmp_path}' has no weights. Put model.safetensors beside its config.json."
    )
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    assert refused(f"hf:{tmp_path}").startswith(f"'hf:{tmp_path}' cannot be loaded: ")


def test_code_that_comes_with_a_network_does_not_run(folder: Path, tmp_path: Path) -> None:
    def change(settings: dict) -> None:
        settings["model_type"] = "own"
        settings["auto_map"] = {
            "AutoConfig": "code.Config",
            "AutoModelForImageClassification": "code.Model",
        }

    copied(folder, tmp_path, change)
    (tmp_path / "code.py").write_text("raise SystemExit('code ran')", encoding="utf-8")
    assert refused(f"hf:{tmp_path}") == (
        f"'hf:{tmp_path}' is made of code of its own, and seewhy runs no code that comes with a "
        "network. Build it in Python, and give it to seewhy.Classifier."
    )


def test_code_in_pickled_weights_does_not_run(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"weight": Mine(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    assert refused(f"hf:{tmp_path}").startswith(f"'hf:{tmp_path}' cannot be loaded: ")
    assert not (tmp_path / "ran").exists()


class Mine:
    """What a hostile file unpickles to: a call that makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.mkdir, (self.path,))


def test_a_text_model_and_an_unknown_kind_are_refused(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path, lambda settings: settings.update(model_type="bert"))
    assert refused(f"hf:{tmp_path}") == (
        f"'hf:{tmp_path}' is of the kind 'bert', which does not classify images. Name an image "
        "classifier, or CLIP or SigLIP with prompts."
    )
    copied(folder, tmp_path, lambda settings: settings.update(model_type="new"))
    assert refused(f"hf:{tmp_path}") == (
        f"'hf:{tmp_path}' is of the kind 'new', which this transformers "
        f"({transformers.__version__}) does not know. Update it: pip install -U transformers"
    )


def test_a_network_that_was_not_trained_to_classify_is_refused(tmp_path: Path) -> None:
    config = transformers.ViTConfig(**ARCHITECTURES["ViT"][2])
    transformers.ViTModel(config).save_pretrained(tmp_path)
    assert refused(f"hf:{tmp_path}") == (
        f"'hf:{tmp_path}' has no weights for 'classifier.bias' and 1 more of "
        "ViTForImageClassification: it has not been trained to classify. Name a network that has, "
        "or train its head."
    )


def test_a_complete_network_takes_no_arguments(folder: Path) -> None:
    assert refused(f"hf:{folder}?weights=none", OptionError) == (
        f"'weights' cannot be set for 'hf:{folder}', which is a complete network."
    )


def test_a_repository_that_cannot_be_reached_says_so_after_one_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seewhy.zoo.hub.is_reachable", lambda address: False)
    words = refused("hf:nobody/nothing", MissingFramework)
    assert words.startswith(
        "'hf:nobody/nothing' is not a folder on this machine, and could not be downloaded (OSError)"
    )
    assert words.endswith("hf download nobody/nothing")


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert refused("hf:folder", MissingFramework) == (
        "transformers networks need transformers, which is not installed. Install it: pip install "
        "'seewhy[hf]'"
    )
