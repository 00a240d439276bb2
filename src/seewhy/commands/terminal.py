"""Printing: safe for a terminal whatever the text contains; a failure does not stop the work."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control codes: a file name can hold ESC ] 0 ; ...
    "\u200e\u200f\u2028-\u202e\u2066-\u2069"  # changes of text direction, and line ends
    "\ud800-\udfff]"  # bytes of a file name that are not UTF-8
)


class Printer(io.TextIOBase):
    """A text stream that prints unsafe characters as \\uXXXX, which JSON reads back.

    When the stream cannot be written to, the error is kept, and the rest is dropped: a reader that
    has gone (`| head`) or a full disk does not stop the work.

    Attributes:
        stream: the underlying stream; None if it does not exist.
        error: why something could not be written, or None.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, escaping characters that are unsafe or not in the stream's encoding."""
        safe = UNSAFE_CHARACTERS.sub(lambda match: _escaped(match[0]), text)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            safe.encode(encoding)
        except UnicodeEncodeError:
            safe = "".join(
                character if _fits(character, encoding) else _escaped(character)
                for character in safe
            )
        self._call("write", safe)
        return len(text)

    def flush(self) -> None:
        """Flush the buffer."""
        self._call("flush")

    def _call(self, verb: str, *arguments: str) -> None:
        if self.error is not None:
            return
        if self.stream is None:
            self.error = OSError(9, "it is closed")
            return
        try:
            getattr(self.stream, verb)(*arguments)
        except OSError as error:
            self.error = error

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self.stream is not None and bool(self.stream.isatty())

    def fileno(self) -> int:
        """Return the stream's own file descriptor."""
        if self.stream is None:
            raise OSError(9, "it is closed")
        return int(self.stream.fileno())

    @property
    def encoding(self) -> Any:  # type: ignore[override]
        """The stream's own encoding."""
        return getattr(self.stream, "encoding", "utf-8")


@contextlib.contextmanager
def safe_output() -> Iterator[Printer]:
    """Route all output through printers; yields the one of stdout."""
    if sys.stdout is None or sys.stderr is None:
        _occupy_standard_descriptors()
    out, err = Printer(sys.stdout), Printer(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield out
        finally:
            out.flush()
            err.flush()
            for printer in (out, err):
                if printer.error is not None:
                    _discard(printer)


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _fits(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _occupy_standard_descriptors() -> None:
    """Open closed descriptors 0, 1 and 2 on os.devnull, so that no picture becomes stdout."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free


def _discard(printer: Printer) -> None:
    """Send the interpreter's last flush of a broken stream to os.devnull, without a message."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, printer.fileno())
        os.close(nowhere)
