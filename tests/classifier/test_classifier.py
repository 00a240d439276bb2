"""A classifier knows size, preprocessing, labels and layer, and checks them against the network."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from seewhy.classifier import Classifier, as_fit
from seewhy.errors import OptionError, UnknownClass, UnknownLayer
from seewhy.photos.fitting import Fit
from seewhy.photos.reading import Photo, read_photo
from seewhy.settings import as_size
from tests.linear_network import LinearNetwork


def photo(height: int = 8, width: int = 12) -> Photo:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    pixels.setflags(write=False)
    return read_photo(pixels, name="noise")


def anything(**settings: object) -> Classifier:
    network = LinearNetwork(**settings)  # type: ignore[arg-type]
    return Classifier(network, name="own", preprocess="none")


def test_size_layer_and_labels_come_from_the_network() -> None:
    network = LinearNetwork()
    classifier = Classifier(network, preprocess="none")
    assert classifier.network is network
    assert classifier.size == (8, 12)
    assert classifier.fit == Fit(size=(8, 12), mode="stretch")
    assert classifier.layer == "maps"
    assert classifier.labels == ("class 0", "class 1", "class 2")
    assert classifier.wordnet_ids == ()
    assert classifier.name == "linear"
    assert repr(classifier) == (
        "<Classifier 'linear': 8×12 pixels, stretch, preprocess none, 3 classes, "
        "explained at 'maps'>"
    )


def test_a_classifier_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        anything().layer = "flat"  # type: ignore[misc]


def test_a_network_of_any_size_must_be_given_one() -> None:
    network = LinearNetwork(input_shape=(None, None, 3))
    with pytest.raises(OptionError) as caught:
        Classifier(network, name="own")
    assert str(caught.value) == (
        "'own' takes photos of any size. Say which it was trained for: size=(height, width) in "
        "Python, --size 224 on the command line."
    )
    assert Classifier(network, size=16).size == (16, 16)
    assert Classifier(network, fit=Fit(size=(6, 4), mode="crop")).size == (6, 4)


def test_a_size_that_the_network_does_not_take_is_an_error() -> None:
    with pytest.raises(OptionError) as caught:
        Classifier(LinearNetwork(), size=(8, 8), name="own")
    assert str(caught.value) == (
        "'own' takes photos of 8×12 pixels, but the size given is 8×8. Leave the size out."
    )
    assert Classifier(LinearNetwork(input_shape=(None, 12, 3)), size=(9, 12)).size == (9, 12)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (224, (224, 224)),
        (np.int64(224), (224, 224)),
        ((8, 12), (8, 12)),
        ([8, 12], (8, 12)),
        ("224", (224, 224)),
        ("8x12", (8, 12)),
        ("8×12", (8, 12)),
        (None, None),
    ],
)
def test_a_size_is_one_number_or_height_and_width(
    size: object, expected: tuple[int, int] | None
) -> None:
    assert as_size(size) == expected


@pytest.mark.parametrize("size", [0, -1, (), (1, 2, 3), "big", "8x", (None, None, 3)])
def test_anything_else_is_no_size(size: object) -> None:
    with pytest.raises(OptionError) as caught:
        as_size(size)
    assert str(caught.value) == (
        f"size {size!r} is not a valid input size. Give pixels: 224, or height and width: "
        "(224, 320) in Python, 224x320 on the command line."
    )


def test_a_fit_is_a_word_or_a_fit() -> None:
    crop = Fit(size=(8, 12), mode="crop", resize=10, interpolation="bicubic")
    assert as_fit("stretch", (8, 12)) == as_fit(None, (8, 12)) == Fit(size=(8, 12))
    assert as_fit("crop", (8, 12)) == Fit(size=(8, 12), mode="crop")
    assert as_fit("crop:10", (8, 12)) == Fit(size=(8, 12), mode="crop", resize=10)
    with pytest.raises(OptionError, match=r"^size '9{20}' is not a valid input size\."):
        as_fit("crop:" + "9" * 20, (8, 12))
    assert as_fit(crop, (8, 12)) is crop
    assert as_fit(Fit(size=None), (8, 12)) == Fit(size=(8, 12))
    with pytest.raises(OptionError) as caught:
        as_fit("pad", (8, 12))
    assert str(caught.value) == (
        "There is no fit 'pad'. Choose stretch, crop, or crop:256 (resize the shorter side to "
        "256 pixels, then crop)."
    )
    with pytest.raises(OptionError) as caught:
        as_fit(crop, (8, 8))
    assert str(caught.value) == (
        "The fit is to 8×12 pixels, but the network's input is 8×8. Give both the same size."
    )


def test_photos_are_fitted_and_scaled_and_placed() -> None:
    classifier = Classifier(LinearNetwork(), preprocess="tf", fit="crop")
    images, placements = classifier.prepare([photo(), photo(16, 48)])
    assert (images.shape, images.dtype) == ((2, 8, 12, 3), np.float32)
    np.testing.assert_allclose(images[0], photo().pixels / 127.5 - 1, atol=1e-6)
    assert placements[0].box == (0, 0, 12, 8)
    assert placements[1].box == (12, 0, 36, 16)  # 48 × 16 → 24 × 8 → the middle 12 × 8


def test_no_photos_make_an_empty_batch() -> None:
    images, placements = anything().prepare([])
    assert (images.shape, placements) == ((0, 8, 12, 3), [])


def test_a_grey_network_gets_grey_photos() -> None:
    classifier = anything(input_shape=(8, 12, 1))
    images, _ = classifier.prepare([photo()])
    red, green, blue = photo().pixels.astype(float).transpose(2, 0, 1)
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    np.testing.assert_allclose(images[0, :, :, 0], expected, atol=0.51)


@pytest.mark.parametrize("head", ["softmax", "linear"])
def test_probabilities_are_the_softmax_of_the_scores(head: str) -> None:
    scores = np.array([[0, np.log(3), 0], [1000, 0, -1000]], np.float32)
    found = anything(head=head).probabilities(scores)
    np.testing.assert_allclose(found, [[0.2, 0.6, 0.2], [1, 0, 0]], rtol=1e-6)


def test_probabilities_behind_a_sigmoid_are_each_for_itself() -> None:
    scores = np.array([[np.log(3), -np.log(3), 1000, -1000]], np.float32)
    found = anything(head="sigmoid").probabilities(scores)
    np.testing.assert_allclose(found, [[0.75, 0.25, 1, 0]], rtol=1e-6)


def test_a_single_linear_output_is_a_value_and_has_no_probability() -> None:
    classifier = anything(head="linear", weights=np.ones((1, 3), np.float32))
    assert classifier.is_regression
    assert classifier.labels == ("value",)
    assert np.isnan(classifier.probabilities(np.array([[np.log(3)]], np.float32))).all()


def test_classes_are_asked_for_by_name_or_index() -> None:
    classifier = Classifier(LinearNetwork(), labels=["Big cat", "dog", "panda"], name="own")
    queries = ("big_cat", 1, np.int64(2), "1")
    assert [classifier.class_index(query) for query in queries] == [0, 1, 2, 1]
    assert classifier.label(2) == "panda"
    with pytest.raises(UnknownClass) as caught:
        classifier.class_index("pander")
    assert str(caught.value) == (
        "'own' has no class 'pander'. It has 3 classes; the nearest name is 'panda'. "
        "Select one by name or by index, 0 to 2."
    )
    with pytest.raises(UnknownClass, match=r"^'own' has no class '3'"):
        classifier.label(3)


def test_a_layer_is_checked_when_the_classifier_is_made() -> None:
    assert Classifier(LinearNetwork(), layer="flat").layer == "flat"
    with pytest.raises(UnknownLayer, match=r"^'linear' has no layer 'mops'"):
        Classifier(LinearNetwork(), layer="mops")


def test_a_preprocessing_is_checked_when_the_classifier_is_made() -> None:
    with pytest.raises(OptionError, match=r"^There is no preprocessing 'cafe'"):
        Classifier(LinearNetwork(), preprocess="cafe")
