"""The verb `attentions`, on every framework: the same hand-set transformer, the same numbers.

What is expected comes from a second implementation in float64 numpy, and gradients from central
differences by zeros that are added to its weights.

Axes: n image, h head, q query, k key, d channel of a head, s token, c channel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from seewhy.errors import LayerError
from seewhy.networks.base import Network, Top

ROWS, COLUMNS, PATCH = 2, 3, 4
WIDTH, HEADS, DEPTH, CLASSES = 6, 2, 2, 3
EPSILON = 1e-3


def weights_of(others: int) -> dict[str, np.ndarray]:
    """Return the weights: of the patches, of each block, of the head."""
    random = np.random.default_rng(7)

    def some(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    found = {
        "embed": some(PATCH, PATCH, 3, WIDTH) / 4,
        "others": some(others, WIDTH),
        "positions": some(others + ROWS * COLUMNS, WIDTH) / 2,
        "head": some(WIDTH, CLASSES),
    }
    for block in range(DEPTH):
        found |= {f"{name}{block}": some(WIDTH, WIDTH) for name in "qkvo"}
        found[f"dense{block}"] = some(WIDTH, WIDTH)
    return found


IMAGES = np.random.default_rng(1).uniform(size=(2, ROWS * PATCH, COLUMNS * PATCH, 3))
IMAGES = IMAGES.astype(np.float32)
TARGETS = np.array([[2, 0], [1, 2]])


def run(
    weights: Mapping[str, np.ndarray],
    *,
    pooled: bool,
    images: np.ndarray = IMAGES,
    taps: Mapping[int, np.ndarray] | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the attention of each block and the scores; `taps` are added to the attention."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    cells = images.reshape(len(images), ROWS, PATCH, COLUMNS, PATCH, 3).astype(np.float64)
    patches = np.einsum("nripqc,ipcw->nrqw", cells.transpose(0, 1, 2, 4, 3, 5), weights["embed"])
    x = patches.reshape(len(images), ROWS * COLUMNS, WIDTH)
    others = np.repeat(weights["others"][None], len(images), axis=0)
    x = np.concatenate([others, x], axis=1) + weights["positions"]
    found = []
    for block in range(DEPTH):
        y = normalized(x)
        q, k, v = (
            (y @ weights[f"{name}{block}"]).reshape(*y.shape[:2], HEADS, -1).transpose(0, 2, 1, 3)
            for name in "qkv"
        )
        scores = q @ k.swapaxes(2, 3) / np.sqrt(WIDTH / HEADS)
        a = np.exp(scores - scores.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        found.append(a)
        a = a + (taps or {}).get(block, 0)
        x = x + (a @ v).transpose(0, 2, 1, 3).reshape(x.shape) @ weights[f"o{block}"]
        x = x + np.tanh(normalized(x) @ weights[f"dense{block}"])
    x = normalized(x)
    out = x.mean(1) if pooled else x[:, 0]
    return found, out @ weights["head"]


def normalized(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)


@dataclass(frozen=True)
class Case:
    """A transformer, and its attention with gradients for `TARGETS`."""

    network: Network
    weights: Mapping[str, np.ndarray]
    pooled: bool
    capture: Any


def expected_gradients(case: Case, *, block: int, targets: np.ndarray) -> np.ndarray:
    """Return ∂score/∂A of one block and a class of each image, by central differences."""
    tokens = len(case.weights["positions"])
    found = np.zeros((len(IMAGES), HEADS, tokens, tokens))
    step = 1e-6
    for h, q, k in np.ndindex(HEADS, tokens, tokens):
        tap = np.zeros(found.shape)
        tap[:, h, q, k] = step
        up, down = (
            run(case.weights, pooled=case.pooled, taps={block: sign * tap})[1] for sign in (1, -1)
        )
        found[:, h, q, k] = (up - down)[np.arange(len(IMAGES)), targets] / (2 * step)
    return found


def near(found: Any, expected: Any, *, tolerance: float = 2e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


class AttentionContract(ABC):
    """What every adapter that shows attention must return."""

    scale = (WIDTH / HEADS) ** -0.5
    """Of the products of queries and keys; 1 where the model scales the queries themselves."""

    @abstractmethod
    def build(self, weights: Mapping[str, np.ndarray], *, pooled: bool) -> Network:
        """Return the transformer of `run`, in the adapter's framework."""

    @pytest.fixture(scope="class", params=[(3, False), (0, True)], ids=str)
    @classmethod
    def case(cls, request: Any) -> Case:
        others, pooled = request.param
        weights = weights_of(others)
        network = cls().build(weights, pooled=pooled)
        return Case(network, weights, pooled, network.attentions(IMAGES, TARGETS, lambda one: one))

    def test_weights_and_their_gradients_are_those_of_loops(self, case: Case) -> None:
        attention, scores = run(case.weights, pooled=case.pooled)
        near(case.network.scores(IMAGES), scores)
        near(case.capture.scores, scores)
        near(case.capture.values, np.take_along_axis(scores, TARGETS, axis=1))
        assert len(case.capture.attended.layers) == TARGETS.shape[1]
        for t, layers in enumerate(case.capture.attended.layers):
            assert len(layers) == DEPTH
            for block, layer in enumerate(layers):
                near(layer.weights, attention[block])
                near(layer.gradients, expected_gradients(case, block=block, targets=TARGETS[:, t]))

    def test_it_tells_what_is_read_and_where_patches_are(self, case: Case) -> None:
        attended = case.network.attentions(IMAGES, None, lambda one: one.gradients, last=1).attended
        tokens = len(case.weights["positions"])
        assert attended.grid == (ROWS, COLUMNS)
        assert attended.prefix == len(case.weights["others"])
        near(attended.read, np.full(tokens, 1 / tokens) if case.pooled else np.eye(tokens)[0])
        assert attended.layers == [[None]]

    def test_queries_and_keys_give_the_weights(self, case: Case) -> None:
        for layer in case.capture.attended.layers[0]:
            queries, keys = layer.queries.astype(np.float64), layer.keys.astype(np.float64)
            exponentials = np.exp(queries @ keys.swapaxes(2, 3) * self.scale)
            near(layer.weights, exponentials / exponentials.sum(-1, keepdims=True))

    def test_one_photo_gives_what_two_give(self, case: Case) -> None:
        single = case.network.attentions(IMAGES[1:], TARGETS[1:], lambda one: one)
        for layers, both in zip(single.attended.layers, case.capture.attended.layers, strict=True):
            for one, other in zip(layers, both, strict=True):
                near(one.weights[0], other.weights[1])
                near(one.gradients[0], other.gradients[1])

    def test_a_target_of_one_s_own_is_explained(self, case: Case) -> None:
        own = case.network.attentions(IMAGES, lambda out: out[:, 2], lambda one: one.gradients)
        near(own.values, case.capture.scores[:, 2:])
        for one, other in zip(own.attended.layers[0], case.capture.attended.layers[0], strict=True):
            near(one[0], other.gradients[0])

    def test_tokens_are_told_from_other_maps(self, case: Case) -> None:
        tokens = {layer.name for layer in case.network.layers if layer.has_tokens}
        assert case.network.default_layer in tokens
        assert not any(layer.has_tokens for layer in self.build_convolution().layers)

    def test_a_network_without_attention_is_refused(self) -> None:
        network = self.build_convolution()
        message = (
            f"'{network.name}' has no attention, which this method shows: it is no transformer, or "
            "computes its attention in a way of its own. Use 'grad-cam', which explains any network"
        )
        with pytest.raises(LayerError) as error:
            network.attentions(IMAGES, Top(1), lambda one: one)
        assert str(error.value) == message

    @abstractmethod
    def build_convolution(self) -> Network:
        """Return a network of a convolution, a mean and a linear map."""
