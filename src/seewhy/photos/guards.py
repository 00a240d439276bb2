"""What a file of a photo may cost before and while it is decoded: calls, pixels, memory.

Axes: h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.errors import PhotoError

PIXELS_PER_BYTE = {"JPEG": 1024, "MPO": 1024, "PNG": 8 * 1032, "GIF": 8 * 4096 // 12}
"""More pixels than a byte of such a file can encode: an end-of-block run in a progressive JPEG
covers 512 grey pixels with one bit per block, deflate shrinks to 1/1032, of 1-bit pixels, and a
code of GIF has 12 bits and stands for 4096 pixels at most."""

FLAT_PIXELS_PER_BYTE = 1024
"""The same for formats that encode one colour in next to nothing, and take much memory for it (see
BYTES_PER_PIXEL): an animation's small frame on a large canvas too. Of
pictures beyond LARGE_PIXELS only."""

LARGE_PIXELS = 16_000_000
"""Pixels beyond which a picture is converted in strips, and may not be next to empty."""

MEMORY = 1e9
"""Bytes that decoding may take."""

BYTES_PER_PIXEL = {"WEBP": 16, "AVIF": 16, "JPEG2000": 24, "PPM": 12}
"""What decoders hold at a time, where that is more than Pillow's picture and our own: WebP two
canvases and two copies, OpenJPEG four bytes for each of four channels. As measured."""

USUAL_PIXELS = 89_478_485
"""Pillow's own limit, unless the user raises it."""

CALLS = 4000
"""Reads of a file that its header may take, apart from one for each 300 bytes of a PNG file,
whose chunks are read before the picture is decoded, and after."""

STRIP = 2**20
"""Pixels that are converted at a time."""


class WatchedFile:
    """A binary file whose header may take only so many reads, however many parts it claims.

    Pillow parses headers part by part: a million comments, chunks or markers take minutes.

    Args:
        file: as Pillow wants it.
        length: of the file, in bytes.
        name: in errors.
    """

    def __init__(self, file: Any, length: int, name: str) -> None:
        self.file = file
        self.name = name
        start = file.read(4)
        file.seek(0)
        self._left = CALLS + (length // 300 if start == b"\x89PNG" else 0)
        self._is_open = False

    def read(self, size: int = -1) -> bytes:
        """Read as the file does.

        Raises:
            PhotoError: the header has taken too many reads.
        """
        self._left -= 1
        if self._left < 0 and not self._is_open:
            raise PhotoError(
                f"'{self.name}' is damaged: its header has too many parts. Get the file again, or "
                "save it again with an image editor."
            )
        return bytes(self.file.read(size))

    def opened(self, image: Image.Image) -> None:
        """Stop counting for formats whose pixels are read in small pieces."""
        self._is_open = image.format not in ("PNG", "GIF")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def check_claim(image: Image.Image, length: int, name: str) -> None:
    """Refuse what its bytes cannot encode, or what takes too much memory, before decoding it.

    Args:
        image: opened and not loaded.
        length: of its file, in bytes.
        name: in errors.

    Raises:
        PhotoError: it is truncated, or made to exhaust memory.
    """
    kind, pixels = image.format or "", image.width * image.height
    limit = PIXELS_PER_BYTE.get(kind)
    if limit is None and kind in BYTES_PER_PIXEL and pixels > LARGE_PIXELS:
        limit = FLAT_PIXELS_PER_BYTE
    if limit is not None and pixels > limit * length:
        raise PhotoError(
            f"'{name}' is damaged or truncated: its {length} bytes cannot hold the "
            f"{image.width}×{image.height} pixels (width × height) that it claims. "
            "Get the file again."
        )
    most = Image.MAX_IMAGE_PIXELS
    taken = pixels * BYTES_PER_PIXEL.get(kind, 0)
    if most is not None and taken > MEMORY * max(1, most / USUAL_PIXELS):
        raise PhotoError(
            f"'{name}' is too large to be read safely: decoding its {image.width}×{image.height} "
            f"pixels as {kind} takes {taken / 1e9:.1f} GB of memory. Shrink it, save it as PNG, or "
            "raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
        )


def in_strips(
    image: Image.Image, convert: Callable[[Image.Image], UInt8[ndarray, "_h w 3"]]
) -> UInt8[ndarray, "h w 3"]:
    """Convert a picture strip by strip: what `convert` copies is of a strip, not of the whole."""
    width, height = image.size
    if width * height <= LARGE_PIXELS:
        return convert(image)
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = convert(image.crop((0, top, width, bottom)))
    return pixels
