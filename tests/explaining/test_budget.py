"""The best method, as measured, within a budget of forward passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import OptionError
from seewhy.explaining.budget import best_method
from seewhy.explaining.costs import method_passes
from seewhy.methods.measured import best
from tests.linear_network import LinearNetwork

PHOTO = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
PHOTO.setflags(write=False)


def classifier(**settings: object) -> seewhy.Classifier:
    return seewhy.Classifier(LinearNetwork(**settings), preprocess="unit", labels=["a", "b", "c"])


def passes_of_occlusion() -> int:
    """Count the copies that the network is given for one map."""
    known = classifier()
    seewhy.explain(known, PHOTO, method="occlusion", top=1)
    before = sum(known.network.passes)
    seewhy.explain(known, PHOTO, method="occlusion", top=1)
    return sum(known.network.passes) - before


def test_a_map_costs_what_the_network_is_given() -> None:
    assert method_passes(classifier(), "occlusion") == passes_of_occlusion() > 20
    assert method_passes(classifier(), "cam") == 1
    assert method_passes(classifier(), "saliency") == 1 + 1 + 2


def test_the_budget_chooses_the_best_method_of_this_network() -> None:
    enough = passes_of_occlusion()
    assert best().order[0] == "occlusion"
    for network, budget, method in [
        (classifier(), enough, "occlusion"),
        (classifier(), enough - 1, "cam"),
        (classifier(), 1, "cam"),
        (classifier(cam=False), enough - 1, "grad-cam"),
    ]:
        assert best_method(network, budget) == method
        explained = seewhy.explain(network, PHOTO, method="Best", budget=budget, top=1)
        assert explained.method == method


def test_evaluate_takes_a_budget_too() -> None:
    found = seewhy.evaluate(
        classifier(), PHOTO, methods=["best"], budget=3, removal_steps=2, measures=["removal"]
    )
    assert next(iter(found.methods)) == "cam"


@pytest.mark.parametrize("ask", [seewhy.explain, seewhy.evaluate])
def test_a_budget_that_buys_nothing_is_refused(ask) -> None:
    named = {"method": "best"} if ask is seewhy.explain else {"methods": ["best"]}
    with pytest.raises(OptionError) as caught:
        ask(classifier(), PHOTO, **named, budget=0)
    assert str(caught.value) == (
        "budget=0 is too small: the cheapest good method here is 'cam', and a map takes 1 forward "
        "pass. Give budget=1 or more."
    )


def test_a_budget_belongs_to_the_best_method_and_is_a_number() -> None:
    with pytest.raises(OptionError) as caught:
        seewhy.explain(classifier(), PHOTO, method="cam", budget=10)
    assert str(caught.value) == (
        "budget=10 says how many forward passes the method 'best' may take, and it was not named. "
        "Give the method 'best', or leave the budget out."
    )
    with pytest.raises(OptionError) as caught:
        seewhy.explain(classifier(), PHOTO, method="best", budget=-1)
    assert str(caught.value) == (
        "budget=-1 is not a number of forward passes. Give a whole number, such as 200."
    )


def test_the_command_says_which_method_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("seewhy.commands.explain.load_model", lambda _: classifier())
    photo = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(photo)
    asked = ["explain", str(photo), "--method", "best", "--out", str(tmp_path), "--json"]
    assert main([*asked, "--budget", "5"]) == 0
    out, err = capsys.readouterr()
    assert "The best method within 5 forward passes is 'cam', which takes 1.\n" in err
    assert '"cam"' in out
    assert main([*asked[:2], "--budget", "5"]) == 1
    assert "Give the method 'best', or leave the budget out." in capsys.readouterr().err
