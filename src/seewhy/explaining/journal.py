"""What is done so far, in a file that goes on after a kill: the one store of every `--resume`.

The first line says whose file it is and what was asked; each other line is one entry. A line ends
with a newline when it is whole, and has a checksum of its content:

    {"check": "1c291ca3", "entry": {...}}
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from seewhy.classifier.fingerprint import NetworkFingerprint
from seewhy.errors import OptionError, OutputError
from seewhy.files import parse_json

DAMAGED = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a line raises that is whole and makes no sense."""


class Journal:
    """Entries of one kind that belong to one question to one network.

    Nothing is written before `start`. A file that does not begin as ours is never touched.

    Args:
        path: the file, which may be there from before.
        kind: whose entries they are: 'seewhy evaluate'.
        question: everything that changes an entry, ready for JSON, by name.
        network: what was asked.
        resume: False starts the file again, if seewhy wrote it.

    Attributes:
        entries: those of the file, in its order, whatever was asked there.
        differences: how the file's question differs, in words; empty where it does not.

    Raises:
        OptionError: the file cannot be read, is not of this kind, or is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        kind: str,
        question: Mapping[str, Any],
        network: NetworkFingerprint,
        resume: bool = True,
    ) -> None:
        self.path = Path(path)
        self.kind = kind
        # As JSON gives it back: a tuple in the question is a list in the file.
        version = getattr(sys.modules["seewhy"], "__version__", None)
        self._question = json.loads(json.dumps({"version": version, **question}, default=str))
        self._network = network
        self.entries: list[dict[str, Any]] = []
        self.differences: list[str] = []
        self._whole = 0
        self._stream: BinaryIO | None = None
        self._read(resume)

    def start(self) -> None:
        """Go on with the file, or begin it where there is none or it belongs to another question.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("ab")
            if self.differences:
                self._whole = 0
            self._stream.truncate(self._whole)  # a line that a killed run did not finish
        except OSError as error:
            raise OutputError(
                f"'{self.path}' cannot be written: {error.strerror or error}. Choose a place that "
                "can be written to."
            ) from error
        if self._whole == 0:
            self._write(
                {
                    "seewhy": self.kind,
                    "question": self._question,
                    "network": self._network.as_dict(),
                }
            )

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write an entry; it is in the file when this returns.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._stream is None:
            self.start()
        self._write(entry)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        assert self._stream is not None
        text = json.dumps(entry)  # in ASCII: names may be no text
        line = f'{{"check": "{crc32(text.encode()):08x}", "entry": {text}}}\n'
        try:
            self._stream.write(line.encode())
            self._stream.flush()
        except OSError as error:
            raise OutputError(
                f"'{self.path}' cannot be written: {error.strerror or error}. What was done before "
                "is kept: make room, and go on with it."
            ) from error

    def _read(self, resume: bool) -> None:
        try:
            if not self.path.exists():
                return
            if not self.path.is_file():
                raise OptionError(f"'{self.path}' is not a file. Name another one.")
            with self.path.open("rb") as stream:
                if not resume:
                    start = stream.readline()
                    if start and not self._begins_as_ours(start):
                        raise OptionError(self._foreign())
                    return
                for number, entry in enumerate(self._lines(stream)):
                    if number == 0:
                        self._check_head(entry)
                    else:
                        self.entries.append(entry)
        except (OSError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise OptionError(
                f"'{self.path}' cannot be read: {reason}. Name another one."
            ) from error

    def _lines(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        """Yield what whole lines contain; the first that is cut is the last, unless it is all."""
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                if number == 1 and not self._begins_as_ours(line):
                    raise OptionError(self._foreign())
                return
            try:
                record = parse_json(line)
                entry: dict[str, Any] = record["entry"]
                text = json.dumps(entry)
                if record["check"] != f"{crc32(text.encode()):08x}":
                    raise ValueError("the checksum is another one")
                if not isinstance(entry, dict):
                    raise TypeError("an entry is a dict")
            except DAMAGED as error:
                if number == 1:
                    raise OptionError(self._foreign()) from error
                raise OptionError(
                    f"'{self.path}' is damaged: line {number} is not understood. Remove that line, "
                    "or name another file."
                ) from error
            yield entry
            self._whole += len(line)

    def _begins_as_ours(self, line: bytes) -> bool:
        """True for a first line, whole or not, as a killed run may leave it."""
        start = rf'\{{"check": "[0-9a-f]{{8}}", "entry": \{{"seewhy": "{re.escape(self.kind)}"'
        return re.match(start.encode(), line) is not None

    def _check_head(self, head: Mapping[str, Any]) -> None:
        try:
            if head["seewhy"] != self.kind:
                raise ValueError("of another command")
            question = dict(head["question"])
            network = NetworkFingerprint.from_dict(head["network"])
            differences = self._network.differences(network)
        except DAMAGED as error:
            raise OptionError(self._foreign()) from error
        for name in dict.fromkeys([*question, *self._question]):
            there, here = question.get(name), self._question.get(name)
            if there != here:
                differences.append(f"{name}: {_short(there)} there, {_short(here)} now")
        self.differences = differences

    def _foreign(self) -> str:
        return (
            f"'{self.path}' is not a file of {self.kind}: line 1 is not understood. It is left as "
            "it is. Name another file."
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
