"""Keras models as people write them, on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import seewhy
from seewhy.errors import ModelError, SeewhyWarning, TargetError

pytestmark = [
    pytest.mark.backends,
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
        "ignore:`build..` was called on layer:UserWarning",  # of a subclass
    ),
]
PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)


class Pooled(keras.Model):
    """A convolution, a pooling and dense layers that a test joins."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        keras.utils.set_random_seed(0)
        self.conv = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")
        self.out, self.other = layers.Dense(classes), layers.Dense(classes)

    def pooled(self, x: Any) -> Any:
        return keras.ops.mean(self.conv(x), axis=(1, 2))


class Squeezed(Pooled):
    def call(self, x: Any) -> Any:
        return self.out(keras.ops.squeeze(keras.ops.expand_dims(self.pooled(x), 1)))


class SqueezedScores(Pooled):
    def call(self, x: Any) -> Any:
        return keras.ops.squeeze(self.out(self.pooled(x)))


class OnBatchStatistics(Pooled):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.norm = layers.BatchNormalization(name="norm")

    def call(self, x: Any) -> Any:
        h = self.conv(x)
        return self.out(keras.ops.mean(self.norm(h, training=True) * h, axis=(1, 2)))


class AlwaysDropping(Pooled):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.drop = layers.Dropout(0.5)

    def call(self, x: Any) -> Any:
        return self.out(self.drop(self.pooled(x), training=True))


class Percent(Pooled):
    def call(self, x: Any) -> Any:
        return 100 * keras.ops.softmax(self.out(self.pooled(x)))


class LogSigmoid(Pooled):
    def call(self, x: Any) -> Any:
        return keras.ops.log_sigmoid(self.out(self.pooled(x)))


class Several(Pooled):
    def call(self, x: Any) -> Any:
        h = self.pooled(x)
        return {"logits": self.out(h), "other": self.other(h)}


class MeanOfSigmoids(Pooled):
    def call(self, x: Any) -> Any:
        h = self.pooled(x)
        return (keras.ops.sigmoid(self.out(h)) + keras.ops.sigmoid(self.other(h))) / 2


def shown(model: Any, **settings: Any) -> dict[str, float]:
    classifier = seewhy.Classifier(model, size=(32, 48), preprocess="unit", **settings)
    found = seewhy.explain(classifier, PHOTO, top=2, method="grad-cam", layer="conv")
    return {one.label: one.probability for one in found.predictions[0]}


def own(model: Any) -> Any:
    pair = np.stack([PHOTO, PHOTO]).astype(np.float32) / 255
    return np.asarray(keras.ops.convert_to_numpy(model(pair)))[0]


@pytest.mark.parametrize("kind", [Squeezed, SqueezedScores])
def test_one_photo_is_explained_where_the_model_drops_its_axis(kind: type[Pooled]) -> None:
    model = kind(4)
    scores = own(model)
    expected = np.exp(scores) / np.exp(scores).sum()
    found = shown(model)
    assert found == pytest.approx(
        {f"class {index}": float(value) for index, value in enumerate(expected)}, abs=1e-5
    )


def test_a_photo_is_explained_as_if_it_were_alone() -> None:
    model = OnBatchStatistics(3)
    classifier = seewhy.Classifier(model, size=(32, 48), preprocess="unit")
    asked: dict[str, Any] = {"method": "grad-cam", "layer": "conv", "classes": [0, 1, 2]}
    beside = seewhy.explain(classifier, [PHOTO // 3, PHOTO], **asked)
    alone = seewhy.explain(classifier, PHOTO, **asked)
    np.testing.assert_allclose(beside.maps[1], alone.maps[0], atol=1e-6)
    scores = own(model)  # beside itself: the statistics of one
    shown = {one.index: one.score for one in beside.predictions[1]}
    assert shown == pytest.approx(dict(enumerate(scores.tolist())), abs=1e-4)
    assert any(
        one.startswith("several photos in one pass: ") for one in seewhy.check(classifier).limits
    )


def test_a_model_that_draws_random_numbers_is_told() -> None:
    classifier = seewhy.Classifier(AlwaysDropping(3), size=(32, 48), preprocess="unit")
    with pytest.warns(SeewhyWarning, match="are one sample of many"):
        seewhy.explain(classifier, PHOTO, method="grad-cam", layer="conv")


def test_percentages_and_logarithms_of_probabilities_are_probabilities() -> None:
    model = Percent(3)
    expected = {f"class {index}": float(one) / 100 for index, one in enumerate(own(model))}
    assert shown(model) == pytest.approx(expected, abs=1e-5)
    model = LogSigmoid(3)
    expected = {f"class {index}": float(np.exp(one)) for index, one in enumerate(own(model))}
    assert shown(model) == pytest.approx(expected, abs=1e-5)


def test_several_outputs_are_told_by_their_names() -> None:
    classifier = seewhy.Classifier(Several(3), size=(32, 48), preprocess="unit")
    assert classifier.network.outputs == ("logits", "other")
    with pytest.raises(TargetError, match=r"\(images\)\['logits'\] in Python, --output logits on"):
        seewhy.explain(classifier, PHOTO)


def test_a_model_with_channels_first_has_the_map_of_its_twin() -> None:
    keras.utils.set_random_seed(0)
    weights: list[Any] = []
    maps = []
    for layout, shape in (("channels_last", (32, 48, 3)), ("channels_first", (3, 32, 48))):
        image = keras.Input(shape)
        inner = layers.Conv2D(4, 3, activation="relu", data_format=layout)(image)
        inner = layers.MaxPooling2D(data_format=layout)(inner)
        inner = layers.Conv2D(5, 3, data_format=layout, name="last")(inner)
        pooled = layers.GlobalAveragePooling2D(data_format=layout)(inner)
        model = keras.Model(image, layers.Dense(3, activation="softmax")(pooled))
        weights = weights or model.get_weights()
        model.set_weights(weights)
        classifier = seewhy.Classifier(model, preprocess="unit")
        maps.append(seewhy.explain(classifier, PHOTO, method="grad-cam", layer="last").maps)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)
    assert maps[0].max() > 0


def test_one_output_that_is_a_probability_is_shown_as_it_is() -> None:
    model = MeanOfSigmoids(1)
    value = float(own(model)[0])
    assert shown(model, labels=["healthy", "ill"]) == pytest.approx(
        {"healthy": 1 - value, "ill": value}, abs=1e-5
    )


def test_independent_probabilities_do_not_go_through_a_softmax() -> None:
    model = MeanOfSigmoids(3)
    expected = {f"class {index}": float(value) for index, value in enumerate(own(model))}
    assert shown(model) == pytest.approx(expected, abs=1e-5)


def test_a_model_with_two_inputs_is_told_call() -> None:
    image, table = keras.Input((32, 48, 3), name="image"), keras.Input((4,), name="table")
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(image))
    model = keras.Model(
        [image, table], layers.Dense(3)(layers.Concatenate()([pooled, table])), name="two"
    )
    with pytest.raises(ModelError) as caught:
        seewhy.Classifier(model, preprocess="unit")
    assert str(caught.value) == (
        "'two' has 2 inputs ('image', 'table'), and a photo is one. Say what the others get, in "
        "Python: seewhy.Classifier(model, call=lambda model, images: model([images, ...]))"
    )


@pytest.mark.parametrize("end", ["sigmoid", "softmax", None])
def test_a_segmentation_is_explained_at_the_last_layer_before_the_scores(end: str | None) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 48, 3))
    enc = layers.Conv2D(8, 3, activation="relu", padding="same")(image)
    low = layers.Conv2D(8, 3, activation="relu", padding="same")(layers.MaxPooling2D()(enc))
    joined = layers.Concatenate()([enc, layers.UpSampling2D()(low)])
    dec = layers.Conv2D(8, 3, activation="relu", padding="same", name="dec")(joined)
    model = keras.Model(image, layers.Conv2D(3, 1, activation=end, name="mask")(dec))
    found = seewhy.Classifier(model, preprocess="unit")
    assert found.layer == "dec"
    explained = seewhy.explain(found, PHOTO, target=lambda o: keras.ops.sum(o[..., 1], axis=(1, 2)))
    # The gradient of a sum of scores by the layer is the weights of the 1×1 convolution.
    weights = keras.ops.convert_to_numpy(model.get_layer("mask").kernel)[0, 0, :, 1]
    inner = keras.Model(image, dec)(PHOTO[None].astype(np.float32) / 255)
    by_hand = np.maximum(keras.ops.convert_to_numpy(inner)[0] @ weights, 0)
    np.testing.assert_allclose(explained.maps[0, 0], by_hand, atol=1e-4)


class CentredOverImages(layers.Layer):
    """A layer of the user's own: the mean of all images is taken off."""

    def call(self, x: Any) -> Any:
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def _over_images(kind: str, x: Any) -> Any:
    if kind == "own layer":
        return CentredOverImages()(x) + 0.3 * x
    if kind == "operation":
        return x / (1 + keras.ops.max(keras.ops.abs(x)))
    if kind == "lambda":
        return layers.Lambda(lambda y: y - keras.ops.flip(y, 0) / 2)(x)
    return layers.UnitNormalization(axis=0)(x) + x


@pytest.mark.parametrize("kind", ["own layer", "operation", "lambda", "norm over images"])
def test_a_photo_is_explained_as_if_alone_whatever_layer_mixes_images(kind: str) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 48, 3))
    h = _over_images(kind, layers.Conv2D(4, 3, padding="same", name="conv")(image))
    h = layers.Activation("relu", name="last")(h)
    scores = layers.Dense(3)(layers.GlobalAveragePooling2D()(h))
    classifier = seewhy.Classifier(keras.Model(image, scores), preprocess="unit")
    assert classifier.network.mixes_images
    other = 255 - PHOTO // 3
    alone = seewhy.explain(classifier, PHOTO, method="grad-cam", layer="last", classes=[1])
    beside = seewhy.explain(
        classifier, [other, PHOTO], method="grad-cam", layer="last", classes=[1]
    )
    np.testing.assert_allclose(beside.maps[1], alone.maps[0], atol=1e-6)
    expected = keras.ops.softmax(classifier.network.model(PHOTO[None].astype(np.float32) / 255))
    found = {one.index: one.probability for one in beside.predictions[1]}
    for index, value in enumerate(np.asarray(keras.ops.convert_to_numpy(expected))[0]):
        assert found[index] == pytest.approx(float(value), abs=1e-5)


def test_plain_models_are_not_tried_for_mixing() -> None:
    image = keras.Input((32, 48, 3))
    h = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(image))
    h = layers.Add()([h, layers.ReLU()(h)])
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(h)))
    network = seewhy.Classifier(model, preprocess="unit").network
    assert network.structure().is_plain
    assert not network.mixes_images
