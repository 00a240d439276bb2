"""The result of reading: a photo, or the reason why it failed.

Axes: h row, w column. Pixels are uint8, RGB, upright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray


@dataclass(frozen=True)
class Placement:
    """The part of the photo that the network saw.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the photo, edges, not centres: a whole photo is
            (0, 0, width, height). It extends beyond the photo if the fit had to pad.
        cells: the same of what a layer's map covers, where the network itself crops or pads; None:
            the box. A map is 0 in the box beyond its cells, which the layer does not see.
    """

    box: tuple[float, float, float, float]
    cells: tuple[float, float, float, float] | None = None

    @property
    def map_box(self) -> tuple[float, float, float, float]:
        """What a map covers of the photo."""
        return self.box if self.cells is None else self.cells

    def pixels(
        self, size: tuple[int, int], of: tuple[slice, slice] = (slice(None), slice(None))
    ) -> tuple[slice, slice]:
        """Return the rows and columns, among some, of a photo whose centres the network saw.

        Args:
            size: height and width of the photo.
            of: the rows and columns in question; all of them unless given.
        """
        x0, y0, x1, y1 = self.box
        rows, columns = (
            slice(
                max(part.start or 0, math.ceil(low - 0.5)),
                min(side if part.stop is None else part.stop, math.floor(high - 0.5) + 1),
            )
            for low, high, side, part in ((y0, y1, size[0], of[0]), (x0, x1, size[1], of[1]))
        )
        return rows, columns

    def of_cells(self, shares: tuple[float, float, float, float]) -> Placement:
        """Return the placement of a map that covers a part of the network's input.

        Args:
            shares: (y0, x0, y1, x1) of the input's height and width.
        """
        if shares == (0.0, 0.0, 1.0, 1.0):
            return self
        left, top, right, bottom = self.box
        (y0, y1), (x0, x1) = (
            [low + share * (high - low) for share in (start, end)]
            for low, high, start, end in (
                (top, bottom, shares[0], shares[2]),
                (left, right, shares[1], shares[3]),
            )
        )
        return Placement(self.box, (x0, y0, x1, y1))


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright, in RGB.

    Attributes:
        pixels: (h, w, 3), read-only.
        name: its name in titles and messages; the file's name.
        path: the file that it comes from; None for arrays and images in memory.
        fitted: (fit, pixels, placement) if the photo was fitted already, by `fit_ahead`.
        preview: a small copy for pages, where the pixels themselves are not kept.
    """

    pixels: UInt8[ndarray, "h w 3"] = field(repr=False)
    name: str = "photo"
    path: Path | None = None
    fitted: tuple[Any, UInt8[ndarray, "_h _w 3"], Placement] | None = field(
        default=None, repr=False
    )
    preview: UInt8[ndarray, "_h _w 3"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        frozen = self.pixels.view()
        frozen.flags.writeable = False
        object.__setattr__(self, "pixels", frozen)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes; pixels that are one value for all take none."""
        arrays = [self.pixels] if any(self.pixels.strides) else []
        if self.fitted is not None:
            arrays.append(self.fitted[1])
        if self.preview is not None:
            arrays.append(self.preview)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class PhotoFailure:
    """A source that could not be read: one item of a stream, which continues with the next.

    Attributes:
        name: the file, folder or pattern as it was given; "photo" for objects in memory.
        reason: what went wrong and what to do, in whole sentences.
        kind: "missing", "unreadable", "too-large", or "not-finite": the network returned NaN or
            infinity.
    """

    name: str
    reason: str
    kind: str = "unreadable"
