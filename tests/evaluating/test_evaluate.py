"""Evaluating with a network whose heatmaps are known to be true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.boxes import heatmap_boxes
from seewhy.classifier import Classifier
from seewhy.commands.cli import main
from seewhy.errors import (
    ModelError,
    NotACamNetwork,
    NotFinite,
    OptionError,
    PhotoError,
    SeewhyWarning,
    TargetError,
)
from seewhy.evaluating import evaluate
from seewhy.evaluating.baselines import BASELINES, CENTRE, MEAN_BOX, RANDOM, centre_map
from seewhy.evaluating.comparing import COPIES, MAPS_COMPARED, compare_removal
from seewhy.evaluating.curves import PhotoCurves
from seewhy.evaluating.result import Evaluation, MethodScores
from seewhy.explaining.explain import explain
from seewhy.locating.annotations import read_boxes
from seewhy.photos.reading import Photo
from tests.colour_network import (
    BLUE,
    GREEN,
    GREEN_SPOT,
    RED,
    RED_SPOT,
    colour_classifier,
    painted,
)
from tests.linear_network import LinearNetwork


@pytest.fixture
def classifier():
    return colour_classifier()


PHOTOS = [painted((RED_SPOT, RED)), painted((GREEN_SPOT, GREEN))]
TRUTHS = [np.array([RED_SPOT]), np.array([GREEN_SPOT])]


def test_a_true_heatmap_beats_what_looks_at_nothing(classifier):
    steps = []
    found = evaluate(
        classifier,
        PHOTOS,
        methods=["cam"],
        boxes=TRUTHS,
        removal_steps=8,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert list(found.methods) == ["cam", *BASELINES]
    cam, centre, random = (found.methods[name] for name in ("cam", CENTRE, RANDOM))
    assert cam.deletion.mean() < min(centre.deletion.mean(), random.deletion.mean())
    # this network sees means alone, which a blur keeps: there insertion tells nothing
    blurred = [one.fills["insertion_blur"].mean() for one in (cam, random)]
    assert blurred[0] == pytest.approx(blurred[1], abs=0.01)
    assert cam.insertion.mean() > random.insertion.mean()
    assert cam.pointing.tolist() == [True, True]
    assert cam.held_out.accuracies[0] == 1 > centre.held_out.accuracies[0]
    assert cam.road.min() > 0.15 > centre.road.max() > abs(random.road).max()
    # a linear resize carries some of the heat over the edge of the box
    assert cam.energy.min() > 0.75 > centre.energy.max()
    assert cam.lift.min() > centre.lift.max()
    assert steps[-1] == (10, 10)
    assert cam.box.tolist() == cam.held_out.hits[1].tolist()
    np.testing.assert_allclose(cam.box_v2.mean(), np.mean(cam.held_out.accuracies))
    assert cam.agreement.min() > 0.3 > abs(random.agreement.mean())


def test_mosaics_of_different_classes_are_measured_and_each_photo_is_in_one(classifier):
    solid = [painted(((0, 0, 96, 64), colour)) for colour in (RED, GREEN, BLUE, RED)]
    found = evaluate(classifier, solid, methods=["cam"], removal_steps=2, measures=["mosaics"])
    cam, centre = found.methods["cam"], found.methods[CENTRE]
    # Red is there twice, so only green and blue are measured: all of their light is theirs.
    assert np.isnan(cam.grid).tolist() == [True, False, False, True]
    assert np.nanmin(cam.grid) > 0.75
    assert np.nanmax(np.abs(centre.grid - 0.25)) < 0.01
    assert cam.deletion is None


def test_what_is_in_the_file_is_not_measured_again(classifier, tmp_path):
    file = tmp_path / "records.jsonl"
    settings = {"removal_steps": 2, "measures": ["removal", "occlusion"], "resume": file}
    first = evaluate(classifier, PHOTOS, methods=["cam"], **settings)
    lines = file.read_text().splitlines()
    # The question; the class, a reference and four maps of each photo.
    assert len(lines) == 1 + 2 * (1 + 1 + 4)
    # A killed run leaves part of a line.
    file.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40])
    seen = classifier.network.seen
    again = evaluate(classifier, PHOTOS, methods=["cam"], **settings)
    assert again.as_json() == first.as_json()
    assert file.read_text().splitlines() == lines
    one_map = classifier.network.seen - seen
    more = evaluate(classifier, PHOTOS, methods=["cam", "eigen-cam"], **settings)
    assert more.methods["cam"].deletion.tolist() == first.methods["cam"].deletion.tolist()
    seen = classifier.network.seen
    evaluate(classifier, PHOTOS, methods=["cam", "eigen-cam"], **settings)
    assert classifier.network.seen == seen + 1  # the made image that tells networks apart
    assert one_map > 0
    with pytest.raises(OptionError) as caught:
        evaluate(classifier, PHOTOS, methods=["cam"], **(settings | {"removal_steps": 3}))
    assert str(caught.value) == (
        f"'{file}' contains another evaluation. The difference: steps: 2 there, 3 now. Use the "
        "same, or name another file."
    )


@pytest.mark.parametrize("content", [b"[]", b'{"1.png": [[1, 2, 3, 4]]}', b"one\ntwo", b"\n\xff"])
def test_a_file_that_is_not_ours_is_left_as_it_is(classifier, tmp_path, content):
    file = tmp_path / "boxes.json"
    file.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        evaluate(classifier, PHOTOS, methods=["cam"], measures=["occlusion"], resume=file)
    assert str(caught.value) == (
        f"'{file}' is not a file of seewhy evaluate: line 1 is not understood. It is left as it "
        "is. Name another file."
    )
    assert file.read_bytes() == content


def test_another_preprocessing_other_labels_and_other_boxes_are_not_the_same_question(
    classifier, tmp_path
):
    file = tmp_path / "records.jsonl"
    settings = {"methods": ["cam"], "measures": ["boxes"], "resume": file}
    evaluate(classifier, PHOTOS, boxes=TRUTHS, **settings)
    network = classifier.network
    for change, said in (
        ({"preprocess": "torch"}, r"preprocess: 'unit' there, 'torch' now"),
        ({"labels": ["a", "b", "c"]}, r"labels: class 0 is 'red' there, 'a' now"),
    ):
        given = {"preprocess": "unit", "labels": ["red", "green", "blue"]} | change
        other = Classifier(network, name=classifier.name, **given)
        with pytest.raises(OptionError, match=rf"contains another evaluation\. .*{said}"):
            evaluate(other, PHOTOS, boxes=TRUTHS, **settings)
    moved = [np.array([[0, 0, 5, 5]], np.float32) for _ in PHOTOS]
    again = evaluate(classifier, PHOTOS, boxes=moved, **settings)
    afresh = evaluate(classifier, PHOTOS, boxes=moved, methods=["cam"], measures=["boxes"])
    assert again.as_json() == afresh.as_json()


def test_another_class_in_the_same_file_is_measured_anew(classifier, tmp_path):
    photo, file = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN)), tmp_path / "records.jsonl"
    settings = {"measures": ["boxes"], "boxes": TRUTHS[:1]}
    evaluate(classifier, photo, classes=["red"], resume=file, **settings)
    green = evaluate(classifier, photo, classes=["green"], resume=file, **settings)
    assert green.as_json() == evaluate(classifier, photo, classes=["green"], **settings).as_json()
    assert green.methods["cam"].pointing.tolist() == [0]


def test_the_mean_box_is_measured_again_where_photos_with_boxes_were_added(classifier, tmp_path):
    settings = {"removal_steps": 2, "measures": ["boxes"], "resume": tmp_path / "records.jsonl"}
    evaluate(classifier, PHOTOS[:1], methods=["cam"], boxes=TRUTHS[:1], **settings)
    added = evaluate(classifier, PHOTOS, methods=["cam"], boxes=TRUTHS, **settings)
    afresh = evaluate(
        classifier, PHOTOS, methods=["cam"], boxes=TRUTHS, removal_steps=2, measures=["boxes"]
    )
    assert added.as_json() == afresh.as_json()
    lines = settings["resume"].read_text()
    evaluate(classifier, PHOTOS[:1], methods=["cam"], boxes=TRUTHS[:1], **settings)
    assert settings["resume"].read_text() == lines  # what fewer photos gave is kept beside it


def test_maps_that_rank_cells_alike_are_removed_once(classifier):
    curves = PhotoCurves.of(classifier, PHOTOS[0], 0)
    heat = np.random.default_rng(0).random((1, 14, 14))
    first = curves.measure(heat, 4)
    seen = classifier.network.seen
    assert curves.measure(np.exp(heat), 4) == first
    assert classifier.network.seen == seen
    assert curves.measure(-heat, 4) != first
    assert classifier.network.seen > seen


def test_the_cost_is_told_before_the_start_and_is_what_it_takes(classifier):
    told = []
    evaluate(classifier, PHOTOS, removal_steps=3, measures=["removal"], announce=told.append)
    # One map; for it and three baselines 4 curves of 2 inner steps, and 2 × 5 of ROAD.
    assert told[0].passes == 2 * (1 + 4 * (4 * 2 + 10))
    # Besides, the ends of the curves, and two batches of eight that are timed.
    assert classifier.network.seen == told[0].passes + 2 * 3 + 16
    assert str(told[0]) == "about 146 forward passes, 1 min or less"


def test_each_photo_is_decoded_once_and_scored_once(classifier, tmp_path, monkeypatch):
    files = []
    for number, photo in enumerate((*PHOTOS, painted(((0, 0, 96, 64), BLUE)))):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(photo.pixels).save(files[-1])
    opened, original = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, *args, **kw: opened.append(file) or original(file, *args, **kw)
    )
    boxes = [*TRUTHS, np.array([[0, 0, 96, 64]])]
    evaluate(classifier, files, boxes=boxes, measures=["boxes", "mosaics"])
    assert len(opened) == len(files)
    assert classifier.network.seen == len(files)  # its class and the runner-up, from one pass


def test_options_of_methods_are_keywords(classifier):
    settings = {"methods": ["cam", "occlusion"], "measures": ["occlusion"]}
    found = evaluate(classifier, PHOTOS[0], **settings, patch=8, stride=8)
    by_method = evaluate(
        classifier, PHOTOS[0], **settings, options={"occlusion": {"patch": 8, "stride": 8}}
    )
    coarse = evaluate(classifier, PHOTOS[0], **settings)
    assert found.as_json() == by_method.as_json()
    assert found.methods["cam"].agreement[0] != coarse.methods["cam"].agreement[0]
    with pytest.raises(OptionError, match=r"^None of the methods that run has an option 'samples"):
        evaluate(classifier, PHOTOS, **settings, samples=5)


@pytest.mark.parametrize(
    "given", [{"top": 2}, {"target": lambda output: output}, {"contrast": "similar"}]
)
def test_what_cannot_be_measured_is_refused(classifier, given):
    (name,) = given
    with pytest.raises(TargetError) as caught:
        evaluate(classifier, PHOTOS, **given)
    assert str(caught.value) == (
        f"evaluate measures one class of each photo, and not {name}=.... Leave {name}=... out, or "
        "give classes=[...]."
    )
    assert classifier.network.seen == 0


def test_random_weights_change_what_the_network_made_and_no_baseline(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    found = evaluate(classifier, photo, methods=["cam"], measures=["randomization"])
    cam, centre = found.methods["cam"], found.methods[CENTRE]
    # The copy takes green for red, so the heat moves from one spot to the other.
    assert cam.weights[0] < 0.3
    assert cam.head is None  # one layer learns: the last is all of them
    assert centre.weights[0] == pytest.approx(1)


def test_the_areas_of_one_explanation_are_those_that_evaluate_gives(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    steps = []
    explanation = explain(classifier, photo, method="cam", classes=["green"])
    seen = classifier.network.seen
    areas = compare_removal(
        classifier, explanation, progress=lambda done, total: steps.append((done, total))
    )
    assert classifier.network.seen - seen == COPIES
    found = evaluate(
        classifier, photo, methods=["cam"], classes=["green"], measures=["removal"]
    ).methods
    for name, method in (("map", "cam"), ("centre", CENTRE)):
        assert getattr(areas["deletion"], name) == found[method].deletion[0]
        assert getattr(areas["insertion"], name) == found[method].insertion[0]
    off = abs(found[RANDOM].deletion[0] - areas["deletion"].random)
    assert off < areas["deletion"].half_width  # one of the maps of random cells is `evaluate`'s
    assert steps == [(done, MAPS_COMPARED) for done in range(1, MAPS_COMPARED + 1)]
    no_class = replace(explanation.targets[0][0], index=None)
    with pytest.raises(TargetError) as caught:
        compare_removal(classifier, replace(explanation, targets=((no_class,),)))
    assert str(caught.value) == (
        "Only the map of a class can be measured, not one of something else."
    )


def test_masks_take_the_place_of_boxes(classifier):
    mask = np.zeros((64, 96), bool)
    mask[RED_SPOT[1] : RED_SPOT[3], RED_SPOT[0] : RED_SPOT[2]] = True
    settings = {"methods": ["cam"], "boxes": TRUTHS[1:], "measures": ["boxes"]}
    drawn = evaluate(classifier, PHOTOS[:1], object_masks=lambda photo: mask, **settings)
    boxed = evaluate(classifier, PHOTOS[:1], **settings)
    assert drawn.methods["cam"].energy[0] > 0.75
    assert drawn.methods["cam"].pointing.tolist() == [1]
    assert boxed.methods["cam"].energy[0] < 0.01
    assert boxed.methods["cam"].pointing.tolist() == [0]


def test_a_network_that_cannot_be_copied_is_measured_without_random_weights(classifier):
    def refuse(layers=None, *, seed=0):
        raise ModelError("'colours' cannot be copied.")

    classifier.network.randomized = refuse
    with pytest.warns(SeewhyWarning) as caught:
        found = evaluate(classifier, PHOTOS[:1], measures=["randomization"])
    assert str(caught[0].message) == (
        "Nothing is measured with random weights. 'colours' cannot be copied."
    )
    assert found.methods["cam"].weights is None


def test_a_method_that_does_not_apply_is_left_out_unless_it_is_the_only_one():
    plain = Classifier(LinearNetwork(cam=False), preprocess="unit", labels=["r", "g", "b"])
    with pytest.warns(SeewhyWarning) as caught:
        found = evaluate(plain, PHOTOS[0], methods=["cam", "hires-cam"], measures=["occlusion"])
    assert str(caught[0].message) == "The method 'cam' is left out. 'linear' is no CAM network."
    assert [name for name in found.methods if not name.startswith("(")] == ["hires-cam"]
    with pytest.raises(NotACamNetwork):
        evaluate(plain, PHOTOS[0], methods=["cam"], measures=["occlusion"])


def test_an_evaluation_is_written_as_json_parquet_and_a_picture(classifier, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = evaluate(classifier, PHOTOS, removal_steps=2, measures=["removal"])
    assert json.loads(found.save(tmp_path / "e.json").read_text()) == found.as_dict()
    rows = parquet.read_table(found.save(tmp_path / "e.parquet")).to_pylist()
    assert len(rows) == 2 * 4
    assert rows[1]["deletion_blur"] == found.methods["cam"].fills["deletion_blur"][1]
    assert (rows[0]["method"], rows[0]["class"], rows[0]["photo"]) == ("cam", "red", "painted.png")
    assert rows[0]["energy"] is None
    with Image.open(found.plot(tmp_path / "e.png")) as picture:
        assert picture.width > picture.height > 500
    for write in (found.save, found.plot):
        with pytest.raises(OptionError):
            write(tmp_path / "e.txt")


def test_ranks_count_from_the_best_in_the_measures_own_direction():
    methods = {"a": scores([0.1], [0.3]), "b": scores([0.2], [0.9]), CENTRE: scores([0.2], [0.1])}
    ranks = Evaluation(("x",), "net", methods).ranks()
    assert ranks == {
        "a": {"deletion": 1, "road": 2},
        "b": {"deletion": 2.5, "road": 1},
        CENTRE: {"deletion": 2.5, "road": 3},
    }


def test_an_unknown_measure_is_an_error(classifier):
    with pytest.raises(OptionError) as caught:
        evaluate(classifier, PHOTOS, measures=["mosaic"])
    assert str(caught.value) == (
        "measures='mosaic' is not valid. Give one of removal, occlusion, randomization, mosaics, "
        "boxes. The nearest is 'mosaics'."
    )
    with pytest.raises(OptionError) as caught:
        evaluate(classifier, PHOTOS, measures=["boxes"])
    assert str(caught.value) == (
        "The measures 'boxes' need the true boxes of the photos. Give boxes=..."
    )


def test_the_class_that_was_asked_for_is_measured(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    red = evaluate(classifier, photo, classes=["red"], boxes=TRUTHS[:1], removal_steps=4)
    green = evaluate(classifier, photo, classes=["green"], boxes=TRUTHS[:1], removal_steps=4)
    assert red.methods["cam"].pointing.tolist() == [True]
    assert green.methods["cam"].pointing.tolist() == [False]


def test_without_boxes_only_the_curves_are_measured(classifier):
    found = evaluate(classifier, PHOTOS, removal_steps=2, measures=["removal"])
    assert found.methods["cam"].pointing is None
    assert found.methods["cam"].box is None
    assert MEAN_BOX not in found.methods
    assert found.as_table().splitlines()[0].split() == (
        ["method", "deletion", "↓", "insertion", "↑", "ROAD", "↑", "class", "↑"]
    )
    assert found.as_dict()["photos"] == 2
    fills = [f"{name}_{fill}" for name in ("deletion", "insertion") for fill in ("mean", "blur")]
    assert set(found.as_dict()["methods"]["cam"]) == {"curves"} | {
        f"{name}{part}"
        for name in ("deletion", "insertion", "road", "class_sensitivity", *fills)
        for part in ("", "_interval")
    }


def test_a_map_that_knows_no_class_has_no_class_sensitivity(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    found = evaluate(
        classifier, photo, methods=["cam", "eigen-cam"], removal_steps=2, measures=["removal"]
    )
    assert found.methods["cam"].sensitivity[0] > 0.5
    assert found.methods["eigen-cam"].sensitivity.tolist() == [0]
    assert found.methods[CENTRE].sensitivity.tolist() == [0]


def scores(deletion, road):
    return MethodScores(deletion=np.array(deletion), road=np.array(road))


def test_a_star_marks_what_beats_every_baseline_on_the_photos():
    random = np.random.default_rng(0)
    photos = random.random(40)
    methods = {
        "cam": scores(photos - 0.2 - 0.05 * random.random(40), photos + random.normal(0, 1, 40)),
        CENTRE: scores(photos, photos),
        RANDOM: scores(photos - 0.1, photos - 5),
    }
    found = Evaluation(("a",) * 40, "net", methods)
    assert found.beats_baselines("cam", "deletion")
    assert not found.beats_baselines("cam", "road")
    assert not found.beats_baselines(RANDOM, "deletion")
    assert not found.beats_baselines("cam", "energy")
    lines = found.as_table().splitlines()
    assert lines[1].split()[1].endswith("*")
    assert "*" not in lines[2]
    low, high = found.as_dict()["methods"]["cam"]["deletion_interval"]
    assert low < methods["cam"].deletion.mean() < high


def test_an_empty_map_has_no_energy_and_is_null_in_json():
    none = np.array([np.nan, np.nan])
    zero = np.zeros(2)
    empty = MethodScores(deletion=zero, energy=none, lift=none)
    found = Evaluation(("a", "b"), "net", {"cam": empty, CENTRE: empty, RANDOM: empty})
    told = json.loads(found.as_json())["methods"]["cam"]
    assert told["energy"] is None
    assert told["energy_interval"] == [None, None]
    assert found.as_table().splitlines()[0].split() == ["method", "deletion", "↓"]


def test_photos_that_cannot_be_read_or_give_nan_are_listed_and_the_others_measured(
    classifier, tmp_path
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    blank = Photo(np.full((64, 96, 3), 7, np.uint8), "blank.png")
    scores, activations = classifier.network.scores, classifier.network.activations

    def refuse(images):
        if np.isclose(images[0], 7 / 255).all():
            raise NotFinite("'colours' returned NaN for a photo.")

    classifier.network.scores = lambda images: refuse(images) or scores(images)
    classifier.network.activations = lambda images, layers: (
        refuse(images) or activations(images, layers)
    )
    found = evaluate(
        classifier,
        [PHOTOS[0], broken, blank, PHOTOS[1]],
        methods=["cam"],
        classes=[["red"], ["red"], ["red"], ["green"]],
        boxes=[TRUTHS[0], TRUTHS[0], TRUTHS[0], TRUTHS[1]],
        removal_steps=2,
        measures=["removal", "boxes"],
    )
    assert found.photos == ("painted.png", "painted.png")
    assert [one.name for one in found.failed] == [str(broken), "blank.png"]
    assert found.methods["cam"].pointing.tolist() == [True, True]
    assert found.as_dict()["failed"][1] == {
        "photo": "blank.png",
        "reason": "'colours' returned NaN for a photo.",
    }
    with pytest.raises(PhotoError, match=r"^No photo could be evaluated\. "):
        evaluate(classifier, [broken, blank], removal_steps=2, measures=["removal"])


def test_the_centre_map_gives_centred_boxes():
    heatmap = centre_map((100, 200))
    (box,) = heatmap_boxes(heatmap, threshold=0.5)
    assert np.allclose(box, [50, 25, 150, 75], atol=1)


def test_several_classes_per_photo_are_an_error(classifier):
    with pytest.raises(TargetError) as caught:
        evaluate(classifier, PHOTOS, classes=["red", "green"])
    assert str(caught.value) == (
        "2 classes of a photo were given, and one class per photo is measured. Give classes=[...] "
        "with a single one, or one list of one for each photo."
    )


def test_boxes_for_another_number_of_photos_are_an_error(classifier):
    with pytest.raises(OptionError) as caught:
        evaluate(classifier, PHOTOS, boxes=TRUTHS[:1])
    assert str(caught.value) == (
        "The boxes of 1 photos were given for 2 photos. Give one array of boxes (m, 4) for each "
        "photo."
    )


# Files of boxes


PHOTO = Photo(np.zeros((4, 4, 3), np.uint8), "cat.jpg")


@pytest.mark.parametrize(
    "content",
    [
        {"cat.jpg": [[1, 2, 3, 4]]},
        {"animals/cat.jpg": [{"class": "cat", "box": [1, 2, 3, 4]}]},
        {
            "images": [{"id": 7, "file_name": "cat.jpg"}],
            "annotations": [{"image_id": 7, "bbox": [1, 2, 2, 2]}],
        },
    ],
)
def test_boxes_are_read_from_json(tmp_path, content):
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(content))
    (boxes,) = read_boxes(file, [PHOTO])
    assert boxes.tolist() == [[1, 2, 3, 4]]


def test_a_photo_without_an_entry_is_an_error(tmp_path):
    file = tmp_path / "boxes.json"
    file.write_text('{"dog.jpg": []}')
    with pytest.raises(OptionError) as caught:
        read_boxes(file, [PHOTO])
    assert str(caught.value) == (
        f"The boxes {file} do not mention 'cat.jpg'. Add the photo to them, or leave it out."
    )


def test_a_file_that_is_none_is_an_error(tmp_path):
    file = tmp_path / "boxes.json"
    with pytest.raises(OptionError) as caught:
        read_boxes(file, [PHOTO])
    assert str(caught.value) == (
        f"The boxes {file} cannot be read: No such file or directory. Give JSON such as "
        "{\"cat.jpg\": [[x0, y0, x1, y1]]}, COCO's annotations, or a folder of Pascal VOC's."
    )
    file.write_text("[1, 2")
    with pytest.raises(OptionError) as caught:
        read_boxes(file, [PHOTO])
    assert str(caught.value) == (
        f"The boxes {file} are not understood: Expecting ',' delimiter: line 1 column 6 "
        '(char 5). Give JSON such as {"cat.jpg": [[x0, y0, x1, y1]]}, COCO\'s annotations, or a '
        "folder of Pascal VOC's."
    )


def test_the_command_prints_a_table(classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seewhy.commands.evaluate.load_model", lambda args: classifier)
    photo, boxes = tmp_path / "red.png", tmp_path / "boxes.json"
    Image.fromarray(PHOTOS[0].pixels).save(photo)
    boxes.write_text(json.dumps({"red.png": [RED_SPOT]}))
    measures = ["--measure", "removal,boxes", "--steps", "2"]
    assert main(["evaluate", str(photo), "--boxes", str(boxes), *measures]) == 0
    told = capsys.readouterr()
    tables = told.out.split("\n\n")
    names = ["method", "cam", "(centre)", "(random)", "(edges)", "(mean"]
    for table in tables:
        assert [line.split()[0] for line in table.splitlines()] == names
    assert tables[0].splitlines()[1].split()[-1] == "1.000"  # pointing
    assert "forward passes, 1 min or less.\n" in told.err
    files = [str(tmp_path / name) for name in ("kept.jsonl", "table.json", "table.png")]
    flags = ["--resume", files[0], "--out", files[1], "--plot", files[2]]
    assert main(["evaluate", str(photo), "--boxes", str(boxes), *measures, *flags]) == 0
    assert capsys.readouterr().out == told.out
    assert all(Path(file).stat().st_size > 1000 for file in files)
    assert main(["evaluate", str(photo), "--method", "cam", "--option", "masks=5"]) == 1
    assert "The method 'cam' has no option 'masks'" in capsys.readouterr().err
    assert main(["evaluate", str(photo), "--measure", "removal", "--steps", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "colours"


def test_no_result_of_a_command_overwrites_what_it_reads(classifier, tmp_path, monkeypatch, capsys):
    for name in ("evaluate", "locate"):
        monkeypatch.setattr(f"seewhy.commands.{name}.load_model", lambda args: classifier)
    photo, boxes = tmp_path / "000000.png", tmp_path / "boxes.json"
    Image.fromarray(PHOTOS[0].pixels).save(photo)
    boxes.write_text(json.dumps({photo.name: [RED_SPOT]}))
    before = photo.read_bytes(), boxes.read_bytes()
    evaluating = ["evaluate", str(photo), "--boxes", str(boxes), "--measure", "removal"]
    for command, path in (
        ([*evaluating, "--plot", str(photo)], photo),
        ([*evaluating, "--out", str(boxes)], boxes),
        ([*evaluating, "--resume", str(photo)], photo),
        (["locate", str(photo), "--out", str(tmp_path / "x"), "--coco", str(photo)], photo),
    ):
        assert main(command) == 1
        what = "one of the photos" if path == photo else "the file of boxes"
        assert capsys.readouterr().err.endswith(
            f"seewhy: {path} is {what}, and the result would overwrite it. Choose another place "
            "for the results.\n"
        )
    assert (photo.read_bytes(), boxes.read_bytes()) == before
