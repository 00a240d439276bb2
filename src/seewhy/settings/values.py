"""Values in the spellings that people use: numbers, sizes, colours, names between commas.

Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from seewhy.errors import OptionError

LARGEST_SIDE = 16_384
"""Pixels of a side, at most."""


def shortened(value: Any) -> str:
    """Return a value as a message shows it: never longer than a line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python prints no number of more than 4,300 digits
        return "(a number of thousands of digits)"
    return text if len(text) <= 60 else f"{text[:57]}..."


def split_names(text: str) -> list[str]:
    """Return the names that commas separate: 'cat,dog'.

    A comma before a space is part of a name: 'tabby, tabby cat'.
    """
    names = text.replace(", ", "\0").split(",")
    return [name.replace("\0", ", ") for name in names if name]


def parse_value(text: str) -> Any:
    """Return the text as a number if possible, else unchanged."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_sizes(text: str) -> Any:
    """Return pixels (int), a share (float), (height, width) of '16x32', or a list of '16,32'.

    Raises:
        OptionError: the text is not a valid size.
    """
    sizes = [
        tuple(parse_value(part) for part in size_text.lower().split("x"))
        for size_text in text.split(",")
    ]
    if any(isinstance(part, str) for size in sizes for part in size) or max(map(len, sizes)) > 2:
        raise OptionError(
            f"{shortened(text)} is not a size. Give pixels (32), a share of the input (0.15), "
            "HEIGHTxWIDTH (16x32), or several separated by commas."
        )
    parsed = [size[0] if len(size) == 1 else size for size in sizes]
    return parsed[0] if len(parsed) == 1 else parsed


def parse_fill(text: str) -> Any:
    """Return a name, a grey value, or the red, green and blue of '255,128,0'."""
    parts = [parse_value(part.strip()) for part in text.split(",")]
    return parts[0] if len(parts) == 1 else parts


def as_size(size: Any) -> tuple[int, int] | None:
    """Return (height, width) for one number, two numbers, or text: '224', '224x320'.

    Raises:
        OptionError: it is not a valid size.
    """
    if size is None:
        return None
    sides = sides_of(size)
    if sides is None or is_beyond(sides, LARGEST_SIDE):
        most = "" if sides is None else f", at most {LARGEST_SIDE:,}"
        raise OptionError(
            f"size {shortened(size)} is not a valid input size. Give pixels: 224, or height and "
            f"width: (224, 320) in Python, 224x320 on the command line{most}."
        )
    return sides


def fill_colour(fill: Any) -> tuple[int, int, int] | None:
    """Return the red, green and blue of a fill; None for 'mean' and 'blur', of the photo's own.

    Raises:
        OptionError: an unknown name, or a colour whose length is not 3 or that is outside 0 to 255.
    """
    if isinstance(fill, str):
        if fill in ("mean", "blur"):
            return None
        values: Any = (128, 128, 128) if fill == "grey" else _named_colour(fill)
    else:
        values = list(fill) if isinstance(fill, Iterable) else [fill] * 3
    if len(values) != 3:
        raise OptionError(
            f"fill {shortened(fill)} has {len(values)} values. Give one grey value, or three for "
            "red, green and blue, each from 0 to 255."
        )
    if not all(is_whole(value) and 0 <= value <= 255 for value in values):
        raise OptionError(
            f"fill {shortened(fill)} is not a valid colour. Give one grey value, or three for red, "
            "green and blue, each a whole number from 0 to 255."
        )
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _named_colour(name: str) -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise OptionError(
            f"fill {shortened(name)} is unknown. Choose 'mean', 'grey', 'blur', a colour such as "
            "'black' or '#ff8000', a grey value, or three values for red, green and blue."
        ) from error


def plain(value: Any) -> str:
    """Return a default as help texts show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_whole(value: Any) -> bool:
    """True for a whole number of Python's or NumPy's, which no boolean is."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """True for a number of Python's or NumPy's, which no boolean is."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_beyond(value: Any, most: int) -> bool:
    """True for a number, or something with a number, that is larger than anything meant."""
    if isinstance(value, list | tuple):
        return any(is_beyond(item, most) for item in value)
    return is_real(value) and abs(value) > most


def sides_of(size: Any) -> tuple[int, int] | None:
    """Return (height, width) of a size in any form, else None."""
    parts: Any = size.lower().replace("×", "x").split("x") if isinstance(size, str) else size
    sides = [
        parse_value(side) if isinstance(size, str) else side
        for side in (parts if isinstance(parts, Iterable) else [parts])
    ]
    if len(sides) not in (1, 2) or not all(is_whole(side) and side >= 1 for side in sides):
        return None
    return int(sides[0]), int(sides[-1])
