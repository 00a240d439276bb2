"""Where rows, columns and channels are in a tensor: found by following it through the network.

PyTorch's tensors do not say what their axes mean: (n, c, h, w) by custom, (n, h, w, c) within
Swin and ConvNeXt, (n, token, c) in a transformer. While one trial batch runs, every function is
watched: a convolution or pooling sets the layout, a permutation moves it, a flattening of rows
and columns makes tokens that remember their grid, a concatenation puts other tokens in front.
Nothing is guessed from sizes, except where a reshape hides the way: then the rows and columns
of an earlier map must be there again, or as many tokens as before, or a quarter of them, as
attention returns that shrinks its map. Whether changed patches show there is for `cells` to try.

Axes: n image, h row, w column, c channel, s token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass(frozen=True)
class Layout:
    """What the axes of a tensor (n, ...) mean.

    Attributes:
        channel: the axis of the channels; of a map (4 axes) the other two are rows and columns.
        grid: rows and columns of the patches that tokens (3 axes) stand for; None for a map.
        prefix: how many tokens (class, registers) stand before the first patch.
        is_followed: True where every step from the images is known, and none moved a place;
            else it is for a trial to say whether rows and columns are those of the photo.
    """

    channel: int
    grid: tuple[int, int] | None = None
    prefix: int = 0
    is_followed: bool = field(default=False, compare=False)


CHANNELS_FIRST = Layout(1)
CHANNELS_LAST = Layout(3)

# Functions that take and return (n, c, h, w), whatever was known before.
_MAKERS = frozenset({
    "conv2d", "conv_transpose2d", "max_pool2d", "max_pool2d_with_indices", "avg_pool2d",
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "lp_pool2d", "batch_norm", "instance_norm",
    "group_norm", "pixel_shuffle", "pixel_unshuffle", "interpolate", "local_response_norm",
})  # fmt: skip
_RESHAPES = frozenset({"reshape", "view", "flatten", "unflatten", "view_as", "reshape_as"})
_SWAPS = frozenset({"transpose", "transpose_", "swapaxes", "swapdims"})
_JOINS = frozenset({"cat", "concat", "concatenate"})
# Functions after which rows and columns may not be where they were.
_MOVERS = frozenset({
    "movedim", "moveaxis", "einsum", "roll", "pad", "narrow", "__getitem__", "index_select",
    "gather", "take", "take_along_dim", "flip", "fliplr", "flipud", "rot90", "unfold", "fold",
    "grid_sample", "as_strided", "chunk", "split", "tensor_split", "hsplit", "vsplit", "unbind",
    "unsafe_chunk", "split_with_sizes", "stack", "repeat", "tile", "scatter", "copy_",
    "index_copy", "masked_scatter", "sort", "set_", "channel_shuffle", "constant_pad_nd",
    "zeros_like", "empty_like", "ones_like", "full_like", "rand_like", "randn_like",
})  # fmt: skip
# Functions whose output has other places than their arguments.
_MIXERS = frozenset({
    "matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum",
    "scaled_dot_product_attention", "cdist", "multi_head_attention_forward",
})  # fmt: skip
_RANDOM_FUNCTIONS = frozenset({
    "rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "normal",
    "normal_", "uniform_", "bernoulli", "bernoulli_", "multinomial", "poisson", "exponential_",
    "rrelu", "gumbel_softmax", "random_",
})  # fmt: skip


class LayoutTracker(TorchFunctionMode):  # type: ignore[misc]  # torch ships no types here
    """Follows the layout of every tensor from the images on, while it is active.

    Attributes:
        functions: the names of all functions that returned a tensor of floats, in order.
        draws: whether a function was called that draws random numbers.
    """

    def __init__(self, images: torch.Tensor, layout: Layout) -> None:
        super().__init__()
        self._batch = images.shape[0]
        self._known = WeakTensorKeyDictionary()
        self._grids: set[tuple[int, int]] = set()
        self._tokens: dict[int, Layout] = {}
        self.functions: list[str] = []
        self.draws = False
        self.set(images, replace(layout, is_followed=True))

    def of(self, tensor: torch.Tensor) -> Layout | None:
        """Return the layout of a tensor, None where it has no rows and columns."""
        layout: Layout | None = self._known.get(tensor)
        return layout

    def set(self, tensor: torch.Tensor, layout: Layout | None) -> None:
        """Note the layout of a tensor; None where it has none (any more)."""
        if layout is None:
            self._known.pop(tensor, None)
            return
        self._known[tensor] = layout
        if tensor.ndim == 4:
            self._grids.add(_rows_and_columns(tensor.shape, layout))
        if tensor.ndim == 3 and layout.grid is not None and layout.channel == 2:
            self._tokens[tensor.shape[1]] = layout

    def inherit(self, tensor: torch.Tensor, sources: Iterable[Any]) -> None:
        """Let a tensor of unknown make (a custom function's) have its equally shaped source's."""
        layout = self._alike(tensor, sources) if self.of(tensor) is None else None
        if layout is not None:
            self.set(tensor, replace(layout, is_followed=False))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        self.draws |= name in _RANDOM_FUNCTIONS or (
            "dropout" in name and _is_training(args, kwargs or {})
        )
        parts = result if isinstance(result, tuple | list) else (result,)
        if any(isinstance(part, torch.Tensor) and part.is_floating_point() for part in parts):
            self.functions.append(name)
        if name == "__setitem__" and (written := self.of(args[0])) is not None:
            self.set(args[0], replace(written, is_followed=False))
        for part in parts:
            if isinstance(part, torch.Tensor) and part.ndim in (3, 4):
                self.set(part, self._layout(name, part, args, kwargs or {}))
        return result

    def _layout(self, name: str, result: torch.Tensor, args: Any, kwargs: Any) -> Layout | None:
        if result.shape[0] != self._batch:
            return None
        first = args[0] if args else next(iter(kwargs.values()), None)
        before = self.of(first) if isinstance(first, torch.Tensor) else None
        if name in _MAKERS and result.ndim == 4:
            return _followed(CHANNELS_FIRST, before)
        if name in _MIXERS:
            return None
        if name in _JOINS:
            return self._joined(result, first, args[1] if len(args) > 1 else kwargs.get("dim", 0))
        if name in _RESHAPES:
            return self._reshaped(result, first, before)
        if name == "permute" and before is not None:
            order = args[1:] if len(args) > 1 else kwargs["dims"]
            order = order[0] if isinstance(order[0], tuple | list) else order
            return _permuted(before, [axis % result.ndim for axis in order])
        if name in _SWAPS and before is not None:
            one_axis, other_axis = (axis % result.ndim for axis in (*args[1:], *kwargs.values()))
            order = list(range(result.ndim))
            order[one_axis], order[other_axis] = other_axis, one_axis
            return _permuted(before, order)
        if name == "__getitem__" and before is not None and before.grid is not None:
            return _sliced(before, result, args[1])
        if name == "linear" and before is not None:
            last = 2 if before.grid is not None else 3
            if before.channel != last:  # a linear map over places, as in a mixer
                return None
        sources = (*args, *kwargs.values())
        layout = self._alike(result, sources)
        if layout is None:
            return self._seen_again(name, result)
        known = [self.of(source) for source in sources if isinstance(source, torch.Tensor)]
        is_followed = any(other is not None and other.is_followed for other in known)
        moves = name in _MOVERS and not _keeps_places(name, args, result)
        return replace(layout, is_followed=is_followed and not moves)

    def _alike(self, result: torch.Tensor, sources: Iterable[Any]) -> Layout | None:
        """Return the layout of the first source that has as many places as the result."""
        for source in sources:
            if isinstance(source, tuple | list):
                nested = self._alike(result, source)
                if nested is not None:
                    return nested
            if not isinstance(source, torch.Tensor) or source.ndim != result.ndim:
                continue
            layout = self.of(source)
            if layout is None:
                continue
            tokens = 3 - layout.channel
            if layout.grid is None or source.shape[tokens] == result.shape[tokens]:
                return layout
        return None

    def _reshaped(
        self, result: torch.Tensor, source: torch.Tensor, before: Layout | None
    ) -> Layout | None:
        old, new = tuple(source.shape), tuple(result.shape)
        if before is not None and old == new:
            return before
        if before is not None and len(old) == 4 and len(new) == 3:
            rows, columns = grid = _rows_and_columns(source.shape, before)
            if before == CHANNELS_FIRST and new == (old[0], old[1], rows * columns):
                return _followed(Layout(1, grid), before)
            if before == CHANNELS_LAST and new == (old[0], rows * columns, old[3]):
                return _followed(Layout(2, grid), before)
        if before is not None and before.grid is not None and len(new) == 4:
            if before.channel == 2 and new == (old[0], *before.grid, old[2]):
                return _followed(CHANNELS_LAST, before)
            if before.channel == 1 and new == (old[0], old[1], *before.grid):
                return _followed(CHANNELS_FIRST, before)
        if len(old) > 3 and len(new) == 3 and before is None:
            return self._as_many_tokens(new[1])
        return self._seen_again("reshape", result)

    def _as_many_tokens(self, count: int) -> Layout | None:
        """Know tokens by their number, or by that of an earlier map twice as fine."""
        finer = self._tokens.get(4 * count)
        if count in self._tokens or finer is None or finer.grid is None or finer.prefix:
            return self._tokens.get(count)
        rows, columns = finer.grid
        is_even = rows % 2 == columns % 2 == 0
        return Layout(2, (rows // 2, columns // 2)) if is_even else None

    def _seen_again(self, name: str, result: torch.Tensor) -> Layout | None:
        """Know a map by the rows and columns of an earlier one, where a reshape hid its way."""
        if name not in ("reshape", "view", "permute", "contiguous") or result.ndim != 4:
            return None
        if tuple(result.shape[2:]) in self._grids:
            return CHANNELS_FIRST
        return CHANNELS_LAST if tuple(result.shape[1:3]) in self._grids else None

    def _joined(self, result: torch.Tensor, parts: Any, axis: int) -> Layout | None:
        tensors = list(parts)
        known = [(place, self.of(tensor)) for place, tensor in enumerate(tensors)]
        layouts = [(place, layout) for place, layout in known if layout is not None]
        if not layouts:
            return None
        place, layout = layouts[0]
        if layout.grid is None or axis % result.ndim != 3 - layout.channel:
            is_followed = all(other.is_followed for _, other in layouts)
            return replace(layout, is_followed=is_followed and axis % result.ndim == layout.channel)
        if len(layouts) > 1:
            return None
        before = sum(tensor.shape[axis] for tensor in tensors[:place])
        return replace(layout, prefix=layout.prefix + before)


def places_of(output: torch.Tensor, layout: Layout | None) -> torch.Tensor:
    """Return an output's places in one row, (n, places, c), float32: pixels, or patches."""
    channel = layout.channel if layout is not None else output.ndim - 1
    places = output.float().movedim(channel, -1).reshape(len(output), -1, output.shape[channel])
    if layout is not None and layout.grid is not None:
        rows, columns = layout.grid
        places = places[:, layout.prefix : layout.prefix + rows * columns]
    return places


def _rows_and_columns(shape: torch.Size, layout: Layout) -> tuple[int, int]:
    return (shape[2], shape[3]) if layout.channel == 1 else (shape[1], shape[2])


def _permuted(before: Layout, order: list[int]) -> Layout | None:
    channel = order.index(before.channel)
    places = [axis for axis in order if axis not in (0, before.channel)]
    if order[0] != 0 or places != sorted(places):  # images moved, or rows and columns swapped
        return None
    if before.grid is None and channel == 2:
        return None
    return replace(before, channel=channel)


def _followed(layout: Layout, source: Layout | None) -> Layout:
    """Return a layout that was made of a source's by a step that is known."""
    return replace(layout, is_followed=source is not None and source.is_followed)


def _keeps_places(name: str, args: Any, result: torch.Tensor) -> bool:
    """Return whether a slice takes every k-th row and column, or a padding is of nothing."""
    if name == "pad":
        return len(args) > 1 and not any(args[1]) and args[0].shape == result.shape
    index = args[1] if name == "__getitem__" and isinstance(args[1], tuple) else ()
    slices = [part for part in index if part is not Ellipsis]
    if not slices or result.ndim != 4 or not all(isinstance(part, slice) for part in slices):
        return False
    steps = {(part.step or 1) for part in slices} - {1}
    return len(steps) == 1 and all(
        part.stop is None and 0 <= (part.start or 0) < (part.step or 1) for part in slices
    )


def _is_training(args: Any, kwargs: Any) -> bool:
    """Return whether a dropout is on: by its third argument."""
    given = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
    return bool(given)


def _sliced(before: Layout, result: torch.Tensor, index: Any) -> Layout | None:
    """Follow tokens[:, k:], which drops k tokens from the front."""
    index = index if isinstance(index, tuple) else (index,)
    images, tokens = (*index, slice(None))[:2]
    if result.ndim != 3 or before.channel != 2 or not isinstance(tokens, slice):
        return None
    if not isinstance(images, slice) or images != slice(None) or tokens.stop is not None:
        return None
    start = tokens.start or 0
    if tokens.step not in (None, 1) or not 0 <= start <= before.prefix:
        return None
    return replace(before, prefix=before.prefix - start)
