"""A plain PyTorch module as a `Network`.

Maps are (n, c, h, w) inside PyTorch, unless a trial pass shows them to be (n, h, w, c) or
tokens; see `layout`. Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.incremental import Engine
from seewhy.incremental.cost import RATES
from seewhy.networks.base import INPUT, FilterBank, Head, Layer
from seewhy.networks.checks import by_ending, check_input_shape, no_map, unknown_layer
from seewhy.networks.execution import EXACT
from seewhy.networks.linear import LinearMap, PooledSamples
from seewhy.networks.pytorch import normalizations, randomizing
from seewhy.networks.pytorch.cam import LINEAR, derived_map, linear_map
from seewhy.networks.pytorch.fast import executing
from seewhy.networks.pytorch.fast.executing import FAILURES
from seewhy.networks.pytorch.fast.fusing import FusedPass, TracedModule
from seewhy.networks.pytorch.fast.kernels import PyTorchKernels
from seewhy.networks.pytorch.fast.lowering import lower
from seewhy.networks.pytorch.fast.narrowing import State, in_float32
from seewhy.networks.pytorch.filters import torch_filters
from seewhy.networks.pytorch.guard import undisturbed
from seewhy.networks.pytorch.hooks import LayerHook, hooked
from seewhy.networks.pytorch.layout import CHANNELS_FIRST, Layout
from seewhy.networks.pytorch.network import TorchNetwork
from seewhy.networks.pytorch.published import published
from seewhy.networks.pytorch.telling import (
    device_and_type,
    looked_through,
    told_channels,
    told_size,
)
from seewhy.networks.pytorch.trial import (
    ModuleCall,
    TrialPass,
    candidates,
    functions_after,
    layers_after,
    try_out,
)
from seewhy.networks.pytorch.view import to_numpy

_SIZE_FOR_ANY = 224
_CANDIDATES = 24


class PyTorchNetwork(TorchNetwork):
    """A `torch.nn.Module` as a `Network`.

    Layers are named by their module path ('layer4.2'); the module itself may be given wherever
    a name may. Compiled and data-parallel modules are looked through, to the module inside.

    Args:
        model: the user's module, on any device, of any floating type, in any mode.
        size: height and width; None where the model tells, or where any will do.
        channels: of the images; None: those of its first convolution.
        name: for messages.
        call: call(model, images) returns the output, for networks of several inputs; images are
            (n, c, h, w), on the model's device and in its type.
        is_pair: whether a single output without a sigmoid is the logit of two classes.

    Attributes:
        call: the same; None where the model is called with images alone.
    """

    def __init__(
        self,
        model: Any,
        *,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        name: str,
        call: Callable[[Any, Any], Any] | None = None,
        is_pair: bool = False,
    ) -> None:
        self.name = name
        self.model = looked_through(model, name)
        told = (*told_size(self.model), channels or told_channels(self.model))
        height, width, depth = check_input_shape(name, told, size, channels)
        given = size or (height, width)
        self.input_shape = (*given, depth)
        self.call, self.is_pair = call, is_pair
        self._paths = dict(self.model.named_modules(remove_duplicate=False))
        self._modules = {path: one for path, one in self.model.named_modules() if path}
        self._trials: dict[tuple[int, int], TrialPass] = {}
        self._default_layer: str | None = None
        self._is_channels_last = False
        self._execution = EXACT
        self._exact: PyTorchNetwork | None = None
        self._state: State | None = None
        self._is_autocast = False
        self._traced: TracedModule | None = None
        self._passes: dict[Any, FusedPass | None] = {}

    remembered = normalizations.remembered
    layers_with_weights = normalizations.layers_with_weights
    first_input = normalizations.first_input
    published = published
    randomized = randomizing.randomized
    computing = executing.computing
    is_current = property(executing.is_current)

    # Facts

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The modules that are called, in the order in which their first calls end."""
        return tuple(self._trial().layers.values())

    @property
    def default_layer(self) -> str:
        """The last layer with rows and columns before pooling or flattening.

        In transformers it is the last layer whose patches still reach the score: where a class
        token is read out, that is not the last block, whose patches nothing looks at, but the
        normalisation before its attention ('blocks.11.norm1').
        """
        if self._default_layer is None:
            names = candidates(self._trial())
            if not names:
                raise no_map(self.name)
            self._default_layer = self._first_that_matters(names)
        return self._default_layer

    @property
    def head(self) -> Head:
        """What the output ends in; that of two classes, where the user names two labels."""
        shape = self._trial().output_shape
        if shape is None or len(shape) > 1:
            return "linear"
        found = self._trial().activation or "linear"
        return "sigmoid" if self.is_pair and found == "linear" and shape in ((), (1,)) else found

    @property
    def classes(self) -> int | None:
        """How many classes there are: 2 for one sigmoid output, 1 for one without."""
        shape = self._trial().output_shape
        if shape is None or len(shape) > 1:
            return None
        if shape in ((), (1,)):
            return 2 if self.head == "sigmoid" else 1
        return shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """The size of the images that layers are listed for; 224 × 224 where any will do."""
        height, width, _ = self.input_shape
        return height or _SIZE_FOR_ANY, width or _SIZE_FOR_ANY

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape per image; () for several outputs."""
        return self._trial().output_shape or ()

    def layer_name(self, layer: Any) -> str:
        """Return the module path of a layer that is given by it, its unique end, or as a module.

        Raises:
            UnknownLayer: the model has no such layer.
        """
        if isinstance(layer, str) and layer == INPUT:
            return INPUT
        module: Any = self._paths.get(layer) if isinstance(layer, str) else layer
        if isinstance(module, torch.nn.Module):
            for path, one in self._modules.items():
                if one is module:
                    return str(path)
        named = layer if isinstance(layer, str) else type(layer).__name__
        ending = by_ending(layer, self._modules) if isinstance(layer, str) else None
        if ending is not None:
            return ending
        raise unknown_layer(self.name, named, self.layers)

    def filters(self, layer: Any) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution."""
        name = self.layer_name(layer)
        return torch_filters(self.name, name, self._modules.get(name), self.layers)

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs the module where a patch changed its input."""
        graph = lower(self.model, size=size, channels=self.input_shape[2], call=self.call)
        graph = replace(graph, pair_scores=graph.pair_scores and self.classes == 2)
        kernels = partial(PyTorchKernels, device=str(device_and_type(self.model)[0]))
        return Engine(graph, kernels, torch.inference_mode, RATES["pytorch"])

    def weight_arrays(self) -> Iterator[ndarray]:
        """Yield all parameters and buffers, in PyTorch's order; bfloat16 as float32."""
        for tensor in chain(self.model.parameters(), self.model.buffers()):
            values = tensor.detach().cpu()
            yield (values.float() if values.dtype == torch.bfloat16 else values).numpy()

    # What TorchNetwork needs

    def _undisturbed(self) -> AbstractContextManager[None]:
        return undisturbed(
            self.model, modules=self.model.modules(), parameters=self.model.parameters()
        )

    def _hooked(self, hooks: Mapping[str, LayerHook]) -> AbstractContextManager[None]:
        return hooked({self._modules[name]: hook for name, hook in hooks.items()})

    def _forward(
        self, hooks: Mapping[str, LayerHook], *, guided: bool
    ) -> Callable[[torch.Tensor], Any]:
        fused = executing.fused_pass(self, hooks, guided=guided)
        if fused is not None:
            return lambda images: in_float32(fused(images, hooks))
        run: Callable[[torch.Tensor], Any] = super()._forward(hooks, guided=guided)
        return run

    def _ask(self, images: torch.Tensor) -> Any:
        if self._execution.precision == "float32":
            return self._call(images)
        device = images.device.type
        with torch.autocast(device, torch.bfloat16) if self._is_autocast else nullcontext():
            return in_float32(self._call(images))

    def _call(self, images: torch.Tensor) -> Any:
        return self.model(images) if self.call is None else self.call(self.model, images)

    def _tensor(self, images: Float[ndarray, "n h w c"]) -> torch.Tensor:
        # torch.tensor copies: the array may be read-only, and a model may write to its input.
        tensor = torch.tensor(np.asarray(images, np.float32)).permute(0, 3, 1, 2)
        if not self._is_channels_last:
            # Not contiguous(): one channel counts as contiguous with the strides of channels last.
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        device, kind = device_and_type(self.model)
        return tensor.to(device, kind)

    def _layout(self, layer: str, size: tuple[int, int]) -> Layout | None:
        if layer == INPUT:
            return CHANNELS_FIRST
        trial = self._trial()
        if trial.has_tokens and size != trial.size:
            trial = self._trial(size)
        layout = trial.layouts[layer]
        is_map = len(trial.layers[layer].shape) == 3 and layout is None
        return CHANNELS_FIRST if is_map and trial.ndims[layer] == 4 else layout

    def _is_watched(self, *, differentiable: bool) -> bool:
        trial = self._trial()
        return trial.activation is not None or (differentiable and trial.cuts_gradients)

    def _layers_after(self, layer: str) -> Sequence[Layer]:
        return layers_after(self._trial(), layer)

    def _linear_map(self, layer: str) -> LinearMap | None:
        return linear_map(self._modules.get(layer), classes=self.classes)

    def _pooled(self, name: str) -> PooledSamples:
        trial = self._trial()
        scores = self._class_scores(trial.scores)
        if scores is None or name not in trial.means or not trial.means[name].any():
            pooled: PooledSamples = super()._pooled(name)
            return pooled
        return PooledSamples(to_numpy(trial.means[name]), to_numpy(scores))

    def _derived_map(self, layer: str) -> LinearMap | None:
        if not LINEAR.issuperset(functions_after(self._trial(), layer)):
            return None
        image = self._noise()[:1]
        with self._undisturbed():
            seen = self._see(image, [layer], differentiable=True)
            scores = self._class_scores(seen.before)
            if scores is None:
                return None
            return derived_map(scores, seen.caught[layer], self._layout(layer, self.image_size))

    def _tolerance(self) -> float:
        kind = torch.bfloat16 if self._is_autocast else device_and_type(self.model)[1]
        return 0.05 if kind in (torch.float16, torch.bfloat16) else 1e-3

    # The trial pass

    def _trial(self, size: tuple[int, int] | None = None) -> TrialPass:
        size = size or self.image_size
        if size not in self._trials:
            with self._undisturbed():
                self._trials[size] = self._trials.get(size) or self._try_out(size)
        return self._trials[size]

    def _try_out(self, size: tuple[int, int]) -> TrialPass:
        images = self._noise(size)
        # On a CPU, convolutions are faster channels last (ResNet50 by 16 %, VGG16 by 27 %). A
        # model that says `x.view(...)` of a map takes no such strides, and gets the usual ones.
        ways = (True, False) if device_and_type(self.model)[0].type == "cpu" else (False,)
        for way in ways:
            self._is_channels_last = way
            try:
                return try_out(self._ask, self._tensor(images), CHANNELS_FIRST, self._modules)
            except FAILURES as error:
                if not way:
                    height, width, channels = images.shape[1:]
                    said = str(error).strip().partition("\n")[0]
                    raise ModelError(
                        f"'{self.name}' fails on a trial batch of {height}×{width} pixels with "
                        f"{channels} channels: {type(error).__name__}: {said}. Give the size and "
                        "channels that it takes, and call=... if it takes more than images"
                    ) from error
        raise AssertionError("the last way returns or raises")

    def _first_that_matters(self, names: list[str]) -> str:
        """Return the first of the layers whose rows and columns the output depends on."""
        for some in (names[:1], names[1:_CANDIDATES]):
            matter = self._that_matter(some, at=None)
            if matter:
                return matter[0]
        # The scores depend on nothing: a new head of zeros. Ask what the head is given instead.
        weighty = [call.layer.name for call in self._trial().calls if self._is_weighty(call)]
        matter = self._that_matter(names[:_CANDIDATES], at=weighty[-1]) if weighty else []
        return (matter or names)[0]

    def _is_weighty(self, call: ModuleCall) -> bool:
        module = self._modules[call.layer.name]
        return next(module.children(), None) is None and hasattr(module, "weight")

    def _that_matter(self, names: list[str], *, at: str | None) -> list[str]:
        """Return the layers whose rows and columns the output, or a layer's input, depends on."""
        image = self._noise()[:1]
        given: list[Any] = []

        def note(inputs: Any, output: Any) -> None:
            given.extend(inputs[:1])

        with self._undisturbed():
            with self._hooked({} if at is None else {at: note}):
                seen = self._see(image, [name for name in names if name != at], differentiable=True)
            seen_at = seen.before if at is None else (given or [None])[0]
            if not isinstance(seen_at, torch.Tensor) or not seen_at.requires_grad:
                return []
            random = np.random.default_rng(2).normal(size=tuple(seen_at.shape)).astype(np.float32)
            value = (seen_at.float() * torch.from_numpy(random).to(seen_at.device)).sum()
            asked = [name for name in names if name != at]
            caught = [seen.caught[name] for name in asked]
            slopes = torch.autograd.grad(value, caught, allow_unused=True)
            return [
                name
                for name, slope in zip(asked, slopes, strict=True)
                if slope is not None and self._channels_last(slope, name, image).any()
            ]
