"""What `compare` returns: explanations by several methods, with a page for each photo.

Axes: h row, w column of a picture, uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from seewhy.explaining.result import Explanation
from seewhy.files import UniqueStems
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.style import DEFAULT_STYLE, Style
from seewhy.rendering.text import short_name


class ComparedMethods(Mapping[str, Explanation], Drawable):
    """The explanations of the same photos and classes, by the methods' names.

    Args:
        explanations: at least one.
    """

    def __init__(self, explanations: Mapping[str, Explanation]) -> None:
        self._explanations = dict(explanations)

    def __getitem__(self, method: str) -> Explanation:
        return self._explanations[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self._explanations)

    def __len__(self) -> int:
        return len(self._explanations)

    def picture(
        self, photo: int = 0, *, style: Style = DEFAULT_STYLE
    ) -> UInt8[ndarray, "rows columns 3"]:
        """Draw one photo by all methods: a grid for one class, else a row for each method."""
        from seewhy.explaining.drawing import draw_methods

        return draw_methods(list(self.values()), photo, style)

    def save(self, path: str | Path, *, style: Style = DEFAULT_STYLE) -> list[Path]:
        """Write the page of each photo as PNG, JPEG or PDF, depending on the extension.

        Several photos are written to separate files: 'why.png' becomes 'why_cat.png' and so on.

        Raises:
            OptionError: the extension is not .png, .jpg, .jpeg or .pdf.
            OutputError: the file cannot be written; no partial file remains.
        """
        photos = next(iter(self.values())).photos
        files = UniqueStems().files(Path(path), [photo.name for photo in photos])
        return [
            save_picture(self.picture(number, style=style), file, of_photo=True)
            for number, file in enumerate(files)
        ]

    def _pages(self) -> list[UInt8[ndarray, "_ _ 3"]]:
        return [self.picture(photo) for photo in range(len(next(iter(self.values()))))]

    def __repr__(self) -> str:
        first = next(iter(self.values()))
        photos = f"{len(first)} photo{'s' * (len(first) != 1)}"
        rows = [f"{name}: {explanation.title()} ..." for name, explanation in self.items()]
        return few_lines(f"ComparedMethods({photos} of {short_name(first.model)})", rows)
