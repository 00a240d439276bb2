"""Masks: found by the photos' names, read, and refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.errors import OptionError
from seewhy.reporting.objects import check_masks, find_masks, read_mask
from tests.reporting.made import SIDE, cheating_classifier, make_photos


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def refused(*given, by=check_masks) -> str:
    with pytest.raises(OptionError) as caught:
        by(*given)
    return str(caught.value)


def blank(height: int = 6, width: int = 8) -> np.ndarray:
    return np.zeros((height, width), np.uint8)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    names = ("photos/cow/1.png", "photos/cow/2.png", "photos/hen/1.png")
    return [str(save(tmp_path / name, np.zeros((6, 8, 3), np.uint8))) for name in names]


def test_masks_have_the_photos_names_in_sub_folders_or_beside_each_other(
    tmp_path: Path, paths: list[str]
) -> None:
    folder = tmp_path / "masks"
    for name in ("cow/1.png", "hen/1.png", "2.png"):
        save(folder / name, blank())
    found = find_masks(folder, paths)
    assert [found[place].relative_to(folder).as_posix() for place in range(3)] == [
        "cow/1.png", "2.png", "hen/1.png",
    ]  # fmt: skip
    check_masks(folder, paths)
    one_class = find_masks(folder, paths[:2])
    assert one_class[0] == folder / "cow/1.png"


def test_a_photo_may_have_no_mask_but_all_may_not(tmp_path: Path, paths: list[str]) -> None:
    folder = tmp_path / "masks"
    save(folder / "cow/2.png", blank())
    assert list(find_masks(folder, paths)) == [1]
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty", paths) == (
        f"No photo has a mask in '{tmp_path / 'empty'}': there is no 'hen/1.png' nor '1.png', for "
        "example. Give each the photo's name, with .png."
    )
    assert refused(tmp_path / "nothing", paths) == (
        f"The masks '{tmp_path / 'nothing'}' are not a folder. Give a folder with a PNG for each "
        "photo, cow.png for cow.jpg, whose pixels are not zero where the object is."
    )


def test_a_mask_of_two_photos_is_refused(tmp_path: Path, paths: list[str]) -> None:
    mask = save(tmp_path / "masks/1.png", blank())
    assert refused(mask.parent, paths) == (
        f"The mask '{mask}' would be that of '{paths[0]}' and of '{paths[2]}'. Put masks into "
        "sub-folders of the photos' names."
    )


def test_a_mask_of_another_size_is_refused_before_the_network_runs(
    tmp_path: Path, paths: list[str]
) -> None:
    mask = save(tmp_path / "masks/cow/1.png", blank(8, 6))
    message = (
        f"The mask '{mask}' has 8 × 6 pixels, and its photo '1.png' 6 × 8. Give a mask of the "
        "photo's size."
    )
    assert refused(tmp_path / "masks", paths) == message
    photos, _ = make_photos(tmp_path / "made", each=2, tags=0)
    save(tmp_path / "other/warm/000.png", blank())

    def report() -> None:
        seewhy.report(photos, cheating_classifier(), object_masks=tmp_path / "other")

    assert refused(by=report).startswith(f"The mask '{tmp_path / 'other/warm/000.png'}' has 6 × 8 ")


def test_a_file_that_is_no_png_is_refused(tmp_path: Path, paths: list[str]) -> None:
    mask = tmp_path / "masks/cow/1.png"
    save(mask, blank())
    whole = mask.read_bytes()
    for content in (b"not a picture", whole[:20], b""):
        mask.write_bytes(content)
        assert refused(tmp_path / "masks", paths) == (
            f"The mask '{mask}' is not a PNG that can be read. Save it again."
        )
    mask.write_bytes(whole[: len(whole) - 25])
    assert refused(mask, (6, 8), "1.png", by=read_mask).startswith(f"The mask '{mask}' is not a P")


def test_a_photo_that_lies_on_its_side_has_an_upright_mask(tmp_path: Path) -> None:
    photo = tmp_path / "photos/a.jpg"
    photo.parent.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(photo, exif=exif)
    save(tmp_path / "masks/a.png", blank(8, 6))
    check_masks(tmp_path / "masks", [str(photo)])


def test_any_channel_but_transparency_counts(tmp_path: Path) -> None:
    inside = np.zeros((6, 8), bool)
    inside[2:4, 3:7] = True
    grey = inside.astype(np.uint8)
    colour = np.zeros((6, 8, 3), np.uint8)
    colour[inside] = (0, 0, 3)
    clear = np.dstack([colour, np.full((6, 8), 255, np.uint8)])
    palette = Image.fromarray(grey * 7).convert("L")
    palette.putpalette([0, 0, 0] * 256)
    palette.save(tmp_path / "palette.png")
    for name, pixels in (("grey", grey), ("colour", colour), ("clear", clear)):
        save(tmp_path / f"{name}.png", pixels)
    save(tmp_path / "deep.png", grey.astype(np.uint16) * 300)
    Image.fromarray(inside).save(tmp_path / "bits.png")
    for name in ("grey", "colour", "clear", "palette", "deep", "bits"):
        found = read_mask(tmp_path / f"{name}.png", (6, 8), "a.jpg")
        np.testing.assert_array_equal(found, inside, err_msg=name)
    for array in (inside, grey * 9, colour):
        np.testing.assert_array_equal(read_mask(array, (6, 8), "a.jpg"), inside)
    assert refused(inside, (5, 8), "a.jpg", by=read_mask) == (
        "A mask has 6 × 8 pixels, and its photo 'a.jpg' 5 × 8. Give a mask of the photo's size."
    )


def test_heat_outside_the_mask_is_listed_and_a_mask_counts_before_boxes(tmp_path: Path) -> None:
    photos, tagged = make_photos(tmp_path / "photos", each=12, tags=4)
    whole = np.ones((SIDE, SIDE), np.uint8)
    for path in sorted((photos / "warm").glob("*.png")):
        mask = whole.copy()
        if path.name < "004.png":  # the tag is not the object
            mask[12:] = 0
            mask[:, :4] = 0
        if path.name < "011.png":
            save(tmp_path / "masks/warm" / path.name, mask)
    boxes = [np.array([[0, 0, 1, 1]])] * 12

    def report(**given) -> seewhy.Report:
        return seewhy.report(
            photos / "warm", cheating_classifier(), true_labels="folders", changes=0, **given
        )

    found = report(object_masks=tmp_path / "masks", boxes=boxes)
    by_reason = {one.reason.rpartition(" ")[2]: [] for one in found.wrong_reasons}
    for one in found.wrong_reasons:
        by_reason[one.reason.rpartition(" ")[2]].append(found.observations.paths[one.photo])
    by_reason = {reason: sorted(paths) for reason, paths in by_reason.items()}
    assert by_reason == {"mask": sorted(tagged), "boxes": [str(photos / "warm/011.png")]}
    assert "1 of 12 photos have no mask." in found.notes
    text = next(one.text for one in found.findings if one.section == "reasons")
    assert text == (
        "5 right answers have their heat in the wrong place: 1 outside their boxes, 4 outside "
        "their masks."
    )
    arrays = [None] * 11 + [np.zeros((SIDE, SIDE), bool)]
    assert report(object_masks=arrays).wrong_reasons == ()  # an empty mask says nothing
    with pytest.raises(OptionError) as caught:
        report(object_masks=arrays[:3])
    assert str(caught.value) == (
        "Masks of 3 photos were given for 12 photos. Give one array for each, or None."
    )
