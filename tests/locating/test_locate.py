"""Locating with a network that is known: it sees red, green and blue, and CAM applies."""

from __future__ import annotations

import functools
import gc
import json
import weakref
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from seewhy.boxes import intersection_over_union
from seewhy.commands.cli import main
from seewhy.errors import NotFinite, OptionError, PhotoError
from seewhy.explaining import explain
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.locating import locate
from seewhy.locating.heat import GRID, mix_classes, otsu_share, weigh_middle
from seewhy.locating.looking import crop, erase
from seewhy.locating.result import Location, Locations
from seewhy.locating.search import BoxSearch
from seewhy.maps import resize_map
from seewhy.methods import METHODS
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.rendering.boxes import draw_boxes
from tests.colour_network import (
    GREEN,
    GREEN_BOX,
    GREEN_SPOT,
    RED,
    RED_BOX,
    RED_SPOT,
    colour_classifier,
    painted,
)


@pytest.fixture
def classifier():
    return colour_classifier()


single_pass = functools.partial(locate, fast=True, prior="none", threshold=0.2)
"""One pass over the whole photo: what the network sees of it can be told by hand."""


def test_the_box_stands_where_the_heatmap_is_hot(classifier):
    photo = painted((RED_SPOT, RED))
    found = single_pass(classifier, photo)
    assert [one.box for one in found.found[0]] == [RED_BOX]
    assert found.found[0][0].seen.label == "red"
    assert (found.method, found.model) == ("cam", "colours")
    assert found.found[0][0].threshold == 0.2


def test_two_classes_give_two_objects_with_labels_from_the_second_look(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    found = single_pass(classifier, [photo], top=2).found[0]
    assert {(one.seen.label, one.box) for one in found} == {
        ("red", RED_BOX),
        ("green", GREEN_BOX),
    }
    # on the whole photo red is 576 of 6144 pixels; in its box it is 576 of 896
    assert found[0].proposed_by.probability < 0.6
    assert found[0].seen.probability > 0.99
    assert found[0].seen.probability >= found[1].seen.probability


def test_the_second_look_cuts_the_original_photo(classifier):
    # fine stripes vanish in what the network sees of the whole photo
    pixels = np.zeros((640, 960, 3), np.uint8)
    pixels[80:320, 120:360, 0] = 255
    photo = Photo(pixels, "large.png")
    seen = single_pass(classifier, photo).found[0][0]
    x0, y0, x1, y1 = seen.box
    share = (pixels[y0:y1, x0:x1, 0] / 255).mean()
    assert seen.seen.score == pytest.approx(10 * share, rel=0.02)
    assert crop(photo, seen.box).pixels.shape == (y1 - y0, x1 - x0, 3)


def test_the_second_look_may_change_the_label(classifier):
    # blue is asked for, but its box holds more red
    photo = painted(((12, 8, 84, 32), (200, 0, 100)))
    (found,) = single_pass(classifier, photo, classes=["blue"]).found[0]
    assert found.proposed_by.label == "blue"
    assert found.seen.label == "red"
    (first,) = single_pass(classifier, photo, classes=["blue"], look_again=False).found[0]
    assert first.seen == first.proposed_by == found.proposed_by
    assert first.box == found.box


def test_boxes_at_one_place_are_merged(classifier):
    # magenta is as red as it is blue: two heatmaps, one box
    photo = painted((RED_SPOT, (255, 0, 250)))
    assert [one.box for one in single_pass(classifier, photo, top=2).found[0]] == [RED_BOX]
    assert len(single_pass(classifier, photo, top=2, overlap=1.0).found[0]) == 2


def test_all_components_are_boxed_when_asked_for(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, RED))
    assert [one.box for one in single_pass(classifier, photo).found[0]] == [RED_BOX]
    both = single_pass(classifier, photo, components="all").found[0]
    assert {one.box for one in both} == {RED_BOX, GREEN_BOX}


def test_a_higher_threshold_draws_a_smaller_box(classifier):
    (found,) = single_pass(classifier, painted((RED_SPOT, RED)), threshold=0.7).found[0]
    assert found.box[0] > RED_BOX[0]
    assert found.box[3] < RED_BOX[3]


def test_an_empty_heatmap_gives_no_box(classifier):
    found = single_pass(classifier, painted((RED_SPOT, RED)), classes=["green"])
    assert found.found == ((),)
    assert repr(found) == "Locations(cam of colours)\n  painted.png: nothing found"


def test_boxes_of_which_the_network_is_unsure_are_left_out(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, (0, 60, 0)))
    assert len(single_pass(classifier, photo, top=2).found[0]) == 2
    sure = single_pass(classifier, photo, top=2, min_probability=0.9).found[0]
    assert [one.seen.label for one in sure] == ["red"]


def test_the_crops_of_many_photos_go_through_the_network_in_batches(classifier):
    photos = [painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))] * 5
    one_by_one = [single_pass(classifier, photo, top=2).found[0] for photo in photos]
    classifier.network.seen = 0
    together = single_pass(classifier, photos, top=2, batch_size=3)
    assert list(together.found) == one_by_one
    assert classifier.network.seen == 5 + 10  # each photo and each box once


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"threshold": 1.5},
            "threshold=1.5 is not valid. Give a number, 0 or more, below 1.",
        ),
        ({"overlap": -1.0}, "overlap=-1.0 is not valid. Give a number, 0 to 1."),
        ({"objects": 0}, "objects=0 is not valid. Give a whole number, 1 or more."),
        (
            {"zoom": 9},
            "zoom=9 is not valid. Give a whole number, 1 to 8.",
        ),
        ({"min_probability": 7.0}, "min_probability=7.0 is not valid. Give a number, 0 to 1."),
    ],
)
def test_a_wrong_option_is_an_error_before_the_network_is_asked(classifier, options, message):
    with pytest.raises(OptionError) as caught:
        locate(classifier, painted(), **options)
    assert str(caught.value) == message
    assert classifier.network.seen == 0


# Tiles, several classes' heat, and looking again


def test_tiles_draw_a_tighter_box_at_ten_passes_and_one_for_the_second_look(classifier):
    photo = painted((RED_SPOT, RED))
    (found,) = locate(classifier, photo).found[0]
    assert classifier.network.seen == 1 + 9 + 1
    (first,) = single_pass(classifier, photo).found[0]
    spot = np.array([RED_SPOT])
    tighter, loose = (
        intersection_over_union(np.array([one.box]), spot)[0, 0] for one in (found, first)
    )
    assert tighter > 0.75 > loose
    assert found.seen.label == "red"


def test_the_box_of_tiles_is_that_of_their_fused_heat(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, (0, 60, 0)))
    found = locate(classifier, photo, threshold=0.5, classes=["green"])
    heat = explain(classifier, photo, classes=["green"], zoom=2).heatmap(0)
    rows, columns = np.nonzero(heat > 0.5)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert [one.box for one in found.found[0]] == [expected]
    assert found.found[0][0].threshold == 0.5


def test_heat_of_several_classes_is_added_up_by_their_probability():
    maps = np.array([[[[4.0, 0.0]], [[0.0, 2.0]], [[8.0, 8.0]]]], np.float32)
    row = tuple(Prediction(name, i, p, 1.0) for i, (name, p) in enumerate(
        [("collie", 0.5), ("husky", 0.25), ("unknown", float("nan"))]
    ))  # fmt: skip
    photo = Photo(np.zeros((2, 4, 3), np.uint8), "dog.png")
    mixed = mix_classes(
        Explanation(
            photos=(photo,), maps=maps, targets=(row,), predictions=(row,),
            placements=(Placement((0.0, 0.0, 4.0, 2.0)),), row=METHODS["cam"], layer="last",
            model="net",
        )
    )  # fmt: skip
    np.testing.assert_allclose(mixed.maps, [[[[(0.5 * 4) / 0.75, (0.25 * 2) / 0.75]]]], rtol=1e-6)
    assert mixed.targets == (row[:1],)
    assert mixed.heatmap(0).shape == (2, 4)


def test_what_was_found_is_erased_to_look_for_more(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, (0, 120, 0)))
    (alone,) = locate(classifier, photo, prior="none").found[0]
    both = locate(classifier, photo, objects=2).found[0]
    assert {one.seen.label for one in both} == {"red", "green"}
    assert alone in both
    other = next(one for one in both if one.seen.label == "green")
    shared = intersection_over_union(np.array([other.box]), np.array([GREEN_SPOT]))
    assert shared[0, 0] > 0.7


def test_looking_again_stops_where_nothing_is_found(classifier):
    found = locate(classifier, painted((RED_SPOT, RED)), classes=["green"], objects=5)
    assert found.found == ((),)
    assert classifier.network.seen == 10


def softmax(scores):
    powers = np.exp(np.array(scores))
    return powers / powers.sum()


def test_the_second_look_says_how_probable_the_heat_s_class_is_in_the_box(classifier):
    photo = painted(((12, 8, 84, 32), (200, 0, 100)))
    (found,) = locate(classifier, photo, classes=["blue"]).found[0]
    x0, y0, x1, y1 = found.box
    shares = softmax(10 * photo.pixels[y0:y1, x0:x1].mean(axis=(0, 1)) / 255)
    assert found.confirmed == pytest.approx(shares[2], abs=0.01)
    assert found.seen.label == "red"
    (alone,) = locate(classifier, photo, look_again=False).found[0]
    assert alone.confirmed is None


def test_erasing_paints_boxes_in_the_mean_colour_and_leaves_the_photo():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 0] = (80, 160, 240)
    photo = Photo(pixels, "a.png")
    expected = pixels.copy()
    expected[0:2, 0:2] = (10, 20, 30)
    np.testing.assert_array_equal(erase(photo, [(0, 0, 2, 2)]).pixels, expected)
    assert photo.pixels[0, 0].tolist() == [80, 160, 240]


def test_without_a_threshold_heat_is_parted_as_otsus_formula_says():
    heat = np.random.default_rng(0).random((GRID, GRID)) ** 4
    heat[40:60, 30:70] += 2
    edges = np.linspace(heat.min(), heat.max(), 257)
    spreads = [
        (low.size * low.var() + high.size * high.var(), edge)
        for edge in edges[1:-1]
        if (low := heat[heat <= edge]).size and (high := heat[heat > edge]).size
    ]
    expected = min(spreads)[1] / heat.max()
    assert otsu_share(heat) / 0.8 == pytest.approx(expected, abs=0.01)
    assert otsu_share(np.zeros((7, 7))) == 0
    assert otsu_share(np.full((7, 7), np.nan)) == 0
    nearly_even = np.full((7, 7), 0.3, np.float32)
    nearly_even[0, 0] = np.nextafter(np.float32(0.3), np.float32(1))
    assert otsu_share(nearly_even) == pytest.approx(0.8, abs=1e-5)


def test_the_prior_is_a_gaussian_of_the_middle(classifier):
    explanation = explain(classifier, painted((RED_SPOT, RED), (GREEN_SPOT, RED)), top=1)
    (weighed,), (raw,) = weigh_middle(explanation).maps[:, 0], explanation.maps[:, 0]
    fine = resize_map(raw, (GRID, GRID))
    for y, x in ((20, 30), (47, 47), (60, 10), (90, 80)):
        right, down = (x + 0.5) / GRID * 2 - 1, (y + 0.5) / GRID * 2 - 1
        weight = np.exp(-(right**2 + down**2) / (2 * 0.7**2))
        assert weighed[y, x] == pytest.approx(max(fine[y, x], 0) * weight, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "weighs"),
    [
        ({}, True),
        ({"fast": True}, True),
        ({"prior": "none"}, False),
        ({"objects": 2}, False),
        ({"components": "all"}, False),
        ({"request": Request.of(classes=["red"])}, False),
        ({"request": Request.of(top=2)}, False),
        ({"request": Request.of(top=2), "prior": "middle"}, True),
    ],
)
def test_the_middle_counts_more_where_one_object_is_looked_for(given, weighs):
    assert BoxSearch(**given).weighs_middle is weighs


def test_the_method_s_options_and_the_request_s_keywords_are_taken(classifier):
    photo = painted((RED_SPOT, RED))
    found = locate(classifier, photo, method="occlusion", patch=8, stride=8, output="probability")
    asked = found.explanation.request
    assert (found.method, asked.output) == ("occlusion", "probability")
    assert asked.options == {"occlusion": {"patch": 8, "stride": 8}}
    with pytest.raises(OptionError, match=r"^The method 'cam' has no option 'patch'\."):
        locate(classifier, photo, method="cam", patch=8)


def test_photos_are_streamed_and_what_fails_is_listed(classifier, tmp_path, monkeypatch):
    files = [tmp_path / f"{number}.png" for number in range(9)]
    for file in files:
        Image.fromarray(painted((RED_SPOT, RED)).pixels).save(file)
    files[4].write_bytes(b"no photo")
    decoded, at_first = [], []
    original = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, *args, **kw: decoded.append(file) or original(file, *args, **kw)
    )
    found = locate(
        classifier,
        [str(file) for file in files],
        batch_size=1,
        progress=lambda done, total: at_first.append(len(decoded)),
    )
    assert [photo.name for photo in found.photos] == [f"{n}.png" for n in range(9) if n != 4]
    assert [Path(one.name).name for one in found.failed] == ["4.png"]
    assert len(found.explanation) == len(found.found) == 8
    assert at_first[0] < 9  # the network runs before all are read
    (alone,) = locate(classifier, str(files[7])).found
    assert found.found[6] == alone
    with pytest.raises(PhotoError, match=r"4\.png"):
        locate(classifier, str(files[4]))


# Annotations and pictures


@pytest.fixture
def locations():
    dog, cat = Prediction("dog", 1, 0.75, 2.5), Prediction("cat & co", 0, 0.5, 1.5)
    photos = (
        Photo(np.full((40, 60, 3), 90, np.uint8), "one.jpg", Path("folder/one.jpg")),
        Photo(np.full((30, 20, 3), 90, np.uint8), "two.jpg"),
    )
    found = (
        (Location((5, 6, 25, 36), dog, cat), Location((30, 0, 60, 40), cat, cat)),
        (),
    )
    return Locations(photos, found, model="net", method="cam")


def test_as_json_says_it_all(locations):
    assert json.loads(locations.as_json()) == [
        {
            "photo": "folder/one.jpg",
            "width": 60,
            "height": 40,
            "model": "net",
            "method": "cam",
            "familiarity": None,
            "boxes": [
                {
                    "box": [5, 6, 25, 36],
                    "label": "dog",
                    "index": 1,
                    "probability": 0.75,
                    "score": 2.5,
                    "proposed_by": {
                        "label": "cat & co",
                        "index": 0,
                        "probability": 0.5,
                        "score": 1.5,
                    },
                    "confirmed": None,
                    "threshold": None,
                },
                {
                    "box": [30, 0, 60, 40],
                    "label": "cat & co",
                    "index": 0,
                    "probability": 0.5,
                    "score": 1.5,
                    "proposed_by": {
                        "label": "cat & co",
                        "index": 0,
                        "probability": 0.5,
                        "score": 1.5,
                    },
                    "confirmed": None,
                    "threshold": None,
                },
            ],
        },
        {
            "photo": "two.jpg",
            "width": 20,
            "height": 30,
            "model": "net",
            "method": "cam",
            "familiarity": None,
            "boxes": [],
        },
    ]


def test_coco_has_width_and_height_and_counts_from_one(locations, tmp_path):
    written = json.loads(locations.save_coco(tmp_path / "coco.json").read_text())
    assert written == {
        "info": {"description": "cam of net, by seewhy"},
        "images": [
            {"id": 1, "file_name": "one.jpg", "width": 60, "height": 40},
            {"id": 2, "file_name": "two.jpg", "width": 20, "height": 30},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                "bbox": [5, 6, 20, 30],
                "area": 600,
                "iscrowd": 0,
                "score": 0.75,
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "bbox": [30, 0, 30, 40],
                "area": 1200,
                "iscrowd": 0,
                "score": 0.5,
            },
        ],
        "categories": [{"id": 1, "name": "cat & co"}, {"id": 2, "name": "dog"}],
    }


def test_voc_counts_pixels_from_one_and_names_the_last_inside(locations, tmp_path):
    paths = locations.save_voc(tmp_path / "labels")
    assert [path.name for path in paths] == ["one.xml", "two.xml"]
    root = ElementTree.fromstring(paths[0].read_bytes())
    assert [root.findtext(tag) for tag in ("folder", "filename")] == ["labels", "one.jpg"]
    assert [root.findtext(f"size/{side}") for side in ("width", "height", "depth")] == [
        "60",
        "40",
        "3",
    ]
    objects = root.findall("object")
    assert [one.findtext("name") for one in objects] == ["dog", "cat & co"]
    edges = ("xmin", "ymin", "xmax", "ymax")
    assert [objects[0].findtext(f"bndbox/{edge}") for edge in edges] == ["6", "7", "25", "36"]
    assert [objects[1].findtext(f"bndbox/{edge}") for edge in edges] == ["31", "1", "60", "40"]
    assert ElementTree.fromstring(paths[1].read_bytes()).findall("object") == []


def test_a_picture_of_each_photo_has_its_boxes(locations, tmp_path):
    paths = locations.save(tmp_path / "where.png")
    assert [path.name for path in paths] == ["where_one.png", "where_two.png"]
    assert (np.asarray(Image.open(paths[0])) == locations.pictures()[0]).all()
    assert (locations.pictures()[0] != 90).any()
    assert (np.asarray(Image.open(paths[1])) == 90).all()


def test_a_drawn_box_is_half_open():
    drawn = draw_boxes(np.full((400, 600, 3), 90, np.uint8), [(50, 60, 250, 360)], [""])
    painted_rows, painted_columns = np.nonzero((drawn != 90).any(axis=-1))
    assert (painted_columns.min(), painted_columns.max()) == (50, 249)
    assert (painted_rows.min(), painted_rows.max()) == (60, 359)
    assert (drawn[200, 100:200] == 90).all()


def test_drawing_leaves_the_photo_as_it_was():
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels.flags.writeable = False
    drawn = draw_boxes(pixels, [(0, 0, 30, 20)], ["a title wider than the photo"])
    assert drawn.shape[1] == 11 * pixels.shape[1]  # enlarged to 320 pixels or more
    assert pixels.max() == 0
    assert drawn.max() > 0


def test_the_repr_is_a_list_of_boxes(locations):
    assert repr(locations) == (
        "Locations(cam of net)\n"
        "  one.jpg: dog 0.75 [5, 6, 25, 36], cat & co 0.50 [30, 0, 60, 40]\n"
        "  two.jpg: nothing found"
    )


# The command


def test_the_command_writes_pictures_and_annotations(classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    photo = tmp_path / "painted.png"
    Image.fromarray(painted((RED_SPOT, RED), (GREEN_SPOT, GREEN)).pixels).save(photo)
    out = tmp_path / "where"
    arguments = [
        "locate",
        str(photo),
        "--top",
        "2",
        "--fast",
        "--threshold",
        "0.2",
        "--out",
        str(out),
    ]
    arguments += ["--coco", str(out / "coco.json"), "--voc", str(out / "voc")]
    assert main(arguments) == 0
    rows = sorted(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert [row[0] for row in rows] == ["painted.png"] * 2
    assert {row[2] for row in rows} == {" ".join(map(str, box)) for box in (RED_BOX, GREEN_BOX)}
    assert (out / "painted.jpg").is_file()
    assert len(json.loads((out / "coco.json").read_text())["annotations"]) == 2
    assert (out / "voc" / "painted.xml").is_file()


def test_the_command_says_json_and_goes_on_after_a_bad_photo(
    classifier, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    photo, broken = tmp_path / "painted.png", tmp_path / "broken.png"
    Image.fromarray(painted((RED_SPOT, RED)).pixels).save(photo)
    broken.write_bytes(b"no photo")
    out = str(tmp_path / "where")
    assert main(["locate", str(broken), str(photo), "--json", "--out", out]) == 1
    said = capsys.readouterr()
    assert [len(row["boxes"]) for row in json.loads(said.out)] == [1]
    assert "broken.png" in said.err


def test_the_picture_shows_the_heat_and_both_looks(classifier):
    photo = painted(((12, 8, 84, 32), (200, 0, 100)))
    found = locate(classifier, photo, classes=["blue"])
    (one,) = found.found[0]
    assert one.caption == f"{one.title}\nheat of blue {one.proposed_by.probability:.2f}"
    (heated,), (bare,) = found.pictures(), found.pictures(heat=False)
    black = photo.pixels.max(axis=2) == 0
    black = black.repeat(heated.shape[1] // 96, axis=0).repeat(heated.shape[1] // 96, axis=1)
    assert (heated[: len(black)][black] != bare[: len(black)][black]).any()
    (single,) = locate(classifier, photo, look_again=False).found[0]
    assert single.caption == f"heat of {single.title}"


def test_the_command_goes_on_after_a_photo_that_yields_nan(tmp_path, monkeypatch, capsys):
    classifier = colour_classifier()
    activations = classifier.network.activations

    def refuse(images, layers):
        """Refuse photos with a white corner, as real networks do on NaN."""
        if images[:, -1, -1].min(axis=1).max() > 0.9:
            raise NotFinite("The scores hold NaN.")
        return activations(images, layers)

    monkeypatch.setattr(classifier.network, "activations", refuse)
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    for name, corner in (("bad.png", 255), ("good.png", 0)):
        pixels = painted((RED_SPOT, RED)).pixels.copy()
        pixels[-8:, -8:] = corner
        Image.fromarray(pixels).save(tmp_path / name)
    out = tmp_path / "where"
    arguments = ["locate", str(tmp_path / "bad.png"), str(tmp_path / "good.png")]
    arguments += ["--out", str(out), "--coco", str(out / "coco.json"), "--json"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "NaN" in said.err
    assert [Path(row["photo"]).name for row in json.loads(said.out)] == ["good.png"]
    assert sorted(path.name for path in out.iterdir()) == ["coco.json", "good.jpg"]


def test_the_command_holds_no_more_photos_than_a_batch(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    alive, most = weakref.WeakSet(), []
    original = Locations.save

    def counted(locations, *args, **keywords):
        gc.collect()
        alive.add(locations.photos[0])
        most.append(len(alive))
        return original(locations, *args, **keywords)

    monkeypatch.setattr(Locations, "save", counted)
    for number in range(9):
        Image.fromarray(painted((RED_SPOT, RED)).pixels).save(tmp_path / f"{number}.png")
    arguments = ["--batch-size", "2", "--out", str(tmp_path / "where")]
    assert main(["locate", str(tmp_path), *arguments]) == 0
    assert len(most) == 9
    assert max(most) <= 3  # a batch is let go of as soon as the next is there


def test_the_command_never_writes_over_a_photo(classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    file = tmp_path / "a.png"
    Image.fromarray(painted((RED_SPOT, RED)).pixels).save(file)
    before = file.read_bytes()
    arguments = ["locate", str(file), "--out", str(tmp_path), "--format", "png"]
    assert main(arguments) == 1
    assert file.read_bytes() == before
    assert capsys.readouterr().err.endswith(
        f"seewhy: {file} is one of the photos, and the result would overwrite it. Choose another "
        "folder with --out, or another --format.\n"
    )
