"""Photos that are damaged, hostile or not there: refused one by one, cheaply, and nothing else."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import PhotoError
from seewhy.photos.fitting import Fit
from seewhy.photos.reading import Photo, PhotoFailure, find_sources, read_photo, read_photos
from tests.fuzz.rule import peak, start_of_peak


def refused(source: object) -> str:
    with pytest.raises(PhotoError) as error:
        read_photo(source)
    return str(error.value)


def save(path: Path, size: tuple[int, int] = (12, 8)) -> Path:
    Image.new("RGB", size, "red").save(path)
    return path


def test_what_cannot_be_read_is_an_item_and_the_others_go_on(tmp_path: Path) -> None:
    good = save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no photo")
    (tmp_path / "empty").mkdir()
    pixels = np.zeros((4, 4, 3), np.uint8)
    sources = [
        tmp_path / "missing.jpg",
        good,
        f"{tmp_path}/*.webp",
        tmp_path / "empty",
        "http://a.b/c.png",
        tmp_path / "bad.png",
        "~nosuchuser/x.jpg",
        "nul\0byte.jpg",
        f"{'long' * 80}.jpg",
        np.zeros((2, 2, 7), np.uint8),
        pixels,
    ]
    items = list(read_photos(sources))
    assert [isinstance(one, Photo) for one in items] == [False, True, *[False] * 8, True]
    failures = [one for one in items if isinstance(one, PhotoFailure)]
    assert [one.name for one in failures] == [
        f"{tmp_path}/missing.jpg",
        f"{tmp_path}/*.webp",
        f"{tmp_path}/empty",
        "http://a.b/c.png",
        f"{tmp_path}/bad.png",
        "~nosuchuser/x.jpg",
        "nul\0byte.jpg",
        f"{'long' * 80}.jpg",
        "photo",
    ]
    assert failures[1].reason == (
        f"No file matches '{tmp_path}/*.webp'. Check the folder and the extension."
    )
    assert failures[5].reason == (
        "There is no file '~nosuchuser/x.jpg'. Check the path and its spelling."
    )
    assert failures[7].reason == f"'{'long' * 80}.jpg' cannot be read: File name too long."


def test_a_photo_that_cannot_be_fitted_is_an_item_too() -> None:
    thin = Photo(np.zeros((1, 60_000, 3), np.uint8), "thin.png")
    (failure,) = read_photos(thin, fit=Fit((224, 224), "crop"))
    assert isinstance(failure, PhotoFailure)
    assert failure.reason.startswith("'thin.png' is 1×60000 (height × width), too long and thin")
    assert list(read_photos(thin, fit=Fit((224, 224)))) == [thin]


def test_photos_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    stream = read_photos([save(tmp_path / "a.png"), save(tmp_path / "b.png")])
    assert next(stream).name == "a.png"
    (tmp_path / "b.png").unlink()
    assert isinstance(next(stream), PhotoFailure)


def test_no_source_at_all_is_an_error() -> None:
    with pytest.raises(PhotoError, match=r"^No photo was given\. Name at least one file"):
        find_sources([])


def test_a_folder_that_cannot_be_listed_is_an_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    (failure,) = read_photos(tmp_path)
    assert isinstance(failure, PhotoFailure)
    assert failure.reason == (
        f"The folder '{tmp_path}' cannot be listed: Permission denied. Check its permissions."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        assert refused(path) == (
            f"'{path}' is not a regular file but a pipe, a device or a socket. "
            "Save the photo to a file first."
        )


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
(ran) (FILE) file
%%EOF
"""


def test_only_promised_formats_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise AssertionError("Pillow started a program")

    for name in ("run", "Popen", "check_call", "call"):
        monkeypatch.setattr(subprocess, name, run)
    path = tmp_path / "photo.jpg"
    icns = io.BytesIO()
    Image.new("RGB", (64, 64)).save(icns, "ICNS")
    for content in (EPS, icns.getvalue(), b"%PDF-1.4\n", b"8BPS" + bytes(40)):
        path.write_bytes(content)
        assert refused(path).startswith(f"'{path}' is not an image in a format that seewhy reads.")


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF", "MPO"]
)
def test_every_promised_format_is_read(kind: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 100, 50)).save(content, kind)
    pixels = read_photo(content).pixels
    assert pixels.shape == (30, 40, 3)
    assert np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 4


def claiming(content: bytes, width: int, height: int) -> bytes:
    """Let a JPEG claim another size than it has."""
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", height, width) + content[start + 4 :]


def test_a_small_jpeg_that_claims_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(content, "JPEG")
    path = tmp_path / "claim.jpg"
    path.write_bytes(claiming(content.getvalue(), 9000, 9000))

    def load(_: object) -> None:
        raise AssertionError("the image was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    length = path.stat().st_size
    assert refused(path) == (
        f"'{path}' is damaged or truncated: its {length} bytes cannot hold the 9000×9000 pixels "
        "(width × height) that it claims. Get the file again."
    )
    with path.open("rb") as file:
        assert "cannot hold the 9000×9000 pixels" in refused(file)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("JPEG", {"progressive": True, "optimize": True}), ("PNG", {"optimize": True})],
)
def test_the_emptiest_honest_files_are_read(kind: str, settings: dict[str, bool]) -> None:
    for mode in ("L", "RGB") if kind == "JPEG" else ("1", "L"):
        content = io.BytesIO()
        Image.new(mode, (4096, 2048)).save(content, kind, **settings)
        assert read_photo(content).pixels.max() == 0


@pytest.mark.parametrize("filler", [b" ", b"#" + b"x" * 99 + b"\n", b"\n"])
def test_a_ppm_header_without_end_is_refused_at_once(tmp_path: Path, filler: bytes) -> None:
    path = tmp_path / "blank.ppm"
    path.write_bytes(b"P6\n" + filler * (5_000_000 // len(filler)))
    started = time.process_time()
    assert refused(path) == (
        f"'{path}' is damaged: its header does not give a width and height. Get the file again."
    )
    assert time.process_time() - started < 0.5


def test_a_ppm_file_with_comments_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.ppm"
    path.write_bytes(b"P6 # made by hand\n# two of them\n2 1\n255\n" + bytes([9, 8, 7, 6, 5, 4]))
    assert read_photo(path).pixels.tolist() == [[[9, 8, 7], [6, 5, 4]]]


def test_a_stream_that_cannot_be_rewound_is_read() -> None:
    content = io.BytesIO()
    Image.new("RGB", (5, 4), "blue").save(content, "PNG")

    class Stream:
        def read(self, size: int = -1) -> bytes:
            return content.read(size)

    content.seek(0)
    assert read_photo(Stream()).pixels.shape == (4, 5, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux allows any bytes in a name")
def test_a_name_that_is_not_text_is_read(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    save(Path(path))
    assert read_photo(path).name == "caf\udce9.png"


def parts(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a RIFF file."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp_of_a_small_frame(side: int) -> bytes:
    """Return an animation whose one frame is a single pixel of a large canvas."""
    still = io.BytesIO()
    Image.new("RGBA", (1, 1), (1, 2, 3, 4)).save(still, "WEBP", lossless=True)
    content = still.getvalue()
    start = content.index(b"VP8L")
    (length,) = struct.unpack("<I", content[start + 4 : start + 8])
    size = struct.pack("<I", side - 1)[:3]
    frame = bytes(12) + struct.pack("<I", 100)[:3] + b"\0"
    frame += parts(b"VP8L", content[start + 8 : start + 8 + length])
    return parts(
        b"RIFF",
        b"WEBP"
        + parts(b"VP8X", bytes([0x12, 0, 0, 0]) + size + size)
        + parts(b"ANIM", bytes(6))
        + parts(b"ANMF", frame),
    )


def test_a_small_frame_on_a_large_canvas_is_refused_before_it_takes_memory() -> None:
    small = read_photo(io.BytesIO(webp_of_a_small_frame(50))).pixels
    assert small.shape == (50, 50, 3)
    before = start_of_peak()
    assert refused(io.BytesIO(webp_of_a_small_frame(9400))).startswith(
        "'photo' is damaged or truncated: its 102 bytes cannot hold the 9400×9400 pixels"
    )
    assert peak() - before < 5e7


def test_a_webp_that_is_padded_takes_no_more_than_its_share() -> None:
    before = start_of_peak()
    assert refused(io.BytesIO(webp_of_a_small_frame(9400) + bytes(100_000))) == (
        "'photo' is too large to be read safely: decoding its 9400×9400 pixels as WEBP takes "
        "1.4 GB of memory. Shrink it, save it as PNG, or raise PIL.Image.MAX_IMAGE_PIXELS if you "
        "trust the file."
    )
    assert peak() - before < 5e7


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("RGBA", (200, 30, 40, 128)), ("LA", (90, 100)), ("I;16", 9000), ("F", 0.25), ("LAB", 7),
     ("CMYK", (1, 2, 3, 4)), ("P", 3), ("1", 1)],
)  # fmt: skip
def test_a_large_tiff_is_read_in_strips(tmp_path: Path, mode: str, colour: Any) -> None:
    path = tmp_path / "large.tif"
    kind = "PNG" if mode in ("LA", "P") else "TIFF"
    more = {"transparency": 3} if mode == "P" else {}
    size = (4096, 5003)
    for one in ((3, 2), size):
        image = Image.new(mode, one, colour)
        if mode == "P":
            image.putpalette(list(range(30)))
        image.save(path, kind, **more)
        image.close()
        before = start_of_peak()
        pixels = read_photo(path).pixels
        if one == (3, 2):
            colours = pixels[0, 0]
    assert pixels.shape == (5003, 4096, 3)
    assert (pixels == colours).all()
    assert peak() - before < 11 * 4096 * 5003  # bytes per pixel: Pillow's four, our three, a strip


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
    )


@pytest.mark.parametrize("kind", ["PNG", "PNG after", "GIF", "JPEG", "JPEG2000"])
def test_a_header_of_a_million_parts_is_refused_soon(kind: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (5, 4), "blue").save(content, kind.partition(" ")[0])
    whole = content.getvalue()
    many, place = {
        "PNG": (png_chunk(b"teXt") * 1_000_000, 33),
        "PNG after": (png_chunk(b"teXt") * 1_000_000, len(whole) - 12),
        "GIF": (b"!\xfe" + (b"\xff" + b"x" * 255) * 60_000 + b"\0", whole.find(b",")),
        "JPEG": (b"\xff\xe9\0\2" * 3_000_000, 2),
        "JPEG2000": (b"\0\0\0\x08free" * 1_000_000, 12),
    }[kind]
    assert read_photo(io.BytesIO(whole)).pixels.shape == (4, 5, 3)
    started = time.process_time()
    message = refused(io.BytesIO(whole[:place] + many + whole[place:]))
    assert time.process_time() - started < 2
    if kind != "JPEG2000":
        assert message == (
            "'photo' is damaged: its header has too many parts. Get the file again, or save it "
            "again with an image editor."
        )
