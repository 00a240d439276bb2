"""Batches follow from seed, epoch and number."""

from __future__ import annotations

import numpy as np

from seewhy.training.augmentation import Augmentation
from seewhy.training.batches import (
    batch_order,
    ordered_batches,
    steps_per_epoch,
    training_batches,
)

PHOTOS = np.arange(10 * 4 * 5 * 3, dtype=np.uint16).astype(np.uint8).reshape(10, 4, 5, 3)
TARGETS = np.eye(10, dtype=np.float32)
WEIGHTS = np.linspace(1, 2, 10, dtype=np.float32)


def all_batches(epochs: range, *, seed: int = 0) -> list[tuple[np.ndarray, ...]]:
    batches = training_batches(
        PHOTOS,
        TARGETS,
        np.arange(1, 10),
        WEIGHTS,
        batch_size=4,
        seed=seed,
        epochs=epochs,
        augmentation=Augmentation(crop=(3, 2)),
    )
    return [batches[number] for number in range(len(batches))]


def test_every_epoch_sees_every_photo_at_most_once_in_another_order() -> None:
    first, second = (
        np.concatenate([targets for _, targets, _ in all_batches(range(epoch, epoch + 1))])
        for epoch in (0, 1)
    )
    assert (len(first), steps_per_epoch(9, 4)) == (8, 2)
    assert first.sum(axis=0).max() == 1
    assert first[:, 0].sum() == 0
    assert (first != second).any()


def test_a_run_that_goes_on_sees_the_batches_that_it_would_have_seen() -> None:
    whole, rest = all_batches(range(3)), all_batches(range(1, 3))
    for expected, found in zip(whole[2:], rest, strict=True):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_and_photos_stay_with_their_targets() -> None:
    for photos, targets, weights in all_batches(range(1)):
        chosen = targets.argmax(axis=1)
        np.testing.assert_array_equal(weights, WEIGHTS[chosen])
        for photo, index in zip(photos, chosen, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(PHOTOS[index], (3, 2, 3))
            assert (windows == photo).all(axis=(-3, -2, -1)).any()


def test_held_out_photos_come_in_their_order_to_the_last() -> None:
    batches = ordered_batches(PHOTOS, TARGETS, np.array([3, 1, 2]), batch_size=2)
    assert [batches[number][1].argmax(axis=1).tolist() for number in range(len(batches))] == [
        [3, 1],
        [2],
    ]


def test_the_order_is_a_permutation_of_the_seeds_own() -> None:
    order = batch_order(50, seed=1, epoch=2)
    assert sorted(order) == list(range(50))
    assert (order != batch_order(50, seed=2, epoch=2)).any()


def test_batches_have_the_size_that_is_asked_for() -> None:
    batches = training_batches(
        PHOTOS,
        TARGETS,
        np.arange(10),
        WEIGHTS,
        batch_size=4,
        seed=0,
        epochs=range(1),
        augmentation=Augmentation(size=(2, 3)),
    )
    held = ordered_batches(PHOTOS, TARGETS, np.arange(10), batch_size=4, size=(3, 2))
    assert batches[0][0].shape == (4, 2, 3, 3)
    assert [len(held[number][0]) for number in range(3)] == [4, 4, 2]
    assert held[0][0].shape == (4, 3, 2, 3)
