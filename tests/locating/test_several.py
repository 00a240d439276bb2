"""Several objects: support by hand and by loops, and a network that is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from seewhy.boxes import intersection_over_union
from seewhy.commands.cli import main
from seewhy.errors import OptionError
from seewhy.explaining import explain
from seewhy.locating.locate import locate
from seewhy.locating.settings import SUPPORT
from seewhy.locating.several import AGREE, MOST, Candidates, candidates_of, supports
from tests.colour_network import (
    GREEN,
    GREEN_SPOT,
    RED,
    RED_SPOT,
    colour_classifier,
    painted,
)

MAPS = 2 * 6
"""Two scales, and six shares of the maximum."""


@pytest.fixture(scope="module")
def classifier():
    return colour_classifier()


@pytest.fixture(scope="module")
def zoomed(classifier):
    return explain(classifier, painted((RED_SPOT, RED)), top=3, zoom=2)


@pytest.fixture(scope="module")
def found(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, GREEN))
    return locate(classifier, photo, several=True)


@pytest.fixture(scope="module")
def as_candidates(zoomed):
    def candidates(boxes, agreement, classes):
        return Candidates(boxes, agreement, classes, (), zoomed)

    return candidates


def test_objects_of_two_classes_are_both_found(found):
    boxes = {one.seen.label: one for one in found.found[0]}
    assert set(boxes) == {"red", "green"}
    for label, spot in (("red", RED_SPOT), ("green", GREEN_SPOT)):
        one = boxes[label]
        assert one.proposed_by.label == label
        assert intersection_over_union(np.array([one.box]), np.array([spot]))[0, 0] > 0.6
        assert one.confirmed == pytest.approx(one.seen.probability)
        assert one.support >= SUPPORT
    assert found.threshold == SUPPORT


def test_two_objects_of_one_class_are_both_found_where_they_do_not_touch(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, RED))
    boxes = np.array([one.box for one in locate(classifier, photo, several=True).found[0]])
    shared = intersection_over_union(boxes, np.array([RED_SPOT, GREEN_SPOT]))
    assert (shared.max(axis=0) > 0.6).all()


def test_boxes_come_with_the_best_supported_first_and_little_overlap(classifier):
    photo = painted((RED_SPOT, RED), (GREEN_SPOT, (0, 60, 0)))
    every = locate(classifier, photo, several=True, min_support=0.0).found[0]
    support = [one.support for one in every]
    assert support == sorted(support, reverse=True)
    boxes = np.array([one.box for one in every])
    shared = intersection_over_union(boxes, boxes) - np.eye(len(boxes))
    assert shared.max() <= 0.5
    some = locate(classifier, photo, several=True, min_support=support[0]).found[0]
    assert [one.box for one in some] == [one.box for one in every if one.support >= support[0]]
    assert len(some) < len(every)


def test_a_photo_without_heat_has_no_box(classifier):
    assert locate(classifier, painted(), several=True).found == ((),)


def test_it_takes_the_tiles_of_two_scales_twice_and_a_look_into_every_candidate():
    classifier = colour_classifier()
    locate(classifier, painted((RED_SPOT, RED)), several=True)
    without_looks = 1 + (9 + 25) + (1 + 9) + (1 + 25)
    assert without_looks < classifier.network.seen <= without_looks + MOST


def test_the_heat_that_pictures_show_is_that_of_the_tiles(found):
    assert found.explanation.maps.shape == (1, 1, 4 * 8, 4 * 8)
    assert found.pictures()[0].shape == found.photos[0].pixels.shape


def test_json_has_the_support(found):
    (row,) = json.loads(found.as_json())
    assert [box["support"] for box in row["boxes"]] == [one.support for one in found.found[0]]


# What is counted


def test_a_box_of_the_whole_photo_that_all_maps_draw_of_a_sure_class_has_support_one(as_candidates):
    boxes = np.array([[0, 0, 40, 20]])
    candidates = as_candidates(boxes, np.ones((1, MAPS)), np.zeros(MAPS, np.int64))
    support, class_of = supports(candidates, np.array([[1.0, 0.0]]), (20, 40))
    assert support.tolist() == [1.0]
    assert class_of.tolist() == [0]


def test_a_quarter_of_the_photo_counts_half_and_an_unsure_class_by_its_probability(as_candidates):
    boxes = np.array([[0, 0, 20, 10]])
    candidates = as_candidates(boxes, np.ones((1, MAPS)), np.ones(MAPS, np.int64))
    support, class_of = supports(candidates, np.array([[0.9, 0.25]]), (20, 40))
    assert support[0] == pytest.approx(0.5 * 0.25)
    assert class_of.tolist() == [1]


def test_the_support_is_the_formula(as_candidates):
    random = np.random.default_rng(0)
    boxes = np.array([[0, 0, 10, 10], [5, 5, 30, 20], [2, 0, 40, 9]])
    agreement = random.uniform(0, 1, (3, 7))
    classes = random.integers(0, 4, 7)
    likely = random.uniform(0, 1, (3, 4))
    support, class_of = supports(as_candidates(boxes, agreement, classes), likely, (20, 40))
    for m, (x0, y0, x1, y1) in enumerate(boxes):
        by_class = [0.0] * 4
        for j in range(7):
            by_class[classes[j]] += agreement[m, j] * likely[m, classes[j]]
        side = ((x1 - x0) * (y1 - y0) / (20 * 40)) ** 0.5
        assert support[m] == pytest.approx(side * sum(by_class) / MAPS)
        assert class_of[m] == int(np.argmax(by_class))


def test_a_class_without_a_probability_supports_nothing(as_candidates):
    candidates = as_candidates(np.array([[0, 0, 4, 4]]), np.ones((1, 2)), np.array([0, 0]))
    assert supports(candidates, np.array([[np.nan]]), (8, 8))[0].tolist() == [0.0]


def test_candidates_are_the_boxes_with_the_most_votes_each_place_once(zoomed):
    agreed, near, far = [4.0, 4.0, 24.0, 24.0], [4.0, 4.0, 25.0, 24.0], [50.0, 10.0, 60.0, 30.0]
    # shares 0.6 of the union with the first: no vote for it, and a place of its own
    other = [4.0, 4.0, 24.0, 16.0]
    proposed = np.array([far, other, agreed, near, agreed])
    candidates = candidates_of(proposed, np.array([0, 1, 2, 0, 1]), zoomed, (64, 96))
    assert candidates.boxes.tolist() == [[4, 4, 24, 24], [50, 10, 60, 30], [4, 4, 24, 16]]
    near_agreed = 400 / 420
    assert near_agreed > AGREE
    np.testing.assert_allclose(candidates.agreement[0], [0, 0, 1, near_agreed, 1])
    np.testing.assert_allclose(candidates.agreement[1], [1, 0, 0, 0, 0])


def test_candidates_are_at_least_a_pixel_and_inside_the_photo(zoomed):
    proposed = np.array([[95.8, 63.7, 96.4, 64.2], [10.2, 5.1, 10.4, 5.3]])
    boxes = candidates_of(proposed, np.array([0, 0]), zoomed, (64, 96)).boxes
    assert boxes.tolist() == [[95, 63, 96, 64], [10, 5, 11, 6]]


# What is refused, and the command


@pytest.mark.parametrize(
    "options", [{"top": 2}, {"fast": True}, {"zoom": 2}, {"look_again": False}, {"objects": 2}]
)
def test_several_refuses_the_options_of_a_search_for_one_object(options):
    classifier = colour_classifier()
    with pytest.raises(OptionError) as caught:
        locate(classifier, painted(), several=True, **options)
    assert str(caught.value) == (
        "several=True chooses classes, tiles and thresholds itself, and looks into every box. "
        "Leave out top, classes, fast, zoom, threshold, components, objects and look_again."
    )
    assert classifier.network.seen == 0


def test_a_negative_support_is_refused(classifier):
    with pytest.raises(OptionError) as caught:
        locate(classifier, painted(), several=True, min_support=-1.0)
    assert str(caught.value) == "min_support=-1.0 is not valid. Give a number, 0 or more."


def test_the_command_finds_several(classifier, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seewhy.commands.locate.load_model", lambda args: classifier)
    photo = tmp_path / "painted.png"
    Image.fromarray(painted((RED_SPOT, RED), (GREEN_SPOT, GREEN)).pixels).save(photo)
    arguments = ["locate", str(photo), "--several", "--out", str(tmp_path / "where")]
    assert main(arguments) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main([*arguments, "--min-support", "9"]) == 0
    assert capsys.readouterr().out == ""
