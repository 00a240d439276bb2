"""What was measured so far, photo by photo and method by method: in memory, and in a file.

The file has one JSON object per line. The first says what was asked; an evaluation goes on from the
file only with the same question. Methods may be added, or measured with other options: only they
are measured then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from seewhy.errors import OptionError, OutputError
from seewhy.files import parse_json

Key = tuple[str, str, str, str]
"""Stage ('photo', 'mosaic' or 'reference'), photo, method and its options."""


@dataclass(frozen=True)
class Record:
    """One method on one photo.

    Attributes:
        values: by measure; None where there is nothing to measure.
        curves: by fill and order, the probabilities at each step; of a reference, its 'cells'.
        overlaps: the largest IoU at each threshold; None without boxes.
        options: of the method, as JSON.
    """

    values: Mapping[str, float | None]
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    overlaps: list[float] | None = None
    options: str = "{}"


class Records:
    """Records by stage, photo, method and options; with a file, each is appended at once.

    Args:
        path: the file, which may be there from an earlier run; None: in memory only.
        question: what is measured, ready for JSON.

    Raises:
        OptionError: the file belongs to another question, or is no such file.
        OutputError: the file cannot be written.
    """

    def __init__(self, path: str | Path | None, question: Mapping[str, Any]) -> None:
        self._found: dict[Key, Record] = {}
        self._path = None if path is None else Path(path)
        self._stream: TextIO | None = None
        # As JSON gives it back: a tuple in the question is a list in the file.
        told = json.loads(json.dumps(question))
        if self._path is None:
            return
        whole = self._read(told) if self._path.is_file() else 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("a", encoding="utf-8")
            self._stream.truncate(whole)  # a line that a killed run did not finish
        except OSError as error:
            raise OutputError(
                f"'{self._path}' cannot be written: {error.strerror or error}. Choose a place that "
                "can be written to."
            ) from error
        if not whole:
            self._write({"question": told})

    def __len__(self) -> int:
        return len(self._found)

    def get(self, stage: str, photo: str, method: str, options: str) -> Record | None:
        """Return a record; None where it is not there, or the method had other options."""
        return self._found.get((stage, photo, method, options))

    def add(self, stage: str, photo: str, method: str, record: Record) -> None:
        """Keep a record, and append it to the file."""
        self._found[stage, photo, method, record.options] = record
        self._write({"stage": stage, "photo": photo, "method": method, **asdict(record)})

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(line) + "\n")  # in ASCII: names may be no text
            self._stream.flush()

    def _read(self, question: Any) -> int:
        """Read the file, and return how many bytes of it are whole lines."""
        assert self._path is not None
        whole = 0
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream):
                if not line.endswith(b"\n"):
                    break
                try:
                    row = parse_json(line)
                    if number == 0:
                        self._check(row["question"], question)
                    else:
                        key = (row.pop("stage"), row.pop("photo"), row.pop("method"))
                        record = Record(**row)
                        self._found[*key, record.options] = record
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    if isinstance(error, OptionError):
                        raise
                    raise OptionError(
                        f"'{self._path}' does not contain measurements of seewhy evaluate: line "
                        f"{number + 1} is not understood. Name another file."
                    ) from error
                whole += len(line)
        return whole

    def _check(self, found: Mapping[str, Any], question: Mapping[str, Any]) -> None:
        for name in dict.fromkeys([*found, *question]):
            if found.get(name) != question.get(name):
                raise OptionError(
                    f"'{self._path}' was measured with {name} {found.get(name)!r}, and now it is "
                    f"{question.get(name)!r}. Use the same, or name another file."
                )
