"""contrast= on every method: what is explained, how it is named, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import seewhy
from seewhy import errors
from seewhy.explaining.contrast import Differences, similar_classes
from seewhy.methods import METHODS
from tests.explaining.test_explain import classifier, photo
from tests.linear_network import LinearNetwork
from tests.torchvision_operators import declare_missing_operators

SMALL = {"rise": {"masks": 20}, "smooth-grad": {"samples": 3}, "integrated-gradients": {"steps": 2}}
LINEAR = [
    "cam", "xgrad-cam", "hires-cam", "rise", "occlusion", "gradient-x-input",
    "integrated-gradients",
]  # fmt: skip
"""Methods whose map of a difference is the difference of the maps."""


@pytest.mark.parametrize("method", LINEAR)
def test_a_linear_methods_contrast_is_the_difference_of_its_maps(method: str) -> None:
    options: Any = SMALL.get(method, {})
    one, other, both = (
        seewhy.explain(classifier(), photo(1), method=method, **asked, **options).maps[0, 0]
        for asked in (
            {"classes": ["green"]},
            {"classes": ["blue"]},
            {"classes": ["green"], "contrast": "blue"},
        )
    )
    assert np.abs(both).max() > 0
    np.testing.assert_allclose(both, one - other, rtol=1e-4, atol=1e-7)


CONTRASTED = [one for one, row in METHODS.items() if not (row.class_free or row.attends)]


@pytest.mark.parametrize("method", CONTRASTED)
def test_every_method_contrasts_and_says_so(method: str) -> None:
    options: Any = SMALL.get(method, {})
    found = seewhy.explain(
        classifier(), photo(1), method=method, classes=["green"], contrast="red", **options
    )
    strength = 0.6 if method == "finer-cam" else 1.0
    (target,) = found.targets[0]
    assert target.rivals is not None
    assert (target.rivals.labels, target.rivals.strength) == (("red",), strength)
    assert found.title() == "green 0.34 rather than red"
    (row,) = json.loads(found.as_json())
    assert row["targets"][0]["contrast"] == {
        "labels": ["red"], "indices": [0], "strength": strength,
    }  # fmt: skip
    assert row["provenance"]["contrast"]["rivals"] == [0]


def test_an_explanation_without_a_contrast_says_nothing_of_one() -> None:
    found = seewhy.explain(classifier(), photo(1), classes=["green"])
    assert "contrast" not in found.as_dict()[0]["targets"][0]
    assert found.title() == "green 0.34"


def test_several_classes_count_by_their_mean() -> None:
    found = seewhy.explain(
        classifier(), photo(1), method="cam", classes=["green"], contrast=["red", "blue"]
    )
    alone = seewhy.explain(classifier(), photo(1), method="cam", classes=["green"])
    np.testing.assert_allclose(found.maps, alone.maps, rtol=1e-6)  # there is no red and no blue
    assert found.title() == "green 0.34 rather than red, blue"
    assert found.caption(0, 0, peak=False) == "green (1)\nrather than red, blue\n0.34"


def test_finer_cam_is_grad_cam_with_the_contrast_similar() -> None:
    weights = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    asked = seewhy.Classifier(LinearNetwork(weights=weights), preprocess="unit")
    finer = seewhy.explain(asked, photo(1), method="finer-cam", top=2)
    same = seewhy.explain(asked, photo(1), method="grad-cam", contrast="similar", top=2)
    assert np.abs(finer.maps).max() > 0
    np.testing.assert_array_equal(finer.maps, same.maps)
    assert finer.targets == same.targets
    assert (finer.method, same.method) == ("finer-cam", "grad-cam")
    alike = dataclasses.replace(finer.row, **{
        name: getattr(same.row, name)
        for name in ("name", "options", "contrasts", "paper", "summary", "cost")
    })  # fmt: skip
    assert alike == same.row


def test_similar_classes_are_those_of_the_nearest_weights() -> None:
    weights = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 5], [-1, 0, 0]], np.float32)
    network = LinearNetwork(weights=weights)
    asked = seewhy.Classifier(network, preprocess="none", labels=list("abcd"))
    scores = np.zeros((1, 4), np.float32)
    found = similar_classes(asked, np.array([[0, 3]]), scores, 2)
    np.testing.assert_array_equal(found, [[[1, 2], [2, 1]]])  # cosines of 0: .99, 0, −1


ROWS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.8, 0.6, 0], [0, 0.6, 0.8]], np.float32)
"""A 1 × 1 convolution to five classes; the cosines of 0 are 0, 0, 0.8 and 0."""


def fully_convolutional() -> seewhy.Classifier:
    """Return a network as SqueezeNet ends: a convolution to the classes, a ReLU, pooling."""
    model = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.from_numpy(ROWS)[..., None, None])
    return seewhy.Classifier(model, size=8, preprocess="unit", labels=list("abcde"))


def test_where_the_last_map_has_a_channel_per_class_its_convolution_is_compared() -> None:
    asked = fully_convolutional()
    assert np.array_equal(asked.session.class_weights(asked.layer), np.eye(5))
    scores = np.zeros((2, 5), np.float32)
    found = similar_classes(asked, np.array([[0, 4], [3, 1]]), scores, 2)
    np.testing.assert_array_equal(found, [[[3, 1], [2, 1]], [[0, 1], [3, 4]]])


def test_where_such_a_map_comes_from_no_convolution_the_nearest_scores_are_similar() -> None:
    network = LinearNetwork(weights=2 * np.eye(3, dtype=np.float32))
    asked = seewhy.Classifier(network, preprocess="none", labels=list("abc"))
    scores = np.array([[1.0, 4.0, 2.0]], np.float32)
    np.testing.assert_array_equal(similar_classes(asked, np.array([[1]]), scores, 1), [[[2]]])


def test_the_similar_classes_of_squeezenet_are_not_the_first_three() -> None:
    declare_missing_operators()
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    model = squeezenet1_1().eval()
    rows = functional.normalize(model.classifier[1].weight[:, :, 0, 0].detach(), dim=1)
    expected = (rows @ rows[500]).topk(4).indices[1:].tolist()
    asked = seewhy.Classifier(model, size=64, preprocess="torch")
    found = similar_classes(asked, np.array([[500]]), np.zeros((1, 1000), np.float32), 3)
    assert found[0, 0].tolist() == expected != [0, 1, 2]


def test_without_known_weights_the_nearest_scores_are_similar() -> None:
    network = LinearNetwork(weights=np.eye(4, 3, dtype=np.float32), cam=False)
    asked = seewhy.Classifier(network, preprocess="none", labels=list("abcd"))
    scores = np.array([[1.0, 4.0, 2.0, 3.5]], np.float32)
    found = similar_classes(asked, np.array([[3, 0]]), scores, 9)
    np.testing.assert_array_equal(found, [[[1, 2, 0], [2, 3, 1]]])


def test_finer_cam_takes_one_more_pass_and_a_contrast_none() -> None:
    network = LinearNetwork()
    asked = seewhy.Classifier(network, preprocess="none", labels=["red", "green", "blue"])
    seewhy.explain(asked, [photo(0), photo(1)], method="grad-cam", top=2, contrast="red")
    assert network.passes == [2]
    seewhy.explain(asked, [photo(0), photo(1)], method="finer-cam", top=1)
    assert network.passes == [2, 2, 2]


def test_methods_with_and_without_a_contrast_of_their_own_are_compared() -> None:
    both = seewhy.compare(
        classifier(), [photo(1)] * 3, methods=["grad-cam", "finer-cam"], classes=["green"],
        batch_size=2,
    )  # fmt: skip
    plain = seewhy.explain(classifier(), [photo(1)] * 3, method="grad-cam", classes=["green"])
    np.testing.assert_array_equal(both["grad-cam"].maps, plain.maps)
    assert both["grad-cam"].targets == plain.targets
    assert both["finer-cam"].targets[2][0].rivals is not None


def test_differences_combine_columns_by_class() -> None:
    found = Differences(
        classes=np.array([[4, 7], [7, 2]]),
        rivals=np.array([[[2, 7], [2, 4]], [[2, 4], [7, 4]]]),
        strength=np.array([0.5, 1.0]),
    )
    columns = np.array([[2, 4, 7], [7, 4, 2]])
    values = np.array([[1.0, 10.0, 100.0], [100.0, 10.0, 1.0]], np.float32)
    expected = [[10 - 0.5 * 50.5, 100 - 5.5], [100 - 0.5 * 5.5, 1 - 55]]
    np.testing.assert_allclose(found.combine(columns, values), expected)
    known = found.all_classes()
    assert {*known[0]} == {*known[1]} == {2, 4, 7}
    np.testing.assert_array_equal(known[:, :2], found.classes)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            {"classes": ["green"], "contrast": "green"},
            errors.TargetError,
            "'green' is contrasted with itself. Give two different classes to classes=... and "
            "contrast=....",
        ),
        (
            {"contrast": ["red", "green", "blue"]},
            errors.TargetError,
            "contrast=['red', 'green', 'blue'] names 3 of the 3 classes. Name at least one, and "
            "leave one to explain.",
        ),
        (
            {"contrast": []},
            errors.TargetError,
            "contrast=[] names 0 of the 3 classes. Name at least one, and leave one to explain.",
        ),
        (
            {"target": lambda output: output[:, 0], "contrast": "red", "method": "grad-cam"},
            errors.TargetError,
            "contrast=... compares classes, and a target of your own is a function. Subtract two: "
            "targets.score(0) - targets.score(1).",
        ),
        (
            {"method": "eigen-cam", "contrast": "red"},
            errors.TargetError,
            "The map is the same whatever the class, so there is nothing to contrast. Leave "
            "contrast=... out, or use a method that explains a class.",
        ),
        (
            {"contrast": "red", "output": "rest"},
            errors.OptionError,
            "The difference of two classes under output='rest' is twice that of their scores. "
            "Leave output=... out.",
        ),
        (
            {"target": lambda output: output[:, 0], "output": "rest", "method": "grad-cam"},
            errors.TargetError,
            "output='rest' is defined for classes, and a target of your own is a function of the "
            "output. Leave output=... out.",
        ),
    ],
)
def test_what_has_no_contrast_is_refused(
    asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        seewhy.explain(classifier(), photo(1), **asked)
    assert str(caught.value) == message


def test_an_unknown_class_is_refused_before_a_photo_is_read(tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownClass, match="has no class 'gren'"):
        seewhy.explain(classifier(), photo(1), contrast="gren")
    photos = tmp_path / "a.png"
    photos.write_bytes(b"nothing")
    with pytest.raises(errors.UnknownClass, match="has no class 'gren'"):
        seewhy.stream(classifier(), photos, contrast="gren")


def test_a_stream_contrasts_too() -> None:
    (found,) = seewhy.stream(classifier(), photo(1), method="cam", top=1, contrast="blue")
    assert isinstance(found, seewhy.Explanation)
    assert found.title() == "green 0.34 rather than blue"
