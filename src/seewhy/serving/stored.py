"""The results of `seewhy batch` on the page: its photos by number, and the maps that it stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seewhy.datasets.reading import Run, read_run
from seewhy.datasets.shards import read_shard
from seewhy.errors import ModelError, OptionError, PhotoError
from seewhy.explaining.prediction import Prediction, Rivals
from seewhy.explaining.result import Explanation
from seewhy.files import finite
from seewhy.photos.reading import PhotoFailure
from seewhy.serving import answers
from seewhy.serving.notes import Note, Notes
from seewhy.serving.shelf import ListedPhoto, clean_name

MOST_PHOTOS = 240
"""Photos that one answer lists."""

KEY = "run"
"""How the ids of a run's photos begin; those of uploads are hexadecimal."""

ORDERS = ("surest", "least-sure")
CORRECTNESS = {"right": True, "wrong": False}


@dataclass(frozen=True)
class Stored:
    """A photo of a run with its best class; `error` says why there is none.

    `label_index` is the true class, where the network knows it; `unlike` is True for a photo that
    is less like the training photos than almost all held-out ones.
    """

    number: int
    path: str
    label: str | None
    label_index: int | None
    index: int | None
    name: str | None
    probability: float | None
    correct: bool | None
    unlike: bool
    error: str | None

    def as_json(self, note: Note) -> dict[str, Any]:
        """Return it as the page shows it, with what was noted of it."""
        return {
            "id": f"{KEY}{self.number}",
            "name": clean_name(self.path),
            "label": self.label,
            "correct": self.correct,
            "failed": self.error,
            "unlike": self.unlike,
            "found": None
            if self.error or self.index is None
            else {"index": self.index, "label": self.name, "probability": finite(self.probability)},
            **vars(note),
        }


class StoredRun:
    """A run, finished or not, as the page asks for it.

    Raises:
        OptionError: the folder has no run, or none of its photos is done.
        OutputError: the notes beside it are damaged.
        MissingFramework: pyarrow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self.run = read_run(folder)
        self.photos = best_of(self.run)
        if not self.photos:
            raise OptionError(f"'{folder}' has no finished shard yet. Let the run go on.")
        self.notes = Notes.beside(folder)

    @property
    def listed(self) -> dict[str, ListedPhoto]:
        """The files that the page may look at, by id: those of the manifest alone."""
        keys = {f"{KEY}{photo.number}": photo for photo in self.photos}
        return {
            key: ListedPhoto(key, Path(self.run.where(photo.path))) for key, photo in keys.items()
        }

    def load_arguments(self) -> tuple[str, dict[str, Any]]:
        """Return the name and the settings with which `seewhy.load` makes the run's network.

        Raises:
            ModelError: the run was made from Python, with a network that has no name.
        """
        model = self.run.question.model
        if model is None:
            raise ModelError(
                f"The run '{self.name}' does not say how to load its network. Give it: --model"
            )

        return model.stored()

    def about(self) -> dict[str, Any]:
        """Say what was asked, which classes and labels there are, and what was taken for what."""
        counts = Counter(
            (photo.index, photo.name) for photo in self.photos if photo.index is not None
        )
        labels = Counter(photo.label for photo in self.photos if photo.label is not None)
        taken = Counter(
            (photo.label, photo.index, photo.name)
            for photo in self.photos
            if photo.label is not None and photo.index is not None
        )
        question = self.run.question
        method, layers = question.method, question.request.layer or ()
        return {
            "name": self.name,
            "photos": len(self.photos),
            "methods": [method],
            "layer": layers[0] if len(layers) == 1 else None,
            "options": {method: question.request.as_dict()["options"].get(method, {})},
            "classes": [
                {"index": index, "label": name, "count": count}
                for (index, name), count in counts.most_common()
            ],
            "labels": [{"label": label, "count": count} for label, count in labels.most_common()],
            "confusion": [
                {"label": label, "index": index, "found": name, "count": count}
                for (label, index, name), count in taken.most_common()
            ],
            "labelled": any(photo.correct is not None for photo in self.photos),
        }

    def sift(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """List photos by class, label, right or wrong, and a range of confidence, sorted by it.

        Raises:
            OptionError: a value that the page does not send.
        """
        low, high = _share(wanted, "low", 0.0), _share(wanted, "high", 1.0)
        index, label = wanted.get("class", ""), wanted.get("label", "")
        right, order = wanted.get("right", ""), wanted.get("order") or ORDERS[0]
        if (
            (index and not _is_index(index))
            or order not in ORDERS
            or right not in ("", *CORRECTNESS)
        ):
            raise OptionError("The filter is not one of the page's. Reload the page.")
        sifted = [
            photo
            for photo in self.photos
            if (not index or photo.index == int(index))
            and (not label or photo.label == label)
            and (not right or photo.correct is CORRECTNESS[right])
            and low <= (photo.probability or 0.0) <= high
        ]
        sign = -1 if order == ORDERS[0] else 1
        sifted.sort(key=lambda photo: (photo.error is not None, sign * (photo.probability or 0.0)))
        photos = [photo.as_json(self.notes.of(photo.path)) for photo in sifted[:MOST_PHOTOS]]
        return {"count": len(sifted), "photos": photos}

    def explained(self, number: int) -> bytes:
        """Return the maps that the run stored for a photo, as answers; no network runs.

        A photo that was taken for another class has a second answer: what tells the two apart.

        Raises:
            PhotoError: the photo failed in the run, or is not where it was.
        """
        explanation = self.run[number]
        if isinstance(explanation, PhotoFailure):
            raise PhotoError(explanation.reason)
        belongs_to = {"photo": f"{KEY}{number}", "run": self.name}
        contrast = self._contrast(number, explanation)
        second = b"" if contrast is None else answers.answer(contrast, belongs_to, kind="contrast")
        return second + answers.answer(explanation, belongs_to)

    def _contrast(self, number: int, explanation: Explanation) -> Explanation | None:
        """Return the stored map of the class that was found rather than the true one, if any."""
        plan = self.run.plan
        rows = read_shard(self.run.folder, plan, number // plan.size, number)
        row = next((row for row in rows if row.kind == "contrast"), None)
        if row is None or row.heatmap is None or row.class_index is None:
            return None
        rivals = Rivals((row.label or "",), (row.label_index or 0,), 1.0)
        label, score = row.class_name or "", float("nan")
        likely = float("nan") if row.probability is None else row.probability
        target = Prediction(label, row.class_index, likely, score, rivals=rivals)
        return replace(
            explanation,
            maps=row.heatmap[None, None],
            targets=((target,),),
            shown=(),
            extras=(),
        )

    def note(self, number: int, note: Note) -> None:
        """Keep what was noted of a photo, beside the run.

        Raises:
            OutputError: it cannot be written.
        """
        (path,) = {photo.path for photo in self.photos if photo.number == number}
        self.notes.keep(path, note)


def best_of(run: Run) -> list[Stored]:
    """Return every photo that is done with its best class, in the run's order."""
    return [
        Stored(
            row["photo_id"], row["path"], row["label"], row["label_index"], row["class_index"],
            row["class_name"], row["probability"], row["correct"], row["familiar"] is False,
            None if row["status"] == "ok" else row["error"] or "It failed in the run.",
        )
        for row in (run.photos.to_pylist() if run.shards else ())
    ]  # fmt: skip


def _share(wanted: Mapping[str, str], name: str, otherwise: float) -> float:
    try:
        return float(wanted.get(name) or otherwise)
    except ValueError as error:
        raise OptionError("The filter is not one of the page's. Reload the page.") from error


def _is_index(text: str) -> bool:
    return text.isdecimal() and len(text) < 8
