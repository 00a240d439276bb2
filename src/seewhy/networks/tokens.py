"""Fold a transformer's tokens back to rows and columns.

Axes: n image, t target, s token, h row, w column, c channel. Where the grid and the first patch
token are found is the adapter's business; nothing here guesses them.
"""

from __future__ import annotations

from jaxtyping import Float
from numpy import ndarray


def fold_tokens(
    tokens: Float[ndarray, "*n s c"], *, grid: tuple[int, int], prefix: int
) -> Float[ndarray, "*n h w c"]:
    """Lay patch tokens out as the map that they are, row by row.

        A[h, w] = tokens[prefix + h · columns + w]

    Class and register tokens have no place in the photo and are left out.

    Args:
        tokens: a layer's output, or its gradient.
        grid: rows and columns of patches.
        prefix: how many tokens stand before the first patch.

    Returns:
        The map; tokens after the last patch are left out too.

    Raises:
        ValueError: there are fewer tokens than patches.
    """
    rows, columns = grid
    if tokens.shape[-2] < prefix + rows * columns:
        raise ValueError(
            f"{tokens.shape[-2]} tokens were given for {rows}×{columns} patches after {prefix} "
            "other tokens. Give the grid of this size of photo"
        )
    patches = tokens[..., prefix : prefix + rows * columns, :]
    return patches.reshape(*tokens.shape[:-2], rows, columns, tokens.shape[-1])


def unfold_tokens(
    folded: Float[ndarray, "m h w c"], tokens: Float[ndarray, "1 s c"], *, prefix: int
) -> Float[ndarray, "m s c"]:
    """Put maps in the place of the patch tokens, m times; all other tokens stay as they are."""
    count = folded.shape[1] * folded.shape[2]
    whole = tokens.repeat(len(folded), axis=0)
    whole[:, prefix : prefix + count] = folded.reshape(len(folded), count, -1)
    return whole
