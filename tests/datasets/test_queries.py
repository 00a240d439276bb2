"""The queries of docs/datasets.md run, as they are written, on a run whose answers are known."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.datasets.reading import Run
from tests.linear_network import LinearNetwork
from tests.places import DOCS

SQL, PANDAS, BACK = re.findall(
    r"```(?:sql|python)\n(.*?)```",
    (DOCS / "datasets.md").read_text("utf-8").split("## Five queries")[1],
    re.DOTALL,
)[:3]

WHOLE, LEFT, MIDDLE = (0, 12), (0, 6), (2, 10)
"""Columns that are painted, of 12; the middle has the middle rows alone."""

PHOTOS = [
    ("cat", 0, WHOLE, 255, 6), ("cat", 0, LEFT, 255, 6), ("cat", 1, MIDDLE, 255, 8),
    ("dog", 1, MIDDLE, 255, 16), ("dog", 0, WHOLE, 250, 7), ("dog", 0, WHOLE, 255, 1),
]  # fmt: skip
"""Labels, the colour of the class for which photos are taken, and how many there are."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of 20 cats 12 are right, of 24 dogs 16, and a photo is broken."""
    folder = tmp_path_factory.mktemp("queries")
    number = 0
    for label, channel, (left, right), value, count in PHOTOS:
        (folder / "photos" / label).mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((8, 12, 3), np.uint8)
        pixels[2 : 6 if left else None, left:right, channel] = value
        pixels[:2] = 0 if left else pixels[2]
        for _ in range(count):
            number += 1
            Image.fromarray(pixels).save(folder / "photos" / label / f"{number:02}.png")
    (folder / "photos/dog/broken.png").write_bytes(b"no photo")
    network = seewhy.Classifier(
        LinearNetwork(), labels=["cat", "dog", "cow"], preprocess="unit", fit="stretch"
    )
    return seewhy.batch(
        network, folder / "photos", folder / "run", method="cam", top=2, true_labels="folders",
        shard_size=16,
    )  # fmt: skip


@pytest.fixture
def beside(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(run.folder.place).parent)


@pytest.mark.usefixtures("beside")
def test_the_queries_in_duckdb_find_what_they_say() -> None:
    border, mistakes, failed = (
        duckdb.sql(query).fetchall() for query in SQL.split(";") if query.strip()
    )
    # 36 % of an even map is its border; what is painted in the middle is farther inside.
    assert [(name, count) for name, count, _ in border] == [("cat", 20), ("dog", 24)]
    assert [share for _, _, share in border] == pytest.approx([0.36, 0], abs=1e-6)
    assert [row[1:3] for row in mistakes] == [("dog", "cat")] * 8 + [("cat", "dog")] * 8
    assert mistakes[0][0].endswith("44.png")
    assert mistakes[0][3] == pytest.approx(np.e / (np.e + 2))
    assert [row[:2] for row in failed] == [("unreadable", 1)]
    assert failed[0][2].endswith("broken.png")


@pytest.mark.usefixtures("beside")
def test_the_queries_in_pandas_find_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(PANDAS, names)
    cat, dog = re.findall(r"(?:cat|dog) +([\d.]+)", capsys.readouterr().out)
    assert (float(cat), float(dog)) == (0.6, pytest.approx(2 / 3, abs=1e-6))
    # Of 20 photos that were taken for cats 13 are wholly red, 7 of them by 250 of 255, and 6
    # are red on the left.
    left, right = (13 + 7 * 250 / 255) / 20, (7 + 7 * 250 / 255) / 20
    np.testing.assert_allclose(
        names["mean"], np.repeat([[left, right]], 4, axis=0).repeat(3, 1), rtol=1e-6
    )
    exec(BACK, names)
    assert Path("why.png").stat().st_size
    assert "'failed': 1" in capsys.readouterr().out


def test_no_photo_has_two_rows_of_a_rank(run: Run) -> None:
    rows = [row for row in run.table().to_pylist() if row["status"] == "ok"]
    ranks = [(row["photo_id"], row["rank"]) for row in rows if row["rank"] is not None]
    assert len(ranks) == len(set(ranks)) == 2 * 44
    assert {row["kind"] for row in rows if row["rank"] is not None} == {"predicted"}


def test_a_run_has_one_row_per_photo(run: Run) -> None:
    photos = run.photos.to_pylist()
    assert len(photos) == len(run) == 45
    assert [row["photo_id"] for row in photos] == list(range(45))
    answered = [row for row in photos if row["status"] == "ok"]
    assert sum(row["correct"] for row in answered) == 28
    best = {row["photo_id"]: row for row in run.table().to_pylist() if row["rank"] == 1}
    for row in answered:
        assert {name: row[name] for name in ("class_name", "score", "probability")} == {
            name: best[row["photo_id"]][name] for name in ("class_name", "score", "probability")
        }
    (worst,) = (row for row in photos if row["path"].endswith("44.png"))
    assert worst["label_probability"] == pytest.approx(1 / (np.e + 2))
    (broken,) = (row for row in photos if row["status"] == "failed")
    assert (broken["class_index"], broken["label"], broken["error_kind"]) == (
        None, "dog", "unreadable",
    )  # fmt: skip


def test_a_stored_explanation_keeps_the_rank_of_the_true_class(run: Run) -> None:
    wrong = next(row for row in run.photos.to_pylist() if row["correct"] is False)
    item = run[wrong["photo_id"]]
    assert isinstance(item, seewhy.Explanation)
    by_label = {one.label: one.rank for one in item.targets[0]}
    assert by_label[wrong["class_name"]] == 1
    assert by_label[wrong["label"]] in (2, 3)
