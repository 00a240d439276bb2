"""What the page asks and is told, with Starlette's own client."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import seewhy
from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.evaluating.comparing import Removal
from seewhy.explaining.request import Request
from seewhy.progress import no_progress
from seewhy.serving import shelf as shelves
from seewhy.serving.answers import explained, probed
from seewhy.serving.questions import PageQuestion
from seewhy.serving.server import Loaded, build_app
from seewhy.serving.shelf import Shelf
from seewhy.serving.trust import _removal_check, trusted
from tests.colour_network import GREEN, GREEN_SPOT, RED, RED_SPOT, colour_classifier, painted
from tests.places import ROOT
from tests.serving.conftest import HOST, OWN, frames, loaded, png, send

TWO = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
ONLY_RED = painted(((0, 0, 96, 64), RED))


REQUEST = ("methods", "options", "classes", "contrast", "layer", "top")


def asked(client, name, **question):
    """Ask as the page does: what the library's request has is in the part 'request'."""
    request = {part: question.pop(part) for part in REQUEST if part in question}
    if "classes" not in request:
        request = {"top": 1, **request}
    return client.post(f"/api/{name}", json={"model": "colours", "request": request, **question})


def last(response) -> dict:
    """Return the answer that the frames end in."""
    return frames(response.content)[-1]


def photo_of(client, content=None) -> str:
    (said,) = frames(send(client, content).content)
    return said["id"]


def test_a_photo_and_the_map_of_its_best_class_come_in_one_go(client):
    photo, *_, result = frames(send(client, png(TWO.pixels), query="?model=colours").content)
    assert (photo["kind"], photo["name"], photo["width"], photo["height"]) == (
        "photo", "painted.png", 96, 64,
    )  # fmt: skip
    expected = seewhy.explain(colour_classifier(), TWO, top=1)
    assert result["kind"] == "result"
    assert (result["method"], result["layer"], result["signed"]) == ("cam", "cells", False)
    assert result["targets"][0]["label"] == "red"
    assert [one["label"] for one in result["predictions"]] == ["red", "green", "blue"]
    np.testing.assert_array_equal(result["maps"], expected.maps[0])
    assert result["placement"] == [0, 0, 96, 64]


def test_a_class_that_is_asked_for_is_explained(client):
    photo = photo_of(client, png(TWO.pixels))
    result = last(asked(client, "explain", photo=photo, classes=[1]))
    np.testing.assert_array_equal(
        result["maps"], seewhy.explain(colour_classifier(), TWO, classes=[1]).maps[0]
    )


def test_one_class_rather_than_another_is_the_difference_of_their_maps(client):
    photo = photo_of(client, png(TWO.pixels))
    result = last(asked(client, "explain", photo=photo, classes=[0], contrast=[1]))
    both = seewhy.explain(colour_classifier(), TWO, classes=[0, 1]).maps[0]
    np.testing.assert_allclose(result["maps"][0], both[0] - both[1], atol=1e-6)
    assert result["signed"] is True
    assert (result["targets"][0]["label"], result["targets"][0]["rivals"]) == ("red", "green")


def test_covering_what_speaks_for_a_class_takes_its_probability(client):
    photo = photo_of(client, png(TWO.pixels))
    bare = last(asked(client, "cover", photo=photo))
    covered = last(asked(client, "cover", photo=photo, squares=[[12, 8, 24]]))
    assert bare["predictions"][0]["label"] == "red"
    assert covered["predictions"][0]["label"] == "green"


def test_boxes_are_those_that_locate_finds_with_what_is_seen_in_them(client):
    photo = photo_of(client, png(TWO.pixels))
    for question, settings in (
        ({"classes": [1]}, {"classes": [1]}),
        ({"classes": [1], "threshold": 0.6}, {"classes": [1], "threshold": 0.6}),
        ({}, {}),
    ):
        result = last(asked(client, "locate", photo=photo, **question))
        expected = seewhy.locate(colour_classifier(), TWO, **settings).found[0]
        assert result["boxes"] == [
            {
                "box": list(one.box),
                "label": one.seen.label,
                "probability": pytest.approx(one.seen.probability),
            }
            for one in expected
        ]


def test_every_answer_says_what_it_belongs_to(client):
    photo = photo_of(client, png(TWO.pixels))
    for name in ("explain", "cover", "locate", "trust"):
        of = last(asked(client, name, photo=photo, classes=[1]))["of"]
        assert (of["photo"], of["model"], of["request"]["classes"]) == (photo, "colours", [1])


def test_a_map_that_is_true_passes_its_checks_with_the_areas_of_evaluate(client):
    photo = photo_of(client, png(TWO.pixels))
    *progress, result = frames(asked(client, "trust", photo=photo, classes=[0]).content)
    deletion, _, likeness = result["checks"]
    measured = seewhy.evaluate(colour_classifier(), TWO, methods=["cam"], classes=[0])
    area = measured.methods["cam"].deletion[0]
    assert deletion["holds"] is True
    assert deletion["text"] == "Covering its hottest places first hurts most"
    assert deletion["why"].startswith(f"deletion {area:.2f} · random cells ")
    assert re.search(r"better than random cells by \+0\.\d\d ± 0\.\d\d$", deletion["why"])
    assert likeness["text"] == "It depends on the class"
    assert re.search(r"with the map of green · 1 is the same map$", likeness["why"])
    assert {one["kind"] for one in progress} <= {"queued", "progress", "alive"}


def test_a_margin_within_the_spread_of_random_cells_is_no_verdict():
    within = Removal(map=0.40, centre=0.45, random=0.44, half_width=0.05)
    assert _removal_check("deletion", within).holds is None
    assert _removal_check("deletion", replace(within, half_width=0.03)).holds is True
    assert _removal_check("insertion", replace(within, half_width=0.03)).holds is False
    hardly = replace(within, map=within.random - 0.004, half_width=0.001)
    assert _removal_check("deletion", hardly).holds is None  # sure, and no difference to speak of
    by_centre = Removal(map=0.40, centre=0.35, random=0.60, half_width=0.05)
    assert _removal_check("deletion", by_centre).holds is False


def test_a_class_of_less_than_one_per_cent_cannot_be_measured():
    network = colour_classifier()
    unlikely = PageQuestion(request=Request(classes=(2,)))
    explanation = seewhy.explain(network, ONLY_RED, classes=[2])
    assert explanation.targets[0][0].probability < 0.01
    first = frames(trusted(network, ONLY_RED, unlikely, no_progress))[-1]["checks"][0]
    assert first["holds"] is None
    assert first["text"] == "Not measurable: 'blue' has less than 1 % on this photo"


@pytest.mark.parametrize("limit", [-1.0, 1.0])
def test_a_photo_unlike_the_training_photos_is_marked_in_every_answer(limit):
    references = ReferenceFeatures("cells", np.eye(6, dtype=np.int8), limit, 1)
    network = colour_classifier().network
    knows = seewhy.Classifier(network, preprocess="unit", references=references)
    asked = PageQuestion(request=Request(classes=(0,)))
    for answer in (explained, probed):
        assert frames(answer(knows, TWO, asked, no_progress))[-1]["familiar"] is (limit == -1.0)
    badge = frames(trusted(knows, TWO, asked, no_progress))[-1]
    assert badge["good"] is (limit == -1.0)
    unlike = "The photo is less like the training photos than 95 % of held-out ones"
    assert (unlike in [one["text"] for one in badge["checks"]]) is (limit == 1.0)


def test_what_slow_methods_cost_is_said_before(client):
    photo = photo_of(client)
    result = last(asked(client, "cost", photo=photo, methods=["rise"]))
    assert result["copies"] == 4000
    assert result["seconds"] > 0


def test_the_numbers_come_as_npz_as_the_library_saves_them(client, tmp_path):
    photo = photo_of(client, png(TWO.pixels))
    result = last(asked(client, "npz", photo=photo, classes=[1]))
    saved = seewhy.explain(colour_classifier(), TWO, classes=[1]).save_maps(tmp_path / "x.npz")
    ours, theirs = np.load(io.BytesIO(result["file"].tobytes())), np.load(saved)
    for name in ("maps", "labels", "indices", "probabilities", "scores", "seen", "photos"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert set(ours) == set(theirs)
    assert json.loads(str(ours["provenance"])) == json.loads(str(theirs["provenance"]))


def bomb() -> bytes:
    """Return a PNG of 200 megapixels whose header says so, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 422, "'x.png' is empty (0 bytes). Get the file again."),
        (b"hello, I am a text", 422, "'x.png' is not an image"),
        (png()[:100], 422, "'x.png' is damaged or truncated"),
        (bomb(), 422, "'x.png' is too large to be read safely: Image size (200000000 pixels)"),
        (b"x" * (25 * 2**20 + 1), 413, "'x.png' is larger than 25 MB. Send a smaller one."),
    ],
    ids=["empty", "text", "truncated", "bomb", "large"],
)
def test_what_is_no_photo_gets_a_sentence_and_the_server_goes_on(client, content, status, said):
    refused = send(client, content, name="x.png")
    assert refused.status_code == status
    assert said in refused.json()["error"]
    assert frames(send(client).content)[0]["kind"] == "photo"


def test_a_body_that_hides_its_length_is_cut_at_the_limit(client):
    def pieces():
        for _ in range(30):
            yield b"x" * 2**20

    refused = client.post("/api/photos", content=pieces())
    assert refused.status_code == 413


def test_forms_are_refused(client):
    refused = client.post("/api/photos", files={"photo": png()})
    assert refused.status_code == 415
    assert refused.json() == {"error": "Send one photo as the raw body of the request, not a form."}


OWN_OPTION = {"methods": ["rise"], "options": {"rise": {"x; rm -rf ~ #": 1}}}


@pytest.mark.parametrize(
    ("question", "status", "said"),
    [
        ({"model": "/etc/passwd"}, 404, "There is no model 'passwd' here. Name it when you start"),
        ({"model": "http://evil.example/x"}, 404, "There is no model 'x' here."),
        ({"photo": "0" * 32}, 404, "This photo is no longer in the server's memory. Drop it"),
        ({"photo": 7}, 400, "The question's 'photo' is not a short text."),
        ({"classes": "red"}, 400, "The request's 'classes' is not 24 whole numbers or fewer."),
        ({"classes": [True]}, 400, "The request's 'classes' is not 24 whole numbers or fewer."),
        ({"classes": [0], "top": 1}, 400, "'top', 'classes' and 'target' exclude each other."),
        ({"methods": ["grad-kam"]}, 400, "There is no method 'grad-kam'."),
        ({"squares": [[1, 2]]}, 400, "A square is not three numbers"),
        ({"squares": [[1, 2, float("1e300")]]}, 400, "A square is not three numbers"),
        ({"squares": [[0, 0, 1]] * 4001}, 400, "More than 4,000 squares cover the photo."),
        ({"threshold": 2}, 400, "The question's 'threshold' is not a number from 0 to 1."),
        ({"place": [1]}, 400, "The question's 'place' is not a row and a column."),
        ({"options": {"rise": 3}}, 400, "The options of the methods are not names with numbers"),
        (OWN_OPTION, 400, "The method 'rise' has no option 'x; rm -rf ~ #'."),
        ({"path": "/etc/passwd"}, 400, "The question has an unknown part, 'path'."),
        ({"request": {"target": "os.system"}}, 400, "The request has an unknown part, 'target'."),
    ],
    ids=str,
)  # fmt: skip
def test_a_question_that_is_none_gets_a_sentence(client, question, status, said):
    photo = photo_of(client)
    refused = asked(client, "explain", **{"photo": photo, **question})
    assert (refused.status_code, said in refused.json()["error"]) == (status, True), refused.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"[" * 100_000, b'{"photo": "\\ud800"}', b'{"\\ud800": 1}',
        b'{"filter": ' + b"9" * 5000 + b"}", b"\xff",
    ],
)  # fmt: skip
def test_a_body_that_is_no_question_gets_a_sentence(client, body):
    refused = client.post(
        "/api/explain", content=body, headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 400
    plain = client.post("/api/explain", content=b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"classes": [7]}, "'colours' has no class '7'"),
        ({"classes": [1], "contrast": [1]}, "'green' is contrasted with itself."),
        (
            {"methods": ["grad-cam"]},
            "'colours' has no gradients at its layers",
        ),
    ],
    ids=str,
)
def test_a_question_that_fails_gets_a_sentence_and_the_server_goes_on(client, question, said):
    photo = photo_of(client)
    error = last(asked(client, "explain", photo=photo, **question))
    assert (error["kind"], said in error["message"]) == ("error", True), error["message"]
    assert frames(asked(client, "explain", photo=photo).content)[-1]["kind"] == "result"


def test_photos_of_the_command_line_are_listed_by_name_and_read_when_asked(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(TWO.pixels))
    (tmp_path / "broken.png").write_bytes(b"no photo")
    app = build_app(
        loaded({"colours": colour_classifier()}),
        sorted(tmp_path.iterdir()),
        hosts=frozenset({HOST}),
    )
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        listed = client.get("/api/about").json()["photos"]
        assert [one["name"] for one in listed] == ["a.png", "b.png", "broken.png"]
        assert str(tmp_path) not in client.get("/api/about").text
        picture = client.get(f"/api/photos/{listed[0]['id']}?side=48")
        assert Image.open(io.BytesIO(picture.content)).size == (48, 32)
        refused = client.get(f"/api/photos/{listed[2]['id']}")
        assert (refused.status_code, "broken.png" in refused.json()["error"]) == (422, True)


def test_photos_are_kept_within_bounds_and_the_least_recently_used_go_first():
    shelf = Shelf([], memory=3 * 30_000)
    one, two, three = (shelf.add(png(np.full((100, 100, 3), grey)), "x") for grey in (1, 2, 3))
    shelf.get(one)
    four = shelf.add(png(np.full((100, 100, 3), 4)), "x")
    assert [key in shelf._photos for key in (one, two, three, four)] == [True, False, True, True]
    assert shelf.used == 3 * 30_000
    with pytest.raises(shelves.UnknownPhoto):
        shelf.get(two)


def test_the_same_photo_twice_is_kept_once():
    shelf = Shelf([])
    assert shelf.add(png(), "a") == shelf.add(png(), "b")
    assert len(shelf) == 1


SERVER = """
import sys, numpy as np
from tests.colour_network import colour_classifier
from seewhy.serving.server import Loaded, bound_socket, build_app, host_names, server_of
from seewhy.serving.shelf import Shelf
listener = bound_socket("127.0.0.1", 0)
port = listener.getsockname()[1]
hosts = host_names("127.0.0.1", port)
models = [Loaded("colours", colour_classifier(), "colours")]
app = build_app(models, hosts=hosts, shelf=Shelf([], memory=60 * 480_000))
print(port, flush=True)
server_of(app).run(sockets=[listener])
"""


def memory_of(process: subprocess.Popen) -> int:
    """Return a process's memory in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_fifty_uploads_at_once_lose_nothing_and_memory_does_not_grow():
    """Photos of 480 kB each; the shelf holds sixty. Two rounds fill it, three more add nothing."""
    base = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        host = f"127.0.0.1:{int(process.stdout.readline())}"
        own = {"Sec-Fetch-Site": "same-origin"}

        def round_of(client, start: int) -> list[str]:
            files = []
            for number in range(start, start + 50):
                base[0, 0] = number, 0, 0
                files.append(png(base))
            with ThreadPoolExecutor(50) as pool:
                said = list(pool.map(lambda file: send(client, file), files))
            assert {one.status_code for one in said} == {200}
            return [frames(one.content)[0]["id"] for one in said]

        with httpx2.Client(base_url=f"http://{host}", headers=own, timeout=60) as client:
            first = round_of(client, 0)
            assert len(set(first)) == 50
            assert all(client.get(f"/api/photos/{one}?side=16").status_code == 200 for one in first)
            round_of(client, 50)
            before = memory_of(process)
            for start in (100, 150, 200):
                assert len(set(round_of(client, start))) == 50
            grown = memory_of(process) - before
        process.terminate()
    assert grown < 50 * base.nbytes


class Slow:
    """A question that goes on until it is told to stop."""

    def __init__(self) -> None:
        self.started, self.stopped, self.batches = threading.Event(), threading.Event(), 0

    def __call__(self, progress):
        from seewhy.serving.work import Cancelled

        self.started.set()
        try:
            while True:
                time.sleep(0.005)
                self.batches += 1
                progress(self.batches, 10**6)
        except Cancelled:
            self.stopped.set()
            raise


def test_a_full_queue_is_said_and_the_photo_is_not_lost(client):
    from seewhy.serving.work import Job

    photo = photo_of(client)
    worker = client.app.state.api.models["colours"].worker
    due = time.monotonic() + 10
    while worker.load and time.monotonic() < due:
        time.sleep(0.01)
    slow = [Slow() for _ in range(8)]
    jobs = [Job(one, lambda *_: None, quick=False) for one in slow]
    for job in jobs:
        worker.submit(job)
    refused = asked(client, "explain", photo=photo)
    assert refused.status_code == 429
    assert refused.json() == {
        "error": "The model's queue is full (eight questions). Wait a moment, or cancel one."
    }
    kept, busy = frames(send(client, png(TWO.pixels), query="?model=colours").content)
    assert (kept["kind"], busy["kind"]) == ("photo", "busy")
    for job in jobs:
        job.cancel()
    assert slow[0].stopped.wait(5)
    result = last(asked(client, "explain", photo=kept["id"]))
    assert result["kind"] == "result"


def test_a_quick_question_does_not_wait_for_a_slow_one(client):
    from seewhy.serving.work import Job

    photo = photo_of(client)
    slow = Slow()
    job = Job(slow, lambda *_: None, quick=False)
    client.app.state.api.models["colours"].worker.submit(job)
    assert slow.started.wait(5)
    said = frames(asked(client, "explain", photo=photo).content)
    assert said[-1]["kind"] == "result"
    assert not slow.stopped.is_set()
    job.cancel()
    assert slow.stopped.wait(5)


def test_thumbnails_are_small(client):
    photo = photo_of(client)
    picture = client.get(f"/api/photos/{photo}?side=99999999999")
    assert picture.headers["content-type"] == "image/jpeg"
    assert client.get("/api/photos/nothing").status_code == 404


def test_a_model_is_shown_by_the_last_part_of_its_name_and_copied_by_all_of_it():
    model = Loaded("nets/my.keras", colour_classifier(), "nets/my.keras", {"size": "32"})
    with TestClient(
        build_app([model], hosts=frozenset({HOST})), base_url=f"http://{HOST}", headers=OWN
    ) as client:
        (listed,) = client.get("/api/about").json()["models"]
        assert (listed["name"], listed["short"]) == ("nets/my.keras", "my.keras")
        assert listed["labels"] == ["red", "green", "blue"]
        code = last(
            client.post("/api/code", json={"model": "nets/my.keras", "photo": photo_of(client)})
        )
        assert 'seewhy.load("nets/my.keras", size="32")' in code["python"]
        assert "--model nets/my.keras --size 32" in code["command"]


def test_a_function_is_explained_on_the_page_and_what_needs_layers_is_told() -> None:
    def predict(images: np.ndarray) -> np.ndarray:
        return images.mean((1, 2))

    classifier = seewhy.Classifier(predict, size=(16, 24), preprocess="unit", name="mine")
    app = build_app(loaded({"mine": classifier}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        (model,) = client.get("/api/about").json()["models"]
        assert {"cam", "grad-cam", "saliency", "score-cam"} <= set(model["unfit"])
        assert not {"occlusion", "rise"} & set(model["unfit"])
        photo = photo_of(client)
        found = last(asked(client, "explain", photo=photo, model="mine", top=1))
        assert (found["kind"], found["method"]) == ("result", "occlusion")
        field = last(asked(client, "field", photo=photo, model="mine"))
        assert field["message"] == (
            "The layer 'input' has no rows and columns to show. Choose another layer."
        )
