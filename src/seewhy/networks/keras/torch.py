"""Keras on PyTorch: Keras's names and layouts, PyTorch's autograd.

Axes: n image, h row, w column, c channel. Keras's maps are (n, h, w, c) unless the model says
`channels_first`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import keras
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import Grid
from seewhy.incremental import Engine
from seewhy.incremental.cost import RATES
from seewhy.networks.base import INPUT
from seewhy.networks.keras.calls import Around, wrapped
from seewhy.networks.keras.fast.kernel_memory import KernelMemory
from seewhy.networks.keras.model import KerasModel
from seewhy.networks.keras.private import all_layers
from seewhy.networks.linear import PooledSamples
from seewhy.networks.pytorch.fast.kernels import PyTorchKernels
from seewhy.networks.pytorch.fast.narrowing import check_units, in_float32
from seewhy.networks.pytorch.functions import FunctionWatcher
from seewhy.networks.pytorch.guard import undisturbed
from seewhy.networks.pytorch.hooks import LayerHook
from seewhy.networks.pytorch.layout import CHANNELS_FIRST, CHANNELS_LAST, Layout, places_of
from seewhy.networks.pytorch.network import TorchNetwork
from seewhy.networks.pytorch.view import to_numpy


class KerasTorch(KerasModel, TorchNetwork):
    """A Keras model on the PyTorch backend.

    Keras keeps kernels as (h, w, in, out) and turns each into PyTorch's order at every call, a
    fixed cost of 0.1 s for ResNet50 on one CPU core. While a question is answered, copies are used
    that are laid out so that this turning moves nothing: the same values and shapes, other strides,
    bit for bit the same outputs. Afterwards the model has its own memory again.
    """

    @cached_property
    def _kernels(self) -> KernelMemory:
        """The copies of the kernels."""
        return KernelMemory()

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs the model where a patch changed its input."""
        return Engine(self.graph(size), PyTorchKernels, torch.no_grad, RATES["keras on torch"])

    # What TorchNetwork needs

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        layers = all_layers(self.model)
        modules = {id(module): module for layer in layers for module in layer.modules()}
        weights = [variable.value for variable in self.model.variables]
        parameters = {
            id(weight): weight for weight in weights if isinstance(weight, torch.nn.Parameter)
        }
        # A layer that is called with training=True moves its statistics.
        moves = self.structure().mixes
        with (
            undisturbed(
                self.model,
                modules=modules.values(),
                parameters=parameters.values(),
                states=[weight for weight in weights if weight.ndim <= 1] if moves else (),
            ),
            self._kernels.used_by(layers),
        ):
            yield

    def _hooked(self, hooks: Mapping[str, LayerHook]) -> AbstractContextManager[None]:
        def around(hook: LayerHook) -> Around:
            def stand(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                output = call(*args, **kwargs)
                instead = hook(args, output)
                return output if instead is None else instead

            return stand

        return wrapped(
            [
                (operation, attribute, around(hook))
                for name, hook in hooks.items()
                for operation, attribute in _calls(self.operations[name])
            ]
        )

    def _lacks_an_axis(self, output: Any, answers: Mapping[str, Any]) -> bool:
        known = next(iter(self._structures.values()), None)
        if known is None or not isinstance(output, torch.Tensor):
            return False
        return bool(output.ndim < 1 + len(known.output_shape))

    def _ask(self, images: torch.Tensor) -> Any:
        if not self._casts:
            return self._answer(images)
        with wrapped(self._casts):
            return in_float32(self._answer(images))

    def _check_units(self) -> None:
        check_units(self._tensor(np.zeros((1, 1, 1, 1), np.float32)).device)

    def _tensor(self, images: Float[ndarray, "n h w c"]) -> torch.Tensor:
        # torch.tensor copies: the array may be read-only, and a model may write to its input.
        tensor = torch.tensor(np.asarray(images, np.float32))
        moved: torch.Tensor = keras.ops.convert_to_tensor(tensor)
        return moved

    def _pooled(self, name: str) -> PooledSamples:
        """Run what comes after the layer, for random maps; what comes before it is made up.

        A way around the layer then leads from other random numbers to the scores, and shows.
        """
        structure = self.structure()
        names = [layer.name for layer in structure.layers if layer.name in structure.outputs]
        random = np.random.default_rng(1).normal(size=(2, *structure.outputs[name][0][1:]))
        maps = keras.ops.convert_to_tensor(random, dtype=structure.outputs[name][1])

        def instead(layer: str, seed: int) -> Around:
            return lambda *_, **__: (
                maps if layer == name else _stand_in(*structure.outputs[layer], seed)
            )

        places = [
            (operation, attribute, instead(layer, seed))
            for seed, layer in enumerate(names[: names.index(name) + 1])
            for operation, attribute in _calls(self.operations[layer])
        ]
        try:
            with self._undisturbed(), torch.no_grad(), wrapped(places), FunctionWatcher() as watch:
                output = self._ask(self._tensor(self._noise()))
                scores = to_numpy(self._class_scores(watch.before_activation(output)[0]))
        except (RuntimeError, ValueError, TypeError):  # something cannot take what was made up
            pooled: PooledSamples = super()._pooled(name)
            return pooled
        return PooledSamples(
            to_numpy(places_of(maps, self._layout(name, self.image_size)).mean(1)), scores
        )

    def _layout(self, layer: str, size: tuple[int, int]) -> Layout | None:
        if layer == INPUT:
            return CHANNELS_LAST
        structure = self.structure()
        if layer in structure.grids:
            grid = self.structure(size).grids[layer]
            return Layout(2, (grid.rows, grid.columns), grid.prefix)
        if len(structure.outputs[layer][0]) != 4:
            return None
        return CHANNELS_FIRST if self.channels_first else CHANNELS_LAST

    def _token_grids(self, size: tuple[int, int]) -> dict[int, list[Grid]]:
        return self.structure(size).token_grids

    def _is_watched(self, *, differentiable: bool) -> bool:
        return differentiable or self.head != "linear"


def _stand_in(shape: tuple[int, ...], dtype: str, seed: int) -> torch.Tensor:
    """Return two random rows of channels, spread over a map's places without taking memory."""
    generator = torch.Generator().manual_seed(seed)
    ones = (1,) * (len(shape) - 2)
    rows = torch.randn((2, *ones, shape[-1]), generator=generator).to(getattr(torch, dtype))
    moved: torch.Tensor = keras.ops.convert_to_tensor(rows)
    return moved.expand(2, *shape[1:])


def _calls(operation: Any) -> list[tuple[Any, str]]:
    """Return where an operation's call may be stood around."""
    quantized = getattr(operation, "quantization_mode", None) is not None
    return [(operation, "call"), *([(operation, "quantized_call")] if quantized else [])]
