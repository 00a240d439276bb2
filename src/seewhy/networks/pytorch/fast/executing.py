"""A PyTorch module computes in bfloat16: the copies and passes that do so.

The functions are methods of the adapter: `network` is it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import Error as CopyError
from copy import copy
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from seewhy.networks.execution import Execution
from seewhy.networks.pytorch.fast.fusing import FusedPass, TracedModule
from seewhy.networks.pytorch.fast.narrowing import check_units, narrowed, weights_state
from seewhy.networks.pytorch.hooks import LayerHook
from seewhy.networks.pytorch.telling import device_and_type

FAILURES = (
    RuntimeError, TypeError, ValueError, AssertionError, LookupError, AttributeError,
    NotImplementedError,
)  # fmt: skip
"""What a model may raise when it is called with images that it cannot take."""

FURTHER_OFF, SLACK = 2.0, 0.01
"""A fused pass may be off by so many times the error of the pass that is not fused, and besides by
this share of the largest value."""


def computing(network: Any, execution: Execution) -> Any:
    """Return the same network in another precision: see `Network`."""
    network._trial()
    made = copy(network)  # what is known of layers, layouts and the head is the same
    made.__dict__.pop("_spreads", None)
    made._execution, made._passes = execution, {}
    if execution.precision == "bfloat16":
        check_units(device_and_type(network.model)[0])
        _narrow(made, network)
    return made


def is_current(network: Any) -> bool:
    """Return False for a network of converted weights after the user's weights have changed."""
    if network._exact is None:
        return True
    return bool(weights_state(network._exact.model) == network._state)


def _narrow(network: Any, exact: Any) -> None:
    """Compute in bfloat16: by a copy of the module, or where that fails by autocast."""
    state = weights_state(exact.model)
    try:
        with exact._undisturbed():
            network.model = narrowed(exact.model, _linear_end(exact))
        network._paths = dict(network.model.named_modules(remove_duplicate=False))
        network._modules = {path: one for path, one in network.model.named_modules() if path}
        with network._undisturbed(), torch.no_grad():
            network._ask(network._tensor(network._noise()))
    except (*FAILURES, CopyError):
        network.model, network._paths, network._modules = exact.model, exact._paths, exact._modules
        network._is_autocast = True
        return
    network._exact, network._state = exact, state
    _trace(network)


def _trace(network: Any) -> None:
    """Follow a network's data, where it is called with images alone and torch.fx can."""
    if network.call is not None:
        return
    try:
        with network._undisturbed():
            network._traced = TracedModule(network.model, network._exact.model)
    except (*FAILURES, NameError):  # torch.fx's, of a module that is made while another runs
        return


def _linear_end(network: Any) -> list[torch.nn.Module]:
    """Return the layer that the scores come from, if they are one row per image."""
    weighty = [call.layer for call in network._trial().calls if network._is_weighty(call)]
    is_row = bool(weighty) and math.prod(weighty[-1].shape[:-1]) == 1
    return [network._modules[weighty[-1].name]] if is_row else []


def fused_pass(network: Any, names: Iterable[str], *, guided: bool) -> FusedPass | None:
    """Return a fused forward pass in which layers are looked at; None where none is to be had.

    It is used only if, on random images, it is about as close to the user's network as the copy.
    """
    if network._traced is None:
        return None
    key = frozenset(names), guided
    if key not in network._passes:
        network._passes[key] = _proved(network, *key)
    found: FusedPass | None = network._passes[key]
    return found


def _proved(network: Any, names: frozenset[str], guided: bool) -> FusedPass | None:
    try:
        made: FusedPass | None = network._traced.fused(names, guided=guided)
        if made is None:
            return None
        fused = _answers(network, names, made)
    except FAILURES:
        return None
    plain, exact = _answers(network, names), _answers(network._exact, names)
    together = zip(fused, plain, exact, strict=True) if len(fused) == len(plain) else ()
    is_close = [_is_close(*three) for three in together]
    return made if is_close and all(is_close) else None


def _answers(
    network: Any, names: frozenset[str], fused: FusedPass | None = None
) -> list[torch.Tensor]:
    """Return what layers and the network answer to random images, fused or not."""
    caught: dict[str, torch.Tensor] = {}

    def keep(name: str) -> LayerHook:
        def hook(inputs: Any, output: Any) -> None:
            caught[name] = output.clone() if isinstance(output, torch.Tensor) else output

        return hook

    hooks: Mapping[str, LayerHook] = {name: keep(name) for name in names}
    with network._undisturbed(), torch.no_grad():
        images = network._tensor(network._noise())
        if fused is not None:
            output = fused(images, hooks)
        else:
            with network._hooked(hooks):
                output = network._ask(images)
    leaves = tree_leaves([output, *(caught[name] for name in sorted(names))])
    return [one for one in leaves if isinstance(one, torch.Tensor)]


def _is_close(fused: torch.Tensor, plain: torch.Tensor, exact: torch.Tensor) -> bool:
    if not fused.shape == plain.shape == exact.shape:
        return False
    if not exact.is_floating_point():
        return True
    exact = exact.float()
    off, allowed = ((one.float() - exact).abs().max() for one in (fused, plain))
    return bool(off <= FURTHER_OFF * allowed + SLACK * exact.abs().max())  # never of NaN
