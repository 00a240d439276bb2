"""How often a network is right, and whether its probabilities mean what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.reporting.accuracy import calibration, per_class, wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Newcombe, Statistics in Medicine 17, 1998, table I, method 3 (Wilson).
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_that_of_the_tables(
    count: int, of: int, low: float, high: float
) -> None:
    share = wilson(count, of)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)
    assert share.value == count / of


def test_the_interval_never_leaves_0_to_1_and_of_nothing_is_everything() -> None:
    assert (wilson(7, 7).high, wilson(0, 7).low) == (1.0, 0.0)
    nothing = wilson(0, 0)
    assert (nothing.low, nothing.high, str(nothing)) == (0.0, 1.0, "no photos")
    assert math.isnan(nothing.value)


def test_recall_and_precision_are_by_class_the_worst_first() -> None:
    true = np.array([0, 0, 0, 0, 1, 1, 2])
    found = np.array([0, 0, 0, 1, 1, 0, 0])
    rows = per_class(true, found, {0: "cat", 1: "dog", 2: "cow"})
    assert [row.name for row in rows] == ["cow", "dog", "cat"]
    assert [(row.recall.count, row.recall.of) for row in rows] == [(0, 1), (1, 2), (3, 4)]
    assert [(row.precision.count, row.precision.of) for row in rows] == [(0, 0), (1, 2), (3, 5)]


def test_the_calibration_error_by_hand() -> None:
    # Two answers near 0.95, one right: |0.5 − 0.95|; two at 0.55, both right: |1 − 0.55|.
    found = calibration(np.array([0.94, 0.96, 0.55, 0.55]), np.array([True, False, True, True]))
    assert found.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert found.bias == pytest.approx(0.75 - 0.75)
    assert [(one.low, one.accuracy.count, one.accuracy.of) for one in found.bins] == [
        (0.5, 2, 2), (0.9, 1, 2),
    ]  # fmt: skip


def test_a_probability_of_1_is_in_the_last_bin() -> None:
    found = calibration(np.array([1.0, 1.0]), np.array([True, True]))
    assert found.error == 0
    assert [(one.low, one.high) for one in found.bins] == [(0.9, 1.0)]


def test_a_network_that_means_what_it_says_has_a_small_error() -> None:
    generator = np.random.default_rng(0)
    p = generator.uniform(0.3, 1, 20000)
    right = generator.uniform(size=len(p)) < p
    assert calibration(p, right).error < 0.02
    assert calibration(np.minimum(p + 0.2, 1), right).bias == pytest.approx(0.17, abs=0.03)


def test_the_interval_of_the_error_covers_it_and_takes_off_what_chance_adds() -> None:
    """200 photos of known calibration, 24 times: of a perfect network 0 is in the interval."""
    generator = np.random.default_rng(0)
    covered = {0.0: 0, 0.2: 0}
    for _ in range(24):
        p = generator.uniform(0.55, 0.95, 200)
        for error in covered:
            right = generator.uniform(size=len(p)) < p - error * (p > 0.75)
            found = calibration(p, right)
            truth = error * 0.5
            covered[error] += found.low <= truth <= found.high
            assert found.low <= found.error
    assert min(covered.values()) >= 21


def test_photos_that_say_nothing_of_the_error_leave_it_open() -> None:
    sure = calibration(np.ones(40), np.ones(40, bool))
    assert (sure.error, sure.low, sure.high) == (0, 0, 0)
    again = [calibration(np.full(30, 0.8), np.arange(30) < 20) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0].error == pytest.approx(2 / 15)
    assert again[0].low == 0  # as large in 7 % of calibrated networks
    assert again[0].high > again[0].error
