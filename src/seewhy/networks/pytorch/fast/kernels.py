"""Re-run windows with PyTorch: the kernels of `seewhy.incremental`, channels last in memory.

Axes: b position of a batch, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own spelling)
from jaxtyping import Float
from numpy import ndarray

from seewhy.incremental.geometry import Mosaic
from seewhy.incremental.graph import Affine, Convolution, Function, Node, Padding, Pair
from seewhy.incremental.kernels import Precision, PreparedKernels, Step, Tensor


class PyTorchKernels(PreparedKernels):
    """The kernels on one device, with the weights of one graph laid out for it."""

    def __init__(
        self, nodes: Sequence[Node], *, device: str = "cpu", precision: Precision = "float32"
    ) -> None:
        self._device = torch.device(device)
        self._dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        super().__init__(nodes)

    def _weight(self, convolution: Convolution) -> Tensor:
        weight = np.ascontiguousarray(convolution.weight.transpose(3, 2, 0, 1), dtype=np.float32)
        return self.cast(self.tensor(weight)).to(memory_format=torch.channels_last)

    def _step(self, function: Function) -> Step:
        if isinstance(function, Affine):
            scale = self.cast(self.tensor(function.scale))
            shift = self.cast(self.tensor(function.shift))
            return lambda x, fresh: x.mul_(scale).add_(shift) if fresh else shift + x * scale
        if function.name == "relu":
            return lambda x, fresh: x.relu_() if fresh else x.relu()
        call = function.call
        return lambda x, fresh: call(x)

    def tensor(self, array: ndarray) -> Tensor:
        """Return the array as a tensor on the device."""
        if not array.flags.writeable or not array.flags.c_contiguous:
            array = np.array(array, order="C")
        return torch.from_numpy(array).to(self._device)

    def cast(self, x: Tensor) -> Tensor:
        """Return the tensor in the kernels' precision; itself where it is in that already."""
        return x.to(self._dtype)

    def array(self, tensor: Tensor) -> Float[ndarray, "..."]:
        """Return the tensor as a float32 array."""
        array: Float[ndarray, "..."] = tensor.float().cpu().numpy()
        return array

    def rows(self, clean: Tensor, halos: Sequence[float]) -> Tensor:
        """Return a map (1, h, w, c) as rows of channels, then one row for each halo's value."""
        channels = clean.shape[-1]
        frames = [clean.new_full((1, channels), halo) for halo in halos]
        return torch.cat([clean.reshape(-1, channels), *frames])

    def lay(
        self, rows: Tensor | None, crops: Tensor | None, mosaic: Mosaic, shape: tuple[int, int, int]
    ) -> Tensor:
        """Lay regions (b, h, w) out of clean rows and changed crops; without rows, out of zeros."""
        if rows is None:
            assert crops is not None
            laid = crops.new_zeros((len(mosaic.clean), crops.shape[-1]))
        else:
            laid = rows.index_select(0, self.tensor(mosaic.clean))
        if crops is not None and len(mosaic.target):
            changed = crops.reshape(-1, crops.shape[-1])
            changed = changed.index_select(0, self.tensor(mosaic.source))
            laid.index_copy_(0, self.tensor(mosaic.target), changed)
        return laid.view(*shape, laid.shape[-1])

    def convolution(self, number: int, x: Tensor, *, stride: Pair, padding: Padding) -> Tensor:
        """Convolve with the node's weights, over a frame of zeros."""
        convolution, weight, bias = self._convolutions[number]
        (top, bottom), (left, right) = padding
        if (top, left) != (bottom, right):
            x = F.pad(x, (0, 0, left, right, top, bottom))
            top = left = 0
        y = F.conv2d(
            _first(x), weight, bias, stride, (top, left), convolution.dilation, convolution.groups
        )
        return _last(y)

    def max_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the maximum over windows, without padding."""
        return _last(F.max_pool2d(_first(x), kernel, stride, 0, dilation))

    def mean_pool(self, x: Tensor, *, kernel: Pair, stride: Pair, dilation: Pair) -> Tensor:
        """Take the mean over windows, without padding."""
        if dilation != (1, 1):
            raise NotImplementedError("PyTorch has no dilated mean pool.")
        return _last(F.avg_pool2d(_first(x), kernel, stride))

    def relu_change(self, change: Tensor, clean: Tensor) -> Tensor:
        """Return max(d, −c) − relu(−c), by how much a ReLU changes; a batch of one c is for all."""
        below = clean.neg()
        return torch.maximum(change, below).sub_(below.relu_())

    def scale(self, x: Tensor, factor: Float[ndarray, "b h w 1"]) -> Tensor:
        """Multiply each pixel by its factor; overwrites x."""
        return x.mul_(self.tensor(factor))

    def concatenate(self, maps: Sequence[Tensor]) -> Tensor:
        """Concatenate maps along the channels; a batch of one is repeated."""
        batch = max(each.shape[0] for each in maps)
        return torch.cat([each.expand(batch, -1, -1, -1) for each in maps], dim=-1)

    def channels(self, number: int, x: Tensor) -> Tensor:
        """Take the channels that the node takes."""
        return x.index_select(3, self._channels[number])

    def total(self, x: Tensor, less: Tensor | None) -> Tensor:
        """Return the sum over rows and columns of x, or of x − less, as (b, 1, 1, c), float32."""
        rest = x if less is None else x - less
        return rest.sum(dim=(1, 2), keepdim=True, dtype=torch.float32)

    def repeat(self, x: Tensor, batch: int) -> Tensor:
        """Return a batch of one as a batch of `batch`."""
        return x.expand(batch, *(-1 for _ in x.shape[1:]))


def _first(x: Tensor) -> Tensor:
    """Show a map channels first, as PyTorch wants it, without moving it."""
    return x.permute(0, 3, 1, 2)


def _last(x: Tensor) -> Tensor:
    """Show a result channels last; where PyTorch has chosen another layout, move it."""
    return x.permute(0, 2, 3, 1).contiguous()
