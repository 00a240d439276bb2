"""What a report needs of photos: made while each is decoded, and kept in a temporary file.

Axes: n photo, H W row and column of the network's input, h w of a picture, r refit.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.datasets.asking import read_listed
from seewhy.photos.fitting import Fit, fit_ahead, shrink
from seewhy.photos.photo import Photo
from seewhy.reporting.changes import refitted

SIDE = 168
"""The longer side of a photo on the page."""

QUALITY = 78

TINY_SIDE = 32
"""Rows and columns of a photo in which colours and stamps are looked for."""

TINY_BYTES = 3 * TINY_SIDE**2

ROOM = 2**30
"""Bytes of pixels at the network's input size that are kept, of photos that are no sample's: 7,100
of 224 × 224. Photos beyond are decoded again where a test needs them."""


@dataclass(frozen=True)
class Thumbnail:
    """A small photo.

    Attributes:
        jpeg: its file.
        width, height: in pixels.
        box: the part that the network saw, in its pixels: (x0, y0, x1, y1), edges.
    """

    jpeg: bytes
    width: int
    height: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a photo is in the file: at 32 × 32, its thumbnail, its pixels and refits."""

    start: int
    length: int
    size: tuple[int, int]
    box: tuple[float, float, float, float]
    shape: tuple[int, ...]


class Shelf:
    """Photos by their path, each of which is decoded once.

    All have a thumbnail; as many as there is room for their pixels at the network's input size; and
    those of a sample also what `refitted` makes of them.

    Args:
        sample: paths of photos that the network sees again, changed.
    """

    def __init__(self, sample: Iterable[str] = ()) -> None:
        self.sample = frozenset(sample)
        self._entries: dict[str, _Entry] = {}
        self._room = ROOM
        self._lock = threading.Lock()
        self._file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the shelf is
        weakref.finalize(self, self._file.close)

    def read(self, path: str, fit: Fit) -> Photo:
        """Decode a photo, and keep what is needed of it; return it fitted.

        Raises:
            PhotoError: it is gone, or cannot be read or fitted.
        """
        photo = fit_ahead(read_listed(path), fit)
        arrays = fitted_pixels(photo, refits=path in self.sample)
        if fit.size is None:  # as large as the photo, and not for a network
            arrays = arrays[:0]
        small, least = thumbnail(photo), tiny(photo)
        with self._lock, contextlib.suppress(OSError):  # without room on the disk, nothing is kept
            if path not in self.sample:
                arrays = arrays if arrays.nbytes <= self._room else arrays[:0]
                self._room -= arrays.nbytes
            start = self._file.seek(0, io.SEEK_END)
            self._file.write(least.tobytes() + small.jpeg + arrays.tobytes())
            self._entries[path] = _Entry(
                start, len(small.jpeg), (small.width, small.height), small.box, arrays.shape
            )
        return photo

    def thumbnail(self, path: str) -> Thumbnail | None:
        """Return a small photo; None of one that is not here."""
        entry = self._entries.get(path)
        if entry is None:
            return None
        return Thumbnail(
            self._bytes(entry.start + TINY_BYTES, entry.length), *entry.size, entry.box
        )

    def tiny(self, path: str) -> UInt8[ndarray, "32 32 3"] | None:
        """Return a photo at 32 × 32; None of one that is not here."""
        entry = self._entries.get(path)
        if entry is None:
            return None
        content = self._bytes(entry.start, TINY_BYTES)
        return np.frombuffer(content, np.uint8).reshape(TINY_SIDE, TINY_SIDE, 3)

    def pixels(self, path: str) -> UInt8[ndarray, "r H W 3"] | None:
        """Return a photo at the network's input size, and in a sample its refits; or None."""
        entry = self._entries.get(path)
        if entry is None or not entry.shape[0]:
            return None
        length = int(np.prod(entry.shape))
        content = self._bytes(entry.start + TINY_BYTES + entry.length, length)
        return np.frombuffer(content, np.uint8).reshape(entry.shape)

    def _bytes(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            content: bytes = self._file.read(length)
        return content


def fitted_pixels(photo: Photo, *, refits: bool) -> UInt8[ndarray, "r H W 3"]:
    """Return a fitted photo's pixels at the network's input size, and perhaps its refits."""
    assert photo.fitted is not None
    fit, pixels, _ = photo.fitted
    return np.stack([pixels, *(refitted(photo, fit) if refits else ())])


def thumbnail(photo: Photo) -> Thumbnail:
    """Return a small copy of a fitted photo."""
    assert photo.fitted is not None
    height, width = photo.pixels.shape[:2]
    factor = min(SIDE / height, SIDE / width, 1.0)
    pixels = shrink(photo.pixels, (max(1, round(height * factor)), max(1, round(width * factor))))
    y, x = pixels.shape[0] / height, pixels.shape[1] / width
    x0, y0, x1, y1 = photo.fitted[2].box
    box = (x0 * x, y0 * y, x1 * x, y1 * y)
    return Thumbnail(jpeg_bytes(pixels), pixels.shape[1], pixels.shape[0], box)


def tiny(photo: Photo) -> UInt8[ndarray, "32 32 3"]:
    """Return a photo at 32 × 32, averaged."""
    image = Image.fromarray(photo.pixels)
    return np.asarray(image.resize((TINY_SIDE, TINY_SIDE), Image.Resampling.BOX, reducing_gap=1.0))


def jpeg_bytes(pixels: UInt8[ndarray, "h w 3"]) -> bytes:
    """Return a picture as a JPEG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()
