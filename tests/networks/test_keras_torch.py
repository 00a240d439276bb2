"""Keras on PyTorch: the contract, and what is special here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import pytest
from contract import NetworkContract, Step

if keras.backend.backend() != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)

from keras_builder import functional, state_of

from seewhy.networks.base import Network
from seewhy.networks.keras_torch import KerasTorch

# numpy 2 asks PyTorch's tensors for an argument that they do not have yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class TestContract(NetworkContract):
    def build(self, steps: Sequence[Step]) -> Network:
        return KerasTorch(functional(steps), name="tiny")

    def state(self, network: Any) -> Any:
        return state_of(network.model)
