"""What `pip install seewhy` alone does: no framework, no SciPy, no scikit-image."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.errors import needed
from seewhy.photos.samples import SAMPLE
from seewhy.rendering import text
from seewhy.rendering.palettes import USUAL_PALETTES, palette_of
from tests.places import ROOT

FRAMEWORKS = ("torch", "tensorflow", "jax", "keras", "torchvision", "timm", "onnx", "onnxruntime")
ANALYSIS = ("scipy", "skimage", "sklearn", "pandas")

WITHOUT = """
import importlib.util, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

GONE = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Missing())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in GONE else find_spec(name, *rest)
"""


def run(code: str, *arguments: str, gone: tuple[str, ...] = (), cwd: Path) -> str:
    """Run Python code in a process in which some packages are not installed."""
    command = [sys.executable, "-c", WITHOUT + code, ",".join(gone), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


EXPLAIN = """
from seewhy.commands.cli import main

assert main(sys.argv[2:]) == 0
"""


def test_a_photo_is_explained_without_any_framework(tmp_path: Path) -> None:
    loaded = EXPLAIN + "print(' '.join(sorted({one.partition('.')[0] for one in sys.modules})))"
    answer = run(loaded, "explain", str(SAMPLE), "--format", "png", cwd=tmp_path)
    *_, modules = answer.splitlines()
    assert not {*FRAMEWORKS, *ANALYSIS, "matplotlib", "pyarrow"} & set(modules.split())
    assert list((tmp_path / "why").glob("*chelsea*.png"))


@pytest.mark.parametrize("method", ["cam", "occlusion", "recipro-cam"])
def test_methods_without_gradients_need_no_framework(method: str, tmp_path: Path) -> None:
    command = ["explain", str(SAMPLE), "--method", method, "--json"]
    answer = run(EXPLAIN, *command, gone=(*FRAMEWORKS, *ANALYSIS), cwd=tmp_path)
    (photo,) = json.loads(answer)["photos"] if answer.startswith("{") else json.loads(answer)
    assert photo["targets"][0]["label"] == "cat"


PAGE = """
import json, math
from pathlib import Path
from starlette.testclient import TestClient
import seewhy
from seewhy.commands.cli import main
from seewhy.serving.server import Loaded, build_app

photos = sys.argv[2]
assert main(["batch", photos, "--out", "run"]) == 0
assert main(["report", photos, "--out", "report"]) == 0

app = build_app([Loaded("m", seewhy.load("built-in"), "built-in")], hosts=frozenset({"h"}))
with TestClient(app, base_url="http://h", headers={"Sec-Fetch-Site": "same-origin"}) as client:
    def frame(path, **given):
        content, header = client.post(path, **given).content, {}
        while content:
            assert content[0] != ord("{"), content
            end = 4 + int.from_bytes(content[:4], "little")
            header = json.loads(content[4:end])
            sizes = [{"float32": 4}.get(a["type"], 1) * math.prod(a["shape"])
                     for a in header["arrays"]]
            content = content[end + sum(sizes) :]
        return header

    headers = {"Content-Type": "application/octet-stream", "X-Photo-Name": "cat.png"}
    content = next(Path(photos).rglob("*.png")).read_bytes()
    photo = frame("/api/photos", content=content, headers=headers)["id"]
    for request in ({"top": 1}, {"methods": ["grad-cam"]}):
        asked = {"model": "m", "photo": photo, "request": request}
        print(json.dumps(frame("/api/explain", json=asked)))
    print(json.dumps(client.get("/api/about").json()["models"][0]["unfit"]))
"""


def test_page_batch_and_report_need_no_framework(tmp_path: Path) -> None:
    shown = Image.open(SAMPLE)
    for name in ("cat/one", "cat/two", "dog/three"):
        file = tmp_path / f"photos/{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        shown.resize((64 + len(name), 64)).save(file)
    *_, first, refused, unfit = run(
        PAGE, str(tmp_path / "photos"), gone=FRAMEWORKS, cwd=tmp_path
    ).splitlines()
    assert json.loads(first)["method"] == "cam"
    assert json.loads(refused)["message"].startswith(
        "NumPy runs 'built-in', but has no gradients of it:"
    )
    assert {"grad-cam", "saliency"} <= set(json.loads(unfit))
    assert not {"cam", "occlusion", "score-cam"} & set(json.loads(unfit))
    accuracy = json.loads((tmp_path / "report/report.json").read_text("utf-8"))
    assert accuracy
    assert seewhy.read_run(tmp_path / "run").photos.num_rows == 3


def test_a_missing_package_is_told_with_the_extra_that_brings_it() -> None:
    with pytest.raises(ImportError) as error:
        needed("scipy_of_another_name", "A smoothed map")
    assert str(error.value) == (
        "A smoothed map needs scipy_of_another_name, which is not installed. Install it: "
        "pip install 'seewhy[analysis]'"
    )


def test_seewhy_depends_on_no_framework() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[^\w-]", one)[0] for one in project["dependencies"]}
    assert names == {"numpy", "pillow", "matplotlib", "tqdm", "jaxtyping", "h5py", "threadpoolctl"}


@pytest.mark.skipif("SEEWHY_FRESH" not in os.environ, reason="make fresh: it installs, in a minute")
def test_a_fresh_installation_is_small_and_explains_a_photo(tmp_path: Path) -> None:
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh/bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "-c", ROOT / "constraints.txt", ROOT], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True
    )
    names = {one["name"].lower() for one in json.loads(listed.stdout)}
    assert not {*FRAMEWORKS, *ANALYSIS, "scikit-image", "scikit-learn"} & names
    files = [one for one in (tmp_path / "fresh").rglob("*") if one.is_file()]
    assert sum(one.stat().st_size for one in files) < 250e6
    command = [tmp_path / "fresh/bin/seewhy", "explain", SAMPLE]
    subprocess.run(command, check=True, cwd=tmp_path)  # what Python compiles is kept
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.5


@pytest.mark.parametrize("name", USUAL_PALETTES)
def test_palettes_that_are_kept_are_matplotlib_s(name: str) -> None:
    import matplotlib

    expected = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(palette_of(name), expected)


def test_the_usual_font_has_the_letters_that_are_not_looked_up() -> None:
    letters = {chr(code) for code in range(text.LATIN)} | set(text.SIGNS)
    printed = {ord(letter) for letter in letters if letter.isprintable()}
    assert printed <= text._letters(text._usual_font())
