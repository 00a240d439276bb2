"""What an explanation will cost, before it starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.explaining.costs import pass_seconds
from tests.linear_network import LinearNetwork

PHOTO = np.zeros((8, 12, 3), np.uint8)


@pytest.mark.parametrize(
    ("seconds", "spoken"), [(131.0, "about 2 min 11 s or less"), (4.26, "about 4.3 s or less")]
)
def test_an_estimate_is_one_line(seconds: float, spoken: str) -> None:
    cost = seewhy.Estimate(photos=2, copies=3137, seconds=seconds, memory=10_838_016, batch_size=18)
    assert str(cost) == (f"2 photos, 3,137 copies of each, {spoken}, 11 MB for 18 copies at a time")


@pytest.mark.parametrize(
    ("method", "options", "copies", "at_once", "passes"),
    [
        ("occlusion", {"patch": 2, "stride": 1}, 7 * 11 + 1, 16, 1 + 7 * 11 + 1),
        ("RISE", {"masks": 500}, 500, 16, 1 + 500),
        ("smooth-grad", {"samples": 9}, 9, 9, 1 + 9 * 3),
        ("grad-cam", {}, 1, 2, 1),
        (None, {}, 1, 2, 1),
        ("grad-cam", {"zoom": 2}, 1, 2, 1 + 9),
        ("chefer", {}, 1, 2, 2),
        ("chefer", {"layers": "all"}, 1, 2, 2 + 2),
        ("legrad", {}, 1, 2, 2 + 2),
        ("attention-rollout", {}, 1, 2, 2),
    ],
)
def test_copies_memory_and_the_passes_that_a_method_needs(
    method: str | None,
    options: dict[str, Any],
    copies: int,
    at_once: int,
    passes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seewhy.explaining.estimating.pass_seconds", lambda *_, **__: 0.5)
    network = LinearNetwork()
    classifier = seewhy.Classifier(network, name="own", preprocess="unit")
    cost = seewhy.estimate(classifier, [PHOTO] * 2, method=method, batch_size=16, **options)
    assert (cost.photos, cost.copies, cost.batch_size) == (2, copies, at_once)
    assert cost.memory == at_once * 8 * 12 * 3 * 4
    assert cost.seconds == 2 * passes * 0.5


def test_the_seconds_of_a_pass_are_those_of_one_image_among_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = LinearNetwork()
    classifier = seewhy.Classifier(network, name="own", preprocess="unit")
    clock = iter([0.0, 100.0, 100.0, 104.0, 200.0, 201.0, 300.0, 302.0])
    monkeypatch.setattr("seewhy.explaining.costs.time.perf_counter", lambda: next(clock))
    # The first batch, of 100 seconds, is not counted; the others take 4, 1 and 2.
    assert pass_seconds(classifier, copies=4, repeats=3) == 2 / 4
    assert network.passes == [4] * 4


def test_a_wrong_option_is_refused_before_the_network_runs() -> None:
    with pytest.raises(seewhy.errors.OptionError) as caught:
        seewhy.estimate("a network that is never loaded", [PHOTO], method="rise", masks=0)
    assert str(caught.value) == (
        "masks=0 is not valid for the method 'rise'. Give a whole number, 1 to 1,000,000."
    )
