"""Work in threads keeps its order and its bounds, and ends when the caller leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import PhotoError
from seewhy.photos.reading import Photo, read_ahead, read_photo
from seewhy.photos.threads import map_ahead


def test_results_come_in_the_order_of_the_items_however_long_each_takes() -> None:
    def wait(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(map_ahead(wait, range(20), threads=4)) == [n * n for n in range(20)]
    assert list(map_ahead(wait, range(20), threads=4, fill=False)) == [n * n for n in range(20)]
    assert list(map_ahead(wait, [])) == []


def test_only_so_many_are_ahead_of_the_caller() -> None:
    started: list[int] = []

    def note(number: int) -> int:
        started.append(number)
        return number

    results = map_ahead(note, range(100), threads=2, ahead=5)
    for taken in range(10):
        assert next(results) == taken
        assert len(started) <= taken + 5
    results.close()  # type: ignore[attr-defined]
    assert len(started) <= 15


def test_heavy_results_are_fewer_ahead() -> None:
    started: list[int] = []

    def note(number: int) -> int:
        started.append(number)
        return number

    results = map_ahead(note, range(100), threads=2, ahead=50, weigh=lambda _: 100, budget=300)
    first = [next(results) for _ in range(60)]
    # Before the first weight is known 50 may be ahead; from then on 3.
    assert first == list(range(60))
    assert len(started) <= 63
    results.close()  # type: ignore[attr-defined]


def test_without_filling_a_result_is_handed_out_while_items_are_still_to_come() -> None:
    handed: list[int] = []

    def items() -> Iterator[int]:
        for number in range(4):
            time.sleep(0.05)
            assert len(handed) >= number - 1
            yield number

    handed.extend(map_ahead(lambda number: number, items(), ahead=100, fill=False))
    assert handed == [0, 1, 2, 3]


def test_an_error_is_raised_where_its_result_would_be_and_the_threads_end() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    seen = []
    with pytest.raises(ValueError, match="three"):
        seen.extend(map_ahead(fail, range(10)))
    results = map_ahead(fail, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert not [one for one in threading.enumerate() if one.name.startswith("seewhy-photos")]


def test_one_open_file_is_not_read_by_two_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(27, dtype=np.uint8).reshape(3, 3, 3)).save(path)
    readers: set[str] = set()

    def read(source: Any) -> Any:
        if not isinstance(source, Photo | str):
            readers.add(threading.current_thread().name)
        return read_photo(source)

    with path.open("rb") as file:
        photos = list(read_ahead([file, str(path), file], read))
    assert readers == {threading.main_thread().name}
    assert all(np.array_equal(one.pixels, photos[0].pixels) for one in photos)
    with pytest.raises(PhotoError, match="There is no file"):
        list(read_ahead([str(path), str(tmp_path / "ghost.png")], read_photo))
