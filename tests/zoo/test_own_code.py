"""Errors of a user's own network are told in a sentence, with their file and line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seewhy
from seewhy.commands import cli
from seewhy.errors import ModelError
from seewhy.zoo.own_code import own_failure
from tests.datasets.made import LABELS, save_photos

SOURCE = """
import sys
from tests.linear_network import LinearNetwork

class Broken(LinearNetwork):
    def scores(self, images):
        if FAILS:
            return [1, 2][7]
        return super().scores(images)

def build():
    return Broken()
"""
SAID = (
    "Your own code failed: IndexError: list index out of range (mine.py, line 8). Correct it; on "
    "the command line, --debug shows the whole way to it."
)


def write(when: str) -> None:
    Path("mine.py").write_text(SOURCE.replace("FAILS", when))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    write("True")
    save_photos(Path("photos"), 2)
    yield tmp_path
    sys.modules.pop("mine", None)


def test_the_command_says_whose_error_it_is_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    name = "python:mine:build?preprocess=unit"
    for command in (["explain", "photos"], ["batch", "photos", "--out", "run"]):
        assert cli.main([*command, "--model", name]) == 1
        assert capsys.readouterr().err.splitlines()[-1] == f"seewhy: {SAID}"
    with pytest.raises(IndexError):
        cli.main(["explain", "photos", "--model", name, "--debug"])


def test_a_worker_says_so_and_does_not_look_for_a_photo_that_kills_it() -> None:
    write("sys.argv[0].endswith('worker.py')")
    with pytest.raises(ModelError) as caught:
        seewhy.batch(
            "python:mine:build",
            "photos",
            "run",
            workers=1,
            settings={"labels": LABELS, "preprocess": "unit"},
        )
    assert str(caught.value) == SAID


def test_an_error_in_which_no_code_of_the_user_took_part_is_not_called_theirs() -> None:
    assert own_failure(ZeroDivisionError("division by zero")) is None
