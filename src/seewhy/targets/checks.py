"""Checks of what targets expect in a network's output, with their messages.

Axes: n image, k class, h row, w column.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Literal, SupportsIndex

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import TargetError
from seewhy.targets.tensors import verbs

ChannelOrder = Literal["first", "last"]
"""The position of the class axis in a segmentation: (n, k, h, w) or (n, h, w, k)."""

Pick = Callable[[Any], Any] | str | int
"""How to find a part of the output: its key or index, or a function of the output."""


def picked(output: Any, key: Pick) -> Any:
    """Return a part of the output."""
    if callable(key):
        return key(output)
    if isinstance(output, Mapping):
        if key in output:
            return output[key]
        has = ", ".join(repr(name) for name in output)
        raise TargetError(f"The network's output has no part {key!r}. It has: {has}.")
    if isinstance(output, list | tuple):
        if isinstance(key, int) and -len(output) <= key < len(output):
            return output[key]
        fields = getattr(output, "_fields", ())
        if key in fields:
            return getattr(output, str(key))
        has = ", ".join(repr(field) for field in fields) or f"0 to {len(output) - 1}"
        raise TargetError(f"The network's output has no part {key!r}. It has: {has}.")
    raise TargetError(
        f"The network's output is one {type(output).__name__}, so it has no part {key!r}."
    )


def check_axes(output: Any, axes: int, name: str, wanted: str) -> None:
    """Raise TargetError unless the output is a tensor with that many axes."""
    verbs(output)
    if len(output.shape) != axes:
        raise TargetError(
            f"targets.{name} takes an output {wanted}, and this network's has the shape "
            f"{shape_of(output)}."
        )


def check_index(index: int, count: int | None, what: str) -> None:
    """Raise TargetError unless the class, word or number exists."""
    if count is not None and index >= count:
        plural = "classes" if what == "class" else f"{what}s"
        raise TargetError(
            f"The network's output has no {what} {index}: it has {count} {plural}, 0 to "
            f"{count - 1}."
        )


def class_axis(
    output: Any, mask: Float[ndarray, "h w"] | None, channels: ChannelOrder | None
) -> int:
    """Return the axis of the classes in a segmentation: 1 or 3."""
    shape = tuple(output.shape)
    fits = {1: mask is None or shape[2:] == mask.shape, 3: mask is None or shape[1:3] == mask.shape}
    if None in shape[1:]:
        fits = {1: True, 3: True}
    is_torch = any(kind.__module__ == "torch" for kind in type(output).__mro__)
    usual = {"first": 1, "last": 3, None: 1 if is_torch else 3}[channels]
    if channels is None and fits[4 - usual] and not fits[usual]:
        usual = 4 - usual
    if not fits[usual]:
        assert mask is not None
        sizes = shape[2:] if usual == 1 else shape[1:3]
        raise TargetError(
            f"The mask has {mask.shape[0]}×{mask.shape[1]} places (height×width), and the "
            f"network's output has {sizes[0]}×{sizes[1]}. Give the mask at the output's size."
        )
    return usual


def as_mask(mask: Any) -> Float[ndarray, "h w"]:
    """Return a mask as zeros and ones."""
    array = np.asarray(mask)
    if array.ndim != 2 or not array.any():
        what = "is empty" if array.ndim == 2 else f"has the shape {array.shape}"
        raise TargetError(f"The mask {what}. Give one (rows, columns) with the region marked.")
    marked: ndarray = (array != 0).astype(np.float32)
    return marked


def whole(index: SupportsIndex, what: str) -> int:
    """Return an index from 0 as an int."""
    try:
        place = operator.index(index)
    except TypeError:
        place = -1
    if place < 0:
        raise TargetError(
            f"{index!r} is not a valid {what}. Give its index, from 0"
            + (": classifier.class_index(name) finds it." if what == "class" else ".")
        )
    return place


def shape_of(output: Any) -> str:
    """Return a tensor's shape for messages."""
    return f"({', '.join('n' if side is None else str(side) for side in output.shape)})"


def bracketed(label: str) -> str:
    """Return a label, in brackets if it is a sum."""
    return f"({label})" if any(sign in label for sign in "+−·") else label
