"""Where runs and photos are: a folder of this machine, or what Arrow or fsspec opens.

A local file is written beside its place, flushed to the disk and renamed; elsewhere a file is
written by a single put, which object stores make visible only when it is whole. A store that does
not answer is not waited for: see `within`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import queue
import re
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

from seewhy.datasets.arrow import arrow
from seewhy.errors import OptionError, OutputError

TEMPORARY = ".tmp-"
"""How the names of unfinished files start."""


def is_address(text: str) -> bool:
    """True for 's3://bucket/key' and its like, which are not paths of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


LONGEST_SILENCE = 60.0
"""Seconds for which a store may give no answer."""

REMEMBERED_SECONDS = 60.0
"""Seconds for which a store that could not be reached is not tried again."""

SLOWEST_RATE = 2**17
"""Bytes in a second that a store takes at least."""

CHUNK = 2**22
"""Bytes that are read at once."""

R = TypeVar("R")

_LOST_STORES: dict[str, float] = {}
"""Stores that gave no answer, and when."""


def within(address: str, work: Callable[[], R], seconds: float | None = None) -> R:
    """Return what a store answers, or stop waiting; the thread that waits is left behind.

    Args:
        address: whom it is asked of: one that gave no answer is not asked again for a while.
        work: asks it.
        seconds: after which the answer is not waited for; by default `LONGEST_SILENCE`.

    Raises:
        TimeoutError: there is no answer.
    """
    limit = LONGEST_SILENCE if seconds is None else seconds
    scheme, _, rest = address.partition("://")
    store = f"{scheme}://{rest.partition('/')[0]}"
    silent = TimeoutError(f"there was no answer within {limit:.0f} seconds")
    if time.monotonic() - _LOST_STORES.get(store, -REMEMBERED_SECONDS) < REMEMBERED_SECONDS:
        raise silent
    answers: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # noqa: BLE001  (it is raised where it was asked)
            answers.put((None, error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        result, error = answers.get(timeout=limit)
    except queue.Empty:
        _LOST_STORES[store] = time.monotonic()
        raise silent from None
    if error is not None:
        raise error
    return cast(R, result)


@functools.lru_cache(maxsize=16)
def _file_system(scheme: str, host: str) -> Any:
    """Return Arrow's file system for an address, its own or one of fsspec's.

    Raises:
        OptionError: nothing opens such an address.
        OSError: it cannot be reached.
    """
    fs = arrow("fs")
    address = f"{scheme}://{host}"
    if scheme == "s3":
        return within(address, lambda: _s3(host))
    # Otherwise Google's library tries for 15 minutes to find out who asks.
    options = f"?retry_limit_seconds={LONGEST_SILENCE / 2:.0f}" if scheme in ("gs", "gcs") else ""
    with contextlib.suppress(ValueError, arrow().ArrowException):
        return within(address, lambda: fs.FileSystem.from_uri(address + options)[0])
    try:
        import fsspec

        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError) as error:
        raise OptionError(
            f"No file system opens '{address}': {error}. Give a path, s3://..., gs://..., or an "
            "address that an installed fsspec package opens."
        ) from error


def _s3(bucket: str) -> Any:
    """Return Arrow's file system for a bucket, which gives up after two tries."""
    fs = arrow("fs")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    is_told = host or "AWS_REGION" in os.environ or "AWS_DEFAULT_REGION" in os.environ
    return fs.S3FileSystem(
        region=None if is_told else fs.resolve_s3_region(bucket),
        endpoint_override=host.rstrip("/") or None,
        scheme=scheme or None,
        # Without a delay, Arrow starts every upload to S3 in three requests.
        allow_delayed_open=True,
        connect_timeout=LONGEST_SILENCE / 6,
        request_timeout=LONGEST_SILENCE / 3,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
    )


def open_address(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path in it.

    Raises:
        OptionError, OSError: as `_file_system`.
    """
    scheme, _, rest = address.partition("://")
    return _file_system(scheme, rest.partition("/")[0]), rest


def read_bytes(place: str) -> bytes:
    """Return the content of a path or an address.

    Raises:
        OptionError: nothing opens such an address.
        OSError: it cannot be read.
    """
    if not is_address(place):
        return Path(place).read_bytes()
    system, path = open_address(place)
    stream = within(place, lambda: system.open_input_stream(path))
    parts = []
    while part := within(place, lambda: bytes(stream.read(CHUNK))):
        parts.append(part)
    within(place, stream.close)
    return b"".join(parts)


@contextlib.contextmanager
def _reached(place: str) -> Iterator[None]:
    """Turn what a store does not do into one sentence.

    Raises:
        OutputError: it cannot be reached, or refuses; a missing file is left as it is.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OutputError(
            f"'{place}' cannot be reached: {str(error).rstrip('.')}. Check the address, the "
            "network and your rights."
        ) from error


@dataclass(frozen=True)
class Folder:
    """A folder of results.

    Attributes:
        place: its path or address.
    """

    place: str

    @classmethod
    def of(cls, place: str | os.PathLike[str]) -> Folder:
        """Return the folder of a path, made absolute, or of an address."""
        text = os.fspath(place)
        if is_address(text):
            return cls(text.rstrip("/"))
        return cls(str(Path(text).expanduser().absolute()))

    @property
    def is_local(self) -> bool:
        """True for a folder of this machine."""
        return not is_address(self.place)

    def child(self, name: str) -> str:
        """Return the place of a file in the folder."""
        return f"{self.place}/{name}" if not self.is_local else str(Path(self.place, name))

    def names(self) -> list[str]:
        """List the files in the folder, hidden ones too; none where there is no folder."""
        if self.is_local:
            here = Path(self.place)
            return sorted(entry.name for entry in here.iterdir()) if here.is_dir() else []
        with _reached(self.place):
            system, path = open_address(self.place)
            selector = arrow("fs").FileSelector(path, allow_not_found=True)
            infos = within(self.place, lambda: system.get_file_info(selector))
        return sorted(PurePosixPath(info.path).name for info in infos)

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: it is not there, or cannot be read.
            OutputError: a store cannot be reached, or it is a link.
        """
        if self.is_local:
            return read_bytes(self.own_file(name))
        with _reached(self.child(name)):
            return read_bytes(self.child(name))

    def own_file(self, name: str) -> str:
        """Return the path of a file of this folder itself: a link in it leads nowhere.

        Raises:
            OSError: it is not there.
            OutputError: it is a link, a pipe or a device.
        """
        path = Path(self.place, name)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OutputError(
                f"'{path}' is a link, or no regular file, and a run may come from anybody: seewhy "
                "opens only files that are in its folder themselves. Put the file itself there."
            )
        return str(path)

    def write(self, name: str, content: bytes) -> None:
        """Write a file: afterwards it is there whole, or not at all.

        Raises:
            OutputError: it cannot be written; what was there before is untouched.
        """
        try:
            if self.is_local:
                self._write_local(name, content)
            else:
                self._put(name, content)
        except OSError as error:
            reason = str(error.strerror or error).rstrip(".")
            raise OutputError(
                f"'{self.child(name)}' cannot be written: {reason}. What was finished before is "
                "kept: make room, or allow writing, and run the same again."
            ) from error

    def _put(self, name: str, content: bytes) -> None:
        system, path = open_address(self.child(name))

        def put() -> None:
            with system.open_output_stream(path) as stream:
                stream.write(content)

        seconds = LONGEST_SILENCE + len(content) / SLOWEST_RATE
        try:
            within(self.place, put, seconds)
        except FileNotFoundError:  # no folder yet; object stores need none
            above = path.rpartition("/")[0]
            within(self.place, lambda: system.create_dir(above, recursive=True))
            within(self.place, put, seconds)

    def _write_local(self, name: str, content: bytes) -> None:
        folder = Path(self.place)
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{name}"
        try:
            with beside.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(folder / name)
        finally:
            beside.unlink(missing_ok=True)
        # The new name is on the disk only when the folder is.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        if self.is_local:
            Path(self.place, name).unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError), _reached(self.child(name)):
            system, path = open_address(self.child(name))
            within(self.place, lambda: system.delete_file(path))

    def remove_temporary(self) -> None:
        """Remove what an interrupted run has left unfinished."""
        for name in self.names():
            if name.startswith(TEMPORARY):
                self.remove(name)


def table_bytes(table: Any, **options: Any) -> bytes:
    """Return an Arrow table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    arrow("parquet").write_table(table, sink, compression="zstd", **options)
    return sink.getvalue()


def read_table(content: bytes) -> Any:
    """Return the Arrow table that the bytes of a Parquet file hold."""
    return arrow("parquet").read_table(io.BytesIO(content))
