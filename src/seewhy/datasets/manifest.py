"""The photos of a run: found, numbered, and stored as `manifest.parquet`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seewhy.datasets.arrow import arrow
from seewhy.datasets.lists import ENDINGS, Entry, read_list
from seewhy.datasets.storage import (
    is_address,
    open_address,
    read_bytes,
    read_table,
    table_bytes,
    within,
)
from seewhy.errors import OptionError, PhotoError
from seewhy.explaining.order import refuse_networks
from seewhy.files import is_file
from seewhy.photos.reading import PHOTO_ENDINGS, expanded, is_pattern, matching

NAME = "manifest.parquet"
FOLDERS = "folders"
"""The word for labels that are the names of the photos' folders."""

LISTING = 600.0
"""Seconds in which a store lists a folder with all its sub-folders, which may have millions."""


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of a run.

    Attributes:
        photo_id: its number in the run.
        path: where it is: a path or an address.
        size: bytes of the file; −1 where it was not there when the run was planned.
        mtime: when the file was changed, in nanoseconds; 0 where that is not known.
        label: what it shows, where that was given.
        problem: why it cannot be read, where that is known from its name alone.
        was: its size and mtime when the run began, where it failed and has changed since.
    """

    photo_id: int
    path: str
    size: int
    mtime: int
    label: str | None
    problem: str | None = None
    was: tuple[int, int] | None = None

    @property
    def first(self) -> tuple[int, int]:
        """Its size and mtime when the run began."""
        return (self.size, self.mtime) if self.was is None else self.was


@dataclass(frozen=True, slots=True)
class Found:
    """A photo that has no number yet; the attributes are those of `Item`."""

    path: str
    size: int = -1
    mtime: int = 0
    label: str | None = None
    problem: str | None = None


def find_items(
    sources: Any, *, column: str = "path", true_labels: str | Sequence[str] | None = None
) -> list[Item]:
    """List and number the photos that are meant.

    Args:
        sources: one source or several: a photo; a folder, with all its sub-folders; a pattern; a
            text file of one path per line; a Parquet or CSV file with a column of paths. Paths
            in a file are relative to it.
        column: of Parquet and CSV files, the column with the paths.
        true_labels: 'folders': the name of each photo's folder; a column of the Parquet or CSV
            files; or a list of one label per photo.

    Raises:
        PhotoError: no photo was found.
        OptionError: a table without such a column, or labels that do not fit.
    """
    refuse_networks(sources)
    sources = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    label_column = true_labels if isinstance(true_labels, str) else None
    if label_column == FOLDERS:
        label_column = None
    photos: list[Found] = []
    for source in sources:
        if not isinstance(source, str | os.PathLike):
            raise OptionError(
                f"A run over a data set reads photos from files, and {source!r:.60} is not a file. "
                "Give paths, folders, patterns, or a table of paths; for arrays use seewhy.stream."
            )
        photos += _photos(os.fspath(source), column, label_column)
    if not photos:
        raise PhotoError(
            f"No photo is listed in {', '.join(map(repr, map(os.fspath, sources)))}. Name at least "
            "one file, folder or pattern."
            if sources
            else "No photo was given. Name at least one file, folder or pattern."
        )
    if all(photo.size < 0 and not is_address(photo.path) for photo in photos):
        raise PhotoError(_nothing_there(photos))
    labels = _labels(photos, true_labels)
    return [
        Item(number, photo.path, photo.size, photo.mtime, label, photo.problem)
        for number, (photo, label) in enumerate(zip(photos, labels, strict=True))
    ]


def _nothing_there(photos: Sequence[Found]) -> str:
    first = photos[0]
    if len(photos) == 1:
        return first.problem or f"There is no file '{first.path}'. Check the path and its spelling."
    return (
        f"None of the {len(photos)} photos exists, beginning with '{first.path}'. Check the "
        "paths: those in a file are relative to it."
    )


def _labels(photos: Sequence[Found], true_labels: str | Sequence[str] | None) -> list[str | None]:
    if true_labels == FOLDERS:
        return [
            photo.path.replace("\\", "/").split("/")[-2] if photo.problem is None else None
            for photo in photos
        ]
    if true_labels is None or isinstance(true_labels, str):
        if isinstance(true_labels, str) and all(photo.label is None for photo in photos):
            raise OptionError(
                f"No photo has a label in a column '{true_labels}'. Give a Parquet or CSV file "
                f"with that column, or '{FOLDERS}' for the names of the photos' folders."
            )
        return [photo.label for photo in photos]
    given = [str(label) for label in true_labels]
    if len(given) != len(photos):
        raise OptionError(
            f"{len(given)} labels were given for {len(photos)} photos. Give one for each."
        )
    return list(given)


def _photos(source: str, column: str, label_column: str | None) -> Iterator[Found]:
    """Yield the photos of one source."""
    if is_address(source):
        yield from _remote(source, column, label_column)
        return
    path = expanded(source).absolute()
    # os.path tells of names that no file can have; Path raises.
    if os.path.isdir(path):  # noqa: PTH112
        photos = list(_walk(path))
        if not photos:
            raise PhotoError(f"The folder '{source}' contains no photo. Name another folder.")
        yield from photos
    elif path.suffix.lower() in ENDINGS and is_file(path):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise OptionError(
                f"The list '{source}' cannot be read: {error.strerror}. Check its permissions."
            ) from error
        for entry in read_list(content, str(path), column, label_column):
            yield _listed(entry, source, lambda file: str(path.parent / expanded(file)))
    elif is_pattern(path):
        yield from (_found(str(file.absolute())) for file in matching(source))
    else:
        yield _found(str(path))


def _walk(folder: Path) -> Iterator[Found]:
    """Yield the photos in a folder and its sub-folders, by name; hidden ones are left out.

    Links to other folders are followed, but not to those that are walked anyway, nor to one
    above: links make no circle. A folder that cannot be listed counts as a photo that failed.
    """
    root = os.path.realpath(folder)
    walked: set[str] = set()

    def walk(here: str, where: str) -> Iterator[Found]:
        walked.add(where)
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = str(error.strerror or error)
            yield Found(here, problem=f"The folder '{here}' cannot be listed: {reason}.")
            return
        for entry in listed:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                inner = os.path.realpath(entry.path)
                if inner in walked or (entry.is_symlink() and _are_nested(inner, root)):
                    continue
                yield from walk(entry.path, inner)
            elif entry.name.lower().endswith(PHOTO_ENDINGS):
                yield _found(entry.path)

    yield from walk(str(folder), root)


def _are_nested(path: str, other: str) -> bool:
    """True where one of two real folders contains the other."""
    return Path(path).is_relative_to(other) or Path(other).is_relative_to(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _found(place: str, label: str | None = None) -> Found:
    """Return a photo with its size and mtime; (−1, 0) where it is not there."""
    if is_address(place):
        return Found(place, label=label)
    if not _is_text(place):
        shown = os.fsencode(place).decode("utf-8", "replace")
        return Found(
            shown,
            label=label,
            problem=f"The name of '{shown}' is not text in UTF-8, so it cannot be written down. "
            "Rename the file.",
        )
    try:
        state = Path(place).stat()
    except (OSError, ValueError):
        return Found(place, label=label)
    return Found(place, state.st_size, state.st_mtime_ns, label)


def _is_text(place: str) -> bool:
    """True where a path can be written as UTF-8, which is so of nearly all."""
    try:
        place.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(entry: Entry, source: str, place: Callable[[str], str]) -> Found:
    """Return the photo that a line of a list names."""
    if not entry.path:
        return Found(
            f"{source}#{entry.number}",
            label=entry.label,
            problem=f"Row {entry.number} of '{source}' names no photo: the cell is empty. "
            "Fill it, or remove the row.",
        )
    return _found(entry.path if is_address(entry.path) else place(entry.path), entry.label)


def _remote(source: str, column: str, label_column: str | None) -> Iterator[Found]:
    scheme = source.partition("://")[0]
    fs = arrow("fs")
    try:
        system, path = open_address(source)
        (info,) = within(source, lambda: system.get_file_info([path]))
        inside = info.type == fs.FileType.Directory
        selector = fs.FileSelector(path, recursive=True)
        infos = within(source, lambda: system.get_file_info(selector), LISTING) if inside else []
        is_list = info.type == fs.FileType.File and source.lower().endswith(ENDINGS)
        content = read_bytes(source) if is_list else b""
    except OSError as error:
        raise PhotoError(
            f"'{source}' cannot be listed: {str(error).rstrip('.')}. Check the address, the "
            "network and your rights."
        ) from error
    if inside:
        photos = [
            file
            for file in sorted(infos, key=lambda file: file.path)
            if file.type == fs.FileType.File
            and f".{file.extension.lower()}" in PHOTO_ENDINGS
            and not file.base_name.startswith(".")
        ]
        if not photos:
            raise PhotoError(f"The folder '{source}' contains no photo. Name another folder.")
        for photo in photos:
            place = f"{scheme}://{photo.path.lstrip('/')}"
            yield Found(place, int(photo.size), int(photo.mtime_ns or 0))
    elif is_list:
        for entry in read_list(content, source, column, label_column):
            yield _listed(entry, source, lambda file: f"{source.rpartition('/')[0]}/{file}")
    elif info.type == fs.FileType.File:
        yield Found(source, int(info.size), int(info.mtime_ns or 0))
    else:
        yield Found(source)


@functools.lru_cache(maxsize=1)
def _schema() -> Any:
    pa = arrow()
    return pa.schema(
        [
            pa.field("photo_id", pa.int64(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("mtime", pa.int64(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("problem", pa.string()),
            pa.field("was", pa.list_(pa.int64())),
        ]
    )


def manifest_bytes(items: Sequence[Item]) -> bytes:
    """Return the manifest as the bytes of a Parquet file."""
    columns = {name: [getattr(item, name) for item in items] for name in _schema().names}
    return table_bytes(arrow().table(columns, schema=_schema()))


def read_manifest(content: bytes) -> list[Item]:
    """Return the photos of a manifest."""
    table = read_table(content)
    columns = [table[name].to_pylist() for name in _schema().names]
    *others, states = columns
    was = [None if state is None else (int(state[0]), int(state[1])) for state in states]
    return [Item(*row) for row in zip(*others, was, strict=True)]


def carried(items: Sequence[Item], before: Sequence[Item], failed: Collection[int]) -> list[Item]:
    """Return photos as a run knows them that was begun with others.

    Args:
        items: the photos as they are now.
        before: those of the run.
        failed: photos that failed in it: they may have changed since, or come back.
    """
    if [(item.path, item.label) for item in items] != [(item.path, item.label) for item in before]:
        return list(items)
    carried_items = []
    for now, then in zip(items, before, strict=True):
        is_same = (now.size, now.mtime) == (then.size, then.mtime)
        if is_same or now.photo_id in failed:
            first = None if then.first == (now.size, now.mtime) else then.first
            carried_items.append(replace(now, was=first))
        else:
            carried_items.append(now)
    return carried_items
