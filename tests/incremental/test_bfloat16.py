"""Occlusion with precision="bfloat16": its error, what is reported, and where it is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seewhy
from seewhy.commands import cli
from seewhy.errors import OptionError, SeewhyWarning
from seewhy.explaining.rounding import map_error
from seewhy.incremental.choosing import WARNING_SHARE, rounding_error, warn_of_rounding
from seewhy.networks import execution
from tests.loading import load_this

SIZE = (72, 64)


@pytest.fixture(autouse=True)
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in bfloat16 on a processor without units too."""
    monkeypatch.setattr(execution, "processor_has_units", lambda: True)


class Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.body(x) + x)


def network() -> nn.Sequential:
    """Return a small residual network with random weights and calibrated batch norms."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    for each in made.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.momentum = None  # the mean of all batches seen
    with torch.no_grad():
        made.train()(torch.rand(16, 3, *SIZE))
    return made.eval()


def classifier(module: nn.Module | None = None) -> seewhy.Classifier:
    return seewhy.Classifier(
        network() if module is None else module,
        size=SIZE,
        preprocess="unit",
        labels=["red", "green", "blue"],
        name="small",
    )


def photo() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (9, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def explained(*, of: seewhy.Classifier | None = None, **options: Any) -> seewhy.Explanation:
    options = {"patch": 12, "stride": 6, "engine": "incremental"} | options
    return seewhy.explain(
        classifier() if of is None else of, photo(), method="occlusion", top=3, **options
    )


@pytest.mark.parametrize("watch", ["scores", "feature-maps"])
def test_the_map_is_off_by_a_few_per_cent_and_the_report_says_so(watch: str) -> None:
    exact = explained(watch=watch, engine="sweep")
    rounded = explained(watch=watch, precision="bfloat16")
    true, found = (
        each.extras[0]["grid"].reshape(len(each.maps[0]), -1) for each in (exact, rounded)
    )
    amplitude = np.abs(true).max(axis=1)
    assert (amplitude > 0.01).all()
    error = np.abs(found - true).max(axis=1) / amplitude
    assert (error < 0.03).all()
    reported = rounded.extras[0]["bfloat16_error"]
    assert reported.shape == error.shape
    assert (reported <= 1.01 * error).all()
    assert (reported > error / 5).all()
    assert "bfloat16_error" not in exact.extras[0]
    assert "bfloat16_error" not in explained(watch=watch).extras[0]


def test_whole_copies_in_bfloat16_would_be_off_by_far_more() -> None:
    exact, rounded = explained(engine="sweep"), explained(precision="bfloat16")
    true, found = exact.extras[0]["grid"], rounded.extras[0]["grid"]
    module = network().bfloat16()
    plain = nn.Sequential(Cast(torch.bfloat16), *module, Cast(torch.float32)).eval()
    whole = explained(of=classifier(plain), engine="sweep").extras[0]["grid"]
    assert np.abs(whole - true).max() > 5 * np.abs(found - true).max()


class Cast(nn.Module):
    """Goes to another precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(self.dtype)


def test_of_several_patch_sizes_the_largest_error_is_reported() -> None:
    both = explained(patch=[12, 16], precision="bfloat16").extras[0]["bfloat16_error"]
    each = [
        explained(patch=patch, precision="bfloat16").extras[0]["bfloat16_error"]
        for patch in (12, 16)
    ]
    np.testing.assert_allclose(both, np.max(each, axis=0), rtol=1e-5)


def test_probabilities_are_measured_as_probabilities() -> None:
    found, exact = (
        seewhy.explain(
            classifier(),
            photo(),
            method="occlusion",
            output="probability",
            patch=12,
            stride=6,
            engine="incremental",
            precision=precision,
        )
        for precision in ("bfloat16", "float32")
    )
    largest = np.abs(exact.extras[0]["grid"]).max()
    assert largest > 1e-3
    error = np.abs(found.maps - exact.maps).max() / largest
    assert 0 < error < 0.03
    assert 0 < found.extras[0]["bfloat16_error"].max() < 0.03


def test_the_error_is_a_share_of_the_largest_drop_by_hand() -> None:
    windows = np.arange(80).reshape(20, 4)
    exact = np.zeros((20, 2), np.float32)
    rounded = exact.copy()
    rounded[2] = [-4, 8]  # drops of 5 and −8, between the positions that are measured
    rounded[0] = [0.5, 0]
    rounded[19] = [0, -0.4]
    asked: list[int] = []

    def answer(some: np.ndarray, precision: str, progress: object) -> np.ndarray:
        assert precision == "float32"
        asked.extend(some[:, 0] // 4)
        return exact[some[:, 0] // 4]

    error = rounding_error(answer, windows, rounded, np.array([1, 0], np.float32))
    np.testing.assert_allclose(error, [0.5 / 5, 0.4 / 8])
    assert asked == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19]


def test_an_error_above_a_tenth_is_a_warning_that_says_how_large_it_is() -> None:
    assert WARNING_SHARE == 0.1
    warn_of_rounding(np.array([0.02, 0.1], np.float32))  # an error where warnings are
    message = (
        r"^In bfloat16 the map is off by 23 % of its largest value\. Use precision='float32'\.$"
    )
    with pytest.warns(SeewhyWarning, match=message):
        warn_of_rounding(np.array([0.02, 0.23], np.float32))


def test_whole_copies_are_run_in_bfloat16_too_and_measured() -> None:
    exact = explained(engine="sweep")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeewhyWarning)  # it is a small difference of large numbers
        found = explained(engine="sweep", precision="bfloat16")
    assert found.rounding is not None
    off = map_error(found.maps[0, 0], exact.maps[0, 0])
    assert 0 < off <= found.rounding.map_error * 1.01
    assert "bfloat16_error" not in found.extras[0]


def test_an_unknown_precision_is_an_error() -> None:
    message = (
        r"^precision='float16' is not valid for the method 'occlusion'\. Give one of float32, "
        r"bfloat16\. The nearest is 'bfloat16'\.$"
    )
    with pytest.raises(OptionError, match=message):
        seewhy.compare(
            classifier(),
            photo(),
            methods=["occlusion"],
            options={"occlusion": {"precision": "float16"}},
        )


def test_a_target_of_ones_own_is_occluded_in_bfloat16() -> None:
    settings: dict[str, Any] = {"method": "occlusion", "patch": 24, "target": lambda one: one[:, 0]}
    exact = seewhy.explain(classifier(), photo(), **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeewhyWarning)
        found = seewhy.explain(classifier(), photo(), precision="bfloat16", **settings)
    assert found.rounding is not None
    assert 0 < map_error(found.maps[0, 0], exact.maps[0, 0]) <= found.rounding.map_error * 1.01


def test_few_windows_are_run_whole_in_bfloat16() -> None:
    few = {"patch": 24, "stride": 12, "engine": "auto"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeewhyWarning)
        found = explained(**few, precision="bfloat16")
    assert found.rounding is not None
    assert found.rounding.map_error > 0
    assert "bfloat16_error" not in found.extras[0]


def test_an_unreadable_network_asked_for_bfloat16_runs_whole_with_a_warning() -> None:
    class Undecided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x) if x.mean() > -1e9 else self.network(-x)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explained(of=classifier(Undecided().eval()), precision="bfloat16")
    told = [str(one.message) for one in caught if one.category is SeewhyWarning]
    assert any(one.startswith("Every occluded copy is run whole, which takes long") for one in told)
    assert found.rounding is not None
    assert "bfloat16_error" not in found.extras[0]


def test_the_command_line_says_how_far_the_map_is_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_this(classifier, monkeypatch)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("a.png")
    arguments = ["explain", "a.png", "--method", "occlusion", "--patch", "12", "--stride", "6"]
    arguments += ["--engine", "incremental"]
    assert cli.main([*arguments, "--precision", "bfloat16", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    errors = [each["bfloat16_error"] for each in row["targets"]]
    assert len(errors) == 3
    assert all(0 < each < 0.03 for each in errors)
    assert cli.main([*arguments, "--precision", "bfloat16"]) == 0
    line = f"  bfloat16: off by {100 * max(errors):.2g} % of the map's largest value\n"
    assert line in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert "bfloat16" not in capsys.readouterr().out
