"""Files that Pillow does not open by itself: HEIC, DICOM, NumPy's arrays; NIfTI is refused by name.

They are told by their content, whatever their name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray

from seewhy.errors import PhotoError

FOREIGN_ENDINGS = (".heic", ".heif", ".dcm", ".dicom", ".npy", ".nii", ".nii.gz")
"""Their extensions in a folder: such a file is read, or a sentence says why not."""

HEAD_BYTES = 352
"""Bytes at the start of a file that tell what it is."""

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")

LARGEST_ARRAY = 89_478_485
"""Pixels of an array, as Pillow limits those of other photos."""


def is_heic(head: bytes) -> bool:
    """True for the start of a HEIC file."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS


def heic_format(name: str) -> str:
    """Return Pillow's name of the format HEIC, which pillow-heif adds.

    Raises:
        PhotoError: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(
            f"'{name}' is a HEIC photo, which needs pillow-heif. Install it: pip install "
            "pillow-heif, or convert the photo to JPEG."
        ) from error
    pillow_heif.register_heif_opener()
    return "HEIF"


def foreign_array(path: Path, head: bytes, name: str) -> Shaped[ndarray, "..."] | None:
    """Return the pixels of a file that holds an array; None for a file of another kind.

    Args:
        path: the file.
        head: its first `HEAD_BYTES` bytes.
        name: its name in errors.

    Raises:
        PhotoError: it needs a package, is damaged, or is no picture.
    """
    if head[344:347] in (b"n+1", b"ni1") or path.name.lower().endswith((".nii", ".nii.gz")):
        raise PhotoError(
            f"'{name}' is a NIfTI volume, and seewhy explains photos. Save the slices that your "
            "network takes as PNG (nibabel reads them)."
        )
    read = {b"DICM": _dicom}.get(head[128:132]) or {b"\x93NUMPY": _numpy}.get(head[:6])
    if read is None:
        return None
    try:
        return read(path, name)
    except PhotoError:
        raise
    except Exception as error:  # whatever a damaged file makes its library raise
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise PhotoError(
            f"'{name}' cannot be read: {reason[0][:200]}. It may be damaged."
        ) from error


def _numpy(path: Path, name: str) -> Shaped[ndarray, "..."]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_size(array.size, name)
    return np.array(array)


def _dicom(path: Path, name: str) -> UInt8[ndarray, "h w ..."]:
    """Return the first picture of a DICOM file in 8 bits, by its own window where it has one.

    Raises:
        PhotoError: pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise PhotoError(
            f"'{name}' is a DICOM file, which needs pydicom. Install it: pip install pydicom, or "
            "export the picture as an 8-bit PNG, with the window that shows what matters."
        ) from error
    data: Any = pydicom.dcmread(path)
    _check_size(int(data.Rows) * int(data.Columns) * int(data.get("NumberOfFrames", 1)), name)
    pixels = np.asarray(data.pixel_array)
    if int(data.get("NumberOfFrames", 1)) > 1:
        pixels = pixels[0]
    if pixels.ndim == 3:
        return np.asarray(pixels, np.uint8)
    values = pixels * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    low, high = _window(data) or (float(values.min()), float(values.max()))
    shares = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    if data.PhotometricInterpretation == "MONOCHROME1":  # high values are dark
        shares = 1 - shares
    return np.asarray(np.rint(255 * shares), np.uint8)


def _window(data: Any) -> tuple[float, float] | None:
    """Return the first window of a DICOM file as its lowest and highest value."""
    ends = [data.get(tag) for tag in ("WindowCenter", "WindowWidth")]
    if any(end is None for end in ends):
        return None
    centre, width = (float(end if np.isscalar(end) or not len(end) else end[0]) for end in ends)
    return centre - width / 2, centre + width / 2


def _check_size(pixels: int, name: str) -> None:
    if not 0 < pixels <= LARGEST_ARRAY:
        raise PhotoError(
            f"'{name}' has {pixels:,} values, and a photo may have up to {LARGEST_ARRAY:,}. "
            "Shrink it."
        )
