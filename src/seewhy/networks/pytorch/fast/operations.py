"""PyTorch's operations as kinds of the graph of `seewhy.incremental`: the table `TORCH_LOWERINGS`.

Each entry takes the lowering and one node of an exported program, whose first tensor is a map, and
returns the number of an earlier node (nothing is computed), operations with the numbers they read
(the last gives the node's value), or None (not one of the known kinds).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seewhy.incremental.graph import (
    Add,
    Affine,
    Channels,
    Concatenate,
    Convolution,
    Elementwise,
    GlobalAverage,
    Multiply,
    Operation,
    Pad,
    Padding,
    Point,
    Pool,
    Rest,
    mean_divisors,
)

LoweredNode = int | list[tuple[Any, tuple[int, ...]]] | None


@dataclass(frozen=True)
class IntermediateOperation:
    """An operation on the way to a node's value, with a shape of its own."""

    operation: Operation
    shape: tuple[int, ...]


ALIASES = {
    "_softmax": "softmax",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "max_pool2d_with_indices": "max_pool2d",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "constant_pad_nd": "pad",
    "convolution": "convolution",
    "relu6": "hardtanh6",
}


def kind(node: Any) -> str:
    """Return an operation's bare name: 'relu' for aten.relu_.default; '' for what is none."""
    schema = getattr(getattr(node, "target", None), "_schema", None)
    if schema is None:
        return ""
    name = schema.name.partition("::")[2]
    if name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return str(ALIASES.get(name, name))


def is_in_place(node: Any) -> bool:
    """Say whether an operation overwrites its first argument."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def is_view(node: Any) -> bool:
    """Say whether an operation's result may share memory with its input."""
    if node.target is operator.getitem:
        return is_view(node.args[0])
    schema = getattr(getattr(node, "target", None), "_schema", None)
    if schema is None:
        return False
    return any(
        each.alias_info is not None and not each.alias_info.is_write for each in schema.returns
    )


def split_channels(many: Any, index: int) -> Channels | None:
    """Return the channels that one part of a split or chunk takes; None for other operations."""
    if kind(many) not in ("split", "split_with_sizes", "chunk"):
        return None
    dim = many.args[2] if len(many.args) > 2 else many.kwargs.get("dim", 0)
    if dim not in (1, -3):
        return None
    sizes = [int(part.shape[1]) for part in many.meta["val"]]
    start = sum(sizes[:index])
    return Channels(np.arange(start, start + sizes[index]))


def multiply_adds(node: Any) -> int:
    """Return how many multiply-adds one copy takes in a product of matrices; 0 if not known."""
    if kind(node) not in ("linear", "addmm", "mm", "bmm", "matmul"):
        return 0
    matrix = node.args[1] if kind(node) == "addmm" else node.args[0]
    inner = matrix.meta["val"].shape[-1]
    outputs = [size for size in node.meta["val"].shape if isinstance(size, int)]
    return int(np.prod(outputs)) * int(inner) if isinstance(inner, int) else 0


def _argument(node: Any, place: int, name: str, default: Any) -> Any:
    if len(node.args) > place:
        return node.args[place]
    return node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return (int(values[0]), int(values[-1]))


def _frame(padding: tuple[int, int]) -> Padding:
    return ((padding[0], padding[0]), (padding[1], padding[1]))


def _source(lowering: Any, node: Any) -> int:
    number: int = lowering.numbers[node.args[0]]
    return number


def _convolution(lowering: Any, node: Any) -> LoweredNode:
    weight = lowering.constant(node.args[1])
    bias = lowering.constant(_argument(node, 2, "bias", None))
    has_bias = _argument(node, 2, "bias", None) is not None
    if weight is None or (has_bias and bias is None) or weight.ndim != 4:
        return None
    stride = _pair(_argument(node, 3, "stride", 1))
    padding = _argument(node, 4, "padding", 0)
    dilation = _pair(_argument(node, 5, "dilation", 1))
    if kind(node) == "convolution":
        if node.args[6]:  # transposed
            return None
        groups = node.args[8]
    else:
        groups = _argument(node, 6, "groups", 1)
    if isinstance(padding, str):
        reach = [(k - 1) * d for k, d in zip(weight.shape[2:], dilation, strict=True)]
        halves = [(each // 2, each - each // 2) for each in reach]
        frame: Padding = (halves[0], halves[1]) if padding == "same" else ((0, 0), (0, 0))
    else:
        frame = _frame(_pair(padding))
    convolution = Convolution(
        weight.transpose(2, 3, 1, 0), bias, stride, dilation, frame, int(groups)
    )
    return [(convolution, (_source(lowering, node),))]


def _batch_norm(lowering: Any, node: Any) -> LoweredNode:
    weight, bias, mean, variance = (lowering.constant(each) for each in node.args[1:5])
    if len(node.args) > 7 and node.args[5]:
        return None  # statistics of the batch
    epsilon = node.args[7] if len(node.args) > 7 else node.args[6]
    if mean is None or variance is None:
        return None
    scale = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    affine = Affine(scale.astype(np.float32), shift.astype(np.float32))
    return [(Point((affine,)), (_source(lowering, node),))]


def _elementwise(lowering: Any, node: Any) -> LoweredNode:
    name = kind(node)
    arguments = node.args[1:]
    if any(isinstance(each, torch.fx.Node) for each in (*arguments, *node.kwargs.values())):
        return None
    packet = getattr(torch.ops.aten, "relu6" if name == "hardtanh6" else name)
    function = getattr(packet, node.target._overloadname)
    keywords = dict(node.kwargs)
    call = Elementwise(name, lambda x: function(x, *arguments, **keywords))
    return [(Point((call,)), (_source(lowering, node),))]


def _prelu(lowering: Any, node: Any) -> LoweredNode:
    weight = lowering.constant(node.args[1])
    if weight is None:
        return None
    slope = lowering.constants[node.args[1]].detach().reshape(-1)
    call = Elementwise("prelu", lambda x: torch.where(x >= 0, x, x * slope))
    return [(Point((call,)), (_source(lowering, node),))]


def _constant(lowering: Any, operand: Any) -> np.ndarray | None:
    """Return a number, or a stored tensor that is one per channel, as a vector."""
    if isinstance(operand, (int, float)):
        return np.array([operand], dtype=np.float32)
    array = lowering.constant(operand)
    if array is None:
        return None
    if array.size == 1:
        return np.asarray(array, np.float32).reshape(1)
    is_vector = array.ndim >= 3 and array.size == array.shape[-3]
    return np.asarray(array, np.float32).reshape(-1) if is_vector else None


def _arithmetic(lowering: Any, node: Any) -> LoweredNode:
    """Lower +, −, × and ÷, of maps, or of a map and a constant."""
    name = kind(node)
    left, right = node.args[:2]
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("rounding_mode") is not None:
        return None
    if left in lowering.numbers and right in lowering.numbers:
        if name not in ("add", "mul") or not (lowering.is_map(left) and lowering.is_map(right)):
            return None
        operation = Add() if name == "add" else Multiply()
        return [(operation, (lowering.numbers[left], lowering.numbers[right]))]
    commutes = name in ("add", "mul")
    if left not in lowering.numbers and not commutes:
        return None
    operand = _constant(lowering, right if left in lowering.numbers else left)
    source = left if left in lowering.numbers else right
    if operand is None or tuple(source.meta["val"].shape) != tuple(node.meta["val"].shape):
        return None
    ones, zeros = np.ones(1, np.float32), np.zeros(1, np.float32)
    affine = {
        "add": lambda: Affine(ones, operand),
        "sub": lambda: Affine(ones, -operand),
        "mul": lambda: Affine(operand, zeros),
        "div": lambda: Affine(ones / operand, zeros),
    }[name]()
    return [(Point((affine,)), (lowering.numbers[source],))]


def _max_pool(lowering: Any, node: Any) -> LoweredNode:
    kernel = _pair(node.args[1])
    stride = _pair(_argument(node, 2, "stride", None) or kernel)
    padding = _pair(_argument(node, 3, "padding", 0))
    dilation = _pair(_argument(node, 4, "dilation", 1))
    pool = Pool("max", kernel, stride, dilation, _frame(padding), halo=-np.inf)
    return [(pool, (_source(lowering, node),))]


def _average_pool(lowering: Any, node: Any) -> LoweredNode:
    kernel = _pair(node.args[1])
    stride = _pair(_argument(node, 2, "stride", None) or kernel)
    frame = _frame(_pair(_argument(node, 3, "padding", 0)))
    counts = bool(_argument(node, 5, "count_include_pad", True))
    override = _argument(node, 6, "divisor_override", None)
    sizes, outs = _sizes(node.args[0]), _sizes(node)
    divisors = mean_divisors(
        sizes, outs, kernel=kernel, stride=stride, padding=frame, counts_padding=counts
    )
    if override is not None:
        rows, columns = (np.ones(size, np.float32) for size in outs)
        divisors = rows * override, columns
    pool = Pool("mean", kernel, stride, padding=frame, halo=0.0, divisors=divisors)
    return [(pool, (_source(lowering, node),))]


def _sizes(node: Any) -> tuple[int, int]:
    _, _, height, width = node.meta["val"].shape
    return int(height), int(width)


def _adaptive_average(lowering: Any, node: Any) -> LoweredNode:
    sizes, outs = _sizes(node.args[0]), _sizes(node)
    if sizes == outs:
        return _source(lowering, node)
    if outs == (1, 1):
        return [(GlobalAverage(), (_source(lowering, node),))]
    if sizes[0] % outs[0] or sizes[1] % outs[1]:
        return None
    kernel = (sizes[0] // outs[0], sizes[1] // outs[1])
    return [(Pool("mean", kernel, kernel, halo=0.0), (_source(lowering, node),))]


def _mean(lowering: Any, node: Any) -> LoweredNode:
    dims = _argument(node, 1, "dim", None) or ()
    if sorted(dim % 4 for dim in dims) != [2, 3] or node.kwargs.get("dtype") is not None:
        return None
    if _argument(node, 2, "keepdim", False):
        return [(GlobalAverage(), (_source(lowering, node),))]
    channels = int(node.args[0].meta["val"].shape[1])
    mean = IntermediateOperation(GlobalAverage(), (1, 1, channels))
    number = len(lowering.nodes)
    flat = Rest("flatten", lambda _, x: x.reshape(x.shape[0], -1))
    return [(mean, (_source(lowering, node),)), (flat, (number,))]


def _concatenate(lowering: Any, node: Any) -> LoweredNode:
    dim = _argument(node, 1, "dim", 0)
    parts = node.args[0]
    if dim not in (1, -3) or not all(each in lowering.numbers for each in parts):
        return None
    if len(parts) == 1:
        number: int = lowering.numbers[parts[0]]
        return number
    return [(Concatenate(), tuple(lowering.numbers[each] for each in parts))]


def _pad(lowering: Any, node: Any) -> LoweredNode:
    mode = _argument(node, 2, "mode", "constant")
    value = _argument(node, 3, "value", None)
    if kind(node) == "pad" and not isinstance(mode, str):
        mode, value = "constant", mode  # constant_pad_nd(x, pad, value)
    pads = [int(each) for each in node.args[1]]
    if mode != "constant" or any(each < 0 for each in pads) or any(pads[4:]):
        return None
    left, right, top, bottom = (*pads, 0, 0, 0, 0)[:4]
    pad = Pad(((top, bottom), (left, right)), float(value or 0.0))
    return [(pad, (_source(lowering, node),))]


def unchanged(lowering: Any, node: Any) -> LoweredNode:
    """Lower what gives its input back: dropout outside training, a copy, the same precision."""
    source = node.args[0].meta["val"]
    value = node.meta["val"]
    if kind(node) in ("dropout", "feature_dropout") and node.args[2]:
        return None
    same = source.shape == value.shape and source.dtype == value.dtype
    return _source(lowering, node) if same else None


def _slice(lowering: Any, node: Any) -> LoweredNode:
    dim, start = _argument(node, 1, "dim", 0), _argument(node, 2, "start", None)
    stop, step = _argument(node, 3, "end", None), _argument(node, 4, "step", 1)
    if dim not in (1, -3):
        return unchanged(lowering, node)
    channels = int(node.args[0].meta["val"].shape[1])
    return [(Channels(np.arange(channels)[start:stop:step]), (_source(lowering, node),))]


def _unsqueezed_select(lowering: Any, node: Any) -> LoweredNode:
    """Lower x[:, i] where all that follows puts the axis back: unsqueeze(·, 1)."""
    dim, index = node.args[1], node.args[2]
    restored = all(kind(user) == "unsqueeze" and user.args[1] == 1 for user in node.users)
    if dim not in (1, -3) or not restored:
        return None
    _, channels, height, width = node.args[0].meta["val"].shape
    take = Channels(np.arange(channels)[index : index + 1 or None])
    return [(IntermediateOperation(take, (int(height), int(width), 1)), (_source(lowering, node),))]


TORCH_LOWERINGS: dict[str, Callable[[Any, Any], LoweredNode]] = {
    "conv2d": _convolution,
    "convolution": _convolution,
    "batch_norm": _batch_norm,
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _adaptive_average,
    "mean": _mean,
    "cat": _concatenate,
    "add": _arithmetic,
    "sub": _arithmetic,
    "mul": _arithmetic,
    "div": _arithmetic,
    "pad": _pad,
    "prelu": _prelu,
    "slice": _slice,
    "select": _unsqueezed_select,
    "dropout": unchanged,
    "feature_dropout": unchanged,
    "clone": unchanged,
    "contiguous": unchanged,
    "detach": unchanged,
    "alias": unchanged,
    "to": unchanged,
    "_to_copy": unchanged,
    **dict.fromkeys(
        (
            "relu", "hardtanh", "hardtanh6", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh",
            "gelu", "leaky_relu", "elu", "selu", "celu", "mish", "softplus", "clamp", "clamp_min",
            "clamp_max", "abs", "exp", "neg", "square", "sqrt", "rsqrt", "log_sigmoid",
        ),
        _elementwise,
    ),
}  # fmt: skip
"""How each operation is lowered, by its bare name."""
