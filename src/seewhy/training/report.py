"""What a training run leaves beside its network: a log, curves, a confusion matrix, a report.

Everything is drawn without a display.
"""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy.datasets.manifest import Item
from seewhy.explaining.request import Request
from seewhy.files import write_whole
from seewhy.training.confusion import ConfusionMatrix
from seewhy.training.recipe import Recipe

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.reporting.result import Appendix


def facts_of(recipe: Recipe, *, training: int, validation: int) -> dict[str, str]:
    """Return what the report says about how the network was trained."""
    facts = {"training photos": str(training), "validation photos": str(validation)}
    return facts | {
        name.replace("_", " "): "×".join(map(str, value))
        if isinstance(value, tuple)
        else str(value)
        for name, value in asdict(recipe).items()
    }


def write_log(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per epoch as CSV."""
    stream = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, stream.getvalue().encode(errors="backslashreplace"))


def draw_curves(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw loss and accuracy over the epochs, of training and validation photos, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    epochs = range(1, len(rows) + 1)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [row[name] for row in rows], label="training")
        axes.plot(epochs, [row[f"val_{name}"] for row in rows], label="validation")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return _png(figure)


def draw_confusion(confusion: ConfusionMatrix) -> bytes:
    """Draw the confusion matrix, each row's shares as shades and the counts as numbers, as PNG."""
    from matplotlib.figure import Figure

    count = len(confusion.labels)
    side = min(2.5 + 0.55 * count, 14)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = confusion.counts / confusion.counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(count), confusion.labels, rotation=90 if count > 4 else 0)
    axes.set_yticks(range(count), confusion.labels)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for row, column in np.ndindex(count, count):
        shade = "white" if shares[row, column] > 0.5 else "black"
        number = str(confusion.counts[row, column])
        axes.text(column, row, number, ha="center", va="center", color=shade)
    return _png(figure)


def write_report(
    path: Path,
    classifier: Classifier,
    *,
    photos: Sequence[Path],
    labels: Sequence[str],
    trained: Sequence[tuple[Path, str]],
    appendix: Appendix,
    batch_size: int,
) -> None:
    """Write what `seewhy report` says of the held-out photos, and how the network was trained.

    Args:
        path: the page; its numbers are written beside it, as JSON.
        classifier: the trained network.
        photos: the held-out photos.
        labels: what each of them shows.
        trained: the training photos with their labels, which are searched for shortcuts as well.
        appendix: how the network was trained.
        batch_size: photos per batch.
    """
    from seewhy.reporting.report import report_on_items
    from seewhy.reporting.settings import ReportSettings

    whole = [*zip(photos, labels, strict=True), *trained]
    items = [Item(number, str(photo), -1, 0, label) for number, (photo, label) in enumerate(whole)]
    can_search = importlib.util.find_spec("sklearn") is not None
    report = report_on_items(
        classifier,
        items[: len(photos)],
        Request.single(top=1, batch_size=batch_size),
        ReportSettings(search=can_search, appendix=appendix),
        trained=items[len(photos) :],
    )
    report.save(path)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()
