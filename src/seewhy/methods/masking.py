"""Masking: how the score changes when parts of the photo, or of a layer, are masked.

Axes: t target (class), m copy, h row, w column, c colour channel of the image; p row, q column,
k channel of the explained layer.
All functions probe one image for t targets at once: every copy runs once for all targets.
Memory: `batch_size` copies (of the image, or of the layer's activations) and as many masks; it does
not grow with the number of channels or masks.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.maps import resize_map
from seewhy.methods.base import ProbeResult, Score
from seewhy.methods.precision import as_float32, at_least_one, quotient
from seewhy.progress import Progress, no_progress

BATCH_SIZE = 32
"""Copies at a time unless given."""

KERNEL = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
"""ReciproCAM's Gaussian: what of each neighbour is seen with a cell."""


def score_cam(
    image: Float[ndarray, "h w c"],
    score: Score,
    activations: Float[ndarray, "p q k"],
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Weigh each channel by the score of the image seen through it (Score-CAM).

        H[k]       = s(Up(A[k])), upsampled to the image, then scaled to 0..1:
                     s(A) = (A − min A) / (max A − min A)
        C[t, k]    = f_t(X ∘ H[k]) − f_t(X_b)
        α[t, k]    = exp(C[t, k]) / (sum over k of exp(C[t, k]))
        L[t, i, j] = relu(sum over k of α[t, k] · A[i, j, k])

    The baseline's score f(X_b) is the same for every channel and cancels in the softmax, so it is
    not computed. A channel that is constant over the map has no mask (s divides by 0): it is left
    out, also of the softmax, as in the authors' code.

    Args:
        image: X, one image in the network's own input range; masked pixels go towards 0.
        score: the explained values of m copies of the image.
        activations: A, of the explained layer.
        batch_size: masked copies at a time.
        progress: called with (done, total) channels after every batch.

    Returns:
        `maps`, not negative, at the layer's resolution, in the units of the activations. `extras`:
        'weights' (t, k), α.

    Source:
        Wang et al., *Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
        Networks*, CVPR workshop 2020, algorithm 1 (arXiv:1910.01279). The authors' code instead
        weighs by the probability f(X ∘ H[k]), without softmax over the channels.
    """
    channels = activations.shape[-1]
    at_once = at_least_one("batch_size", batch_size)
    increases: dict[int, ndarray] = {}
    for start in range(0, channels, at_once):
        stop = min(start + at_once, channels)
        masks, varied = _channel_masks(activations[..., start:stop], image.shape[:2])
        if varied.size:
            scores = score(image * masks[..., None])
            increases.update(zip((start + varied).tolist(), scores, strict=True))
        progress(stop, channels)
    targets = len(next(iter(increases.values()))) if increases else score(image[None]).shape[1]
    weights = np.zeros((targets, channels))
    if increases:
        weights[:, list(increases)] = _softmax(np.stack(list(increases.values()), axis=1))
    return _weighed_channels(activations, weights)


def ablation_cam(
    activations: Float[ndarray, "p q k"],
    downstream: Score,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Weigh each channel by what the score loses without it (Ablation-CAM).

        w[t, k]    = (y_t − y_t[k]) / |y_t|, with y_t[k] the score when channel k is set to 0
        L[t, i, j] = relu(sum over k of w[t, k] · A[i, j, k])

    A channel that is 0 everywhere changes nothing, and is skipped. If the score itself is exactly
    0, the formula is undefined, and the map is 0.

    Args:
        activations: A, of the explained layer, for one image.
        downstream: the explained values of m versions of the layer's activations.
        batch_size: versions at a time.
        progress: called with (done, total) versions after every batch.

    Returns:
        `maps`, not negative, in the units of the activations. `extras`: 'weights' (t, k), w.

    Source:
        Desai and Ramaswamy, *Ablation-CAM: Visual Explanations for Deep Convolutional Network via
        Gradient-free Localization*, WACV 2020, section 3.

    Differs from the paper:
        It divides by y, and explains predicted classes, where y is positive. Here the divisor is
        |y|, which is equal there; a negative y would invert the map of an unlikely class.
    """
    alive = np.flatnonzero(np.any(activations != 0, axis=(0, 1)))
    at_once = at_least_one("batch_size", batch_size)
    total = len(alive) + 1
    answers: list[ndarray] = []
    for start in range(0, total, at_once):
        stop = min(start + at_once, total)
        copies = np.repeat(activations[None], stop - start, axis=0)
        for row, version in enumerate(range(start, stop)):
            if version > 0:  # version 0 is the layer as it is
                copies[row, :, :, alive[version - 1]] = 0
        answers.append(downstream(copies))
        progress(stop, total)
    scores = np.concatenate(answers).astype(np.float64)
    weights = np.zeros((scores.shape[1], activations.shape[-1]))
    weights[:, alive] = quotient(scores[0] - scores[1:], np.abs(scores[0])).T
    return _weighed_channels(activations, weights)


def recipro_cam(
    activations: Float[ndarray, "p q k"],
    downstream: Score,
    *,
    gaussian: bool = True,
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Ask the rest of the network for the score of each place of the layer by itself (ReciproCAM).

        F[i, j]    = A ⊙ M[i, j], with M[i, j] a 3 × 3 Gaussian kernel around the cell (i, j):
                     1/4 there, 1/8 beside it, 1/16 at its corners, 0 elsewhere
        L[t, i, j] = f_t(F[i, j]), the score of what follows the layer

    Without the kernel, M[i, j] is 1 in the cell itself: after global average pooling and one
    linear map with weights w and bias b, L is then CAM over the area, plus b.

    Args:
        activations: A, of the explained layer, for one image.
        downstream: the explained values of m versions of the layer's activations.
        gaussian: whether neighbours are seen too, less and less.
        batch_size: versions at a time.
        progress: called with (done, total) versions after every batch.

    Returns:
        `maps`, of either sign, at the layer's resolution. Their offset, the score of a layer that
        is almost empty, means nothing; pictures show them from their minimum, as the paper does.

    Source:
        Byun and Lee, *ReciproCAM: Lightweight Gradient-free Class Activation Map for Post-hoc
        Explanations*, CVPR workshop 2024, section 3 (arXiv:2209.14074).

    Differs from the paper:
        It explains the probability: that is `output="probability"` here. It scales the map to 0
        to 1, which is left to pictures.
    """
    height, width = activations.shape[:2]
    at_once = at_least_one("batch_size", batch_size)
    kernel = KERNEL if gaussian else np.ones((1, 1), np.float32)
    reach = len(kernel) // 2
    answers: list[ndarray] = []
    for start in range(0, height * width, at_once):
        stop = min(start + at_once, height * width)
        masks = np.zeros((stop - start, height + 2 * reach, width + 2 * reach), np.float32)
        for mask, cell in zip(masks, range(start, stop), strict=True):
            i, j = divmod(cell, width)
            mask[i : i + len(kernel), j : j + len(kernel)] = kernel
        inner = masks[:, reach : reach + height, reach : reach + width]
        answers.append(downstream(activations * inner[..., None]))
        progress(stop, height * width)
    scores = np.concatenate(answers)
    return ProbeResult(maps=as_float32(scores.T.reshape(-1, height, width)))


def vit_cx(
    image: Float[ndarray, "h w c"],
    score: Score,
    activations: Float[ndarray, "p q k"],
    *,
    distance: float = 0.1,
    noise: float = 0.1,
    batch_size: int = BATCH_SIZE,
    generator: np.random.Generator | None = None,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Weigh groups of similar channels by the score of the image seen through them (ViT-CX).

        M_1 ... M_K: the channels of the layer, each scaled to 0..1; clustered, complete linkage,
                     while all of a cluster are within `distance` = 1 − cosine; summed by cluster,
                     upsampled to the image and scaled to 0..1
        Z_m        ~ N(0, noise²) in each value of the image
        w_m[t]     = f_t(X ⊙ M_m + Z_m ⊙ (1 − M_m)) − f_t(X + Z_m ⊙ (1 − M_m)) + f_t(X)
        S[t, i, j] = 1 / K · sum over m of w_m[t] · M_m[i, j] / sum over m of M_m[i, j]

    The second term is what the noise does by itself, where the mask hides nothing.

    Args:
        image: X, one image in the network's own input range.
        score: the explained values of m copies. The paper explains the probability.
        activations: of the explained layer: the paper takes the patches of the last block, after
            its first normalization.
        distance: the largest between two channels of a cluster; the paper takes 0.1.
        noise: standard deviation, in the network's own input range; the paper takes 0.1.
        batch_size: copies at a time; the result does not depend on it.
        generator: the source of the noise; by default one seeded with 0.
        progress: called with (done, total) copies after every batch.

    Returns:
        `maps`, in the units of the score, at the image's size; 0 where no mask shows the image.
        Their offset means little, as every mask has the score of the whole image in its weight;
        pictures show them from their minimum. `extras`: 'clusters' (t), K.

    Raises:
        OptionError: the batch is below 1.

    Source:
        Xie et al., *ViT-CX: Causal Explanation of Vision Transformers*, IJCAI 2023, section 4
        (arXiv:2211.03064).

    Differs from the paper:
        Channels are scaled and compared at the layer's own resolution, before they are upsampled;
        those that are constant have no mask, and are left out.
    """
    at_once = at_least_one("batch_size", batch_size)
    generator = generator or np.random.default_rng(0)
    whole = score(image[None])[0].astype(np.float64)
    summed = _clustered(activations, distance)
    masks, _ = _channel_masks(summed, image.shape[:2])
    total = 2 * len(masks) + 1
    progress(1, total)
    added = np.zeros((len(whole), *image.shape[:2]))
    half = max(at_once // 2, 1)
    for start in range(0, len(masks), half):
        some = masks[start : start + half, :, :, None]
        drawn = generator.normal(scale=noise, size=(len(some), *image.shape)) * (1 - some)
        hidden, noisy = image * some + drawn, image + drawn
        scores = score(np.concatenate([hidden, noisy]).astype(np.float32)).astype(np.float64)
        weights = scores[: len(some)] - scores[len(some) :] + whole
        added += np.tensordot(weights, some[..., 0], axes=(0, 0))
        progress(min(2 * (start + half) + 1, total), total)
    covered = masks.sum(axis=0, dtype=np.float64)
    maps = quotient(added, np.broadcast_to(covered * len(masks), added.shape))
    return ProbeResult(as_float32(maps), {"clusters": np.full(len(whole), len(masks))})


def _clustered(
    activations: Float[ndarray, "p q k"], distance: float
) -> Float[ndarray, "p q _clusters"]:
    """Scale channels to 0..1, cluster them by cosine and complete linkage; return the sums."""
    channels, _ = _channel_masks(activations, activations.shape[:2])
    if not len(channels):
        return activations[..., :0]
    rows = channels.reshape(len(channels), -1).astype(np.float64)
    lengths = np.sqrt((rows**2).sum(axis=1))
    apart = 1 - (rows @ rows.T) / np.outer(lengths, lengths)
    np.fill_diagonal(apart, np.inf)
    members = {number: [number] for number in range(len(rows))}
    nearest = apart.min(axis=1)
    while len(members) > 1 and nearest.min() <= distance:
        one = int(nearest.argmin())
        other = int(apart[one].argmin())
        members[one] += members.pop(other)
        apart[one] = apart[:, one] = np.maximum(apart[one], apart[other])
        apart[other] = apart[:, other] = np.inf
        nearest = apart.min(axis=1)
    return np.stack([channels[group].sum(axis=0) for group in members.values()], axis=-1)


def rise(
    image: Float[ndarray, "h w c"],
    score: Score,
    *,
    masks: int = 4000,
    grid: int = 7,
    probability: float | int = 0.5,
    batch_size: int = BATCH_SIZE,
    generator: np.random.Generator | None = None,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Average random masks, each weighed by the score of what it leaves visible (RISE).

        M_1 ... M_N: grid × grid cells, each 1 with the probability p, else 0; upsampled linearly
                     to (grid + 1) cells' height and width, and cut to the image at random
        S[t, i, j] = 1 / (p · N) · sum over m of f_t(I ∘ M_m) · M_m[i, j]

    A cell is ⌈h / grid⌉ × ⌈w / grid⌉ pixels, the cut starts within the first cell.

    Args:
        image: I, one image in the network's own input range; masked pixels go towards 0.
        score: the explained values of m copies. The paper explains the probability.
        masks: N; the paper takes 4000 for VGG16 and 8000 for ResNet50.
        grid: cells to each side; the paper takes 7.
        probability: p; the paper takes 0.5.
        batch_size: masks and masked copies at a time; the result does not depend on it.
        generator: the source of the masks; by default one seeded with 0.
        progress: called with (done, total) masks after every batch.

    Returns:
        `maps`, in the units of the score, at the image's size: the expected score given that the
        pixel is visible. They contain an offset, the mean score, which means nothing.

    Raises:
        OptionError: `masks` or `grid` is below 1, or `probability` is not between 0 and 1.

    Source:
        Petsiuk et al., *RISE: Randomized Input Sampling for Explanation of Black-box Models*, BMVC
        2018, equation 6 and section 3.2 (arXiv:1806.07421).

    Differs from the paper:
        Its cells have ⌊h / grid⌋ pixels, so that the masks can be smaller than the image; here
        they are rounded up, as in the authors' code.
    """
    total = at_least_one("masks", masks)
    at_once = at_least_one("batch_size", batch_size)
    grid = at_least_one("grid", grid)
    if not 0 < probability < 1:
        raise OptionError(f"probability={probability} is not between 0 and 1. Give 0.5, say.")
    generator = generator or np.random.default_rng(0)
    added: ndarray | None = None
    for start in range(0, total, at_once):
        stop = min(start + at_once, total)
        drawn = _random_masks(generator, stop - start, image.shape[:2], grid, probability)
        scores = score(image * drawn[..., None]).astype(np.float64)
        part = np.tensordot(scores, drawn, axes=(0, 0))
        added = part if added is None else added + part
        progress(stop, total)
    assert added is not None
    return ProbeResult(as_float32(added / (probability * total)))


def _random_masks(
    generator: np.random.Generator,
    count: int,
    size: tuple[int, int],
    grid: int,
    probability: float,
) -> Float[ndarray, "m h w"]:
    """Draw masks one after the other, so that batches do not matter."""
    height, width = size
    cell = (ceil(height / grid), ceil(width / grid))
    masks = np.empty((count, height, width), np.float32)
    for mask in masks:
        cells = (generator.random((grid, grid)) < probability).astype(np.float32)
        top, left = (int(generator.integers(0, side, endpoint=True)) for side in cell)
        smooth = resize_map(cells, ((grid + 1) * cell[0], (grid + 1) * cell[1]))
        mask[...] = smooth[top : top + height, left : left + width]
    return masks


def _channel_masks(
    activations: Float[ndarray, "p q k"], size: tuple[int, int]
) -> tuple[Float[ndarray, "m h w"], Int[ndarray, " m"]]:
    """Upsample the channels, scale each to 0..1; leave out constant ones, return the indices."""
    layer = np.ascontiguousarray(np.moveaxis(activations, -1, 0))
    masks = resize_map(layer, size).astype(np.float64)
    low = masks.min(axis=(1, 2), keepdims=True)
    span = masks.max(axis=(1, 2), keepdims=True) - low
    varied = np.flatnonzero(span)
    return ((masks[varied] - low[varied]) / span[varied]).astype(np.float32), varied


def _softmax(values: Float[ndarray, "t k"]) -> Float[ndarray, "t k"]:
    powers = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _weighed_channels(
    activations: Float[ndarray, "p q k"], weights: Float[ndarray, "t k"]
) -> ProbeResult:
    """Return relu(sum over k of w[t, k] · A[k]) for each target, and the weights."""
    maps = np.einsum("pqk,tk->tpq", activations, weights, dtype=np.float64)
    return ProbeResult(as_float32(np.maximum(maps, 0)), {"weights": as_float32(weights)})
