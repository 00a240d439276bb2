"""The fingerprint of a network: names, weights, and what it makes of an image, tell it apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import seewhy
from seewhy.classifier.fingerprint import NetworkFingerprint, made_image, network_fingerprint
from seewhy.networks.checks import LoadableName
from tests.linear_network import LinearNetwork


class Weighing(LinearNetwork):
    """Shows its weights."""

    def weight_arrays(self) -> list[np.ndarray]:
        return [self.weights]


class Squaring(Weighing):
    """The same weights in another network."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        return super().scores(images) ** 2


def fingerprint(network: Any = None, **settings: Any) -> NetworkFingerprint:
    given = {"preprocess": "unit", "labels": ["red", "green", "blue"]} | settings
    return network_fingerprint(seewhy.Classifier(network or Weighing(), **given))


def test_the_same_network_has_the_same_fingerprint_and_it_comes_back_from_json() -> None:
    first, second = fingerprint(), fingerprint()
    again = NetworkFingerprint.from_dict(json.loads(json.dumps(first.as_dict())))
    assert first == second == again
    assert first.digest == again.digest
    assert first.differences(again) == []


def test_other_labels_are_another_network() -> None:
    before, now = fingerprint(), fingerprint(labels=["red", "cyan", "blue"])
    assert now.digest != before.digest
    assert now.differences(before) == ["labels: class 1 is 'green' there, 'cyan' now"]


def test_other_weights_or_another_preprocessing_are_another_network() -> None:
    before = fingerprint()
    (said,) = fingerprint(Weighing(weights=2 * np.eye(3, dtype=np.float32))).differences(before)
    assert said.startswith("weights: '")
    now = fingerprint(preprocess="none", fit="crop:16")
    assert now.differences(before) == [
        "preprocess: 'unit' there, 'none' now",
        "fit: stretch bilinear there, crop 16 bilinear now",
    ]
    assert now.digest != before.digest


def test_the_same_weights_in_another_network_are_told_by_the_scores_of_an_image() -> None:
    before, now = fingerprint(), fingerprint(Squaring())
    assert now.digest == before.digest
    assert now.differences(before) == ["scores: the same image has other scores than before"]


def test_a_network_of_a_package_needs_no_pass_and_code_and_files_do(tmp_path: Path) -> None:
    file = tmp_path / "net.keras"
    file.touch()
    for name, count in (("resnet50?weights=w.h5", 0), ("python:net:build", 3), (str(file), 3)):
        assert len(fingerprint(name=LoadableName(name)).scores) == count
    assert len(fingerprint(name="resnet50").scores) == 3  # made in Python, whatever its name


def test_a_network_without_weights_is_told_by_its_scores() -> None:
    before = fingerprint(LinearNetwork())
    now = fingerprint(LinearNetwork(weights=1.001 * np.eye(3, dtype=np.float32)))
    assert before.weights is None
    assert now.differences(before)


def test_a_machine_that_adds_up_in_another_order_has_the_same_network() -> None:
    before = fingerprint()
    now = replace(before, scores=tuple(score * (1 + 1e-3) for score in before.scores))
    assert now.differences(before) == []


def test_the_fingerprint_leaves_the_preprocessing_to_the_photos() -> None:
    classifier = seewhy.Classifier(LinearNetwork(), labels=["red", "green", "blue"])
    known = classifier.preprocessing
    assert network_fingerprint(classifier).preprocess == (known and known.mode)
    assert classifier.preprocessing is known


def test_the_made_image_is_the_same_everywhere_and_has_both_ranges() -> None:
    image = made_image((4, 6, 3))
    assert image[:, :3].max() <= 1 < 100 < image[:, 3:].max()
    np.testing.assert_array_equal(image, made_image((4, 6, 3)))
