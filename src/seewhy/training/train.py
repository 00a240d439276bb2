"""Train a network on a folder of photos, into one file that explains itself by CAM."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.files import write_whole, written_whole
from seewhy.progress import Progress, no_progress
from seewhy.training.alike import alike
from seewhy.training.batches import ordered_batches
from seewhy.training.confusion import count_confusions
from seewhy.training.data import decode_photos, find_classes, sample_photos, split_photos
from seewhy.training.fit import EpochDone
from seewhy.training.recipe import SMALL, Recipe
from seewhy.training.references import remember
from seewhy.training.result import EpochLogs, TrainingResult
from seewhy.training.stages import TrainingRun, train_on_base, train_small
from seewhy.training.workspace import Workspace
from seewhy.zoo.keras_files import write_metadata


def no_report(logs: EpochLogs, epochs: int) -> None:
    """Report nothing."""


def train(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    recipe: Recipe | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
    epoch_done: EpochDone = no_report,
) -> TrainingResult:
    """Train a classifier on a folder of photos, and save it as one file that explains itself.

    The saved `.keras` file contains the network with its preprocessing, the labels, the input size
    and the layer to explain: `seewhy.load` and `seewhy explain --model` need nothing else. The
    folder `NAME.training` beside it gets the log, the curves, the confusion matrix and the report.

    Args:
        folder: one sub-folder of photos per class; or the folders train/ and val/ with them.
        out: the `.keras` file to write.
        recipe: how to train, such as `seewhy.Recipe(base="vgg19", epochs=10)`; by default the
            compact network, from scratch.
        resume: continue an interrupted run; one that was interrupted after the network was saved
            only gets its report.
        overwrite: replace `out`, and a run that was interrupted.
        progress: called with (done, total) photos while they are decoded.
        epoch_done: called after every epoch with its measures and the number planned.

    Raises:
        OptionError: the folder or a setting cannot be used; says why.
        OutputError: something cannot be written; the decoded photos are removed again.
        UnknownModel, ModelError: the base cannot be used.
    """
    from seewhy.zoo.backend import import_keras

    recipe = recipe or Recipe()
    photo_folder = find_classes(folder)
    photo_folder = sample_photos(photo_folder, per_class=recipe.per_class, seed=recipe.seed)
    out = Path(out).expanduser()
    workspace = Workspace(
        out, recipe, photos=photo_folder.root, fingerprint=photo_folder.fingerprint()
    )
    workspace.open(resume=resume, overwrite=overwrite)
    keras = import_keras()
    keras.utils.set_random_seed(recipe.seed)
    with workspace.decoded_photos() as store:
        photos = decode_photos(photo_folder, size=recipe.size, store=store, progress=progress)
        readable = photo_folder.only(photos.indices)
        train_on, held = split_photos(readable, share=recipe.validation_split, seed=recipe.seed)
        workspace.note()
        run = TrainingRun(
            recipe, photo_folder.labels, photos, train_on, held, workspace.folder, epoch_done
        )
        network, layer, history = (train_small if recipe.base == SMALL else train_on_base)(run)
        metadata = {
            "labels": list(run.labels),
            "size": list(recipe.size),
            "layer": layer,
            "preprocess": "none",
            "fit": "stretch",
            "training": workspace.provenance,
        }
        references = remember(
            network,
            layer,
            photos.pixels,
            photos.classes,
            training=train_on,
            validation=held,
            seed=recipe.seed,
        )
        if references is not None:
            metadata["references"] = references.as_dict()
        save_network(network, out, metadata)
        result = _report(run, network, out, history)
    workspace.close()
    return result


def save_network(network: Any, path: Path, metadata: Mapping[str, Any]) -> None:
    """Save a network with its metadata, whole or not at all.

    Raises:
        OutputError: it cannot be written; what was at `path` is untouched.
    """
    with written_whole(path) as beside:
        network.save(beside)
        write_metadata(beside, metadata)


def predict(network: Any, run: TrainingRun, indices: Int[ndarray, " m"]) -> ndarray:
    """Return the probabilities (m, k) of some of the run's photos."""
    targets = np.zeros((len(run.photos.pixels), 1), np.float32)
    batches = ordered_batches(run.photos.pixels, targets, indices, batch_size=run.recipe.batch_size)
    return np.asarray(network.predict(batches, verbose=0), np.float32)


def _report(run: TrainingRun, network: Any, path: Path, history: list[EpochLogs]) -> TrainingResult:
    """Measure the network on the validation photos, and write the report's files."""
    from seewhy.reporting.result import Appendix
    from seewhy.training import report
    from seewhy.zoo.load import load

    probabilities = predict(network, run, run.validation)
    classes = run.photos.classes[run.validation]
    confusion = count_confusions(probabilities, classes, run.labels)
    curves = report.draw_curves(history)
    page = run.folder / "report.html"
    report.write_log(run.folder / "log.csv", history)
    write_whole(run.folder / "curves.png", curves)
    write_whole(run.folder / "confusion.png", report.draw_confusion(confusion))
    report.write_report(
        page,
        load(path),
        photos=[run.photos.paths[index] for index in run.validation],
        labels=[run.labels[index] for index in classes],
        trained=[
            (run.photos.paths[index], run.labels[run.photos.classes[index]])
            for index in run.training
        ],
        appendix=Appendix(
            {"loss and accuracy over the epochs": curves},
            report.facts_of(run.recipe, training=len(run.training), validation=len(run.validation)),
            tuple(f"{file}: {why}" for file, why in run.photos.unreadable),
        ),
        batch_size=run.recipe.batch_size,
    )
    return TrainingResult(
        path=path,
        report=page,
        labels=run.labels,
        confusion=confusion,
        history=tuple(history),
        training_photos=len(run.training),
        validation_photos=len(run.validation),
        unreadable=run.photos.unreadable,
        alike=alike(run.photos.paths),
    )
