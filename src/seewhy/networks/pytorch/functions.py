"""Watch the functions that a PyTorch model calls: final softmax or sigmoid, ReLUs, no_grad.

A `TorchFunctionMode` sees every call alike: from modules, from `torch`, from
`torch.nn.functional`, from methods of tensors, and from Keras layers. No module is touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.overrides import TorchFunctionMode

Activation = Literal["softmax", "sigmoid"]

SOFTMAXES = frozenset({"softmax", "log_softmax"})
SIGMOIDS = frozenset({"sigmoid", "sigmoid_", "special_expit", "expit", "logsigmoid", "log_sigmoid"})
"""Those of scores whose probabilities they give, or the logarithms of these."""
RELUS = frozenset({"relu", "relu_", "relu6", "relu6_"})
OTHER_ACTIVATIONS = frozenset({
    "celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "prelu",
    "rrelu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh",
})  # fmt: skip
VALUE_PRESERVING = frozenset({
    "flatten", "squeeze", "unsqueeze", "reshape", "view", "view_as", "to", "type", "type_as",
    "float", "double", "half", "bfloat16", "contiguous", "clone", "permute", "transpose",
    "__getitem__", "alias",
})  # fmt: skip
"""Functions that move or convert numbers and nothing else: a softmax is followed through them."""


JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
PRODUCTS = frozenset({"bmm", "baddbmm", "scaled_dot_product_attention"})


@dataclass(frozen=True)
class _Step:
    """One call on the path to the output: an activation, or a change of layout after one."""

    result: torch.Tensor
    source: torch.Tensor
    activation: Activation | None
    again: Callable[[torch.Tensor], torch.Tensor]


class FunctionWatcher(TorchFunctionMode):  # type: ignore[misc]  # torch ships no types here
    """Sees the functions that are called while it is active.

    Args:
        guided: let only positive gradients pass backwards through every ReLU (guided
            backpropagation, Springenberg et al. 2015, arXiv:1412.6806, section 3.4).
        keep_gradients: ignore `torch.no_grad()` and `torch.inference_mode()` inside the model.

    Attributes:
        relus: how many ReLUs with a gradient were met.
        activations: the names of the other activation functions, as often as met.
        cuts_gradients: whether the model itself switched gradients off.
    """

    def __init__(self, *, guided: bool = False, keep_gradients: bool = False) -> None:
        super().__init__()
        self.guided = guided
        self.keep_gradients = keep_gradients
        self.relus = 0
        self.activations: list[str] = []
        self.cuts_gradients = False
        # A few are enough: only what the output consists of is ever looked for, and holding
        # every softmax of a transformer would hold all its attention maps.
        self._steps: deque[_Step] = deque(maxlen=8)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch._C._set_grad_enabled and args == (False,):
            self.cuts_gradients = True
            if self.keep_gradients:
                return None
        name = getattr(func, "__name__", "")
        source = args[0].clone() if name == "sigmoid_" else args[0] if args else None
        if torch.is_inference_mode_enabled():
            self.cuts_gradients = True
        with self._differentiable():
            result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and isinstance(source, torch.Tensor):
            if name in SOFTMAXES or name in SIGMOIDS or name in VALUE_PRESERVING:
                self._remember(func, result, source, args, kwargs)
            if self.guided:
                self._guide(name, result, args, kwargs)
        return result

    @contextmanager
    def _differentiable(self) -> Iterator[None]:
        """Leave the model's own inference mode for one function, where gradients are kept."""
        if not (self.keep_gradients and torch.is_inference_mode_enabled()):
            yield
            return
        with torch.inference_mode(False), torch.enable_grad():
            yield

    def before_activation(self, output: torch.Tensor) -> tuple[torch.Tensor, Activation | None]:
        """Return what stood before the softmax or sigmoid that made `output`, and which it was."""
        for step in reversed(self._steps):
            if step.result is output:
                if step.activation is not None:
                    return step.source, step.activation
                source, activation = self.before_activation(step.source)
                if activation == "softmax" and step.result.numel() != step.source.numel():
                    return output, None  # one column of a softmax is the softmax of nothing
                return (output if activation is None else step.again(source)), activation
        return output, None

    def _remember(
        self, func: Any, result: torch.Tensor, source: torch.Tensor, args: Any, kwargs: Any
    ) -> None:
        name = func.__name__
        activation: Activation | None = None
        if name in SOFTMAXES:
            if not _is_over_classes(result, args, kwargs):
                return
            activation = "softmax"
        elif name in SIGMOIDS:
            activation = "sigmoid"
        elif result is source or all(step.result is not source for step in self._steps):
            return

        def again(tensor: torch.Tensor) -> torch.Tensor:
            repeated: torch.Tensor = func(tensor, *args[1:], **kwargs)
            return repeated

        self._steps.append(_Step(result, source, activation, again))

    def _guide(self, name: str, result: torch.Tensor, args: Any, kwargs: Any) -> None:
        if not result.requires_grad:
            return
        if _is_relu(name, args, kwargs):
            self.relus += 1
            # R_l = relu'(x) · max(R_{l+1}, 0): the second factor is put before the ReLU's own.
            result.register_hook(lambda gradient: gradient.clamp(min=0))
        elif name.rstrip("_") in OTHER_ACTIVATIONS:
            self.activations.append(name.rstrip("_"))


class BatchBroadcast(TorchFunctionMode):  # type: ignore[misc]  # torch ships no types here
    """Lets tensors of one image meet tensors of m where PyTorch does not broadcast by itself.

    Attributes:
        is_on: set when the first tensor of m images is there.
    """

    is_on = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.is_on and args:
            name = getattr(func, "__name__", "")
            if name in JOINS:
                args = (_alike(args[0]), *args[1:])
            elif name in PRODUCTS or _is_in_place(name):
                args = _alike(args)
        return func(*args, **(kwargs or {}))


def _alike(arguments: Any) -> Any:
    """Repeat tensors of one image among the arguments as often as the others have images."""
    tensors = [
        argument for argument in arguments if isinstance(argument, torch.Tensor) and argument.ndim
    ]
    count = max((len(tensor) for tensor in tensors), default=1)

    def repeated(argument: Any) -> Any:
        if isinstance(argument, torch.Tensor) and argument.ndim and len(argument) == 1 < count:
            return argument.expand(count, *argument.shape[1:]).clone()
        return argument

    return type(arguments)(repeated(argument) for argument in arguments)


def _is_in_place(name: str) -> bool:
    return name.startswith("__i") if name.endswith("__") else name.endswith("_")


def _is_over_classes(result: torch.Tensor, args: Any, kwargs: Any) -> bool:
    """True for a softmax over the channels or the last axis, not over images or places."""
    if result.ndim < 2:
        return False
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    return dim is None or int(dim) % result.ndim in (1, result.ndim - 1)


def _is_relu(name: str, args: Any, kwargs: Any) -> bool:
    """True for max(x, 0), also where it is clipped above (ReLU6) or said in another way."""
    if name in RELUS:
        return True
    if name in ("hardtanh", "hardtanh_"):
        return bool(_argument(1, "min_val", args, kwargs, -1.0) == 0)
    if name in ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"):
        least = _argument(1, "min", args, kwargs, None)
        return isinstance(least, int | float) and least == 0
    if name in ("threshold", "threshold_", "_threshold"):
        names = enumerate(("threshold", "value"), start=1)
        return all(_argument(place, argument, args, kwargs, None) == 0 for place, argument in names)
    return False


def _argument(place: int, name: str, args: Any, kwargs: Any, default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)
