"""Read archives and other libraries' messages from files that may be damaged or hostile."""

from __future__ import annotations

import mmap
import re
import zipfile
import zlib
from pathlib import Path

from seewhy.errors import ModelError

LARGEST_TEXT = 2**26
"""Bytes that a configuration or metadata may unpack to."""

LARGEST_BLANK = 2**28
"""Bytes that any archive may unpack to, however small it is."""

LARGEST_RATIO = 100
"""The largest ratio of content to archive beyond that; weights hardly compress."""

HEAP = b"GCOL\x01\0\0\0"
"""How a global heap, of version 1, begins in an HDF5 file."""

HEAP_HEADER = 16
"""Bytes of the header of a heap, and of each object in it."""

DAMAGED_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    ValueError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # encrypted
)
"""What `zipfile` raises for a damaged archive."""

UNSAFE_ADVICE = re.compile(
    r"weights_only|safe_mode|unsafe|allow_pickle|arbitrary code|trust|untrusted", re.IGNORECASE
)
"""Signs of other libraries' advice to run the code in a file, which is not passed on."""


def first_line(error: BaseException) -> str:
    """Return the first line of another library's message, ended by a full stop, without advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sentences = re.split(r"(?<=[.!?])\s+", lines[0]) if lines else []
    line = " ".join(sentence for sentence in sentences if not UNSAFE_ADVICE.search(sentence))
    line = line or type(error).__name__
    line = line if len(line) <= 300 else line[:297] + "..."
    return line if line.endswith((".", "!", "?")) else f"{line}."


def opened_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive, unless its unpacked size is implausibly large.

    Raises:
        ModelError: it is not a zip archive, or is made to exhaust memory.
        and the errors in DAMAGED_ARCHIVE.
    """
    archive = zipfile.ZipFile(path)
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(LARGEST_BLANK, LARGEST_RATIO * path.stat().st_size):
        archive.close()
        raise ModelError(
            f"'{path}' would unpack to {unpacked / 1e9:.1f} GB, far more than its "
            f"{path.stat().st_size / 1e6:.1f} MB can plausibly contain. Get the file again from a "
            "source that you trust."
        )
    return archive


def refuse_endless_heaps(path: Path) -> None:
    """Refuse an HDF5 file whose global heap the HDF5 library would read for ever.

    A heap is a header of 16 bytes (`GCOL`, version 1, three zeros, its size) and objects, each
    with a header of 16 bytes (number, references, four zeros, size). The library goes from object
    to object without checking that it moved on. In a damaged heap it stays for ever, and Python
    cannot interrupt it. An archive that stores its HDF5 file uncompressed, as Keras does, is
    searched likewise.

    Raises:
        ModelError: an object in a heap has no length, or ends outside of its heap.
        OSError: the file cannot be read.
    """
    if path.stat().st_size < HEAP_HEADER:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(HEAP)
        while start >= 0:
            if not _ends(content, start):
                raise ModelError(
                    f"'{path}' is damaged: a heap in it has no end. Copy or download it again."
                )
            start = content.find(HEAP, start + len(HEAP))


def _ends(content: mmap.mmap, start: int) -> bool:
    size = int.from_bytes(content[start + 8 : start + HEAP_HEADER], "little")
    end = start + size
    if end > len(content):
        return True  # the library sees that itself
    place = start + HEAP_HEADER
    while place + HEAP_HEADER <= end:
        number = int.from_bytes(content[place : place + 2], "little")
        length = int.from_bytes(content[place + 8 : place + HEAP_HEADER], "little")
        # Object 0 is the free space; its length includes its header.
        step = length if number == 0 else HEAP_HEADER + (length + 7) // 8 * 8
        if step == 0 or place + step > end:
            return False
        place += step
    return True


def member_text(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a small member of an archive: a configuration, or metadata.

    Raises:
        ValueError: the member is too large.
        and the errors in DAMAGED_ARCHIVE.
    """
    size = archive.getinfo(name).file_size
    if size > LARGEST_TEXT:
        raise ValueError(f"{name} would unpack to {size / 1e6:.0f} MB")
    return archive.read(name)
