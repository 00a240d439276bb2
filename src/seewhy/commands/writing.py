"""The files that `seewhy explain` writes per photo: pictures, maps, rows, a record for --resume."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.commands.arguments import style_of
from seewhy.errors import OptionError
from seewhy.files import is_stem, parse_json

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.commands.outputs import Outputs
    from seewhy.explaining.request import Request
    from seewhy.explaining.result import Explanation

RECORD = ".explained.jsonl"
"""In the folder of the pictures: one line per photo that is done, for --resume. A second network,
or contrast, has a record and names of its own: see `_mark`."""

PICTURES = ("format", "bare_maps", "save_maps", "show_patches")
"""Arguments, besides the request and the style, that the files of a photo depend on."""


@dataclass(frozen=True, eq=False)
class PhotoOutputs:
    """One photo that is done.

    Attributes:
        source: the photo's path.
        stem: what the names of its files begin with.
        rows: its results, one row per method, with its files.
        cell: its title and overlay on the sheet, or None.
    """

    source: str
    stem: str
    rows: list[dict[str, Any]]
    cell: tuple[str, Any] | None


class Record:
    """The photos of a folder that are done, for --resume.

    A photo is written down when all its files are there, so a run may be killed at any moment. What
    is done keeps its names, and so does a photo that is done again.
    """

    def __init__(
        self,
        folder: Path,
        args: argparse.Namespace,
        request: Request,
        classifier: Classifier,
        *,
        resume: bool,
    ) -> None:
        from seewhy.classifier.fingerprint import network_fingerprint
        from seewhy.explaining.journal import Journal

        self.mark = _mark(folder / RECORD, request, classifier)
        question = {
            "model": classifier.name,
            "request": request.without_functions().as_dict(),
            "style": repr(style_of(args)),
            **{name: getattr(args, name) for name in PICTURES},
        }
        self.journal = Journal(
            folder / f".explained{self.mark}.jsonl",
            kind="seewhy explain",
            question=question,
            network=network_fingerprint(classifier),
            resume=resume,
        )
        self.entries = self._by_source()

    def _by_source(self) -> dict[str, dict[str, Any]]:
        """Return the entries of the file, checked, by source."""
        entries: dict[str, dict[str, Any]] = {}
        for number, entry in enumerate(self.journal.entries, 2):
            files = [file for row in entry.get("rows", ()) for file in row.get("files", ())]
            if not (
                isinstance(entry.get("source"), str)
                and is_stem(entry.get("stem"))
                and all(isinstance(file, str) for file in files)
            ):
                raise OptionError(
                    f"'{self.journal.path}' is damaged: line {number} is not a photo that is done. "
                    "Remove the file, or choose another folder with --out."
                )
            entries[entry["source"]] = entry
        return entries

    @property
    def stems(self) -> dict[str, str]:
        """The names that photos have from before, by source."""
        return {source: entry["stem"] for source, entry in self.entries.items()}

    def rows_of(self, source: Any) -> list[dict[str, Any]] | None:
        """Return the rows of a photo that is done and has not changed since, or None."""
        key = key_of(source)
        entry = self.entries.get(key)
        if entry is None or self.journal.differences or entry.get("state") != _state(key):
            return None
        rows: list[dict[str, Any]] = entry["rows"]
        is_there = all(Path(file).is_file() for row in rows for file in row["files"])
        return rows if is_there else None

    def add(self, drawn: PhotoOutputs) -> None:
        """Write down a finished photo."""
        key = key_of(drawn.source)
        entry = {"source": key, "stem": drawn.stem, "state": _state(key), "rows": drawn.rows}
        self.journal.append(entry)

    def close(self) -> None:
        """Close the file."""
        self.journal.close()


def _mark(first: Path, request: Request, classifier: Classifier) -> str:
    """Return what tells the files of this network and contrast from those of a folder's first ones.

    Args:
        first: the folder's record.
        request: what is asked.
        classifier: of whom.

    Returns:
        '' for the first ones; '_resnet50', '_rather_than_cheetah' or both for others.
    """
    from seewhy.rendering.text import short_name

    try:
        with first.open("rb") as stream:
            question = parse_json(stream.readline())["entry"]["question"]
            model, contrast = str(question["model"]), question["request"]["contrast"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # no such file, or one of another program: whoever reads it next says so
    parts = []
    if model != classifier.name:
        short = Path(short_name(classifier.name)).stem
        parts.append(classifier.name if short == Path(short_name(model)).stem else short)
    if contrast != request.without_functions().as_dict()["contrast"]:
        rivals = [
            rival if isinstance(rival, str) else classifier.label(rival)
            for rival in request.contrast or ()
        ]
        parts.append(f"rather than {' '.join(rivals)}" if rivals else "alone")
    return "".join("_" + re.sub(r"[^\w.+-]+", "_", part) for part in parts)


def key_of(source: Any) -> str:
    """Return what a photo is called in the record: its path, from wherever it is asked."""
    from seewhy.photos.reading import expanded

    is_path = isinstance(source, str | os.PathLike)
    return str(expanded(source).absolute()) if is_path else str(source)


def _state(key: str) -> list[int]:
    """Return size and time of a file."""
    try:
        state = os.stat(key)  # noqa: PTH116 - a source may be any text
    except (OSError, ValueError):
        return []
    return [state.st_size, state.st_mtime_ns]


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
        from seewhy.explaining.sizing import sized

        overlay = draw_targets(sized(first, 0), 0, style_of(args))[0]
        cell = (f"{first.photos[0].name}: {first.title()}", _thumbnail(overlay))
    photo = first.photos[0]
    return PhotoOutputs(str(photo.path or photo.name), stem, rows, cell)


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
