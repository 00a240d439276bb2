"""Damaged runs, shards, lists, and files to resume from; and odd questions to the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import pytest
from numpy.random import Generator
from starlette.testclient import TestClient

import seewhy
from seewhy.commands import cli
from seewhy.datasets.manifest import find_items, manifest_bytes, read_manifest
from seewhy.serving.server import build_app
from seewhy.training.fit import load_state, save_state
from seewhy.zoo.names import LoadedModel
from tests.colour_network import colour_classifier
from tests.datasets.made import classifier, save_photos
from tests.fuzz.mutations import damaged, word
from tests.fuzz.rule import CASES, violations
from tests.linear_network import LinearNetwork
from tests.serving.conftest import HOST, OWN, frames, loaded, send


def changed(content: bytes, others: list[bytes], generator: Generator) -> bytes:
    """Damage a file; of JSON, sometimes replace a whole value, as a bad writer would."""
    if content[:1] == b"{" and generator.random() < 0.5:
        lines = content.split(b"\n")
        try:
            found = json.loads(lines[0] if len(lines) > 2 and lines[0][-1:] == b"}" else content)
        except ValueError:
            return damaged(content, others, generator)
        place: Any = found
        while isinstance(place, dict) and place:
            key = str(generator.choice(sorted(place)))
            if not isinstance(place[key], dict) or generator.random() < 0.4:
                values: list[Any] = [None, [], {}, -1, 1e300, "x", True, word(generator)]
                place[key] = values[int(generator.integers(len(values)))]
                break
            place = place[key]
        return json.dumps(found).encode() + b"\n"
    return damaged(content, others, generator)


def test_damaged_runs_are_read_or_refused(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", 4)
    seewhy.batch(
        classifier(), tmp_path / "photos", tmp_path / "whole", top=1, shard_size=2, batch_size=2
    )
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    names = [name for name in whole if name.endswith((".json", ".parquet"))]
    run = tmp_path / "run"
    done = 0

    def case(generator: Generator) -> None:
        nonlocal done
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        chosen = str(generator.choice(names))
        for name, content in whole.items():
            is_chosen = name == chosen
            text = changed(content, list(whole.values()), generator) if is_chosen else content
            (run / name).write_bytes(text)
        found = seewhy.read_run(run)
        assert repr(found)
        assert len(found.items) == 4
        assert found.counts["photos"] <= 4
        assert found.table().num_rows <= 4
        for explanation in found:
            assert isinstance(explanation, seewhy.Explanation)
            assert explanation.as_dict()
        assert isinstance(found[3], seewhy.Explanation)
        done += 1

    wrong = violations(case, CASES // 5, tmp_path)
    assert not wrong
    assert done > 0


def test_damaged_lists_are_read_or_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (photo,) = save_photos(tmp_path / "photos", 1)
    names = [f"photos/{photo.name}", "x.png", "é.png"]
    pq.write_table(pa.table({"path": names, "label": ["a", "b", None]}), tmp_path / "l.parquet")
    lists = {
        "txt": "\n".join(names).encode(),
        "csv": ("path,label\n" + "".join(f"{one},a\n" for one in names)).encode("cp1252"),
        "tsv": ("path\tlabel\n" + "".join(f'"{one}"\ta\n' for one in names)).encode("utf-16"),
        "parquet": (tmp_path / "l.parquet").read_bytes(),
    }

    def case(generator: Generator) -> None:
        ending = str(generator.choice(list(lists)))
        path = tmp_path / f"list.{ending}"
        content = lists[ending]
        if ending != "parquet" and generator.random() < 0.4:
            content = content.replace(b"x.png", word(generator).encode("utf-8", "replace"))
        path.write_bytes(damaged(content, list(lists.values()), generator))
        items = find_items([path, photo], true_labels=None if ending == "txt" else "label")
        assert items[-1].size > 0
        assert read_manifest(manifest_bytes(items)) == items

    wrong = violations(case, CASES // 5, tmp_path)
    assert not wrong


def test_a_damaged_file_of_evaluate_is_continued_or_refused(tmp_path: Path) -> None:
    photos = save_photos(tmp_path / "photos", 1)
    path = tmp_path / "records.jsonl"
    settings = {"methods": ["cam"], "measures": ["occlusion"], "resume": path}
    wanted = seewhy.evaluate(classifier(), photos, **settings).as_json()
    content = path.read_bytes()

    def case(generator: Generator) -> None:
        path.write_bytes(changed(content, [content], generator))
        assert seewhy.evaluate(classifier(), photos, **settings).as_json() == wanted

    wrong = violations(case, CASES // 20, tmp_path)
    assert not wrong


def test_a_damaged_record_of_explain_is_continued_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import importlib

    module = importlib.import_module("seewhy.zoo.load")
    loaded = LoadedModel(LinearNetwork(), preprocess="unit", labels=["red", "green", "blue"])
    monkeypatch.setattr(module, "_find", lambda *_: loaded)
    monkeypatch.setattr(module, "backend_in_use", lambda _: "numpy")
    monkeypatch.chdir(tmp_path)
    save_photos(tmp_path / "photos", 2)
    command = ["explain", "photos", "--out", "out", "--resume"]
    assert cli.main(command) == 0
    path = tmp_path / "out" / ".explained.jsonl"
    content = path.read_bytes()

    def case(generator: Generator) -> None:
        path.write_bytes(changed(content, [content], generator))
        assert cli.main(command) in (0, 1)
        assert "Traceback" not in "".join(capfd.readouterr())
        assert {one.name for one in tmp_path.iterdir()} == {"photos", "out"}

    wrong = violations(case, CASES // 40, tmp_path)
    assert not wrong


def test_a_damaged_state_of_training_is_continued_or_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.AdamW()
    optimizer.build(model.trainable_variables)
    path = tmp_path / "state.npz"
    rows = [{"epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5}]
    save_state(path, model, optimizer, rows, model.get_weights())
    content = path.read_bytes()

    def case(generator: Generator) -> None:
        path.write_bytes(damaged(content, [content], generator))
        found, best = load_state(path, model, optimizer)
        assert len(best) == 2
        assert isinstance(found, list)

    wrong = violations(case, CASES // 10, tmp_path)
    assert not wrong


def test_any_question_to_the_page_is_answered_or_refused(tmp_path: Path) -> None:
    whole = {
        "photo": "", "model": "colours", "method": "cam", "classes": [0], "layer": "cells",
        "options": {"patch": 4}, "versus": 1, "squares": [[1, 2, 3]], "place": [0, 0],
    }  # fmt: skip
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        whole["photo"] = frames(send(client).content)[0]["id"]
        content = json.dumps(whole).encode()
        kinds = ("explain", "trust", "cover", "look", "cost", "field", "channels", "npz")

        def case(generator: Generator) -> None:
            kind = str(generator.choice(kinds))
            if generator.random() < 0.3:
                text = word(generator).encode("utf-8", "replace").hex("%")
                path = str(generator.choice(["photos/", "run/", "photos/x?side=", "run?low="]))
                said = client.get(f"/api/{path}%{text}" if text else "/api/")
            else:
                said = client.post(
                    f"/api/{kind}",
                    content=changed(content, [content], generator),
                    headers={"Content-Type": "application/json"},
                )
            assert said.status_code < 500, said.text
            assert said.headers["x-content-type-options"] == "nosniff"

        wrong = violations(case, CASES // 10, tmp_path)
    assert not wrong
