"""Keras on TensorFlow: the contract, and what is special here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import pytest
from contract import NetworkContract, Step

if keras.backend.backend() != "tensorflow":
    pytest.skip("needs KERAS_BACKEND=tensorflow", allow_module_level=True)

from keras_builder import functional, state_of

from seewhy.networks.base import Network
from seewhy.networks.keras_tensorflow import KerasTensorFlow


class TestContract(NetworkContract):
    def build(self, steps: Sequence[Step]) -> Network:
        return KerasTensorFlow(functional(steps), name="tiny")

    def state(self, network: Any) -> Any:
        return state_of(network.model)
