"""Photos in batches: fixed parts, each photo decoded once, and one way around NaN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import NotFinite
from seewhy.photos import batches
from seewhy.photos.batches import PhotoBatch, finite_answers, photos_in_batches
from seewhy.photos.fitting import Fit
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.reading import find_sources, read_photo

FIT = Fit(size=(8, 12))


def files(folder: Path, count: int) -> list[Path]:
    found = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(found):
        Image.fromarray(np.full((16, 24, 3), number, np.uint8)).save(path)
    return found


def test_a_batch_is_a_fixed_part_whatever_fails_in_it(tmp_path: Path) -> None:
    sources = files(tmp_path, 7)
    sources[1].write_bytes(b"no photo")
    sources[5].unlink()
    found = list(photos_in_batches(sources, FIT, 3))
    assert [one.places for one in found] == [(0, 2), (3, 4), (6,)]
    assert [{place: one.kind for place, one in batch.failures.items()} for batch in found] == [
        {1: "unreadable"}, {5: "missing"}, {},
    ]  # fmt: skip
    assert [one.pixels[0, 0, 0] for batch in found for one in batch.photos] == [0, 2, 3, 4, 6]
    again = photos_in_batches([sources[2], sources[3], sources[6]], FIT, 3, places=[2, 3, 6])
    assert [one.places for one in again] == [(2,), (3,), (6,)]


def test_each_photo_is_decoded_once_and_fitted(tmp_path: Path) -> None:
    decoded: list[Any] = []

    def read(source: Any) -> Photo:
        decoded.append(source)
        return read_photo(source)

    sources = files(tmp_path, 5)
    found = list(photos_in_batches(sources, FIT, 2, read=read))
    assert sorted(decoded) == sources
    assert all(photo.fitted is not None for batch in found for photo in batch.photos)
    photos = [photo for batch in found for photo in batch.photos]
    (again,) = photos_in_batches(photos, FIT, 5, read=read)
    assert all(one is other for one, other in zip(again.photos, photos, strict=True))
    assert len(decoded) == 5


def test_photos_that_would_take_too_much_memory_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 2 * 16 * 24 * 3)
    sources = files(tmp_path, 5)
    assert [one.places for one in photos_in_batches(sources, FIT, 4)] == [(0, 1), (2, 3), (4,)]
    small = photos_in_batches(sources, FIT, 4, keep="nothing")
    assert [one.places for one in small] == [(0, 1, 2, 3), (4,)]


def test_a_source_that_was_not_found_is_a_failure_in_its_place(tmp_path: Path) -> None:
    sources = find_sources([*files(tmp_path, 1), tmp_path / "*.gif"])
    (batch,) = photos_in_batches(sources, FIT, 4)
    assert batch.places == (0,)
    assert batch.failures[1].kind == "missing"
    assert "No file matches" in batch.failures[1].reason


def test_where_the_network_returns_nan_photos_are_asked_one_by_one(tmp_path: Path) -> None:
    (batch,) = photos_in_batches(files(tmp_path, 4), FIT, 4)
    asked: list[tuple[int, ...]] = []

    def answer(part: PhotoBatch) -> int:
        asked.append(part.places)
        if 2 in part.places:
            raise NotFinite("'linear' returned NaN.")
        return sum(part.places)

    found = [(part.places, one) for part, one in finite_answers(batch, answer)]
    assert asked == [(0, 1, 2, 3), (0,), (1,), (2,), (3,)]
    failure = PhotoFailure("2.png", "'linear' returned NaN.", "not-finite")
    assert found == [((0,), 0), ((1,), 1), ((2,), failure), ((3,), 3)]
    assert list(finite_answers(PhotoBatch((), (), {}), answer)) == []
