"""The kernels in plain numpy: slow, short, and written from their descriptions only."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

from seewhy.incremental.geometry import Mosaic
from seewhy.incremental.graph import Affine, Channels, Convolution, Function, Node, Point


class NumpyKernels:
    def __init__(self, nodes: Sequence[Node], *, precision: str = "float32") -> None:
        self.nodes = nodes
        self.dtype = ml_dtypes.bfloat16 if precision == "bfloat16" else np.float32

    def tensor(self, array: ndarray) -> ndarray:
        return np.array(array)

    def cast(self, x: ndarray) -> ndarray:
        return x.astype(self.dtype)

    def array(self, tensor: ndarray) -> ndarray:
        return np.asarray(tensor, np.float32)

    def rows(self, clean: ndarray, halos: Sequence[float]) -> ndarray:
        channels = clean.shape[-1]
        frames = [np.full((1, channels), halo, clean.dtype) for halo in halos]
        return np.concatenate([clean.reshape(-1, channels), *frames])

    def lay(
        self,
        rows: ndarray | None,
        crops: ndarray | None,
        mosaic: Mosaic,
        shape: tuple[int, int, int],
    ) -> ndarray:
        if rows is None:
            assert crops is not None
            rows = np.zeros((mosaic.clean.max() + 1, crops.shape[-1]), crops.dtype)
        laid = rows[mosaic.clean]
        if crops is not None:
            laid[mosaic.target] = crops.reshape(-1, crops.shape[-1])[mosaic.source]
        return laid.reshape(*shape, -1)

    def convolution(
        self,
        number: int,
        x: ndarray,
        *,
        stride: tuple[int, int],
        padding: tuple[tuple[int, int], tuple[int, int]],
    ) -> ndarray:
        convolution = self.nodes[number].operation
        assert isinstance(convolution, Convolution)
        weight, groups = self.cast(convolution.weight).astype(np.float32), convolution.groups
        x = np.pad(x.astype(np.float32), ((0, 0), *padding, (0, 0)))
        windows = _windows(x, convolution.kernel, stride, convolution.dilation)
        parts = [
            np.einsum("byxihw,hwio->byxo", part, kernel)
            for part, kernel in zip(
                np.split(windows, groups, axis=3), np.split(weight, groups, axis=3), strict=True
            )
        ]
        result = np.concatenate(parts, axis=-1)
        return self.cast(result if convolution.bias is None else result + convolution.bias)

    def max_pool(
        self,
        x: ndarray,
        *,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
    ) -> ndarray:
        return _windows(x, kernel, stride, dilation).max(axis=(-2, -1))

    def mean_pool(
        self,
        x: ndarray,
        *,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
    ) -> ndarray:
        windows = _windows(x.astype(np.float32), kernel, stride, dilation)
        return self.cast(windows.mean(axis=(-2, -1)))

    def functions(self, number: int, x: ndarray, *, fresh: bool) -> ndarray:
        node = self.nodes[number]
        functions = node.then
        if isinstance(node.operation, Point):
            functions = node.operation.functions + functions
        for function in functions:
            x = self.cast(_applied(function, x))
        return x

    def relu_change(self, change: ndarray, clean: ndarray) -> ndarray:
        return np.maximum(change, -clean) - np.maximum(-clean, self.dtype(0))

    def add(self, maps: Sequence[ndarray]) -> ndarray:
        return np.asarray(sum(maps))

    def multiply(self, maps: Sequence[ndarray]) -> ndarray:
        return np.asarray(np.prod(np.broadcast_arrays(*maps), axis=0))

    def scale(self, x: ndarray, factor: ndarray) -> ndarray:
        return self.cast(x * factor)

    def concatenate(self, maps: Sequence[ndarray]) -> ndarray:
        batch = max(len(each) for each in maps)
        return np.concatenate([self.repeat(each, batch) for each in maps], axis=-1)

    def channels(self, number: int, x: ndarray) -> ndarray:
        operation = self.nodes[number].operation
        assert isinstance(operation, Channels)
        return x[..., operation.take]

    def total(self, x: ndarray, less: ndarray | None) -> ndarray:
        rest = x if less is None else x - less
        return rest.astype(np.float32).sum(axis=(1, 2), keepdims=True)

    def repeat(self, x: ndarray, batch: int) -> ndarray:
        return np.repeat(x, batch, axis=0) if len(x) == 1 else x


def _windows(
    x: ndarray, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> ndarray:
    reach = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, dilation, strict=True)]
    found = sliding_window_view(x, reach, axis=(1, 2))
    return found[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]


def _applied(function: Function, x: ndarray) -> ndarray:
    if isinstance(function, Affine):
        return x * function.scale + function.shift
    return function.call(x)
