"""Stores without a network, without an answer, without rights: one sentence, in bounded time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import seewhy
from seewhy.datasets import storage
from seewhy.errors import OptionError, OutputError, PhotoError, UnknownModel
from tests.datasets.made import classifier, save_photos

NEVER = 1.0


@pytest.fixture
def silent_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Listen, and accept nothing: whoever connects waits for ever; yields its address."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.setattr(storage, "LONGEST_SILENCE", NEVER)
    monkeypatch.setattr(storage, "_LOST_STORES", {})
    storage._file_system.cache_clear()
    yield "s3://silent"
    server.close()
    storage._file_system.cache_clear()


def test_a_store_that_never_answers_is_told_and_not_asked_again(
    tmp_path: Path, silent_store: str
) -> None:
    photos = save_photos(tmp_path / "photos", 1)
    reason = "there was no answer within 1 seconds"
    with pytest.raises(PhotoError) as raised:
        seewhy.batch(classifier(), f"{silent_store}/photos", tmp_path / "run", top=1)
    assert str(raised.value) == (
        f"'s3://silent/photos' cannot be listed: {reason}. Check the address, the network and "
        "your rights."
    )
    with pytest.raises(OutputError) as said:
        seewhy.batch(classifier(), photos, f"{silent_store}/run", top=1)
    assert str(said.value) == (
        f"'s3://silent/run' cannot be reached: {reason}. Check the address, the network and your "
        "rights."
    )
    with pytest.raises(OutputError, match="cannot be reached"):
        seewhy.read_run(f"{silent_store}/run")
    names = "".join(f"{silent_store}/{number}.png\n" for number in range(50))
    (tmp_path / "list.txt").write_text(f"{photos[0]}\n{names}")
    started = time.monotonic()
    run = seewhy.batch(classifier(), tmp_path / "list.txt", tmp_path / "run", top=1)
    assert run.counts["failed"] == 50
    assert {row.error for row in run.failures if "/7.png" in row.path} == {
        f"'s3://silent/7.png' cannot be read: {reason}. Check the address, the network and your "
        "rights."
    }
    assert time.monotonic() - started < 25  # 50 photos that are asked for would take 50 s


def test_a_store_that_falls_silent_while_a_photo_is_read_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream:
        def __init__(self) -> None:
            self.parts = [b"one", b"two"]

        def read(self, _: int) -> bytes:
            if not self.parts:
                time.sleep(60)
            return self.parts.pop(0)

    class Store:
        def open_input_stream(self, _: str) -> Stream:
            return Stream()

    monkeypatch.setattr(storage, "LONGEST_SILENCE", 0.2)
    monkeypatch.setattr(storage, "_file_system", lambda *_: Store())
    with pytest.raises(TimeoutError, match=r"^there was no answer within 0 seconds$"):
        storage.read_bytes("s3://a/b.png")


def test_what_a_store_refuses_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError("AWS Error ACCESS_DENIED during HeadBucket operation.")

    monkeypatch.setattr(storage, "_file_system", refuse)
    monkeypatch.setattr(storage, "_LOST_STORES", {})
    photos = save_photos(tmp_path / "photos", 1)
    with pytest.raises(OutputError) as raised:
        seewhy.batch(classifier(), photos, "s3://theirs/run", top=1)
    assert str(raised.value) == (
        "'s3://theirs/run' cannot be reached: AWS Error ACCESS_DENIED during HeadBucket "
        "operation. Check the address, the network and your rights."
    )


def test_google_is_not_asked_for_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def from_uri(address: str) -> tuple[str, str]:
        asked.append(address)
        return "a store", ""

    fs = SimpleNamespace(
        FileSystem=SimpleNamespace(from_uri=from_uri), ArrowException=ArithmeticError
    )
    monkeypatch.setattr(storage, "arrow", lambda _="": fs)
    assert storage._file_system.__wrapped__("gs", "nothing") == "a store"
    assert asked == ["gs://nothing?retry_limit_seconds=30"]


def test_an_address_that_nothing_opens_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^No file system opens 'nosuch://x': .*Give a path"):
        seewhy.batch(classifier(), "nosuch://x/photos", tmp_path / "run", top=1)


@pytest.mark.parametrize("address", ["s3://b/net.keras", "gs://b/net.onnx", "https://h/net.pt"])
def test_a_network_at_an_address_is_refused(address: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        seewhy.load(address)
    assert str(raised.value) == (
        f"'{address}' is an address; seewhy loads networks from files only. Download it first."
    )
