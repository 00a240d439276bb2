"""Fill pixels from their neighbours, as ROAD removes them.

Axes: h row, w column, c channel.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seewhy.errors import OptionError, needed
from seewhy.maps import resize_map

NEIGHBOURS = tuple(
    ((dy, dx), 1 / 6 if 0 in (dy, dx) else 1 / 12)
    for dy in (-1, 0, 1)
    for dx in (-1, 0, 1)
    if (dy, dx) != (0, 0)
)
"""The eight neighbours of a pixel, with ROAD's weights."""

SMOOTHING_STEPS = 4
"""Steps of smoothing after a solution in blocks."""


def impute(
    image: Float[ndarray, "h w c"],
    gone: Bool[ndarray, "_h _w"],
    *,
    noise: float = 0.0,
    blocks: int = 1,
    generator: np.random.Generator | None = None,
) -> Float[ndarray, "h w c"]:
    """Fill pixels from their neighbours, so that no trace of the mask remains (ROAD).

        x[i] = sum over the neighbours j of w[j] · x[j] (+ noise),   for every removed pixel i

    with w = 1/6 for the four direct neighbours and 1/12 for the diagonal ones, divided by the sum
    of those that exist at an edge: one sparse linear system for all removed pixels.

    Args:
        image: one image, in the network's own input range.
        gone: the pixels to fill; if all are gone, the image's mean fills them.
        noise: standard deviation of what is added to the filled pixels, as a share of the
            image's own standard deviation. The paper adds 0.1 to images of about unit variance.
        blocks: 1 solves the system exactly. With 2, it is solved for blocks of 2 × 2 pixels, and
            the pixels follow by a few steps of the mean over their neighbours: several times as
            fast, and 2 % of the standard deviation of a photo away in the mean.
        generator: the source of the noise; by default one seeded with 0.

    Raises:
        OptionError: `gone` has another size.

    Source:
        Rong et al., *A Consistent and Efficient Evaluation Strategy for Attribution Methods*,
        ICML 2022, section 4.2 (arXiv:2202.00449).
    """
    height, width, channels = image.shape
    if gone.shape != (height, width):
        raise OptionError(
            f"The image has {height} × {width} pixels and the mask {gone.shape[0]} × "
            f"{gone.shape[1]}. Give a mask of the image's size."
        )
    if gone.all():
        mean = image.mean(axis=(0, 1), dtype=np.float64)
        filled = np.broadcast_to(mean, image.shape).copy()
    elif blocks > 1:
        filled = _solve_in_blocks(image, gone, blocks)
    else:
        filled = _solve(image.astype(np.float64), gone)
    if noise and gone.any():
        random = np.random.default_rng(0) if generator is None else generator
        filled[gone] += random.normal(0, noise * image.std(), (int(gone.sum()), channels))
    return filled.astype(np.float32)


def _solve(image: Float[ndarray, "h w c"], gone: Bool[ndarray, "_h _w"]) -> ndarray:
    """Solve ROAD's system exactly."""
    splu = needed("scipy.sparse.linalg", "An evaluation").splu

    inside = gone.ravel()
    if not inside.any():
        return image
    filled = image.reshape(-1, image.shape[2]).copy()
    rows = _system(*gone.shape)[inside]
    factors = splu(
        rows[:, inside].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    filled[inside] = factors.solve(-(rows[:, ~inside] @ filled[~inside]))
    return filled.reshape(image.shape)


@cache
def _system(height: int, width: int) -> Any:
    """Return ROAD's system for all pixels of a grid, row by row, as a sparse matrix.

    A row is a pixel's sum of weights times the pixel, minus its weighted neighbours. So, in place
    of a weighted mean, the system is symmetric, and its factors are several times smaller.
    """
    sparse = needed("scipy.sparse", "An evaluation")
    grid = np.arange(height * width).reshape(height, width)
    ones, others, weights = [], [], []
    for (dy, dx), weight in NEIGHBOURS:
        rows, columns = (
            slice(max(dy, 0), height + min(dy, 0)),
            slice(max(dx, 0), width + min(dx, 0)),
        )
        ones.append(grid[rows, columns].ravel())
        others.append(np.roll(grid, (dy, dx), axis=(0, 1))[rows, columns].ravel())
        weights.append(np.full(ones[-1].size, weight))
    places = np.concatenate(ones), np.concatenate(others)
    around = sparse.csr_matrix((np.concatenate(weights), places), shape=(grid.size, grid.size))
    return (sparse.diags(np.asarray(around.sum(axis=1)).ravel()) - around).tocsr()


def _solve_in_blocks(
    image: Float[ndarray, "h w c"], gone: Bool[ndarray, "_h _w"], blocks: int
) -> ndarray:
    """Solve ROAD's system for blocks of pixels, then smooth the pixels themselves."""
    height, width, _ = image.shape
    cells = -(-height // blocks), -(-width // blocks)
    edges = ((0, cells[0] * blocks - height), (0, cells[1] * blocks - width))
    there = np.pad(~gone, edges)
    known = np.pad(image.astype(np.float64), (*edges, (0, 0))) * there[..., None]
    shape = (cells[0], blocks, cells[1], blocks)
    counts = there.reshape(shape).sum(axis=(1, 3))
    sums = known.reshape(*shape, -1).sum(axis=(1, 3))
    coarse = _solve(sums / np.maximum(counts, 1)[..., None], counts == 0)
    grown = resize_map(np.moveaxis(coarse, -1, 0), (cells[0] * blocks, cells[1] * blocks))
    filled = np.where(gone[..., None], np.moveaxis(grown, 0, -1)[:height, :width], image)
    filled = filled.astype(np.float32)
    total = _neighbour_sums(np.ones((height, width, 1), np.float32))
    keep = ~gone[..., None]
    for _ in range(SMOOTHING_STEPS):
        around = _neighbour_sums(filled) / total
        np.copyto(around, filled, where=keep)
        filled = around
    return filled.astype(np.float64)


def _neighbour_sums(image: Float[ndarray, "h w c"]) -> Float[ndarray, "h w c"]:
    """Return the weighted sum of each pixel's neighbours that exist.

    The weights are those of a binomial filter, [1 2 1] along both axes, without its middle, by 12.
    """
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    along = padded[:-2] + padded[2:]
    along += 2 * padded[1:-1]
    sums: ndarray = along[:, :-2] + along[:, 2:]
    sums += 2 * along[:, 1:-1]
    sums -= 4 * image
    sums /= 12
    return sums
