"""The normalizations of a Keras model, and what its first layers are given.

The functions are methods of the adapter: `network` is it.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.networks.adapter import StopForward
from seewhy.networks.base import Moments
from seewhy.networks.keras.calls import Around, wrapped
from seewhy.networks.keras.private import inner_layers, learns


def remembered(network: Any) -> dict[str, Moments]:
    """Return the stored mean and variance of every batch normalization, by its layer's name."""
    found = {}
    for name, layer in network.operations.items():
        mean, variance = (getattr(layer, f"moving_{word}", None) for word in ("mean", "variance"))
        if mean is not None and variance is not None:
            found[name] = Moments(_numbers(mean), _numbers(variance))
    return found


def layers_with_weights(network: Any) -> list[str]:
    """Name the innermost layers that learn, frozen or not."""
    return [
        name
        for name, layer in network.operations.items()
        if isinstance(layer, keras.layers.Layer) and learns(layer) and not inner_layers(layer)
    ]


def first_input(
    network: Any, images: Float[ndarray, "n h w c"], names: Collection[str]
) -> tuple[str, ndarray] | None:
    """Run a model up to the first of the layers, and return its name and its input.

    Returns:
        None where none of the layers is called with a tensor that has numbers, as inside a
        function that the user has compiled.
    """
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
    try:
        with wrapped(places):
            network._answer(keras.ops.convert_to_tensor(images))
    except StopForward:
        pass
    if not reached:
        return None
    name, given = reached[0]
    try:
        array = np.asarray(keras.ops.convert_to_numpy(given), np.float32)
    except (NotImplementedError, TypeError):  # a tensor without numbers, while a graph is traced
        return None
    is_moved = network.channels_first and array.ndim == 4
    return name, np.moveaxis(array, 1, -1) if is_moved else array


def _numbers(variable: Any) -> Float[ndarray, " c"]:
    array = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable) + 0)
    return np.asarray(array, np.float32).reshape(-1)
