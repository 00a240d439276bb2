"""Re-run windows with TensorFlow: the kernels of `seewhy.incremental`.

Axes: b position of a batch, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.geometry import Mosaic
from seewhy.incremental.graph import Affine, Convolution, Function, Node, Padding, Pair
from seewhy.incremental.kernels import Precision, PreparedKernels, Step, Tensor


class TensorFlowKernels(PreparedKernels):
    """The kernels, with the weights of one graph as tensors."""

    def __init__(self, nodes: Sequence[Node], *, precision: Precision = "float32") -> None:
        self._dtype = {"float32": tf.float32, "bfloat16": tf.bfloat16}[precision]
        super().__init__(nodes)

    def _weight(self, convolution: Convolution) -> Tensor:
        weight = convolution.weight
        if _is_depthwise(convolution):
            inputs = convolution.groups
            weight = weight.reshape(*convolution.kernel, inputs, weight.shape[-1] // inputs)
        return self.cast(self.tensor(np.ascontiguousarray(weight, np.float32)))

    def _step(self, function: Function) -> Step:
        if isinstance(function, Affine):
            scale = self.cast(self.tensor(function.scale))
            shift = self.cast(self.tensor(function.shift))
            return lambda x, _: x * scale + shift
        call = tf.nn.relu if function.name == "relu" else function.call
        return lambda x, _: call(x)

    def tensor(self, array: ndarray) -> Tensor:
        """Return the array as a tensor."""
        return tf.constant(array)

    def cast(self, x: Tensor) -> Tensor:
        """Return the tensor in the kernels' precision; itself where it is in that already."""
        return tf.cast(x, self._dtype)

    def array(self, tensor: Tensor) -> Float[ndarray, "..."]:
        """Return the tensor as a float32 array."""
        array: Float[ndarray, "..."] = tf.cast(tensor, tf.float32).numpy()
        return array

    def rows(self, clean: Tensor, halos: Sequence[float]) -> Tensor:
        """Return a map (1, h, w, c) as rows of channels, then one row for each halo's value."""
        channels = clean.shape[-1]
        frames = [tf.fill((1, channels), tf.cast(halo, clean.dtype)) for halo in halos]
        return tf.concat([tf.reshape(clean, (-1, channels)), *frames], axis=0)

    def lay(
        self, rows: Tensor | None, crops: Tensor | None, mosaic: Mosaic, shape: tuple[int, int, int]
    ) -> Tensor:
        """Lay regions (b, h, w) out of clean rows and changed crops; without rows, out of zeros."""
        source = mosaic.clean
        if rows is None:
            assert crops is not None
            rows, source = tf.zeros((1, crops.shape[-1]), crops.dtype), np.zeros_like(source)
        channels = rows.shape[-1]
        if crops is not None and len(mosaic.target):
            source = source.copy()
            source[mosaic.target] = rows.shape[0] + mosaic.source
            rows = tf.concat([rows, tf.reshape(crops, (-1, channels))], axis=0)
        return tf.reshape(tf.gather(rows, source.astype(np.int32)), (*shape, channels))

    def convolution(self, number: int, x: Tensor, *, stride: Pair, padding: Padding) -> Tensor:
        """Convolve with the node's weights, over a frame of zeros."""
        convolution, weight, bias = self._convolutions[number]
        if _is_depthwise(convolution):
            y = _depthwise(_framed(x, padding), weight, stride, convolution.dilation)
        else:
            frame: Any = "VALID"
            if padding != ((0, 0), (0, 0)):
                frame = [[0, 0], *(list(sides) for sides in padding), [0, 0]]
            y = tf.nn.conv2d(x, weight, stride, frame, dilations=convolution.dilation)
        return y if bias is None else tf.nn.bias_add(y, bias)

    def max_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the maximum over windows, without padding."""
        _check_dilation(dilation)
        return tf.nn.max_pool2d(x, kernel, stride, "VALID")

    def mean_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the mean over windows, without padding."""
        _check_dilation(dilation)
        return tf.nn.avg_pool2d(x, kernel, stride, "VALID")

    def relu_change(self, change: Tensor, clean: Tensor) -> Tensor:
        """Return max(d, −c) − relu(−c), by how much a ReLU changes; a batch of one c is for all."""
        below = -clean
        return tf.maximum(change, below) - tf.nn.relu(below)

    def scale(self, x: Tensor, factor: Float[ndarray, "b h w 1"]) -> Tensor:
        """Multiply each pixel by its factor."""
        return x * tf.cast(factor, x.dtype)

    def concatenate(self, maps: Sequence[Tensor]) -> Tensor:
        """Concatenate maps along the channels; a batch of one is repeated."""
        batch = max(each.shape[0] for each in maps)
        return tf.concat([self.repeat(each, batch) for each in maps], axis=-1)

    def channels(self, number: int, x: Tensor) -> Tensor:
        """Take the channels that the node takes."""
        return tf.gather(x, self._channels[number], axis=-1)

    def total(self, x: Tensor, less: Tensor | None) -> Tensor:
        """Return the sum over rows and columns of x, or of x − less, as (b, 1, 1, c), float32."""
        rest = x if less is None else x - less
        return tf.reduce_sum(tf.cast(rest, tf.float32), axis=(1, 2), keepdims=True)

    def repeat(self, x: Tensor, batch: int) -> Tensor:
        """Return a batch of one as a batch of `batch`."""
        return tf.repeat(x, batch, axis=0) if x.shape[0] == 1 < batch else x


def _is_depthwise(convolution: Convolution) -> bool:
    return convolution.groups > 1 and convolution.weight.shape[2] == 1


def _depthwise(x: Tensor, weight: Tensor, stride: Pair, dilation: Pair) -> Tensor:
    """Convolve each channel by itself.

    TensorFlow has one stride for both axes, and none beside a dilation: otherwise some of the
    outputs are taken afterwards.
    """
    if stride[0] == stride[1] and (stride == (1, 1) or dilation == (1, 1)):
        return tf.nn.depthwise_conv2d(x, weight, (1, *stride, 1), "VALID", None, dilation)
    y = tf.nn.depthwise_conv2d(x, weight, (1, 1, 1, 1), "VALID", None, dilation)
    return y[:, :: stride[0], :: stride[1]]


def _framed(x: Tensor, padding: Padding) -> Tensor:
    if padding == ((0, 0), (0, 0)):
        return x
    return tf.pad(x, [[0, 0], *(list(sides) for sides in padding), [0, 0]])


def _check_dilation(dilation: Pair) -> None:
    if dilation != (1, 1):
        raise NotImplementedError("Keras has no dilated pools.")
