"""Errors of a user's own code: of the function that builds a network, or of its forward pass."""

from __future__ import annotations

import functools
import sysconfig
import traceback
from pathlib import Path

import seewhy.errors
from seewhy.errors import ModelError
from seewhy.zoo.archives import first_line


def in_words(error: BaseException) -> str:
    """Return an error with its kind and, if it is of the user's own code, its file and line.

    "ValueError: no such width (mynet.py, line 12)."
    """
    place = own_place(error)
    line = first_line(error).rstrip(".")
    sentence = line if line == type(error).__name__ else f"{type(error).__name__}: {line}"
    return f"{sentence} ({place})." if place else f"{sentence}."


def own_failure(error: BaseException) -> ModelError | None:
    """Return the sentence for an error that was raised in the user's own code, or under it.

    None for an error in which no code of the user took part.
    """
    if own_place(error) is None:
        return None
    return ModelError(
        f"Your own code failed: {in_words(error)} Correct it; on the command line, --debug shows "
        "the whole way to it."
    )


def own_place(error: BaseException) -> str | None:
    """Return the innermost line of the user's own code, as 'mynet.py, line 12'."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.is_relative_to(folder) for folder in _foreign()):
            return f"{path.name}, line {frame.lineno}"
    return None


@functools.lru_cache(maxsize=1)
def _foreign() -> tuple[str, ...]:
    """Return the folders of code that is not the user's: ours, Python's, and what is installed."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    return (str(Path(seewhy.errors.__file__).parent), *map(sysconfig.get_path, names))
