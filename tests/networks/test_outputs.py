"""Networks with several outputs: what is said, and how one is chosen in Python and by command."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import ModelError, TargetError

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
IMAGE = torch.tensor(PHOTO).permute(2, 0, 1)[None] / 255
Pair = namedtuple("Pair", "hidden logits")


@dataclasses.dataclass
class Found:
    hidden: Any
    logits: Any


class Several(nn.Module):
    def __init__(self, kind: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out, self.kind = nn.Conv2d(3, 8, 3), nn.Linear(8, 3), kind

    def forward(self, x: torch.Tensor) -> Any:
        h = self.conv(x).relu()
        return self.kind(h, self.out(h.mean((2, 3))))


KINDS: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "tuple": (lambda h, y: (h, y), "1", "0, 1"),
    "list": (lambda h, y: [y, h], "0", "0, 1"),
    "tuple of one": (lambda h, y: (y,), "0", "0"),
    "tuple with nothing": (lambda h, y: (None, y), "1", "0, 1"),
    "dict": (lambda h, y: {"hidden": h, "logits": y}, "logits", "hidden, logits"),
    "dict by number": (lambda h, y: {"hidden": h, "logits": y}, "1", "hidden, logits"),
    "OrderedDict": (lambda h, y: OrderedDict(logits=y, hidden=h), "logits", "logits, hidden"),
    "namedtuple": (Pair, "logits", "hidden, logits"),
    "dataclass": (Found, "logits", "hidden, logits"),
}


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    holder = types.ModuleType("several")
    monkeypatch.setitem(sys.modules, "several", holder)
    return holder


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_several_outputs_is_chosen(kind: str, several: Any) -> None:
    made, chosen, listed = KINDS[kind]
    network = Several(made).eval()
    several.build = lambda: network
    name = "python:several:build?size=32x48&preprocess=unit"
    found = seewhy.explain(
        seewhy.load(f"{name}&output={chosen}"), PHOTO, method="grad-cam", classes=[0, 1, 2]
    )
    raw = network.conv(IMAGE).detach().requires_grad_()
    scores = network.out(raw.relu().mean((2, 3)))[0]
    shown = {one.index: one.probability for one in found.predictions[0]}
    assert shown == pytest.approx(dict(enumerate(scores.softmax(0).tolist())), abs=1e-6)
    (slopes,) = torch.autograd.grad(scores[1], raw)
    by_hand = (slopes.mean((2, 3), keepdim=True) * raw).sum(1)[0].relu().detach()
    np.testing.assert_allclose(found.maps[0, 1], by_hand, atol=1e-6)
    with pytest.raises(TargetError) as caught:
        seewhy.explain(seewhy.Classifier(network, size=(32, 48), preprocess="unit"), PHOTO)
    first = listed.split(", ")[0]
    key = first if first.isdecimal() else f"'{first}'"
    assert str(caught.value) == (
        f"'Several' returns several outputs ({listed}), and classes are explained of one. Choose "
        f"it: call=lambda model, images: model(images)[{key}] in Python, --output {first} on the "
        "command line. Or give target=..., a callable on all of them."
    )


def test_an_output_that_is_not_there_is_told(several: Any) -> None:
    several.build = lambda: Several(KINDS["dict"][0])
    several.plain = lambda: Several(lambda h, y: y)
    outputs = {"build": "Its outputs are hidden, logits.", "plain": "It returns one output."}
    for name, has in outputs.items():
        with pytest.raises(ModelError) as caught:
            seewhy.load(f"python:several:{name}?size=32x48&preprocess=unit&output=scores")
        assert str(caught.value) == f"'python:several:{name}' has no output 'scores'. {has}"


def test_an_output_is_chosen_on_the_command_line(
    several: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Several(KINDS["dict"][0]).eval()
    several.build = lambda: network
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    model = ["--model", "python:several:build?size=32x48&preprocess=unit", "--output", "logits"]
    where = ["--out", str(tmp_path / "out"), "--json", "--method", "grad-cam"]
    main(["explain", str(tmp_path / "photo.png"), *model, *where])
    (found,) = json.loads(capsys.readouterr().out)
    shown = {one["index"]: one["probability"] for one in found["targets"]}
    own = network(IMAGE)["logits"][0].softmax(0).tolist()
    assert shown == pytest.approx(dict(enumerate(own)), abs=1e-5)
