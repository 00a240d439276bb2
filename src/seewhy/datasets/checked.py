"""One door for what is read of a run: it is whole and right, or an error says what is damaged.

A run may come from anybody, and from any disk. Shards have a checksum of all their bytes, in their
footer; run.json and the manifest are checked part by part.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator

from seewhy.errors import OutputError, SeewhyError

DAMAGED_FILE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading raises for content that is not what it should be; Arrow's errors among them."""

REPEAT = "Repeat seewhy batch with the same arguments: it does again what is damaged."

BLANK_CHECKSUM = b"0" * 64
"""In the place of the checksum while it is computed."""

CHECK = re.compile(rb'"check": "([0-9a-f]{64})"')


@contextlib.contextmanager
def checked(place: str, advice: str) -> Iterator[None]:
    """Turn whatever damaged content raises into one sentence.

    Raises:
        OutputError: that is so.
    """
    try:
        yield
    except SeewhyError:
        raise
    except FileNotFoundError as error:
        raise OutputError(f"There is no '{place}'. {advice}") from error
    except DAMAGED_FILE as error:
        lines = str(error).strip().splitlines()
        line = lines[0][:200].rstrip(".") if lines else type(error).__name__
        reason = f"{type(error).__name__} {line}" if isinstance(error, LookupError) else line
        raise OutputError(f"'{place}' is damaged: {reason}. {advice}") from error


def with_checksum(content: bytes) -> bytes:
    """Return a file whose footer has a blank checksum, with the checksum of all its bytes."""
    place = _place(content)
    if place is None or content[place : place + 64] != BLANK_CHECKSUM:
        raise ValueError("the file has no place for a checksum")
    return content[:place] + _digest(content, place) + content[place + 64 :]


def check_sum(content: bytes) -> None:
    """Refuse a file whose bytes are not those that were written.

    Raises:
        ValueError: it is cut or changed, or never had a checksum.
    """
    place = _place(content)
    if place is None:
        raise ValueError("it is not the whole file of a run")
    if content[place : place + 64] != _digest(content, place):
        raise ValueError("its bytes are not those that were written")


def _place(content: bytes) -> int | None:
    """Return where the checksum is, which is in the footer, behind all rows."""
    start = content.rfind(b'"check": "')
    match = CHECK.match(content, start) if start >= 0 else None
    return None if match is None else match.start(1)


def _digest(content: bytes, place: int) -> bytes:
    digest = hashlib.sha256(content[:place])
    digest.update(BLANK_CHECKSUM)
    digest.update(content[place + 64 :])
    return digest.hexdigest().encode()
