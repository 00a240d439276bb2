"""A run for other tools: regions by hand, and each tool's file read by another way than ours."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.commands.cli import main
from seewhy.datasets.exports import run_lengths
from seewhy.datasets.reading import Run
from seewhy.errors import OptionError
from tests.linear_network import LinearNetwork


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A red photo of a cat, a red one that is labelled dog, an empty one, and one that is broken.

    Red are the rows 2 to 5 and the columns 2 to 9.
    """
    folder = tmp_path_factory.mktemp("exports")
    pixels = np.zeros((8, 12, 3), np.uint8)
    for name, value in (("cat/1.png", 255), ("dog/2.png", 200), ("dog/3.png", 0)):
        pixels[2:6, 2:10, 0] = value
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "photos/dog/4.png").write_bytes(b"no photo")
    network = seewhy.Classifier(
        LinearNetwork(), labels=["cat", 'd"og', "cow"], preprocess="unit", fit="stretch"
    )
    labels = ["cat", 'd"og', 'd"og', 'd"og']
    return seewhy.batch(
        network, folder / "photos", folder / "run", method="cam", top=1, true_labels=labels
    )


def exported(run: Run, to: str, out: Path, **given: Any) -> Any:
    found = seewhy.export_run(run, to, out, threshold=0.5, **given)
    assert found.photos == 3
    assert [Path(one.name).name for one in found.left_out] == ["4.png"]
    return json.loads(found.files[0].read_text("utf-8"))


def decoded(counts: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Walk down the columns, as COCO's run lengths do."""
    height, width = size
    mask = np.zeros((height, width), bool)
    place, inside = 0, False
    for count in counts:
        for _ in range(count):
            mask[place % height, place // height] = inside
            place += 1
        inside = not inside
    assert place == height * width
    return mask


def test_coco_has_the_region_as_box_and_run_lengths(run: Run, tmp_path: Path) -> None:
    found = exported(run, "coco", tmp_path)
    assert [one["file_name"] for one in found["images"]] == ["cat/1.png", "dog/2.png", "dog/3.png"]
    assert [one["correct"] for one in found["images"]] == [True, False, False]
    assert found["categories"][0] == {"id": 1, "name": "cat"}
    first, second = found["annotations"]  # for the empty photo, nothing is hot
    assert (first["image_id"], first["category_id"], second["image_id"]) == (1, 1, 2)
    assert (first["bbox"], first["area"]) == ([2, 2, 8, 4], 32)
    # Two columns of 8 and two rows; then 4 inside and 4 outside, eight times; and the same again.
    assert first["segmentation"] == {"size": [8, 12], "counts": [18, *[4] * 15, 18]}
    assert first["score"] == pytest.approx(np.e ** (1 / 3) / (np.e ** (1 / 3) + 2))


def test_run_lengths_are_those_of_the_mask() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 1), (3, 5), (7, 4)):
        for share in (0, 0.5, 1):
            mask = random.random(shape) < share
            counts = run_lengths(mask)
            np.testing.assert_array_equal(decoded(counts, shape), mask)
            assert all(counts[1:])  # only the first, of pixels outside, may be 0


def test_label_studio_has_predictions_in_percent_and_an_interface(run: Run, tmp_path: Path) -> None:
    first, second, empty = exported(run, "label-studio", tmp_path)
    assert first["data"] == {
        "image": "/data/local-files/?d=cat/1.png", "label": "cat", "correct": True,
    }  # fmt: skip
    assert second["data"]["correct"] is False
    choice, box, outline = first["predictions"][0]["result"]
    assert choice["value"] == {"choices": ["cat"]}
    assert [box["value"][name] for name in ("x", "y", "width", "height")] == pytest.approx(
        [100 * 2 / 12, 25, 100 * 8 / 12, 50]
    )
    x, y = (np.array(outline["value"]["points"]) * [0.12, 0.08]).T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    assert area == pytest.approx(32 - 4 / 8)  # the outline cuts the four corners
    assert len(empty["predictions"][0]["result"]) == 1
    config = ElementTree.parse(tmp_path / "labels.xml").getroot()
    names = {one.get("name"): [label.get("value") for label in one] for one in config}
    assert {one["from_name"] for one in (choice, box, outline)} < set(names)
    assert names["box"] == names["class"] == ["cat", 'd"og', "cow"]


def array(stored: dict[str, Any]) -> np.ndarray:
    content = zlib.decompress(base64.b64decode(stored["$binary"]["base64"]))
    return np.load(io.BytesIO(content), allow_pickle=False)


def test_fiftyone_has_heatmaps_masks_and_tagged_mistakes(run: Run, tmp_path: Path) -> None:
    whole = exported(run, "fiftyone", tmp_path)
    first, second, empty = whole["samples"]
    given = {"_media_type", "filepath", "tags", "metadata"}  # every dataset has these
    assert set(first) - given == set(whole["sample_fields"])
    assert whole["sample_fields"]["heatmap"].endswith("Field(fiftyone.core.labels.Heatmap)")
    assert Path(first["filepath"]).is_file()
    assert (first["tags"], second["tags"]) == ([], ["mistake"])
    assert (first["ground_truth"]["label"], second["prediction"]["label"]) == ("cat", "cat")
    heatmap = array(first["heatmap"]["map"])
    assert (heatmap.shape, heatmap.max(), heatmap[0].max()) == ((8, 12), 1, 0)
    (region,) = first["regions"]["detections"]
    assert region["bounding_box"] == pytest.approx([2 / 12, 2 / 8, 8 / 12, 4 / 8])
    np.testing.assert_array_equal(array(region["mask"]), np.ones((4, 8), bool))
    assert "regions" not in empty


def test_photos_are_named_by_the_prefix_that_is_given(run: Run, tmp_path: Path) -> None:
    found = exported(run, "coco", tmp_path, prefix="https://photos/")
    assert found["images"][0]["file_name"] == "https://photos/cat/1.png"


@pytest.fixture
def moved(run: Run, tmp_path: Path) -> Iterator[Path]:
    """A copy of photos and run elsewhere, while the photos are not where they were."""
    home = Path(run.folder.place).parent
    shutil.copytree(home, tmp_path / "elsewhere")
    (home / "photos").rename(home / "away")
    yield tmp_path / "elsewhere"
    (home / "away").rename(home / "photos")


def test_a_folder_of_photos_and_run_can_be_moved(moved: Path, tmp_path: Path) -> None:
    again = seewhy.read_run(moved / "run")
    item = again[0]
    assert isinstance(item, seewhy.Explanation)
    assert item.photos[0].path == moved / "photos/cat/1.png"
    found = exported(again, "fiftyone", tmp_path / "out")
    assert found["samples"][0]["filepath"] == str(moved / "photos/cat/1.png")


def test_the_command_line_says_what_was_left_out(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(run.folder.place)
    assert main(["export", place, "--to", "coco", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'annotations.json'}\n"
    assert "4.png was left out" in said.err


def test_an_unknown_tool_is_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no export to 'yolo'\. Choose one of coco, label"):
        seewhy.export_run(run, "yolo", tmp_path)
