"""Where, what, and colour."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import MissingFramework
from seewhy.photos.fitting import Fit
from seewhy.reporting.descriptors import (
    colour_descriptors,
    scikit_learn,
    what_descriptors,
    where_descriptors,
)
from seewhy.reporting.gallery import Gallery


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (3, 11), (16, 16), (1, 1)])
def test_where_shares_cells_by_area_and_adds_up_to_1(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(0.5, 1, (3, *size))
    maps[2] = -1
    found = where_descriptors(maps)
    np.testing.assert_allclose(found.sum(axis=1), [1, 1, 0], atol=1e-6)
    positive = np.maximum(maps[0], 0)
    fine = np.kron(positive, np.ones((8, 8)))  # every cell cut into 8 × 8
    expected = fine.reshape(8, size[0], 8, size[1]).sum(axis=(1, 3)).ravel()
    np.testing.assert_allclose(found[0], expected / expected.sum(), atol=1e-6)


def test_what_is_the_direction_and_not_the_strength() -> None:
    generator = np.random.default_rng(0)
    activations = generator.uniform(0, 1, (60, 100)).astype(np.float32)
    stronger = activations * generator.uniform(0.1, 9, (60, 1)).astype(np.float32)
    found = what_descriptors(activations)
    assert found.shape == (60, 32)
    np.testing.assert_allclose(found, what_descriptors(stronger), atol=1e-4)


def test_few_photos_and_empty_descriptors_are_fine() -> None:
    found = what_descriptors(np.zeros((4, 3), np.float32))
    assert found.shape == (4, 3)
    assert not found.any()


def test_without_scikit_learn_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingFramework) as caught:
        scikit_learn("cluster")
    assert str(caught.value) == (
        "A report finds clusters with scikit-learn, which is not installed. Install it: "
        "pip install 'seewhy[report]'"
    )


def test_a_tint_is_a_shift_of_the_colours() -> None:
    generator = np.random.default_rng(0)
    grey = generator.integers(40, 120, (1, 32, 32, 3), np.uint8)
    tinted = grey * np.array([2, 1, 1], np.uint8)
    found = colour_descriptors(np.concatenate([grey, tinted]))
    flat = grey.reshape(-1, 3).astype(np.float64)
    wanted = np.log(8 + np.concatenate([flat.mean(axis=0), flat.std(axis=0)]))
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
    red = np.log((8 + 2 * flat[:, 0].mean()) / (8 + flat[:, 0].mean()))
    np.testing.assert_allclose((found[1] - found[0])[[0, 1, 2, 4, 5]], [red, 0, 0, 0, 0], atol=1e-6)


def test_tiny_photos_are_the_same_whatever_the_file_and_what_is_gone_is_another_one(
    tmp_path: Path,
) -> None:
    pixels = np.zeros((256, 512, 3), np.uint8)
    pixels[:, :256] = (200, 100, 0)
    pixels[:, 256:] = (100, 100, 50)
    paths = [str(tmp_path / name) for name in ("a.jpg", "a.png", "gone.jpg")]
    for path in paths[:2]:
        Image.fromarray(pixels).save(path)
    gallery = Gallery(paths, Fit((8, 8)))
    found = gallery.tiny(np.arange(3))
    assert found is not None
    assert found.shape == (3, 32, 32, 3)
    assert (found[1, :, :16] == (200, 100, 0)).all()
    np.testing.assert_allclose(found[0].astype(int), found[1].astype(int), atol=8)
    np.testing.assert_array_equal(found[2], found[0])
    assert gallery.tiny(np.array([2])) is None
