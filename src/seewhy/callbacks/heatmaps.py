"""What a network in training sees on fixed photos: heatmaps, and how sure it is, epoch by epoch.

Axes: h row, w column of a picture, uint8 RGB.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import OptionError, SeewhyError, SeewhyWarning
from seewhy.explaining.drawing import draw_targets
from seewhy.explaining.explain import as_photos, explain
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.explaining.sizing import sized
from seewhy.files import write_whole
from seewhy.rendering.page import sheet
from seewhy.rendering.saving import save_pages
from seewhy.rendering.style import DEFAULT_STYLE

Page = UInt8[ndarray, "_ _ 3"]

COLUMNS = ("epoch", "photo", "predicted", "probability", "true_class", "probability_of_true")


@dataclass(eq=False)
class TrainingHeatmaps:
    """Heatmaps of the same photos at several epochs, in a folder.

    Attributes:
        photos: what is explained each time, as for `seewhy.explain`.
        folder: for 'epoch-003.jpg', 'heatmaps.csv' and, with true classes, 'report.html'.
        every: epochs between two times; the last epoch counts if it is a multiple.
        true_classes: of each photo, by name or index; None: not known, and the best class is
            explained.
        classifier: keywords of `seewhy.Classifier`, without the model: size, preprocess, labels.
        question: keywords of `seewhy.explain`, without classes: method, layer and so on.
        rows: what was found, one per photo and epoch.
    """

    photos: Any
    folder: Path
    every: int
    true_classes: Sequence[Any] | None
    classifier: Mapping[str, Any]
    question: Mapping[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what is wrong before the training starts, and read the photos once."""
        self.folder, self.photos = Path(self.folder), as_photos(self.photos)
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise OptionError(f"every={self.every!r} is not a number of epochs. Give 1 or more.")
        if self.true_classes is not None and len(self.true_classes) != len(self.photos):
            raise OptionError(
                f"{len(self.true_classes)} true classes were given for {len(self.photos)} photos. "
                "Give one for each photo."
            )
        Request.single(**self.question)

    def is_due(self, epoch: int) -> bool:
        """True for each epoch, counted from 1, in which photos are explained."""
        return epoch % self.every == 0

    def write(self, model: Any, epoch: int) -> list[Page]:
        """Explain the photos, write the files, and return the pages of this epoch.

        A network that cannot be explained is told in a warning, and its training goes on.

        Args:
            model: the network as it is now, of Keras or PyTorch; it is left as it was.
            epoch: counted from 1.

        Warns:
            SeewhyWarning: the network could not be explained, or the files not be written.
        """
        try:
            classifier = (
                model if isinstance(model, Classifier) else Classifier(model, **self.classifier)
            )
            classes = None
            if self.true_classes is not None:
                classes = [[classifier.class_index(true_class)] for true_class in self.true_classes]
            top = 1 if classes is None else None
            explained = explain(
                classifier, self.photos, **{"top": top, "classes": classes, **self.question}
            )
            pages = sheet([self._cell(explained, n, epoch) for n in range(len(self.photos))])
            save_pages(pages, self.folder / f"epoch-{epoch:03}.jpg")
            self._write_tables()
        except SeewhyError as error:
            warnings.warn(f"Epoch {epoch} was not explained. {error}", SeewhyWarning, stacklevel=2)
            return []
        return pages

    def _cell(self, explained: Explanation, number: int, epoch: int) -> tuple[str, Page]:
        """Draw a photo with the heat of its class, and note what the network found."""
        best, shown = explained.predictions[number][0], explained.targets[number][0]
        known = self.true_classes is not None
        self.rows.append(
            {
                "epoch": epoch,
                "photo": explained.photos[number].name,
                "predicted": best.label,
                "probability": round(best.probability, 4),
                "true_class": shown.label if known else "",
                "probability_of_true": round(shown.probability, 4) if known else "",
            }
        )
        title = f"{shown.label} {shown.number}"
        if best.index != shown.index:
            title += f"\nfound: {best.label} {best.number}"
        return title, draw_targets(sized(explained, number), 0, DEFAULT_STYLE)[0]

    def _write_tables(self) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_whole(self.folder / "heatmaps.csv", text.getvalue().encode())
        if self.true_classes is not None:
            write_whole(self.folder / "report.html", self._report().encode())

    def _report(self) -> str:
        """Return a page: the share of right photos, and the heat of their classes, by epoch."""
        parts = []
        for epoch in sorted({row["epoch"] for row in self.rows}, reverse=True):
            rows = [row for row in self.rows if row["epoch"] == epoch]
            right = sum(row["predicted"] == row["true_class"] for row in rows)
            mean = sum(row["probability_of_true"] for row in rows) / len(rows)
            wrong = ", ".join(
                f"{row['photo']} ({row['predicted']} for {row['true_class']})"
                for row in rows
                if row["predicted"] != row["true_class"]
            )
            files = sorted(self.folder.glob(f"epoch-{epoch:03}*.jpg"))
            parts.append(
                f"<h2>Epoch {epoch}</h2><p>{right} of {len(rows)} photos are right; the mean "
                f"probability of the true class is {mean:.2f}."
                + (f" Wrong: {escape(wrong)}.</p>" if wrong else "</p>")
                + "".join(f'<img src="{escape(file.name)}" alt="heatmaps">' for file in files)
            )
        return (
            '<!doctype html><meta charset="utf-8"><title>What the network looks at</title>'
            "<style>body{font:16px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}"
            "img{max-width:100%}</style><h1>What the network looks at, epoch by epoch</h1>"
            "<p>Heat shows what speaks for the true class of each photo.</p>" + "".join(parts)
        )
