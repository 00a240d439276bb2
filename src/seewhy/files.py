"""Files: atomic writes, and safe reads of small files, whatever they contain."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import socket
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np
from numpy import ndarray

from seewhy.errors import OptionError, OutputError

LEFT_OVER_AGE = 24 * 3600
"""Seconds after which an unfinished file of an unknown process counts as left over."""

LONGEST_STEM = 180
"""Bytes of a name that are kept: file systems allow 255, with what is added to it."""

_SWEPT_FOLDERS: set[Path] = set()
"""Folders whose stale temporary files this process has removed."""


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and rename it to `path` on success.

    The temporary file has the same extension. After an error, including Ctrl-C, it is removed and
    `path` is unchanged; files of a killed process are removed by the next one that writes to the
    folder. Missing folders are created.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    path = Path(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        _remove_left_over(path.parent)
        prefix = f".seewhy-{_host()}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        beside = Path(name)
        yield beside
        # mkstemp makes files readable only by the owner; a result is as readable as any other file.
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        beside.replace(path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"'{path}' cannot be written: {error.strerror or error}. "
            "Choose a place that can be written to."
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` atomically.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    with written_whole(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def write_arrays(path: str | Path, arrays: Mapping[str, ndarray]) -> Path:
    """Write arrays by name as a compressed `.npz` file, atomically.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    with written_whole(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return Path(path)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a regular file exists; False for a name that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113  (Path.is_file raises for names that are too long)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder exists; False for a name that no folder can have."""
    return os.path.isdir(path)  # noqa: PTH112  (as above)


def read_text(path: str | os.PathLike[str], *, what: str, advice: str) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        what: the name of its content in messages: "The labels".
        advice: what to do if it cannot be read, a whole sentence.

    Raises:
        OptionError: it is missing, not a regular file, or not text in UTF-8.
    """
    if os.path.exists(path) and not is_file(path):  # noqa: PTH110  (as in is_file)
        kind = "a folder" if Path(path).is_dir() else "a pipe or a device"
        raise OptionError(f"{what} {path} cannot be read: it is {kind}, not a file. {advice}")
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(f"{what} {path} are not text in UTF-8. {advice}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OptionError(f"{what} {path} cannot be read: {reason}. {advice}") from error


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _remove_left_over(folder: Path) -> None:
    """Remove unfinished files of this machine's dead processes, once per folder."""
    if folder in _SWEPT_FOLDERS:
        return
    _SWEPT_FOLDERS.add(folder)
    for path in folder.glob(".seewhy-*-*-*"):
        with contextlib.suppress(OSError):
            if _is_left_over(path):
                path.unlink()


def _is_left_over(path: Path) -> bool:
    named = re.match(r"\.seewhy-([0-9a-f]{8})-([0-9]+)-", path.name)
    if named is None:
        return False
    if named[1] == _host() and os.name == "posix":
        try:
            os.kill(int(named[2]), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            return False
        return False
    return time.time() - path.stat().st_mtime > LEFT_OVER_AGE


def _host() -> str:
    """Return a short name of this machine: folders may be shared, process ids are not."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ESCAPED_DIRECTIONS = re.compile(r"\\u(?:202[a-e]|206[6-9])")


def in_one_direction(text: str) -> str:
    """Return text, HTML or JSON without changes of direction, by which a name reads as another.

    Each is replaced by U+FFFD, in JSON's escapes too.
    """
    return _ESCAPED_DIRECTIONS.sub(r"\\ufffd", _DIRECTIONS.sub("\ufffd", text))


def finite(value: SupportsFloat | None) -> float | None:
    """Return a number as JSON can say it: None for NaN and infinity."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


class Inputs:
    """Files that are read, which no result may overwrite, whatever the names and links to them.

    Args:
        sources: paths; what is of another type, or not there, cannot be overwritten.
        what: they are.
        advice: what to do instead, a whole sentence.
    """

    def __init__(
        self,
        sources: Iterable[Any],
        *,
        what: str = "one of the photos",
        advice: str = "Choose another place for the results.",
    ) -> None:
        self._places = {place for source in sources for place in _places(source)}
        self._what, self._advice = what, advice

    def check(self, *paths: str | os.PathLike[str]) -> None:
        """Refuse to write to one of them.

        Raises:
            OptionError: that is so.
        """
        for path in paths:
            if self._places.intersection(_places(path)):
                raise OptionError(
                    f"{os.fspath(path)} is {self._what}, and the result would overwrite it. "
                    f"{self._advice}"
                )


def _places(path: Any) -> list[tuple[int, int]]:
    """Return a file's identity on disk, independent of names and links."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        status = os.stat(path)  # noqa: PTH116  (sources may be of any type)
        return [(status.st_dev, status.st_ino)]
    return []


def is_stem(value: Any) -> bool:
    """Return whether a value is a stem that `UniqueStems` may have given: a name, and no path."""
    return (
        isinstance(value, str)
        and 0 < len(value.encode("utf-8", "replace")) < LONGEST_STEM + 20
        and value not in (".", "..")
        and all(letter.isalnum() or letter in "-_." for letter in value)
    )


class UniqueStems:
    """Unique file stems for photos' names, on any file system, however many there are."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, stem: str) -> None:
        """Take a stem that was given before."""
        self._taken.add(stem.casefold())

    def of(self, name: str) -> str:
        """Return a stem for one more name, numbered if it was used before."""
        stem = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
        stem = Path(stem).stem.encode()[:LONGEST_STEM].decode(errors="ignore") or "photo"
        unique = stem
        key = stem.casefold()  # 'A.png' and 'a.png' are one file on Windows and macOS
        count = self._counts.get(key, 1)
        while unique.casefold() in self._taken:
            count += 1
            unique = f"{stem}-{count}"
        self._counts[key] = count
        self._taken.add(unique.casefold())
        return unique

    def files(self, path: Path, names: Sequence[str]) -> list[Path]:
        """Return a file for each photo: 'why_cat.png' and so on, or the path itself for one."""
        if len(names) == 1:
            return [path]
        return [path.with_name(f"{path.stem}_{self.of(name)}{path.suffix}") for name in names]


def shared_folder(paths: Sequence[str]) -> str:
    """Return the folder that all paths or addresses are in, with its last slash; '' of none."""
    parts = [path.replace("\\", "/").split("/")[:-1] for path in paths]
    shared: list[str] = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return "".join(f"{name}/" for name in shared)
