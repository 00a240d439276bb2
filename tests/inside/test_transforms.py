"""Shifts, scales and turns: exact where they can be, adjoint always."""

from __future__ import annotations

import numpy as np

from seewhy.inside.transforms import SHIFT_ANYWHERE, apply, random_transform, sampling_matrix

TURN = np.eye(2)


def test_the_way_back_is_the_adjoint_of_the_way_forward() -> None:
    generator = np.random.default_rng(0)
    images, gradients = generator.normal(size=(2, 3, 7, 9, 2))
    matrix = random_transform((7, 9), generator, shift=SHIFT_ANYWHERE)
    forward = (apply(matrix, images) * gradients).sum()
    back = (images * apply(matrix.T, gradients)).sum()
    np.testing.assert_allclose(forward, back, rtol=1e-12)


def test_no_shift_and_no_turn_is_the_image_itself() -> None:
    images = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    np.testing.assert_allclose(apply(sampling_matrix((5, 6), TURN, np.zeros(2)), images), images)


def test_a_whole_shift_goes_around_the_edges() -> None:
    images = np.random.default_rng(0).normal(size=(1, 5, 6, 3))
    matrix = sampling_matrix((5, 6), TURN, np.array([2.0, -1.0]))
    np.testing.assert_allclose(apply(matrix, images), np.roll(images, (-2, 1), axis=(1, 2)))


def test_half_a_shift_is_the_mean_of_two_rows() -> None:
    images = np.random.default_rng(0).normal(size=(1, 4, 3, 1))
    matrix = sampling_matrix((4, 3), TURN, np.array([0.5, 0.0]))
    expected = (images + np.roll(images, -1, axis=1)) / 2
    np.testing.assert_allclose(apply(matrix, images), expected)


def test_a_quarter_turn_turns_about_the_middle() -> None:
    images = np.random.default_rng(0).normal(size=(1, 5, 5, 1))
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    found = apply(sampling_matrix((5, 5), quarter, np.zeros(2)), images)
    np.testing.assert_allclose(found, np.rot90(images, -1, axes=(1, 2)), atol=1e-12)


def test_every_read_pixel_is_a_mean_of_pixels() -> None:
    matrix = random_transform((6, 7), np.random.default_rng(3), shift=SHIFT_ANYWHERE)
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)), 1.0)
    assert matrix.min() >= 0
