"""Many pictures on one page: grids, contact sheets, comparisons, and small captioned tiles.

Axes: h row, w column of a picture, uint8 RGB, of any size; a large one is shrunk to its cell, a
tiny one is enlarged by a whole factor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from seewhy.errors import OptionError
from seewhy.rendering.text import draw_lines, fit_text, line_height, text_width

Picture = UInt8[ndarray, "_ _ 3"] | Image.Image

Cell = tuple[str, Picture]
"""A title and a picture; a title's second line ("\\n") is never pushed out by its first."""

Page = UInt8[ndarray, "rows columns 3"]


@dataclass(frozen=True, eq=False)
class ColourBar:
    """The scale of a page's colours.

    Attributes:
        colours: from low to high.
        low, high: what the ends mean.
        unit: what a value is.
    """

    colours: UInt8[ndarray, "colours 3"]
    low: str
    high: str
    unit: str


BAR_WIDTH = 120
"""Pixels of a colour bar's width."""

NARROWEST_PAGE = 480
"""Pixels of a page with a heading."""

PAGE_RATIO = 1.4
"""The preferred ratio of width to height of pages: between a sheet of paper and a screen."""


@dataclass(frozen=True)
class _Measures:
    """In pixels: a cell's width, the greatest height of a picture, the gap, the font's size."""

    cell: int
    tallest: int
    gap: int
    text: int

    @classmethod
    def of(cls, cell: int, *, tallest: float = 1.5) -> _Measures:
        gap, text = max(cell // 24, 8), min(max(cell // 20, 13), 20)
        return cls(cell, round(cell * tallest), gap, text)


@dataclass(frozen=True)
class _Place:
    """One cell of a page: lines above a picture, or only lines next to a row."""

    lines: Sequence[str] = ()
    image: Image.Image | None = None
    beside: bool = False

    def height(self, line: int) -> int:
        """Return the height below the titles."""
        if self.beside:
            return len(self.lines) * line
        return 0 if self.image is None else self.image.height


def grid(cells: Sequence[Cell], *, columns: int | None = None) -> Page:
    """Arrange titled pictures in rows.

    Cells are as wide as the widest picture, between 240 and 512 pixels (320 for more than nine
    pictures); a title takes up to two lines, and what does not fit ends in an ellipsis.

    Args:
        cells: titles and pictures, in reading order.
        columns: pictures per row; by default three or four, whichever leaves fewer empty places in
            the last row; for more than nine pictures, chosen by their shape.

    Raises:
        OptionError: `cells` is empty, or `columns` is below 1.
    """
    return np.asarray(grid_image(cells, columns=columns))


def grid_image(
    cells: Sequence[Cell], *, columns: int | None = None, bars: Sequence[ColourBar] = ()
) -> Image.Image:
    """Return what `grid` returns as an image, to be written to a file, with colour bars below."""
    _check(cells, columns)
    widest = max(_width(picture) for _, picture in cells)
    many = len(cells) > 9
    measures = _Measures.of(min(max(widest, 240), 320 if many else 512))
    if columns is None and many:
        columns = _columns([pixels for _, pixels in cells], measures)
    elif columns is None:
        columns = min((3, 4), key=lambda count: -len(cells) % count)
    return with_bars(_grid(cells, columns, measures), bars, measures.text)


def with_bars(page: Image.Image, bars: Sequence[ColourBar], size: int) -> Image.Image:
    """Return a page with colour bars below it, each on a line: what its ends and values mean."""
    if not bars:
        return page
    line, gap = line_height(size), 8
    whole = Image.new("RGB", (page.width, page.height + len(bars) * (line + gap)), "white")
    whole.paste(page)
    draw = ImageDraw.Draw(whole)
    for number, bar in enumerate(bars):
        top = page.height + number * (line + gap)
        room = (page.width - BAR_WIDTH - 4 * gap) / 2
        low = fit_text(bar.low, size, room / 2, lines=1)
        x = gap + math.ceil(max((text_width(text, size) for text in low), default=0)) + gap
        draw_lines(draw, low, size, x - gap, top, anchor="r")
        ramp = Image.fromarray(np.ascontiguousarray(bar.colours[None]))
        whole.paste(ramp.resize((BAR_WIDTH, line - 4)), (x, top + 1))
        words = f"{bar.high}: {bar.unit}" if bar.unit else bar.high
        room = page.width - x - BAR_WIDTH - 2 * gap
        draw_lines(
            draw, fit_text(words, size, room, lines=1), size, x + BAR_WIDTH + gap, top, anchor="l"
        )
    return whole


def sheet(
    cells: Sequence[Cell], *, columns: int | None = None, per_page: int = 60
) -> list[UInt8[ndarray, "_ _ 3"]]:
    """Arrange many titled pictures on as few pages as possible, in square cells of 240 pixels.

    Args:
        cells: titles and pictures, in reading order.
        columns: pictures per row; by default 6, and fewer for less than 36 pictures.
        per_page: the most pictures on a page.

    Returns:
        The pages.

    Raises:
        OptionError: `cells` is empty, or `columns` or `per_page` is below 1.
    """
    columns = columns if columns is not None else min(6, math.ceil(math.sqrt(max(len(cells), 1))))
    _check(cells, columns)
    if per_page < 1:
        raise OptionError(f"A page of {per_page} pictures cannot be drawn. Give 1 or more.")
    return [
        np.asarray(_grid(cells[start : start + per_page], columns, _Measures.of(240, tallest=1)))
        for start in range(0, len(cells), per_page)
    ]


def tiles(cells: Sequence[Cell], *, columns: int, title: str, cell: int) -> Page:
    """Arrange small pictures in rows below a heading, each with a one-line caption.

    Args:
        cells: captions and pictures, in reading order; at least one.
        columns: pictures per row.
        title: the heading, on up to three lines.
        cell: pixels of a picture's longer side, at most.
    """
    measures = _Measures(cell, cell, gap=8, text=12)
    images = [_fit_cell(pixels, measures) for _, pixels in cells]
    captions = math.ceil(max(text_width(caption, measures.text) for caption, _ in cells))
    width = max(*(image.width for image in images), min(captions, cell))
    places = [
        _Place(fit_text(caption, measures.text, width, lines=1), image)
        for (caption, _), image in zip(cells, images, strict=True)
    ]
    columns = min(columns, len(places))
    rows = _rows(places, columns)
    page = _draw(rows, [width] * columns, measures, heading=title, frame="#b0b0b0")
    return np.asarray(page)


def comparison(
    rows: Sequence[str],
    columns: Sequence[str],
    pictures: Sequence[Sequence[UInt8[ndarray, "_ _ 3"] | None]],
    *,
    wrap: int | None = None,
    bars: Sequence[ColourBar] = (),
) -> UInt8[ndarray, "height width 3"]:
    """Arrange pictures in a table with titled rows (such as methods) and columns (classes).

    Many rows continue at the right, in a second and third block.

    Args:
        rows: the titles at the left.
        columns: the titles above.
        pictures: one list per row; None leaves a place empty.
        wrap: pictures per row of the page; by default chosen by the pictures' shape.
        bars: the scales of the colours, which are drawn below.

    Raises:
        OptionError: the pictures do not fit the titles, there are none, or `wrap` is not positive.
    """
    if not rows or not columns:
        raise OptionError(
            "An empty comparison cannot be drawn. Give at least one row and one column."
        )
    counts = [len(row) for row in pictures]
    if counts != [len(columns)] * len(rows):
        raise OptionError(
            f"{len(rows)} rows of {len(columns)} pictures were to be compared, and rows of "
            f"{counts} were given. Give one picture, or None, for each row and column."
        )
    present = [pixels for row in pictures for pixels in row if pixels is not None]
    _check(rows, wrap)
    most = 240 if len(rows) > 6 else 320
    measures = _Measures.of(min(max([240, *(picture.shape[1] for picture in present)]), most))
    margin = math.ceil(
        min(max(text_width(row, measures.text) for row in rows), measures.cell * 0.75)
    )
    block = margin + measures.gap + len(columns) * (measures.cell + measures.gap)
    blocks = (
        _columns(present, measures, count=len(rows), width=block)
        if wrap is None
        else max(1, wrap // len(columns))
    )
    depth = math.ceil(len(rows) / min(blocks, len(rows)))
    heads = [fit_text(column, measures.text, measures.cell) for column in columns]
    places: list[list[_Place]] = [[] for _ in range(depth)]
    for n, (label, row) in enumerate(zip(rows, pictures, strict=True)):
        titles = heads if n % depth == 0 else [[]] * len(columns)
        places[n % depth].append(
            _Place(fit_text(label, measures.text, margin, lines=3), beside=True)
        )
        places[n % depth] += [
            _Place(title, None if pixels is None else _fit_cell(pixels, measures))
            for title, pixels in zip(titles, row, strict=True)
        ]
    widths = [margin, *[measures.cell] * len(columns)] * math.ceil(len(rows) / depth)
    return np.asarray(with_bars(_draw(places, widths, measures), bars, measures.text))


def _width(picture: Picture) -> int:
    return picture.width if isinstance(picture, Image.Image) else picture.shape[1]


def _check(cells: Sequence[object], columns: int | None) -> None:
    if not cells:
        raise OptionError("An empty grid cannot be drawn. Give at least one picture.")
    if columns is not None and columns < 1:
        raise OptionError(f"A grid of {columns} columns cannot be drawn. Give 1 or more.")


def _columns(
    pictures: Sequence[Picture],
    measures: _Measures,
    *,
    count: int | None = None,
    width: int | None = None,
) -> int:
    """Choose how many of `count` blocks go side by side, so that the page is near PAGE_RATIO."""
    count = len(pictures) if count is None else count
    width = measures.cell + measures.gap if width is None else width
    height = max(
        (_fit_cell(picture, measures).height for picture in pictures[:1]), default=measures.cell
    )
    height += measures.gap + 2 * line_height(measures.text)

    def oddness(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = (rows * columns - count) / count
        return abs(math.log(columns * width / (rows * height) / PAGE_RATIO)) + empty

    return min(range(1, count + 1), key=oddness)


def _grid(cells: Sequence[Cell], columns: int, measures: _Measures) -> Image.Image:
    places = [
        _Place(fit_text(title, measures.text, measures.cell), _fit_cell(pixels, measures))
        for title, pixels in cells
    ]
    columns = min(columns, len(places))
    return _draw(_rows(places, columns), [measures.cell] * columns, measures)


def _rows(places: Sequence[_Place], columns: int) -> list[Sequence[_Place]]:
    return [places[start : start + columns] for start in range(0, len(places), columns)]


def _draw(
    rows: Sequence[Sequence[_Place]],
    widths: Sequence[int],
    measures: _Measures,
    *,
    heading: str = "",
    frame: str = "white",
) -> Image.Image:
    """Draw rows as high as their highest picture, each title directly above its picture."""
    gap, line = measures.gap, line_height(measures.text)
    lefts = [gap + sum(widths[:n]) + n * gap for n in range(len(widths))]
    width = max(lefts[-1] + widths[-1] + gap, NARROWEST_PAGE if heading else 0)
    large = measures.text + 2
    headlines = fit_text(heading, large, width - 2 * gap, lines=3)
    top = gap + len(headlines) * line_height(large) + (gap if headlines else 0)
    titles = [max(0 if cell.beside else len(cell.lines) for cell in row) * line for row in rows]
    heights = [max(cell.height(line) for cell in row) for row in rows]
    page = Image.new(
        "RGB", (width, top + sum(titles) + sum(heights) + len(rows) * (gap + gap // 2)), "white"
    )
    draw = ImageDraw.Draw(page)
    draw_lines(draw, headlines, large, gap, gap, anchor="l")
    for row, above, height in zip(rows, titles, heights, strict=True):
        below = top + above + (gap // 2 if above else 0)
        for place, left, cell in zip(row, lefts, widths, strict=False):
            size = len(place.lines) * line
            if place.beside:
                middle = below + (height - size) / 2
                draw_lines(draw, place.lines, measures.text, left + cell, middle, anchor="r")
                continue
            draw_lines(draw, place.lines, measures.text, left + cell / 2, top + above - size)
            if place.image is not None:
                x = left + (cell - place.image.width) // 2
                right, bottom = x + place.image.width, below + place.image.height
                draw.rectangle((x - 1, below - 1, right, bottom), outline=frame)
                page.paste(place.image, (x, below))
        top += above + height + gap + gap // 2
    return page


def _fit_cell(picture: Picture, measures: _Measures) -> Image.Image:
    """Shrink a picture into its cell, or enlarge a tiny one by a whole factor."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    factor = min(measures.cell / image.width, measures.tallest / image.height)
    if factor >= 2:
        whole = int(factor)
        return image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    if factor < 1:
        smaller = (max(round(image.width * factor), 1), max(round(image.height * factor), 1))
        return image.resize(smaller, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image
