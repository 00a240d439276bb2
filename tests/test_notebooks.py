"""Each line of the notebooks runs, and what they claim of their own numbers holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The notebooks as they are after a run, all in one process; their pictures beside them."""
    out = tmp_path_factory.mktemp("notebooks")
    names = [path.stem for path in NOTEBOOKS]
    lite0 = ROOT / ".venv" / "lite0"
    if not lite0.is_dir():
        names.remove("grad_cam")
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "run_notebooks.py"), *names, "--out", str(out)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(lite0)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: (out / f"{name}.md").read_text("utf-8") for name in names}


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_every_line_of_a_notebook_runs_and_every_picture_is_drawn(
    name: str, pages: dict[str, str]
) -> None:
    if name not in pages:
        pytest.skip("needs the weights of EfficientNet-Lite0: make test-environment")
    assert f"![What the cell shows]({name}-1.jpg)" in pages[name]


def test_the_notebook_s_boxes_are_at_the_objects(pages: dict[str, str]) -> None:
    found = re.search(r"(\d+) of 16 boxes overlap the truth by half", pages["vgg_gap"])
    assert found is not None
    assert int(found[1]) >= 12


def test_the_notebook_s_shortcut_is_found_and_mended(pages: dict[str, str]) -> None:
    before, after = pages["shortcut"].split("## Mend")
    sentence = "photos the network relies on the upper left corner"
    assert sentence in before
    assert sentence not in after
    counts = [int(count) for count in re.findall(r"(\d+) of 110 cups", after)]
    assert counts[0] > 40
    assert counts[1] < 10


def test_a_notebook_is_committed_without_outputs() -> None:
    for path in NOTEBOOKS:
        text = path.read_text("utf-8")
        assert "```text" not in text
        assert not re.search(r"^!\[", text, re.MULTILINE), path.name
        assert not list(Path(path.parent).glob("*.jpg"))
