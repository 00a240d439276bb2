"""Does the score depend on what is hot? Ranking by cells, and removing them.

Every map is averaged to the same cells first, so that none gains by its resolution. Cells are
replaced by a fill, or from their neighbours as ROAD does (`imputing`).

Axes: h row, w column, c channel, g cells along a side, s step, m copy, t target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.evaluating.imputing import impute
from seewhy.methods.base import Score

CELLS = 14
"""Cells along a side, to which every map is averaged before it is ranked."""

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the cells that ROAD removes."""

COPIES_AT_ONCE = 32
"""Copies of a photo in one batch unless given."""

ORDERS = ("most relevant first", "least relevant first")
"""Which cells are removed first."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order the cells of a map are removed.

    Attributes:
        cells: along each side.
        order: (m) the numbers of the cells, row by row.
    """

    cells: int
    order: Int[ndarray, " m"]

    def first(self, count: int, image: Float[ndarray, "h w c"]) -> Bool[ndarray, "h w"]:
        """Return which pixels of an image are in the first cells."""
        mask = np.zeros(self.cells**2)
        mask[self.order[:count]] = 1
        size = image.shape[:2]
        inside: ndarray = pixels_of_cells(mask.reshape(self.cells, self.cells), size) > 0
        return inside


@dataclass(frozen=True, eq=False)
class Curve:
    """The network's output while cells are removed in the order of a heatmap.

    Attributes:
        shares: (s) share of the cells that are removed, from 0 to 1.
        values: (t, s) the explained values.
    """

    shares: Float[ndarray, " s"]
    values: Float[ndarray, "t s"]

    @property
    def area(self) -> Float[ndarray, " t"]:
        """The area under each curve, by trapezoids: the mean value over the shares."""
        heights = (self.values[:, 1:] + self.values[:, :-1]) / 2
        area: ndarray = heights @ np.diff(self.shares)
        return area


def cell_means(heatmap: Float[ndarray, "h w"], cells: int = CELLS) -> Float[ndarray, "g g"]:
    """Average a map over cells of equal area, exactly: a pixel counts where it lies.

    A coarse map is repeated, a fine one averaged, so that maps of all resolutions are compared
    at one. Orders of single pixels reward maps that are smooth, whatever they show.

    Args:
        heatmap: the raw map; NaN counts as its minimum.
        cells: along each side.

    Raises:
        OptionError: fewer than one cell.
    """
    if cells < 1:
        raise OptionError(f"cells={cells} is not a valid count. Give 1 or more.")
    finite = np.isfinite(heatmap)
    least = heatmap[finite].min() if finite.any() else 0.0
    filled = np.where(finite, heatmap, least).astype(np.float64)
    rows, columns = (_overlaps(length, cells) for length in heatmap.shape)
    means: ndarray = rows @ filled @ columns.T
    return means


def _overlaps(length: int, cells: int) -> Float[ndarray, "g _h"]:
    """Return the share of each cell that each pixel covers, along one axis; rows sum to 1."""
    edges = np.linspace(0, length, cells + 1)
    pixels = np.arange(length)
    low = np.maximum(edges[:-1, None], pixels[None])
    high = np.minimum(edges[1:, None], pixels[None] + 1)
    covered: ndarray = np.maximum(high - low, 0)
    shares: ndarray = covered / covered.sum(axis=1, keepdims=True)
    return shares


def pixels_of_cells(means: Float[ndarray, "g g"], size: tuple[int, int]) -> Float[ndarray, "h w"]:
    """Give every pixel of (height, width) the value of the cell that its centre is in."""
    rows, columns = (
        ((np.arange(length) + 0.5) * cells / length).astype(int)
        for length, cells in zip(size, means.shape, strict=True)
    )
    spread: ndarray = means[np.ix_(rows, columns)]
    return spread


def rank_cells(
    heatmap: Float[ndarray, "_h _w"],
    order: str,
    *,
    cells: int = CELLS,
    generator: np.random.Generator | None = None,
) -> Ranking:
    """Return in which order the cells of a map are removed.

    Args:
        heatmap: the raw map, at any resolution.
        order: one of `ORDERS`.
        cells: along each side.
        generator: breaks ties; by default one seeded with 0.

    Raises:
        OptionError: the order is not valid.
    """
    if order not in ORDERS:
        raise OptionError(
            f"{order!r} is not a valid order. Choose 'most relevant first' or "
            "'least relevant first'."
        )
    random = np.random.default_rng(0) if generator is None else generator
    means = cell_means(heatmap, cells).ravel()
    sign = -1 if order == "most relevant first" else 1
    return Ranking(cells, np.lexsort((random.random(len(means)), sign * means)))


def removal_curve(
    image: Float[ndarray, "h w c"],
    ranking: Ranking,
    score: Score,
    *,
    filled: Float[ndarray, "h w c"],
    steps: int = CELLS,
    ends: Float[ndarray, "t 2"] | None = None,
    batch_size: int = COPIES_AT_ONCE,
) -> Curve:
    """Replace the most (or least) relevant cells by a fill, and record how the score changes.

    Most relevant first is deletion: a low area is good. Least relevant first is insertion run
    backwards: the hottest cells are the last that are left, and a high area is good. What is hot
    for the network is where both say so, with every fill.

    Args:
        image: one image, in the network's own input range.
        ranking: of the map's cells, by `rank_cells`.
        score: the explained values of m copies.
        filled: what replaces the cells.
        steps: the number of equal steps.
        ends: the values of the image and of `filled`, where they are known.
        batch_size: copies at a time.

    Raises:
        OptionError: `steps` is below 1.

    Source:
        Petsiuk et al., *RISE*, BMVC 2018, section 4.1 (arXiv:1806.07421); both orders: Samek et
        al., *Evaluating the Visualization of What a Deep Neural Network Has Learned*, IEEE TNNLS
        2017, section IV (arXiv:1509.06321). Differs from the papers: cells in place of pixels, so
        that no map gains by being smooth.
    """
    if steps < 1:
        raise OptionError(f"steps={steps} changes nothing. Give 1 or more.")
    whole = len(ranking.order)
    counts = np.round(np.linspace(0, whole, steps + 1)).astype(np.int64)
    inner = (counts if ends is None else counts[1:-1]).tolist()
    values = []
    for start in range(0, len(inner), batch_size):
        gone = [ranking.first(count, image) for count in inner[start : start + batch_size]]
        copies = np.where(np.stack(gone)[..., None], filled, image).astype(np.float32)
        values.append(np.asarray(score(copies), np.float64))
    if ends is not None:
        values = [ends[:, :1].T, *values, ends[:, 1:].T]
    return Curve(shares=counts / whole, values=np.concatenate(values).T)


def road(
    image: Float[ndarray, "h w c"],
    ranking: Ranking,
    score: Score,
    *,
    shares: Sequence[float] = SHARES,
    noise: float = 0.1,
    blocks: int = 1,
    generator: np.random.Generator | None = None,
) -> Float[ndarray, "t s"]:
    """Remove the most (or least) relevant cells by imputation, and return the scores (ROAD).

    Args:
        image: one image, in the network's own input range.
        ranking: of the map's cells, by `rank_cells`.
        score: the explained values of m copies; the paper's is the accuracy, here the probability.
        shares: of the removed cells, in increasing order.
        noise, blocks: see `impute`.
        generator: draws the noise; by default one seeded with 0.

    Returns:
        (t, s) the values for every target and share. Without the most relevant cells a low value
        is good, without the least relevant ones a high value.

    Raises:
        OptionError: a share is outside 0..1.

    Source:
        Rong et al., ICML 2022, section 4 (arXiv:2202.00449). Differs from the paper: cells in
        place of pixels, so that no map gains by being smooth.
    """
    if not all(0 <= share <= 1 for share in shares):
        raise OptionError(f"shares={tuple(shares)} are outside 0 to 1.")
    random = np.random.default_rng(0) if generator is None else generator
    copies = []
    for share in shares:
        gone = ranking.first(round(share * len(ranking.order)), image)
        copies.append(impute(image, gone, noise=noise, blocks=blocks, generator=random))
    values: ndarray = np.asarray(score(np.stack(copies)), np.float64).T
    return values
