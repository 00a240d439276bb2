"""From a folder to a file that explains itself."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import seewhy
from seewhy.errors import OptionError, OutputError
from seewhy.photos.reading import read_photo
from seewhy.training.networks import small_network
from seewhy.training.recipe import Recipe
from seewhy.training.result import EpochLogs, TrainingResult
from seewhy.training.stages import start_from
from seewhy.training.train import train
from seewhy.zoo.keras_files import read_metadata
from seewhy.zoo.load import BUILT_IN_FILE
from tests.training.made_photos import SIDE, draw_photo, make_folder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

QUICK: dict[str, Any] = {"size": 32, "epochs": 4, "batch_size": 8, "hide": 0.3, "shift": 0.1}


def quick(**options: Any) -> Recipe:
    return Recipe(**(QUICK | options))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("few"), counts={"ring": 14, "cross": 10})


def weights_of(path: Path) -> list[np.ndarray]:
    return [np.asarray(one) for one in seewhy.load(path).network.model.get_weights()]


def refusal(folder: Path, out: Path, *, resume: bool = False, **options: Any) -> str:
    with pytest.raises(OptionError) as caught:
        train(folder, out=out, recipe=quick(**options), resume=resume)
    return str(caught.value)


def test_the_network_learns_and_the_file_explains_itself(
    trained: TrainingResult, folder: Path
) -> None:
    assert trained.confusion.balanced_accuracy > 0.9
    assert (trained.training_photos, trained.validation_photos) == (153, 27)
    metadata = read_metadata(trained.path)
    assert metadata.pop("training")["recipe"]["learning_rate"] == 0.003
    assert metadata.pop("references")["shape"] == [153, 512]
    assert metadata == {
        "labels": ["cross", "ring"],
        "size": [80, 80],
        "layer": "last_map",
        "preprocess": "none",
        "fit": "stretch",
    }
    explanation = seewhy.explain(seewhy.load(trained.path), folder / "ring" / "000.png")
    assert explanation.predictions[0][0].label == "ring"
    assert explanation.method == "cam"


@pytest.mark.backends
def test_every_backend_trains_saves_and_loads(few: Path, tmp_path: Path) -> None:
    told: list[float] = []
    trained = train(
        few,
        out=tmp_path / "a.keras",
        recipe=quick(epochs=2),
        epoch_done=lambda row, _: told.append(row["epoch"]),
    )
    assert told == [1, 2]
    classifier = seewhy.load(trained.path)
    explanation = seewhy.explain(classifier, few / "ring" / "000.png")
    assert (explanation.method, classifier.labels) == ("cam", ("cross", "ring"))
    assert sum(one.probability for one in explanation.predictions[0]) == pytest.approx(1)


def test_training_goes_on_from_the_weights_of_a_trained_network(trained: TrainingResult) -> None:
    network = small_network((None, None), 2)
    start_from(network, str(trained.path))
    given = seewhy.load(trained.path).network.model.get_weights()
    for taken, weights in zip(network.get_weights(), given, strict=True):
        np.testing.assert_array_equal(taken, weights)


def test_training_goes_on_from_the_built_in_network() -> None:
    network = small_network((None, None), 2, half_colour=True)
    start_from(network, "built-in")
    with zipfile.ZipFile(BUILT_IN_FILE) as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    kernel = weights["layers/conv2d_1/vars/0"][()]
    assert any(
        kernel.shape == taken.shape and (kernel == taken).all() for taken in network.get_weights()
    )


def test_training_cannot_start_from_another_kind_of_network(few: Path, tmp_path: Path) -> None:
    from keras import Input, Model, layers

    photo = Input((32, 32, 3))
    maps = layers.Conv2D(2, 3, name="other")(photo)
    pooled = layers.GlobalAveragePooling2D()(maps)
    other = Model(photo, layers.Dense(2, name="other_classes")(pooled))
    other.save(tmp_path / "other.keras")
    source = str(tmp_path / "other.keras")
    assert refusal(few, tmp_path / "a.keras", start_from=source) == (
        f"Training cannot start from '{source}': it has no layer of the compact network. Give a "
        ".keras file that was trained with base small, or leave start_from out."
    )


def test_the_heatmap_lies_on_the_object(trained: TrainingResult) -> None:
    generator = np.random.default_rng(99)
    classifier = seewhy.load(trained.path)
    hits = 0
    for number in range(20):
        label = ("ring", "cross")[number % 2]
        pixels, (row, column) = draw_photo(label, generator)
        explanation = seewhy.explain(classifier, read_photo(pixels), classes=[label])
        heat = explanation.heatmap()
        found = np.unravel_index(int(np.nanargmax(heat)), heat.shape)
        # The object reaches 7 pixels, and one pixel of the last map is 8 pixels of the photo.
        hits += max(abs(found[0] - row), abs(found[1] - column)) <= 7 + SIDE * 16 / 80 / 2
    assert hits >= 16


def test_cam_agrees_with_grad_cam(trained: TrainingResult, folder: Path) -> None:
    classifier = seewhy.load(trained.path)
    photo = folder / "cross" / "003.png"
    cam, grad_cam = (
        seewhy.explain(classifier, photo, classes=["cross"], method=name).heatmap()
        for name in ("cam", "grad-cam")
    )
    np.testing.assert_allclose(cam, grad_cam, atol=1e-3)


def test_log_and_report_are_written_and_the_state_is_gone(trained: TrainingResult) -> None:
    work = trained.path.with_suffix(".training")
    assert sorted(path.name for path in work.iterdir()) == [
        "confusion.png",
        "curves.png",
        "log.csv",
        "report.html",
        "report.json",
    ]
    with (work / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["epoch"]) for row in rows] == list(range(1, 10))
    assert float(rows[-1]["val_loss"]) == trained.history[-1]["val_loss"]
    page = trained.report.read_text()
    findings = json.loads(trained.report.with_suffix(".json").read_text())
    found = trained.confusion.counts.trace()
    assert findings["accuracy"]["of"] == trained.validation_photos
    assert abs(findings["accuracy"]["count"] - found) <= 1  # one copy is stretched by the loader
    assert page.index("What this report found") < page.index(" · How it was trained")
    assert '<td>learning rate</td><td class="text">0.003</td>' in page


@pytest.mark.parametrize(
    "options",
    [{}, {"size": 64, "grow": True, "optimizer": "adamw"}],
    ids=["muon", "adamw on growing photos"],
)
def test_a_continued_run_has_the_weights_of_an_uninterrupted_one(
    few: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    class StoppedError(Exception):
        pass

    def stop(row: EpochLogs, epochs: int) -> None:
        if row["epoch"] == 2:
            raise StoppedError

    whole, parts = tmp_path / "whole.keras", tmp_path / "parts.keras"
    train(few, out=whole, recipe=quick(**options))
    with pytest.raises(StoppedError):
        train(few, out=parts, recipe=quick(**options), epoch_done=stop)
    assert not parts.exists()
    told: list[float] = []
    train(
        few,
        out=parts,
        recipe=quick(**options),
        resume=True,
        epoch_done=lambda row, _: told.append(row["epoch"]),
    )
    assert told == [3, 4]
    for one, other in zip(weights_of(whole), weights_of(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_interrupted_run_is_not_overwritten_by_accident(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.keras"

    def stop(row: EpochLogs, epochs: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(few, out=out, recipe=quick(), epoch_done=stop)
    assert refusal(few, out) == (
        f"'{tmp_path / 'a.training'}' contains an interrupted run. Continue it with --resume, or "
        "start over with --overwrite."
    )
    assert refusal(few, out, resume=True, base="vgg19") == (
        "The run to resume has base=small, not base=vgg19. Give the same options, or start over "
        "without --resume (and with --overwrite)."
    )
    other = make_folder(tmp_path / "other", counts={"ring": 3, "cross": 3})
    assert refusal(other, out, resume=True) == (
        f"The run to resume was trained on the photos in '{few}', and '{other}' contains different "
        "ones. Give the same folder with the same photos, or start over without --resume (and with "
        "--overwrite)."
    )


def test_a_run_that_is_not_there_cannot_be_resumed(few: Path, tmp_path: Path) -> None:
    assert refusal(few, tmp_path / "a.keras", resume=True) == (
        f"There is no run to resume: '{tmp_path / 'a.training' / 'recipe.json'}' does not exist. "
        "Leave --resume out to start one."
    )


def test_an_output_that_exists_is_kept(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.keras"
    out.write_bytes(b"mine")
    assert refusal(few, out) == (
        f"'{out}' exists. Choose another file, or replace it with --overwrite."
    )
    assert out.read_bytes() == b"mine"


def test_a_full_disk_leaves_the_old_network_whole(
    trained: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seewhy.training.train import save_network

    class Network:
        def save(self, path: Path) -> None:
            path.write_bytes(b"half a netw")
            raise OSError(28, "No space left on device")

    out = tmp_path / "a.keras"
    out.write_bytes(b"mine")
    with pytest.raises(OutputError) as caught:
        save_network(Network(), out, {"labels": ["a", "b"]})
    assert str(caught.value) == (
        f"'{out}' cannot be written: No space left on device. Choose a place that can be written "
        "to."
    )
    assert out.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.keras"]


def test_another_ending_than_keras_is_refused(few: Path, tmp_path: Path) -> None:
    assert refusal(few, tmp_path / "a.h5") == (
        f"The network cannot be saved as '{tmp_path / 'a.h5'}'. Give a file name that ends in "
        ".keras."
    )
