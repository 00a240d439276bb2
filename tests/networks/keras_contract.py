"""What every Keras backend must do besides the contract: the ways in which people build models.

The same weights as in the contract, built as functional, Sequential, subclassed and nested
models, with the softmax in every place, in every precision and layout; so that the expected
numbers are the contract's own.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from seewhy.errors import LayerError, ModelError, NotACamNetwork, UnknownLayer
from seewhy.networks.base import INPUT, Network, Top
from tests.networks.contract import (
    BODY,
    CHANNELS,
    CLASSES,
    CONV1,
    CONV2,
    DENSE,
    HEIGHT,
    IMAGES,
    NESTED,
    ONE_EACH,
    PLAIN,
    SOFTMAX,
    TWO_EACH,
    WIDTH,
    Conv,
    NetworkContract,
    Pool,
    Step,
    answers,
    chosen,
    gradients,
    near,
    scores,
    some,
)
from tests.networks.keras_builder import functional, state_of

SHAPE = (HEIGHT, WIDTH, CHANNELS)


def body() -> list[Any]:
    """Return fresh layers conv1, relu1, conv2, add, relu2, without weights."""
    return [
        layers.Conv2D(3, 3, padding="same", name="conv1"),
        layers.ReLU(name="relu1"),
        layers.Conv2D(3, 3, padding="same", name="conv2"),
        layers.Add(name="add"),
        layers.ReLU(name="relu2"),
    ]


def set_body(parts: Sequence[Any]) -> None:
    """Give the layers of `body` the contract's weights."""
    parts[0].set_weights([CONV1.kernel, CONV1.bias])
    parts[2].set_weights([CONV2.kernel, CONV2.bias])


@keras.saving.register_keras_serializable("seewhy tests")
class Own(keras.Model):
    """A subclassed model with the contract's steps; its softmax is a bare operation."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.parts = body()
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.dense = layers.Dense(CLASSES, name="dense")

    def call(self, x: Any) -> Any:
        conv1, relu1, conv2, add, relu2 = self.parts
        y = relu1(conv1(x))
        y = relu2(add([conv2(y), y]))
        return keras.ops.softmax(self.dense(self.pool(y)))


class Around(keras.Model):
    """Around a trained convolution; was never called, and does not tell its images."""

    def __init__(self, convolution: Any) -> None:
        super().__init__(name="tiny")
        self.convolution = convolution
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")

    def call(self, images: Any) -> Any:
        return self.pool(self.convolution(images))


def around_a_convolution_of(channels: int) -> Around:
    convolution = keras.layers.Conv2D(2, 3, name="conv")
    convolution.build((None, None, None, channels))
    return Around(convolution)


def own() -> Own:
    """Return the subclassed model, called once, with the contract's weights."""
    model = Own(name="tiny")
    model(np.zeros((1, *SHAPE), np.float32))
    set_body(model.parts)
    model.dense.set_weights([DENSE.weights, DENSE.bias])
    return model


def over(base: keras.Model, tail: Callable[[Any], Any]) -> keras.Model:
    """Return a functional model of a body and what stands behind it."""
    return keras.Model(base.inputs, tail(base.outputs[0]), name="tiny")


def dense(**options: Any) -> Any:
    """Return a function that calls a fresh Dense layer, made with the contract's weights."""
    layer = layers.Dense(CLASSES, name="dense", **options)

    def tail(x: Any) -> Any:
        answer = layer(layers.GlobalAveragePooling2D(name="pool")(x))
        layer.set_weights([DENSE.weights, DENSE.bias])
        return answer

    return tail


def as_argument() -> keras.Model:
    return over(functional(BODY), dense(activation="softmax"))


def as_softmax_layer() -> keras.Model:
    return over(functional(BODY), lambda x: layers.Softmax()(dense()(x)))


def as_activation_layer_in_float32() -> keras.Model:
    return over(
        functional(BODY),
        lambda x: layers.Activation("softmax", dtype="float32", name="probabilities")(dense()(x)),
    )


def as_operation() -> keras.Model:
    return over(functional(BODY), lambda x: keras.ops.softmax(dense()(x)))


def before_a_reshape() -> keras.Model:
    return over(
        functional(BODY), lambda x: layers.Reshape((CLASSES,))(dense(activation="softmax")(x))
    )


def before_a_cast() -> keras.Model:
    def tail(x: Any) -> Any:
        return keras.ops.cast(keras.ops.cast(dense(activation="softmax")(x), "float16"), "float32")

    return over(functional(BODY), tail)


def behind_a_1x1_convolution() -> keras.Model:
    """As MobileNet ends: pooling with its axes kept, a convolution, a reshape, a softmax."""
    layer = layers.Conv2D(CLASSES, 1, name="dense")

    def tail(x: Any) -> Any:
        answer = layer(layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x))
        layer.set_weights([DENSE.weights[None, None], DENSE.bias])
        return layers.Activation("softmax")(layers.Reshape((CLASSES,))(answer))

    return over(functional(BODY), tail)


SOFTMAXES = [
    own,
    as_argument,
    as_softmax_layer,
    as_activation_layer_in_float32,
    as_operation,
    before_a_reshape,
    before_a_cast,
    behind_a_1x1_convolution,
]


def sequential_of_a_base() -> keras.Model:
    parts = [functional(NESTED[0].steps), layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)]
    parts[0].name = "base"
    model = keras.Sequential([keras.Input(SHAPE), *parts], name="tiny")
    parts[2].set_weights([DENSE.weights, DENSE.bias])
    return model


def sequential_that_was_never_called() -> keras.Model:
    base = functional(NESTED[0].steps)
    base.name = "base"
    return keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)])


def base_called_inside() -> keras.Model:
    base = functional(NESTED[0].steps, (None, None, CHANNELS))
    base.name = "base"
    start = keras.Input(SHAPE)
    return keras.Model(start, dense()(layers.Activation("linear")(base(start))), name="tiny")


def channels_first() -> keras.Model:
    """The contract's plain network with maps (n, c, h, w)."""
    here: dict[str, Any] = {"data_format": "channels_first"}
    start = keras.Input((CHANNELS, HEIGHT, WIDTH))
    conv1 = layers.Conv2D(3, 3, padding="same", name="conv1", **here)
    conv2 = layers.Conv2D(3, 3, padding="same", name="conv2", **here)
    y = layers.ReLU(name="relu1")(conv1(start))
    y = layers.ReLU(name="relu2")(layers.Add(name="add")([conv2(y), y]))
    last = layers.Dense(CLASSES, name="dense")
    y = last(layers.GlobalAveragePooling2D(name="pool", **here)(y))
    for layer, step in ((conv1, CONV1), (conv2, CONV2)):
        layer.set_weights([step.kernel, step.bias])
    last.set_weights([DENSE.weights, DENSE.bias])
    return keras.Model(start, y, name="tiny")


class Counts(keras.layers.Layer):
    """Hands its input on; notes the batch size of each call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batches: list[int | None] = []

    def call(self, x: Any) -> Any:
        self.batches.append(x.shape[0])
        return x


class KerasContract(NetworkContract):
    """What every adapter does, and every one for Keras."""

    adapter: Any
    file = "net.keras"

    def build(self, steps: Sequence[Step]) -> Network:
        return self.adapt(functional(steps))

    def adapt(self, model: Any, **options: Any) -> Any:
        return self.adapter(model, **{"name": "tiny", **options})

    def state(self, network: Any) -> Any:
        return state_of(network.model)

    def test_a_model_of_volumes_is_refused_in_a_sentence(self) -> None:
        model = keras.Sequential(
            [keras.Input((4, 8, 8, 3)), layers.GlobalAveragePooling3D(), layers.Dense(2)]
        )
        with pytest.raises(ModelError, match=r"^'tiny' takes volumes or videos, and seewhy "):
            self.adapt(model)

    # The softmax

    @pytest.mark.parametrize("make", SOFTMAXES)
    def test_a_softmax_is_found_wherever_it_stands(self, make: Callable[[], Any]) -> None:
        network = self.adapt(make())
        assert (network.head, network.classes) == ("softmax", CLASSES)
        names = [layer.name for layer in network.layers]
        relu = next(name for name in names if name.endswith("relu1"))
        found = network.activations_and_gradients(IMAGES, [relu], TWO_EACH)
        near(found.scores, scores(PLAIN, IMAGES))
        near(found.gradients[relu], chosen(gradients(PLAIN, IMAGES, "relu1"), TWO_EACH))

    def test_a_softmax_inside_the_network_is_not_its_head(self) -> None:
        def tail(x: Any) -> Any:
            return dense()(layers.Softmax()(x))

        assert self.adapt(over(functional(BODY), tail)).head == "linear"

    def test_a_log_softmax_is_taken_off_too(self) -> None:
        network = self.adapt(over(functional(BODY), dense(activation="log_softmax")))
        assert network.head == "softmax"
        near(network.scores(IMAGES), scores(PLAIN, IMAGES))

    def test_a_sigmoid_for_each_class_is_taken_off(self) -> None:
        network = self.adapt(over(functional(BODY), dense(activation="sigmoid")))
        found = network.activations_and_gradients(IMAGES, ["relu2"], Top(1), output="probability")
        expected = scores(PLAIN, IMAGES)
        assert (network.head, network.classes) == ("sigmoid", CLASSES)
        near(found.scores, expected)
        near(found.values, 1 / (1 + np.exp(-expected.max(axis=1, keepdims=True))))

    def test_the_softmax_itself_is_not_on_the_way_to_the_scores(self) -> None:
        network = self.build(SOFTMAX)
        with pytest.raises(LayerError) as caught:
            network.activations_and_gradients(IMAGES, ["probabilities"], Top(1))
        assert str(caught.value) == (
            "What is explained of 'tiny' does not depend on 'probabilities': it is not on the way "
            "there. Choose a layer that is, or list them: classifier.network.layers"
        )
        near(network.activations(IMAGES, ["probabilities"])["probabilities"], found_softmax())

    # Ways to build a model

    @pytest.mark.parametrize("make", [sequential_of_a_base, base_called_inside])
    def test_layers_of_a_base_model_have_paths(self, make: Callable[[], Any]) -> None:
        network = self.adapt(make())
        assert network.default_layer == "base/relu2"
        found = network.activations_and_gradients(IMAGES, ["base/relu1"], TWO_EACH)
        near(found.gradients["base/relu1"], chosen(gradients(PLAIN, IMAGES, "relu1"), TWO_EACH))
        near(network.class_weights("base/relu2"), DENSE.weights.T)

    def test_a_sequential_model_that_was_never_called_is_built(self) -> None:
        model = sequential_that_was_never_called()
        network = self.adapt(model, size=(HEIGHT, WIDTH), channels=CHANNELS)
        model.layers[-1].set_weights([DENSE.weights, DENSE.bias])
        assert network.default_layer == "base/relu2"
        near(network.scores(IMAGES), scores(PLAIN, IMAGES))
        near(np.asarray(model.predict(IMAGES[:2], verbose=0)), scores(PLAIN, IMAGES[:2]))

    def test_a_subclassed_model_that_was_never_called_is_built(self) -> None:
        model = Own(name="tiny")
        network = self.adapt(model, size=(HEIGHT, WIDTH), channels=CHANNELS)
        set_body(model.parts)
        model.dense.set_weights([DENSE.weights, DENSE.bias])
        names = ["conv1", "relu1", "conv2", "add", "relu2", "pool", "dense"]
        assert [layer.name for layer in network.layers] == names
        assert network.default_layer == "relu2"
        near(network.scores(IMAGES), scores(PLAIN, IMAGES))

    def test_a_model_that_does_not_tell_its_images_needs_their_channels(self) -> None:
        with pytest.raises(ModelError) as caught:
            self.adapt(Own(name="tiny"))
        assert str(caught.value) == (
            "'tiny' does not tell which images it takes. Give size=(height, width) and channels=3 "
            "for colour or 1 for grey"
        )

    def test_a_model_that_does_not_tell_its_channels_is_tried_in_colour_first(self) -> None:
        network = self.adapt(Own(name="tiny"), size=(96, 96))
        assert network.input_shape == (None, None, 3)
        assert network.scores(np.zeros((1, 96, 96, 3), np.float32)).shape == (1, CLASSES)

    def test_a_model_that_does_not_run_in_colour_is_tried_in_grey(self) -> None:
        grey = around_a_convolution_of(1)
        network = self.adapt(grey, size=(96, 96))
        assert network.input_shape == (None, None, 1)
        assert network.scores(np.zeros((1, 96, 96, 1), np.float32)).shape == (1, 2)

    def test_a_model_that_runs_neither_in_colour_nor_in_grey_is_an_error(self) -> None:
        with pytest.raises(ModelError) as caught:
            self.adapt(around_a_convolution_of(5), size=(6, 4))
        said = str(caught.value)
        assert said.startswith(
            "'tiny' does not tell how many channels its images have, and runs at 6×4 pixels with "
            "neither 3 nor 1 (with 3: "
        )
        assert said.endswith("). Give the size and channels that it takes.")

    def test_a_size_that_the_model_does_not_take_is_an_error(self) -> None:
        with pytest.raises(ModelError) as caught:
            self.adapt(functional(PLAIN), size=(6, 4))
        assert str(caught.value) == (
            "'tiny' takes images of height, width and channels (4, 6, 2), not (6, 4, None). Leave "
            "size and channels out, or give those of the network"
        )

    def test_a_network_for_any_size_takes_any_size(self) -> None:
        network = self.adapt(functional(PLAIN, (None, None, CHANNELS)), size=(HEIGHT, WIDTH))
        images = some(2, 5, 3, CHANNELS, seed=40)
        classes = np.array([[1], [3]])
        assert network.input_shape == (None, None, CHANNELS)
        for these, picked in ((IMAGES, ONE_EACH), (images, classes)):
            found = network.activations_and_gradients(these, ["relu1"], picked)
            near(found.gradients["relu1"], chosen(gradients(PLAIN, these, "relu1"), picked))

    def test_a_network_with_maps_channels_first_gives_them_channels_last(self) -> None:
        network = self.adapt(channels_first())
        assert network.input_shape == SHAPE
        assert {layer.name: layer.shape for layer in network.layers}["relu1"] == (HEIGHT, WIDTH, 3)
        names = [INPUT, "relu1", "relu2"]
        found = network.activations_and_gradients(IMAGES, names, TWO_EACH)
        near(found.scores, scores(PLAIN, IMAGES))
        near(found.activations["relu1"], answers(PLAIN, IMAGES)["relu1"])
        for name in names:
            near(found.gradients[name], chosen(gradients(PLAIN, IMAGES, name), TWO_EACH))
        maps = some(2, HEIGHT, WIDTH, 3, seed=41)
        expected = scores(PLAIN, np.repeat(IMAGES[:1], 2, axis=0), relu1=maps)
        near(network.scores_from(IMAGES[:1], "relu1", maps), expected)
        near(network.class_weights("relu2"), DENSE.weights.T)

    def test_a_network_of_two_inputs_is_called_by_the_user(self) -> None:
        base = functional(PLAIN)
        second = keras.Input((CLASSES,), name="second")
        model = keras.Model([*base.inputs, second], base.outputs[0] * second, name="tiny")
        factor = some(1, CLASSES, seed=42)

        def call(model: Any, images: Any) -> Any:
            rows = keras.ops.ones_like(images)[:, 0, 0, :1]
            return model([images, rows * keras.ops.convert_to_tensor(factor)])

        network = self.adapt(model, call=call)
        found = network.activations_and_gradients(IMAGES, ["relu1"], TWO_EACH)
        near(found.scores, scores(PLAIN, IMAGES) * factor)
        expected = gradients(PLAIN, IMAGES, "relu1") * factor[0, :, None, None, None]
        near(found.gradients["relu1"], chosen(expected, TWO_EACH))

    def test_a_callable_gets_all_outputs_as_the_model_returns_them(self) -> None:
        base = functional(SOFTMAX)
        other = layers.GlobalAveragePooling2D(name="other")(base.get_layer("relu1").output)
        model = keras.Model(base.inputs, {"a": base.outputs[0], "b": other}, name="tiny")
        network = self.adapt(model)
        found = network.activations_and_gradients(
            IMAGES, ["relu1"], lambda output: output["a"][:, 1] + output["b"][:, 2]
        )
        assert (network.classes, network.head, found.scores) == (None, "linear", None)
        expected = scores(PLAIN, IMAGES)[:, 1] + scores((*BODY[:2], Pool("pool")), IMAGES)[:, 2]
        near(found.values, expected[:, None])

    def test_a_bare_operation_of_a_functional_model_is_a_layer(self) -> None:
        start = keras.Input(SHAPE)
        conv = layers.Conv2D(3, 3, padding="same", name="conv1")
        y = keras.ops.relu(conv(start))
        answer = dense()(y)
        conv.set_weights([CONV1.kernel, CONV1.bias])
        network = self.adapt(keras.Model(start, answer, name="tiny"))
        name = network.default_layer
        assert [layer.kind for layer in network.layers if layer.name == name] == ["Relu"]
        near(network.class_weights(name), DENSE.weights.T)

    def test_two_layers_of_one_name_have_different_names(self) -> None:
        class Same(keras.Model):
            def __init__(self) -> None:
                super().__init__(name="tiny")
                self.one = layers.Conv2D(2, 1, name="same")
                self.two = layers.Conv2D(3, 1, name="same")

            def call(self, x: Any) -> Any:
                return keras.ops.mean(self.two(self.one(x)), (1, 2))

        network = self.adapt(Same(), channels=CHANNELS)
        assert [layer.name for layer in network.layers] == ["same", "same#2"]
        assert [layer.shape[-1] for layer in network.layers] == [2, 3]

    def test_a_layer_object_is_as_good_as_its_name(self) -> None:
        network = self.adapt(sequential_of_a_base())
        layer = network.model.layers[0].get_layer("relu1")
        assert network.layer_name(layer) == "base/relu1"
        found = network.activations(IMAGES, [layer])
        near(found["base/relu1"], answers(PLAIN, IMAGES)["relu1"])

    def test_a_foreign_layer_object_is_unknown(self) -> None:
        with pytest.raises(UnknownLayer) as caught:
            self.shared(PLAIN).layer_name(layers.Dense(3, name="danse"))
        assert str(caught.value) == (
            "'tiny' has no layer 'danse'. It has 2 convolutions; the nearest name is 'dense'. "
            "Choose one, or list them: classifier.network.layers"
        )

    def test_a_name_that_several_paths_end_in_is_answered_with_the_paths(self) -> None:
        bases = [
            keras.Sequential([layers.Conv2D(2, 1, name="same")], name=name)
            for name in ("left", "right")
        ]
        model = keras.Sequential([keras.Input(SHAPE), *bases], name="tiny")
        with pytest.raises(UnknownLayer) as caught:
            self.adapt(model).activations(IMAGES, ["same"])
        assert str(caught.value) == (
            "'tiny' has no layer 'same'. It has 2 convolutions; the nearest names are "
            "'left/same' and 'right/same'. Choose one, or list them: classifier.network.layers"
        )

    def test_a_layer_that_is_never_called_is_an_error(self) -> None:
        class Spare(Own):
            def __init__(self) -> None:
                super().__init__(name="tiny")
                self.spare = layers.Dense(3, name="spare")
                self.spare.build((None, 3))

        network = self.adapt(Spare(), size=(HEIGHT, WIDTH), channels=CHANNELS)
        with pytest.raises(LayerError) as caught:
            network.activations(IMAGES, ["spare"])
        assert str(caught.value) == (
            "'spare' is not called when 'tiny' runs; only a layer that is called once has one map "
            "to explain. Choose another, or list them: classifier.network.layers"
        )

    def test_what_stands_behind_a_layer_is_told_where_cam_cannot_be(self) -> None:
        with pytest.raises(NotACamNetwork) as caught:
            self.shared(SOFTMAX).class_weights("relu1")
        assert str(caught.value) == (
            "CAM needs global average pooling and one linear map, and nothing else, after the "
            "layer; after 'relu1' of 'tiny': conv2 (Conv2D), add (Add), relu2 (ReLU), pool "
            "(GlobalAveragePooling2D), dense (Dense) and probabilities (Activation). Use "
            "Grad-CAM, which explains any network"
        )

    # ReLUs and other activations

    @pytest.mark.parametrize(
        "relu",
        [
            lambda: layers.Activation("relu"),
            lambda: layers.Activation(keras.activations.relu),
            lambda: keras.ops.relu,
            lambda: layers.ReLU(),
        ],
        ids=["activation", "function", "operation", "layer"],
    )
    def test_every_kind_of_relu_is_guided(self, relu: Callable[[], Any]) -> None:
        def made(relu: Callable[[], Any]) -> Any:
            start = keras.Input(SHAPE)
            conv = layers.Conv2D(3, 3, padding="same")
            answer = dense()(relu()(conv(start)))
            conv.set_weights([CONV1.kernel, CONV1.bias])
            return self.adapt(keras.Model(start, answer, name="tiny"))

        found = made(relu).input_gradients(IMAGES, TWO_EACH, guided=True).gradients[INPUT]
        steps = (Conv("conv1", CONV1.kernel, CONV1.bias),)
        passes = answers(steps, IMAGES)["conv1"] > 0
        for n in range(len(IMAGES)):
            slope = gradients_at(IMAGES[n : n + 1])
            for t, k in enumerate(TWO_EACH[n]):
                down = np.maximum(DENSE.weights[:, k], 0) / (HEIGHT * WIDTH) * passes[n]
                near(found[n, t], np.einsum("hwc,hwcijd->ijd", down, slope))

    def test_a_relu_as_argument_and_a_relu6_are_guided(self) -> None:
        start = keras.Input(SHAPE)
        conv = layers.Conv2D(3, 1, activation="relu")
        second = layers.Conv2D(3, 1, activation=layers.ReLU(6.0))
        answer = dense()(second(conv(start)))
        v, p = some(1, 1, CHANNELS, 3, seed=43), some(3, seed=44)
        u, q = some(1, 1, 3, 3, seed=45, scale=4), some(3, seed=46)
        conv.set_weights([v, p])
        second.set_weights([u, q])
        a = IMAGES @ v[0, 0] + p
        b = np.maximum(a, 0) @ u[0, 0] + q
        network = self.adapt(keras.Model(start, answer, name="tiny"))
        found = network.input_gradients(IMAGES, ONE_EACH, guided=True)
        down = DENSE.weights.T[ONE_EACH[:, 0]][:, None, None] / (HEIGHT * WIDTH)
        down = np.where((b > 0) & (b < 6) & (down > 0), down, 0) @ u[0, 0].T
        down = np.where((a > 0) & (down > 0), down, 0) @ v[0, 0].T
        assert (b > 6).any()
        near(found.gradients[INPUT][:, 0], down)

    def test_the_activations_of_a_network_without_relus_are_named(self) -> None:
        start = keras.Input(SHAPE)
        y = layers.Conv2D(3, 1, activation="silu")(start)
        y = layers.Conv2D(3, 1, activation="gelu")(y)
        network = self.adapt(keras.Model(start, dense(activation="softmax")(y), name="tiny"))
        with pytest.raises(LayerError) as caught:
            network.input_gradients(IMAGES, ONE_EACH, guided=True)
        assert str(caught.value) == (
            "guided backpropagation needs ReLUs, and 'tiny' has none on its way; the activations "
            "found: silu, gelu, softmax. Use a method without 'guided', such as saliency"
        )

    # Precision, training, and the user's model

    @pytest.mark.parametrize(
        ("policy", "within"),
        [("mixed_float16", 2e-2), ("float16", 2e-2), ("mixed_bfloat16", 1e-1)],
    )
    def test_half_precision_comes_out_as_float32(self, policy: str, within: float) -> None:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            network = self.adapt(functional(SOFTMAX))
        finally:
            keras.config.set_dtype_policy(before)
        found = network.activations_and_gradients(IMAGES, ["relu1", INPUT], TWO_EACH)
        near(found.scores, scores(PLAIN, IMAGES), within=within)
        near(found.activations["relu1"], answers(PLAIN, IMAGES)["relu1"], within=within)
        for name in ("relu1", INPUT):
            expected = chosen(gradients(PLAIN, IMAGES, name), TWO_EACH)
            near(found.gradients[name], expected, within=within)
        near(network.class_weights("relu2"), DENSE.weights.T, within=within)
        maps = some(2, HEIGHT, WIDTH, 3, seed=47)
        expected = scores(PLAIN, np.repeat(IMAGES[:1], 2, axis=0), relu2=maps)
        near(network.scores_from(IMAGES[:1], "relu2", maps), expected, within=within)

    def test_frozen_weights_are_no_hindrance(self) -> None:
        model = functional(SOFTMAX)
        model.trainable = False
        found = self.adapt(model).activations_and_gradients(IMAGES, ["relu1"], TWO_EACH)
        near(found.gradients["relu1"], chosen(gradients(PLAIN, IMAGES, "relu1"), TWO_EACH))
        assert not any(layer.trainable for layer in model.layers)

    def test_a_model_goes_on_training_and_is_then_explained_as_it_is(self) -> None:
        start = keras.Input(SHAPE)
        y = layers.Conv2D(3, 3, activation="relu", name="conv")(start)
        y = layers.Dropout(0.5)(layers.BatchNormalization(name="norm")(y))
        y = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y))
        model = keras.Model(start, y, name="tiny")
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        network = self.adapt(model)
        labels = np.array([0, 1, 2])
        for _ in range(2):
            state = state_of(model)
            first = network.activations_and_gradients(IMAGES, ["norm"], Top(1))
            again = network.activations_and_gradients(IMAGES, ["norm"], Top(1))
            np.testing.assert_equal(state_of(model), state)
            near(first.scores, again.scores)
            expected = model.predict(IMAGES, verbose=0)
            powers = np.exp(first.scores)
            near(powers / powers.sum(axis=1, keepdims=True), expected)
            model.fit(IMAGES, labels, epochs=1, verbose=0)
        assert np.abs(network.scores(IMAGES) - first.scores).max() > 1e-4

    def test_losses_of_layers_are_not_collected(self) -> None:
        start = keras.Input(SHAPE)
        y = layers.Conv2D(3, 3, activity_regularizer="l2", kernel_regularizer="l2")(start)
        model = keras.Model(start, layers.GlobalAveragePooling2D()(y), name="tiny")
        network = self.adapt(model)
        before = len(model.losses)
        network.activations_and_gradients(IMAGES, [network.default_layer], Top(1))
        assert len(model.losses) == before

    def test_a_patched_call_of_the_users_own_is_kept(self) -> None:
        model = functional(PLAIN)
        layer = model.get_layer("relu1")
        original, met = layer.call, []

        def call(x: Any) -> Any:
            met.append(None)
            return original(x)

        vars(layer)["call"] = call
        near(self.adapt(model).activations(IMAGES, ["relu1"])["relu1"], found_relu1())
        assert vars(layer)["call"] is call
        assert met

    def test_a_network_that_is_dropped_is_freed(self) -> None:
        network = self.build(SOFTMAX)
        network.activations_and_gradients(IMAGES, ["relu2"], Top(1))
        model = weakref.ref(network.model)
        del network
        gc.collect()
        assert model() is None

    # What is computed

    def counted(self) -> tuple[Any, list[Any]]:
        """Return a network, and the batch sizes for which it is traced from now on."""
        start = keras.Input(SHAPE)
        counts = Counts(name="counts")
        y = layers.Conv2D(3, 3, padding="same", name="conv1")(counts(start))
        network = self.adapt(keras.Model(start, dense()(y), name="tiny"))
        assert network.default_layer == "conv1"
        network.activations(IMAGES, ["conv1"])  # a layer of one's own is tried, once
        counts.batches.clear()
        return network, counts.batches

    def test_only_what_stands_behind_a_layer_is_computed_many_times(self) -> None:
        start = keras.Input(SHAPE)
        early, late = Counts(name="early"), Counts(name="late")
        conv = layers.Conv2D(3, 3, padding="same", name="conv1")
        skip = early(conv(start))
        y = layers.Concatenate(name="join")([layers.ReLU(name="relu1")(skip), skip])
        model = keras.Model(start, layers.GlobalAveragePooling2D()(late(y)), name="tiny")
        network = self.adapt(model)
        maps = some(5, HEIGHT, WIDTH, 3, seed=48)
        assert (network.default_layer, network.head) == ("join", "linear")
        network.activations(IMAGES, ["relu1"])  # layers of one's own are tried, once
        early.batches.clear()
        late.batches.clear()
        found = network.scores_from(IMAGES[:1], "relu1", maps)
        skipped = network.activations(IMAGES[:1], ["early"])["early"]
        expected = [np.repeat(skipped.mean(axis=(1, 2)), 5, axis=0)]
        near(found, np.concatenate([maps.mean(axis=(1, 2)), *expected], axis=1))
        assert early.batches[0] == 1
        assert late.batches[0] in (None, 5)


def gradients_at(image: np.ndarray) -> np.ndarray:
    """Return the derivative of each of conv1's answers by each pixel: (h, w, c, i, j, d)."""
    steps = (Conv("conv1", CONV1.kernel, np.zeros(3)),)
    slope = np.zeros((HEIGHT, WIDTH, 3, *image.shape[1:]))
    for place in np.ndindex(image.shape[1:]):
        one = np.zeros_like(image)
        one[0, *place] = 1
        slope[:, :, :, *place] = answers(steps, one)[""][0]
    return slope


def found_softmax() -> np.ndarray:
    """Return the probabilities of the contract's network."""
    return answers(SOFTMAX, IMAGES)[""]


def found_relu1() -> np.ndarray:
    """Return what relu1 of the contract's plain network answers."""
    return answers(PLAIN, IMAGES)["relu1"]
