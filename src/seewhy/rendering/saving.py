"""Write pictures as PNG, JPEG or PDF, whole or not at all.

Axes: h row, w column of a picture, uint8 RGB.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError
from seewhy.files import written_whole

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".pdf": ("PDF", {"quality": 95, "resolution": 150.0}),
}
"""By extension: Pillow's name of the format, and its settings. PNG is exact; JPEG has quality 95
with full colour resolution; a PDF has JPEGs of quality 95 at 150 pixels per inch."""

END = b"\xff\xd9"
"""The last bytes of every JPEG."""

OVERLAYS = {"quality": 85, "subsampling": 2}
"""Of a JPEG that shows photos: in half the time, and less than half of the bytes. On pages it
differs from the picture by 2.5 of 255 in the mean, where the settings above differ by 1.1."""


def save_picture(
    picture: UInt8[ndarray, "h w 3"] | Image.Image, path: str | Path, *, of_photo: bool = False
) -> Path:
    """Write a picture as PNG, JPEG (quality 95) or PDF, depending on the extension.

    Missing folders are created. The write is atomic: on failure, an existing file is kept.

    Args:
        picture: its pixels, or an image in RGB.
        path: the file.
        of_photo: it shows a photo, not cells: a JPEG has quality 85, and half the colour
            resolution.

    Raises:
        OptionError: the extension is another one.
        OutputError: the file cannot be written; the message says why.
    """
    return _save([picture], Path(path), jpeg=OVERLAYS if of_photo else {})


def save_pages(pages: Sequence[UInt8[ndarray, "_ _ 3"]], path: str | Path) -> list[Path]:
    """Write pages: as one PDF, or as one PNG or JPEG each, 'sheet-1.png', 'sheet-2.png' ...

    A single page is written to `path` itself.

    Raises:
        OptionError: the extension is another one, or `pages` is empty.
        OutputError: a file cannot be written; the message says why.
    """
    path = Path(path)
    if not pages:
        raise OptionError(f"There is no page to write to '{path}'. Give at least one picture.")
    if len(pages) == 1 or path.suffix.lower() == ".pdf":
        return [_save(pages, path)]
    return [
        _save([page], path.with_name(f"{path.stem}-{number}{path.suffix}"))
        for number, page in enumerate(pages, 1)
    ]


def picture_bytes(pixels: UInt8[ndarray, "h w 3"], ending: str = ".png") -> bytes:
    """Return what `save_picture` would write, for notebooks and web pages.

    Raises:
        OptionError: the extension is not .png, .jpg, .jpeg or .pdf.
    """
    kind, settings = _format(ending, f"A picture as '{ending}'")
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **settings)
    return content.getvalue()


def _save(
    pages: Sequence[UInt8[ndarray, "_ _ 3"] | Image.Image],
    path: Path,
    *,
    jpeg: Mapping[str, Any] | None = None,
) -> Path:
    kind, settings = _format(path.suffix, f"'{path}'")
    if kind == "JPEG":
        settings = settings | dict(jpeg or {})
    first, *others = [
        page if isinstance(page, Image.Image) else Image.fromarray(page) for page in pages
    ]
    if others:
        settings = settings | {"save_all": True, "append_images": others}
    with written_whole(path) as beside:
        first.save(beside, kind, **settings)
        if kind == "JPEG":
            _check_end(beside)
    return path


def _check_end(path: Path) -> None:
    """Refuse a JPEG that was cut short: where a disk fills up, Pillow does not notice.

    Raises:
        OSError: the end is missing.
    """
    with path.open("rb") as file:
        file.seek(-len(END), io.SEEK_END)
        if file.read() != END:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _format(ending: str, what: str) -> tuple[str, dict[str, Any]]:
    if ending.lower() not in FORMATS:
        raise OptionError(
            f"{what} cannot be written: pictures are PNG, JPEG or PDF. "
            "Let the file end in .png, .jpg or .pdf."
        )
    return FORMATS[ending.lower()]
