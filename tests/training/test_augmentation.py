"""Augmentation of a batch, against hand-made photos and loops."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import OptionError
from seewhy.training.augmentation import (
    Augmentation,
    cutmix,
    random_colours,
    random_crops,
    random_jpeg,
    random_sharpness,
    random_windows,
    resized,
)
from seewhy.training.recipe import Recipe


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_windows_lie_anywhere_in_the_photo() -> None:
    photos = np.zeros((500, 3, 4, 3), np.uint8)
    photos[..., 0] = np.arange(12).reshape(3, 4)
    corners = random_crops(photos, (2, 2), generator=generator())[:, 0, 0, 0]
    values, counts = np.unique(corners, return_counts=True)
    np.testing.assert_array_equal(values, [0, 1, 2, 4, 5, 6])
    assert counts.min() > 50


def test_photos_shrink_by_averaging() -> None:
    halves = np.zeros((1, 8, 8, 3), np.uint8)
    halves[:, ::2] = 200
    assert resized(halves, (4, 2)).shape == (1, 4, 2, 3)
    np.testing.assert_array_equal(resized(halves, (4, 4))[0, 1:-1], 100)
    assert resized(halves, (8, 8)) is halves
    assert resized(halves, None) is halves


def test_windows_of_random_size_cover_at_least_their_share_and_stay_in_the_photo() -> None:
    ramp = np.zeros((400, 64, 64, 3), np.uint8)
    ramp[..., 0] = np.arange(64)[:, None] * 4
    ramp[..., 1] = np.arange(64) * 4
    windows = random_windows(ramp, (32, 32), smallest=0.25, generator=generator())
    assert windows.shape == (400, 32, 32, 3)
    # A ramp's range, stretched from the centres of the outer pixels, is the window's side.
    range_of = windows.astype(float)
    rows = (range_of[:, -1, 16, 0] - range_of[:, 0, 16, 0]) / 4 * 32 / 31 / 64
    columns = (range_of[:, 16, -1, 1] - range_of[:, 16, 0, 1]) / 4 * 32 / 31 / 64
    area, aspect = rows * columns, columns / rows
    assert 0.2 < area.min() < 0.32
    assert 0.9 < area.max() <= 1.05
    assert 0.7 < aspect.min() < 0.85
    assert 1.2 < aspect.max() < 1.45
    assert windows[..., :2].max() <= 63 * 4


def test_colours_change_by_the_formula_and_grey_keeps_no_saturation() -> None:
    photos = generator(1).integers(40, 200, (3, 4, 4, 3)).astype(np.uint8)
    changed = random_colours(photos, 0.2, generator=generator(2))
    b, c, s = generator(2).uniform(0.8, 1.2, (3, 3, 1, 1, 1))[..., 0, 0, 0]
    for n in range(3):
        values = photos[n] * b[n]
        mean = np.dot(values, (0.299, 0.587, 0.114)).mean()
        values = mean + c[n] * (values - mean)
        grey = np.dot(values, (0.299, 0.587, 0.114))[..., None]
        np.testing.assert_allclose(changed[n], (grey + s[n] * (values - grey)).clip(0, 255), atol=1)
    np.testing.assert_array_equal(random_colours(photos, 0.0, generator=generator(2)), photos)


def test_sharpness_follows_the_formula_and_leaves_flat_photos_alone() -> None:
    photos = generator(1).integers(0, 255, (3, 5, 6, 3)).astype(np.uint8)
    changed = random_sharpness(photos, 0.8, generator=generator(2))
    strength = generator(2).uniform(-0.8, 0.8, (3, 1, 1, 1)).ravel()
    for n, row, column in [(0, 2, 3), (1, 0, 0), (2, 4, 5)]:
        rows, columns = (
            np.clip(row + np.arange(-1, 2), 0, 4),
            np.clip(column + np.arange(-1, 2), 0, 5),
        )
        around = photos[n][rows][:, columns].astype(float)
        blurred = np.einsum("y,x,yxc->c", [0.25, 0.5, 0.25], [0.25, 0.5, 0.25], around)
        pixel = photos[n, row, column].astype(float)
        expected = (pixel + strength[n] * (pixel - blurred)).clip(0, 255)
        np.testing.assert_allclose(changed[n, row, column], expected, atol=0.51)
    flat = np.full((2, 4, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(random_sharpness(flat, 1.0, generator=generator(3)), flat)


def test_jpeg_is_stored_by_chance_in_every_quality_and_resolution_of_colour() -> None:
    photos = generator(1).integers(0, 255, (60, 16, 16, 3)).astype(np.uint8)
    given = photos.copy()
    changed = random_jpeg(photos, probability=0.5, generator=generator(2))
    np.testing.assert_array_equal(photos, given)
    draws = generator(2)
    chosen = draws.random(60) < 0.5
    qualities, kinds = draws.integers(25, 101, 60), draws.integers(0, 3, 60)
    np.testing.assert_array_equal((changed != photos).any(axis=(1, 2, 3)), chosen)
    assert set(kinds[chosen]) == {0, 1, 2}
    for index in np.flatnonzero(chosen)[:6]:
        file = io.BytesIO()
        Image.fromarray(photos[index]).save(
            file, "JPEG", quality=int(qualities[index]), subsampling=int(kinds[index])
        )
        np.testing.assert_array_equal(changed[index], np.asarray(Image.open(file)))


def test_windows_are_resized_by_filters_drawn_at_random() -> None:
    halves = np.full((80, 20, 20, 3), 60, np.uint8)
    halves[:, :, 10:] = 190
    windows = random_windows(halves, (10, 10), smallest=1.0, generator=generator(5))
    overshoots = (windows > 190).any(axis=(1, 2, 3))
    # Bicubic and Lanczos overshoot beside an edge, bilinear and box do not: 80 photos, half each.
    assert 0.25 < overshoots.mean() < 0.75


def test_cutmix_mixes_targets_and_weights_by_the_area_that_is_left() -> None:
    count = 60
    photos = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 10, 8, 3))
    targets, weights = np.eye(count, dtype=np.float32), generator(3).random(count) + 0.5
    weights = weights.astype(np.float32)
    mixed, rows, total = cutmix(photos, targets, weights, probability=0.5, generator=generator(4))
    touched = (mixed != photos).any(axis=(1, 2, 3))
    assert 15 < touched.sum() < 40
    for n in range(count):
        shares = np.bincount(mixed[n, :, :, 0].ravel(), minlength=count) / 80
        losses = generator(5).random(count)  # of each class
        expected = (shares * weights * losses).sum()
        np.testing.assert_allclose(total[n] * (rows[n] * losses).sum(), expected, rtol=1e-5)
        assert rows[n].sum() == pytest.approx(1)
    np.testing.assert_array_equal(rows[~touched], targets[~touched])


def test_nothing_is_mixed_in_the_plain_epochs_and_everything_follows_from_the_seed() -> None:
    photos = generator(6).integers(0, 255, (8, 12, 12, 3)).astype(np.uint8)
    targets, weights = np.eye(8, dtype=np.float32), np.ones(8, np.float32)
    change = Augmentation((8, 8), 0.3, 0.2, 0.5, cutmix=1.0, plain_from=3, size=(6, 6))

    def batch(epoch: int) -> tuple[np.ndarray, ...]:
        return change(photos, targets, weights, seed=0, epoch=epoch, batch=1)

    np.testing.assert_array_equal(batch(3)[1], targets)
    assert (batch(2)[1] != targets).any()
    assert batch(2)[0].shape == (8, 6, 6, 3)
    for one, other in zip(batch(2), batch(2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_recipe_with_random_windows_needs_their_size() -> None:
    with pytest.raises(OptionError, match="crop_scale needs a crop"):
        Recipe(crop_scale=0.3)
