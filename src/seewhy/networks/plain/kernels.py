"""Run a graph, and re-run windows of it, with numpy: the kernels of `seewhy.incremental`.

Axes: b position of a batch, h row, w column, c channel; k, l row and column of a kernel.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from seewhy.errors import ModelError
from seewhy.incremental.geometry import Mosaic
from seewhy.incremental.graph import NO_PADDING, Affine, Convolution, Function, Node, Padding, Pair
from seewhy.incremental.kernels import Precision, PreparedKernels, Step, Tensor

UNFOLDED_NUMBERS = 2**20
"""Numbers that are multiplied at once: what a core's cache holds."""


class NumpyKernels(PreparedKernels):
    """The kernels, with the weights of one graph.

    Raises:
        ModelError: numpy has no numbers of that precision.
    """

    def __init__(self, nodes: Sequence[Node], *, precision: Precision = "float32") -> None:
        if precision != "float32":
            raise ModelError("numpy computes in float32, and has no bfloat16.")
        super().__init__(nodes)

    def _weight(self, convolution: Convolution) -> Tensor:
        if convolution.groups > 1:  # each channel by itself: others are not read
            return convolution.weight[:, :, 0]
        return convolution.weight.reshape(-1, convolution.weight.shape[-1])

    def _step(self, function: Function) -> Step:
        if isinstance(function, Affine):
            return lambda x, fresh: _scaled(x, function, out=x if fresh else None)
        if function.name == "relu":
            return lambda x, fresh: np.maximum(x, 0, out=x if fresh else None)
        return lambda x, fresh: function.call(x)

    def tensor(self, array: ndarray) -> Tensor:
        """Return the array itself."""
        return array

    def cast(self, x: Tensor) -> Tensor:
        """Return the tensor in the kernels' precision."""
        return np.asarray(x, np.float32)

    def array(self, tensor: Tensor) -> Float[ndarray, "..."]:
        """Return the tensor as a float32 array."""
        return np.asarray(tensor, np.float32)

    def rows(self, clean: Tensor, halos: Sequence[float]) -> Tensor:
        """Return a map (1, h, w, c) as rows of channels, then one row for each halo's value."""
        channels = clean.shape[-1]
        frames = [np.full((1, channels), halo, clean.dtype) for halo in halos]
        return np.concatenate([clean.reshape(-1, channels), *frames])

    def lay(
        self, rows: Tensor | None, crops: Tensor | None, mosaic: Mosaic, shape: tuple[int, int, int]
    ) -> Tensor:
        """Lay regions (b, h, w) out of clean rows and changed crops; without rows, out of zeros."""
        if rows is None:
            assert crops is not None
            laid = np.zeros((len(mosaic.clean), crops.shape[-1]), crops.dtype)
        else:
            laid = rows.take(mosaic.clean, axis=0)
        if crops is not None and len(mosaic.target):
            laid[mosaic.target] = crops.reshape(-1, crops.shape[-1]).take(mosaic.source, axis=0)
        return laid.reshape(*shape, laid.shape[-1])

    def convolution(self, number: int, x: Tensor, *, stride: Pair, padding: Padding) -> Tensor:
        """Convolve with the node's weights, over a frame of zeros: one product of matrices."""
        convolution, weight, bias = self._convolutions[number]
        if convolution.groups > 1:
            y = _by_channel(framed(x, padding), weight, stride)
            return y if bias is None else np.add(y, bias, out=y)
        windows = _windows(framed(x, padding), convolution.kernel, stride)
        batch, height, width = windows.shape[:3]
        y = np.empty((batch, height, width, weight.shape[-1]), np.float32)
        step = max(1, UNFOLDED_NUMBERS // max(1, windows[0].size))

        def multiply(start: int) -> None:
            unfolded = windows[start : start + step].reshape(-1, len(weight))
            np.matmul(unfolded, weight, out=y[start : start + step].reshape(-1, weight.shape[-1]))

        with ONE_EACH:
            starts = range(0, batch, step)
            deque(_threads().map(multiply, starts) if len(starts) > 1 else map(multiply, starts), 0)
        return y if bias is None else np.add(y, bias, out=y)

    def max_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the maximum over windows, without padding."""
        return _windows(x, kernel, stride).max(axis=(3, 4))

    def mean_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the mean over windows, without padding."""
        ones = np.full((*kernel, 1), 1 / (kernel[0] * kernel[1]), np.float32)
        return _by_channel(x, ones, stride)

    def relu_change(self, change: Tensor, clean: Tensor) -> Tensor:
        """Return max(d, −c) − relu(−c), by how much a ReLU changes; a batch of one c is for all."""
        return np.maximum(change, -clean) - np.maximum(-clean, 0)

    def scale(self, x: Tensor, factor: Float[ndarray, "b h w 1"]) -> Tensor:
        """Multiply each pixel by its factor."""
        return x * factor

    def concatenate(self, maps: Sequence[Tensor]) -> Tensor:
        """Concatenate maps along the channels; a batch of one is repeated."""
        batch = max(len(each) for each in maps)
        return np.concatenate([self.repeat(each, batch) for each in maps], axis=-1)

    def channels(self, number: int, x: Tensor) -> Tensor:
        """Take the channels that the node takes."""
        return x.take(self._channels[number], axis=-1)

    def total(self, x: Tensor, less: Tensor | None) -> Tensor:
        """Return the sum over rows and columns of x, or of x − less, as (b, 1, 1, c), float32."""
        rest = x if less is None else x - less
        return rest.sum(axis=(1, 2), keepdims=True, dtype=np.float32)

    def repeat(self, x: Tensor, batch: int) -> Tensor:
        """Return a batch of one as a batch of `batch`."""
        return np.broadcast_to(x, (batch, *x.shape[1:]))


class _OneThreadEach:
    """While entered, by any number of threads: each product of matrices takes one thread.

    BLAS's own threads wait for each other by spinning, which on a busy machine takes several times
    as long as the products.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = _blas().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


ONE_EACH = _OneThreadEach()


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="seewhy-numpy")


def _by_channel(
    x: Float[ndarray, "b h w c"], weight: Float[ndarray, "k l _c"], stride: Pair
) -> Float[ndarray, "b H W c"]:
    """Convolve each channel by itself."""
    windows = _windows(x, (weight.shape[0], weight.shape[1]), stride)
    y: ndarray = windows[:, :, :, 0, 0] * weight[0, 0]
    product = np.empty_like(y)
    for row, column in list(np.ndindex(*weight.shape[:2]))[1:]:
        np.multiply(windows[:, :, :, row, column], weight[row, column], out=product)
        y += product
    return y


def framed(
    x: Float[ndarray, "b h w c"], padding: Padding, value: float = 0.0
) -> Float[ndarray, "b H W c"]:
    """Return a map with a frame of one value around it."""
    if padding == NO_PADDING:
        return x
    (top, bottom), (left, right) = padding
    batch, height, width, channels = x.shape
    y = np.full((batch, height + top + bottom, width + left + right, channels), value, x.dtype)
    y[:, top : top + height, left : left + width] = x
    return y


def _scaled(x: Tensor, affine: Affine, *, out: Tensor | None) -> Tensor:
    y = np.multiply(x, affine.scale, out=out)
    return np.add(y, affine.shift, out=y)


def _windows(
    x: Float[ndarray, "b h w c"], kernel: Pair, stride: Pair
) -> Float[ndarray, "b H W k l c"]:
    """Return a view of all windows of a map."""
    batch, height, width, channels = x.shape
    rows = (height - kernel[0]) // stride[0] + 1
    columns = (width - kernel[1]) // stride[1] + 1
    by_batch, by_row, by_column, by_channel = x.strides
    steps = (by_row * stride[0], by_column * stride[1])
    return as_strided(
        x,
        (batch, rows, columns, *kernel, channels),
        (by_batch, *steps, by_row, by_column, by_channel),
        writeable=False,
    )
