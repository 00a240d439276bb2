"""The default method of a network, and the best one within a budget of forward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seewhy.classifier import Classifier
from seewhy.errors import NotACamNetwork, OptionError
from seewhy.explaining.costs import method_passes
from seewhy.explaining.question import BEST, is_best, layer_names
from seewhy.methods import METHODS, Needs
from seewhy.methods.measured import best


def default_method(
    classifier: Classifier, layer: Any = None, *, target: Callable[[Any], Any] | None = None
) -> str:
    """Return 'cam' if the network supports it, else 'grad-cam'; 'occlusion' without gradients.

    CAM needs no backward pass and equals Grad-CAM on such networks, up to a factor. Of tokens it is
    'hires-cam', whose heat was measured to be on the object more often (docs/trust.md).
    """
    names = layer_names(classifier, layer)
    try:
        if target is None:
            for name in names:
                classifier.session.class_weights(name)
            return "cam"
    except NotACamNetwork:
        if not classifier.network.has_gradients:
            return "occlusion"
    of_tokens = {known.name for known in classifier.network.layers if known.has_tokens}
    return "hires-cam" if of_tokens.issuperset(names) else "grad-cam"


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
