"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy import ndarray

from seewhy.errors import OutputError


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to, and rename it to `path` when all went well.

    The file beside has the same ending. After an error, Ctrl-C included, it is gone and whatever
    stood at `path` is untouched. Missing folders are made.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    path = Path(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        beside = Path(name)
        yield beside
        # mkstemp makes files for the owner's eyes only; a result is as readable as any other file.
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
    """Write `content` to `path`, whole or not at all.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    with written_whole(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def write_arrays(path: str | Path, arrays: Mapping[str, ndarray]) -> Path:
    """Write arrays by name as a compressed `.npz` file, whole or not at all.

    Raises:
        OutputError: the folder or file cannot be written.
    """
    with written_whole(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return Path(path)
