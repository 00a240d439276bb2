"""Decoded photos as batches for Keras's training loop, on every backend.

Every batch follows from the seed, the epoch and its number: a run that was interrupted goes on
with the very batches that it would have seen. Axes: n photo, h row, w column.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.training.augmentation import Augmentation, resized


def batch_order(count: int, *, seed: int, epoch: int) -> Int[ndarray, " n"]:
    """Return the order in which an epoch sees its photos."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def training_batches(
    photos: ndarray,
    targets: Float[ndarray, "n k"],
    indices: Int[ndarray, " m"],
    weights: Float[ndarray, " n"],
    *,
    batch_size: int,
    seed: int,
    epochs: range,
    augmentation: Augmentation | None = None,
) -> Any:
    """Return all batches of the coming epochs as one `keras.utils.PyDataset`.

    Args:
        photos: (n, ...) pixels, or features.
        targets: one row per photo, one column per class.
        indices: which of the photos are trained on.
        weights: one per photo.
        batch_size: photos per batch; what is left over at an epoch's end is left out, unless
            there is no full batch.
        seed, epochs: determine the order; `fit` gets `steps_per_epoch`.
        augmentation: what changes in the photos; None: nothing, and they may be features.
    """
    steps = steps_per_epoch(len(indices), batch_size)
    order = functools.lru_cache(maxsize=2)(
        lambda epoch: indices[batch_order(len(indices), seed=seed, epoch=epoch)]
    )

    def batch(number: int) -> tuple[ndarray, ndarray, ndarray]:
        ahead, step = divmod(number, steps)
        epoch = epochs.start + ahead
        chosen = order(epoch)[step * batch_size : (step + 1) * batch_size]
        inputs = photos[chosen], targets[chosen], weights[chosen]
        if augmentation is None:
            return inputs
        return augmentation(*inputs, seed=seed, epoch=epoch, batch=step)

    return _dataset_type()(batch, steps * len(epochs))


def ordered_batches(
    photos: ndarray,
    targets: ndarray,
    indices: Int[ndarray, " m"],
    *,
    batch_size: int,
    size: tuple[int, int] | None = None,
) -> Any:
    """Return the photos of `indices` in their order (resized), as a `keras.utils.PyDataset`."""

    def batch(number: int) -> tuple[ndarray, ndarray]:
        chosen = indices[number * batch_size : (number + 1) * batch_size]
        inputs = photos[chosen] if size is None else resized(photos[chosen], size)
        return inputs, targets[chosen]

    return _dataset_type()(batch, -(-len(indices) // batch_size))


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many batches an epoch has."""
    return max(1, count // batch_size)


@functools.cache
def _dataset_type() -> type:
    from keras.utils import PyDataset

    class Batches(PyDataset):  # type: ignore[misc]
        """Batches by number."""

        def __init__(self, batch: Any, count: int) -> None:
            super().__init__()
            self._batch = batch
            self._count = count

        def __len__(self) -> int:
            return self._count

        def __getitem__(self, index: int) -> Any:
            return self._batch(index)

    return Batches
