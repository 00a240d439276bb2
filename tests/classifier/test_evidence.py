"""Distances and correlations by hand and as loops, and what is chosen by them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.classifier.evidence import (
    CHANNEL_CAP,
    Evidence,
    alikeness,
    confidence,
    distance,
    is_untrained,
)
from seewhy.networks.weights import Moments


def remembered(mean: list[float], variance: list[float]) -> Moments:
    return Moments(np.array(mean, np.float32), np.array(variance, np.float32))


def test_what_a_layer_remembers_is_at_no_distance() -> None:
    means = np.array([[1.0, -2.0], [3.0, 0.0]])
    # Each photo's own variance is 4 and 9: the mean of squares is the variance plus mean².
    squares = np.array([[1.0 + 4, 4.0 + 9], [9.0 + 4, 0.0 + 9]])
    # Over both, the mean is (2, −1), and the variance 4 + 1 and 9 + 1.
    assert distance(remembered([2, -1], [5, 10]), means, squares) == pytest.approx(0, abs=1e-6)


def test_twice_the_scale_is_at_a_distance_worked_out_by_hand() -> None:
    # D = ½ (v/σ² − 1 − ln(v/σ²)) = ½ (4 − 1 − ln 4), up to a thousandth of the variance.
    found = distance(remembered([0], [1]), np.array([[0.0]]), np.array([[4.0]]))
    assert found == pytest.approx(0.5 * (3 - math.log(4)), rel=2e-3)


def test_a_shifted_mean_is_at_half_its_square() -> None:
    found = distance(remembered([0], [1]), np.array([[3.0]]), np.array([[10.0]]))
    assert found == pytest.approx(4.5, rel=2e-3)


def test_the_distance_is_the_formula_in_loops() -> None:
    random = np.random.default_rng(0)
    means = random.normal(size=(5, 4))
    squares = means**2 + random.uniform(0.5, 2, size=(5, 4))
    mu, variance = random.normal(size=4), random.uniform(0.5, 2, size=4)
    floor = 1e-3 * float(np.median(variance.astype(np.float32)))
    total = 0.0
    for c in range(4):
        m = sum(means[n, c] for n in range(5)) / 5
        v = sum(squares[n, c] for n in range(5)) / 5 - m * m + floor
        s = variance[c] + floor
        total += 0.5 * (v / s + (m - mu[c]) ** 2 / s - 1 - math.log(v / s))
    found = distance(remembered(mu.tolist(), variance.tolist()), means, squares)
    assert found == pytest.approx(total / 4, rel=1e-5)


def test_a_dead_channel_does_not_outvote_the_others() -> None:
    memory = remembered([0, 0, 0], [1, 1, 1e-12])
    found = distance(memory, np.zeros((1, 3)), np.array([[1.0, 1.0, 1.0]]))
    assert found == pytest.approx(CHANNEL_CAP / 3, rel=1e-3)


def test_no_number_is_the_largest_distance() -> None:
    assert distance(remembered([0], [1]), np.array([[np.nan]]), np.array([[np.inf]])) == CHANNEL_CAP


def test_a_new_layer_is_untrained_and_one_that_has_seen_a_photo_is_not() -> None:
    assert is_untrained(remembered([0, 0], [1, 1]))
    assert not is_untrained(remembered([0, 0], [1, 0.99]))


def test_alikeness_is_the_mean_correlation() -> None:
    scores = np.array([[1, 2, 4], [0, 3, 1], [5, 1, 0]], np.float32)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([np.corrcoef(scores[a], scores[b])[0, 1] for a, b in pairs])
    assert alikeness(scores) == pytest.approx(expected, rel=1e-6)
    assert alikeness(np.ones((3, 4), np.float32)) == 1


def test_confidence_is_the_mean_best_probability() -> None:
    scores = np.log(np.array([[3, 1], [1, 1]], np.float32))
    assert confidence(scores) == pytest.approx((0.75 + 0.5) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "choice"),
    [
        ({"tf": 0.1, "unit": 0.4}, "tf"),
        ({"tf": 0.1, "unit": 0.14}, None),
        ({"tf": 0.6, "unit": 3.0}, None),
    ],
    ids=["clear", "two as near", "none near"],
)
def test_a_mode_is_chosen_only_where_it_is_near_and_the_next_is_not(
    values: dict[str, float], choice: str | None
) -> None:
    assert Evidence("normalization", values, {}, "norm", 5).choice == choice


def test_without_normalization_answers_must_differ_and_not_all_be_certain() -> None:
    values = {"none": 0.1, "unit": 0.3, "tf": 0.9}
    sure = {"none": 1.0, "unit": 0.7, "tf": 0.4}
    assert Evidence("answers", values, sure, photos=4).choice == "unit"
    assert Evidence("answers", values, {**sure, "none": 0.8}, photos=4).choice is None


def test_evidence_reads_as_a_sentence() -> None:
    assert str(Evidence("normalization", {"tf": 0.1, "unit": 0.4}, {}, "norm", 5)) == (
        "tf 0.10 · unit 0.40 (the distance of the input of 'norm', over 5 photos, from its "
        "training statistics; 0: equal)"
    )
