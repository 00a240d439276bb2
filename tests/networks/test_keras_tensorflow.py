"""Keras on TensorFlow: the contract, and what is special here."""

from __future__ import annotations

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("needs KERAS_BACKEND=tensorflow", allow_module_level=True)

from keras_contract import KerasContract

from seewhy.networks.keras_tensorflow import KerasTensorFlow


class TestContract(KerasContract):
    adapter = KerasTensorFlow
