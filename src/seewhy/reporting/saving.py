"""A page that can be saved, with its numbers beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seewhy.files import Inputs, write_whole
from seewhy.reporting.gallery import Gallery


class SavedPage:
    """What is saved as a page, NAME.html, and as NAME.json.

    Attributes:
        gallery: the photos.
        page: makes the page; with a folder, copies the photos into it.
    """

    gallery: Gallery
    page: Callable[[Any, Path, Path | None], bytes]

    def save(
        self,
        path: str | os.PathLike[str] = "report.html",
        *,
        assets: str | os.PathLike[str] | None = None,
    ) -> list[Path]:
        """Write the page, and its numbers as JSON beside it.

        Args:
            path: the page, NAME.html; the numbers are written to NAME.json.
            assets: a folder into which every photo is copied, so that the page opens any of them.

        Returns:
            The two files.

        Raises:
            OptionError: one of the photos would be overwritten.
            OutputError: something cannot be written.
        """
        path = Path(path)
        Inputs(self.gallery.paths).check(path, path.with_suffix(".json"))
        page = self.page(self, path, None if assets is None else Path(assets))
        return [
            write_whole(path, page),
            # What a name has that is no text is written as JSON's own escape.
            write_whole(
                path.with_suffix(".json"), self.as_json().encode(errors="backslashreplace")
            ),
        ]

    def as_json(self) -> str:
        """Return the findings and numbers as JSON, without maps and photos."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return the findings and numbers, without maps and photos."""
        raise NotImplementedError
