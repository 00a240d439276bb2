"""The photos of a report: fitted for the network, and small for the page.

Axes: n photo, H W row and column of the network's input, h w of a picture, r refit.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from PIL import Image

from seewhy.errors import PhotoError
from seewhy.photos.fitting import Fit
from seewhy.photos.photo import Photo
from seewhy.photos.threads import map_ahead
from seewhy.reporting.shelf import Shelf, Thumbnail, fitted_pixels, jpeg_bytes, thumbnail, tiny

R = TypeVar("R")


@dataclass(frozen=True)
class Gallery:
    """The photos of a data set; one that is not on the shelf is decoded when it is needed.

    Attributes:
        paths: paths or addresses.
        fit: how they meet the network's input.
        shelf: what was kept of photos that were decoded.
    """

    paths: Sequence[str]
    fit: Fit
    shelf: Shelf = field(default_factory=Shelf)

    def fitted(self, places: Int[ndarray, " n"]) -> UInt8[ndarray, "n H W 3"]:
        """Return photos at the network's input size.

        Raises:
            PhotoError: one of them cannot be read.
        """
        return np.stack(list(map_ahead(self._fitted, places.tolist())))

    def refitted(self, place: int) -> UInt8[ndarray, "r H W 3"] | None:
        """Return a photo of the sample at the network's input size, and its refits, or None."""
        is_kept = self.paths[place] in self.shelf.sample
        kept = self.shelf.pixels if is_kept else lambda _: None
        return self._if_there(place, kept, functools.partial(fitted_pixels, refits=True))

    def tiny(self, places: Int[ndarray, " n"]) -> UInt8[ndarray, "n 32 32 3"] | None:
        """Return photos at 32 × 32; None where none can be read.

        In the place of one that cannot be read is another one, so that it stands apart from none.
        """
        pictures = list(map_ahead(self._tiny, places.tolist()))
        there = [picture for picture in pictures if picture is not None]
        if not there:
            return None
        spare = itertools.cycle(there)
        return np.stack([next(spare) if picture is None else picture for picture in pictures])

    def thumbnails(self, places: Iterable[int]) -> dict[int, Thumbnail]:
        """Return small photos by their place; those that cannot be read are left out."""
        wanted = list(places)
        thumbnails = map_ahead(self._thumbnail, wanted)
        return {
            place: thumbnail
            for place, thumbnail in zip(wanted, thumbnails, strict=True)
            if thumbnail is not None
        }

    def mean(self, places: Int[ndarray, " n"], *, side: int = 96) -> Thumbnail | None:
        """Return the mean of what the network saw of some photos; None where none can be read."""
        pictures = map_ahead(lambda place: self._small(place, side), places.tolist())
        small = [picture for picture in pictures if picture is not None]
        if not small:
            return None
        pixels = np.asarray(np.round(np.mean(np.stack(small), axis=0)), np.uint8)
        return Thumbnail(jpeg_bytes(pixels), side, side, (0.0, 0.0, float(side), float(side)))

    def _fitted(self, place: int) -> UInt8[ndarray, "H W 3"]:
        made = functools.partial(fitted_pixels, refits=False)
        pixels: ndarray = self._get(place, self.shelf.pixels, made)[0]
        return pixels

    def _thumbnail(self, place: int) -> Thumbnail | None:
        return self._if_there(place, self.shelf.thumbnail, thumbnail)

    def _tiny(self, place: int) -> UInt8[ndarray, "32 32 3"] | None:
        return self._if_there(place, self.shelf.tiny, tiny)

    def _small(self, place: int, side: int) -> Float[ndarray, "_ _ 3"] | None:
        try:
            image = Image.fromarray(self._fitted(place))
        except PhotoError:
            return None
        return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32)

    def _if_there(
        self, place: int, kept: Callable[[str], R | None], made: Callable[[Photo], R]
    ) -> R | None:
        try:
            return self._get(place, kept, made)
        except PhotoError:
            return None

    def _get(self, place: int, kept: Callable[[str], R | None], made: Callable[[Photo], R]) -> R:
        """Return what is kept of a photo, or what is made of it now.

        Raises:
            PhotoError: it is gone, or cannot be read.
        """
        path = self.paths[place]
        picture = kept(path)
        return made(self.shelf.read(path, self.fit)) if picture is None else picture
