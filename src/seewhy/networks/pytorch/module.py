"""A plain PyTorch module as a `Network`.

Maps are (n, c, h, w) inside PyTorch, unless a trial pass shows them to be (n, h, w, c) or
tokens; see `layout`. Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import Grid
from seewhy.errors import ModelError, SeewhyError
from seewhy.incremental import Engine
from seewhy.incremental.cost import RATES
from seewhy.networks.adapter import StopForward
from seewhy.networks.attending import token_grids
from seewhy.networks.base import INPUT, Head, Layer
from seewhy.networks.checks import check_input_shape, no_map
from seewhy.networks.linear import LinearMap, PooledSamples
from seewhy.networks.pytorch.batches import BatchedNetwork, image_axis, with_images
from seewhy.networks.pytorch.cam import LINEAR_FUNCTIONS, derived_map, linear_map
from seewhy.networks.pytorch.copying import copied, learned_weights
from seewhy.networks.pytorch.default import first_that_matters, first_that_shows, is_weighty
from seewhy.networks.pytorch.fast.executing import NarrowableNetwork
from seewhy.networks.pytorch.fast.kernels import PyTorchKernels
from seewhy.networks.pytorch.fast.lowering import lower
from seewhy.networks.pytorch.filters import filters_of
from seewhy.networks.pytorch.guard import undisturbed
from seewhy.networks.pytorch.hooks import LayerHook, hooked
from seewhy.networks.pytorch.layout import CHANNELS_FIRST, Layout
from seewhy.networks.pytorch.published import published_preprocessing
from seewhy.networks.pytorch.telling import (
    device_and_type,
    looked_through,
    remembered,
    told_call,
    told_channels,
    told_size,
)
from seewhy.networks.pytorch.trial import (
    TrialPass,
    candidates,
    ends_linear,
    functions_after,
    layers_after,
    moves,
    pads_far,
    try_out,
)
from seewhy.networks.pytorch.view import FAILURES, to_numpy
from seewhy.networks.random_weights import LearnedWeight
from seewhy.networks.trying import NeedsCompany, adds_up
from seewhy.networks.weights import FilterBank, Moments
from seewhy.photos.preprocessing import Preprocess

_SIZE_FOR_ANY = 224


class PyTorchNetwork(BatchedNetwork, NarrowableNetwork):
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

    separator = "."

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
        told = (*told_size(self.model), channels or told_channels(self.model, name))
        height, width, depth = check_input_shape(name, told, size, channels)
        self.input_shape = (*(size or (height, width)), depth)
        self.call, self.is_pair = call or told_call(self.model), is_pair
        self._run(self.model)
        self._trials: dict[tuple[int, int], TrialPass] = {}
        self._default_layer: str | None = None
        self._ends_in: Head | None = None
        self._is_channels_last = False

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
            if not (names := candidates(self._trial())):
                raise no_map(self.name)
            self._default_layer = first_that_shows(self, first_that_matters(self, names), names)
        return self._default_layer

    @property
    def head(self) -> Head:
        """What the output ends in; that of two classes, where the user names two labels."""
        shape = self._trial().output_shape
        if shape is None or len(shape) > 1:
            return "linear"
        ending = self._trial().activation or self._ending()
        return "sigmoid" if self.is_pair and ending == "linear" and shape in ((), (1,)) else ending

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

    def may_move(self, layer: str) -> bool:
        """True where rows and columns may not be those of the photo: crops, pads, reshapes."""
        return moves(self._trial(), layer) or any(map(pads_far, self._modules.values()))

    def filters(self, layer: Any) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution."""
        name = self.layer_name(layer)
        return filters_of(self._modules.get(name)) or self._no_filters(name)

    def layers_with_weights(self) -> list[str]:
        """Name the innermost modules that learn, frozen or not."""
        return [
            name
            for name, module in self._modules.items()
            if next(module.children(), None) is None and next(module.parameters(), None) is not None
        ]

    def remembered(self) -> dict[str, Moments]:
        """Return the running mean and variance of every batch normalization, by its name."""
        return remembered(self._modules)

    def first_input(
        self, images: Float[ndarray, "n h w c"], names: Collection[str]
    ) -> tuple[str, ndarray] | None:
        """Run the module up to the first of the layers; return its name and its input."""
        reached: list[tuple[str, ndarray]] = []

        def hook_for(name: str) -> LayerHook:
            def hook(inputs: Any, output: Any) -> None:
                if inputs and isinstance(inputs[0], torch.Tensor):
                    reached.append((name, to_numpy(inputs[0])))
                    raise StopForward

            return hook

        hooks = {name: hook_for(name) for name in names}
        with self._undisturbed(), torch.no_grad(), suppress(StopForward), self._hooked(hooks):
            self._ask(self._tensor(images))
        if not reached:
            return None
        name, given = reached[0]
        return name, np.moveaxis(given, 1, -1) if given.ndim == 4 else given

    def published(self) -> tuple[Preprocess, str] | None:
        """Return the preprocessing that the module was published with, and how this is known."""
        return published_preprocessing(self.model)

    def _learned_weights(self) -> Iterator[LearnedWeight]:
        return learned_weights(self.model)

    def _copied(self) -> PyTorchNetwork:
        height, width, channels = self.input_shape
        return type(self)(
            copied(self.model, name=self.name),
            size=None if height is None or width is None else (height, width),
            channels=channels,
            name=self.name,
            call=self.call,
            is_pair=self.is_pair,
        )

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs the module where a patch changed its input."""
        if self._ending() != "linear":
            raise ModelError(
                f"'{self.name}' returns probabilities, and no engine has their scores."
            )
        self._check_independent()
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

    def _parts(self) -> Mapping[str, Any]:
        return self._modules

    def _aliases(self) -> Mapping[str, Any]:
        return self._paths

    def _call(self, images: torch.Tensor) -> Any:
        return with_images(super()._call(images), len(images), self._axis)

    def _trace(self) -> None:
        if self._axis == "kept":
            super()._trace()

    def _run(self, model: torch.nn.Module) -> None:
        self.model = model
        self._paths = dict(model.named_modules(remove_duplicate=False))
        self._modules = {path: module for path, module in model.named_modules() if path}

    def _last_linear(self) -> torch.nn.Module | None:
        weighty = [call.layer for call in self._trial().calls if is_weighty(self, call)]
        is_row = bool(weighty) and math.prod(weighty[-1].shape[:-1]) == 1
        return self._modules[weighty[-1].name] if is_row else None

    def _undisturbed(self) -> AbstractContextManager[None]:
        return undisturbed(
            self.model, modules=self.model.modules(), parameters=self.model.parameters()
        )

    def _hooked(self, hooks: Mapping[str, LayerHook]) -> AbstractContextManager[None]:
        return hooked({self._modules[name]: hook for name, hook in hooks.items()})

    def _tensor(self, images: Float[ndarray, "n h w c"]) -> torch.Tensor:
        # torch.tensor copies: the array may be read-only, and a model may write to its input.
        tensor = torch.tensor(np.asarray(images, np.float32)).permute(0, 3, 1, 2)
        if not self._is_channels_last:
            # Not contiguous(): one channel counts as contiguous with the strides of channels last.
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        return tensor.to(*device_and_type(self.model))

    def _layout(self, layer: str, size: tuple[int, int]) -> Layout | None:
        if layer == INPUT:
            return CHANNELS_FIRST
        trial = self._trial()
        if trial.has_tokens and size != trial.size:
            trial = self._trial(size)
        layout = trial.layouts[layer]
        is_map = len(trial.layers[layer].shape) == 3 and layout is None
        return CHANNELS_FIRST if is_map and trial.ndims[layer] == 4 else layout

    def _token_grids(self, size: tuple[int, int]) -> dict[int, list[Grid]]:
        trial = self._trial(size)
        return token_grids(
            (layer, getattr(trial.layouts[layer.name], "prefix", 0))
            for layer in trial.layers.values()
            if layer.is_spatial
        )

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
        is_known = name in trial.means and self._axis != "dropped"
        if scores is None or not is_known or not trial.means[name].any():
            pooled: PooledSamples = super()._pooled(name)
            return pooled
        return PooledSamples(to_numpy(trial.means[name]), to_numpy(scores))

    def _derived_map(self, layer: str) -> LinearMap | None:
        if not LINEAR_FUNCTIONS.issuperset(functions_after(self._trial(), layer)):
            return None
        image = self._noise()[:1]
        with self._undisturbed():
            try:
                seen = self._see(image, [layer], differentiable=True)
            except NeedsCompany:
                return None
            scores = self._class_scores(seen.before)
            if scores is None:
                return None
            return derived_map(scores, seen.caught[layer], self._layout(layer, self.image_size))

    def _lacks_an_axis(self, output: Any, answers: Mapping[str, Any]) -> bool:
        trial = self._trial()
        lacking = [
            isinstance(array, torch.Tensor) and array.ndim < trial.ndims.get(name, 0)
            for name, array in answers.items()
        ]
        if isinstance(output, torch.Tensor) and trial.output_shape is not None:
            lacking.append(output.ndim < 1 + len(trial.output_shape))
        return any(lacking)

    def _ending(self) -> Head:
        if self._ends_in is None:
            self._ends_in = "linear"
            trial = self._trial()
            scores = trial.scores
            may_be = scores is not None and scores.ndim <= 2 and trial.activation is None
            if may_be and not ends_linear(trial) and _may_be_probable(scores):
                self._ends_in = self._ending_by_trial()
        return self._ends_in

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
                tensor = self._tensor(images)[: 1 if self._axis == "dropped" else None]
                trial = try_out(self._ask, tensor, CHANNELS_FIRST, self._modules)
                if self._axis == "kept" and trial.output_shape in (None, ()):
                    with torch.no_grad():
                        self._axis = image_axis(self._ask, tensor)
                    return trial if self._axis == "kept" else self._try_out(size)
                return trial
            except FAILURES as error:
                if isinstance(error, SeewhyError):
                    raise
                if not way:
                    height, width, channels = images.shape[1:]
                    reason = str(error).strip().partition("\n")[0]
                    raise ModelError(
                        f"'{self.name}' fails on a trial batch of {height}×{width} pixels with "
                        f"{channels} channels: {type(error).__name__}: {reason}. Give the size and "
                        "channels that it takes, and call=... if it takes more than images"
                    ) from error
        raise AssertionError("the last way returns or raises")


def _may_be_probable(scores: torch.Tensor | None) -> bool:
    if scores is None or not bool((scores >= 0).all()):
        return False
    return bool((scores <= 1).all()) or (scores.ndim == 2 and adds_up(to_numpy(scores)))
