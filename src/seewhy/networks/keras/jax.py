"""Keras on JAX: one jitted function for each question; weights are arguments, never constants.

Axes: n image, t target, m copy of one image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.incremental import Engine
from seewhy.networks.base import INPUT
from seewhy.networks.checks import not_on_the_way
from seewhy.networks.execution import check_capability
from seewhy.networks.keras.network import KerasNetwork
from seewhy.networks.keras.private import backend
from seewhy.networks.keras.request import Request

_PADDED_CALLS = 2
"""So often a batch size is padded to a larger compiled one, before it is compiled for itself."""


class KerasJax(KerasNetwork):
    """A Keras model on the JAX backend."""

    framework = "jax"
    functions = (backend.nn, jax.nn)

    def compile(self, request: Request) -> Callable[..., Mapping[str, ndarray]]:
        """Return what answers a request; XLA compiles it when a batch size is first met."""
        function = jax.jit(lambda values, *arrays: self._trace(request, values, *arrays))
        compiled: set[int] = set()
        padded: Counter[int] = Counter()

        def run(*arrays: ndarray) -> Mapping[str, ndarray]:
            image, batch = (arrays[:1], arrays[1:]) if request.replaced else ((), arrays)
            count = len(batch[0])
            larger = min((size for size in compiled if size > count), default=None)
            if count not in compiled and larger and padded[count] < _PADDED_CALLS:
                padded[count] += 1
                batch = tuple(_pad(array, larger) for array in batch)
            values = [variable.value for variable in self.model.variables]
            results = function(values, *image, *batch)
            compiled.add(len(batch[0]))
            return {name: np.asarray(array)[:count] for name, array in results.items()}

        return run

    def guided(self, relu: Callable[[Any], Any], ceiling: float | None) -> Callable[[Any], Any]:
        """Return a ReLU with the guided rule on its backward pass."""

        def forward(x: Any) -> tuple[Any, Any]:
            y = relu(x)
            return y, y > 0 if ceiling is None else (y > 0) & (y < ceiling)

        def backward(passes: Any, gradient: Any) -> tuple[Any]:
            return (jnp.where(passes & (gradient > 0), gradient, jnp.zeros_like(gradient)),)

        guided = jax.custom_vjp(relu)
        guided.defvjp(forward, backward)
        rule: Callable[[Any], Any] = guided
        return rule

    def engine(self, size: tuple[int, int]) -> Engine:
        """Raise ModelError: JAX compiles each shape of a window by itself, which costs more."""
        raise ModelError(
            f"'{self.name}' runs on JAX; windows are re-run on TensorFlow and PyTorch only."
        )

    def _check_units(self) -> None:
        device = jax.devices()[0]
        if device.platform == "cpu":  # measured: as fast as float32, and less exact
            raise ModelError("On processors JAX multiplies bfloat16 as it does float32.")
        if device.platform in ("gpu", "cuda"):
            check_capability(getattr(device, "compute_capability", None), device.device_kind)

    def _trace(
        self, request: Request, values: list[Any], images: Any, *further: Any
    ) -> dict[str, Any]:
        mapping = list(zip(self.model.variables, values, strict=True))
        met: set[str] = set()

        def explained(zeros: Mapping[str, Any]) -> tuple[Any, Any]:
            def keep(name: str, output: Any) -> Any:
                return _add(output, zeros[name], met, name) if zeros else output

            # The scope reads the weights from the arguments, and keeps losses and states away.
            with keras.StatelessScope(state_mapping=mapping):
                tensors = self.show(request, images, further, keep)
            return tensors.values, (tensors.results({}), tensors.weights)

        if request.kind == "none":
            return dict(explained({})[1][0])
        zeros = self._zeros(request, len(images))
        results: dict[str, Any]
        _, backward, (results, weights) = jax.vjp(explained, zeros, has_aux=True)
        each = [backward(weights[:, t])[0] for t in range(weights.shape[1])]
        for name in request.differentiated:
            if name not in met:
                raise not_on_the_way(self.name, name)
            slopes = jnp.stack([slope_by_layer[name] for slope_by_layer in each], axis=1)
            results[f"gradients {name}"] = slopes.astype("float32")
        return results

    def _zeros(self, request: Request, images: int) -> dict[str, Any]:
        specs = dict(self.structure(request.size).outputs)
        specs |= self.attention_shapes(request.size) if request.attended else {}
        specs[INPUT] = ((1, *request.size, self.input_shape[2]), "float32")
        return {
            name: jnp.zeros((images, *specs[name][0][1:]), specs[name][1])
            for name in request.differentiated
        }


def _add(output: Any, zero: Any, met: set[str], name: str) -> Any:
    """Return output + zero, and note the name when a backward pass comes by while tracing.

    JAX gives zeros for what a value does not depend on; this tells such zeros from others.
    """

    def plus(output: Any, zero: Any) -> Any:
        return output + zero

    def backward(_: None, gradient: Any) -> tuple[Any, Any]:
        met.add(name)
        return gradient, gradient

    add = jax.custom_vjp(plus)
    add.defvjp(lambda output, zero: (output + zero, None), backward)
    return add(output, zero)


def _pad(array: ndarray, count: int) -> ndarray:
    """Repeat the last row until there are `count` rows."""
    return np.concatenate([array, np.repeat(array[-1:], count - len(array), axis=0)])
