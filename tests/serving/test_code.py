"""What the page copies gives what the page shows: the code is run, in Python and in a shell."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import SeewhyError
from seewhy.explaining.question import find_method
from seewhy.explaining.request import Request
from seewhy.methods import METHODS
from seewhy.serving.costs import is_slow
from seewhy.serving.server import Loaded, build_app
from tests.serving.conftest import HOST, OWN, frames, send

CROPPED = {"fit": "crop", "labels": ",".join(f"class {index}" for index in range(19))}

BUILT_IN, RENAMED = "built-in", "built-in, 64 × 96"

STATES = {
    "the best class by the default method": (BUILT_IN, {"top": 1}, []),
    "a class": (BUILT_IN, {"classes": [4]}, []),
    "a method and a class": (BUILT_IN, {"methods": ["layer-cam"], "classes": [3]}, []),
    "a contrast by CAM": (BUILT_IN, {"classes": [3], "contrast": [4]}, []),
    "a contrast by another method": (
        BUILT_IN, {"methods": ["grad-cam"], "classes": [3], "contrast": [4]}, [],
    ),
    "options": (
        BUILT_IN,
        {
            "methods": ["smooth-grad"],
            "options": {"smooth-grad": {"samples": 2, "noise": 0.2}},
            "classes": [3],
        },
        [],
    ),
    "a pair as an option": (
        BUILT_IN,
        {
            "methods": ["occlusion"],
            "options": {"occlusion": {"patch": "64x96", "stride": "64", "fill": "grey"}},
            "classes": [3],
        },
        [],
    ),
    "the network's precision": (
        BUILT_IN,
        {
            "methods": ["occlusion"],
            "options": {"occlusion": {"patch": 80, "stride": 80, "precision": "bfloat16"}},
            "classes": [3],
        },
        [],
    ),
    "a layer": (BUILT_IN, {"methods": ["hires-cam"], "classes": [3], "layer": ["LAYER"]}, []),
    "pixels": (BUILT_IN, {"methods": ["saliency"], "classes": [3]}, []),
    "settings of the model": (RENAMED, {"classes": [3]}, []),
    "squares over the photo": (BUILT_IN, {"classes": [3]}, [[20.0, 10.0, 40.0]]),
    "methods and classes compared": (
        BUILT_IN,
        {
            "methods": ["cam", "layer-cam", "occlusion"],
            "options": {"occlusion": {"patch": 80, "stride": 80}},
            "classes": [3, 4],
        },
        [],
    ),
}  # fmt: skip
"""What the page shows: its model, the library's request, and the squares over the photo."""


@pytest.fixture(scope="module")
def built_in():
    return seewhy.load("built-in")


@pytest.fixture(scope="module")
def client(built_in):
    models = [
        Loaded(BUILT_IN, built_in, "built-in"),
        Loaded(RENAMED, seewhy.load("built-in", **CROPPED), "built-in", CROPPED),
    ]
    app = build_app(models, hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        yield client


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A photo in the current folder, whose name a shell and Python have to quote."""
    from skimage import data

    monkeypatch.chdir(tmp_path)
    file = tmp_path / 'my "cat\'s" $(photo).png'
    Image.fromarray(data.chelsea()[:120, :180]).save(file)
    return file


def last(response):
    return frames(response.content)[-1]


@pytest.mark.parametrize(("model", "request_", "squares"), STATES.values(), ids=STATES)
def test_the_copied_code_gives_the_array_that_is_shown(
    client, built_in, photo, model, request_, squares
):
    name = quote(photo.name)
    sent = frames(send(client, photo.read_bytes(), name=name).content)[0]
    layers = [one.name for one in built_in.network.layers if one.is_spatial and "Conv" in one.kind]
    request = dict(request_)
    if "layer" in request:
        request["layer"] = layers[-2:-1]
    question = {"model": model, "photo": sent["id"], "request": request, "squares": squares}
    if squares:
        covered = last(client.post("/api/covered", json=question))["file"]
        photo.with_name(f"{photo.stem}_covered.png").write_bytes(covered.tobytes())
    shown = np.load(io.BytesIO(last(client.post("/api/npz", json=question))["file"].tobytes()))
    methods = request.get("methods", [])
    if len(methods) < 2:
        drawn = last(client.post("/api/explain", json=question))["maps"]
        np.testing.assert_array_equal(drawn, shown["maps"][0])
    code = last(client.post("/api/code", json=question))

    done: dict[str, object] = {}
    exec(compile(code["python"], "copied", "exec"), done)
    found = done["explanations"] if len(methods) > 1 else {"": done["explanation"]}
    for method, explanation in found.items():
        maps = shown[f"{method}/maps" if len(methods) > 1 else "maps"]
        np.testing.assert_array_equal(explanation.maps, maps)

    words = shlex.split(code["command"])
    assert words[0] == "seewhy"
    assert main([*words[1:], "--save-maps", "--out", "out"]) == 0
    files = {file.stem.rpartition("_")[2]: file for file in Path("out").glob("*.npz")}
    assert len(files) == max(len(methods), 1)
    for method, file in files.items():
        maps = shown[f"{method}/maps" if len(methods) > 1 else "maps"]
        np.testing.assert_array_equal(np.load(file)["maps"], maps)


def test_a_name_of_a_photo_cannot_end_the_code_that_is_copied(client):
    name = "x\nimport os # '; rm -rf ~ #.png"
    sent = frames(send(client, name=quote(name)).content)[0]
    question = {"model": BUILT_IN, "photo": sent["id"], "request": {"top": 1}}
    code = last(client.post("/api/code", json=question))
    assert len(code["python"].splitlines()) == 5
    assert shlex.split(code["command"])[2] == sent["name"]
    assert "\n" not in sent["name"]


def test_what_is_marked_as_slow_is_what_waits_in_the_queue(client, built_in):
    """One cost model: 'best' costs what it stands for, and options count as given."""
    (listed, *_) = client.get("/api/about").json()["models"]
    assert {"smooth-grad", "rise", "occlusion", "integrated-gradients"} <= set(listed["slow"])
    assert not {"cam", "grad-cam", "layer-cam", "saliency"} & set(listed["slow"])
    assert list(listed["unfit"]) == [name for name, row in METHODS.items() if row.attends]
    for name in METHODS:
        try:
            assert is_slow(built_in, Request.of(method=name)) is (name in listed["slow"])
        except SeewhyError:
            assert name not in listed["slow"]
    best = is_slow(built_in, Request.from_dict({"methods": ["best"]}))
    assert best is (find_method("best").name in listed["slow"])
    few = {"methods": ["smooth-grad"], "options": {"smooth-grad": {"samples": 2}}}
    assert not is_slow(built_in, Request.from_dict(few))
