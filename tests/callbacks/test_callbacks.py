"""Heatmaps while a network trains: with the real libraries, as far as they are installed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy import callbacks
from seewhy.errors import OptionError, SeewhyWarning

SIZE = 16
LABELS = {"preprocess": "unit", "labels": "dark,bright"}


def photos() -> list[np.ndarray]:
    return [np.full((SIZE, SIZE, 3), value, np.uint8) for value in (40, 220)]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "heatmaps.csv").open() as file:
        return list(csv.DictReader(file))


def keras_model(**shape: Any) -> Any:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss="sparse_categorical_crossentropy")
    return model


def fit(model: Any, callback: Any, epochs: int = 4) -> None:
    images = np.stack(photos()).astype(np.float32) / 255
    model.fit(images, np.array([0, 1]), epochs=epochs, verbose=0, callbacks=[callback])


def test_keras_writes_heatmaps_of_the_network_as_it_is_then(tmp_path: Path) -> None:
    model = keras_model()
    before = model.get_weights()
    names = ["dark", 1]
    fit(
        model,
        callbacks.for_keras(
            photos(), folder=tmp_path, every=2, true_classes=names, classifier=LABELS
        ),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-002.jpg", "epoch-004.jpg", "heatmaps.csv", "report.html",
    ]  # fmt: skip
    found = rows(tmp_path)
    assert [row["epoch"] for row in found] == ["2", "2", "4", "4"]
    assert [row["true_class"] for row in found[:2]] == ["dark", "bright"]
    now = model.predict(np.stack(photos()).astype(np.float32) / 255, verbose=0)
    last = [float(row["probability_of_true"]) for row in found[2:]]
    np.testing.assert_allclose(last, np.diag(now), atol=1e-3)
    assert float(found[0]["probability_of_true"]) != last[0]
    report = (tmp_path / "report.html").read_text()
    assert report.index("Epoch 4") < report.index("Epoch 2")
    assert '<img src="epoch-004.jpg"' in report
    # The training is the same as without it.
    other = keras_model()
    np.testing.assert_array_equal(before[0], other.get_weights()[0])
    keras = pytest.importorskip("keras")
    fit(other, keras.callbacks.Callback())
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_without_true_classes_the_best_class_is_shown_and_there_is_no_report(
    tmp_path: Path,
) -> None:
    fit(keras_model(), callbacks.for_keras(photos(), folder=tmp_path, classifier=LABELS), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-001.jpg", "heatmaps.csv"]
    assert [row["true_class"] for row in rows(tmp_path)] == ["", ""]


def test_a_network_that_cannot_be_explained_does_not_stop_its_training(tmp_path: Path) -> None:
    callback = callbacks.for_keras(photos(), folder=tmp_path, classifier=LABELS, layer="nowhere")
    with pytest.warns(SeewhyWarning, match="Epoch 1 was not explained. .* no layer 'nowhere'"):
        fit(keras_model(), callback, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 0}, "every=0 is not a number of epochs. Give 1 or more."),
        ({"true_classes": [1]}, "1 true classes were given for 2 photos. Give one for each photo."),
        ({"method": "rise", "maskz": 3}, "The method 'rise' has no option 'maskz'."),
    ],
)
def test_what_is_wrong_is_told_before_the_training_starts(
    wrong: dict[str, Any], message: str
) -> None:
    pytest.importorskip("keras")
    with pytest.raises(OptionError) as error:
        callbacks.for_keras(photos(), **wrong)
    assert str(error.value).startswith(message)


@pytest.fixture
def declared_operators() -> None:
    """Let torchvision, which both of these import, be imported beside any PyTorch."""
    pytest.importorskip("torch")
    from tests.torchvision_operators import declare_missing_operators

    declare_missing_operators()


def torch_network() -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


@pytest.mark.usefixtures("declared_operators")
def test_lightning_hands_the_pages_to_its_own_loggers(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    torch = pytest.importorskip("torch")
    event_files = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = torch_network()

        def forward(self, images: Any) -> Any:
            return self.network(images)

        def training_step(self, batch: Any, index: int) -> Any:
            return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    images = torch.from_numpy(np.stack(photos())).permute(0, 3, 1, 2).float() / 255
    data = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.tensor([0, 1])), batch_size=2
    )
    logger = lightning.loggers.TensorBoardLogger(tmp_path / "logs")
    callback = callbacks.for_lightning(
        photos(), folder=tmp_path / "why", true_classes=[0, 1], classifier={"size": SIZE, **LABELS}
    )
    trainer = lightning.Trainer(
        max_epochs=2, logger=logger, callbacks=[callback], accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        log_every_n_steps=1,
    )  # fmt: skip
    module = Module()
    trainer.fit(module, data)
    assert module.training
    assert {path.name for path in (tmp_path / "why").glob("*.jpg")} == {
        "epoch-001.jpg",
        "epoch-002.jpg",
    }
    logger.experiment.flush()
    events = event_files.EventAccumulator(logger.log_dir).Reload()
    logged = events.Images("seewhy/heatmaps/1")
    assert [one.step for one in logged] == [1, 2]
    with Image.open(tmp_path / "why" / "epoch-001.jpg") as page:
        assert (logged[0].width, logged[0].height) == page.size


@pytest.mark.usefixtures("declared_operators")
def test_transformers_trainer_writes_into_its_own_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    torch = pytest.importorskip("torch")
    event_files = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = transformers.ResNetConfig(
        num_labels=2, embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1], layer_type="basic"
    )
    torch.manual_seed(0)
    network = transformers.ResNetForImageClassification(config)
    images = torch.from_numpy(np.stack(photos())).permute(0, 3, 1, 2).float() / 255
    data = [{"pixel_values": images[n], "labels": n} for n in (0, 1)]
    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), num_train_epochs=2, report_to="tensorboard",
        save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    callback = callbacks.for_transformers(
        photos(), folder=tmp_path / "why", every=2, classifier={"size": 32, **LABELS}
    )
    transformers.Trainer(network, settings, train_dataset=data, callbacks=[callback]).train()
    assert [path.name for path in (tmp_path / "why").glob("*.jpg")] == ["epoch-002.jpg"]
    folders = {file.parent for file in tmp_path.rglob("events.out.tfevents.*")}
    logged = [
        one
        for folder in folders
        for tag in event_files.EventAccumulator(str(folder)).Reload().Tags()["images"]
        for one in [tag]
    ]
    assert logged == ["seewhy/heatmaps/1"]


def test_an_active_run_of_mlflow_gets_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file://{tmp_path}/mlruns")
    with mlflow.start_run():
        fit(keras_model(), callbacks.for_keras(photos(), folder="why", classifier=LABELS), 1)
    assert list((tmp_path / "mlruns").rglob("heatmaps-000001-1.png"))


def test_an_active_run_of_weights_and_biases_gets_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    with wandb.init(mode="offline", dir=tmp_path):
        fit(keras_model(), callbacks.for_keras(photos(), folder="why", classifier=LABELS), 1)
    assert list((tmp_path / "wandb").rglob("heatmaps*.png"))
