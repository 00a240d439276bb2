"""What a network shows of its weights, and what runs a file into which it was written.

Axes: n image, h row, w column, i input channel, o output channel, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class FilterBank:
    """The learned filters of a layer.

    Attributes:
        weights: (h, w, i, o): rows, columns, input channels of one group, output channels.
        groups: the number of groups of input channels; 1 for a full convolution, the number of
            input channels for a depthwise one.
        part: '' if the layer has one set; 'depthwise' and 'pointwise' for a separable one.
    """

    weights: Float[ndarray, "h w i o"]
    groups: int = 1
    part: str = ""


@dataclass(frozen=True, eq=False)
class Moments:
    """The mean and the variance that a normalization remembers of its training, by channel."""

    mean: Float[ndarray, " c"]
    variance: Float[ndarray, " c"]


@dataclass(frozen=True, eq=False)
class WithCam:
    """A network that was written with CAM's maps as its last output.

    Attributes:
        outputs: runs the file by its own runtime: images as the network's verbs take them to
            all that the file returns, the maps (n, h, w, k) last.
        own: the same of the network that was written, without the maps.
    """

    outputs: Callable[[Float[ndarray, "n h w c"]], Sequence[ndarray]]
    own: Callable[[Float[ndarray, "n h w c"]], Sequence[ndarray]]
