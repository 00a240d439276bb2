"""Keras on TensorFlow: the contract, and what is special here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("needs KERAS_BACKEND=tensorflow", allow_module_level=True)

import numpy as np
import tensorflow as tf
from keras import applications as apps

from seewhy.networks.base import INPUT, Top
from seewhy.networks.keras.tensorflow import KerasTensorFlow
from tests.networks.contract import BFLOAT16, IMAGES, SOFTMAX, TWO_EACH, near
from tests.networks.keras_contract import SHAPE, KerasContract, dense


class TestContract(KerasContract):
    adapter = KerasTensorFlow

    def test_one_trace_serves_all_batch_sizes(self) -> None:
        network, batches = self.counted()
        for count in (3, 1, 2, 3):
            network.activations_and_gradients(IMAGES[:count], ["conv1"], Top(2))
        assert batches == [None]

    def test_bfloat16_leaves_the_optimizers_options_alone(self, units: None) -> None:
        before = tf.config.optimizer.get_experimental_options(), tf.config.optimizer.get_jit()
        policy = keras.config.dtype_policy()
        narrow = self.build(SOFTMAX).computing(BFLOAT16)
        narrow.scores(IMAGES)
        after = tf.config.optimizer.get_experimental_options(), tf.config.optimizer.get_jit()
        assert after == before
        assert keras.config.dtype_policy() == policy

    def test_functions_of_tensorflow_itself_are_seen(self) -> None:
        start = keras.Input(SHAPE)
        y = keras.layers.Conv2D(3, 3, name="conv1")(start)
        y = keras.layers.Lambda(lambda x: tf.nn.relu(x))(y)
        y = dense()(y)
        y = keras.layers.Lambda(lambda x: tf.nn.softmax(logits=x))(y)
        network = self.adapt(keras.Model(start, y, name="tiny"))
        assert network.head == "softmax"
        found = network.input_gradients(IMAGES, TWO_EACH, guided=True).gradients[INPUT]
        plain = network.input_gradients(IMAGES, TWO_EACH).gradients[INPUT]
        assert np.abs(found - plain).max() > 1e-3

    @pytest.mark.parametrize(
        ("make", "layer", "shape"),
        [
            (lambda: apps.MobileNet(weights=None, alpha=0.25), "conv_pw_13_relu", (7, 7, 256)),
            (lambda: apps.VGG16(weights=None, include_top=False), "block5_conv3", (14, 14, 512)),
            (lambda: apps.ResNet50(weights=None), "conv5_block3_out", (7, 7, 2048)),
        ],
        ids=["mobilenet", "vgg16", "resnet50"],
    )
    def test_the_default_layer_of_an_application(
        self, make: Callable[[], Any], layer: str, shape: tuple[int, ...]
    ) -> None:
        network = self.adapt(make())
        assert network.default_layer == layer
        assert [known.shape for known in network.layers if known.name == layer] == [shape]

    def test_transfer_learning_on_an_application_is_explained_inside_it(self) -> None:
        base = apps.MobileNet(weights=None, alpha=0.25, include_top=False, input_shape=(64, 96, 3))
        tail = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, activation="softmax")]
        network = self.adapt(keras.Sequential([base, *tail]))
        layer = f"{base.name}/conv_pw_13_relu"
        assert network.default_layer == layer
        found = network.activations_and_gradients(np.ones((1, 64, 96, 3)), [layer], Top(2))
        weights = network.class_weights(layer)[found.targets[0]] / 6
        expected = np.broadcast_to(weights[None, :, None, None], (1, 2, 2, 3, 256))
        near(found.gradients[layer], expected)
