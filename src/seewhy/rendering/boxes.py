"""Draw boxes with captions on a photo.

Axes: H row and W column of the photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from seewhy.rendering.text import draw_lines, fit_text, line_height, text_width

COLOURS = (
    (230, 25, 75),
    (0, 110, 230),
    (250, 150, 0),
    (30, 140, 60),
    (150, 40, 190),
    (0, 150, 160),
    (190, 80, 30),
    (80, 80, 80),
)
"""Used in this order; white text is readable on each."""

SMALLEST_SIDE = 320
"""Pixels of the longer side of a photo in a picture, at least: smaller ones are enlarged."""

Rectangle = tuple[int, int, int, int]


def enlarged(pixels: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "H W 3"]:
    """Return a small photo enlarged by a whole factor, to a side of `SMALLEST_SIDE` pixels."""
    factor = math.ceil(SMALLEST_SIDE / max(pixels.shape[:2]))
    return pixels if factor == 1 else pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def draw_boxes(
    pixels: UInt8[ndarray, "h w 3"], boxes: Sequence[Rectangle], titles: Sequence[str]
) -> UInt8[ndarray, "H W 3"]:
    """Draw boxes [x0, y0, x1, y1] (half-open) with a caption each; the first is on top.

    Lines and letters scale with the photo. A caption is above its box, or below or beside it, where
    it covers no box and no other caption; where it finds no such place, it is below the photo. A
    small photo is `enlarged`, and its boxes with it.
    """
    image = Image.fromarray(enlarged(pixels)).copy()
    factor = image.width // pixels.shape[1]
    boxes = [(x0 * factor, y0 * factor, x1 * factor, y1 * factor) for x0, y0, x1, y1 in boxes]
    draw = ImageDraw.Draw(image)
    width, height = image.size
    line = max(2, round(min(width, height) / 150))
    size = max(11, round(min(width, height) / 28))
    for index, (x0, y0, x1, y1) in reversed(list(enumerate(boxes))):
        colour = COLOURS[index % len(COLOURS)]
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline="white", width=line + 1)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=line)
    taken: list[Rectangle] = list(boxes)
    captions: list[tuple[Rectangle, list[str], tuple[int, int, int]]] = []
    bottom = height
    for index, (box, title) in enumerate(zip(boxes, titles, strict=True)):
        lines = fit_text(title, size, width - 2 * line)
        if not lines:
            continue
        wide = min(round(max(text_width(text, size) for text in lines)) + 2 * line, width)
        tall = len(lines) * line_height(size) + line
        place = _free_place(box, (wide, tall), (width, height), taken)
        if place is None:
            place = max(0, min(box[0], width - wide)), bottom
            bottom += tall
        x, y = place
        taken.append((x, y, x + wide, y + tall))
        captions.append((taken[-1], lines, COLOURS[index % len(COLOURS)]))
    if bottom > height:
        whole = Image.new("RGB", (width, bottom), "white")
        whole.paste(image)
        image, draw = whole, ImageDraw.Draw(whole)
    for (x0, y0, x1, y1), lines, colour in captions:
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour)
        draw_lines(draw, lines, size, x0 + line, y0 + line // 2, anchor="l", fill="white")
    return np.asarray(image)


def _free_place(
    box: Rectangle, caption: tuple[int, int], photo: tuple[int, int], taken: Sequence[Rectangle]
) -> tuple[int, int] | None:
    """Return a place next to a box where a caption covers nothing that is taken, if there is."""
    (wide, tall), (width, height) = caption, photo
    x0, y0, x1, y1 = box
    x, y = max(0, min(x0, width - wide)), max(0, min(y0, height - tall))
    for left, top in ((x, y0 - tall), (x, y1), (x1, y), (x0 - wide, y)):
        inside = 0 <= left <= width - wide and 0 <= top <= height - tall
        if inside and not any(
            left < right and start < left + wide and top < end and above < top + tall
            for start, above, right, end in taken
        ):
            return left, top
    return None
