"""`seewhy train`: one line per epoch to stderr, the measures to stdout, refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from seewhy.commands.cli import main
from tests.training.made_photos import make_folder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def test_train_tells_epochs_measures_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "photos", counts={"ring": 5, "cross": 5})
    (folder / "ring" / "bad.png").write_bytes(b"no photo")
    out = tmp_path / "a.keras"
    arguments = ["train", str(folder), "--out", str(out), "--size", "32", "--epochs", "2"]
    assert main([*arguments, "--batch-size", "4", "--no-flip", "--hide", "0"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "8 photos for training, 2 for validation"
    assert lines[1].split() == ["class", "photos", "recall", "precision"]
    assert lines[-2:] == [
        f"network  {out}",
        f"report   {tmp_path / 'a.training' / 'report.html'}",
    ]
    told = captured.err.splitlines()
    assert [line.partition(":")[0] for line in told[:2]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert told[2].startswith(f"Left out: {folder / 'ring' / 'bad.png'}: ")
    assert told[3] == "1 unreadable photo was left out."


def test_train_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "a.keras")]) == 1
    assert capsys.readouterr().err == (
        f"seewhy: The folder '{tmp_path}' contains no photos in sub-folders. Give a folder with "
        "one sub-folder of photos per class.\n"
    )
