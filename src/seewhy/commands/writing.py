"""The files that `seewhy explain` writes per photo: pictures, maps, rows, a record for --resume."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seewhy.commands.arguments import style_of
from seewhy.errors import OutputError

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.commands.outputs import Outputs
    from seewhy.explaining.result import Explanation

RECORD = ".explained.jsonl"
"""In the folder of the pictures: one line per photo that is done, for --resume."""

NO_RESULT = frozenset({"json", "jsonl", "resume", "debug", "photos", "module", "command", "sheet"})
"""Arguments that do not affect the files of a photo."""


@dataclass(frozen=True, eq=False)
class PhotoOutputs:
    """One photo that is done.

    Attributes:
        source: the photo's path.
        rows: its results, one row per method, with its files.
        cell: its title and overlay on the sheet, or None.
    """

    source: str
    rows: list[dict[str, Any]]
    cell: tuple[str, Any] | None


class Record:
    """The record of finished photos and their question, for --resume.

    A line is written when all files of a photo are there, so a run may be killed at any moment.
    """

    def __init__(self, folder: Path, question: str, *, resume: bool) -> None:
        self.path = folder / RECORD
        self.question = question
        self.done = self._read() if resume else {}
        self.stream: TextIO | None = None

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return the photos whose results exist and belong to the question, by source."""
        found: dict[str, dict[str, Any]] = {}
        try:
            lines = self.path.read_text("utf-8").split("\n")
        except FileNotFoundError:
            return {}
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of a run that was killed
            files = [file for row in entry["rows"] for file in row["files"]]
            if entry["question"] == self.question and all(Path(file).is_file() for file in files):
                found[entry["source"]] = entry
        return found

    def rows_of(self, source: Any) -> list[dict[str, Any]] | None:
        """Return the rows of a photo that is done and has not changed since, or None."""
        entry = self.done.get(str(source))
        if entry is None or entry["state"] != _state(source):
            return None
        rows: list[dict[str, Any]] = entry["rows"]
        return rows

    def add(self, drawn: PhotoOutputs) -> None:
        """Record a finished photo."""
        entry = {
            "question": self.question,
            "source": drawn.source,
            "state": _state(drawn.source),
            "rows": drawn.rows,
        }
        try:
            if self.stream is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.stream = self.path.open("a" if self.done else "w", encoding="utf-8")
            self.stream.write(json.dumps(entry) + "\n")
            self.stream.flush()
        except OSError as error:
            raise OutputError(
                f"'{self.path}' cannot be written: {error.strerror or error}. Choose a place that "
                "can be written to."
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()


def _state(source: Any) -> list[int]:
    """Return size and time of a file."""
    try:
        state = os.stat(source)  # noqa: PTH116 - a source may be any text
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns]


def question_hash(args: argparse.Namespace, classifier: Classifier, methods: list[str]) -> str:
    """Return a hash of everything that determines the results of a photo."""
    from seewhy.classifier.fingerprint import network_fingerprint
    from seewhy.version import __version__

    asked = {name: value for name, value in vars(args).items() if name not in NO_RESULT}
    asked |= {
        "version": __version__,
        "methods": methods,
        "network": network_fingerprint(classifier).as_dict(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def draw(
    explanations: Mapping[str, Explanation],
    stem: str,
    args: argparse.Namespace,
    classifier: Classifier,
    outputs: Outputs,
) -> PhotoOutputs:
    """Write the files of one photo, and return its results; thread-safe."""
    first = next(iter(explanations.values()))
    files = _write_files(explanations, stem, args, classifier, outputs)
    rows = []
    for method, explanation in explanations.items():
        (row,) = explanation.as_dict()
        row["files"] = [str(file) for file in files[method]]
        rows.append(row)
    cell = None
    if args.sheet:
        from seewhy.explaining.drawing import draw_targets
        from seewhy.explaining.shrinking import shrunk

        overlay = draw_targets(shrunk(first, 0), 0, style_of(args))[0]
        cell = (f"{first.photos[0].name}: {first.title()}", _thumbnail(overlay))
    photo = first.photos[0]
    return PhotoOutputs(str(photo.path or photo.name), rows, cell)


def _thumbnail(pixels: Any) -> Any:
    """Shrink a picture to the size of a sheet's cells, since a sheet keeps them all."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((480, 480))
    return np.asarray(image)


def _write_files(
    explanations: Mapping[str, Explanation],
    stem: str,
    args: argparse.Namespace,
    classifier: Classifier,
    outputs: Outputs,
) -> dict[str, list[Path]]:
    """Write pictures and maps; returns the files by method."""
    from seewhy.commands.pictures import occlusion_pictures
    from seewhy.explaining.drawing import draw_methods
    from seewhy.rendering.colours import bare_map
    from seewhy.rendering.saving import save_picture

    style = style_of(args)
    files: dict[str, list[Path]] = {method: [] for method in explanations}
    ending = args.format or "jpg"
    if len(explanations) > 1:
        compared = outputs.path(f"{stem}_methods.{ending}")
        save_picture(draw_methods(list(explanations.values()), 0, style), compared, of_photo=True)
        files = {method: [compared] for method in explanations}
    for method, explanation in explanations.items():
        if len(explanations) == 1:
            path = outputs.path(f"{stem}_{method}.{ending}")
            files[method] += explanation.save(path, style=style)
        if args.bare_maps:
            for target, raw in enumerate(explanation.maps[0]):
                path = outputs.path(f"{stem}_{method}_map{target + 1}.{args.format or 'png'}")
                picture = bare_map(
                    raw,
                    title=explanation.title(0, target),
                    signed=explanation.signed,
                    colour_bar=True,
                )
                files[method].append(save_picture(picture, path))
        if args.save_maps:
            path = outputs.path(f"{stem}_{method}.npz")
            files[method].append(explanation.save_maps(path))
        if method == "occlusion":
            pictures = occlusion_pictures(
                explanation, classifier, style, show_patches=args.show_patches
            )
            for name, picture in pictures.items():
                path = outputs.path(f"{stem}_{method}_{name}.{ending}")
                files[method].append(save_picture(picture, path))
    return files


def write_sheet(cells: list[tuple[str, Any]], args: argparse.Namespace, outputs: Outputs) -> None:
    """Write all best overlays on as few pages as they need."""
    from seewhy.rendering.page import sheet
    from seewhy.rendering.saving import save_picture

    pages = sheet(cells)
    for number, page in enumerate(pages, 1):
        mark = f"-{number}" if len(pages) > 1 else ""
        path = save_picture(page, outputs.path(f"sheet{mark}.{args.format or 'jpg'}"))
        sys.stderr.write(f"sheet: {path}\n")
