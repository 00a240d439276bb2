"""Keras on Jax: the contract, and what is special here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import pytest
from contract import NetworkContract, Step

if keras.backend.backend() != "jax":
    pytest.skip("needs KERAS_BACKEND=jax", allow_module_level=True)

from keras_builder import functional, state_of

from seewhy.networks.base import Network
from seewhy.networks.keras_jax import KerasJax


class TestContract(NetworkContract):
    def build(self, steps: Sequence[Step]) -> Network:
        return KerasJax(functional(steps), name="tiny")

    def state(self, network: Any) -> Any:
        return state_of(network.model)
