"""Pictures are shown where there is a display, and saved where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.rendering import showing

PAGE = np.full((4, 6, 3), 200, np.uint8)


def test_without_a_display_pictures_are_saved_and_stderr_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(showing.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(showing.tempfile, "tempdir", str(tmp_path))
    showing.show_pages([PAGE, PAGE])
    lines = capsys.readouterr().err.splitlines()
    files = [line.removeprefix("There is no display. The picture is saved: ") for line in lines]
    assert [Path(file).name for file in files] == ["page-1.png", "page-2.png"]
    with Image.open(files[0]) as saved:
        np.testing.assert_array_equal(np.asarray(saved), PAGE)


def test_with_a_display_the_systems_viewer_opens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []
    monkeypatch.setattr(showing.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(Image.Image, "show", lambda image: opened.append(image.size))
    showing.show_pages([PAGE])
    assert opened == [(6, 4)]
