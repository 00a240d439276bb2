"""Lists of photos: text files, CSV as spreadsheets write it, and Parquet."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seewhy.datasets.arrow import arrow
from seewhy.errors import OptionError

TABLES = (".parquet", ".csv", ".tsv")
ENDINGS = (*TABLES, ".txt")

ADVICE = "Save it again as text in UTF-8, CSV or Parquet."


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list.

    Attributes:
        number: of the line or row, the first photo's is 1.
        path: as it is written; empty where the cell is.
        label: what it shows, where that was asked for.
    """

    number: int
    path: str
    label: str | None = None


def read_list(content: bytes, name: str, column: str, label_column: str | None) -> list[Entry]:
    """Return the paths and labels that a text, CSV or Parquet file lists.

    Args:
        content: of the file.
        name: of the file; its extension says of which kind it is.
        column: the column with the paths.
        label_column: the column with the labels.

    Raises:
        OptionError: the file is damaged, or has no such column, or several.
    """
    ending = name.lower().rpartition(".")[2]
    if ending == "txt":
        # Only these end a line: str.splitlines also splits at U+2028, which may be in a name.
        lines = re.split(r"\r\n|\n|\r", _text(content, name))
        return [Entry(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    wanted = [column] if label_column is None else [column, label_column]
    read = _parquet if ending == "parquet" else _csv
    columns = read(content, name, list(dict.fromkeys(wanted)))
    labels = columns[label_column] if label_column else [None] * len(columns[column])
    return [
        Entry(number, _cell(path), _cell(label) or None)
        for number, (path, label) in enumerate(zip(columns[column], labels, strict=True), 1)
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def _text(content: bytes, name: str) -> str:
    """Decode a text of a spreadsheet: UTF-16 by its mark, UTF-8, or else Windows' Latin-1."""
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            reason = str(error.reason)
    raise OptionError(f"'{name}' is not text in UTF-16, as its first bytes say: {reason}. {ADVICE}")


def _csv(content: bytes, name: str, wanted: Sequence[str]) -> dict[str, list[Any]]:
    text = _text(content, name)
    delimiters = "\t" if name.lower().endswith(".tsv") else ",;\t"
    try:
        for delimiter in delimiters:  # where a comma is in numbers, Excel writes semicolons
            header = next(csv.reader(io.StringIO(text, newline=None), delimiter=delimiter), [])
            if wanted[0] in header:
                break
        else:
            delimiter = delimiters[0]
        rows = list(csv.reader(io.StringIO(text, newline=None), delimiter=delimiter))
    except csv.Error as error:
        raise OptionError(f"'{name}' cannot be read as a table: {error}. {ADVICE}") from error
    header, *rows = rows or [[]]
    _check_columns(header, name, wanted)
    places = {key: header.index(key) for key in wanted}
    filled = [row for row in rows if row]
    return {
        key: [row[place] if place < len(row) else None for row in filled]
        for key, place in places.items()
    }


def _parquet(content: bytes, name: str, wanted: Sequence[str]) -> dict[str, list[Any]]:
    parquet, pa = arrow("parquet"), arrow()
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        _check_columns(file.schema_arrow.names, name, wanted)
        table = file.read(columns=list(wanted))
        return {key: table[key].to_pylist() for key in wanted}
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, OptionError):
            raise
        reason = (str(error).strip().splitlines() or ["it is damaged"])[0].rstrip(".")
        raise OptionError(f"'{name}' cannot be read as Parquet: {reason}. {ADVICE}") from error


def _check_columns(names: Iterable[str], name: str, wanted: Sequence[str]) -> None:
    names = list(names)
    for column in wanted:
        count = names.count(column)
        if count == 0:
            raise OptionError(
                f"'{name}' has no column '{column}'. It has: {', '.join(names) or 'none'}."
            )
        if count > 1:
            raise OptionError(
                f"'{name}' has {count} columns '{column}'. Rename all but the one that is meant."
            )
