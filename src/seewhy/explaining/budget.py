"""What a map costs in forward passes, and the best method within a budget of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seewhy.classifier import Classifier
from seewhy.errors import OptionError
from seewhy.explaining.question import BEST, Question, default_method, is_best, layer_names
from seewhy.explaining.running import copies_of
from seewhy.methods import METHODS, Needs
from seewhy.methods.measured import best
from seewhy.networks.base import Top

BACKWARD = 2
"""A backward pass to the pixels takes about as long as two forward passes."""


def method_passes(
    classifier: Classifier,
    method: str,
    *,
    layer: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Return what one map costs in forward passes, with a backward pass to the pixels as two.

    A backward pass to the last map is next to nothing, and is not counted; one to finer maps is
    counted as one to the pixels.
    """
    row = METHODS[method]
    question = Question(
        classifier=classifier,
        methods=(row,),
        options={method: options or {}},
        layers=(layer or classifier.layer,),
        targets=Top(1),
        output="score",
        batch_size=None,
    )
    copies = copies_of(question, row)
    each = 1 + BACKWARD if row.backward and row.pixel_level else 1
    finer = BACKWARD if row.multiplies else 0
    return 1 + copies * each + finer + row.contrasts  # similar classes are found first, by one pass


def best_method(classifier: Classifier, budget: int, *, layer: Any = None) -> str:
    """Return the best method, as measured, whose map of this network takes at most `budget` passes.

    The methods come in the order of `seewhy.methods.measured.best`, with their default options.

    Raises:
        OptionError: the cheapest of them takes more.
    """
    explained = layer_names(classifier, layer)[0]
    has_weights = default_method(classifier, layer) == "cam"
    costs = {
        name: method_passes(classifier, name, layer=explained)
        for name in best().order
        if has_weights or Needs.CLASS_WEIGHTS not in METHODS[name].needs
    }
    for name, cost in costs.items():
        if cost <= budget:
            return name
    cheapest = min(costs, key=lambda name: costs[name])
    raise OptionError(
        f"budget={budget} is too small: the cheapest good method here is '{cheapest}', and a map "
        f"takes {costs[cheapest]} forward pass{'es' * (costs[cheapest] != 1)}. Give "
        f"budget={costs[cheapest]} or more."
    )


def in_place_of_best(chosen: str, names: Sequence[str]) -> list[str]:
    """Return names of methods with the chosen one in the place of 'best'."""
    return [chosen if is_best(name) else name for name in names]


def check_budget(budget: Any, methods: Any) -> None:
    """Refuse a budget that is no number of passes, or is given without method='best'.

    Raises:
        OptionError: that is so.
    """
    if budget is None:
        return
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
        raise OptionError(
            f"budget={budget!r} is not a number of forward passes. Give a whole number, such as "
            f"{best().budget}."
        )
    if not any(is_best(name) for name in methods):
        raise OptionError(
            f"budget={budget} says how many forward passes the method '{BEST}' may take, and it "
            f"was not named. Give the method '{BEST}', or leave the budget out."
        )
