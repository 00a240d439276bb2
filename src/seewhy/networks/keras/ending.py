"""What a Keras model tells of its input and its output, by its layers or by running it.

"The network" is the adapter. Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.adapter import StopForward
from seewhy.networks.base import SCORES, Head
from seewhy.networks.keras.calls import Around, wrapped
from seewhy.networks.keras.cam import ends_linear
from seewhy.networks.keras.filters import to_numpy
from seewhy.networks.keras.private import functional
from seewhy.networks.keras.published import family_of
from seewhy.networks.trying import PROBABILITY_MARGIN, NeedsCompany, ask, ending_by_trial
from seewhy.networks.weights import Moments
from seewhy.photos.preprocessing import Preprocess


def ending(network: Any) -> Head:
    """Return what the output itself is: "sigmoid" or "softmax" of scores that are not there."""
    structure = network.structure()
    if structure.classes is None or structure.head != "linear":
        return "linear"
    is_told = functional(network.model) is not None  # all that runs is a layer or an operation
    if is_told and ends_linear(network.operations, structure.layers):
        return "linear"

    def outputs(images: Any) -> Any:
        verb = network._activations
        scores = ask(network, images, None, lambda some, _: verb(some, (SCORES,)))[SCORES]
        is_pair = structure.output_shape == (1,) and scores.shape[1] == 2
        return scores[:, 1:] if is_pair else scores

    return ending_by_trial(network._noise(), outputs)


def as_scores(probabilities: Any, kind: Head) -> Any:
    """Return the scores that probabilities come from: log-odds, or the logarithm of a softmax."""
    if kind == "softmax":  # of 1, or in percent of 100
        probabilities = probabilities / keras.ops.sum(probabilities, axis=-1, keepdims=True)
    within = keras.ops.clip(probabilities, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    other = keras.ops.log(1 - within) if kind == "sigmoid" else 0.0
    return keras.ops.log(within) - other


def first_input(
    network: Any, images: Float[ndarray, "n h w c"], names: Collection[str]
) -> tuple[str, ndarray] | None:
    """Run the model up to the first of the layers; return its name and its input."""
    reached: list[tuple[str, Any]] = []

    def around(name: str) -> Around:
        def stand(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            given = next(iter((*args, *kwargs.values())), None)
            if not keras.ops.is_tensor(given):
                return call(*args, **kwargs)
            reached.append((name, given))
            raise StopForward

        return stand

    places = [(network.operations[name], "call", around(name)) for name in names]
    with suppress(StopForward), wrapped(places):
        network._answer(keras.ops.convert_to_tensor(images))
    if not reached:
        return None
    name, given = reached[0]
    try:
        array = np.asarray(keras.ops.convert_to_numpy(given), np.float32)
    except (NotImplementedError, TypeError):  # without numbers, while a graph is traced
        return None
    is_moved = network.channels_first and array.ndim == 4
    return name, np.moveaxis(array, 1, -1) if is_moved else array


def remembered(operations: Mapping[str, Any]) -> dict[str, Moments]:
    """Return the stored mean and variance of every batch normalization, by its layer's name."""
    moments = {}
    for name, layer in operations.items():
        mean, variance = (
            getattr(layer, f"moving_{statistic}", None) for statistic in ("mean", "variance")
        )
        if mean is not None and variance is not None:
            moments[name] = Moments(to_numpy(mean).reshape(-1), to_numpy(variance).reshape(-1))
    return moments


def published(operations: Mapping[str, Any]) -> tuple[Preprocess, str] | None:
    """Return the mode that the model's family was published with, and how this is known."""
    family = family_of(operations)
    if family is None:
        return None
    return family.preprocess, f"the names of its layers: a {family.name} of keras.applications"


def check_graph(name: str, call: Any, ending: Head) -> None:
    """Refuse to read a graph from a model of which it would not give the scores.

    Raises:
        ModelError: it is called by the user's function, or returns probabilities of no scores.
    """
    if ending != "linear":
        raise ModelError(f"'{name}' returns probabilities, and no engine has their scores.")
    if call is not None:
        raise ModelError(
            f"'{name}' is called by a function of yours; a Keras model can be re-run "
            "window by window only where it is called with images alone."
        )


def check_axes(output: Any, shape: tuple[int, ...]) -> None:
    """Ask for a second image where the axis of one is gone from the output.

    Raises:
        NeedsCompany: the output has fewer axes than that of two images.
    """
    if not keras.tree.is_nested(output) and len(output.shape) < 1 + len(shape):
        raise NeedsCompany
