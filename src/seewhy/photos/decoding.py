"""Turn image files of the supported formats, and arrays, into upright 8-bit RGB pixels.

Files are not trusted: a decoder runs only on a regular file of a supported format whose header
ends and whose size in bytes is plausible for the pixels that it claims.

Axes: h row, w column, c channel. Colour profiles are ignored, as in torchvision and Keras:
networks were trained on the numbers in the file.
"""

from __future__ import annotations

import contextlib
import io
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from seewhy.errors import PhotoError, SeewhyWarning
from seewhy.photos.foreign import HEAD_BYTES, foreign_array, heic_format, is_heic
from seewhy.photos.guards import WatchedFile, check_claim, in_strips

FORMATS = (
    "JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "TGA",
)  # fmt: skip
"""Pillow's names of the formats that are opened. Others can start programs (EPS: Ghostscript)."""

HEADER_LENGTH = 4096
"""Bytes within which the header of a PPM file, comments included, must end."""

PPM_HEADER = re.compile(rb"P[1-6fF](?:(?:\s|#[^\n]*\n)+\d[\d.]*){2}")

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for damaged files, and (an assertion) for closed ones."""

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of TIFF and BigTIFF files."""

BITS_8, BITS_12 = 255, 4095
"""The largest values of 8 and of 12 bits."""

_FILTERS = threading.Lock()
"""Python's warning filters are one per process, not per thread."""


def decode_file(source: Any, name: str) -> UInt8[ndarray, "h w 3"]:
    """Read the first picture of a file.

    Args:
        source: a path, or a binary file, which is read from its start and left open.
        name: its name in errors.

    Raises:
        PhotoError: it is missing, empty, truncated, not an image, or too large to decode safely.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(source, Path):
            path, head = source, b""
            with contextlib.suppress(OSError, ValueError):  # which `opened` tells; a name with NUL
                if stat.S_ISREG(path.stat().st_mode):
                    source = stack.enter_context(path.open("rb"))
                    head = source.read(HEAD_BYTES)
            array = foreign_array(path, head, name)
            if array is not None:
                return decode_array(array, f"'{name}'")
        with opened(source, name) as image:
            return decode_image(image, name, is_ours=True)


@contextlib.contextmanager
def opened(source: Any, name: str) -> Iterator[Image.Image]:
    """Yield the picture of a file, of which only the header is read and checked.

    Args:
        source: a path, or a binary file, which is read from its start and left open.
        name: its name in errors.

    Raises:
        PhotoError: as `decode_file`.
    """
    with contextlib.ExitStack() as stack:
        try:
            if isinstance(source, Path):
                if not stat.S_ISREG(source.stat().st_mode):
                    raise PhotoError(_irregular(source, name))
                file: Any = stack.enter_context(source.open("rb"))
            else:
                file = _seekable(source)
            length = file.seek(0, 2)
            file.seek(0)
            if length == 0:
                raise PhotoError(f"'{name}' is empty (0 bytes). Get the file again.")
            _check_header(file, name)
            watched = WatchedFile(file, length, name)
            formats = [heic_format(name)] if is_heic(file.read(16)) else _formats()
            file.seek(0)
            with _quiet_pillow():
                image = Image.open(watched, formats=formats)
            watched.opened(image)
        except PhotoError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise PhotoError(
                f"'{name}' is too large to be read safely: {str(error).split(',')[0]}. "
                "Shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file."
            ) from error
        except FileNotFoundError as error:
            raise PhotoError(
                f"There is no file '{name}'. Check the path and its spelling."
            ) from error
        except UnidentifiedImageError as error:
            file.seek(0)
            raise PhotoError(_unidentified(file.read(4), name)) from error
        except DECODER_ERRORS as error:
            raise PhotoError(_unreadable(name, error)) from error
        check_claim(image, length, name)
        yield image


def decode_image(
    image: Image.Image, name: str, *, is_ours: bool = False
) -> UInt8[ndarray, "h w 3"]:
    """Turn a Pillow image of any mode into upright RGB; transparency becomes white.

    16-bit grey is scaled by 255 / 65535. For an animation, the current frame is used.

    Args:
        image: it is not modified, unless `is_ours`.
        name: its name in errors.
        is_ours: the image is not used elsewhere: it may be rotated in place, which saves a copy.

    Raises:
        PhotoError: the data is damaged, or its values cannot be mapped to 0..255.
    """
    try:
        image.load()
        with _quiet_pillow():
            upright = _upright(image, is_ours)
        if upright.mode == "F" or upright.mode.startswith("I"):
            scale = _scale_of_grey(upright, name)
            return in_strips(upright, lambda strip: decode_array(scale(strip), f"'{name}'"))
        if upright.mode == "LAB":
            return in_strips(upright, _rgb_from_lab)
        if upright.has_transparency_data:
            return in_strips(upright, _over_white)
        return in_strips(upright, _as_rgb)
    except PhotoError:
        raise
    except DECODER_ERRORS as error:
        raise PhotoError(_unreadable(name, error)) from error


def _as_rgb(image: Image.Image) -> UInt8[ndarray, "h w 3"]:
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _over_white(image: Image.Image) -> UInt8[ndarray, "h w 3"]:
    upper = image.convert("RGBA")
    white = Image.new("RGBA", upper.size, "white")
    return np.asarray(Image.alpha_composite(white, upper).convert("RGB"))


def _scale_of_grey(
    image: Image.Image, name: str
) -> Callable[[Image.Image], Shaped[ndarray, "h w"]]:
    """Return what turns a strip of grey values into floats in 0..1 or 16-bit numbers.

    Raises:
        PhotoError: the values of the whole image are in neither range.
    """
    low, high = map(float, np.ravel(image.getextrema()))
    if image.mode == "F":
        _check_floats(low, high, f"'{name}'")
        return np.asarray
    if low < 0 or high > 65535:
        raise PhotoError(
            f"'{name}' contains grey values from {low:.0f} to {high:.0f}; 16-bit grey is in "
            "0..65535. Scale it, and save it as 8-bit or 16-bit grey."
        )
    if BITS_8 < high <= BITS_12:
        warnings.warn(
            f"'{name}' is 16-bit grey with no value above {high:.0f} of 65535, so it is nearly "
            "black: it looks like 12 bits that were not scaled. Multiply its values by 16, or save "
            "it with 8 bits.",
            SeewhyWarning,
            stacklevel=2,
        )
    return lambda strip: np.asarray(strip).astype(np.uint16)


def decode_array(array: Shaped[ndarray, "..."], name: str) -> UInt8[ndarray, "h w 3"]:
    """Turn an array into RGB: grey (h, w) or (h, w, 1), RGB, or RGBA, which is laid over white.

    Args:
        array: uint8 in 0..255, uint16 in 0..65535, or floats in 0..1.
        name: its name in errors.

    Raises:
        PhotoError: the shape or dtype is another one, or floats are outside 0..1.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise PhotoError(_wrong_shape(array.shape, name))
    grey = array[..., None] if array.ndim == 2 else array
    if grey.shape[2] not in (1, 3, 4):
        raise PhotoError(_wrong_shape(array.shape, name))
    pixels = _bytes_from_values(grey, name)
    if pixels.shape[2] == 4:
        return decode_image(Image.fromarray(pixels), name)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _bytes_from_values(array: Shaped[ndarray, "h w c"], name: str) -> UInt8[ndarray, "h w c"]:
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype == np.uint16:
        return np.asarray(np.rint(array / 257), dtype=np.uint8)  # 65535 = 255 · 257
    if array.dtype.kind != "f":
        raise PhotoError(
            f"{name} has values of type {array.dtype}. Give uint8 in 0..255, uint16 in 0..65535, "
            "or floats in 0..1."
        )
    _check_floats(float(array.min()), float(array.max()), name)
    return np.asarray(np.rint(np.clip(array, 0, 1) * np.float64(255)), dtype=np.uint8)


def _check_floats(low: float, high: float, name: str) -> None:
    # A last digit beyond 0..1 is rounding, as image libraries produce it; NaN is invalid.
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        raise PhotoError(
            f"{name} contains floats from {low:.4g} to {high:.4g}; floats of a photo are in 0..1. "
            "Divide by 255, undo the preprocessing, or give uint8."
        )


def _upright(image: Image.Image, is_ours: bool) -> Image.Image:
    if is_ours:
        ImageOps.exif_transpose(image, in_place=True)
        return image
    return ImageOps.exif_transpose(image)


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    """Return the FORMATS that this Pillow supports."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _seekable(source: Any) -> Any:
    """Return a binary file that can be read twice: itself, or the rest of a stream in memory."""
    try:
        source.seek(0)
    except (AttributeError, io.UnsupportedOperation):
        return io.BytesIO(source.read())
    return source


def _unidentified(start: bytes, name: str) -> str:
    if start in TIFF_STARTS:
        return (
            f"'{name}' is a TIFF file whose bands or numbers seewhy does not read: it reads grey, "
            "RGB and RGBA of 8 bits, and grey and RGB of 16. Save three of its bands as RGB."
        )
    return (
        f"'{name}' is not an image in a format that seewhy reads. Give a JPEG, PNG, WebP, AVIF, "
        "TIFF, BMP, GIF, JPEG 2000, TGA or PPM file; convert others (HEIC) to JPEG first."
    )


def _check_header(file: Any, name: str) -> None:
    """Refuse a PPM file whose header does not end, which Pillow would read byte by byte.

    Raises:
        PhotoError: the header is longer than HEADER_LENGTH.
    """
    start = file.read(HEADER_LENGTH)
    file.seek(0)
    if re.match(rb"P[1-6fFy]\s", start) and PPM_HEADER.match(start) is None:
        raise PhotoError(
            f"'{name}' is damaged: its header does not give a width and height. Get the file again."
        )


def _irregular(path: Path, name: str) -> str:
    if path.is_dir():
        return f"'{name}' is a folder, not a photo. Give the photos in it: find_photos lists them."
    return (
        f"'{name}' is not a regular file but a pipe, a device or a socket. "
        "Save the photo to a file first."
    )


def _wrong_shape(shape: tuple[int, ...], name: str) -> str:
    wanted = "photos are (height, width, 3), or (height, width) for grey"
    if len(shape) == 4:
        advice = "Of a batch, give the photos one by one: list(array)."
    elif len(shape) == 3 and shape[0] in (1, 3, 4) and 0 not in shape:
        advice = "Move the channels last: array.transpose(1, 2, 0)."
    else:
        advice = "Give 1, 3 (RGB) or 4 (RGBA) channels, last."
    return f"{name} has the shape {shape}; {wanted}. {advice}"


def _rgb_from_lab(image: Image.Image) -> UInt8[ndarray, "h w 3"]:
    """Convert CIE L*a*b*, for which Pillow's own `convert` has no rule."""
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    return np.asarray(ImageCms.applyTransform(image, transform))


def _unreadable(name: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"'{name}' cannot be read: {error.strerror}."
    reason = str(error).rstrip(".") or "it was closed before it was read"
    return (
        f"'{name}' is damaged or truncated: {reason}. "
        "Get the file again, or save it again with an image editor."
    )


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Turn decompression-bomb warnings into errors, and ignore warnings about odd metadata."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
