"""The positions of a sliding window, and how much of the photo they cover.

Axes: m window, t target (class), r row of positions, q column of positions, h row, w column.
A window is [x0, y0, x1, y1] in pixels of the network's input, half-open: x1 and y1 are the first
column and row after it. The positions are the product of the rows' and the columns' starts; their
order is row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import OptionError, needed

PatchSize = int | float | tuple[int | float, int | float]
"""Pixels (int) or a share of the image (float between 0 and 1), or one of them for each of height
and width."""


@dataclass(frozen=True)
class Windows:
    """All positions of one window on one image.

    Attributes:
        image: (height, width) of the image.
        patch: (height, width) of the window, in pixels.
        stride: (down, right): the step from one position to the next, in pixels.
        tops: (r) first row of each row of positions.
        lefts: (q) first column of each column of positions.
    """

    image: tuple[int, int]
    patch: tuple[int, int]
    stride: tuple[int, int]
    tops: Int[ndarray, " r"]
    lefts: Int[ndarray, " q"]

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns of positions."""
        return len(self.tops), len(self.lefts)

    @property
    def boxes(self) -> Int[ndarray, "m 4"]:
        """Every window as [x0, y0, x1, y1], row by row."""
        tops, lefts = (axis.ravel() for axis in np.meshgrid(self.tops, self.lefts, indexing="ij"))
        return np.stack([lefts, tops, lefts + self.patch[1], tops + self.patch[0]], axis=1)


def place_windows(
    image: tuple[int, int], patch: PatchSize | None = None, stride: PatchSize | None = None
) -> Windows:
    """Slide a window over the image so that the last position ends exactly at the edge.

        start[i] = min(i · stride, length − patch),  i = 0 … ceil((length − patch) / stride)

    Args:
        image: (height, width).
        patch: the window's size; a seventh of the image by default (32 of 224 pixels).
        stride: the step; half the window by default.

    Raises:
        OptionError: a size is not positive, or the window is larger than the image.
    """
    patches = _pixels("patch", 1 / 7 if patch is None else patch, image)
    if patches[0] > image[0] or patches[1] > image[1]:
        raise OptionError(
            f"patch {patches[0]} × {patches[1]} is larger than the network's input of "
            f"{image[0]} × {image[1]} (height × width in pixels). Choose a smaller patch, or a "
            "share of the input such as 0.15."
        )
    if stride is None:
        strides = (max(1, patches[0] // 2), max(1, patches[1] // 2))
    else:
        strides = _pixels("stride", stride, image)
    tops, lefts = (
        _starts(length, size, step)
        for length, size, step in zip(image, patches, strides, strict=True)
    )
    return Windows(image=image, patch=patches, stride=strides, tops=tops, lefts=lefts)


def mean_over_windows(drops: Float[ndarray, "t r q"], windows: Windows) -> Float[ndarray, "t h w"]:
    """Return for every pixel the mean over the windows that cover it; NaN without any.

        map[t, h, w] = sum over r, q of R[r, h] · drops[t, r, q] · Q[q, w]
                       / (sum over r of R[r, h] · sum over q of Q[q, w])

    R and Q are 1 where a row (column) of positions covers a row (column) of pixels. So the cost
    grows with the positions along a side, not with their number times the pixels.
    """
    rows = _covers(windows.tops, windows.patch[0], windows.image[0])
    columns = _covers(windows.lefts, windows.patch[1], windows.image[1])
    sums = np.einsum("rh,trq,qw->thw", rows, drops.astype(np.float64), columns, optimize=True)
    coverage = np.outer(rows.sum(axis=0), columns.sum(axis=0))
    means = np.full(sums.shape, np.nan)
    np.divide(sums, coverage, out=means, where=coverage > 0)
    return means.astype(np.float32)


def smooth_over_windows(
    drops: Float[ndarray, "t r q"],
    windows: Windows,
    *,
    interpolation: str = "linear",
) -> Float[ndarray, "t h w"]:
    """Interpolate the drops between the windows' centres, for display without steps.

    Beyond the outer centres the value stays that of the nearest one. `linear` stays between its
    neighbours' values; `cubic` (a natural spline) is smoother and may overshoot.
    """
    weights = []
    for starts, patch, length in zip(
        (windows.tops, windows.lefts), windows.patch, windows.image, strict=True
    ):
        centres = starts + patch / 2
        pixels = np.clip(np.arange(length) + 0.5, centres[0], centres[-1])
        each = np.eye(len(centres))
        if interpolation == "cubic" and len(centres) > 2:
            spline = needed("scipy.interpolate", "interpolation='cubic'").CubicSpline
            weights.append(spline(centres, each, bc_type="natural")(pixels))
        else:
            weights.append(
                np.stack([np.interp(pixels, centres, column) for column in each], axis=1)
            )
    rows, columns = weights
    smooth: ndarray = np.einsum("hr,trq,wq->thw", rows, drops, columns, optimize=True)
    return smooth.astype(np.float32)


def _starts(length: int, patch: int, stride: int) -> Int[ndarray, " p"]:
    count = -(-(length - patch) // stride) + 1
    starts: ndarray = np.minimum(np.arange(count) * stride, length - patch)
    return starts


def _covers(starts: Int[ndarray, " p"], patch: int, length: int) -> Float[ndarray, "p length"]:
    pixels = np.arange(length)
    covered = (pixels >= starts[:, None]) & (pixels < starts[:, None] + patch)
    return covered.astype(np.float64)


def _pixels(name: str, size: PatchSize, image: tuple[int, int]) -> tuple[int, int]:
    """Turn pixels or shares into whole pixels, for height and width."""
    pair = size if isinstance(size, tuple) else (size, size)
    pixels = []
    for value, length in zip(pair, image, strict=True):
        if isinstance(value, float) and 0 < value < 1:
            pixels.append(max(1, round(value * length)))
        elif isinstance(value, int | np.integer) and value > 0:
            pixels.append(int(value))
        else:
            raise OptionError(
                f"{name} {value!r} is not a size. Give whole pixels (1 or more), a share of the "
                "input between 0 and 1, or one of them for each of height and width."
            )
    return pixels[0], pixels[1]


BATCH_MEMORY = 512 * 2**20
"""Bytes that a batch may use in the network, by the rule of `default_batch_size`."""


def occlusion_copies(
    shape: tuple[int, ...],
    *,
    patch: PatchSize | list[int | float] | None = None,
    stride: PatchSize | None = None,
) -> int:
    """Return the number of copies of an image (h, w, c) in a sweep, with the clean one."""
    sizes = patch if isinstance(patch, list) else [patch]
    counts = [place_windows((shape[0], shape[1]), size, stride).shape for size in sizes]
    return sum(1 + rows * columns for rows, columns in counts)


def default_batch_size(shape: tuple[int, ...]) -> int:
    """Choose how many copies (h, w, c) to run at a time, 1 to 256.

    A network is assumed to need 48 times a copy's bytes: two layers of 64 channels at full size, as
    in VGG, need 43 times, and no common network needs more.
    """
    return max(1, min(256, BATCH_MEMORY // (48 * 4 * int(np.prod(np.array(shape))))))
