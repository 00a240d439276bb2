"""`seewhy report`: findings to stdout, notes to stderr, refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.commands.cli import main
from tests.reporting.made import LABELS, NAME, make_photos

MODEL = ["--model", f"{NAME}?preprocess=unit&labels=labels.txt"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    make_photos(tmp_path / "photos", each=20, tags=0)
    return tmp_path


def test_report_on_photos_and_then_on_their_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "photos", *MODEL, "--out", "one", "--run", "run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "2 of 2 classes were not searched for shortcuts: fewer than 50 photos"
    )
    assert "The network gets 40 of 40 photos right: 100.0% (91.2% to 100.0%)." in lines
    assert lines[-2:] == [str(Path("one/report.html")), str(Path("one/report.json"))]
    assert main(["report", "run", "--out", "two", "--assets", "two/photos"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == lines[0]
    assert main(["report", "run", "--out", "three/named.html"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["three/named.html", "three/named.json"]
    assert Path("three/named.html").is_file()
    assert len(list((here / "two" / "photos").iterdir())) == 40


def test_a_photo_that_fails_is_told_and_is_the_exit_code(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "photos" / "warm" / "bad.png").write_bytes(b"no")
    assert main(["report", "photos", *MODEL]) == 1
    assert "seewhy: 1 of 41 photos could not be explained" in capsys.readouterr().err
    assert (here / "report" / "report.html").is_file()


def test_report_refuses_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "photos", *MODEL, "--method", "cam,grad-cam"]) == 1
    assert capsys.readouterr().err == (
        "seewhy: A report has one method, and 2 were named: cam, grad-cam. Name one.\n"
    )
    assert main(["report", "photos", *MODEL, "--method", "eigen-cam"]) == 1
    assert "Choose a method with maps of classes" in capsys.readouterr().err.splitlines()[-1]
