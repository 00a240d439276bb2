"""How a result shows itself: a short repr, pictures in a notebook, and `show`.

Axes: h row, w column of a picture, uint8 RGB.
"""

from __future__ import annotations

import base64
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from seewhy.rendering.saving import picture_bytes, save_picture

LINES = 5
"""Lines of a repr, at most."""

IN_NOTEBOOK = 4
"""Pages that a notebook shows; more would make it too large to open."""


class Drawable:
    """A result with pictures: `show()` opens them, and a notebook displays them automatically."""

    def _pages(self) -> list[UInt8[ndarray, "_ _ 3"]]:
        """Return the pictures, in reading order."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the pictures: inline in a notebook, elsewhere in the system's picture viewer.

        Without a display they are saved, and stderr says where.
        """
        show_pages(self._pages())

    def _repr_html_(self) -> str:
        return pages_html(self._pages(), text=repr(self))


def show_pages(pages: Sequence[UInt8[ndarray, "_ _ 3"]]) -> None:
    """Show pictures: inline in a notebook, elsewhere in the system's picture viewer.

    Without a display they are saved, and stderr says where.
    """
    from PIL import Image

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if ipython is not None and shell is not None and hasattr(shell, "kernel"):
        inline = importlib.import_module("IPython.display")
        for page in pages:
            inline.display(inline.Image(data=picture_bytes(page)))
        return
    folder = None if has_display() else Path(tempfile.mkdtemp(prefix="seewhy-"))
    for number, page in enumerate(pages, 1):
        if folder is None:
            Image.fromarray(page).show()
        else:
            path = save_picture(page, folder / f"page-{number}.png")
            sys.stderr.write(f"There is no display. The picture is saved: {path}\n")


def has_display() -> bool:
    """True where pictures can be shown: on a desktop."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def pages_html(pages: Sequence[UInt8[ndarray, "_ _ 3"]], *, text: str) -> str:
    """Return HTML with a text and the first pictures, embedded as PNG."""
    images = [
        '<img style="max-width:100%" src="data:image/png;base64,'
        f'{base64.b64encode(picture_bytes(page)).decode()}">'
        for page in pages[:IN_NOTEBOOK]
    ]
    if len(pages) > IN_NOTEBOOK:
        images.append(f"<p>{len(pages) - IN_NOTEBOOK} more pages: save them with .save(path).</p>")
    return f"<pre>{escape(text)}</pre>\n" + "\n".join(images)


def few_lines(head: str, rows: Sequence[str]) -> str:
    """Return a repr of at most five lines: a head, and as many indented rows as fit."""
    if len(rows) > LINES - 1:
        rows = [*rows[: LINES - 2], f"... and {len(rows) - LINES + 2} more"]
    return "\n  ".join([head, *rows])
