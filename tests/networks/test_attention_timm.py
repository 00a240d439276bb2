"""The attention of timm's transformers: what timm computes without fusing, and what is recognised.

Axes: n image, h head, q query, k key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from seewhy.errors import LayerError
from seewhy.networks import adapt
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
from timm.models.beit import Beit  # noqa: E402
from timm.models.cait import Cait  # noqa: E402
from timm.models.deit import VisionTransformerDistilled  # noqa: E402
from timm.models.eva import Eva  # noqa: E402
from timm.models.pvt_v2 import PyramidVisionTransformerV2  # noqa: E402
from timm.models.swin_transformer import SwinTransformer  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402
from timm.models.xcit import Xcit  # noqa: E402

SMALL: dict[str, Any] = {
    "img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 5,
}  # fmt: skip

NETWORKS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "class token": (32, lambda: VisionTransformer(**SMALL)),
    "registers": (32, lambda: VisionTransformer(**SMALL, reg_tokens=4)),
    "pooled by attention": (
        32, lambda: VisionTransformer(**SMALL, class_token=False, global_pool="map"),
    ),
    "distilled": (32, lambda: VisionTransformerDistilled(**SMALL)),
    "beit": (32, lambda: Beit(**SMALL)),
    "eva": (32, lambda: Eva(**SMALL, use_rot_pos_emb=True)),
    "cait": (32, lambda: Cait(**SMALL)),
    "pvt": (
        64,
        lambda: PyramidVisionTransformerV2(
            num_classes=5, depths=(1,) * 4, embed_dims=(8, 16, 24, 32), num_heads=(1, 2, 2, 2)
        ),
    ),
    "swin": (
        56,
        lambda: SwinTransformer(
            img_size=56, embed_dim=24, depths=(1, 2), num_heads=(2, 2), num_classes=5
        ),
    ),
    "xcit": (
        64, lambda: Xcit(**SMALL | {"img_size": 64, "patch_size": 16}, cls_attn_layers=1, eta=1.0),
    ),
}  # fmt: skip


def network_of(name: str) -> tuple[nn.Module, Any, np.ndarray]:
    torch.manual_seed(0)
    side, build = NETWORKS[name]
    model = build().eval()
    images = np.random.default_rng(0).uniform(size=(2, side, side, 3)).astype(np.float32)
    return model, adapt(model, size=(side, side), name=name), images


@pytest.mark.parametrize("name", ["class token", "registers", "distilled", "beit", "eva"])
def test_it_is_what_timm_computes_where_it_is_told_not_to_fuse(name: str) -> None:
    model, network, images = network_of(name)
    classes = np.array([[1, 2], [3, 0]])
    found = network.attentions(images, classes, lambda one: one)
    weights: list[torch.Tensor] = []
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
            module.attn_drop.register_forward_hook(lambda _, __, out: weights.append(out))
    scores = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(found.scores, scores.detach(), rtol=0, atol=2e-6)
    for t, layers in enumerate(found.attended.layers):
        value = scores.gather(1, torch.from_numpy(classes[:, t : t + 1])).sum()
        slopes = torch.autograd.grad(value, weights, retain_graph=True)
        for layer, expected, slope in zip(layers, weights, slopes, strict=True):
            np.testing.assert_allclose(layer.weights, expected.detach(), rtol=0, atol=2e-6)
            largest = float(slope.abs().max())
            np.testing.assert_allclose(layer.gradients, slope, rtol=0, atol=2e-6 * largest + 1e-12)


@pytest.mark.parametrize(
    ("name", "grid", "prefix", "queries", "read"),
    [
        ("class token", (4, 4), 1, 17, [0]),
        ("registers", (4, 4), 5, 21, [0]),
        ("pooled by attention", (4, 4), 0, 1, [0]),
        ("distilled", (4, 4), 2, 18, [0, 1]),
        ("beit", (4, 4), 1, 17, list(range(1, 17))),
        ("eva", (4, 4), 1, 17, list(range(1, 17))),
        ("cait", (4, 4), 1, 1, [0]),
        ("pvt", (2, 2), 0, 4, list(range(4))),
        ("swin", (7, 7), 0, 49, list(range(49))),
        ("xcit", (4, 4), 1, 1, [0]),
    ],
)
def test_the_last_attention_is_recognised(
    name: str, grid: tuple[int, int], prefix: int, queries: int, read: list[int]
) -> None:
    _, network, images = network_of(name)
    attended = network.attentions(images, None, lambda one: one.weights, last=1).attended
    assert (attended.grid, attended.prefix, len(attended.read)) == (grid, prefix, queries)
    assert np.flatnonzero(attended.read).tolist() == read
    assert attended.read.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cait", "The attentions of 'cait' are between different tokens (1, 16, 17), and"),
        ("pvt", "The attentions of 'pvt' are between different tokens (4, 16, 64, 256), and"),
        ("swin", "Attention number 1 of 'swin' is within windows, or parts, of 49 places each, so"),
        ("xcit", "Attention number 2 of 'xcit' is over 12 channels or pooled places and not over"),
    ],
)
def test_attention_is_not_multiplied_where_it_is_not_between_the_same_tokens(
    name: str, said: str
) -> None:
    _, network, images = network_of(name)
    with pytest.raises(LayerError) as error:
        network.attentions(images, None, lambda one: one.weights)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("method", ["chefer", "legrad", "grad-eclip", "attention-rollout"])
def test_explain_gives_maps_of_patches_by_every_method_on_attention(method: str) -> None:
    model, _, _ = network_of("distilled")
    classifier = seewhy.Classifier(model, size=(32, 32), preprocess="unit", name="distilled")
    photos = [
        np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8) for seed in (0, 1)
    ]
    found = seewhy.explain(classifier, photos, method=method, classes=[1, 3])
    count = 1 if method == "attention-rollout" else 2
    assert found.maps.shape == (2, count, 4, 4)
    assert (found.maps >= 0).all()
    assert found.maps.any(axis=(2, 3)).all()
    alone = seewhy.explain(classifier, photos[1], method=method, classes=[1, 3])
    np.testing.assert_allclose(alone.maps[0], found.maps[1], rtol=1e-4, atol=1e-7)
    if count == 2:
        against = seewhy.explain(classifier, photos, method=method, classes=[1], contrast=3)
        assert against.maps.shape == (2, 1, 4, 4)
        assert not np.allclose(against.maps[:, 0], found.maps[:, 0])
