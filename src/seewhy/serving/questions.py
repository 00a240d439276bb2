"""Questions of the page, validated: JSON becomes a value, or an error in one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seewhy.errors import OptionError
from seewhy.explaining.request import Request
from seewhy.photos.reading import Photo

CLASSES = 24
"""Classes that one question may name; so many methods, layers and rivals too."""

SQUARES = 4000
"""Squares that may cover a photo."""

TEXT_LETTERS = 300
"""Of a text: an id, a name, an option's value."""

PARTS = frozenset({"methods", "options", "top", "classes", "contrast", "layer"})
"""What the page asks: the library's request has more."""

RELOAD_MESSAGE = "Reload the page."


@dataclass(frozen=True)
class PageQuestion:
    """A question of the page about one photo.

    Attributes:
        photo: its id.
        model: the network, by the name that the page shows.
        request: what is asked of the network, as everywhere in the library.
        squares: (x, y, side) in pixels of the photo that are covered with its mean colour.
        threshold: of boxes; None: the library's own.
        place: row and column in a layer's map.
        filter: a channel of the layer.
    """

    photo: str = ""
    model: str = ""
    request: Request = field(default_factory=lambda: Request(top=1))
    squares: tuple[tuple[float, float, float], ...] = ()
    threshold: float | None = None
    place: tuple[int, int] | None = None
    filter: int | None = None

    @classmethod
    def of(cls, content: bytes) -> PageQuestion:
        """Read the body of an HTTP request.

        Raises:
            OptionError, UnknownMethod, TargetError: it is not what the page sends.
        """
        body = read_json(content)
        unknown = sorted(set(body) - set(cls.__dataclass_fields__))
        if unknown:
            raise OptionError(
                f"The question has an unknown part, '{unknown[0]:.40}'. {RELOAD_MESSAGE}"
            )
        return cls(
            photo=_text(body, "photo"),
            model=_text(body, "model"),
            request=_request(body.get("request") or {}),
            squares=_squares(body.get("squares") or []),
            threshold=_share(body, "threshold"),
            place=_place(body.get("place")),
            filter=_index(body, "filter"),
        )

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that are asked for; empty: the best one."""
        return self.request.classes or ()

    @property
    def layer(self) -> str | None:
        """The layer that is asked for; None: the model's own."""
        return self.request.layer[0] if self.request.layer else None

    def as_dict(self) -> dict[str, Any]:
        """Return what an answer belongs to, ready for JSON."""
        return {"photo": self.photo, "model": self.model, "request": self.request.as_dict()}


def read_json(content: bytes) -> dict[str, Any]:
    """Read a body that is a JSON object, whose text is text.

    Raises:
        OptionError: it is none; or it contains half a letter (a lone surrogate), which no answer
            could repeat.
    """
    try:
        body = json.loads(content)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise OptionError(f"The question is not JSON. {RELOAD_MESSAGE}") from error
    if not isinstance(body, dict):
        raise OptionError(f"The question is not a JSON object. {RELOAD_MESSAGE}")
    return body


def cover(photo: Photo, squares: tuple[tuple[float, float, float], ...]) -> Photo:
    """Return the photo with squares of its mean colour over it."""
    if not squares:
        return photo
    pixels = photo.pixels.copy()
    mean = photo.pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    height, width = pixels.shape[:2]
    for x, y, side in squares:
        top, left = max(0, round(y)), max(0, round(x))
        bottom, right = min(height, round(y + side)), min(width, round(x + side))
        pixels[top : max(top, bottom), left : max(left, right)] = mean
    return Photo(pixels, photo.name, photo.path)


def _request(stored: Any) -> Request:
    """Return the library's request, checked by the table of methods as everywhere."""
    if not isinstance(stored, dict):
        raise OptionError(f"The question's 'request' is not an object. {RELOAD_MESSAGE}")
    unknown = sorted(set(stored) - PARTS)
    if unknown:
        raise OptionError(f"The request has an unknown part, '{unknown[0]:.40}'. {RELOAD_MESSAGE}")
    for name in PARTS - {"options", "top"}:
        _check_list(stored, name)
    options = stored.get("options", {})
    given = options.values() if isinstance(options, dict) else [None]
    if not all(isinstance(part, dict) and all(map(_is_plain, part.values())) for part in given):
        raise OptionError(
            f"The options of the methods are not names with numbers or words. {RELOAD_MESSAGE}"
        )
    return Request.from_dict(stored)


def _check_list(stored: Mapping[str, Any], name: str) -> None:
    value = stored.get(name)
    if value is None:
        return
    is_valid = _is_index if name in ("classes", "contrast") else _is_word
    what = "whole numbers" if is_valid is _is_index else "names"
    if not isinstance(value, list) or len(value) > CLASSES or not all(map(is_valid, value)):
        raise OptionError(
            f"The request's '{name}' is not {CLASSES} {what} or fewer. {RELOAD_MESSAGE}"
        )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not _is_word(value):
        raise OptionError(f"The question's '{name}' is not a short text. {RELOAD_MESSAGE}")
    return str(value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_LETTERS


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 4 and all(map(_is_plain, value))
    return isinstance(value, int | float | bool) or _is_word(value)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**7


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most


def _index(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and not _is_index(value):
        raise OptionError(f"The question's '{name}' is not a whole number. {RELOAD_MESSAGE}")
    return value


def _share(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is not None and not (_is_number(value, 1) and value >= 0):
        raise OptionError(f"The question's '{name}' is not a number from 0 to 1. {RELOAD_MESSAGE}")
    return value


def _place(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_index, value)):
        raise OptionError(f"The question's 'place' is not a row and a column. {RELOAD_MESSAGE}")
    return value[0], value[1]


def _squares(value: Any) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(value, list) or len(value) > SQUARES:
        raise OptionError(f"More than {SQUARES:,} squares cover the photo. Undo some of them.")
    squares = []
    for square in value:
        is_square = isinstance(square, list) and len(square) == 3
        if not is_square or not all(_is_number(edge, 1e6) for edge in square):
            raise OptionError(f"A square is not three numbers: x, y and side. {RELOAD_MESSAGE}")
        squares.append((float(square[0]), float(square[1]), float(square[2])))
    return tuple(squares)
