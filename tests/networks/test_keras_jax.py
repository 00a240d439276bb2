"""Keras on JAX: the contract, and what is special here."""

from __future__ import annotations

import keras
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("needs KERAS_BACKEND=jax", allow_module_level=True)

import jax
import numpy as np

from seewhy.errors import ModelError
from seewhy.networks.base import INPUT, Top
from seewhy.networks.keras.jax import KerasJax
from tests.networks.contract import BFLOAT16, IMAGES, SOFTMAX, TWO_EACH, near
from tests.networks.keras_contract import SHAPE, KerasContract, dense


class TestContract(KerasContract):
    adapter = KerasJax

    @pytest.fixture
    def units(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Compute in bfloat16 on a processor too."""
        monkeypatch.setattr(KerasJax, "_check_units", lambda self: None)

    def test_without_bfloat16_units_the_machine_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ModelError) as caught:
            self.build(SOFTMAX).computing(BFLOAT16)
        assert str(caught.value) == "On processors JAX multiplies bfloat16 as it does float32."

    def test_a_smaller_last_batch_is_padded_and_not_compiled(self) -> None:
        network, batches = self.counted()
        whole = network.activations_and_gradients(IMAGES, ["conv1"], TWO_EACH)
        part = network.activations_and_gradients(IMAGES[:2], ["conv1"], TWO_EACH[:2])
        assert batches == [3]
        near(part.gradients["conv1"], whole.gradients["conv1"][:2])
        near(part.values, whole.values[:2])

    def test_a_smaller_batch_that_comes_again_and_again_is_compiled(self) -> None:
        network, batches = self.counted()
        for count in (3, 1, 1, 1, 1):
            network.activations_and_gradients(IMAGES[:count], ["conv1"], Top(2))
        assert batches == [3, 1]

    def test_functions_of_jax_itself_are_seen(self) -> None:
        start = keras.Input(SHAPE)
        y = keras.layers.Conv2D(3, 3, name="conv1")(start)
        y = keras.layers.Lambda(lambda x: jax.nn.relu(x))(y)
        y = dense()(y)
        y = keras.layers.Lambda(lambda x: jax.nn.softmax(x))(y)
        network = self.adapt(keras.Model(start, y, name="tiny"))
        assert network.head == "softmax"
        found = network.input_gradients(IMAGES, TWO_EACH, guided=True).gradients[INPUT]
        plain = network.input_gradients(IMAGES, TWO_EACH).gradients[INPUT]
        assert np.abs(found - plain).max() > 1e-3
