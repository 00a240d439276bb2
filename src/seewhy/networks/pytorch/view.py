"""One forward pass of a model on PyTorch, seen by layers: plain modules, and Keras on PyTorch.

The explained layers are cut out of the network by hooks, for one forward pass. With every
parameter frozen, autograd records from the first cut on and nothing before; a backward pass
runs from the explained value to the cuts and no further.

Axes: n image, t target, h row, w column, c channel, k class, m copy of one image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils._pytree import tree_map_only

from seewhy.errors import SeewhyError
from seewhy.networks.adapter import StopForward
from seewhy.networks.attending import AttendingAdapter
from seewhy.networks.base import INPUT, Head, Layer
from seewhy.networks.checks import (
    check_layer,
    is_name,
)
from seewhy.networks.pytorch.functions import FunctionWatcher
from seewhy.networks.pytorch.hooks import ActivationCatcher, LayerHook
from seewhy.networks.pytorch.layout import Layout
from seewhy.networks.tokens import fold_tokens, unfold_tokens
from seewhy.networks.trying import PROBABILITY_MARGIN, NeedsCompany

FAILURES = (
    RuntimeError, TypeError, ValueError, AssertionError, LookupError, AttributeError,
    NotImplementedError,
)  # fmt: skip
"""What a model may raise when it is called with images that it cannot take."""


@dataclass(frozen=True)
class ForwardPass:
    """What one forward pass has shown, in tensors.

    Attributes:
        output: as the model returned it; None where the pass was ended before.
        before: the same with a softmax or sigmoid at the end taken off.
        caught: by layer, what it returned.
        watch: who watched the functions; None where nobody had to.
    """

    output: Any
    before: Any
    caught: Mapping[str, torch.Tensor]
    watch: FunctionWatcher | None


class TorchView(AttendingAdapter):
    """A model whose tensors are PyTorch's, run once and looked into; knows no verbs."""

    framework = "torch"

    # What a model on PyTorch needs besides

    @abstractmethod
    def _undisturbed(self) -> AbstractContextManager[None]:
        """Leave the model as it was found, whatever is done inside."""

    @abstractmethod
    def _hooked(self, hooks: Mapping[str, LayerHook]) -> AbstractContextManager[None]:
        """Hang hooks on layers."""

    @abstractmethod
    def _ask(self, images: torch.Tensor) -> Any:
        """Call the model."""

    @abstractmethod
    def _tensor(self, images: Float[ndarray, "n h w c"]) -> torch.Tensor:
        """Return images as the model takes them: layout, device and type."""

    @abstractmethod
    def _layout(self, layer: str, size: tuple[int, int]) -> Layout | None:
        """Return what the axes of a layer's output mean, for images of a height and width."""

    @abstractmethod
    def _is_watched(self, *, differentiable: bool) -> bool:
        """True where functions must be watched: a final softmax, or a no_grad in the model."""

    def _forward(
        self, hooks: Mapping[str, LayerHook], *, guided: bool
    ) -> Callable[[torch.Tensor], Any]:
        """Return what calls the model, with hooks on layers.

        Args:
            hooks: by layer.
            guided: whether that changes the backward pass of activations.
        """

        def run(images: torch.Tensor) -> Any:
            with self._hooked(hooks):
                return self._ask(images)

        return run

    def _lacks_an_axis(self, output: Any, answers: Mapping[str, Any]) -> bool:
        """True where what one image gave has fewer axes than what two images gave."""
        return False

    def _ending(self) -> Head:
        """Return what the output itself is: "sigmoid" or "softmax" of scores that are not there."""
        return "linear"

    # One pass

    def _see(
        self,
        images: Float[ndarray, "n h w c"],
        names: Sequence[str],
        *,
        differentiable: bool = False,
        guided: bool = False,
        stop: bool = False,
    ) -> ForwardPass:
        """Run the model once."""
        tensor = given = self._tensor(images)
        if INPUT in names:
            tensor.requires_grad_(differentiable)
            given = tensor.clone()
        catch = ActivationCatcher(
            [name for name in names if is_name(name)], differentiable=differentiable, stop=stop
        )
        watch = None
        output = None
        is_watched = guided or self._is_watched(differentiable=differentiable)
        forward = self._forward(catch.hooks(), guided=guided)
        with ExitStack() as stack:
            if is_watched:
                watch = FunctionWatcher(guided=guided, keep_gradients=differentiable)
                stack.enter_context(watch)
            try:
                if catch.names or not stop:
                    output = forward(given)
            except StopForward:
                pass
            except FAILURES as error:
                if len(images) > 1 or isinstance(error, SeewhyError):
                    raise
                raise NeedsCompany from error
        for name in catch.names:
            if catch.calls[name] != 1 or not isinstance(catch.outputs[name], torch.Tensor):
                check_layer(self.name, name, [_as_called(name, catch)])
        if len(images) == 1 and self._lacks_an_axis(output, catch.outputs):
            raise NeedsCompany
        before = output
        if watch is not None:
            before = tree_map_only(
                torch.Tensor, lambda tensor: watch.before_activation(tensor)[0], output
            )
        caught = {**catch.outputs, INPUT: tensor} if INPUT in names else catch.outputs
        return ForwardPass(output, before, caught, watch)

    def _class_scores(self, before: Any) -> torch.Tensor | None:
        """Return the scores (n, k), float32; None where there are no classes.

        One output z of two classes becomes −z and z.
        """
        if self.classes is None or not isinstance(before, torch.Tensor):
            return None
        scores = before.float()
        if scores.ndim == 1:
            scores = scores[:, None]
        ending = self._ending()
        if ending == "softmax":  # of 1, or in percent of 100
            scores = scores / scores.sum(1, keepdim=True)
        if ending != "linear":
            scores = scores.clamp(PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
            scores = scores.logit() if ending == "sigmoid" else scores.log()
        return torch.cat([-scores, scores], 1) if scores.shape[1] != self.classes else scores

    # Axes

    def _channels_last(
        self, tensor: torch.Tensor, name: str, images: Float[ndarray, "n h w c"]
    ) -> Float[ndarray, "n ..."]:
        """Return a layer's output or gradient as numpy: channels last, tokens folded."""
        layout = self._layout(name, size_of(images))
        if layout is not None and layout.channel != tensor.ndim - 1:
            tensor = tensor.movedim(layout.channel, -1)
        array = to_numpy(tensor)
        if layout is not None and layout.grid is not None:
            array = fold_tokens(array, grid=layout.grid, prefix=layout.prefix)
        return np.ascontiguousarray(array)

    def _native(
        self,
        activations: Float[ndarray, "m ..."],
        own: torch.Tensor,
        name: str,
        image: Float[ndarray, "1 h w c"],
    ) -> Float[ndarray, "m ..."]:
        """Undo `_channels_last`; tokens without a place are the layer's own."""
        layout = self._layout(name, size_of(image))
        array = np.array(activations, np.float32)
        if layout is None:
            return array
        if layout.grid is not None:
            tokens = to_numpy(own.movedim(layout.channel, -1))
            array = unfold_tokens(array, tokens, prefix=layout.prefix)
        return np.ascontiguousarray(np.moveaxis(array, -1, layout.channel))


def to_numpy(tensor: torch.Tensor | None) -> ndarray:
    """Return a tensor as float32 numpy."""
    assert tensor is not None
    array: ndarray = tensor.detach().to("cpu", torch.float32).numpy()
    return array


def size_of(images: Float[ndarray, "n h w c"]) -> tuple[int, int]:
    """Return height and width."""
    return images.shape[1], images.shape[2]


def _as_called(name: str, catch: ActivationCatcher) -> Layer:
    """Return a layer as a pass has met it: as often as called, () for no tensor."""
    output = catch.outputs.get(name)
    shape = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else ()
    return Layer(name, "", shape, catch.calls[name])
