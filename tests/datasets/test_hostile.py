"""Runs over what people really have: odd lists, odd names, damaged folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seewhy
from tests.datasets.made import classifier, save_photos
from tests.places import ROOT


def test_a_run_goes_on_past_every_line_of_a_list_that_names_no_photo(tmp_path: Path) -> None:
    good = save_photos(tmp_path / "photos", 2)
    lines = [good[0], "", "~nosuchuser/x.png", "a\0b.png", "http://h/x.png", "x" * 5000, good[1]]
    (tmp_path / "list.csv").write_text("path,n\n" + "".join(f"{one},1\n" for one in lines))
    run = seewhy.batch(classifier(), tmp_path / "list.csv", tmp_path / "run", method="cam", top=1)
    assert run.counts == {"photos": 7, "failed": 5, "rows": 7}
    assert [(row.photo_id, row.status) for row in run.failures] == [
        (number, "failed") for number in range(1, 6)
    ]
    kinds = [row.error_kind for row in run.failures]
    assert kinds == ["unreadable", "missing", "unreadable", "missing", "unreadable"]
    for row in run.failures:
        assert row.error
        assert row.error.endswith(".")
    assert "the cell is empty" in (run.failures[0].error or "")


BATCH = """
import sys, seewhy
if __name__ == "__main__":
    on_ray = sys.argv[1] == "ray"
    seewhy.batch("built-in", "photos", "run", top=1, method="cam", workers=1, ray=on_ray)
"""


@pytest.mark.parametrize("kind", ["workers", "ray"])
def test_workers_run_no_module_of_the_current_folder(tmp_path: Path, kind: str) -> None:
    save_photos(tmp_path / "photos", 1)
    for name in ("token", "secrets", "PIL", "colorsys", "seewhy"):
        (tmp_path / f"{name}.py").write_text(f"open({name!r} + '.run', 'w')\nraise SystemExit(9)\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", BATCH, kind],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [one.name for one in tmp_path.glob("*.run")] == []
    assert done.returncode == 0, done.stderr
    assert seewhy.read_run(tmp_path / "run").counts == {"photos": 1, "failed": 0, "rows": 1}
