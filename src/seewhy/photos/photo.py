"""The result of reading: a photo, or the reason why it failed.

Axes: h row, w column. Pixels are uint8, RGB, upright.
"""

from __future__ import annotations

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
    """

    box: tuple[float, float, float, float]


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
        return sum(one.nbytes for one in arrays)


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
