"""Text on pictures: in the font that comes with matplotlib, or in one that has the letters.

Widths and heights are in pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont

ELLIPSIS = "…"

LATIN, SIGNS = 0x250, "…−–—’“”≤≥→≈"
"""Letters up to the first, and these signs, are in DejaVu Sans: it need not be read to know."""


def font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """Return a font for a text: DejaVu Sans, or a system font if that lacks a letter."""
    return _opened(_font_file("".join(sorted(set(text)))), size)


@functools.cache
def _opened(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


@functools.lru_cache(maxsize=4096)
def _font_file(letters: str) -> str:
    """Return the file of the font that has most of the letters, DejaVu Sans if that has all."""
    usual = _usual_font()
    missing = {ord(letter) for letter in letters if letter.isprintable()}
    missing = {letter for letter in missing if letter >= LATIN and chr(letter) not in SIGNS}
    missing -= _letters(usual) if missing else set()
    if not missing:
        return usual
    counts = {usual: 0} | {file: len(missing & _letters(file)) for file in _system_fonts()}
    return max(counts, key=lambda file: counts[file])  # the first of equals


@functools.cache
def _usual_font() -> str:
    """Return the file of DejaVu Sans, which comes with matplotlib."""
    package = find_spec("matplotlib")  # it takes a while to import
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")


@functools.cache
def _system_fonts() -> list[str]:
    """Return the system's font files, plain sans-serif ones first."""
    from matplotlib.font_manager import findSystemFonts

    def oddness(file: str) -> tuple[bool, bool, str]:
        name = Path(file).name.lower()
        odd = any(word in name for word in ("bold", "italic", "oblique", "mono", "light", "black"))
        return odd, not any(word in name for word in ("sans", "hei", "gothic", "kaku")), name

    return sorted(findSystemFonts(), key=oddness)


@functools.cache
def _letters(file: str) -> frozenset[int]:
    """Return the code points of a font; empty for a file that cannot be read as a font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (RuntimeError, OSError):
        return frozenset()


def line_height(size: int) -> int:
    """Return the distance between two lines of text."""
    return round(size * 1.25)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> float:
    """Return the width of the longest line of a text."""
    return max(font(size, line).getlength(line) for line in text.split("\n"))


def fit_text(text: str, size: int, width: float, *, lines: int = 2) -> list[str]:
    """Break text into lines that are no wider than `width`.

    A text of several lines keeps them: its first is broken at spaces into at most `lines` lines,
    and each of the others is one line (a probability, say, which a long label must not push out).
    What does not fit ends in an ellipsis.
    """
    first, *others = text.split("\n")
    fitted: list[str] = []
    words = first.split()
    while words and len(fitted) < lines - 1:
        taken = 1
        while taken < len(words) and text_width(" ".join(words[: taken + 1]), size) <= width:
            taken += 1
        fitted.append(_shorten(" ".join(words[:taken]), size, width))
        words = words[taken:]
    if words:
        fitted.append(_shorten(" ".join(words), size, width))
    return fitted + [_shorten(other, size, width) for other in others if other]


def draw_lines(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[str],
    size: int,
    x: float,
    y: float,
    *,
    anchor: str = "m",
    fill: str = "black",
) -> None:
    """Draw lines, the first with its top at y.

    Args:
        draw: the canvas.
        lines: as `fit_text` returns them.
        size: of the font.
        x: the lines' left edge, middle or right edge, as `anchor` says.
        y: the top of the first line.
        anchor: "l", "m" or "r".
        fill: the letters' colour.
    """
    for number, line in enumerate(lines):
        top = y + number * line_height(size)
        draw.text((x, top), line, fill=fill, font=font(size, line), anchor=f"{anchor}a")


def _shorten(text: str, size: int, width: float) -> str:
    """Shorten the text until it fits together with an ellipsis."""
    if text_width(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + ELLIPSIS, size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS


def short_name(model: str) -> str:
    """Return a network's name without the folder of its file and the arguments of `load`."""
    return model.partition("?")[0].rpartition("/")[2]
