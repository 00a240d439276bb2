"""The photos of a report: fitted for the network, and small for the page.

Axes: n photo, H W row and column of the network's input, h w of a picture.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from PIL import Image

from seewhy.datasets.storage import is_address, read_bytes
from seewhy.errors import PhotoError
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Photo
from seewhy.photos.reading import read_photo
from seewhy.photos.threads import map_ahead

SIDE = 168
"""The longer side of a photo on the page."""

QUALITY = 78

TINY = 32
"""Rows and columns of a photo in which colours and stamps are looked for."""


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


@dataclass(frozen=True)
class Gallery:
    """The photos of a data set, read again when they are needed.

    Attributes:
        paths: paths or addresses.
        fit: how they meet the network's input.
    """

    paths: Sequence[str]
    fit: Fit

    def read(self, place: int) -> Photo:
        """Read a photo.

        Raises:
            PhotoError: it is gone, or cannot be read.
        """
        path = self.paths[place]
        if not is_address(path):
            return read_photo(path)
        try:
            return read_photo(io.BytesIO(read_bytes(path)), name=path.rpartition("/")[2])
        except OSError as error:
            raise PhotoError(f"'{path}' cannot be read: {error}") from error

    def fitted(self, places: Int[ndarray, " n"]) -> UInt8[ndarray, "n H W 3"]:
        """Return photos at the network's input size.

        Raises:
            PhotoError: one of them cannot be read.
        """
        pixels = map_ahead(lambda place: fit_photo(self.read(place), self.fit)[0], places.tolist())
        return np.stack(list(pixels))

    def tiny(self, places: Int[ndarray, " n"]) -> UInt8[ndarray, "n 32 32 3"] | None:
        """Return photos at 32 × 32; None where none can be read.

        In the place of one that cannot be read is another one, so that it stands apart from none.
        """
        found = list(map_ahead(self._tiny, places.tolist()))
        there = [one for one in found if one is not None]
        if not there:
            return None
        spare = itertools.cycle(there)
        return np.stack([next(spare) if one is None else one for one in found])

    def _tiny(self, place: int) -> UInt8[ndarray, "32 32 3"] | None:
        try:
            image = Image.fromarray(self._roughly(place))
        except PhotoError:
            return None
        return np.asarray(image.resize((TINY, TINY), Image.Resampling.BOX))

    def _roughly(self, place: int) -> UInt8[ndarray, "h w 3"]:
        """Read a photo; one in a JPEG at an eighth of its size or more, which is faster."""
        path = self.paths[place]
        if not is_address(path):
            with contextlib.suppress(OSError), Image.open(path, formats=["JPEG"]) as image:
                if image.mode == "RGB":
                    image.draft("RGB", (2 * TINY, 2 * TINY))
                    return np.asarray(image)
        return self.read(place).pixels

    def thumbnails(self, places: Iterable[int]) -> dict[int, Thumbnail]:
        """Return small photos by their place; those that cannot be read are left out."""
        wanted = list(places)
        found = map_ahead(self._thumbnail, wanted)
        return {place: one for place, one in zip(wanted, found, strict=True) if one is not None}

    def _thumbnail(self, place: int) -> Thumbnail | None:
        try:
            photo = self.read(place)
            _, placement = fit_photo(photo, self.fit)
        except PhotoError:
            return None
        height, width = photo.pixels.shape[:2]
        image = Image.fromarray(photo.pixels)
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        x, y = image.width / width, image.height / height
        x0, y0, x1, y1 = placement.box
        jpeg = jpeg_bytes(np.asarray(image))
        return Thumbnail(jpeg, image.width, image.height, (x0 * x, y0 * y, x1 * x, y1 * y))

    def mean(self, places: Int[ndarray, " n"], *, side: int = 96) -> Thumbnail | None:
        """Return the mean of what the network saw of some photos; None where none can be read."""
        found = map_ahead(functools.partial(self._small, side=side), places.tolist())
        small = [one for one in found if one is not None]
        if not small:
            return None
        pixels = np.asarray(np.round(np.mean(np.stack(small), axis=0)), np.uint8)
        return Thumbnail(jpeg_bytes(pixels), side, side, (0.0, 0.0, float(side), float(side)))

    def _small(self, place: int, *, side: int) -> Float[ndarray, "_ _ 3"] | None:
        try:
            pixels, _ = fit_photo(self.read(place), self.fit)
        except PhotoError:
            return None
        image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)
        return np.asarray(image, np.float32)


def jpeg_bytes(pixels: UInt8[ndarray, "h w 3"]) -> bytes:
    """Return a picture as a JPEG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()
