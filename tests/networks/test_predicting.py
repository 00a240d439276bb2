"""Functions of arrays: what they return is found by trial, and more is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.classifier import Classifier
from seewhy.errors import ModelError, UnknownLayer
from seewhy.methods import METHODS
from seewhy.networks.predicting import SCORES_SUFFICE

WEIGHTS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [1.0, 1.0, 1.0]])


def logits(images: np.ndarray) -> np.ndarray:
    """Three classes, of the mean colour."""
    return images.mean((1, 2)) @ WEIGHTS.T


def softmax(images: np.ndarray) -> np.ndarray:
    powers = np.exp(logits(images) - logits(images).max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def overflowing(images: np.ndarray) -> np.ndarray:
    """The softmax as it is often written: values that are too large for it become NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(logits(images))
        return powers / powers.sum(axis=1, keepdims=True)


def sigmoids(images: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * logits(images)))


def one_probability(images: np.ndarray) -> np.ndarray:
    return sigmoids(images)[:, 0]


def made(predict: Any, **settings: Any) -> Classifier:
    return Classifier(predict, size=(6, 8), preprocess="unit", name="mine", **settings)


IMAGES = np.random.default_rng(3).uniform(size=(4, 6, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("predict", "head", "classes"),
    [
        (logits, "linear", 3),
        (softmax, "softmax", 3),
        (overflowing, "softmax", 3),
        (sigmoids, "sigmoid", 3),
        (one_probability, "sigmoid", 2),
        (lambda images: logits(images)[:, 0], "linear", 1),
    ],
    ids=["scores", "softmax", "overflowing", "sigmoids", "one probability", "one value"],
)
def test_scores_and_probabilities_are_told_apart(predict: Any, head: str, classes: int) -> None:
    network = made(predict).network
    assert (network.head, network.classes) == (head, classes)


@pytest.mark.parametrize("predict", [softmax, sigmoids], ids=["softmax", "sigmoids"])
def test_probabilities_are_reported_as_the_function_gave_them(predict: Any) -> None:
    classifier = made(predict)
    found = classifier.probabilities(classifier.network.scores(IMAGES))
    np.testing.assert_allclose(found, predict(IMAGES), rtol=1e-5)


def test_the_score_of_a_probability_is_the_logit_up_to_what_all_classes_share() -> None:
    found = made(softmax).network.scores(IMAGES)
    difference = found - logits(IMAGES)
    np.testing.assert_allclose(difference - difference[:, :1], 0, atol=1e-5)
    z = logits(IMAGES)[:, 0]
    pair = made(one_probability).network.scores(IMAGES)
    np.testing.assert_allclose(pair, np.stack([-z, z], axis=1), rtol=1e-5)


def test_one_value_with_two_labels_is_a_logit() -> None:
    network = made(lambda images: logits(images)[:, :1], labels=["low", "high"]).network
    assert (network.head, network.classes) == ("sigmoid", 2)


def test_occlusion_is_the_default_and_shows_what_the_function_looks_at() -> None:
    def corner(images: np.ndarray) -> np.ndarray:
        return np.stack([images[:, :2, :2].mean((1, 2, 3)), images.mean((1, 2, 3))], axis=1)

    photo = np.full((6, 8, 3), 200, np.uint8)
    photo[:2, :2] = 250
    assert seewhy.explain(made(corner), photo, classes=[0]).method == "occlusion"
    options = {"patch": 2, "stride": 2, "fill": (0, 0, 0)}
    found = seewhy.explain(made(corner), photo, method="occlusion", classes=[0], **options)
    # the corner's mean falls from 250 / 255 to 0 where it is covered, and nowhere else
    np.testing.assert_allclose(found.maps[0, 0, :2, :2], 250 / 255, rtol=1e-5)
    np.testing.assert_allclose(found.maps[0, 0, 2:], 0, atol=1e-6)


def test_rise_needs_no_more_than_scores() -> None:
    photo = np.full((6, 8, 3), 200, np.uint8)
    found = seewhy.explain(made(logits), photo, method="rise", classes=[0], masks=16)
    assert found.maps.shape[:2] == (1, 1)


@pytest.mark.parametrize("method", ["grad-cam", "saliency", "integrated-gradients"])
def test_methods_that_need_more_say_what_works(method: str) -> None:
    photo = np.full((6, 8, 3), 200, np.uint8)
    with pytest.raises((ModelError, seewhy.errors.LayerError)) as caught:
        seewhy.explain(made(logits), photo, method=method, classes=[0])
    assert SCORES_SUFFICE in str(caught.value)


def test_what_works_is_what_needs_nothing_but_scores() -> None:
    assert all(name in METHODS for name in SCORES_SUFFICE.split(", "))


def test_a_layer_is_refused() -> None:
    with pytest.raises(UnknownLayer) as caught:
        made(logits, layer="conv5")
    assert str(caught.value) == (
        "'mine' has no layer 'conv5': it only gives scores. Leave the layer out, and use a method "
        "that needs no more: occlusion, rise."
    )


def test_the_size_is_asked_for() -> None:
    with pytest.raises(ModelError) as caught:
        Classifier(logits, name="mine")
    assert str(caught.value) == (
        "'mine' is a function, which does not tell which images it takes. Give size=(height, "
        "width), and channels=1 if they are grey."
    )


@pytest.mark.parametrize(
    ("predict", "count", "said"),
    [
        (
            lambda images: logits(images).squeeze() if len(images) == 1 else logits(images),
            1,
            "'mine' returned an array of float64 of the shape (3,) for 1 image. It must return one "
            "row of numbers per image: the shape (images, classes).",
        ),
        (
            lambda images: logits(images)[:, :2],
            4,
            "'mine' returned 2 numbers per image, and 3 before. It must return the same number of "
            "classes for every photo.",
        ),
        (
            lambda images: ["cat"] * len(images),
            4,
            "'mine' returned an array of <U3 of the shape (4, 1) for 4 images. It must return one "
            "row of numbers per image: the shape (images, classes).",
        ),
    ],
    ids=["squeezed", "other classes", "words"],
)
def test_other_shapes_are_an_error_of_one_sentence(predict: Any, count: int, said: str) -> None:
    network = made(logits).network
    network.model = predict
    with pytest.raises(ModelError) as caught:
        network.scores(IMAGES[:count])
    assert str(caught.value) == said
