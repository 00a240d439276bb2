"""A network where photos belong, and photos where a network belongs, are told in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy import errors
from seewhy.commands.cli import main
from tests.colour_network import colour_classifier

PHOTO = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    "ask", [seewhy.explain, seewhy.locate, seewhy.evaluate, seewhy.feature_maps]
)
@pytest.mark.parametrize("photos", ["cat.jpg", Path("cat.jpg")])
def test_a_photo_in_the_place_of_the_network_is_told(
    ask: Callable[..., Any], photos: str | Path
) -> None:
    with pytest.raises(errors.ModelError) as caught:
        ask(photos, "vgg16")
    assert str(caught.value) == (
        "'cat.jpg' is a photo, and a network belongs in its place. Swap the two, or name a "
        "network: seewhy models"
    )


def test_a_folder_in_the_place_of_the_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelError) as caught:
        seewhy.locate(tmp_path, colour_classifier())
    assert str(caught.value) == (
        f"'{tmp_path}' is a folder, and a network belongs in its place. Swap the two, or name a "
        "network: seewhy models"
    )


@pytest.mark.parametrize("photos", [PHOTO, [PHOTO], ["cat.jpg"]])
def test_arrays_and_lists_in_the_place_of_the_network_are_told(photos: Any) -> None:
    with pytest.raises(errors.ModelError) as caught:
        seewhy.explain(photos, colour_classifier())
    assert str(caught.value) == (
        "This is photos, and a network belongs in its place. Swap the two, or name a network: "
        "seewhy models"
    )


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda: seewhy.batch("photos", colour_classifier(), "run"), "colours"),
        (lambda: seewhy.batch("photos", "built-in", "run"), "built-in"),
        (lambda: seewhy.report(colour_classifier(), "photos"), "colours"),
        (lambda: seewhy.report("vgg16", "photos"), "vgg16"),
        (lambda: seewhy.explain(colour_classifier(), colour_classifier()), "colours"),
        (lambda: seewhy.explain(colour_classifier(), "vgg16"), "vgg16"),
    ],
)
def test_a_network_in_the_place_of_photos_is_told(ask: Callable[[], Any], name: str) -> None:
    with pytest.raises(errors.PhotoError) as caught:
        ask()
    assert str(caught.value) == (
        f"'{name}' is a network, and photos belong in its place. Swap the two; on the command "
        f"line: --model {name}"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain", "vgg16", "cat.jpg"], "'vgg16' is a network, and photos belong in its place."),
        (["batch", "vgg16", "--out", "r"], "'vgg16' is a network, and photos belong in its place."),
        (["report", "vgg16"], "'vgg16' is a network, and photos belong in its place."),
        (["layers", "cat.jpg"], "'cat.jpg' is a photo, and a network belongs in its place."),
        (
            ["explain", "cat.jpg", "--model", "cat.jpg"],
            "'cat.jpg' is a photo, and a network belongs in its place.",
        ),
    ],
)
def test_the_command_line_tells_it_too(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat.jpg").touch()
    assert main(words) == 1
    assert f"seewhy: {message}" in capsys.readouterr().err
