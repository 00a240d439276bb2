"""The attention of Keras models: the contract, on the backend that runs in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from seewhy.networks import adapt
from seewhy.networks.base import Network
from tests.networks.attention_contract import (
    DEPTH,
    EPSILON,
    HEADS,
    IMAGES,
    PATCH,
    WIDTH,
    AttentionContract,
    weights_of,
)

pytestmark = [
    pytest.mark.backends,
    # numpy 2 asks PyTorch's tensors for an argument that they do not have yet.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SIZE = IMAGES.shape[1:3]


class Tokens(layers.Layer):
    """Puts class and register tokens before the patches, and adds positions."""

    def __init__(self, others: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.others = others

    def build(self, shape: Sequence[int | None]) -> None:
        self.first = self.add_weight(shape=(1, self.others, WIDTH), name="first")
        self.positions = self.add_weight(shape=(1, shape[1] + self.others, WIDTH), name="positions")

    def call(self, x: Any) -> Any:
        if self.others:
            first = ops.tile(self.first, (ops.shape(x)[0], 1, 1))
            x = ops.concatenate([first, x], axis=1)
        return x + self.positions


def transformer(
    weights: Mapping[str, np.ndarray], *, pooled: bool, dropout: float = 0.0
) -> keras.Model:
    images = keras.Input((*SIZE, 3))
    embed = layers.Conv2D(WIDTH, PATCH, strides=PATCH, use_bias=False, name="embed")
    tokens = Tokens(len(weights["others"]), name="tokens")
    x = embed(images)
    x = tokens(layers.Reshape((-1, WIDTH))(x))
    attentions, denses = [], []
    for block in range(DEPTH):
        attentions.append(
            layers.MultiHeadAttention(
                HEADS, WIDTH // HEADS, use_bias=False, dropout=dropout, name=f"attention{block}"
            )
        )
        denses.append(layers.Dense(WIDTH, activation="tanh", use_bias=False, name=f"dense{block}"))
        y = layers.LayerNormalization(epsilon=EPSILON)(x)
        x = layers.Add()([x, attentions[-1](y, y)])
        y = denses[-1](layers.LayerNormalization(epsilon=EPSILON)(x))
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=EPSILON)(x)
    x = layers.GlobalAveragePooling1D()(x) if pooled else x[:, 0]
    head = layers.Dense(weights["head"].shape[1], use_bias=False, name="head")
    model = keras.Model(images, head(x))
    embed.set_weights([weights["embed"]])
    tokens.set_weights([weights["others"][None], weights["positions"][None]])
    head.set_weights([weights["head"]])
    for block, (attention, dense) in enumerate(zip(attentions, denses, strict=True)):
        q, k, v = (weights[f"{name}{block}"].reshape(WIDTH, HEADS, -1) for name in "qkv")
        attention.set_weights([q, k, v, weights[f"o{block}"].reshape(HEADS, -1, WIDTH)])
        dense.set_weights([weights[f"dense{block}"]])
    return model


class TestKeras(AttentionContract):
    dropout = 0.0

    def build(self, weights: Mapping[str, np.ndarray], *, pooled: bool) -> Network:
        model = transformer(weights, pooled=pooled, dropout=self.dropout)
        return adapt(model, size=SIZE, name="tiny")

    def build_convolution(self) -> Network:
        steps = [keras.Input((*SIZE, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
        return adapt(keras.Sequential([*steps, layers.Dense(3)]), name="convolution")


def test_dropout_is_off_and_the_model_is_left_as_it_was_found() -> None:
    model = transformer(weights_of(1), pooled=False, dropout=0.5)
    attention = model.get_layer("attention1")
    before = [set(vars(one)) for one in (attention, attention._softmax)]
    network = adapt(model, size=SIZE, name="tiny")
    classes = np.zeros((2, 1), int)
    first, again = (
        network.attentions(IMAGES, classes, lambda one: one.weights).attended.layers
        for _ in range(2)
    )
    for one, other in zip(first[0], again[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert [set(vars(one)) for one in (attention, attention._softmax)] == before
