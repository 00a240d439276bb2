"""A server with the known network, and a browser that reaches it and nothing else."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from seewhy.serving.server import Loaded, bound_socket, build_app, host_names, server_of
from tests.colour_network import colour_classifier, painted

HOST = "127.0.0.1:8000"
OWN = {"Host": HOST, "Sec-Fetch-Site": "same-origin"}


def png(pixels=None) -> bytes:
    """Return a photo's file: by default one red spot on black, 96 × 64."""
    if pixels is None:
        pixels = painted(((12, 8, 36, 32), (255, 0, 0))).pixels
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def loaded(classifiers) -> list[Loaded]:
    """Return classifiers by name as models of the page."""
    return [Loaded(name, one, name) for name, one in classifiers.items()]


def frames(content: bytes) -> list[dict]:
    """Read the server's frames, as the page does, by another hand."""
    import json

    found = []
    while content:
        length = int.from_bytes(content[:4], "little")
        header = json.loads(content[4 : 4 + length])
        content = content[4 + length :]
        for each in header["arrays"]:
            kind = np.dtype(each["type"])
            size = int(np.prod(each["shape"])) * kind.itemsize
            header[each["name"]] = np.frombuffer(content[:size], kind).reshape(each["shape"])
            content = content[size:]
        found.append(header)
    return found


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = build_app(loaded({"colours": colour_classifier()}), hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        yield client


def send(client, content=None, *, name="painted.png", query="", **headers):
    """Upload a photo."""
    return client.post(
        f"/api/photos{query}",
        content=png() if content is None else content,
        headers={"Content-Type": "application/octet-stream", "X-Photo-Name": name, **headers},
    )


@dataclass
class Running:
    """A server in a thread."""

    port: int
    app: object

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextlib.contextmanager
def running(classifiers, photos=(), **settings) -> Iterator[Running]:
    """Run the real server on a free port."""
    listener = bound_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = build_app(loaded(classifiers), photos, hosts=host_names("127.0.0.1", port), **settings)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    due = time.monotonic() + 20
    while not server.started and time.monotonic() < due:
        time.sleep(0.01)
    try:
        yield Running(port, app)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
