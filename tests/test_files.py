"""Files: whole or not at all, nothing left over, and small ones read safely."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seewhy import files
from seewhy.errors import OptionError, OutputError
from seewhy.files import (
    Inputs,
    UniqueStems,
    in_one_direction,
    is_file,
    parse_json,
    read_text,
    write_whole,
    written_whole,
)

ADVICE = "Give a text file."


@pytest.fixture(autouse=True)
def _unswept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_SWEPT_FOLDERS", set())


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "a.txt", b"old")

    def write_half() -> None:
        with written_whole(path) as beside:
            beside.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_that_a_file_can_have_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 251}.png"
    assert write_whole(path, b"whole") == path
    assert path.read_bytes() == b"whole"
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        write_whole(tmp_path / f"{'n' * 300}.png", b"")


KILLED = """
import os, signal, sys
from seewhy.files import written_whole
with written_whole(sys.argv[1]) as beside:
    beside.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are looked up on POSIX systems only")
def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a.png")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".png"
    write_whole(tmp_path / "b.png", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_what_others_are_writing_is_left_alone(tmp_path: Path) -> None:
    host = files._host()
    fresh = tmp_path / ".seewhy-00000000-1-abc.png"  # of another machine
    old = tmp_path / ".seewhy-00000001-1-abc.png"
    alive = tmp_path / f".seewhy-{host}-{os.getppid()}-abc.png"
    theirs = tmp_path / ".seewhy-is-a-nice.png"
    for path in (fresh, old, alive, theirs):
        path.touch()
    long_ago = time.time() - 2 * files.LEFT_OVER_AGE
    for path in (old, alive, theirs):
        os.utime(path, (long_ago, long_ago))
    write_whole(tmp_path / "b.png", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in (fresh, alive, theirs)),
        "b.png",
    }


def test_text_is_read_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcat")
    assert read_text(path, what="The labels", advice=ADVICE) == "cat"


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in (
        (latin, f"The labels {latin} are not text in UTF-8. {ADVICE}"),
        (pipe, f"The labels {pipe} cannot be read: it is a pipe or a device, not a file. {ADVICE}"),
        (tmp_path, f"The labels {tmp_path} cannot be read: it is a folder, not a file. {ADVICE}"),
        (
            tmp_path / "b",
            f"The labels {tmp_path / 'b'} cannot be read: No such file or directory. {ADVICE}",
        ),
        ("n" * 300, f"The labels {'n' * 300} cannot be read: File name too long. {ADVICE}"),
        ("a\0b", f"The labels a\0b cannot be read: embedded null byte. {ADVICE}"),
    ):
        with pytest.raises(OptionError) as error:
            read_text(path, what="The labels", advice=ADVICE)
        assert str(error.value) == reason


def test_names_that_no_file_can_have_are_no_files(tmp_path: Path) -> None:
    assert is_file(__file__)
    assert not any(map(is_file, (tmp_path, "n" * 300, "a\0b", tmp_path / "missing")))


def test_json_that_is_nested_too_deeply_is_not_json() -> None:
    assert parse_json('{"a": [1]}') == {"a": [1]}
    for text in ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "{", "\ud800"):
        with pytest.raises(ValueError, match=r"."):
            parse_json(text)


def test_stems_are_unique_in_linear_time_even_where_names_have_inner_dots() -> None:
    stems = UniqueStems()
    assert [stems.of(name) for name in ("z.2023.01.jpg", "z.2023.01.png", "Z.2023.01.jpg")] == [
        "z.2023.01",
        "z.2023.01-2",
        "Z.2023.01-3",
    ]
    assert stems.of("z.2023.01-2.jpg") == "z.2023.01-2-2"
    started = time.process_time()
    names = {stems.of("same.jpg") for _ in range(100_000)}
    assert len(names) == 100_000
    assert time.process_time() - started < 5  # quadratic time would take hours


def test_no_result_overwrites_what_is_read_whatever_its_name(tmp_path: Path) -> None:
    photo, link = tmp_path / "a.png", tmp_path / "b.png"
    photo.write_bytes(b"photo")
    link.symlink_to(photo)
    inputs = Inputs([photo, tmp_path / "missing.png", "nul\0", 3, None])
    inputs.check(tmp_path / "c.png", tmp_path / "missing.png", "nul\0")
    for path in (photo, link, str(photo)):
        with pytest.raises(OptionError) as caught:
            inputs.check(tmp_path / "c.png", path)
        assert str(caught.value) == (
            f"{path} is one of the photos, and the result would overwrite it. Choose another "
            "place for the results."
        )


def test_changes_of_direction_are_replaced_in_text_and_in_json() -> None:
    name = "cat\u202egnp.exe\u2069 \\u202e \u05d0\u200f"
    shown = "cat\ufffdgnp.exe\ufffd"
    assert in_one_direction(name).startswith(shown)
    text = in_one_direction(json.dumps({"name": name}))
    assert json.loads(text)["name"].startswith(shown)
    assert json.loads(text)["name"].endswith("\u05d0\u200f")
    assert not {*"\u202a\u202e\u2066\u2069"} & set(json.loads(text)["name"])
