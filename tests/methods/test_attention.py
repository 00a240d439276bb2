"""The maps of transformers against loops written from the papers, and against hand-made numbers.

Axes in the loops: l layer, h head, i query, j key, p patch of one image.
"""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.attention import Attention
from seewhy.errors import LayerError
from seewhy.methods.attention import (
    attention_rollout,
    chefer,
    grad_eclip,
    legrad,
    mean_weights,
    positive_gradients,
    positive_relevance,
)
from tests.methods.by_loops import frozen, random

LAYERS, PHOTOS, HEADS, TOKENS, DEPTH, PREFIX = 3, 2, 2, 5, 4, 2


def some_layers(seed=0):
    layers = []
    for layer in range(LAYERS):
        weights = np.exp(random(seed + 10 * layer, PHOTOS, HEADS, TOKENS, TOKENS))
        layers.append(
            Attention(
                frozen(weights / weights.sum(-1, keepdims=True)),
                random(seed + 10 * layer + 1, PHOTOS, HEADS, TOKENS, TOKENS),
                random(seed + 10 * layer + 2, PHOTOS, HEADS, TOKENS, DEPTH),
                random(seed + 10 * layer + 3, PHOTOS, HEADS, TOKENS, DEPTH),
            )
        )
    return layers


CLASS_TOKEN = frozen([1, 0, 0, 0, 0])
PATCHES = frozen([0, 0, 1 / 3, 1 / 3, 1 / 3])


def rollout_of(layers, read=CLASS_TOKEN, prefix=PREFIX):
    return attention_rollout([mean_weights(one) for one in layers], read, prefix)


def chefer_of(layers, read=CLASS_TOKEN, prefix=PREFIX):
    return chefer([positive_relevance(one) for one in layers], read, prefix)


def legrad_of(layers, read=None, prefix=PREFIX):
    return legrad([positive_gradients(one) for one in layers], prefix)


def grad_eclip_of(layers, read=CLASS_TOKEN, prefix=PREFIX):
    return grad_eclip(layers[-1:], read, prefix)


EVERY = (rollout_of, chefer_of, legrad_of, grad_eclip_of)


# The papers, as loops.


def mean_over_heads(values, function=lambda value: value):
    heads, queries, keys = values.shape
    return [
        [sum(function(values[h, i, j]) for h in range(heads)) / heads for j in range(keys)]
        for i in range(queries)
    ]


def product(a, b):
    return [
        [sum(a[i][m] * b[m][j] for m in range(len(b))) for j in range(len(b[0]))]
        for i in range(len(a))
    ]


def identity(size):
    return [[float(i == j) for j in range(size)] for i in range(size)]


def rollout_by_loops(layers, n, read):
    R = identity(TOKENS)  # noqa: N806 - the papers' symbol
    for layer in layers:
        mean = mean_over_heads(layer.weights[n].astype(float))
        half = [[(mean[i][j] + (i == j)) / 2 for j in range(TOKENS)] for i in range(TOKENS)]
        R = product(half, R)  # noqa: N806
    return [sum(read[i] * R[i][j] for i in range(TOKENS)) for j in range(PREFIX, TOKENS)]


def chefer_by_loops(layers, n, read):
    R = identity(TOKENS)  # noqa: N806
    for layer in layers:
        products = layer.weights[n].astype(float) * layer.gradients[n].astype(float)
        E = mean_over_heads(products, lambda value: max(value, 0.0))  # noqa: N806
        step = product(E, R)
        R = [[R[i][j] + step[i][j] for j in range(TOKENS)] for i in range(TOKENS)]  # noqa: N806
    return [
        sum(read[i] * (R[i][j] - (i == j)) for i in range(TOKENS)) for j in range(PREFIX, TOKENS)
    ]


def legrad_by_loops(layers, n, read):
    found = []
    for j in range(PREFIX, TOKENS):
        values = [
            max(float(layer.gradients[n, h, i, j]), 0.0)
            for layer in layers
            for h in range(HEADS)
            for i in range(TOKENS)
        ]
        found.append(sum(values) / len(values))
    return found


def grad_eclip_by_loops(layers, n, read):
    last = layers[-1]
    q = [
        sum(float(read[i]) * float(last.queries[n, h, i, d]) for i in range(TOKENS))
        for h in range(HEADS)
        for d in range(DEPTH)
    ]
    cosines, slopes = [], []
    for j in range(PREFIX, TOKENS):
        k = [float(last.keys[n, h, j, d]) for h in range(HEADS) for d in range(DEPTH)]
        length = np.sqrt(sum(a * a for a in q)) * np.sqrt(sum(b * b for b in k))
        cosines.append(sum(a * b for a, b in zip(q, k, strict=True)) / length)
        slopes.append(
            sum(float(last.gradients[n, h, i, j]) for h in range(HEADS) for i in range(TOKENS))
        )
    low, high = min(cosines), max(cosines)
    return [max(s * (c - low) / (high - low), 0.0) for s, c in zip(slopes, cosines, strict=True)]


BY_LOOPS = dict(
    zip(
        EVERY,
        (rollout_by_loops, chefer_by_loops, legrad_by_loops, grad_eclip_by_loops),
        strict=True,
    )
)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("read", [CLASS_TOKEN, PATCHES], ids=["class token", "patches"])
def test_a_map_is_the_paper_s_formula(method, read):
    layers = some_layers()
    expected = [BY_LOOPS[method](layers, n, read) for n in range(PHOTOS)]
    found = method(layers, read)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# By hand: three tokens, the first of which is read; the attention of one head.

WEIGHTS = frozen([[[[0.5, 0.25, 0.25], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]]]])
VALUES = np.array([[1, 0], [2, -1], [-1, 3]])
"""Of each token; the score is the sum of what the first token is given."""

FIRST = frozen([1, 0, 0])


def by_hand(gradients=None, queries=None, keys=None):
    return Attention(WEIGHTS, gradients, queries, keys)


READ_BY_THE_FIRST = frozen([[[VALUES.sum(1), [0, 0, 0], [0, 0, 0]]]])
READ_BY_ALL = frozen([[[VALUES.sum(1) / 3] * 3]])


def test_rollout_by_hand():
    np.testing.assert_allclose(rollout_of([by_hand()], FIRST, 1), [[0.125, 0.125]])
    np.testing.assert_allclose(rollout_of([by_hand()] * 2, FIRST, 1), [[0.2, 0.21875]])


def test_chefer_by_hand():
    layer = by_hand(READ_BY_THE_FIRST)
    np.testing.assert_allclose(READ_BY_THE_FIRST[0, 0, 0], [1, 1, 2])
    np.testing.assert_allclose(chefer_of([layer], FIRST, 1), [[0.25, 0.5]])
    np.testing.assert_allclose(chefer_of([layer] * 2, FIRST, 1), [[0.625, 1.25]])


@pytest.mark.parametrize("gradients", [READ_BY_THE_FIRST, READ_BY_ALL])
def test_legrad_by_hand(gradients):
    np.testing.assert_allclose(legrad_of([by_hand(gradients)], prefix=1), [[1 / 3, 2 / 3]])


def test_grad_eclip_by_hand():
    queries = frozen([[[[1, 0], [0, 0], [0, 0]]]])
    keys = frozen([[[[9, 9], [1, 0], [0, 1]]]])
    layer = by_hand(READ_BY_THE_FIRST, queries, keys)
    np.testing.assert_allclose(grad_eclip_of([layer], FIRST, 1), [[1, 0]])


# Properties


@pytest.mark.parametrize("method", EVERY)
def test_a_batch_is_one_photo_after_the_other(method):
    layers = some_layers()
    each = [
        method([Attention(*(part[n : n + 1] for part in vars(one).values() if part is not None))
                for one in layers])
        for n in range(PHOTOS)
    ]  # fmt: skip
    np.testing.assert_allclose(method(layers), np.concatenate(each), rtol=1e-6, atol=1e-8)


def test_rollout_shares_out_one():
    found = rollout_of(some_layers(), prefix=0)
    np.testing.assert_allclose(found.sum(1), np.ones(PHOTOS), rtol=1e-6)


@pytest.mark.parametrize("method", [chefer_of, legrad_of, grad_eclip_of])
def test_one_layer_s_map_grows_with_the_score(method):
    (last,) = some_layers()[-1:]
    double = Attention(last.weights, 2 * last.gradients, last.queries, last.keys)
    np.testing.assert_allclose(method([double]), 2 * method([last]), rtol=1e-6)
    assert (method([last]) >= 0).all()


# Edges


@pytest.mark.parametrize("method", [chefer_of, legrad_of, grad_eclip_of])
def test_no_gradient_gives_an_empty_map(method):
    layers = [
        Attention(one.weights, np.zeros_like(one.gradients), one.queries, one.keys)
        for one in some_layers()
    ]
    assert not method(layers).any()


@pytest.mark.parametrize("method", [rollout_of, chefer_of])
def test_a_pooling_query_of_its_own_reads_the_last_layer(method):
    layers = some_layers()
    whole = method(layers[:-1], frozen(layers[-1].weights[0, :, 0].mean(0)))
    pooling = Attention(layers[-1].weights[:1, :, :1], np.ones((1, HEADS, 1, TOKENS), np.float32))
    rest = [Attention(*(part[:1] for part in vars(one).values() if part is not None))
            for one in layers[:-1]]  # fmt: skip
    found = method([*rest, pooling], frozen([1]))
    if method is rollout_of:
        np.testing.assert_allclose(found, whole[:1], rtol=1e-5)
    else:
        assert (found >= positive_relevance(pooling)[:, 0, PREFIX:]).all()


def test_grad_eclip_needs_queries_and_keys():
    layer = by_hand(READ_BY_THE_FIRST)
    with pytest.raises(LayerError) as error:
        grad_eclip_of([layer], FIRST, 1)
    assert str(error.value) == (
        "This network does not show the queries and keys of its attention, which the method "
        "'grad-eclip' compares. Use 'chefer' or 'grad-cam'"
    )


def test_grad_eclip_of_keys_that_are_all_alike_is_empty():
    layer = by_hand(READ_BY_THE_FIRST, np.ones((1, 1, 3, 2)), np.ones((1, 1, 3, 2)))
    assert not grad_eclip_of([layer], FIRST, 1).any()
