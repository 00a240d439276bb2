"""Attention that PyTorch models compute, with its gradients, seen on the way to the output.

A `TorchFunctionMode`, which belongs to a thread and touches nothing of the model, sees every call
of `scaled_dot_product_attention`, `multi_head_attention_forward` (whose fast path PyTorch leaves
out while a mode is active) and `softmax`. The weights of fused attention are recomputed when the
backward pass comes by, so that none are held.

Axes: n image, h head, q query, k key, d channel of a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from seewhy.attention import Attention
from seewhy.networks.pytorch.view import to_numpy

_SOFTMAX = frozenset({"softmax"})
_PRODUCTS = frozenset({"matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum"})

_Show = Callable[..., None]


class AttentionWatcher(TorchFunctionMode):  # type: ignore[misc]  # torch ships no types here
    """Sees the attentions of a model while it is active.

    Args:
        images: how many there are.
        wanted: the numbers of the attentions that are shown; None: all.
        see: called with the number of an attention, that of the target, and the attention: in
            the forward pass, or in each backward pass from what is differentiated by `tap`.
        differentiable: whether there are backward passes.
        device: of the model.

    Attributes:
        count: how many attentions there were.
        tap: what explained values are differentiated by: it is added to nothing, but makes the
            backward pass go as far as the first wanted attention, and no further.
        target: the number of the target of the backward pass that runs.
    """

    def __init__(
        self,
        images: int,
        wanted: Collection[int] | None,
        see: Callable[[int, int, Attention], None],
        *,
        differentiable: bool,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.count = 0
        self.target = 0
        self.tap = torch.zeros((), device=device, requires_grad=True) if differentiable else None
        self._images, self._wanted, self._see = images, wanted, see
        self._product: tuple[Any, torch.Tensor] | None = None
        self._pending: tuple[int, torch.Tensor, Any] | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            return self._attend_with_many_heads(func, args, kwargs)
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _PRODUCTS:
            self._multiplied(result, args)
        if name in _SOFTMAX and result.ndim >= 3 and _is_over_last(result, args, kwargs):
            return self._weighted(result)
        return result

    def __exit__(self, *args: Any) -> None:
        self._emit(None)
        super().__exit__(*args)

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """Compute softmax(q · k / √d + mask) · v in the open."""
        call, is_wanted = self._next()
        if not is_wanted:
            result: torch.Tensor = _NATIVE_ATTENTION(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                enable_gqa=enable_gqa,
            )  # fmt: skip
            return result
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = (tensor.repeat_interleave(groups, -3) for tensor in (key, value))
        if is_causal:
            attn_mask = query.new_ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = query.new_zeros(attn_mask.shape).masked_fill(~attn_mask, -math.inf)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        if self.tap is None:
            weights = _softmax(query, key, attn_mask, scale)
            self._show(call, weights, None, query, key, value)
            return weights @ value
        show = partial(self._show, call)
        attended: torch.Tensor = _FusedAttention.apply(
            query, key, value, attn_mask, self.tap, scale, show
        )
        return attended

    def _attend_with_many_heads(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run the function with an attention that is seen: what it returns is made of none other.

        A copy of it has names of its own, so that other threads' calls are not touched.
        """
        names = {"scaled_dot_product_attention": self._attend}
        seen = FunctionType(
            func.__code__, {**func.__globals__, **names}, func.__name__, func.__defaults__
        )
        seen.__kwdefaults__ = func.__kwdefaults__
        output, _ = seen(*args, **{**kwargs, "need_weights": False})
        if not kwargs.get("need_weights", True):
            return output, None
        return output, func(*args, **kwargs)[1]

    def _multiplied(self, result: Any, args: Any) -> None:
        """Note a product: of queries and keys, or of the last weights and their values."""
        operands = [arg for arg in args if isinstance(arg, torch.Tensor)]
        if self._pending is not None and any(operand is self._pending[1] for operand in operands):
            others = [operand for operand in operands if operand is not self._pending[1]]
            self._emit(others[0] if len(others) == 1 else None)
        is_plain = len(operands) == 2 and len(args) == 2
        self._product = (operands, result) if is_plain else None

    def _weighted(self, weights: torch.Tensor) -> torch.Tensor:
        """Show weights that a model's own softmax has made; the values they mix come after."""
        self._emit(None)
        call, is_wanted = self._next()
        if not is_wanted:
            return weights
        factors: tuple[Any, Any] = (None, None)
        if self._product is not None and self._product[1].shape == weights.shape:
            query, key = self._product[0]
            factors = (query, key.transpose(-2, -1))
        if self.tap is None:
            self._pending = (call, weights, factors)
            return weights
        show = partial(self._show, call)
        shown: torch.Tensor = _OwnAttention.apply(weights, *factors, self.tap, show)
        return shown

    def _emit(self, value: torch.Tensor | None) -> None:
        if self._pending is not None:
            call, weights, factors = self._pending
            self._pending = None
            query, key = factors
            self._show(call, weights, None, query, key, value)

    def _next(self) -> tuple[int, bool]:
        call, self.count = self.count, self.count + 1
        return call, self._wanted is None or call in self._wanted

    def _show(
        self,
        call: int,
        weights: torch.Tensor,
        gradients: torch.Tensor | None,
        query: torch.Tensor | None,
        key: torch.Tensor | None,
        value: torch.Tensor | None = None,
    ) -> None:
        keys = weights.shape[-1]
        if value is not None and value.shape[-2] != keys:  # an einsum of (n, k, h, d), or of others
            is_swapped = value.ndim == 4 and value.shape[1] == keys
            value = value.transpose(1, 2) if is_swapped else None
        parts = (weights, gradients, query, key, value)
        self._see(call, self.target, Attention(*map(self._by_heads, parts)))

    def _by_heads(self, tensor: torch.Tensor | None) -> Any:
        """Return a tensor as (n, h, …, …): one head, or heads that share an axis with images."""
        if tensor is None:
            return None
        if tensor.ndim == 3:
            shares = tensor.shape[0] % self._images == 0
            tensor = tensor.reshape(self._images if shares else len(tensor), -1, *tensor.shape[1:])
        return to_numpy(tensor.reshape(-1, *tensor.shape[-3:]))


class _FusedAttention(torch.autograd.Function):  # type: ignore[misc]  # torch ships no types here
    """Attention whose weights are made again in the backward pass, and shown there."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        tap: torch.Tensor,
        scale: float,
        show: _Show,
    ) -> torch.Tensor:
        ctx.save_for_backward(query, key, value, mask)
        ctx.scale, ctx.show = scale, show
        return _softmax(query, key, mask, scale) @ value

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:
        query, key, value, mask = ctx.saved_tensors
        weights = _softmax(query, key, mask, ctx.scale)
        gradients = slope @ value.transpose(-2, -1)
        ctx.show(weights, gradients, query, key)
        before: list[torch.Tensor | None] = [None] * 4
        if any(ctx.needs_input_grad[:4]):
            inner = weights * (gradients - (gradients * weights).sum(-1, keepdim=True))
            before = [
                inner @ key * ctx.scale,
                inner.transpose(-2, -1) @ query * ctx.scale,
                weights.transpose(-2, -1) @ slope,
                None if mask is None else inner,
            ]
        inputs = (query, key, value, mask)
        reduced = [
            gradient.sum_to_size(given.shape) if gradient is not None and is_needed else None
            for gradient, given, is_needed in zip(
                before, inputs, ctx.needs_input_grad, strict=False
            )
        ]
        return (*reduced, slope.new_zeros(()), None, None)


class _OwnAttention(torch.autograd.Function):  # type: ignore[misc]  # torch ships no types here
    """The weights that a model has made itself, unchanged, and shown in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor, query: Any, key: Any, tap: torch.Tensor, show: _Show
    ) -> torch.Tensor:
        ctx.save_for_backward(weights, query, key)
        ctx.show = show
        return weights.view_as(weights)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:
        weights, query, key = ctx.saved_tensors
        ctx.show(weights, slope, query, key)
        return slope, None, None, slope.new_zeros(()), None


_NATIVE_ATTENTION = functional.scaled_dot_product_attention


def _softmax(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    scores = (query * scale) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1, dtype=torch.float32).to(query.dtype)


def _is_over_last(result: torch.Tensor, args: Any, kwargs: Any) -> bool:
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    return dim is not None and int(dim) % result.ndim == result.ndim - 1
