"""`seewhy explain` of a folder: lines as they come, whole results after a stop, and going on."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.classifier import Classifier
from seewhy.commands import cli
from tests.linear_network import LinearNetwork


class Counting(LinearNetwork):
    """Counts photos, and is stopped by the user where it is told to."""

    seen = 0
    stop_after: int | None = None

    def scores(self, images: np.ndarray) -> np.ndarray:
        if Counting.stop_after is not None and Counting.seen >= Counting.stop_after:
            raise KeyboardInterrupt
        Counting.seen += len(images)
        return super().scores(images)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def load(name: str, **settings: object) -> Classifier:
        labels = ["red", "green", "blue"]
        return Classifier(Counting(), name=name, preprocess="unit", labels=labels)

    zoo = importlib.import_module("seewhy.zoo.load")
    monkeypatch.setattr(zoo, "load", load)
    monkeypatch.setattr(zoo, "backend_in_use", lambda _: "numpy")
    monkeypatch.chdir(tmp_path)
    Counting.seen, Counting.stop_after = 0, None
    (tmp_path / "photos").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (80, 120, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path


def explain(*arguments: str) -> int:
    return cli.main(["explain", "photos", "--top", "1", "--batch-size", "2", *arguments])


def test_a_line_of_json_per_photo(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(row["photo"]).name for row in rows] == [f"{n}.png" for n in range(6)]
    assert all(Path(file).is_file() for row in rows for file in row["files"])


@pytest.mark.parametrize("kind", ["--json", "--jsonl"])
def test_after_ctrl_c_what_is_done_is_told_whole_and_resume_does_the_rest(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def photos() -> list[str]:
        out = capsys.readouterr().out
        rows = json.loads(out) if kind == "--json" else map(json.loads, out.splitlines())
        return [Path(row["photo"]).name for row in rows]

    Counting.stop_after = 5  # one made photo of the weights' hash, and two batches
    assert explain(kind) == 130
    done = photos()
    assert done == [f"{n}.png" for n in range(len(done))]
    assert len(done) == 4
    Counting.seen, Counting.stop_after = 0, None
    assert explain(kind, "--resume") == 0
    assert photos() == [f"{n}.png" for n in range(6)]
    assert Counting.seen <= 1 + 6 - len(done)
    assert len(list(Path("why").glob("*_cam.jpg"))) == 6


def test_stopped_before_the_first_photo_is_done_json_is_an_empty_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Counting.stop_after = 1  # the made photo of the weights' hash
    assert explain("--json") == 130
    assert json.loads(capsys.readouterr().out) == []


def test_resume_does_again_what_belongs_to_another_question_or_has_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain() == 0
    Counting.seen = 0
    assert explain("--resume") == 0
    assert Counting.seen == 1
    assert "6 of 6 photos were done before." in capsys.readouterr().err
    Path("why/3_cam.jpg").unlink()
    Image.fromarray(np.zeros((80, 120, 3), np.uint8)).save("photos/5.png")
    Counting.seen = 0
    assert explain("--resume") == 0
    assert Counting.seen == 1 + 2
    Counting.seen = 0
    assert explain("--resume", "--opacity", "0.2") == 0
    assert Counting.seen == 1 + 6


def test_two_method_flags_are_both_in_the_table_and_in_the_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sides(folder: str, *methods: str) -> tuple[int, int]:
        flags = [word for name in methods for word in ("--method", name)]
        options = ("--top", "1", "--format", "png", "--out", folder)
        assert cli.main(["explain", "photos/0.png", *options, *flags]) == 0
        (path,) = Path(folder).glob("*.png")
        with Image.open(path) as picture:
            return picture.size

    width, height = sides("both", "grad-cam", "eigen-cam")
    printed = capsys.readouterr().out
    assert "photos/0.png  grad-cam at maps" in printed
    assert "photos/0.png  eigen-cam at maps" in printed
    alone = sides("one", "grad-cam")
    assert width * height > alone[0] * alone[1]


def test_contrast_zoom_and_rest_are_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--json", "--contrast", "red", "--zoom", "2", "--method", "grad-cam") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6
    for row in rows:
        (target,) = row["targets"]
        assert target["label"] != "red"
        assert target["contrast"] == {"labels": ["red"], "indices": [0], "strength": 1.0}
        assert row["provenance"]["zoom"] == 2
    assert explain("--json", "--output", "rest", "--resume", "--contrast", "similar") == 1
    assert "under output='rest'" in capsys.readouterr().err
    assert explain("--json", "--contrast", "similar", "--out", "similar") == 0
    (target,) = json.loads(capsys.readouterr().out)[0]["targets"]
    assert len(target["contrast"]["indices"]) == 2  # all that there are besides it


def picture(path: str) -> np.ndarray:
    with Image.open(path) as found:
        return np.asarray(found)


def test_a_photo_that_is_done_keeps_its_files_where_another_of_its_name_is_done_again(
    folder: Path,
) -> None:
    for place, colour in (("cats", "red"), ("dogs", "green")):
        (folder / place).mkdir()
        Image.new("RGB", (80, 120), colour).save(folder / place / "1.png")
    resume = ["explain", "cats/1.png", "dogs/1.png", "--format", "png", "--resume"]
    assert cli.main(resume) == 0
    dog = picture("why/1-2_cam.png")
    assert not np.array_equal(picture("why/1_cam.png"), dog)
    Image.new("RGB", (80, 120), "blue").save(folder / "cats" / "1.png")
    assert cli.main(["explain", "cats/1.png", "--format", "png", "--resume"]) == 0
    np.testing.assert_array_equal(picture("why/1-2_cam.png"), dog)
    # The second of them alone keeps its name too, and so does a new third one get another.
    Image.new("RGB", (80, 120), (9, 9, 9)).save(folder / "dogs" / "1.png")
    (folder / "birds").mkdir()
    Image.new("RGB", (80, 120), "white").save(folder / "birds" / "1.png")
    cat = picture("why/1_cam.png")
    assert cli.main(["explain", "birds/1.png", *resume[2:]]) == 0
    np.testing.assert_array_equal(picture("why/1_cam.png"), cat)
    assert not np.array_equal(picture("why/1-2_cam.png"), dog)
    assert len(list(Path("why").glob("*_cam.png"))) == 3


def test_resume_sees_labels_of_another_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["red", "green", "blue"]

    def load(name: str, **settings: object) -> Classifier:
        return Classifier(Counting(), name=name, preprocess="unit", labels=list(labels))

    monkeypatch.setattr(importlib.import_module("seewhy.zoo.load"), "load", load)
    assert explain("--resume", "--labels", "labels.txt") == 0
    labels[:] = ["rouge", "vert", "bleu"]
    Counting.seen = 0
    capsys.readouterr()
    assert explain("--resume", "--jsonl", "--labels", "labels.txt") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["targets"][0]["label"] for row in rows} <= set(labels)
    assert Counting.seen == 1 + 6


@pytest.mark.parametrize("content", [b"[]", b'{"boxes": []}\n', b"\n", b"\x00\xff"])
def test_a_record_that_is_not_ours_is_left_as_it_is(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    record = folder / "why" / ".explained.jsonl"
    record.parent.mkdir()
    record.write_bytes(content)
    for more in ([], ["--resume"]):
        assert explain(*more) == 1
        assert "is not a file of seewhy explain: line 1 is not understood." in (
            capsys.readouterr().err
        )
    assert record.read_bytes() == content


def test_a_damaged_record_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain() == 0
    record = folder / "why" / ".explained.jsonl"
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"stem": "2"', b'"stem": "3"'))
    capsys.readouterr()
    assert explain("--resume") == 1
    assert capsys.readouterr().err.endswith(
        "is damaged: line 4 is not understood. Remove that line, or name another file.\n"
    )
    record.write_bytes(whole[:-40])
    assert explain("--resume") == 0
    assert "5 of 6 photos were done before." in capsys.readouterr().err
    assert explain() == 0  # without --resume, it begins anew
