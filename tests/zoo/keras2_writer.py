"""Write typical files of Keras 2 with random weights: run by a Python that has tf_keras.

    PYTHON keras2_writer.py FOLDER

For each model NAME: NAME.h5, some NAME.keras, and NAME.npy with its predictions for x.npy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]
import tf_keras as keras  # type: ignore[import-not-found,import-untyped,unused-ignore]

SIZE = (96, 96, 3)
nets, layers = keras.applications, keras.layers


def small_mobilenet() -> Any:
    return nets.MobileNetV2(input_shape=SIZE, alpha=0.35, include_top=False, weights=None)


def teachable_machine() -> Any:
    features = keras.Sequential([small_mobilenet(), layers.GlobalAveragePooling2D()])
    head = keras.Sequential(
        [
            layers.Dense(10, activation="relu", input_shape=(1280,)),
            layers.Dense(3, activation="softmax", use_bias=False),
        ]
    )
    return keras.Sequential([features, head])


def transferred(base: Any) -> Any:
    image = keras.Input(SIZE)
    found = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(base(image, training=False)))
    return keras.Model(image, layers.Dense(3, activation="softmax")(found))


def joined_transfer() -> Any:
    base = small_mobilenet()
    found = layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, layers.Dense(3, activation="softmax")(found))


def augmented() -> Any:
    augment = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.2),
            layers.RandomZoom(0.2),
            layers.RandomContrast(0.1),
            layers.RandomTranslation(0.1, 0.1),
        ]
    )
    image = keras.Input(SIZE)
    found = small_mobilenet()(nets.mobilenet_v2.preprocess_input(augment(image)), training=False)
    return keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling2D()(found)))


def flowers() -> Any:
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal", input_shape=SIZE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )


def functions() -> Any:
    image = keras.Input(SIZE)
    found = layers.Conv2D(8, 3, strides=2)(nets.resnet50.preprocess_input(image) / 100)
    found = tf.nn.relu6(found + 3.0) * found / 6.0
    found = tf.concat([found, tf.nn.silu(found)], axis=-1)
    found = tf.image.resize(tf.nn.max_pool2d(found, 2, 2, "VALID"), (20, 20))
    share = tf.sigmoid(layers.Conv2D(16, 1)(tf.reduce_mean(found, axis=(1, 2), keepdims=True)))
    found = tf.clip_by_value(1.0 - found * share, -2.0, 2.0)[:, 1:-1, :, :8]
    return keras.Model(image, tf.nn.softmax(layers.Dense(4)(tf.reduce_mean(found, [1, 2]))))


def others() -> Any:
    image = keras.Input(SIZE, name="an/image")
    found = layers.DepthwiseConv2D(3, name="a/depthwise", kernel_regularizer="l2")(image)
    found = layers.LeakyReLU(alpha=0.1)(layers.SeparableConv2D(4, 3)(found))
    found = layers.Conv2DTranspose(4, 3, strides=2)(found)
    found = layers.Activation("hard_sigmoid")(found)
    found = layers.TimeDistributed(layers.Dense(4))(found)
    found = layers.Reshape((-1, 4))(layers.MaxPooling2D(16)(found))
    found = layers.MultiHeadAttention(2, 4)(found, value=found)
    found = layers.Bidirectional(layers.LSTM(4, recurrent_activation="hard_sigmoid"))(found)
    return keras.Model(image, layers.Dense(2, activation="softmax", name="a_depthwise")(found))


def whole(name: str, **settings: Any) -> Any:
    return getattr(nets, name)(input_shape=SIZE, weights=None, classes=5, **settings)


def base_of(name: str) -> Any:
    return getattr(nets, name)(input_shape=SIZE, include_top=False, weights=None)


MODELS = {
    "teachable_machine": teachable_machine,
    "mobilenet": lambda: whole("MobileNet", alpha=0.25),
    "mobilenet_v2": lambda: whole("MobileNetV2", alpha=0.35),
    "mobilenet_v3_small": lambda: whole("MobileNetV3Small"),
    "mobilenet_v3_large": lambda: whole("MobileNetV3Large"),
    "efficientnet": lambda: whole("EfficientNetB0"),
    "efficientnet_v2": lambda: whole("EfficientNetV2B0"),
    "xception": lambda: whole("Xception"),
    "densenet": lambda: whole("DenseNet121"),
    "convnext": lambda: whole("ConvNeXtTiny"),
    "resnet": lambda: whole("ResNet50V2"),
    "inception": lambda: whole("InceptionV3"),
    "nasnet": lambda: whole("NASNetMobile"),
    "transfer_mobilenet_v2": lambda: transferred(small_mobilenet()),
    "transfer_mobilenet_v3": lambda: transferred(base_of("MobileNetV3Small")),
    "transfer_efficientnet": lambda: transferred(base_of("EfficientNetB0")),
    "transfer_resnet": lambda: transferred(base_of("ResNet50")),
    "joined_transfer": joined_transfer,
    "augmented": augmented,
    "flowers": flowers,
    "functions": functions,
    "others": others,
}
"""What people have in `.h5` files, by the name of the file."""

AS_KERAS = ("mobilenet_v2", "transfer_mobilenet_v3", "augmented", "flowers", "others")
"""Those that are written as `.keras` of Keras 2 too."""


def with_random_weights(model: Any) -> Any:
    """Give every weight a number of its own, so that none can be swapped unseen."""
    rng = np.random.default_rng(0)
    drawn = []
    for variable in model.weights:
        value = variable.numpy()
        if value.dtype.kind == "f" and value.ndim < 2:
            spread = "variance" in variable.name or "gamma" in variable.name
            value = rng.uniform(0.5, 1.5, value.shape) if spread else value + 0.1
            value = value + rng.normal(0, 0.05, value.shape)
        drawn.append(value)
    model.set_weights(drawn)
    return model


def main(folder: Path) -> None:
    photos = np.random.default_rng(1).uniform(0, 255, (2, *SIZE)).astype(np.float32)
    np.save(folder / "x.npy", photos)
    for name, make in MODELS.items():
        keras.backend.clear_session()
        model = with_random_weights(make())
        model.save(folder / f"{name}.h5")
        if name in AS_KERAS:
            model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", model.predict(photos, verbose=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
