"""What an explanation will cost, before it starts."""

from __future__ import annotations

import numpy as np
import pytest

import seewhy
from tests.linear_network import LinearNetwork

PHOTO = np.zeros((8, 12, 3), np.uint8)


@pytest.mark.parametrize(
    ("seconds", "spoken"), [(131.0, "about 2 min 11 s or less"), (4.26, "about 4.3 s or less")]
)
def test_an_estimate_is_one_line(seconds: float, spoken: str) -> None:
    cost = seewhy.Estimate(photos=2, copies=3137, seconds=seconds, memory=10_838_016, batch_size=18)
    assert str(cost) == (f"2 photos, 3,137 copies of each, {spoken}, 11 MB for 18 copies at a time")


@pytest.mark.parametrize(
    ("method", "options", "copies", "at_once", "backward"),
    [
        ("occlusion", {"patch": 2, "stride": 1}, 7 * 11 + 1, 16, False),
        ("RISE", {"masks": 500}, 500, 16, False),
        ("smooth-grad", {"samples": 9}, 9, 9, True),
        ("grad-cam", {}, 1, 2, True),
        (None, {}, 1, 2, False),
    ],
)
def test_copies_memory_and_the_passes_that_a_method_needs(
    method: str | None, options: dict[str, int], copies: int, at_once: int, backward: bool
) -> None:
    network = LinearNetwork()
    classifier = seewhy.Classifier(network, name="own", preprocess="unit")
    cost = seewhy.estimate(classifier, [PHOTO] * 2, method=method, batch_size=16, **options)
    assert (cost.photos, cost.copies, cost.batch_size) == (2, copies, at_once)
    assert cost.memory == at_once * 8 * 12 * 3 * 4
    assert cost.seconds > 0
    assert bool(network.backward) == backward


def test_a_wrong_option_is_refused_before_the_network_runs() -> None:
    with pytest.raises(seewhy.errors.OptionError) as caught:
        seewhy.estimate("a network that is never loaded", [PHOTO], method="rise", masks=0)
    assert str(caught.value) == (
        "masks=0 is not valid for the method 'rise'. Give a whole number, 1 to 1,000,000."
    )
