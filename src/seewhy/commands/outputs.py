"""Output paths of a command: unique per photo, and never the path of an input photo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seewhy.files import Inputs, UniqueStems


class Outputs:
    """The folder of one run's results."""

    def __init__(self, folder: str | Path, sources: Iterable[Any]) -> None:
        self._folder = Path(folder)
        self._stems = UniqueStems()
        self._kept: dict[str, str] = {}
        self._mark = ""
        self._inputs = Inputs(
            sources, advice="Choose another folder with --out, or another --format."
        )

    def keep(self, stems: Mapping[str, str], mark: str = "") -> None:
        """Let photos keep the names that they have from before, by their keys.

        Args:
            stems: the names, without extension.
            mark: ends the names of all files, before the extension.
        """
        self._kept, self._mark = dict(stems), mark
        for stem in stems.values():
            self._stems.take(stem)

    def stem(self, name: str, key: str | None = None) -> str:
        """Return the name of a photo's files, without extension; unique in this folder."""
        return self._kept.get(key or "") or self._stems.of(name)

    def path(self, name: str) -> Path:
        """Return the path of a file in the folder.

        Raises:
            OptionError: the path is that of an input photo.
        """
        plain = self._folder / name
        path = plain.with_name(f"{plain.stem}{self._mark}{plain.suffix}")
        self._inputs.check(path)
        return path
