"""Tables as text: columns of equal width."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence


def aligned(
    rows: Sequence[Sequence[object]], *, right: Collection[int] = (), indent: str = ""
) -> str:
    """Return rows as lines whose columns are aligned, two spaces apart, each ended by a newline.

    Args:
        rows: cells, converted by `str`; rows may have fewer cells than others. The last cell of a
            row does not count for the width of its column unless it is aligned right.
        right: columns to align right, by index.
        indent: put before each line.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths: dict[int, int] = {}
    for row in texts:
        for column, cell in enumerate(row):
            if column < len(row) - 1 or column in right:
                widths[column] = max(widths.get(column, 0), width(cell))
    lines = []
    for row in texts:
        cells = []
        for column, cell in enumerate(row):
            padding = " " * (widths.get(column, 0) - width(cell))
            cells.append(padding + cell if column in right else cell + padding)
        lines.append(f"{indent}{'  '.join(cells)}".rstrip() + "\n")
    return "".join(lines)


def width(text: str) -> int:
    """Return the columns that a text takes on a terminal: two for each wide character (CJK)."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )
