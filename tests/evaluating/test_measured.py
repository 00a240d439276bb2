"""The small table of `make truth` names what exists."""

from __future__ import annotations

from seewhy.evaluating.columns import MEASURES
from seewhy.explaining.question import find_method
from seewhy.methods import METHODS
from seewhy.methods.measured import Measured, best, measured


def test_what_was_measured_names_methods_and_measures_and_says_what_to_use_it_for():
    found = measured()
    assert set(found) <= set(METHODS)
    assert {"cam", "grad-cam", "saliency"} <= set(found)
    for one in found.values():
        assert set(one.better) <= set(one.means) <= set(MEASURES)
        assert one.use.startswith("Use ")
        assert one.use.endswith(".")
        assert min(one.photos, one.passes) >= 1


def test_a_star_marks_what_beats_the_baselines():
    row = Measured("net", 12, 1, {"insertion": 0.5, "road": 0.25, "lift": 2}, ("road",), "Use it.")
    assert str(row) == "insertion 0.50, ROAD 0.25*; 1 pass (12 photos, net)"


def test_best_is_a_method_that_was_measured_within_the_budget():
    assert find_method("best") is METHODS[best().method]
    assert measured()[best().method].passes <= best().budget
    order = best().order
    assert best().method in order
    assert order[-2:] == ("cam", "grad-cam")  # the default, and what takes its place
    costs = [measured()[name].passes for name in order[:-1]]
    assert costs == sorted(set(costs), reverse=True)
