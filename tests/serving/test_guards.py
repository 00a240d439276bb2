"""What one visitor, or one model, can do to the others: nothing."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import socket
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import seewhy
from seewhy.photos.reading import Photo, read_photo
from seewhy.serving import bodies
from seewhy.serving.server import build_app
from seewhy.serving.shelf import Shelf
from seewhy.serving.work import Job, Worker
from tests.colour_network import colour_classifier
from tests.photos.test_hostile import png_chunk
from tests.serving.conftest import HOST, OWN, frames, loaded, png, running, send


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_model_that_ends_its_thread_is_an_error_and_later_questions_are_answered(raised):
    worker, said = Worker("model"), []
    done = threading.Event()

    def fail(_progress: Any) -> None:
        raise raised

    worker.submit(Job(fail, lambda kind, value: said.append((kind, value)), quick=False))
    worker.submit(Job(lambda _: 7, lambda *one: (said.append(one), done.set()), quick=False))
    assert done.wait(5)
    worker.close()
    assert said == [("error", raised), ("result", 7)]


def test_a_model_that_exits_gets_a_sentence(client, monkeypatch):
    def leave(*_: Any, **__: Any) -> None:
        raise SystemExit("bye")

    answers = pytest.importorskip("seewhy.serving.answers")
    monkeypatch.setattr(answers, "engine", leave)
    for _ in range(2):
        error = frames(send(client, query="?model=colours").content)[-1]
        assert error["message"] == (
            "The model failed on this question (SystemExit: bye). The server keeps running."
        )


def test_finished_work_keeps_no_photo_alive(client, monkeypatch):
    alive: list[weakref.ref[Photo]] = []
    held: list[Photo] = []

    def add(_: Shelf, content: bytes, _name: str) -> str:
        held.append(read_photo(io.BytesIO(content)))
        alive.append(weakref.ref(held[0]))
        return "key"

    monkeypatch.setattr(Shelf, "add", add)
    monkeypatch.setattr(Shelf, "get", lambda _self, _key: held.pop())
    gc.collect()
    gc.disable()
    try:
        for grey in range(6):
            content = png(np.full((20, 20, 3), grey))
            assert frames(send(client, content, query="?model=colours").content)[-1]["maps"].size
        assert sum(one() is not None for one in alive) <= 1
    finally:
        gc.enable()


def test_a_photo_with_a_million_parts_does_not_make_others_wait(client):
    content = png()
    hostile = content[:33] + png_chunk(b"teXt") * 1_000_000 + content[33:]
    started = time.process_time()
    refused = send(client, hostile, name="x.png")
    assert refused.status_code == 422
    assert "its header has too many parts" in refused.json()["error"]
    assert time.process_time() - started < 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_a_pipe_of_the_command_line_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    models = loaded({"colours": colour_classifier()})
    app = build_app(models, [tmp_path / "a.png"], hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        (listed,) = client.get("/api/about").json()["photos"]
        refused = client.get(f"/api/photos/{listed['id']}")
        assert refused.status_code == 422
        assert "is not a regular file but a pipe" in refused.json()["error"]


def test_uploads_that_trickle_hold_up_nobody(monkeypatch):
    monkeypatch.setattr(bodies, "PACE", 1000)
    with (
        running({"colours": colour_classifier()}, chunk_seconds=1.0) as server,
        contextlib.ExitStack() as stack,
    ):
        head = (
            b"POST /api/photos HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nSec-Fetch-Site: same-origin\r\n"
            b"Content-Length: %d\r\n\r\n"
        )
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            for _ in range(20)
        ]
        for one in slow:
            one.sendall(head % (server.port, 100_000) + b"x")
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as quick:
            quick.sendall(head % (server.port, len(png())) + png())
            assert quick.recv(100).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - started < 1
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 3:
                slow[0].sendall(b"x")  # a byte every tenth of a second is no upload
                time.sleep(0.1)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408 ")


def test_bodies_have_a_bound_together(client):
    api = client.app.state.api
    api.bodies.memory, api.bodies.held = 1000, 990
    bodies_seconds, bodies.UPLOAD_SECONDS = bodies.UPLOAD_SECONDS, 0.3
    try:
        assert send(client).status_code == 408
    finally:
        bodies.UPLOAD_SECONDS = bodies_seconds
    api.bodies.memory, api.bodies.held = 2**20, 0
    assert send(client).status_code == 200
    assert api.bodies.held == 0


def test_of_two_origins_none_is_trusted():
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}") as client:
        for headers in (
            [("Origin", f"http://{HOST}"), ("Origin", "http://evil.example")],
            [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        ):
            assert client.post("/api/photos", content=png(), headers=headers).status_code == 403


def test_what_breaks_a_request_has_the_protective_headers_all_the_same(client, monkeypatch, capsys):
    monkeypatch.setattr(client.app.state.api, "shelf", None)
    broken = client.get("/api/about")
    assert broken.status_code == 500
    assert broken.json() == {"error": "The server failed on this request. Its own window says why."}
    assert broken.headers["x-content-type-options"] == "nosniff"
    assert "AttributeError" in capsys.readouterr().err


def test_a_label_that_is_no_text_is_sent_as_json_says_it():
    odd = colour_classifier()
    labelled = seewhy.Classifier(odd.network, preprocess="unit", labels=["a\udce9", "b\nc", "d"])
    app = build_app(loaded({"odd": labelled}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        assert client.get("/api/about").status_code == 200
        last = frames(send(client, query="?model=odd").content)[-1]
        assert last["kind"] == "result"
        assert json.dumps(last["targets"])
