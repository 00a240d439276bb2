"""Score-CAM, Ablation-CAM and RISE against loops from the papers, with scores that can be followed.

Axes: t target, m copy, h row, w column, c colour channel; p row, q column, k channel of the layer.
"""

# ruff: noqa: N803, N806 - the loops are written in the symbols of the papers

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.methods import METHODS
from seewhy.methods.cam import cam
from seewhy.methods.masking import (
    ablation_cam,
    recipro_cam,
    rise,
    score_cam,
    vit_cx,
)
from tests.methods.by_loops import frozen, random, resized

IMAGE = random(1, 6, 5, 3)
LAYER = random(2, 3, 2, 7)


def curved(seed, shape, targets=2):
    """A score that is no linear function of the copies: tanh of a weighted sum, and more."""
    weights = np.random.default_rng(seed).standard_normal((targets, *shape))

    def score(copies):
        sums = np.einsum("mhwc,thwc->mt", copies.astype(float), weights)
        return (3 * np.tanh(sums / 5) + 0.1 * sums).astype(np.float32)

    return score


def total(copies):
    """One target: the sum over the copy."""
    return copies.sum(axis=(1, 2, 3))[:, None].astype(np.float32)


def watched(score, calls):
    """The same score, noting what each call gets."""

    def noting(copies):
        calls.append(np.array(copies))
        return score(copies)

    return noting


# Score-CAM.


def score_cam_by_loops(X, f, A, t):
    """Wang et al., derived anew.

    Definition of CIC: C(A^k) = f(X ∘ H^k) − f(X_b), H^k = s(Up(A^k)), with
    s(A) = (A − min A) / (max A − min A) after upsampling, and X_b the image fully masked (black).
    Algorithm 1: S_k = C(A^k); α_k = exp(S_k) / Σ_k exp(S_k), over all channels;
    L = ReLU(Σ_k α_k A^k).
    """
    increases = []
    black = f(np.zeros_like(X)[None])[0, t]
    for k in range(A.shape[2]):
        up = resized(A[:, :, k].astype(float), X.shape[0], X.shape[1])
        mask = (up - up.min()) / (up.max() - up.min())
        seen = np.zeros_like(X)
        for i in range(X.shape[0]):
            for j in range(X.shape[1]):
                for c in range(X.shape[2]):
                    seen[i, j, c] = X[i, j, c] * mask[i, j]
        increases.append(float(f(seen[None])[0, t] - black))
    alpha = [math.exp(one) / sum(math.exp(other) for other in increases) for one in increases]
    L = np.zeros(A.shape[:2])
    for p in range(A.shape[0]):
        for q in range(A.shape[1]):
            L[p, q] = max(sum(alpha[k] * A[p, q, k] for k in range(A.shape[2])), 0)
    return L


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_score_cam_is_the_papers_algorithm(batch_size):
    score = curved(3, IMAGE.shape)
    found = score_cam(IMAGE, score, LAYER, batch_size=batch_size)
    expected = [score_cam_by_loops(IMAGE, score, LAYER, t) for t in range(2)]
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-6)


def test_score_cam_by_hand():
    # Two pixels, two channels: masks (0, 1) and (1, 0); the score is ln 3 and 0 for these copies,
    # so the softmax gives 3/4 and 1/4: 3/4 · (1, 5) + 1/4 · (4, −16) = (1.75, −0.25).
    image = frozen([[[7], [math.log(3)]]])
    layer = frozen([[[1, 4], [5, -16]]])

    def score(copies):
        return np.where(copies[:, 0, 0] > 0, 0, copies[:, 0, 1]).astype(np.float32)

    found = score_cam(image, score, layer)
    np.testing.assert_allclose(found.maps, [[[1.75, 0]]], rtol=1e-6)
    np.testing.assert_allclose(found.extras["weights"], [[0.75, 0.25]], rtol=1e-6)


def test_the_weights_of_score_cam_add_up_to_one_however_large_the_scores():
    found = score_cam(frozen(IMAGE * 1e20), curved(4, IMAGE.shape), LAYER)
    np.testing.assert_allclose(found.extras["weights"].sum(axis=1), 1, rtol=1e-6)


def test_score_cam_does_not_see_a_constant_that_is_added_to_the_score():
    score = curved(5, IMAGE.shape)
    np.testing.assert_allclose(
        score_cam(IMAGE, lambda copies: score(copies) + 4, LAYER).maps,
        score_cam(IMAGE, score, LAYER).maps,
        rtol=1e-4,
    )


def test_score_cam_scales_with_a_layer_of_huge_or_tiny_activations():
    score = curved(6, IMAGE.shape)
    plain = score_cam(IMAGE, score, LAYER).maps
    for exponent in (100, -100):
        scale = np.float32(2.0**exponent)
        scaled = score_cam(IMAGE, score, frozen(LAYER * scale)).maps
        np.testing.assert_allclose(scaled / scale, plain, rtol=1e-4)


def test_score_cam_leaves_out_channels_without_a_range():
    layer = np.array(LAYER)
    layer[:, :, [0, 4]] = [0, 3]
    score = curved(7, IMAGE.shape)
    calls = []
    found = score_cam(IMAGE, watched(score, calls), frozen(layer))
    others = score_cam(IMAGE, score, frozen(layer[:, :, [1, 2, 3, 5, 6]]))
    np.testing.assert_allclose(found.maps, others.maps, rtol=1e-6)
    assert (found.extras["weights"][:, [0, 4]] == 0).all()
    assert sum(len(call) for call in calls) == 5


def test_score_cam_of_a_layer_without_any_range_is_a_map_of_zeros():
    found = score_cam(IMAGE, curved(8, IMAGE.shape), frozen(np.ones((3, 2, 4))))
    np.testing.assert_array_equal(found.maps, np.zeros((2, 3, 2)))


def test_score_cam_holds_no_more_copies_than_a_batch_and_reports_them():
    calls, reports = [], []
    score_cam(
        IMAGE,
        watched(curved(9, IMAGE.shape), calls),
        LAYER,
        batch_size=3,
        progress=lambda *report: reports.append(report),
    )
    assert [len(call) for call in calls] == [3, 3, 1]
    assert reports == [(3, 7), (6, 7), (7, 7)]
    assert METHODS["score-cam"].count_copies(LAYER.shape, {}) == 7


# Ablation-CAM.


def ablation_cam_by_loops(A, y, t):
    """Desai and Ramaswamy: w_k = (y − y_k) / y, y_k with unit k set to 0; L = ReLU(Σ_k w_k A^k)."""
    whole = float(y(A[None])[0, t])
    L = np.zeros(A.shape[:2])
    for k in range(A.shape[2]):
        without = np.array(A)
        for p in range(A.shape[0]):
            for q in range(A.shape[1]):
                without[p, q, k] = 0
        weight = (whole - float(y(without[None])[0, t])) / whole
        L += weight * A[:, :, k]
    return np.maximum(L, 0)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_ablation_cam_is_the_papers_formula(batch_size):
    bent = curved(10, LAYER.shape)

    def score(copies):
        return bent(copies) + 5

    found = ablation_cam(LAYER, score, batch_size=batch_size)
    expected = [ablation_cam_by_loops(LAYER, score, t) for t in range(2)]
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-6)


def test_ablation_cam_by_hand():
    # The score is the sum, 10; without the channels it is 6 and 4: weights 0.4 and 0.6.
    found = ablation_cam(frozen([[[1, 7], [3, -1]]]), total)
    np.testing.assert_allclose(found.extras["weights"], [[0.4, 0.6]], rtol=1e-6)
    np.testing.assert_allclose(found.maps, [[[4.6, 0.6]]], rtol=1e-6)


def test_ablation_cam_of_an_unlikely_class_is_not_turned_over():
    # The sum is −10; without the first channel it is −14, without the second 4: (−10 + 14) / 10
    # and (−10 − 4) / 10. The first speaks for the class. Divided by −10, it would not.
    found = ablation_cam(frozen([[[1, -12], [3, -2]]]), total)
    np.testing.assert_allclose(found.extras["weights"], [[0.4, -1.4]], rtol=1e-6)
    np.testing.assert_allclose(found.maps, [[[17.2, 4.0]]], rtol=1e-6)


def test_ablation_cam_of_a_pooled_linear_network_weighs_by_each_channel_s_share_of_the_score():
    layer, weights = frozen(np.abs(LAYER)), frozen(np.abs(random(11, 1, 7)))

    def score(copies):
        return (copies.mean(axis=(1, 2)) @ weights.T).astype(np.float32)

    shares = weights * layer.mean(axis=(0, 1)) / score(layer[None])
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(ablation_cam(layer, score).maps, cam(layer[None], shares), rtol=1e-4)


def test_ablation_cam_does_not_ask_about_channels_of_zeros():
    layer = np.array(LAYER)
    layer[:, :, [1, 2, 6]] = 0
    calls = []
    found = ablation_cam(frozen(layer), watched(curved(12, LAYER.shape), calls))
    assert (found.extras["weights"][:, [1, 2, 6]] == 0).all()
    assert sum(len(call) for call in calls) == 5


def test_ablation_cam_of_a_score_of_exactly_zero_is_a_map_of_zeros():
    def nothing(copies):
        return np.zeros((len(copies), 2), np.float32)

    for layer in (LAYER, frozen(np.zeros((3, 2, 4)))):
        found = ablation_cam(layer, nothing)
        np.testing.assert_array_equal(found.maps, np.zeros((2, 3, 2)))


def test_ablation_cam_holds_no_more_versions_than_a_batch_and_reports_them():
    calls, reports = [], []
    ablation_cam(
        LAYER,
        watched(curved(13, LAYER.shape), calls),
        batch_size=3,
        progress=lambda *report: reports.append(report),
    )
    assert [len(call) for call in calls] == [3, 3, 2]
    assert reports == [(3, 8), (6, 8), (8, 8)]
    assert METHODS["ablation-cam"].count_copies(LAYER.shape, {}) == 8


# ReciproCAM.


def recipro_cam_by_loops(A, f, t, *, gaussian):
    """Byun and Lee: S(i, j) = head(F ⊙ M_ij), M_ij a Gaussian of 3 × 3 around (i, j), cut off."""
    h, w, _ = A.shape
    L = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            seen = np.zeros(A.shape)
            for p in range(h):
                for q in range(w):
                    away = (abs(p - i), abs(q - j))
                    share = {(0, 0): 1 / 4, (0, 1): 1 / 8, (1, 0): 1 / 8, (1, 1): 1 / 16}
                    alone = 1.0 if away == (0, 0) else 0.0
                    seen[p, q] = A[p, q] * (share.get(away, 0.0) if gaussian else alone)
            L[i, j] = f(seen[None].astype(np.float32))[0, t]
    return L


@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_recipro_cam_is_the_papers_formula(batch_size, gaussian):
    score = curved(13, LAYER.shape)
    found = recipro_cam(LAYER, score, batch_size=batch_size, gaussian=gaussian)
    expected = [recipro_cam_by_loops(LAYER, score, t, gaussian=gaussian) for t in range(2)]
    np.testing.assert_allclose(found.maps, expected, rtol=1e-5, atol=1e-6)


def test_recipro_cam_by_hand():
    # One channel, [1, 2; 4, 8]; the score is the sum. Alone, each cell is its own value. With the
    # kernel the first cell sees 1/4 · 1 + 1/8 · (2 + 4) + 1/16 · 8 = 1.5, and so on.
    layer = frozen([[[1], [2]], [[4], [8]]])
    np.testing.assert_allclose(
        recipro_cam(layer, total, gaussian=False).maps, [[[1, 2], [4, 8]]], rtol=1e-6
    )
    expected = [[[1.5, 1.875], [2.25, 2.8125]]]
    np.testing.assert_allclose(recipro_cam(layer, total).maps, expected, rtol=1e-6)


def test_recipro_cam_of_a_pooled_linear_network_is_cam_over_the_area_plus_the_bias():
    weights, bias = random(14, 2, 7), random(15, 2)

    def score(copies):
        return (copies.mean(axis=(1, 2)) @ weights.T + bias).astype(np.float32)

    found = recipro_cam(LAYER, score, gaussian=False)
    area = LAYER.shape[0] * LAYER.shape[1]
    for t in range(2):
        whole = (LAYER @ weights[t]) / area + bias[t]
        np.testing.assert_allclose(found.maps[t], whole, rtol=1e-4, atol=1e-6)


def test_recipro_cam_of_an_empty_layer_is_the_same_everywhere():
    found = recipro_cam(frozen(np.zeros((3, 2, 4))), curved(16, (3, 2, 4)))
    assert (found.maps == found.maps[:, :1, :1]).all()


def test_recipro_cam_counts_its_copies_and_tells_its_progress():
    told = []
    recipro_cam(LAYER, total, batch_size=4, progress=lambda *steps: told.append(steps))
    assert told == [(4, 6), (6, 6)]
    assert METHODS["recipro-cam"].count_copies(LAYER.shape, {}) == 6


# ViT-CX.


def vit_cx_by_loops(X, f, A, t, *, distance, noise, seed):
    """Xie et al., section 4: SciPy's clusters, and one mask at a time."""
    from scipy.cluster.hierarchy import fcluster, linkage

    channels = []
    for k in range(A.shape[2]):
        low, high = A[..., k].min(), A[..., k].max()
        if high > low:
            channels.append((A[..., k].astype(float) - low) / (high - low))
    rows = np.reshape(channels, (len(channels), -1))
    labels = fcluster(linkage(rows, "complete", "cosine"), distance, "distance")
    clusters = {}  # in the order of their first channels
    for label, channel in zip(labels, channels, strict=True):
        clusters.setdefault(label, []).append(channel)
    height, width, _ = X.shape
    draws = np.random.default_rng(seed)
    added, covered = np.zeros((height, width)), np.zeros((height, width))
    for group in clusters.values():
        mask = np.array(resized(np.sum(group, axis=0), height, width))
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        Z = draws.normal(size=X.shape) * noise * (1 - mask[..., None])
        copies = [X * mask[..., None] + Z, X + Z, X]
        hidden, noisy, whole = (f(copy[None].astype(np.float32))[0, t] for copy in copies)
        added += (hidden - noisy + whole) * mask
        covered += mask
    return added / covered / len(clusters), len(clusters)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_vit_cx_is_the_papers_formula(batch_size):
    base = np.random.default_rng(20).uniform(size=(3, 2, 3))
    near = np.random.default_rng(21).uniform(0, 0.3, size=(3, 2, 9))
    layer = frozen(np.concatenate([base] * 3, axis=-1) + near)  # in threes, nearly
    score = curved(22, IMAGE.shape)
    options = {"distance": 0.1, "noise": 0.2}
    found = vit_cx(
        IMAGE, score, layer, batch_size=batch_size, generator=np.random.default_rng(5), **options
    )
    for t in range(2):
        expected, count = vit_cx_by_loops(IMAGE, score, layer, t, seed=5, **options)
        assert 1 < count < 9
        assert found.extras["clusters"].tolist() == [count, count]
        np.testing.assert_allclose(found.maps[t], expected, rtol=1e-4, atol=1e-5)


def test_vit_cx_by_hand():
    # Without noise the last two terms cancel: 1/2 · 0.8 where the first mask is, 1/2 · 0.2 beside.
    layer = frozen([[[1, 0, 3], [0, 1, 3]]])  # the third channel is constant: no mask

    def score(copies):
        return copies[:, 0, :, 0] @ np.array([[0.8], [0.2]], np.float32)

    found = vit_cx(frozen(np.ones((1, 2, 1))), score, layer, noise=0)
    np.testing.assert_allclose(found.maps, [[[0.4, 0.1]]], rtol=1e-6)


def test_vit_cx_of_equal_channels_has_one_mask_and_of_constant_ones_none():
    equal = np.repeat(random(23, 3, 2, 1), 5, axis=2)
    assert vit_cx(IMAGE, total, equal).extras["clusters"].tolist() == [1]
    found = vit_cx(IMAGE, total, frozen(np.ones((3, 2, 4))))
    assert found.extras["clusters"].tolist() == [0]
    assert not found.maps.any()


def test_vit_cx_counts_its_copies_and_tells_its_progress():
    told, seen = [], []
    layer = frozen([[[1, 0], [0, 1]]])
    image = frozen(np.ones((1, 2, 1)))
    vit_cx(image, watched(total, seen), layer, progress=lambda *steps: told.append(steps))
    assert sum(map(len, seen)) == 5 == METHODS["vit-cx"].count_copies(layer.shape, {})
    assert told == [(1, 5), (5, 5)]


# RISE.


def rise_masks_by_loops(seed, count, height, width, cells, p):
    """Petsiuk et al., section 3.2: for each mask in turn the cells, then how the cut is shifted.

    1. cells × cells, each 1 with probability p. 2. Upsampled to (cells + 1) C_H × (cells + 1) C_W.
    3. An area of the image's size is cut, from (0, 0) up to (C_H, C_W).
    """
    draws = np.random.default_rng(seed)
    high, wide = math.ceil(height / cells), math.ceil(width / cells)
    for _ in range(count):
        small = [[float(draws.random() < p) for _ in range(cells)] for _ in range(cells)]
        large = resized(small, (cells + 1) * high, (cells + 1) * wide)
        top = draws.integers(0, high + 1)
        left = draws.integers(0, wide + 1)
        yield large[top : top + height, left : left + width]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_rise_is_the_papers_equation_6(batch_size):
    # S(λ) ≈ 1 / (E[M] · N) Σ_i f(I ⊙ M_i) · M_i(λ), with E[M] = p.
    score = curved(14, IMAGE.shape)
    expected = np.zeros((2, 6, 5))
    for mask in rise_masks_by_loops(15, 10, 6, 5, 2, 0.3):
        values = score((IMAGE * mask[:, :, None]).astype(np.float32)[None])[0]
        for t in range(2):
            expected[t] += values[t] * mask / (0.3 * 10)
    found = rise(
        IMAGE,
        score,
        masks=10,
        grid=2,
        probability=0.3,
        batch_size=batch_size,
        generator=np.random.default_rng(15),
    )
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-5)


def test_rise_by_hand():
    # One cell per side covers everything: a mask is all 1 or all 0, and the score counts pixels.
    draws, seen = np.random.default_rng(16), 0
    for _ in range(8):
        seen += int(draws.random() < 0.5)
        draws.integers(0, 3), draws.integers(0, 4)
    found = rise(
        frozen(np.ones((2, 3, 1))),
        total,
        masks=8,
        grid=1,
        generator=np.random.default_rng(16),
    )
    np.testing.assert_allclose(found.maps, np.full((1, 2, 3), 6 * seen / (0.5 * 8)))


def test_rise_of_a_score_that_never_changes_is_flat_at_that_score():
    def constant(copies):
        return np.full((len(copies), 1), 3, np.float32)

    found = rise(frozen(np.ones((9, 13, 1))), constant, masks=3000, grid=4)
    np.testing.assert_allclose(found.maps, 3, rtol=0.06)


def test_rise_finds_the_place_that_the_score_depends_on():
    def spot(copies):
        return copies[:, 4:7, 16:20].mean(axis=(1, 2, 3))[:, None]

    found = rise(frozen(np.ones((15, 24, 1))), spot, masks=600, grid=5).maps[0]
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 3 <= row <= 7
    assert 15 <= column <= 20


def test_rise_repeats_itself_unless_told_otherwise():
    score = curved(17, IMAGE.shape)
    first, second = (rise(IMAGE, score, masks=20, grid=3).maps for _ in range(2))
    other = rise(IMAGE, score, masks=20, grid=3, generator=np.random.default_rng(1)).maps
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.01


def test_rise_covers_photos_that_the_grid_does_not_divide():
    # With cells rounded down, 9 × 1 pixels would not cover 15.
    found = rise(frozen(np.ones((15, 11, 1))), total, masks=3, grid=8)
    assert found.maps.shape == (1, 15, 11)


def test_rise_holds_no_more_copies_than_a_batch_and_reports_them():
    calls, reports = [], []
    rise(
        IMAGE,
        watched(curved(18, IMAGE.shape), calls),
        masks=7,
        batch_size=3,
        progress=lambda *report: reports.append(report),
    )
    assert [len(call) for call in calls] == [3, 3, 1]
    assert reports == [(3, 7), (6, 7), (7, 7)]
    assert METHODS["rise"].count_copies(IMAGE.shape, {"masks": 7}) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": 0}, "masks=0 is not a valid count. Give a whole number, 1 or more."),
        ({"grid": 0}, "grid=0 is not a valid count. Give a whole number, 1 or more."),
        ({"batch_size": 0}, "batch_size=0 is not a valid count. Give a whole number, 1 or more."),
        ({"probability": 1.0}, "probability=1.0 is not between 0 and 1. Give 0.5, say."),
    ],
)
def test_options_that_cannot_be_are_named(options, message):
    with pytest.raises(OptionError) as raised:
        rise(IMAGE, curved(19, IMAGE.shape), **options)
    assert str(raised.value) == message
