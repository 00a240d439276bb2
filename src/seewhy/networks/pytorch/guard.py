"""Leave a PyTorch model as it was found: switches, gradient mode, and threads that take turns."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

_moving: WeakKeyDictionary[torch.nn.Module, set[tuple[int, str]]] = WeakKeyDictionary()
"""By model, the buffers that a pass moves: the numbers of their modules, and their names."""

_turns: WeakKeyDictionary[torch.nn.Module, threading.RLock] = WeakKeyDictionary()
_holders: Counter[tuple[int, str]] = Counter()
_found: dict[tuple[int, str], Any] = {}
_switching = threading.Lock()


@contextmanager
def undisturbed(
    model: torch.nn.Module,
    *,
    modules: Iterable[torch.nn.Module],
    parameters: Iterable[torch.nn.Parameter],
    states: Iterable[torch.Tensor] = (),
) -> Iterator[None]:
    """Run what is inside in evaluation mode, differentiable, with no parameter differentiated.

    Modules that their user has compiled (`module.compile()`) run as they are written: the code of a
    compiler has no layers to look at.

    With every parameter frozen, autograd records nothing before the explained layer, and
    `.grad` is never written. Whoever calls from within `torch.no_grad()` or
    `torch.inference_mode()` still gets gradients. Threads that share the model take turns.

    Args:
        model: whose turn is waited for.
        modules: that are put into evaluation mode, and back.
        parameters: that are frozen, and thawed again.
        states: that a pass may move, as statistics of a batch, and that are put back. Of the
            modules' buffers it is found out once which are moved.
    """
    with ExitStack() as stack:
        stack.enter_context(_turn(model))
        modules = list(modules)
        stack.enter_context(_switched_off(modules, "training", off=False))
        stack.enter_context(_switched_off(modules, "_compiled_call_impl", off=None))
        leaves = (parameter for parameter in parameters if parameter.is_leaf)
        stack.enter_context(_switched_off(leaves, "requires_grad", off=False))
        # Checkpoints trade memory for a second forward pass, which would pass by the hooks.
        saving = list(filter(None, [sys.modules.get("torch.utils.checkpoint")]))
        stack.enter_context(_switched_off(saving, "CheckpointFunction", off=_Called))
        stack.enter_context(
            _switched_off(saving, "_checkpoint_without_reentrant_generator", off=_nothing_besides)
        )
        stack.enter_context(_put_back(model, modules, list(states)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        yield


@contextmanager
def _put_back(
    model: torch.nn.Module, modules: list[torch.nn.Module], states: list[torch.Tensor]
) -> Iterator[None]:
    """Put buffers, and further states, back as they were: values, and the tensors themselves.

    The first time all are copied, and afterwards those that have ever been moved.
    """
    buffers = {
        (number, name): buffer
        for number, module in enumerate(modules)
        for name, buffer in module._buffers.items()
        if buffer is not None
    }
    moving = _moving.get(model)
    known = buffers if moving is None else {key: buffers[key] for key in moving & buffers.keys()}
    copies: list[tuple[tuple[int, str] | None, torch.Tensor, torch.Tensor]]
    copies = [(None, state, state.detach().clone()) for state in states]
    copies += [(key, state, state.detach().clone()) for key, state in known.items()]
    versions = {key: _version(buffer) for key, buffer in buffers.items()}
    try:
        yield
    finally:
        moved = {key for key, buffer in buffers.items() if _version(buffer) != versions[key]}
        with torch.inference_mode(False), torch.no_grad():
            for key, state, values in copies:
                if not torch.equal(state, values):
                    state.copy_(values)
                    moved |= set() if key is None else {key}  # not every operation counts versions
        for (number, name), buffer in buffers.items():
            if modules[number]._buffers.get(name) is not buffer:
                modules[number]._buffers[name] = buffer
        _moving[model] = (moving or set()) | moved


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


class _Called:
    """Stands for a checkpoint, and only calls its function."""

    @staticmethod
    def apply(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
        return function(*args)


def _nothing_besides(*_args: Any, **_kwargs: Any) -> Iterator[None]:
    """Stands for what a checkpoint does before and after its function: nothing."""
    yield


def _turn(model: torch.nn.Module) -> threading.RLock:
    with _switching:
        return _turns.setdefault(model, threading.RLock())


@contextmanager
def _switched_off(things: Iterable[Any], attribute: str, *, off: Any) -> Iterator[None]:
    """Set an attribute to `off` where it is on, and back when the last who needs it leaves.

    Two models in two threads may share modules (two heads on one backbone), so holders are
    counted. The attribute is written itself: `eval()` and `train()` may do more than that.
    """
    with _switching:
        held = [
            (thing, (id(thing), attribute))
            for thing in things
            if getattr(thing, attribute, None) or (id(thing), attribute) in _holders
        ]
        for thing, key in held:
            _found.setdefault(key, getattr(thing, attribute))
            _holders[key] += 1
            setattr(thing, attribute, off)
    try:
        yield
    finally:
        with _switching:
            for thing, key in held:
                _holders[key] -= 1
                if not _holders[key]:
                    del _holders[key]
                    setattr(thing, attribute, _found.pop(key))
