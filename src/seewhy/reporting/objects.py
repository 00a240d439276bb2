"""Where the things in the photos are, where somebody has drawn it: boxes and masks.

Axes: n photo, h row, w column of a map, H W of a photo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError
from seewhy.files import shared_folder
from seewhy.locating.annotations import read_boxes
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Photo
from seewhy.reporting.heat import outside_boxes, outside_mask
from seewhy.reporting.observations import Observations
from seewhy.reporting.result import ReasonKind

TURNED_ORIENTATIONS = (5, 6, 7, 8)
"""EXIF orientations of photos that lie on their side."""

PNG_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are not, or no longer, PNG."""

Mask = Path | ndarray
"""A picture whose pixels of the object are not zero, or the array."""


@dataclass(frozen=True, eq=False)
class Objects:
    """Where the things are.

    Attributes:
        boxes: of each photo, (x0, y0, x1, y1) in its pixels; None where they were not given.
        masks: of photos, by their place; None where they were not given.
    """

    boxes: Sequence[Float[ndarray, "m 4"]] | None = None
    masks: Mapping[int, Mask] | None = None

    def outside(self, seen: Observations, photo: int, fit: Fit) -> tuple[float, ReasonKind]:
        """Return the share of a photo's heat that is outside, and outside of what.

        A mask counts before boxes. NaN where the photo has neither, or an empty one.

        Raises:
            OptionError: the mask cannot be read, or has another size than the photo.
        """
        height, width = seen.sizes[photo].tolist()
        black = Photo(np.broadcast_to(np.uint8(0), (height, width, 3)))
        x0, y0, x1, y1 = fit_photo(black, fit)[1].box
        if self.masks is not None and photo in self.masks:
            mask = read_mask(self.masks[photo], (height, width), Path(seen.paths[photo]).name)
            if not mask.any():
                return np.nan, ReasonKind.MASK
            return outside_mask(seen.maps[photo], mask, (x0, y0, x1, y1)), ReasonKind.MASK
        if self.boxes is None or not len(self.boxes[photo]):
            return np.nan, ReasonKind.BOXES
        scale = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
        boxes = (self.boxes[photo] - (x0, y0, x0, y0)) / scale
        return outside_boxes(seen.maps[photo], boxes), ReasonKind.BOXES


def objects_of(boxes: Any, masks: Any, seen: Observations) -> Objects | None:
    """Return where the things are in the photos that were explained; None where nothing was given.

    Args:
        boxes: a file or folder of annotations, or one array of boxes for each photo.
        masks: a folder of pictures, or one array or None for each photo.
        seen: the photos.

    Raises:
        OptionError: one of them cannot be used.
    """
    if boxes is None and masks is None:
        return None
    return Objects(_boxes(boxes, seen), _masks(masks, seen))


def _boxes(boxes: Any, seen: Observations) -> list[ndarray] | None:
    if boxes is None:
        return None
    if isinstance(boxes, str | os.PathLike):
        blank = np.uint8(0)
        photos = [
            Photo(np.broadcast_to(blank, (height, width, 3)), Path(path).name)
            for path, (height, width) in zip(seen.paths, seen.sizes.tolist(), strict=True)
        ]
        return list(read_boxes(Path(boxes), photos))
    arrays = [np.asarray(box, np.float64).reshape(-1, 4) for box in boxes]
    if len(arrays) != len(seen):
        raise OptionError(
            f"Boxes of {len(arrays)} photos were given for {len(seen)} photos. Give one array for "
            "each, which may be empty."
        )
    return arrays


def _masks(masks: Any, seen: Observations) -> dict[int, Mask] | None:
    if masks is None:
        return None
    if isinstance(masks, str | os.PathLike):
        return dict(find_masks(masks, seen.paths))
    listed = list(masks)
    if len(listed) != len(seen):
        raise OptionError(
            f"Masks of {len(listed)} photos were given for {len(seen)} photos. Give one array for "
            "each, or None."
        )
    return {photo: np.asarray(mask) for photo, mask in enumerate(listed) if mask is not None}


def find_masks(folder: str | os.PathLike[str], paths: Sequence[str]) -> dict[int, Path]:
    """Return the mask of each photo that has one, by its place.

    The mask of 'photos/cow/1.jpg' is 'cow/1.png' or '1.png' in the folder.

    Raises:
        OptionError: there is no such folder, no photo has a mask, or two photos have the same.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise OptionError(
            f"The masks '{folder}' are not a folder. Give a folder with a PNG for each photo, "
            "cow.png for cow.jpg, whose pixels are not zero where the object is."
        )
    cut = len(shared_folder(paths))
    masks: dict[int, Path] = {}
    owners: dict[Path, str] = {}
    names: list[Path] = []
    for place, path in enumerate(paths):
        whole = Path(path.replace("\\", "/"))
        inner = Path(path.replace("\\", "/")[cut:])
        names = [Path(whole.parent.name) / whole.name, Path(whole.name)]
        if inner not in names:
            names.insert(0, inner)
        names = [name.with_suffix(".png") for name in names]
        mask = next((root / name for name in names if (root / name).is_file()), None)
        if mask is None:
            continue
        if mask in owners:
            raise OptionError(
                f"The mask '{mask}' would be that of '{owners[mask]}' and of '{path}'. Put masks "
                "into sub-folders of the photos' names."
            )
        masks[place], owners[mask] = mask, path
    if not masks:
        listed = " nor ".join(f"'{name}'" for name in names[-2:])
        raise OptionError(
            f"No photo has a mask in '{folder}': there is no {listed}, for example. Give each the "
            "photo's name, with .png."
        )
    return masks


def check_masks(folder: str | os.PathLike[str], paths: Sequence[str]) -> None:
    """Refuse masks that cannot be used, before the network runs: by the heads of the files.

    Raises:
        OptionError: as `find_masks`; or a mask is not a picture, or not of its photo's size.
    """
    for place, mask in find_masks(folder, paths).items():
        _check_size(mask, _size_of(mask), _photo_size(paths[place]), Path(paths[place]).name)


def read_mask(mask: Mask, size: tuple[int, int], photo: str) -> Bool[ndarray, "H W"]:
    """Return where the object is: where any channel but transparency is not zero.

    Args:
        mask: the file, or the array.
        size: (height, width) of the photo.
        photo: its name.

    Raises:
        OptionError: it cannot be read, or is of another size than the photo.
    """
    if not isinstance(mask, Path):
        _check_size("array", (*mask.shape[:2],), size, photo)
        return np.asarray(mask != 0) if mask.ndim == 2 else np.asarray((mask != 0).any(axis=2))
    _check_size(mask, _size_of(mask), size, photo)
    try:
        with Image.open(mask, formats=["PNG"]) as image:
            pixels = np.asarray(image)
            channels = len([getband for getband in image.getbands() if getband != "A"])
    except PNG_ERRORS as error:
        raise _unreadable(mask) from error
    return np.asarray(pixels != 0 if pixels.ndim == 2 else (pixels[..., :channels] != 0).any(2))


def _check_size(
    mask: Any, size: tuple[int, ...], wanted: tuple[int, ...] | None, photo: str
) -> None:
    if wanted is not None and size != wanted:
        which = "A mask" if isinstance(mask, str) else f"The mask '{mask}'"
        raise OptionError(
            f"{which} has {' × '.join(map(str, size))} pixels, and its photo '{photo}' "
            f"{wanted[0]} × {wanted[1]}. Give a mask of the photo's size."
        )


def _size_of(mask: Path) -> tuple[int, int]:
    try:
        with Image.open(mask, formats=["PNG"]) as image:
            return image.height, image.width
    except PNG_ERRORS as error:
        raise _unreadable(mask) from error


def _unreadable(mask: Path) -> OptionError:
    return OptionError(f"The mask '{mask}' is not a PNG that can be read. Save it again.")


def _photo_size(path: str) -> tuple[int, int] | None:
    """Return the height and width of a photo, upright; None where its head cannot be read."""
    try:
        with Image.open(path) as image:
            size = image.height, image.width
            return size[::-1] if image.getexif().get(0x0112) in TURNED_ORIENTATIONS else size
    except PNG_ERRORS:
        return None
