"""Whether a map depends on the class and on the network, and how sure a mean is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seewhy.evaluating.intervals import Interval, beats, bootstrap
from seewhy.evaluating.sanity import agreement, cascade, class_sensitivity


def test_class_sensitivity_is_0_for_the_same_order_and_2_for_the_reverse():
    heat = np.random.default_rng(0).random((5, 6))
    assert class_sensitivity(heat, np.exp(heat)) == pytest.approx(0)
    assert class_sensitivity(heat, -heat) == pytest.approx(2)
    assert np.isnan(class_sensitivity(heat, np.ones((5, 6))))


def test_class_sensitivity_agrees_with_scipy():
    one, two = np.random.default_rng(1).random((2, 7, 7))
    expected = 1 - stats.spearmanr(one.ravel(), two.ravel()).statistic
    assert class_sensitivity(one, two) == pytest.approx(expected)


def test_layers_get_random_from_the_last_one_down():
    assert cascade(["a", "b", "c", "d", "e"]) == [("e",), ("a", "b", "c", "d", "e")]
    assert cascade(["a", "b", "c", "d", "e"], 3)[1] == ("c", "d", "e")
    assert cascade(["a"]) == [("a",)]


def test_agreement_ranks_cells_whatever_the_resolution():
    coarse = np.random.default_rng(2).random((7, 7))
    fine = np.kron(np.exp(coarse), np.ones((4, 4)))
    assert agreement(coarse, fine) == pytest.approx(1)
    assert agreement(coarse, -fine) == pytest.approx(-1)
    other = np.random.default_rng(3).random((28, 28))
    blocks = other.reshape(14, 2, 14, 2).mean(axis=(1, 3))
    doubled = coarse.repeat(2, axis=0).repeat(2, axis=1)
    expected = stats.spearmanr(doubled.ravel(), blocks.ravel()).statistic
    assert agreement(coarse, other) == pytest.approx(expected)
    assert np.isnan(agreement(coarse, np.ones((7, 7))))


def test_a_bootstrap_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(1, 2, 60)
    found = bootstrap(values, resamples=20000)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(5)
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == (
        pytest.approx(expected.low, abs=0.03),
        pytest.approx(expected.high, abs=0.03),
    )


def test_photos_without_a_value_are_left_out():
    values = np.array([1.0, np.nan, 1.0])
    assert bootstrap(values) == Interval(1, 1, 1)
    none = bootstrap(np.array([np.nan]))
    assert np.isnan([none.mean, none.low, none.high]).all()


def test_a_method_beats_a_baseline_only_where_the_pairs_say_so():
    random = np.random.default_rng(0)
    photos = random.normal(0, 5, 50)  # photos differ far more than methods
    better = photos + 0.5 + random.normal(0, 0.2, 50)
    assert beats(better, photos, higher_is_better=True)
    assert not beats(better, photos, higher_is_better=False)
    assert beats(photos, better, higher_is_better=False)
    assert not beats(photos + random.normal(0, 1, 50), photos, higher_is_better=True)
    assert not beats(photos, photos, higher_is_better=True)
    assert not beats(photos + 1e-15, photos, higher_is_better=True)  # the last bit of a sum
