"""Folders, splits and decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.progress import no_progress
from seewhy.training.data import (
    balancing_weights,
    decode_photos,
    find_classes,
    sample_photos,
    split_photos,
)
from tests.training.made_photos import make_folder


def refusal(folder: Path) -> str:
    with pytest.raises(OptionError) as caught:
        find_classes(folder)
    return str(caught.value)


def test_classes_are_the_sub_folders_in_order(tmp_path: Path) -> None:
    make_folder(tmp_path, counts={"ring": 3, "cross": 2})
    (tmp_path / ".cache").mkdir()
    (tmp_path / "ring" / ".DS_Store").write_bytes(b"")
    found = find_classes(tmp_path)
    assert found.labels == ("cross", "ring")
    assert [path.relative_to(tmp_path).as_posix() for path in found.paths] == [
        "cross/000.png",
        "cross/001.png",
        "ring/000.png",
        "ring/001.png",
        "ring/002.png",
    ]
    np.testing.assert_array_equal(found.classes, [0, 0, 1, 1, 1])


def test_the_split_takes_the_same_share_of_every_class(tmp_path: Path) -> None:
    found = find_classes(make_folder(tmp_path, counts={"a": 40, "b": 20, "c": 2}))
    trained, held = split_photos(found, share=0.15, seed=3)
    np.testing.assert_array_equal(np.bincount(found.classes[held]), [6, 3, 1])
    np.testing.assert_array_equal(np.sort(np.concatenate([trained, held])), np.arange(62))


def test_the_split_follows_from_the_seed(tmp_path: Path) -> None:
    found = find_classes(make_folder(tmp_path, counts={"a": 40, "b": 20}))
    first, again, other = (split_photos(found, share=0.2, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_a_folder_that_is_split_already_stays_so(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", counts={"a": 3, "b": 2})
    make_folder(tmp_path / "val", counts={"a": 1, "b": 2}, seed=1)
    found = find_classes(tmp_path)
    trained, held = split_photos(found, share=0.5, seed=0)
    assert found.labels == ("a", "b")
    assert [found.paths[index].parts[-3] for index in held] == ["val"] * 3
    np.testing.assert_array_equal(found.classes[trained], [0, 0, 0, 1, 1])


def test_a_sample_has_at_most_so_many_of_each_class(tmp_path: Path) -> None:
    found = find_classes(make_folder(tmp_path, counts={"a": 9, "b": 3}))
    sample = sample_photos(found, per_class=5, seed=0)
    np.testing.assert_array_equal(np.bincount(sample.classes), [5, 3])
    assert sample.paths == sample_photos(found, per_class=5, seed=0).paths


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refusal(gone) == (
        f"The folder '{gone}' does not exist. Give a folder with one sub-folder of photos per "
        "class."
    )


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"The folder '{tmp_path}' contains no photos in sub-folders. Give a folder with one "
        "sub-folder of photos per class."
    )


def test_one_class_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, counts={"cat": 3})
    assert refusal(tmp_path) == (
        f"The folder '{tmp_path}' has one class only, 'cat'. A classifier needs at least two "
        "sub-folders of photos."
    )


@pytest.mark.parametrize(("count", "words"), [(1, "one photo"), (0, "no photo")])
def test_a_class_with_one_photo_is_refused(tmp_path: Path, count: int, words: str) -> None:
    make_folder(tmp_path, counts={"cat": 3, "dog": count})
    assert refusal(tmp_path) == (
        f"The class 'dog' in '{tmp_path}' has {words}. Every class needs at least two: one to "
        "train on and one to be measured on."
    )


def test_labels_that_clash_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, counts={"Cat": 2, "cat": 2})
    assert refusal(tmp_path) == (
        f"The classes 'Cat' and 'cat' in '{tmp_path}' have the same name, but for case or spaces. "
        "Rename or join the two folders."
    )


def test_halves_with_other_classes_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", counts={"cat": 2, "dog": 2})
    make_folder(tmp_path / "val", counts={"cat": 2, "panda": 2})
    assert refusal(tmp_path) == (
        f"The folders train and val in '{tmp_path}' do not contain the same classes: 'dog', "
        "'panda' are only in one of them. Give both the same sub-folders."
    )


def test_unreadable_photos_are_listed_and_left_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", counts={"cat": 3, "dog": 3})
    (folder / "cat" / "001.png").write_bytes(b"no photo")
    decoded = decode_photos(
        find_classes(folder), size=(8, 6), store=tmp_path / "p.npy", progress=no_progress
    )
    assert [path for path, _ in decoded.unreadable] == [folder / "cat" / "001.png"]
    assert decoded.pixels.shape == (5, 8, 6, 3)
    np.testing.assert_array_equal(decoded.classes, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(decoded.indices, [0, 2, 3, 4, 5])


def test_a_class_with_one_readable_photo_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", counts={"cat": 2, "dog": 3})
    (folder / "cat" / "001.png").write_bytes(b"no photo")
    with pytest.raises(OptionError) as caught:
        decode_photos(
            find_classes(folder), size=(8, 6), store=tmp_path / "p.npy", progress=no_progress
        )
    assert str(caught.value) == (
        f"The class 'cat' in '{folder}' has one readable photo. Every class needs at least one to "
        "train on and one to be measured on."
    )


def test_a_class_whose_name_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, counts={"cat": 2, "\udcff": 2})
    assert refusal(tmp_path) == (
        f"The class folder '\\udcff' in '{tmp_path}' has a name that cannot be printed (bytes that "
        "are not UTF-8, or control characters). Rename it: a class is called by its folder's name."
    )


def test_balancing_weights_make_every_class_weigh_the_same() -> None:
    classes = np.repeat([0, 1, 2], [6, 3, 1])
    weights = balancing_weights(classes, 3)
    np.testing.assert_allclose(weights, [10 / 18, 10 / 9, 10 / 3])
    np.testing.assert_allclose(np.bincount(classes, weights=weights[classes]), 10 / 3, rtol=1e-6)


def test_balance_lies_between_equal_classes_and_equal_photos() -> None:
    classes = np.repeat([0, 1], [90, 10])
    np.testing.assert_allclose(balancing_weights(classes, 2, balance=0.0), [1, 1])
    half = balancing_weights(classes, 2, balance=0.5)
    assert half[1] / half[0] == pytest.approx(3)  # the root of 90 / 10
    assert half[classes].mean() == pytest.approx(1)
