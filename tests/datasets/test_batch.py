"""A run in this process: rows, resuming, and what is told where something is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.classifier.familiarity import pooled_features, reference_features
from seewhy.datasets import question as questions
from seewhy.datasets.reading import Run
from seewhy.errors import (
    MissingFramework,
    OptionError,
    OutputError,
    PhotoError,
    TargetError,
    UnknownClass,
)
from seewhy.networks.base import SCORES
from seewhy.photos.reading import read_photo
from tests.datasets.made import CHOKES, LABELS, Fragile, classifier, paint, save_photos


def run(folder: Path, *, shard_size: int = 8, batch_size: int = 4, **settings: Any) -> Run:
    return seewhy.batch(
        classifier(),
        folder / "photos",
        folder / "run",
        shard_size=shard_size,
        batch_size=batch_size,
        **settings,
    )


@pytest.mark.parametrize("method", ["cam", "grad-cam", "occlusion"])
def test_rows_say_what_explain_says(tmp_path: Path, method: str) -> None:
    paths = save_photos(tmp_path / "photos", 11)
    table = run(tmp_path, method=method, top=2).table()
    explained = seewhy.explain(classifier(), paths, method=method, top=2)
    assert table.num_rows == 22
    rows = table.to_pylist()
    for photo, path in enumerate(paths):
        for target in range(2):
            row = rows[2 * photo + target]
            wanted = explained.targets[photo][target]
            assert (row["photo_id"], row["path"]) == (photo, str(path))
            assert (row["class_name"], row["rank"], row["kind"]) == (
                wanted.label, target + 1, "predicted",
            )  # fmt: skip
            assert row["score"] == pytest.approx(wanted.score)
            assert row["probability"] == pytest.approx(wanted.probability)
            assert (row["width"], row["height"]) == (24, 16)
            assert row["peak"] == pytest.approx(float(explained.peaks[photo, target]))
            assert row["status"] == "ok"
            assert row["correct"] is None
    maps = table["heatmap"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_allclose(
        maps.reshape(explained.maps.shape), explained.maps, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("method", ["cam", "grad-cam", "occlusion"])
def test_the_true_class_is_a_row_of_its_own_in_the_same_pass(tmp_path: Path, method: str) -> None:
    for label in ("red", "blue"):
        save_photos(tmp_path / "photos" / label, 4, seed=len(label))
    asked = classifier()
    network: Any = asked.network
    found = seewhy.batch(
        asked, tmp_path / "photos", tmp_path / "run", method=method, top=1, true_labels="folders"
    )
    rows = found.table().to_pylist()
    assert [row["kind"] for row in rows if row["kind"] != "contrast"] == ["predicted", "label"] * 8
    labelled = [row for row in rows if row["kind"] == "label"]
    assert [row["class_name"] for row in labelled] == ["blue"] * 4 + ["red"] * 4
    assert all(row["rank"] is None for row in labelled)
    if method == "cam":
        assert network.passes[-1] == 8
        assert network.passes.count(8) == 1
    wanted = seewhy.explain(
        classifier(),
        [row["path"] for row in labelled],
        method=method,
        classes=[[row["class_name"]] for row in labelled],
    )
    chosen = [place for place, row in enumerate(rows) if row["kind"] == "label"]
    maps = found.table()["heatmap"].combine_chunks().to_numpy_ndarray()[chosen]
    np.testing.assert_allclose(maps, wanted.maps[:, 0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["cam", "grad-cam", "occlusion"])
def test_a_mistake_has_a_row_of_what_tells_it_from_the_truth(tmp_path: Path, method: str) -> None:
    for label in ("red", "blue"):
        save_photos(tmp_path / "photos" / label, 4, seed=len(label))
    asked = classifier()
    network: Any = asked.network
    found = seewhy.batch(
        asked, tmp_path / "photos", tmp_path / "run", method=method, top=1, true_labels="folders"
    )
    if method == "cam":
        assert network.passes.count(8) == 1
    rows = found.table().to_pylist()
    maps = found.table()["heatmap"].combine_chunks().to_numpy_ndarray()
    contrasts = [place for place, row in enumerate(rows) if row["kind"] == "contrast"]
    wrong = {row["photo_id"] for row in rows if not row["correct"]}
    assert 0 < len(wrong) < 8
    assert {rows[place]["photo_id"] for place in contrasts} == wrong
    for place in contrasts:
        predicted, label, contrast = rows[place - 2 : place + 1]
        assert (predicted["kind"], label["kind"]) == ("predicted", "label")
        difference = maps[place - 2] - maps[place - 1]
        shown = np.maximum(difference, 0) if method == "grad-cam" else difference
        np.testing.assert_allclose(maps[place], shown, rtol=1e-4, atol=1e-7)
        assert contrast["class_name"] == predicted["class_name"] != contrast["label"]
        assert contrast["score"] == pytest.approx(predicted["score"] - label["score"], abs=1e-6)
        assert (contrast["rank"], contrast["probability"]) == (None, None)
        if not contrast["empty"]:
            assert contrast["peak"] == maps[place].max() > 0
    item = found[min(wrong)]
    assert isinstance(item, seewhy.Explanation)
    assert item.maps.shape[1] == 2  # the two classes; their difference is not a class


def test_a_map_that_is_the_same_for_all_classes_has_one_row_per_photo(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos" / "red", 3)
    found = run(tmp_path, method="eigen-cam", true_labels="folders")
    assert [row["kind"] for row in found.table().to_pylist()] == ["predicted"] * 3


@pytest.mark.parametrize("method", ["cam", "occlusion"])
def test_descriptors_are_the_activations_under_the_map(tmp_path: Path, method: str) -> None:
    paths = save_photos(tmp_path / "photos", 3)
    found = run(tmp_path, method=method, top=2, descriptors=True).table()
    asked = classifier()
    pixels, _ = asked.fit_photos([read_photo(path) for path in paths])
    maps = asked.network.activations(asked.to_input(pixels), ["maps"])["maps"]
    for row in found.to_pylist():
        assert len(row["descriptor"]) == 3
        if method == "occlusion":
            continue  # its grid is not the layer's: test_table has the resizing
        heat = np.reshape(row["heatmap"], (4, 6))
        wanted = np.zeros(3)
        for i in range(4):
            for j in range(6):
                wanted += max(heat[i, j], 0) * maps[row["photo_id"], i, j]
        np.testing.assert_allclose(row["descriptor"], wanted / heat[heat > 0].sum(), rtol=1e-5)
    save_photos(tmp_path / "without" / "photos", 3)
    assert run(tmp_path / "without", top=2).table()["descriptor"].null_count == 6


def test_familiarity_is_told_where_the_network_remembers_its_photos(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 5)
    asked = classifier()
    pixels, _ = asked.fit_photos([read_photo(path) for path in paths])
    given = asked.network.activations(asked.to_input(pixels), ["maps", SCORES])
    maps, found = given["maps"], given[SCORES].argmax(axis=1)
    features = pooled_features(maps)
    references = reference_features(
        features[[0, 1] * 3],
        features[:3],
        layer="maps",
        classes=np.repeat([0, 1, 2], 2),
        found=found[:3],
        neighbours=1,
    )
    asked = seewhy.Classifier(Fragile(), labels=LABELS, preprocess="unit", references=references)
    rows = seewhy.batch(asked, paths, tmp_path / "run", top=1).table().to_pylist()
    judged = references.judge(maps, found)
    assert [row["familiar"] for row in rows] == [one.familiar for one in judged]
    assert [row["similarity"] for row in rows] == pytest.approx([one.similarity for one in judged])
    save_photos(tmp_path / "unknown" / "photos", 5)
    assert run(tmp_path / "unknown", top=1).table()["familiar"].null_count == 5


def test_photos_that_fail_are_rows(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 10)
    paths[1].write_bytes(b"no photo")
    paint(paths[6], CHOKES)
    told: list[tuple[int, int]] = []
    found = run(tmp_path, top=1, progress=lambda *now: told.append(now))
    assert told[-1] == (10, 10)
    assert found.counts == {"photos": 10, "failed": 2, "rows": 10}
    assert [(row.photo_id, row.error_kind) for row in found.failures] == [
        (1, "unreadable"),
        (6, "not-finite"),
    ]
    assert "is not an image in a format that seewhy reads" in (found.failures[0].error or "")
    assert found.failures[1].error == "'linear' returned NaN."
    success = json.loads((tmp_path / "run/_SUCCESS.json").read_text())
    assert success["failed"] == 2
    assert success["shards"] == 2


def test_failed_photos_are_tried_again_only_when_that_is_asked_for(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 10)
    whole = paths[1].read_bytes()
    state = paths[1].stat()
    paths[1].write_bytes(b"x" * len(whole))
    os.utime(paths[1], ns=(state.st_atime_ns, state.st_mtime_ns))
    first = run(tmp_path, top=1)
    paths[1].write_bytes(whole)
    os.utime(paths[1], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run(tmp_path, top=1).counts["failed"] == 1
    second = run(tmp_path, top=1, retry_failed=True)
    assert second.counts == {"photos": 10, "failed": 0, "rows": 10}
    assert [row["photo_id"] for row in second.table().to_pylist()] == list(range(10))
    kept = [0, *range(2, 10)]
    assert (
        first.table()
        .take(kept)
        .drop(["seconds"])
        .equals(second.table().take(kept).drop(["seconds"]))
    )


def test_a_run_goes_on_with_the_shards_that_are_missing(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 20)
    first = run(tmp_path, top=1)
    whole = first.table().drop(["seconds"])
    files = sorted((tmp_path / "run").glob("part-*"))
    assert [one.name for one in files] == [
        f"part-{n:05}-of-00003-{first.plan.fingerprint}.parquet" for n in range(3)
    ]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-20])  # a disk that was pulled out
    (tmp_path / "run/.tmp-abc-part").write_bytes(b"unfinished")
    untouched = files[2].stat().st_mtime_ns
    assert not first.is_complete
    second = run(tmp_path, top=1)
    assert second.is_complete
    assert second.table().drop(["seconds"]).equals(whole)
    assert files[2].stat().st_mtime_ns == untouched
    assert sorted(one.name for one in (tmp_path / "run").iterdir()) == [
        ".lock",
        "_SUCCESS.json",
        "manifest.parquet",
        *(one.name for one in files),
        "run.json",
    ]


def test_a_folder_of_another_question_is_refused_with_the_difference(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 4)
    run(tmp_path, top=1)
    before = sorted(one.read_bytes() for one in (tmp_path / "run").iterdir())
    with pytest.raises(OutputError, match=r"contains another run\. The difference: top: 1 there, "):
        run(tmp_path, top=2)
    with pytest.raises(OutputError, match='method: "cam" there, "grad-cam" now'):
        run(tmp_path, top=1, method="grad-cam")
    save_photos(tmp_path / "photos", 5)
    with pytest.raises(OutputError, match=r"photos\.count: 4 there, 5 now"):
        run(tmp_path, top=1)
    assert sorted(one.read_bytes() for one in (tmp_path / "run").iterdir()) == before
    (tmp_path / "run/run.json").unlink()
    with pytest.raises(OutputError, match=r"contains results of another run \(\w{12}\), without"):
        run(tmp_path, top=1)


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    import fcntl

    save_photos(tmp_path / "photos", 2)
    (tmp_path / "run").mkdir()
    with (tmp_path / "run/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match=r"Another process works on the run in '.*run'\. "):
            run(tmp_path)


def test_bad_input_is_told_in_a_sentence_and_leaves_no_run(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(PhotoError, match=r"The folder '.*photos' contains no photo\."):
        run(tmp_path)
    save_photos(tmp_path / "photos/cat", 1)
    save_photos(tmp_path / "photos/red", 1)
    with pytest.raises(
        UnknownClass, match=r"^Labels of the photos are not classes of 'linear': 'cat'"
    ):
        run(tmp_path, true_labels="folders")
    with pytest.raises(UnknownClass, match="'linear' has no class 'cat'"):
        run(tmp_path, classes=["cat"])
    with pytest.raises(TargetError, match="'top', 'classes' and 'target' exclude each other"):
        run(tmp_path, classes=["red"], top=1)
    with pytest.raises(
        OptionError, match="A shard of 8 photos is not a whole number of batches of 3"
    ):
        run(tmp_path, batch_size=3)
    with pytest.raises(OptionError, match=r"^maps='int8' is not valid\. Give one of float32, "):
        run(tmp_path, maps="int8")
    with pytest.raises(OptionError, match="Workers load the network themselves"):
        run(tmp_path, workers=2)
    with pytest.raises(OptionError, match=r"^workers=-1 is not valid\. Give a whole number, "):
        run(tmp_path, workers=-1)
    with pytest.raises(OptionError, match=r"There is no run in '.*nowhere': it has no run\.json\."):
        seewhy.read_run(tmp_path / "nowhere")
    assert not (tmp_path / "run/run.json").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 2)
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OutputError, match=r"'.*run' cannot be written: File exists\. Choose a "):
        run(tmp_path)


def test_a_full_disk_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(tmp_path / "photos", 20)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if "part-00001" in str(target):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device\. What was"):
        run(tmp_path, top=1)
    left = {one.name[:10] for one in (tmp_path / "run").iterdir()}
    assert left == {".lock", "manifest.p", "run.json", "part-00000"}
    monkeypatch.undo()
    assert run(tmp_path, top=1).counts == {"photos": 20, "failed": 0, "rows": 20}


def test_explanations_come_back_one_by_one(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 10)
    paths[3].write_bytes(b"")
    found = seewhy.read_run(run(tmp_path, top=2).folder.place)
    items = list(found)
    assert len(found) == len(items) == 10
    assert isinstance(items[3], seewhy.PhotoFailure)
    again = seewhy.explain(classifier(), paths[9], top=2)
    item = found[9]
    assert isinstance(item, seewhy.Explanation)
    np.testing.assert_allclose(item.maps, again.maps, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(item.heatmap(), again.heatmap(), atol=1e-6)
    assert item.placements == again.placements
    assert [one.label for one in item.targets[0]] == [one.label for one in again.targets[0]]
    assert item.picture().shape == again.picture().shape
    assert repr(found).endswith("10 of 10 photos done, 1 failed, 19 rows, cam of linear>")


def test_half_precision_maps_halve_and_boxes_are_drawn(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 3)
    found = run(tmp_path, top=1, maps="float16", boxes=True).table()
    assert str(found.schema.field("heatmap").type.value_type) == "halffloat"
    (box,) = found["boxes"].to_pylist()[0]
    assert len(box) == 4


def test_a_run_may_be_at_an_address_and_so_may_its_photos(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in save_photos(tmp_path / "photos", 5):
        memory.pipe(f"/data/{path.name}", path.read_bytes())
    memory.pipe("/data/0001.png", b"no photo")
    settings: dict[str, Any] = {"shard_size": 4, "batch_size": 4, "top": 1}
    found = seewhy.batch(classifier(), "memory://data", "memory://results/run", **settings)
    assert found.counts == {"photos": 5, "failed": 1, "rows": 5}
    assert found.table()["path"].to_pylist()[0] == "memory://data/0000.png"
    local = seewhy.batch(classifier(), tmp_path / "photos", tmp_path / "run", **settings)
    there, here = (one.table()["heatmap"].to_pylist() for one in (found, local))
    assert there[2:] == here[2:]
    memory.rm("/results/run/" + found.plan.name(0))
    assert seewhy.batch(classifier(), "memory://data", "memory://results/run", **settings).counts
    assert isinstance(found[4], seewhy.Explanation)


def test_a_fingerprint_is_of_all_that_was_asked(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 1)
    first = run(tmp_path, method="occlusion", patch=2, top=1).question
    same = questions.RunQuestion.from_json(first.as_json(), "run.json")
    assert same == first
    assert same.fingerprint == first.fingerprint
    for change, difference in (
        ({"maps": "float16"}, 'maps: "float32" there, "float16" now'),
        ({"truths": {"a": 1}}, "labels.a: nothing there, 1 now"),
        (
            {"request": replace(first.request, options={"occlusion": {"patch": 4}})},
            "options.patch: 2 there, 4 now",
        ),
    ):
        other = replace(first, **change)
        assert other.fingerprint != first.fingerprint
        assert other.differences(first) == [difference]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"shard_size": 8', '"shard_size": "8"'),
        ('"maps": "float32"', '"maps": "int8"'),
        ('"network": {', '"asked": {'),
        ('"labels": [', '"labels": [7,'),
        ('"method": "cam"', '"method": "rise"'),
        ('"count": 1', '"counts": 1'),
        ('"truths": {}', '"truths": 3'),
        ('"fit": [', '"fit": [1, 2,'),
        (
            "{",
            "[",
        ),
    ],
)
def test_a_damaged_run_is_told_in_a_sentence(tmp_path: Path, old: str, new: str) -> None:
    save_photos(tmp_path / "photos", 1)
    run(tmp_path, method="cam", top=1)
    path = tmp_path / "run/run.json"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(OutputError, match=r"run\.json' is damaged: "):
        seewhy.read_run(tmp_path / "run")


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingFramework, match=r"pip install 'seewhy\[data\]'"):
        seewhy.read_run(tmp_path)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "ray", None)
    from seewhy.datasets.cluster import run_on_ray
    from seewhy.datasets.storage import Folder

    with pytest.raises(MissingFramework, match=r"pip install 'seewhy\[ray\]'"):
        next(
            run_on_ray(
                Folder.of(tmp_path),
                [],
                questions.ModelArguments("net", {}, ""),
                address=None,
                workers=0,
                gpus=0,
                timeout=600,
                advance=lambda _: None,
            )
        )


def test_the_shard_function_needs_nothing_but_its_job(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 10)
    found = run(tmp_path, top=1)
    from seewhy.datasets.asking import rows_in_batches
    from seewhy.datasets.plan import make_job

    job = make_job(found.folder, found.items, classifier(), found.question)
    advanced: list[int] = []

    def explained(*photos: int) -> list[Any]:
        items = [job.items[photo] for photo in photos]
        batches = rows_in_batches(job.job, items, advance=advanced.append)
        return [row for batch in batches for row in batch]

    rows = explained(4, 5, 6, 7)
    assert [row.photo_id for row in rows] == [4, 5, 6, 7]
    assert advanced == [4]
    again = explained(5, 9)
    assert [row.photo_id for row in again] == [5, 9]
    whole = found.table()["heatmap"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_array_equal(rows[1].heatmap, whole[5])
    np.testing.assert_array_equal(again[0].heatmap, whole[5])
