"""Find and read photos: a single one, or many of which some may fail."""

from __future__ import annotations

import contextlib
import glob
import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from seewhy.errors import PhotoError
from seewhy.photos.decoding import decode_array, decode_file, decode_image
from seewhy.photos.fitting import Fit, check_fit
from seewhy.photos.foreign import FOREIGN_ENDINGS
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.threads import map_ahead

__all__ = [
    "Photo",
    "PhotoFailure",
    "expanded",
    "find_photos",
    "find_sources",
    "is_pattern",
    "matching",
    "name_of",
    "read_ahead",
    "read_photo",
    "read_photos",
    "read_source",
    "weight",
]

PHOTO_ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".tga", *FOREIGN_ENDINGS,
)  # fmt: skip
"""The extensions of photos in a folder; a file that is named may have any."""

KINDS: dict[type | None, str] = {
    FileNotFoundError: "missing",
    Image.DecompressionBombError: "too-large",
    Image.DecompressionBombWarning: "too-large",
}
"""Of failures, by their cause; all others are "unreadable"."""

R = TypeVar("R")

BYTES_AHEAD = 2**27
"""Bytes of pixels that are read before they are needed."""


def read_photo(source: Any, *, name: str | None = None) -> Photo:
    """Read one photo of any supported format as 8-bit RGB, upright by its EXIF tag.

    Transparency becomes white, 16-bit grey is scaled by 255 / 65535, and an animation is
    represented by its first frame.

    Args:
        source: a path; an open binary file; a PIL image (its current frame); an array, or
            anything with `__array__`, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) in uint8, uint16
            or floats in 0..1; or a `Photo`.
        name: the photo's name in titles and messages; by default the file's name, or "photo".

    Raises:
        PhotoError: it is not a usable photo; the message says why.
    """
    if isinstance(source, Photo):
        return source if name is None else Photo(source.pixels, name, source.path)
    if isinstance(source, str | os.PathLike):
        _refuse_addresses(source)
        path = expanded(source)
        return Photo(decode_file(path, str(source)), name or path.name, path)
    if isinstance(source, Image.Image):
        file = getattr(source, "filename", "")
        name = name or (Path(file).name if isinstance(file, str) and file else "photo")
        return Photo(decode_image(source, name), name)
    if callable(getattr(source, "read", None)):
        file = getattr(source, "name", "")
        name = name or (Path(file).name if isinstance(file, str) and file else "photo")
        return Photo(decode_file(source, name), name)
    if hasattr(source, "__array__"):
        name = name or "photo"
        try:
            array = np.asarray(source)
        except (TypeError, ValueError, RuntimeError) as error:
            raise PhotoError(
                f"'{name}', a {type(source).__name__}, cannot be turned into an array: {error}"
            ) from error
        return Photo(decode_array(array, f"The array '{name}'"), name)
    raise PhotoError(
        f"A photo cannot be read from {source!r:.60}, of type {type(source).__name__}. "
        "Give a path, an open binary file, a PIL image or an array."
    )


def read_source(source: Any, *, fit: Fit | None = None) -> Photo | PhotoFailure:
    """Read one item of `find_sources`; safe to call in threads. `fit` is as in `read_photos`."""
    if isinstance(source, PhotoFailure):
        return source
    try:
        photo = read_photo(source)
    except PhotoError as error:
        return failure_of(source, error)
    try:
        if fit is not None:
            check_fit(photo, fit)
    except PhotoError as error:
        return failure_of(source, error, kind="too-large")
    return photo


def failure_of(source: Any, error: PhotoError, *, kind: str | None = None) -> PhotoFailure:
    """Return what a source that cannot be read, or fitted, is in a stream."""
    if kind is None:
        kind = KINDS.get(type(error.__cause__), "unreadable")
    return PhotoFailure(name_of(source), str(error), kind)


def read_photos(sources: Any, *, fit: Fit | None = None) -> Iterator[Photo | PhotoFailure]:
    """Read photos one after the other; a source that cannot be read yields a `PhotoFailure`.

    Args:
        sources: as for `find_photos`; an empty folder or a pattern without a match is a failure.
        fit: how the photos will be fitted; a photo that cannot be fitted is a failure.
    """
    for source in find_sources(sources):
        yield read_source(source, fit=fit)


def read_ahead(sources: Iterable[Any], read: Callable[[Any], R], *, ahead: int = 16) -> Iterator[R]:
    """Yield `read` of every item of `find_sources`, in order, ahead in threads.

    Args:
        sources: items of `find_sources`. What is in memory already, or open, is read in the
            caller's thread: two threads must not read one open file.
        read: reads one item, and returns what it has read before as it is: `read_photo`,
            `read_source`.
        ahead: the most photos that are read and not yet taken, within `BYTES_AHEAD` of pixels.
    """
    items = (
        source if isinstance(source, str | os.PathLike) else read(source) for source in sources
    )
    return map_ahead(read, items, ahead=ahead, weigh=weight, budget=BYTES_AHEAD)


def weight(item: Any) -> int:
    """Return the bytes that a photo's pixels take."""
    return item.nbytes if isinstance(item, Photo) else 0


def find_photos(sources: Any) -> list[Any]:
    """List the photos of files, folders, patterns, and objects in memory.

    A folder stands for the photos directly in it, sorted by name, without hidden files and files
    of other types. A pattern ('photos/*.jpg', or 'photos/**/*.jpg' with all sub-folders) stands
    for the files that it matches, sorted by name. Everything else is passed on to `read_photo`.
    The order is that of `sources`.

    Args:
        sources: one source or several; see `read_photo` for what a source may be.

    Returns:
        Paths and objects, each of which is one photo.

    Raises:
        PhotoError: `sources` is empty, a folder or pattern contains no photo, or a source is a web
            address.
    """
    entries = find_sources(sources)
    for entry in entries:
        if isinstance(entry, PhotoFailure):
            raise PhotoError(entry.reason)
    return entries


def find_sources(sources: Any) -> list[Any]:
    """List the photos as `find_photos` does, with a `PhotoFailure` where it would raise.

    Raises:
        PhotoError: `sources` is empty.
    """
    if isinstance(sources, str | os.PathLike) or not isinstance(sources, Iterable):
        sources = [sources]
    elif hasattr(sources, "__array__") or hasattr(sources, "read"):
        sources = [sources]  # an array iterates over its rows, an open file over its lines
    entries: list[Any] = []
    for source in sources:
        if not isinstance(source, str | os.PathLike):
            entries.append(source)
            continue
        try:
            entries += _files(source)
        except PhotoError as error:
            entries.append(PhotoFailure(name_of(source), str(error), "missing"))
    if not entries:
        raise PhotoError("No photo was given. Name at least one file, folder or pattern.")
    return entries


def name_of(source: Any) -> str:
    """Return a source's name for a failure."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    return name if isinstance(name, str) else "photo"


def expanded(source: str | os.PathLike[str]) -> Path:
    """Return the path, with '~' replaced by the home folder if it exists."""
    path = Path(source)
    try:
        return path.expanduser()
    # '~nobody/cat.jpg': the user does not exist, but the folder may; or no user can have the name
    except (RuntimeError, ValueError):
        return path


def _files(source: str | os.PathLike[str]) -> list[Path]:
    """Return the file, the photos of the folder, or the files that match the pattern.

    Raises:
        PhotoError: the folder contains no photo or cannot be listed, no file matches the pattern,
            or the source is a web address.
    """
    _refuse_addresses(source)
    path = expanded(source)
    if os.path.isdir(path):  # noqa: PTH112  (Path.is_dir raises for names that are too long)
        try:
            names = sorted(path.iterdir())
        except OSError as error:
            raise PhotoError(
                f"The folder '{source}' cannot be listed: {error.strerror}. Check its permissions."
            ) from error
        photos = [
            file
            for file in names
            if file.name.lower().endswith(PHOTO_ENDINGS) and file.name[0] != "." and file.is_file()
        ]
        if not photos:
            raise PhotoError(
                f"The folder '{source}' contains no photo. Name another one; for photos in its "
                f"sub-folders, give the pattern '{path / '**' / '*.jpg'}'."
            )
        return photos
    return matching(source) if is_pattern(path) else [path]


def is_pattern(path: Path) -> bool:
    """True for a name with wildcards that is not the name of a file."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def matching(source: str | os.PathLike[str]) -> list[Path]:
    """Return the files that match a pattern, sorted by name.

    '**' follows links to folders, but goes into each folder once: links make no circle.

    Raises:
        PhotoError: there are none.
    """
    files = sorted({match for match in _matches(expanded(source)) if os.path.isfile(match)})  # noqa: PTH113
    if not files:
        raise PhotoError(f"No file matches '{source}'. Check the folder and the extension.")
    return files


def _matches(pattern: Path) -> Iterator[Path]:
    parts = pattern.parts
    if "**" not in parts:
        # Path.glob takes no pattern that starts at the root.
        yield from map(Path, glob.glob(str(pattern)))  # noqa: PTH207
        return
    place = parts.index("**")
    tops = sorted(glob.glob(str(Path(*parts[:place]))))  # noqa: PTH207
    for folder in _folders(tops):
        yield from _matches(Path(glob.escape(folder), *(parts[place + 1 :] or "*")))


def _folders(tops: Sequence[str]) -> Iterator[str]:
    """Yield folders and all that is under them, each once, by its own path if it has one there."""
    walked: set[str] = set()
    waiting: list[tuple[int, str]] = [(0, top) for top in tops]
    while waiting:
        # Links last: a folder that is reached by one, too, is known by its own path.
        place, here = heapq.heappop(waiting)
        where = os.path.realpath(here)
        if where in walked or not os.path.isdir(here):  # noqa: PTH112
            continue
        walked.add(where)
        yield here
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    item = (place + entry.is_symlink(), str(Path(here, entry.name)))
                    heapq.heappush(waiting, item)


def _refuse_addresses(source: str | os.PathLike[str]) -> None:
    if isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        raise PhotoError(
            f"'{source}' is a web address; seewhy reads files only. Download the photo first."
        )
