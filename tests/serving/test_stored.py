"""A run of `seewhy batch` on the page: its photos by number, its maps without the network."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections import Counter

import numpy as np
import pytest
from starlette.testclient import TestClient

import seewhy
from seewhy.commands.serve import add_arguments, find_run, load_models
from seewhy.errors import MissingFramework, ModelError, OptionError, SeewhyError
from seewhy.serving.server import build_app
from seewhy.serving.stored import StoredRun
from tests.colour_network import Colours
from tests.datasets.made import classifier, save_photos
from tests.serving.conftest import HOST, OWN, frames, loaded, running

pytest.importorskip("pyarrow")

WAIT = 40_000


class Silent(Colours):
    """A network that must not run."""

    def activations(self, images, layers):
        raise AssertionError("the network ran")

    def scores(self, images):
        raise AssertionError("the network ran")


def silent() -> seewhy.Classifier:
    return seewhy.Classifier(Silent(), preprocess="unit", labels=["red", "green", "blue"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Eleven photos with labels, their run, and its rows of the best classes."""
    folder = tmp_path_factory.mktemp("made")
    save_photos(folder / "photos" / "red", 6)
    save_photos(folder / "photos" / "blue", 5, seed=1)
    (folder / "photos" / "red" / "bad.png").write_text("no photo")
    run = seewhy.batch(
        classifier(), folder / "photos", folder / "run", true_labels="folders", top=2,
        method="cam", shard_size=8, batch_size=4,
    )  # fmt: skip
    best = [row for row in run.table().to_pylist() if row["kind"] == "predicted"]
    return folder, run, [row for row in best if row["rank"] == 1]


@pytest.fixture
def client(made):
    app = build_app(
        loaded({"silent": silent()}), hosts=frozenset({HOST}), run=StoredRun(made[0] / "run")
    )
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        yield client


def listed(client, **wanted):
    return client.get("/api/run", params=wanted).json()


def test_photos_are_listed_by_confidence_and_what_failed_comes_last(client, made):
    rows = made[2]
    found = listed(client)
    assert found["count"] == 12
    shares = [one["found"]["probability"] for one in found["photos"][:11]]
    assert shares == pytest.approx(sorted((row["probability"] for row in rows), reverse=True))
    assert "bad.png" in found["photos"][11]["failed"]
    assert found["photos"][11]["found"] is None
    least = listed(client, order="least-sure")["photos"]
    assert [one["id"] for one in least[:11]] == [one["id"] for one in found["photos"][10::-1]]


def test_photos_are_sifted_by_class_right_or_wrong_and_confidence(client, made):
    rows = made[2]
    index = rows[0]["class_index"]
    middle = float(np.median([row["probability"] for row in rows]))
    cases = [
        ({"class": index}, [row for row in rows if row["class_index"] == index]),
        ({"right": "right"}, [row for row in rows if row["correct"]]),
        ({"right": "wrong"}, [row for row in rows if row["correct"] is False]),
        ({"low": middle}, [row for row in rows if row["probability"] >= middle]),
    ]
    for wanted, expected in cases:
        ids = {one["id"] for one in listed(client, **wanted)["photos"]}
        assert ids == {f"run{row['photo_id']}" for row in expected}, wanted
    for wrong in (
        {"class": "../x"},
        {"low": "all"},
        {"right": "maybe"},
        {"order": "path"},
        {"class": "9" * 5000},
    ):
        response = client.get("/api/run", params=wrong)
        assert response.status_code == 400
        assert response.json()["error"] == "The filter is not one of the page's. Reload the page."


def test_stored_maps_are_shown_and_the_network_does_not_run(client, made):
    run = made[1]
    number = made[2][3]["photo_id"]
    answer = frames(client.get(f"/api/run/{number}").content)[-1]
    np.testing.assert_array_equal(answer["maps"], run[number].maps[0])
    assert [one["index"] for one in answer["targets"]] == [
        one.index for one in run[number].targets[0]
    ]
    assert answer["method"] == "cam"


@pytest.mark.parametrize("address", ["run/99", "photos/run99", "photos/..%2Frun.json"])
def test_only_photos_of_the_manifest_can_be_asked_for_and_only_by_number(client, address):
    assert client.get(f"/api/{address}").status_code == 404


def test_a_photo_that_has_moved_gets_a_sentence(made, tmp_path):
    folder = tmp_path / "copy"
    save_photos(folder / "photos", 2)
    seewhy.batch(classifier(), folder / "photos", folder / "run", top=1, method="cam")
    gone = folder / "photos" / "0001.png"
    gone.unlink()
    app = build_app(
        loaded({"silent": silent()}), hosts=frozenset({HOST}), run=StoredRun(folder / "run")
    )
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        for address in ("run/1", "photos/run1"):
            response = client.get(f"/api/{address}")
            assert response.status_code == 422
            assert response.json()["error"] == (
                f"There is no file '{gone}'. Check the path and its spelling."
            )
        assert client.get("/api/run/0").status_code == 200


def test_a_server_without_a_run_says_how_to_name_one():
    app = build_app(loaded({"silent": silent()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        for address in ("run", "run/0"):
            response = client.get(f"/api/{address}")
            assert response.status_code == 404
            assert response.json()["error"] == (
                "There is no run with such a photo here. Name one when you start: seewhy serve RUN"
            )


def test_what_is_no_run_is_refused_in_words(made, tmp_path, monkeypatch):
    folder = made[0]
    assert find_run([]) is None
    assert find_run([str(folder / "photos")]) is None
    place = str(folder / "run")
    with pytest.raises(OptionError) as caught:
        find_run([place, "cat.jpg"])
    assert str(caught.value) == f"A run is shown alone. Name '{place}' and nothing else."
    shutil.copy(folder / "run" / "manifest.parquet", tmp_path)
    with pytest.raises(OptionError) as caught:
        find_run([str(tmp_path)])
    assert str(caught.value) == (
        f"There is no run in '{tmp_path}': it has no run.json. Name the folder that was given to "
        "seewhy batch as --out."
    )
    shutil.copy(folder / "run" / "run.json", tmp_path)
    with pytest.raises(OptionError) as caught:
        find_run([str(tmp_path)])
    assert str(caught.value) == f"'{tmp_path}' has no finished shard yet. Let the run go on."
    with pytest.raises(ModelError) as model:
        StoredRun(folder / "run").load_arguments()
    assert str(model.value) == (
        "The run 'run' does not say how to load its network. Give it: --model"
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingFramework, match=re.escape("pip install 'seewhy[data]'")):
        find_run([place])


def test_the_strip_of_a_run_is_sifted_and_shows_stored_maps(made, browser):
    folder, _, rows = made
    with running({"silent": silent()}, run=StoredRun(folder / "run")) as server:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", timeout=WAIT)
        page.wait_for_selector("figcaption b:text-matches('%')", timeout=WAIT)
        assert len(page.query_selector_all("#strip button")) == 12
        assert page.inner_text("figcaption .how").startswith("cam · ")
        assert not any("/api/explain" in one for one in asked)
        page.select_option("[name=right]", "wrong")
        wrong = sum(row["correct"] is False for row in rows)
        page.wait_for_function(
            "(count) => document.querySelector('#sift output').textContent.startsWith(count)",
            arg=f"{wrong} of 12 photos",
            timeout=WAIT,
        )
        assert len(page.query_selector_all("#strip .wrong")) == wrong
        page.close()


def parsed(*words: str):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(list(words))


def test_each_model_has_its_own_labels_or_all_the_same():
    two = ["--model", "built-in", "--model", "built-in"]
    names = [",".join(f"{letter}{index}" for index in range(19)) for letter in "ab"]
    one, other = load_models(parsed(*two, "--labels", names[0], "--labels", names[1]))
    assert (one.classifier.labels[0], other.classifier.labels[0]) == ("a0", "b0")
    assert (one.settings, other.name) == ({"labels": names[0]}, "built-in (2)")
    same = load_models(parsed(*two, "--labels", names[0]))
    assert [each.classifier.labels[0] for each in same] == ["a0", "a0"]
    with pytest.raises(OptionError) as caught:
        load_models(parsed(*two, "--model", "built-in", *["--labels", names[0]] * 2))
    assert str(caught.value) == (
        "--labels was given 2 times for 3 models. Give it once for all, or once for each, in the "
        "order of --model."
    )


def test_the_run_says_what_was_taken_for_what_and_sifts_by_true_label(client, made):
    rows = made[2]
    run = client.get("/api/about").json()["run"]
    assert {one["label"]: one["count"] for one in run["labels"]} == {"red": 7, "blue": 5}
    counts = Counter((row["label"], row["class_name"]) for row in rows)
    assert {(one["label"], one["found"]): one["count"] for one in run["confusion"]} == counts
    ids = {one["id"] for one in listed(client, label="blue")["photos"]}
    assert ids == {f"run{row['photo_id']}" for row in rows if row["label"] == "blue"}


def test_a_mistake_has_the_stored_map_of_what_was_found_rather_than_what_is_true(client, made):
    _, run, rows = made
    stored = {row["photo_id"]: row for row in run.table().to_pylist() if row["kind"] == "contrast"}
    assert stored
    for row in rows:
        number = row["photo_id"]
        *contrasts, answer = frames(client.get(f"/api/run/{number}").content)
        assert answer["kind"] == "result"
        assert bool(contrasts) is (number in stored) is (not row["correct"])
        for one in contrasts:
            (target,) = one["targets"]
            assert (target["label"], target["rivals"]) == (row["class_name"], row["label"])
            assert one["signed"] is True
            expected = np.asarray(stored[number]["heatmap"], np.float32).ravel()
            np.testing.assert_array_equal(one["maps"].ravel(), expected)


def test_notes_are_kept_in_a_file_beside_the_run_which_stays_as_it_is(made):
    folder = made[0]
    before = {file: file.read_bytes() for file in (folder / "run").iterdir()}
    run = StoredRun(folder / "run")
    app = build_app(loaded({"silent": silent()}), hosts=frozenset({HOST}), run=run)
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        note = {"ticked": True, "note": "two cats\nin one photo"}
        assert client.post("/api/run/0/note", json=note).json() == note
        for wrong in ({"ticked": 1}, {"note": "x" * 1001}, {"path": "/etc/passwd"}):
            assert client.post("/api/run/0/note", json=wrong).status_code == 400
        assert client.post("/api/run/99/note", json=note).status_code == 404
        by_id = {one["id"]: one for one in listed(client)["photos"]}
        assert (by_id["run0"]["ticked"], by_id["run0"]["note"]) == (True, note["note"])
    file = folder / "run.notes.json"
    assert list(json.loads(file.read_text())["notes"].values()) == [note]
    assert {file: file.read_bytes() for file in (folder / "run").iterdir()} == before
    assert StoredRun(folder / "run").notes.of(StoredRun(folder / "run").photos[0].path).ticked
    for content in ("[]", '{"notes": {"a": 1}}', '{"notes": {"a": {"note": 1}}}', "no json"):
        file.write_text(content)
        with pytest.raises(SeewhyError, match="is damaged, or not a file of notes"):
            StoredRun(folder / "run")
    file.unlink()


def test_mistakes_are_gone_through_by_key_with_reasons_a_matrix_and_notes(made, browser):
    folder, _, rows = made
    wrong = [row for row in rows if row["correct"] is False]
    with running({"silent": silent()}, run=StoredRun(folder / "run")) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector("figcaption b:text-matches('%')", timeout=WAIT)
        page.select_option("[name=right]", "wrong")
        page.wait_for_function(
            "(count) => document.querySelectorAll('#strip button').length === count",
            arg=len(wrong),
            timeout=WAIT,
        )
        page.click("#strip button:first-child")
        page.keyboard.press("m")
        page.wait_for_selector(".verdict.wrong", timeout=WAIT)
        surest = max(wrong, key=lambda row: row["probability"])
        said = page.inner_text(".verdict")
        assert said.startswith(surest["class_name"])
        assert said.endswith(f"but its label is {surest['label']}")
        why = f"{surest['class_name']} rather than {surest['label']}"
        page.wait_for_function(
            "(text) => document.querySelector('figcaption b').textContent.startsWith(text)",
            arg=why,
            timeout=WAIT,
        )
        assert page.inner_text(".scale span:first-child").startswith(f"for {surest['label']}")
        page.click("#share-open")
        page.wait_for_function(
            "() => document.getElementById('as-python').textContent.length > 1", timeout=WAIT
        )
        classes = {"red": 0, "green": 1, "blue": 2}
        found, true = classes[surest["class_name"]], classes[surest["label"]]
        asked = f'method="cam", classes=[{found}], contrast=[{true}]'
        assert asked in page.inner_text("#as-python")
        page.keyboard.press("Escape")
        first = page.get_attribute("#strip [aria-pressed=true]", "data-photo")
        if len(wrong) > 1:
            page.keyboard.press("n")
            page.wait_for_function(
                "(id) => document.querySelector('#strip [aria-pressed=true]').dataset.photo !== id",
                arg=first,
                timeout=WAIT,
            )
            page.keyboard.press("p")
            page.wait_for_function(
                "(id) => document.querySelector('#strip [aria-pressed=true]').dataset.photo === id",
                arg=first,
                timeout=WAIT,
            )
        page.keyboard.press("t")
        page.wait_for_selector("#strip .ticked", timeout=WAIT)
        page.fill("#note", "a cat in a box")
        page.press("#note", "Tab")
        page.wait_for_timeout(300)
        cell = Counter((row["label"], row["class_name"]) for row in wrong).most_common(1)[0]
        (label, found), count = cell
        page.click(f"[aria-label='{count} photos of {label}, found: {found}']")
        page.wait_for_function(
            "(count) => document.querySelectorAll('#strip button').length === count",
            arg=count,
            timeout=WAIT,
        )
        assert page.input_value("[name=label]") == label
        page.reload()
        page.wait_for_selector("#note", timeout=WAIT)
        assert page.input_value("#note") == "a cat in a box"
        assert page.is_checked("#tick")
        page.close()
    (folder / "run.notes.json").unlink()
