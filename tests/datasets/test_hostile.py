"""Runs over what people really have: odd lists, odd names, damaged folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import seewhy
from seewhy.datasets.reading import Run
from seewhy.datasets.storage import Folder
from seewhy.errors import OutputError, SeewhyError
from tests.datasets.made import classifier, paint, save_photos
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


def small_run(folder: Path, **settings: Any) -> Run:
    settings = {"method": "cam", "top": 1, "shard_size": 4, "batch_size": 4} | settings
    return seewhy.batch(classifier(), folder / "photos", folder / "run", **settings)


def test_whatever_byte_of_a_shard_is_changed_it_is_told_and_done_again(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 4)
    run = small_run(tmp_path)
    whole = run.table().drop(["seconds"])
    (path,) = (tmp_path / "run").glob("part-*")
    content = path.read_bytes()
    reads: list[Callable[[Run], object]] = [
        list, lambda run: run[2], lambda run: run.table(), lambda run: run.failures,
    ]  # fmt: skip
    random = np.random.default_rng(3)
    for place in [*random.integers(0, len(content), 60), 0, len(content) - 1]:
        changed = bytes([content[place] ^ (1 << int(random.integers(8)))])
        path.write_bytes(content[:place] + changed + content[place + 1 :])
        for read in reads:
            with pytest.raises(OutputError, match=r"' is damaged: .* Repeat seewhy batch with"):
                read(run)
    again = small_run(tmp_path)
    assert again.table().drop(["seconds"]).equals(whole)


def test_one_photo_of_a_large_run_is_read_by_its_shard_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(tmp_path / "photos", 12)
    run = small_run(tmp_path)
    read: list[str] = []
    before = Folder.read

    def counted(self: Folder, name: str) -> bytes:
        read.append(name)
        return before(self, name)

    monkeypatch.setattr(Folder, "read", counted)
    explanation = run[9]
    assert isinstance(explanation, seewhy.Explanation)
    assert explanation.photos[0].name == "0009.png"
    assert read == [run.plan.name(2)]
    assert run.counts == {"photos": 12, "failed": 0, "rows": 12}
    assert run.is_complete
    assert len(read) == 1  # their footers tell that


def rewritten(table: pa.Table, change: str) -> pa.Table:
    if change == "dropped":
        return table.drop(["path"])
    if change == "of another type":
        return table.set_column(0, "photo_id", pa.array(["x"] * table.num_rows))
    return table.slice(1)


@pytest.mark.parametrize("change", ["dropped", "of another type", "shorter"])
@pytest.mark.parametrize("name", ["manifest", "shard"])
def test_a_table_of_a_run_with_other_columns_or_rows_is_told(
    tmp_path: Path, name: str, change: str
) -> None:
    save_photos(tmp_path / "photos", 4)
    run = small_run(tmp_path)
    path = next((tmp_path / "run").glob("manifest*" if name == "manifest" else "part-*"))
    pq.write_table(rewritten(pq.read_table(path), change), path)
    with pytest.raises(OutputError, match=rf"^'.*{path.name}' is damaged: "):
        _ = run.items if name == "manifest" else list(run)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("request", {}), ("request", None), ("request", {"methods": 3}), ("network", {}),
        ("network", []), ("photos", {"count": "4", "sha256": "x"}), ("photos", {}),
        ("map_size", [1]), ("map_size", "ab"), ("shard_size", 0), ("shard_size", 1e400),
        ("provenance", {}), ("versions", [1]), ("truths", 5), ("model", {"name": 3}),
        ("rounding", {"execution": []}), ("familiarity_limit", "x"), ("maps", "float64"),
        ("schema", None), ("schema", []),
    ],
)  # fmt: skip
def test_a_run_json_with_a_wrong_part_is_told(tmp_path: Path, part: str, value: Any) -> None:
    save_photos(tmp_path / "photos", 1)
    small_run(tmp_path)
    path = tmp_path / "run" / "run.json"
    content = json.loads(path.read_text())
    for changed in (content | {part: value}, {k: v for k, v in content.items() if k != part}):
        path.write_text(json.dumps(changed))
        with pytest.raises(SeewhyError):
            seewhy.read_run(tmp_path / "run")
    for text in ("[" * 100_000, "", "[]", "null", "{}", "\udcff".encode("utf-8", "surrogatepass")):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SeewhyError):
            seewhy.read_run(tmp_path / "run")


def test_photos_that_failed_may_change_and_come_back_and_are_tried_again(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 6)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(b"no photo")
    first = small_run(tmp_path)
    assert first.counts["failed"] == 1
    paths[1].write_bytes(whole)
    with pytest.raises(OutputError) as caught:
        small_run(tmp_path)
    assert str(caught.value) == (
        f"Photos that failed in '{tmp_path}/run' have changed since. Try them again with "
        "retry_failed=True (--retry-failed), or give another folder for the results."
    )
    again = small_run(tmp_path, retry_failed=True)
    assert again.counts == {"photos": 6, "failed": 0, "rows": 6}
    assert again.plan.fingerprint == first.plan.fingerprint
    assert len(again.items) == 6
    assert small_run(tmp_path).counts["failed"] == 0  # and so it stays
    paint(paths[2], (1, 2, 3))
    for retry in (True, False):
        with pytest.raises(OutputError, match="contains another run"):
            small_run(tmp_path, retry_failed=retry)


def test_a_finished_run_may_be_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(tmp_path / "photos", 2)
    small_run(tmp_path)

    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Folder, "_write_local", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    lock = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **more: refuse() if "w" in mode else lock(self, mode, **more),
    )
    assert small_run(tmp_path).counts == {"photos": 2, "failed": 0, "rows": 2}


@pytest.mark.parametrize("region", ["magic", "page", "footer", "checksum", "length", "end"])
def test_a_bit_of_any_region_of_a_shard_is_told_on_reading_and_mended_on_resuming(
    tmp_path: Path, region: str
) -> None:
    save_photos(tmp_path / "photos", 2)
    run = small_run(tmp_path)
    whole = run.table().drop(["seconds"])
    (path,) = (tmp_path / "run").glob("part-*")
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    places = {
        "magic": 1,
        "page": footer // 2,
        "footer": footer + 20,
        "checksum": content.rindex(b'"check": "') + 20,
        "length": len(content) - 7,
        "end": len(content) - 1,
    }
    content[places[region]] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(OutputError, match="is damaged: "):
        run.table()
    with pytest.raises(OutputError, match="is damaged: "):
        run[1]
    assert small_run(tmp_path).table().drop(["seconds"]).equals(whole)


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["run.json", "manifest.parquet", "part"])
def test_a_link_in_a_run_leads_nowhere(tmp_path: Path, name: str, kind: str) -> None:
    save_photos(tmp_path / "photos", 1)
    small_run(tmp_path)
    (path,) = (tmp_path / "run").glob(f"{name}*")
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    if kind == "link":
        path.symlink_to(elsewhere)
    else:
        os.mkfifo(path)

    def read() -> None:
        found = seewhy.read_run(tmp_path / "run")
        _ = found.items, found.counts, list(found)

    with pytest.raises(OutputError) as caught:
        read()
    assert str(caught.value) == (
        f"'{path}' is a link, or no regular file, and a run may come from anybody: seewhy opens "
        "only files that are in its folder themselves. Put the file itself there."
    )


def test_nothing_is_written_through_a_link_in_a_run(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 2)
    small_run(tmp_path)
    kept = tmp_path / "kept"
    for name in (".lock", "_SUCCESS.json", "part"):
        for path in (tmp_path / "run").glob(f"{name}*"):
            path.unlink()
            if name == ".lock":  # else a finished run is read without one
                (tmp_path / "run/_SUCCESS.json").unlink()
            kept.write_text("mine")
            path.symlink_to(kept)
            with pytest.raises(OutputError) if name == ".lock" else nullcontext():
                small_run(tmp_path)
            assert kept.read_text() == "mine"
            path.unlink(missing_ok=True)
            small_run(tmp_path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("map_size", [9, 9]), ("familiarity_limit", 0.5), ("rounding", None), ("boxes", True),
        ("provenance.preprocess", [1, 2]), ("provenance.preprocess", {"mode": 3}),
        ("provenance.size", [1, 1]), ("provenance.layer", "other"), ("network.preprocess", [1]),
        ("network.scores", [0.5, 0.25]), ("network.name", "other"), ("versions.numpy", "1.0"),
    ],
)  # fmt: skip
def test_whatever_is_changed_in_run_json_it_is_told(tmp_path: Path, part: str, value: Any) -> None:
    save_photos(tmp_path / "photos", 1)
    small_run(tmp_path)
    path = tmp_path / "run" / "run.json"
    content = json.loads(path.read_text())
    *above, last = part.split(".")
    place = content
    for name in above:
        place = place[name]
    if place[last] == value:
        value = 0.25
    place[last] = value
    path.write_text(json.dumps(content))
    with pytest.raises(OutputError, match=r"run\.json' is damaged: "):
        seewhy.read_run(tmp_path / "run")
