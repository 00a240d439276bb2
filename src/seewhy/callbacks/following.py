"""Follow a training: the callbacks of Keras, Lightning and transformers.

Each is made by a function, since its class derives from the framework's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from seewhy.callbacks.heatmaps import TrainingHeatmaps
from seewhy.callbacks.loggers import log_to_active_runs, log_to_loggers, log_to_tensorboard
from seewhy.errors import MissingFramework


def for_keras(
    photos: Any,
    *,
    folder: str | PathLike[str] = "heatmaps",
    every: int = 1,
    true_classes: Sequence[Any] | None = None,
    classifier: Mapping[str, Any] | None = None,
    tensorboard: str | PathLike[str] | None = None,
    **question: Any,
) -> Any:
    """Return a callback for `model.fit`: heatmaps of fixed photos every few epochs.

        model.fit(data, callbacks=[seewhy.callbacks.for_keras("photos", every=5)])

    They are in the folder as 'epoch-005.jpg' and 'heatmaps.csv', and, with true classes,
    'report.html'. A run of Weights & Biases or MLflow that is active gets them too.

    Args:
        photos: as for `seewhy.explain`; they are read once.
        folder: for the files.
        every: epochs between two times.
        true_classes: the class of each photo, whose heat is shown; None: the best class.
        classifier: keywords of `seewhy.Classifier`: {"preprocess": "unit", "labels": "cat,dog"}.
        tensorboard: a log folder for TensorBoard, that of `keras.callbacks.TensorBoard`.
        question: keywords of `seewhy.explain`: method, layer, output and so on.

    Raises:
        PhotoError, OptionError: a photo, or a keyword, is not valid.
        MissingFramework: Keras is not installed.
    """
    keras = _imported("keras", "Keras", "seewhy[tensorflow]")
    heatmaps = TrainingHeatmaps(
        photos, Path(folder), every, true_classes, classifier or {}, question
    )

    class KerasHeatmaps(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        """Heatmaps of fixed photos every few epochs."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Explain the photos, if it is their turn."""
            if not heatmaps.is_due(epoch + 1):
                return
            pages = heatmaps.write(self.model, epoch + 1)
            log_to_active_runs(pages, epoch + 1)
            if tensorboard is not None and pages:
                writer = _summary_writer(Path(tensorboard) / "heatmaps")
                log_to_tensorboard(writer, pages, epoch)
                writer.close()

    return KerasHeatmaps()


def for_lightning(
    photos: Any,
    *,
    folder: str | PathLike[str] = "heatmaps",
    every: int = 1,
    true_classes: Sequence[Any] | None = None,
    classifier: Mapping[str, Any] | None = None,
    network: Callable[[Any], Any] | None = None,
    **question: Any,
) -> Any:
    """Return a callback for Lightning's `Trainer`: heatmaps of fixed photos every few epochs.

        L.Trainer(callbacks=[seewhy.callbacks.for_lightning("photos", classifier={"size": 224})])

    The trainer's own loggers get them as well: TensorBoard, MLflow and Weights & Biases.

    Args:
        photos, folder, every, true_classes, classifier, question: as for `for_keras`.
        network: returns the network of the LightningModule; by default the module itself, whose
            `forward` then takes images.

    Raises:
        PhotoError, OptionError: a photo, or a keyword, is not valid.
        MissingFramework: Lightning is not installed.
    """
    lightning = _imported(("lightning.pytorch", "pytorch_lightning"), "Lightning", "lightning")
    heatmaps = TrainingHeatmaps(
        photos, Path(folder), every, true_classes, classifier or {}, question
    )

    class LightningHeatmaps(lightning.Callback):  # type: ignore[misc,name-defined]
        """Heatmaps of fixed photos every few epochs."""

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Explain the photos, if it is their turn, in one process."""
            epoch = trainer.current_epoch + 1
            if not (trainer.is_global_zero and heatmaps.is_due(epoch)):
                return
            pages = heatmaps.write(network(pl_module) if network else pl_module, epoch)
            log_to_loggers(trainer.loggers, pages, trainer.global_step)

    return LightningHeatmaps()


def for_transformers(
    photos: Any,
    *,
    folder: str | PathLike[str] = "heatmaps",
    every: int = 1,
    true_classes: Sequence[Any] | None = None,
    classifier: Mapping[str, Any] | None = None,
    **question: Any,
) -> Any:
    """Return a callback for Hugging Face's `Trainer`: heatmaps of fixed photos every few epochs.

        Trainer(model, args, callbacks=[seewhy.callbacks.for_transformers("photos")])

    The network is one for image classification. With report_to="tensorboard", the folder of the
    trainer's logs gets them too; so does a run of Weights & Biases or MLflow that is active.

    Args:
        photos, folder, every, true_classes, classifier, question: as for `for_keras`.

    Raises:
        PhotoError, OptionError: a photo, or a keyword, is not valid.
        MissingFramework: transformers is not installed.
    """
    transformers = _imported("transformers", "transformers", "transformers")
    heatmaps = TrainingHeatmaps(
        photos, Path(folder), every, true_classes, classifier or {}, question
    )

    class TrainerHeatmaps(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
        """Heatmaps of fixed photos every few epochs."""

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Explain the photos, if it is their turn, in one process."""
            epoch = round(state.epoch)
            if not (state.is_world_process_zero and heatmaps.is_due(epoch)):
                return
            pages = heatmaps.write(kwargs["model"], epoch)
            log_to_active_runs(pages, state.global_step)
            if pages and "tensorboard" in (args.report_to or ()):
                writer = _summary_writer(_logs_of(args) / "heatmaps")
                log_to_tensorboard(writer, pages, state.global_step)
                writer.close()

    return TrainerHeatmaps()


def _logs_of(args: Any) -> Path:
    """Return where a trainer writes for TensorBoard: before transformers 5 a setting said so."""
    named = getattr(args, "logging_dir", None) or os.environ.get("TENSORBOARD_LOGGING_DIR")
    return Path(named) if named else Path(args.output_dir) / "runs"


def _imported(names: str | Sequence[str], what: str, package: str) -> Any:
    """Import the first of some packages that is there.

    Raises:
        MissingFramework: none is.
    """
    import importlib

    for name in (names,) if isinstance(names, str) else names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise MissingFramework(
        f"This callback needs {what}, which is not installed. Install it: pip install '{package}'"
    )


def _summary_writer(folder: Path) -> Any:
    """Return PyTorch's writer of TensorBoard's files.

    Raises:
        MissingFramework: PyTorch or TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingFramework(
            "Pictures for TensorBoard need PyTorch and TensorBoard. Install them: pip install "
            "torch tensorboard"
        ) from error
    return SummaryWriter(folder)
