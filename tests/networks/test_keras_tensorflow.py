"""Keras on TensorFlow: the contract, and what is special here."""

from __future__ import annotations

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("needs KERAS_BACKEND=tensorflow", allow_module_level=True)

import numpy as np
import tensorflow as tf
from contract import IMAGES, TWO_EACH
from keras_contract import SHAPE, KerasContract, dense

from seewhy.networks.base import INPUT, Top
from seewhy.networks.keras_tensorflow import KerasTensorFlow


class TestContract(KerasContract):
    adapter = KerasTensorFlow

    def test_one_trace_serves_all_batch_sizes(self) -> None:
        network, batches = self.counted()
        for count in (3, 1, 2, 3):
            network.activations_and_gradients(IMAGES[:count], ["conv1"], Top(2))
        assert batches == [None]

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
