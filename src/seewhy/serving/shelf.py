"""Photos in memory only: bounded, the least recently used are dropped first."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from PIL import Image

from seewhy.photos.reading import Photo, read_photo

UPLOAD_BYTES = 25 * 2**20
"""Of one photo's file."""

MEMORY = 768 * 2**20
"""Bytes of decoded pixels that are kept, those that questions hold among them."""

NAME_LETTERS = 120
"""Of a photo's name that are kept."""


class UnknownPhoto(LookupError):
    """No photo has that id, or it is no longer in memory."""


@dataclass(frozen=True)
class ListedPhoto:
    """A photo that was named on the command line: read when it is first looked at."""

    id: str
    path: Path


class Shelf:
    """The photos that the page may ask about, by id.

    Photos of the command line are read again when they were dropped; uploads are not.
    """

    def __init__(self, paths: list[Path], *, memory: int = MEMORY) -> None:
        self.memory = memory
        self.listed = {
            photo.id: photo
            for photo in (ListedPhoto(_id(str(path).encode()), path) for path in paths)
        }
        self._photos: OrderedDict[str, Photo] = OrderedDict()
        # Also those that were dropped, and that a question in the queue holds.
        self._alive: WeakValueDictionary[str, Photo] = WeakValueDictionary()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """How much memory the pixels take now."""
        with self._lock:
            return self._bytes()

    def _bytes(self) -> int:
        return sum(photo.pixels.nbytes for photo in self._alive.values())

    def __len__(self) -> int:
        return len(self._photos)

    def add(self, content: bytes, name: str) -> str:
        """Decode an uploaded photo and keep it; returns its id, which is that of its content.

        Raises:
            PhotoError: it is not a photo, damaged, or larger than is allowed.
        """
        key = _id(content)
        with self._lock:
            if key in self._photos:
                self._photos.move_to_end(key)
                return key
        self._keep(key, read_photo(io.BytesIO(content), name=name))
        return key

    def get(self, key: str) -> Photo:
        """Return a photo.

        Raises:
            UnknownPhoto: it is not here.
            PhotoError: a file of the command line that cannot be read.
        """
        with self._lock:
            if key in self._photos:
                self._photos.move_to_end(key)
                return self._photos[key]
        if key not in self.listed:
            raise UnknownPhoto(key)
        photo = read_photo(self.listed[key].path)
        self._keep(key, photo)
        return photo

    def _keep(self, key: str, photo: Photo) -> None:
        with self._lock:
            self._photos[key] = self._alive[key] = photo
            self._photos.move_to_end(key)
            while len(self._photos) > 1 and self._bytes() > self.memory:
                self._photos.popitem(last=False)


def clean_name(name: str) -> str:
    """Return a name without folders, control characters and excess."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(letter for letter in last if letter.isprintable())
    return plain[:NAME_LETTERS].strip() or "photo"


def thumbnail(photo: Photo, side: int) -> bytes:
    """Return a photo as JPEG, its longer side at most `side` pixels."""
    image = Image.fromarray(photo.pixels)
    image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def _id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
