"""Keras on Jax: the contract, and what is special here."""

from __future__ import annotations

import keras
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("needs KERAS_BACKEND=jax", allow_module_level=True)

from keras_contract import KerasContract

from seewhy.networks.keras_jax import KerasJax


class TestContract(KerasContract):
    adapter = KerasJax
