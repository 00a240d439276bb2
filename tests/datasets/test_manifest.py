"""Which photos a run is about, wherever their names stand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seewhy.datasets.manifest import Item, find_items, manifest_bytes, read_manifest
from seewhy.errors import OptionError, PhotoError
from tests.datasets.made import save_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_photos(tmp_path / "photos" / "cat", 2)
    save_photos(tmp_path / "photos" / "dog" / "small", 1)
    (tmp_path / "photos" / "notes.md").write_text("no photo")
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"")
    return tmp_path


def names(items: list[Item]) -> list[str]:
    return [str(Path(item.path).relative_to(Path(item.path).parents[2])) for item in items]


def test_a_folder_stands_for_all_its_photos_in_sub_folders_too(folder: Path) -> None:
    items = find_items(folder / "photos")
    assert [item.photo_id for item in items] == [0, 1, 2]
    assert [Path(item.path).name for item in items] == ["0000.png", "0001.png", "0000.png"]
    assert [item.size for item in items] == [Path(item.path).stat().st_size for item in items]
    assert {item.label for item in items} == {None}


def test_folders_can_be_labels(folder: Path) -> None:
    items = find_items([str(folder / "photos")], true_labels="folders")
    assert [item.label for item in items] == ["cat", "cat", "small"]


def test_a_text_file_a_csv_and_a_parquet_file_name_photos(folder: Path) -> None:
    (folder / "list.txt").write_text("photos/cat/0000.png\n\r\nphotos/mis\u2028sing.png\n")
    (folder / "table.csv").write_text("file,animal\nphotos/cat/0001.png,cat\n")
    table = pa.table({"file": ["photos/cat/0000.png"], "animal": ["dog"]})
    pq.write_table(table, folder / "table.parquet")
    listed = find_items(folder / "list.txt")
    assert listed[0].path == str(folder / "photos/cat/0000.png")
    assert (listed[1].size, listed[1].mtime) == (-1, 0)  # it fails when it is read
    items = find_items(
        [folder / "table.csv", folder / "table.parquet"], column="file", true_labels="animal"
    )
    assert [item.label for item in items] == ["cat", "dog"]


def test_what_is_wrong_is_told(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "table.csv").write_text("file,animal\na.png,cat\n")
    with pytest.raises(PhotoError, match=r"The folder '.*empty' contains no photo\. Name another"):
        find_items(folder / "empty")
    with pytest.raises(PhotoError, match=r"No photo was given\. Name at least one file, folder or"):
        find_items([])
    (folder / "none.txt").write_text("\n")
    (folder / "none.csv").write_text("path\n")
    for name in ("none.txt", "none.csv"):
        with pytest.raises(PhotoError, match=rf"No photo is listed in '.*{name}'\. Name at least "):
            find_items(folder / name)
    with pytest.raises(PhotoError, match=r"There is no file '.*ghost\.png'\. Check the path and "):
        find_items(folder / "ghost.png")
    (folder / "lost.txt").write_text("x.png\ny.png\n")
    with pytest.raises(PhotoError, match=r"None of the 2 photos exists, beginning with '.*x\.png'"):
        find_items(folder / "lost.txt")
    with pytest.raises(PhotoError, match=r"No file matches '.*\*\.gif'\. Check the folder and"):
        find_items(str(folder / "*.gif"))
    with pytest.raises(OptionError, match=r"has no column 'path'\. It has: file, animal\."):
        find_items(folder / "table.csv")
    with pytest.raises(OptionError, match=r"No photo has a label in a column 'animal'\."):
        find_items(folder / "photos", true_labels="animal")
    with pytest.raises(OptionError, match=r"2 labels were given for 3 photos\. Give one for each"):
        find_items(folder / "photos", true_labels=["a", "b"])
    with pytest.raises(OptionError, match="Give paths, folders, patterns, or a table of paths"):
        find_items([3])


def test_a_manifest_is_read_back_as_it_was_written(folder: Path) -> None:
    items = find_items(folder / "photos", true_labels="folders")
    assert read_manifest(manifest_bytes(items)) == items


def test_a_table_of_a_spreadsheet_is_read_in_any_of_its_encodings(folder: Path) -> None:
    photo = (folder / "photos/cat/0000.png").rename(folder / "photos/cat/Müller é.png")
    rows = ["path,animal", "photos/cat/Müller é.png,cät"]
    table = folder / "table.csv"
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        for ending in ("\n", "\r\n", "\r"):
            table.write_bytes(ending.join(rows).encode(encoding))
            (item,) = find_items(table, true_labels="animal")
            assert (item.path, item.label) == (str(photo), "cät")
            assert item.size > 0
    table.write_text("sep;path;animal\n1;photos/cat/Müller é.png;cät\n")  # where commas are decimal
    assert find_items(table, true_labels="animal")[0].label == "cät"


def test_a_line_that_names_no_photo_is_a_photo_that_fails(folder: Path) -> None:
    table = folder / "table.csv"
    table.write_text("animal,path\ncat,photos/cat/0000.png\ncat,\ndog\n")
    good, empty, short = find_items(table, true_labels="animal")
    assert good.problem is None
    assert empty.problem == (
        f"Row 2 of '{table}' names no photo: the cell is empty. Fill it, or remove the row."
    )
    assert short.problem is not None
    assert (short.label, short.size) == ("dog", -1)
    pq.write_table(pa.table({"path": [b"photos/cat/0000.png", None]}), folder / "table.parquet")
    good, empty = find_items(folder / "table.parquet")
    assert good.size > 0
    assert empty.problem is not None


@pytest.mark.parametrize("name", ["~nosuchuser/x.png", "a\0b.png", "x" * 5000 + ".png"])
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_name_that_no_file_can_have_is_listed(folder: Path, name: str, is_listed: bool) -> None:
    (folder / "list.txt").write_text(f"photos/cat/0000.png\n{name}\n")
    source = [folder / "list.txt"] if is_listed else [folder / "photos/cat/0000.png", name]
    good, bad = find_items(source)
    assert good.size > 0
    assert (bad.size, bad.mtime) == (-1, 0)
    assert read_manifest(manifest_bytes([good, bad])) == [good, bad]


def test_a_name_that_is_no_utf_8_is_a_photo_that_fails(folder: Path) -> None:
    odd = os.fsencode(folder / "photos") + b"/caf\xe9.png"
    Path(os.fsdecode(odd)).write_bytes((folder / "photos/cat/0000.png").read_bytes())
    items = find_items(folder / "photos", true_labels="folders")
    assert [item.problem is None for item in items] == [False, True, True, True]
    assert items[0].problem == (
        f"The name of '{folder}/photos/caf\ufffd.png' is not text in UTF-8, so it cannot be "
        "written down. Rename the file."
    )
    assert read_manifest(manifest_bytes(items)) == items


def test_links_make_no_circle_and_no_photo_comes_twice(folder: Path) -> None:
    photos = folder / "photos"
    (photos / "above").symlink_to("..")
    (photos / "dog" / "self").symlink_to(".")
    (photos / "dog" / "lost").symlink_to("lost")
    (photos / "again").symlink_to("cat")
    before = [item.path for item in find_items(photos)]
    assert [Path(path).relative_to(photos).as_posix() for path in before] == [
        "cat/0000.png",
        "cat/0001.png",
        "dog/small/0000.png",
    ]
    elsewhere = save_photos(folder / "elsewhere", 1)[0].parent
    (photos / "linked").symlink_to(elsewhere)
    after = [item.path for item in find_items(photos)]
    assert sorted(set(after) - set(before)) == [str(photos / "linked" / "0000.png")]


def test_a_pattern_lists_each_photo_once_whatever_links_lead_to(folder: Path) -> None:
    photos = folder / "photos"
    for number in range(4):
        (photos / f"above{number}").symlink_to("..")
    found = [item.path for item in find_items(f"{photos}/**/*.png")]
    assert len(found) == len({os.path.realpath(path) for path in found}) == len(set(found))
    assert {str(photos / "cat" / "0000.png"), str(photos / "cat" / "0001.png")} <= set(found)


def test_a_folder_that_cannot_be_listed_is_a_photo_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan: Callable[[str], object] = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    *good, bad = find_items(folder / "photos")
    assert len(good) == 2
    assert bad.problem == f"The folder '{bad.path}' cannot be listed: Permission denied."


def test_a_list_that_is_damaged_is_told(folder: Path) -> None:
    table = pa.table({"path": ["photos/cat/0000.png"] * 100})
    pq.write_table(table, folder / "whole.parquet")
    content = (folder / "whole.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        OptionError, match=r"'.*cut\.parquet' cannot be read as Parquet: .* Save it"
    ):
        find_items(folder / "cut.parquet")
    (folder / "twice.csv").write_text("path,path\na.png,b.png\n")
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["path", "path"])
    pq.write_table(twice, folder / "twice.parquet")
    for name in ("twice.csv", "twice.parquet"):
        with pytest.raises(OptionError, match=r"' has 2 columns 'path'\. Rename all but the one"):
            find_items(folder / name)
    (folder / "odd.csv").write_bytes(b"\xff\xfea")
    with pytest.raises(OptionError, match=r"odd\.csv' is not text in UTF-16, as its first bytes "):
        find_items(folder / "odd.csv")
    (folder / "long.csv").write_text("path\n" + "x" * 200_000)
    with pytest.raises(OptionError, match=r"long\.csv' cannot be read as a table: field larger"):
        find_items(folder / "long.csv")
