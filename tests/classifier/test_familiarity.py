"""Familiarity: the score by hand, its limit, and its way through a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seewhy.classifier.familiarity import (
    Familiarity,
    ReferenceFeatures,
    pooled_features,
    reference_features,
    unit_halves,
)

REFERENCES = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [3, 4, 4, 3]], np.float32)
FIRST = np.zeros(1, int)
"""One photo, in which the first class was found."""


def test_a_maps_mean_and_maximum_are_pooled_each_of_the_same_length() -> None:
    maps = np.array([[[[3, 0], [3, 0]], [[3, 8], [3, 8]]]], np.float32)
    # means 3 and 4, maxima 3 and 8
    expected = np.array([3 / 5, 4 / 5, 3 / np.sqrt(73), 8 / np.sqrt(73)]) / np.sqrt(2)
    np.testing.assert_allclose(pooled_features(maps), [expected], rtol=1e-6)


def test_a_map_of_zeros_resembles_nothing() -> None:
    features = pooled_features(np.zeros((1, 2, 2, 2), np.float32))
    np.testing.assert_array_equal(features, 0)
    stored = ReferenceFeatures("last", REFERENCES.astype(np.int8), 0.5, 1)
    assert stored.similarities(features, FIRST).tolist() == [0]


def test_similarity_is_the_mean_cosine_to_the_nearest() -> None:
    stored = ReferenceFeatures("last", REFERENCES.astype(np.int8), 0.5, 2)
    photo = unit_halves(np.array([[1, 0, 0, 1]], np.float32))
    # Both halves count half: cosines 1 to the first, 0 to the second, 3/5 to the third.
    np.testing.assert_allclose(stored.similarities(photo, FIRST), [(1 + 3 / 5) / 2], rtol=1e-6)


def test_a_photo_is_compared_with_the_class_that_was_found() -> None:
    vectors = REFERENCES.astype(np.int8)
    stored = ReferenceFeatures("last", vectors, 0.5, 1, classes=np.array([7, 4, 4]))
    photo = unit_halves(np.array([[1, 0, 0, 1]] * 2, np.float32))
    found = stored.similarities(photo, np.array([4, 7]))
    np.testing.assert_allclose(found, [3 / 5, 1], rtol=1e-6)
    again = ReferenceFeatures.from_dict(stored.as_dict())
    np.testing.assert_array_equal(again.classes, [7, 4, 4])


def test_similarity_agrees_with_a_loop_and_with_one_photo_at_a_time() -> None:
    generator = np.random.default_rng(0)
    photos = generator.normal(size=(5, 3, 4, 6)).astype(np.float32)
    stored = reference_features(
        pooled_features(generator.normal(size=(40, 3, 4, 6)).astype(np.float32)),
        pooled_features(generator.normal(size=(30, 3, 4, 6)).astype(np.float32)),
        layer="last",
        classes=np.zeros(40, int),
        found=np.zeros(30, int),
    )
    together = [one.similarity for one in stored.judge(photos, np.zeros(5, int))]
    for photo, found in zip(photos, together, strict=True):
        halves = [photo.mean(axis=(0, 1)), photo.max(axis=(0, 1))]
        cosines = []
        for reference in stored.vectors.astype(np.float64):
            parts = zip(halves, (reference[:6], reference[6:]), strict=True)
            cosines.append(
                np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in parts])
            )
        assert found == pytest.approx(np.mean(sorted(cosines)[-10:]), abs=1e-5)
        (alone,) = stored.judge(photo[None], FIRST)
        assert alone.similarity == pytest.approx(found, abs=1e-6)


def test_95_of_100_held_out_photos_are_familiar() -> None:
    generator = np.random.default_rng(1)
    held_out = unit_halves(generator.normal(size=(100, 8)).astype(np.float32))
    references = unit_halves(generator.normal(size=(50, 8)).astype(np.float32))
    classes, found = np.arange(50) % 2, np.arange(100) % 2
    stored = reference_features(references, held_out, layer="last", classes=classes, found=found)
    assert (stored.similarities(held_out, found) >= stored.limit).sum() in (95, 96)


def test_8_bits_hardly_change_the_similarity() -> None:
    generator = np.random.default_rng(2)
    references = unit_halves(generator.normal(size=(50, 512)).astype(np.float32))
    same = np.arange(50)
    stored = reference_features(
        references, references, layer="last", classes=same, found=same, neighbours=1
    )
    np.testing.assert_allclose(stored.similarities(references, same), 1, atol=2e-4)


def test_the_verdict_follows_from_the_limit() -> None:
    assert Familiarity(0.5, 0.5).familiar
    assert not Familiarity(0.49, 0.5).familiar
    assert Familiarity(0.123456, 0.5).as_dict() == {
        "familiar": False,
        "similarity": 0.1235,
        "limit": 0.5,
    }


def stored_references(**changes: Any) -> dict[str, Any]:
    return ReferenceFeatures("last", REFERENCES.astype(np.int8), 0.5, 2).as_dict() | changes


def test_references_come_back_from_their_table() -> None:
    again = ReferenceFeatures.from_dict(stored_references())
    np.testing.assert_array_equal(again.vectors, REFERENCES)
    assert (again.layer, again.limit, again.neighbours) == ("last", 0.5, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3, 5]},
        {"shape": [-1, 4]},
        {"shape": None},
        {"vectors": "*"},
        {"vectors": 3},
        {"limit": "high"},
        {"limit": float("nan")},
        {"neighbours": 0},
        {"neighbours": 4},
        {"classes": [0, 0]},
        {"classes": [0, 0, 1]},
        {"classes": [0, 0, 10**30]},
        {"classes": "cat"},
        {"classes": 3},
    ],
)
def test_damaged_references_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^the features of the training photos "):
        ReferenceFeatures.from_dict(stored_references(**changes))
