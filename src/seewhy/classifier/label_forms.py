"""Every form in which the names of classes come: lists, tables either way round, rows, lines.

    ["cat", "dog"]   {0: "cat", 1: "dog"}   {"dog": 1, "cat": 0}   [[1, "dog"], [0, "cat"]]
    [{"id": 0, "name": "cat"}, ...]   {"id2label": {"0": "cat", ...}}   a CSV table   "0 cat" lines

One rule for all: numbers that come with the names are their places, and must be 0, 1, 2, ...; names
without numbers are in the order of the outputs.
"""

from __future__ import annotations

import csv
import enum
import re
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from seewhy.files import in_one_direction

LABEL_KEYS = (
    "id2label", "label2id", "class_to_idx", "class_indices", "label_names", "class_names", "labels",
    "classes", "names", "categories",
)  # fmt: skip
"""The entries of a configuration that hold names: of transformers, timm, Keras, COCO and others."""

NUMBER_COLUMNS = (
    "id", "index", "idx", "class_id", "class_index", "class_idx", "label_id", "label_index",
    "category_id", "number", "no", "output", "target",
)  # fmt: skip
NAME_COLUMNS = (
    "name", "class_name", "label_name", "category_name", "display_name", "label", "class",
    "category", "title", "species", "text",
)  # fmt: skip
WORDNET_COLUMNS = ("wordnet_id", "wnid", "synset", "synset_id")

_WORDNET = re.compile(r"[a-z]\d+")
_NUMBERED_LINE = re.compile(r"(\d+)(?:\s*[:,;=.)\t]\s*|\s+)(\S.*)")
_NUMBER_LAST = re.compile(r"(.*\S)(?:\s*[:,;=\t]\s*|\s+)(\d+)")
_SYNSET = re.compile(r"(n\d{8})\s+(\S.*)")

Found = tuple[list[str], list[str]]
"""Names, and WordNet ids or an empty list."""


def names_in(content: Any) -> Found:
    """Return the names of classes, and their WordNet ids, in any of the forms.

    Args:
        content: parsed JSON, or what a user has in Python: a list, a dictionary, an Enum, an array,
            a column or a table of pandas.

    Raises:
        ValueError: it is in none of the forms, or its numbers are not 0, 1, 2, ...; why, in words.
    """
    content = _plain(content)
    if isinstance(content, Mapping):
        return _in_mapping(content)
    if isinstance(content, str | bytes) or not isinstance(content, Iterable):
        raise ValueError(f"it is {_kind(content)}")
    if isinstance(content, Set):
        raise ValueError("a set has no order")
    entries = [_plain(entry) for entry in content]
    if not entries:
        raise ValueError("it has no names")
    if all(isinstance(entry, Mapping) for entry in entries):
        return _in_rows(entries)
    if all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in entries):
        return _in_pairs(entries)
    return [_name(entry) for entry in entries], []


def names_in_lines(lines: Sequence[str]) -> Found:
    """Return the names in lines of text, one per line.

    A number at the start (or end) of every line is the place of its name, where all numbers
    together are 0, 1, 2, ... ('0 cat' of Teachable Machine); 'n02123045 tabby' has a WordNet id.

    Raises:
        ValueError: there is no line.
    """
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise ValueError("it has no names")
    synsets = [_SYNSET.fullmatch(line) for line in lines]
    if all(synsets):
        return [synset[2] for synset in synsets if synset], [
            synset[1] for synset in synsets if synset
        ]
    for pattern, number, name in ((_NUMBERED_LINE, 1, 2), (_NUMBER_LAST, 2, 1)):
        matches = [match for match in map(pattern.fullmatch, lines) if match]
        numbers = [int(match[number]) for match in matches]
        names = [match[name] for match in matches]
        is_numbered = len(matches) == len(lines) and _are_places(numbers)
        # 'class 0', 'class 1': the number is the name.
        if is_numbered and (number == 1 or len(set(names)) == len(names)):
            return _placed(numbers, names), []
    return lines, []


def names_in_csv(text: str) -> Found:
    """Return the names in a table of values that are separated by commas, semicolons or tabs.

    Raises:
        ValueError: no column can be told to hold the names.
    """
    head = text.lstrip().partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if any(row)]
    if not rows:
        raise ValueError("it has no names")
    columns = [_column(cell) for cell in rows[0]]
    known = (*NUMBER_COLUMNS, *NAME_COLUMNS, *WORDNET_COLUMNS)
    if any(column in known for column in columns):
        wide = [dict(zip(columns, row, strict=False)) for row in rows[1:]]
        return names_in(wide)
    if all(len(row) == 1 for row in rows):
        return names_in_lines([row[0] for row in rows])
    if all(len(row) == 2 for row in rows):
        return _in_pairs(rows)
    raise ValueError(f"none of its {len(rows[0])} columns is called 'name'")


def _in_mapping(content: Mapping[Any, Any]) -> Found:
    if not content:
        raise ValueError("it has no names")
    keys = [_plain(key) for key in content]
    values = [_plain(value) for value in content.values()]
    if all(_is_number(value) for value in values):
        names = [_name(key) for key in keys]
        return _placed([int(value) for value in values], names), []
    numbers = [_as_number(key) for key in keys]
    if all(number is not None for number in numbers):
        ordered = _placed([number for number in numbers if number is not None], values)
        return names_in(ordered)
    for key in LABEL_KEYS:
        if isinstance(content.get(key), Mapping | list | tuple):
            return names_in(content[key])
    listed = ", ".join(map(str, keys[:4]))
    raise ValueError(f"its keys ({listed}) are neither numbers nor names with a number each")


def _in_rows(rows: Sequence[Mapping[Any, Any]]) -> Found:
    rows = [{_column(key): _plain(value) for key, value in row.items()} for row in rows]
    columns = [name for name in rows[0] if all(name in row for row in rows)]
    numbers = _first_column(
        rows,
        [column for column in (*NUMBER_COLUMNS, "label", "class") if column in columns],
        is_number=True,
    )
    left = [column for column in columns if column != numbers]
    name = _first_column(
        rows, [column for column in NAME_COLUMNS if column in left], is_number=False
    )
    if name is None:
        words = [column for column in left if all(isinstance(row[column], str) for row in rows)]
        if len(words) != 1:
            raise ValueError(f"none of its columns ({', '.join(columns)}) is called 'name'")
        name = words[0]
    wordnet = next(
        (column for column in WORDNET_COLUMNS if column in left and column != name), None
    )
    if wordnet is None and numbers is None and "id" in left:
        has_ids = all(_WORDNET.fullmatch(str(row["id"])) for row in rows)
        if not has_ids:
            raise ValueError("its ids are no numbers")
        wordnet = "id"
    if numbers is not None:
        rows = _placed([int(row[numbers]) for row in rows], rows)
    ids = [] if wordnet is None else [str(row[wordnet]) for row in rows]
    return [_name(row[name]) for row in rows], ids


def _first_column(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, is_number: bool
) -> str | None:
    """Return the first of the columns with a number in every row, or with something else in one."""
    for column in columns:
        if all(_as_number(row[column]) is not None for row in rows) == is_number:
            return column
    return None


def _in_pairs(pairs: Sequence[Sequence[Any]]) -> Found:
    firsts, seconds = [_plain(first) for first, _ in pairs], [_plain(second) for _, second in pairs]
    for numbers, names in ((firsts, seconds), (seconds, firsts)):
        indices = [_as_number(number) for number in numbers]
        if all(number is not None for number in indices):
            places = [number for number in indices if number is not None]
            return _placed(places, [_name(name) for name in names]), []
    if all(isinstance(first, str) and _WORDNET.fullmatch(first) for first in firsts):
        return [_name(name).replace("_", " ") for name in seconds], list(firsts)
    raise ValueError("its pairs have neither a number nor a WordNet id each")


def _placed(numbers: Sequence[int], entries: Sequence[Any]) -> list[Any]:
    """Return the entries in the order of their numbers, which must be 0, 1, 2, ...

    Raises:
        ValueError: they are not.
    """
    if not _are_places(numbers):
        span = f"{min(numbers)} to {max(numbers)}" if numbers else "none"
        raise ValueError(
            f"its {len(numbers)} numbers ({span}) are not 0 to {len(numbers) - 1}, each once"
        )
    placed = dict(zip(numbers, entries, strict=True))
    return [placed[number] for number in range(len(numbers))]


def _are_places(numbers: Sequence[int]) -> bool:
    return sorted(numbers) == list(range(len(numbers)))


def _plain(value: Any) -> Any:
    """Return what is in an array, a column, a table or an Enum, in Python's own types."""
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return {member.name: member.value for member in value}
    if isinstance(value, enum.Enum):
        return value.name
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            frame = value if value.index.name is None else value.reset_index()
            is_single = len(frame.columns) == 1
            return _in_series(frame.iloc[:, 0]) if is_single else frame.to_dict("records")
        if isinstance(value, pandas.Series):
            return _in_series(value)
        if isinstance(value, pandas.Categorical | pandas.Index):
            value = value.to_numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.ravel() if value.ndim == 0 or 1 in value.shape else value
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _in_series(series: Any) -> Any:
    """Return a column's values in their order, or by the numbers in a named index.

    Raises:
        ValueError: an index without a name has the numbers 0, 1, 2, ... in another order.
    """
    values, index = series.tolist(), [_plain(entry) for entry in series.index.tolist()]
    if values and all(_is_number(value) for value in values):
        if all(isinstance(entry, str) for entry in index):
            return dict(zip(index, values, strict=True))
        return values
    numbers = [entry for entry in index if _is_number(entry)]
    if numbers == sorted(numbers) or not _are_places(numbers) or len(numbers) < len(values):
        return values
    if series.index.name is None:
        raise ValueError(
            "its index has the numbers in another order than its rows: give column.tolist() or "
            "column.sort_index()"
        )
    return dict(zip(numbers, values, strict=True))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _as_number(value: Any) -> int | None:
    """Return a whole number, also written in digits; None for anything else."""
    if _is_number(value):
        return int(value)
    is_digits = isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value) is not None
    return int(value) if is_digits else None


_BREAKS = re.compile(r"\s*[\x00-\x1f\x7f-\x9f\u2028\u2029]\s*")
"""Line breaks and other control codes, which a name in a table or a title cannot have."""


def _name(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, Mapping):
        return _in_rows([value])[0][0]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"it has {_kind(value)} where a name should be")
    name = in_one_direction(_BREAKS.sub(" ", str(value))).strip()
    if not name:
        raise ValueError("one of its names is empty")
    return name


def _column(cell: Any) -> str:
    return re.sub(r"[\s\-]+", "_", str(cell).strip().lower())


def _kind(value: Any) -> str:
    return "None" if value is None else f"something of type {type(value).__name__}: {value!r:.40}"
