"""On Keras: an engine says what the model itself says of whole occluded copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from seewhy.errors import ModelError
from seewhy.incremental import Engine
from seewhy.incremental.graph import Node
from seewhy.incremental.kernels import Kernels
from tests.incremental.made import SIZE, all_kinds_of_windows, engine, image, occluded

pytestmark = [
    pytest.mark.backends,
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    ),  # Keras's own, with NumPy 2
]

runs = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="windows are not re-run on JAX, and a test says so"
)


def shaken(model: Any) -> Any:
    """Give every weight a random value, those of batch norms too."""
    random = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.path.endswith("seed_generator_state"):
            values = random.normal(size=variable.shape, scale=0.5)
            variance = any(part in variable.path for part in ("variance", "gamma"))
            variable.assign(np.abs(values) + 0.5 if variance else values)
    return model


def residual(x: Any) -> Any:
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.SeparableConv2D(6, 3, padding="same", activation="relu")(y)
    return layers.add([layers.Conv2D(6, 1)(x), y])


def squeeze_excite(x: Any) -> Any:
    x = layers.Conv2D(6, 3)(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.multiply([x, layers.Conv2D(6, 1, activation="sigmoid")(gate)])


def nested(x: Any) -> Any:
    first = keras.Sequential(
        [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2)], name="first"
    )
    inputs = keras.Input((None, None, 4))
    second = keras.Model(inputs, residual(inputs), name="second")
    return second(first(x))


BODIES: dict[str, Callable[[Any], Any]] = {
    "strides under 'same', asymmetric": lambda x: layers.Conv2D(6, 3, 2, "same", activation="relu")(
        layers.Conv2D(4, 4, 3, "same")(x)
    ),
    "frames and strides": lambda x: layers.DepthwiseConv2D(3, 2, depth_multiplier=2)(
        layers.ZeroPadding2D(((0, 1), (1, 2)))(x)
    ),
    "dilation": lambda x: layers.Conv2D(6, (3, 2), dilation_rate=(2, 3), padding="same")(x),
    "depthwise and dilated": lambda x: layers.DepthwiseConv2D(3, dilation_rate=2)(x),
    "groups": lambda x: layers.Conv2D(6, 3, groups=3)(x),
    "maximum under 'same'": lambda x: layers.MaxPooling2D(3, 2, "same")(x),
    "a maximum behind a frame": lambda x: layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x)),
    "mean under 'same'": lambda x: layers.AveragePooling2D(3, 2, "same")(layers.ReLU()(x)),
    "mean under 'same', asymmetric": lambda x: layers.AveragePooling2D((4, 3), 2, "same")(
        layers.Conv2D(6, 3, bias_initializer="ones")(x)
    ),
    "mean, not strided, under 'same'": lambda x: layers.AveragePooling2D(3, 1, "same")(x),
    "preprocessing inside": lambda x: layers.Conv2D(6, 3)(
        layers.Rescaling([0.5, 2, 1], [1, 0, -1])((x - 0.3) / 2 * np.float32(3))
    ),
    "residual": residual,
    "dense connections": lambda x: layers.concatenate([x, layers.Conv2D(4, 3, padding="same")(x)]),
    "squeeze and excite": squeeze_excite,
    "nested models": nested,
    "crops": lambda x: layers.Conv2D(4, 3)(layers.Cropping2D(((1, 2), (3, 0)))(x)),
    "activations": lambda x: layers.LeakyReLU()(
        layers.ReLU(6.0)(layers.Activation("swish")(layers.Conv2D(6, 3, activation="gelu")(x)))
    ),
    "layer norm, dense, dropout": lambda x: layers.Dropout(0.5)(
        layers.Dense(5, activation="tanh")(layers.LayerNormalization()(layers.Conv2D(6, 3)(x)))
    ),
    "augmentation": lambda x: layers.Conv2D(4, 3)(
        layers.RandomZoom(0.2)(layers.RandomRotation(0.2)(layers.RandomFlip()(x)))
    ),
    "unknown operations": lambda x: layers.Conv2D(4, 3)(
        layers.UpSampling2D(2)(keras.ops.flip(layers.GlobalMaxPooling2D(keepdims=True)(x) + x, 2))
    ),
}  # fmt: skip


def in_float32(made: Engine) -> Engine:
    """Return the engine with kernels that round nothing, whatever the precision asked for."""

    def kernels(nodes: list[Node], *, precision: str = "float32") -> Kernels:
        return made.make_kernels(nodes)

    return Engine(made.graph, kernels, made.guard)


def assert_agrees(model: Any, logits: Any) -> None:
    """Scores agree within shares of the largest change, plus rounding: by values, and by
    differences in float32 and in bfloat16."""
    windows, filled = all_kinds_of_windows(), image(1)
    expected = np.asarray(keras.ops.convert_to_numpy(logits(occluded(image(), filled, windows))))
    clean = np.asarray(keras.ops.convert_to_numpy(logits(np.array(image()[None]))))
    amplitude = np.abs(expected - clean).max()
    assert amplitude > 0.01 * np.abs(clean).max()
    made = engine(model, size=SIZE)
    for each, precision, share in (
        (made, "float32", 3e-5),
        (in_float32(made), "bfloat16", 3e-5),
        (made, "bfloat16", 0.03),
    ):
        found = each.sweep(image(), windows, filled, batch_size=7, precision=precision)
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=share * amplitude + 3e-6 * np.abs(expected).max()
        )


@runs
@pytest.mark.parametrize("body", BODIES)
def test_the_scores_of_all_windows_are_the_models_own(body: str) -> None:
    inputs = keras.Input((*SIZE, 3))
    pooled = layers.GlobalAveragePooling2D()(BODIES[body](inputs))
    head = layers.Dense(4, activation="softmax")
    model = shaken(keras.Model(inputs, head(pooled)))
    features = keras.Model(inputs, pooled)
    assert_agrees(model, lambda x: features(x, training=False) @ head.kernel + head.bias)


@runs
def test_a_sequential_model_of_any_size_with_its_softmax_apart() -> None:
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(6, 3, 2, "same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
            layers.Softmax(),
        ]
    )
    shaken(model)
    logits = keras.Model(model.inputs[0], model.layers[-2].output)
    assert_agrees(model, logits)


@runs
def test_one_sigmoid_output_counts_as_two_classes() -> None:
    inputs = keras.Input((*SIZE, 3))
    logit = layers.Dense(1)(layers.Flatten()(layers.Conv2D(2, 3, 4)(inputs)))
    model = shaken(keras.Model(inputs, layers.Activation("sigmoid")(logit)))
    single = keras.Model(inputs, logit)
    assert_agrees(model, lambda x: keras.ops.concatenate([-single(x), single(x)], axis=1))


@runs
def test_a_layers_dip_is_the_mean_difference_of_its_map() -> None:
    inputs = keras.Input((*SIZE, 3))
    model = shaken(keras.Model(inputs, nested(inputs)))
    windows, filled = all_kinds_of_windows(), image(1)
    features = np.asarray(keras.ops.convert_to_numpy(model(occluded(image(), filled, windows))))
    clean = np.asarray(keras.ops.convert_to_numpy(model(np.array(image()[None]))))
    expected = (features - clean).mean(axis=(1, 2))
    made, largest = engine(model, size=SIZE), np.abs(expected).max()
    found = made.sweep(image(), windows, filled, layer="second")
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * largest)
    rounded = made.sweep(image(), windows, filled, layer="second", precision="bfloat16")
    np.testing.assert_allclose(rounded, expected, rtol=0, atol=0.01 * largest)


@runs
def test_the_weights_are_left_as_they_were() -> None:
    inputs = keras.Input((*SIZE, 3))
    model = shaken(keras.Model(inputs, layers.GlobalAveragePooling2D()(residual(inputs))))
    before = [np.array(each) for each in model.get_weights()]
    engine(model, size=SIZE).sweep(image(), all_kinds_of_windows(), image(1))
    for was, value in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, value)


@runs
def test_a_subclassed_model_is_an_error_that_says_why() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    message = (
        r"'mine' is a Own; only functional and Sequential models tell how their layers are joined\."
    )
    with pytest.raises(ModelError, match=f"^{message}$"):
        engine(Own(name="mine"), size=SIZE, channels=3)


@runs
def test_several_inputs_are_an_error_that_counts_them() -> None:
    inputs = [keras.Input((*SIZE, 3)), keras.Input((*SIZE, 3))]
    model = keras.Model(inputs, layers.add(inputs), name="mine")
    message = (
        r"'model' has 2 inputs \('keras_tensor\w*', 'keras_tensor\w*'\), and a photo is one\. "
        r"Say what the others get, in Python: seewhy\.Classifier\(model, call=lambda model, "
        r"images: model\(\[images, \.\.\.\]\)\)"
    )
    with pytest.raises(ModelError, match=f"^{message}$"):
        engine(model, size=SIZE)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="this is what JAX says")
def test_on_jax_there_is_no_engine_and_the_message_says_so() -> None:
    inputs = keras.Input((*SIZE, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3)(inputs))
    message = r"'model' runs on JAX; windows are re-run on TensorFlow and PyTorch only\."
    with pytest.raises(ModelError, match=f"^{message}$"):
        engine(model, size=SIZE)
