"""Runs over what people really have: odd lists, odd names, damaged folders."""

from __future__ import annotations

from pathlib import Path

import seewhy
from tests.datasets.made import classifier, save_photos


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
