"""A PyTorch module computes in bfloat16: by a copy of it, by fused passes, or else by autocast."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from copy import Error as CopyError
from copy import copy
from functools import cached_property
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from seewhy.networks.execution import EXACT, Execution
from seewhy.networks.pytorch.fast.fusing import FusedPass, TracedModule
from seewhy.networks.pytorch.fast.narrowing import (
    State,
    check_units,
    in_float32,
    narrowed,
    weights_state,
)
from seewhy.networks.pytorch.hooks import LayerHook
from seewhy.networks.pytorch.network import TorchNetwork
from seewhy.networks.pytorch.telling import device_and_type
from seewhy.networks.pytorch.view import FAILURES

ERROR_RATIO, ERROR_SLACK = 2.0, 0.01
"""A fused pass may be off by so many times the error of the pass that is not fused, and besides by
this share of the largest value."""


class NarrowableNetwork(TorchNetwork):
    """A module that can compute in bfloat16 too: a copy of this has `_exact`, the user's own."""

    call: Callable[[Any, Any], Any] | None
    _modules: Mapping[str, torch.nn.Module]
    _execution = EXACT
    _exact: NarrowableNetwork | None = None
    _state: State | None = None
    _is_autocast = False
    _traced: TracedModule | None = None

    @abstractmethod
    def _run(self, model: torch.nn.Module) -> None:
        """Make a module the one that runs."""

    @abstractmethod
    def _last_linear(self) -> torch.nn.Module | None:
        """Return the layer that the scores come from, if they are one row per image."""

    @cached_property
    def _passes(self) -> dict[Any, FusedPass | None]:
        """By the layers that are looked at, and whether ReLUs are guided."""
        return {}

    def computing(self, execution: Execution) -> NarrowableNetwork:
        """Return the same network in another precision: see `Network`."""
        last = self._last_linear()  # what is known of layers and the head stays in the copy
        made = copy(self)
        for cached in ("_spreads", "_passes"):
            made.__dict__.pop(cached, None)
        made._execution = execution
        if execution.precision == "bfloat16":
            check_units(device_and_type(self.model)[0])
            made._narrow(self, [] if last is None else [last])
        return made

    @property
    def is_current(self) -> bool:
        """False for a network of converted weights after the user's weights have changed."""
        return self._exact is None or weights_state(self._exact.model) == self._state

    def _ask(self, images: torch.Tensor) -> Any:
        if self._execution.precision == "float32":
            return self._call(images)
        device = images.device.type
        with torch.autocast(device, torch.bfloat16) if self._is_autocast else nullcontext():
            return in_float32(self._call(images))

    def _call(self, images: torch.Tensor) -> Any:
        return self.model(images) if self.call is None else self.call(self.model, images)

    def _forward(
        self, hooks: Mapping[str, LayerHook], *, guided: bool
    ) -> Callable[[torch.Tensor], Any]:
        fused = self._fused(frozenset(hooks), guided=guided)
        if fused is not None:
            return lambda images: in_float32(fused(images, hooks))
        return super()._forward(hooks, guided=guided)

    def _narrow(self, exact: NarrowableNetwork, kept: list[torch.nn.Module]) -> None:
        """Compute in bfloat16: by a copy of the module, or where that fails by autocast."""
        state = weights_state(exact.model)
        try:
            with exact._undisturbed():
                self._run(narrowed(exact.model, kept))
            with self._undisturbed(), torch.no_grad():
                self._ask(self._tensor(self._noise()))
        except (*FAILURES, CopyError):
            self._run(exact.model)
            self._is_autocast = True
            return
        self._exact, self._state = exact, state
        self._trace()

    def _trace(self) -> None:
        """Follow the data, where the module is called with images alone and torch.fx can."""
        if self.call is not None or self._exact is None:
            return
        with suppress(*FAILURES, NameError), self._undisturbed():
            # NameError is torch.fx's, of a module that is made while another runs.
            self._traced = TracedModule(self.model, self._exact.model)

    def _fused(self, names: frozenset[str], *, guided: bool) -> FusedPass | None:
        """Return a fused forward pass in which layers are looked at; None where there is none.

        It is used only if, on random images, it is about as close to the user's network as the
        copy.
        """
        if self._traced is None:
            return None
        if (names, guided) not in self._passes:
            self._passes[names, guided] = self._proved_pass(self._traced, names, guided)
        return self._passes[names, guided]

    def _proved_pass(
        self, traced: TracedModule, names: frozenset[str], guided: bool
    ) -> FusedPass | None:
        try:
            made = traced.fused(names, guided=guided)
            if made is None or self._exact is None:
                return None
            fused = self._outputs(names, made)
        except FAILURES:
            return None
        plain, exact = self._outputs(names), self._exact._outputs(names)
        together = zip(fused, plain, exact, strict=True) if len(fused) == len(plain) else ()
        is_close = [_is_close(*three) for three in together]
        return made if is_close and all(is_close) else None

    def _outputs(self, names: frozenset[str], fused: FusedPass | None = None) -> list[torch.Tensor]:
        """Return what layers and the network return for random images, fused or not."""
        caught: dict[str, torch.Tensor] = {}

        def keep(name: str) -> LayerHook:
            def hook(inputs: Any, output: Any) -> None:
                caught[name] = output.clone() if isinstance(output, torch.Tensor) else output

            return hook

        hooks: Mapping[str, LayerHook] = {name: keep(name) for name in names}
        with self._undisturbed(), torch.no_grad():
            images = self._tensor(self._noise())
            if fused is not None:
                output = fused(images, hooks)
            else:
                with self._hooked(hooks):
                    output = self._ask(images)
        leaves = tree_leaves([output, *(caught[name] for name in sorted(names))])
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _is_close(fused: torch.Tensor, plain: torch.Tensor, exact: torch.Tensor) -> bool:
    if not fused.shape == plain.shape == exact.shape:
        return False
    if not exact.is_floating_point():
        return True
    exact = exact.float()
    off, allowed = ((result.float() - exact).abs().max() for result in (fused, plain))
    return bool(off <= ERROR_RATIO * allowed + ERROR_SLACK * exact.abs().max())  # never of NaN
