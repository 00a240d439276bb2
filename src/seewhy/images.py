"""Read photos, and fit them to a network; the maps that come back are the module `maps`'.

Axes: h row, w column. Pixels are uint8, RGB, upright.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.decoding import decode_array, decode_file, decode_image
from seewhy.errors import OptionError, PhotoError, nearest_names
from seewhy.maps import (
    Placement,
    heatmap_on_photo,
    is_empty,
    resize_map,
    scale_map,
    scale_signed_map,
)

__all__ = [
    "Photo",
    "read_photo",
    "find_photos",
    "Fit",
    "fit_photo",
    "Placement",
    "resize_map",
    "heatmap_on_photo",
    "scale_map",
    "scale_signed_map",
    "is_empty",
]

PHOTO_ENDINGS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".tga",
))  # fmt: skip
"""The endings by which photos are found in a folder; a file that is named may have any."""

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""How a photo is resized: Pillow's filters, which average when they shrink."""

LARGEST = 2**28
"""Pixels that a resized photo may have before it is cropped (1 × 100,000 explodes)."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright, in RGB.

    Attributes:
        pixels: (h, w, 3), read-only.
        name: what titles and messages call it; the file's name.
        path: the file that it comes from; None for arrays and images in memory.
    """

    pixels: UInt8[ndarray, "h w 3"] = field(repr=False)
    name: str = "photo"
    path: Path | None = None

    def __post_init__(self) -> None:
        frozen = self.pixels.view()
        frozen.flags.writeable = False
        object.__setattr__(self, "pixels", frozen)


def read_photo(source: Any, *, name: str | None = None) -> Photo:
    """Read one photo: whatever Pillow reads, upright by its EXIF tag, as 8-bit RGB.

    Transparency is laid over white, 16-bit grey is scaled by 255 / 65535, and of an animation the
    first frame is taken.

    Args:
        source: a path; an open binary file; a PIL image (its current frame); an array, or
            anything with `__array__`, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) in uint8, uint16
            or floats in 0..1; or a `Photo`.
        name: what titles and messages call the photo; by default the file's name, or "photo".

    Raises:
        PhotoError: it is no usable photo; says why.
    """
    if isinstance(source, Photo):
        return source if name is None else Photo(source.pixels, name, source.path)
    if isinstance(source, str | os.PathLike):
        _refuse_addresses(source)
        path = Path(source).expanduser()
        return Photo(decode_file(path, str(source)), name or path.name, path)
    if isinstance(source, Image.Image):
        file = getattr(source, "filename", "")
        name = name or (Path(file).name if isinstance(file, str) and file else "photo")
        return Photo(decode_image(source, name), name)
    if callable(getattr(source, "read", None)):
        file = getattr(source, "name", "")
        name = name or (Path(file).name if isinstance(file, str) and file else "photo")
        return Photo(decode_file(source, name), name)
    if hasattr(source, "__array__"):
        name = name or "photo"
        try:
            array = np.asarray(source)
        except (TypeError, ValueError, RuntimeError) as error:
            raise PhotoError(
                f"'{name}', a {type(source).__name__}, cannot be turned into an array: {error}"
            ) from error
        return Photo(decode_array(array, f"the array '{name}'"), name)
    raise PhotoError(
        f"a photo cannot be read from {source!r:.60}, a {type(source).__name__}. "
        "Give a path, an open binary file, a PIL image or an array."
    )


def find_photos(sources: Any) -> list[Any]:
    """List the photos that are meant by files, folders, patterns, and objects in memory.

    A folder stands for the photos directly in it, by name; hidden files and files of other kinds
    are left out. A pattern ('photos/*.jpg', or 'photos/**/*.jpg' with all sub-folders) stands for
    the files that it matches, by name. Everything else is passed on, for `read_photo` to judge,
    so that one missing file does not stop the others. The order is that of `sources`.

    Args:
        sources: one source or several; see `read_photo` for what a source may be.

    Returns:
        Paths and objects, each of which is one photo.

    Raises:
        PhotoError: nothing was given, a folder or a pattern holds no photo, or a web address.
    """
    if isinstance(sources, str | os.PathLike) or not isinstance(sources, Iterable):
        sources = [sources]
    elif hasattr(sources, "__array__") or hasattr(sources, "read"):
        sources = [sources]  # an array iterates over its rows, an open file over its lines
    found: list[Any] = []
    for source in sources:
        found += _files(source) if isinstance(source, str | os.PathLike) else [source]
    if not found:
        raise PhotoError("no photo was given. Name at least one file, folder or pattern.")
    return found


def _files(source: str | os.PathLike[str]) -> list[Path]:
    """Return the file, the photos of the folder, or the files that match the pattern."""
    _refuse_addresses(source)
    path = Path(source).expanduser()
    if path.is_dir():
        photos = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in PHOTO_ENDINGS and file.name[0] != "." and file.is_file()
        )
        if not photos:
            raise PhotoError(
                f"the folder '{source}' holds no photo. Name another one; for photos in its "
                f"sub-folders, give the pattern '{path / '**' / '*.jpg'}'."
            )
        return photos
    if glob.has_magic(str(path)) and not path.exists():
        # Path.glob takes no pattern that starts at the root.
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
        files = [match for match in matches if match.is_file()]
        if not files:
            raise PhotoError(f"no file matches '{source}'. Check the folder and the ending.")
        return files
    return [path]


def _refuse_addresses(source: str | os.PathLike[str]) -> None:
    if isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        raise PhotoError(
            f"'{source}' is a web address; seewhy reads files only. Download the photo first."
        )


@dataclass(frozen=True)
class Fit:
    """How a photo is brought to the size that a network takes.

    Attributes:
        size: (height, width) of the network's input; None for networks that take any size.
        mode: "stretch" the whole photo to `size`, whatever its shape (Keras), or "crop": resize
            the shorter side to `resize`, then cut `size` out of the centre (torchvision, timm).
        resize: with "crop", the shorter side before the crop; None: as large as just covers
            `size`. With `size` None, the shorter side at most, nothing being cropped.
        interpolation: one of `INTERPOLATIONS`. Bilinear, though Keras's `load_img` has "nearest"
            by default: nearest drops pixels, and that shows in the heatmap.
    """

    size: tuple[int, int] | None
    mode: str = "stretch"
    resize: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise OptionError(
                f"the input size {self.size[0]}×{self.size[1]} is empty. "
                "Give a height and width of 1 or more."
            )
        if self.mode not in ("stretch", "crop"):
            raise OptionError(
                f"a photo cannot be fitted by '{self.mode}'. Choose 'stretch' or 'crop'."
            )
        if self.resize is not None and self.resize < 1:
            raise OptionError(
                f"the shorter side cannot be resized to {self.resize}. Give 1 or more pixels."
            )
        if self.resize is not None and self.size is not None and self.mode == "stretch":
            raise OptionError(
                f"resize={self.resize} has no meaning for mode='stretch', which goes to the input "
                "size at once. Leave it out, or choose mode='crop'."
            )
        if self.interpolation not in INTERPOLATIONS:
            near = nearest_names(self.interpolation, INTERPOLATIONS)
            raise OptionError(
                f"a photo cannot be resized by '{self.interpolation}'. "
                f"{f'The nearest names are {near}. ' if near else ''}"
                f"Choose one of {', '.join(INTERPOLATIONS)}."
            )


def fit_photo(photo: Photo, fit: Fit) -> tuple[UInt8[ndarray, "h w 3"], Placement]:
    """Bring a photo to the size that the network takes.

    A crop equals torchvision's `Resize(resize)` and `CenterCrop(size)` on PIL images to the last
    bit, black padding included where the resized photo is smaller than the crop.

    Returns:
        The network's pixels, and the part of the photo that they show.

    Raises:
        PhotoError: the photo is so long and thin that it cannot be resized for a crop.
    """
    height, width = photo.pixels.shape[:2]
    resized = _resized_size(photo, fit)
    if (height, width) == resized:
        pixels = photo.pixels
    else:
        filter_ = INTERPOLATIONS[fit.interpolation]
        pixels = np.asarray(Image.fromarray(photo.pixels).resize(resized[::-1], filter_))
    if fit.size is None or resized == fit.size:
        return pixels.copy(), Placement((0.0, 0.0, float(width), float(height)))
    pixels, top, left = _centre_crop(pixels, fit.size)
    down, across = height / resized[0], width / resized[1]
    box = (left * across, top * down, (left + fit.size[1]) * across, (top + fit.size[0]) * down)
    return pixels, Placement(box)


def _resized_size(photo: Photo, fit: Fit) -> tuple[int, int]:
    """Return height and width of the photo before the crop."""
    height, width = photo.pixels.shape[:2]
    shorter = min(height, width)
    if fit.size is None:
        to = min(fit.resize or shorter, shorter)
    elif fit.mode == "stretch":
        return fit.size
    elif fit.resize is not None:
        to = fit.resize
    else:  # the smallest that covers the crop both ways: ceil(shorter · the larger ratio)
        to = max(-(-shorter * fit.size[0] // height), -(-shorter * fit.size[1] // width))
    longer = int(to * max(height, width) / shorter)
    if fit.size is not None and to * longer > LARGEST:
        raise PhotoError(
            f"'{photo.name}' is {height}×{width} (height × width), too long and thin to be resized "
            f"to a shorter side of {to}. Cut it, or stretch it: mode='stretch'."
        )
    return (to, longer) if height <= width else (longer, to)


def _centre_crop(
    pixels: UInt8[ndarray, "h w 3"], size: tuple[int, int]
) -> tuple[UInt8[ndarray, "H W 3"], int, int]:
    """Cut the centre out, padding with black what is too small, and return its top and left.

    The offset is Python's round((h − H) / 2), as torchvision has it; padding puts the odd pixel
    below and to the right.
    """
    starts: list[int] = []
    cut: list[slice] = []
    padding: list[tuple[int, int]] = []
    for have, want in zip(pixels.shape[:2], size, strict=True):
        missing = max(want - have, 0)
        start = round((have - want) / 2) if not missing else 0
        starts.append(start - missing // 2)
        cut.append(slice(start, start + want))
        padding.append((missing // 2, missing - missing // 2))
    cropped = np.pad(pixels[cut[0], cut[1]], (*padding, (0, 0)))
    return cropped, starts[0], starts[1]
