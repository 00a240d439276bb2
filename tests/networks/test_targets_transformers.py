"""Transformers of timm, end to end: a planted signal is found where it is.

Axes: n image, h row, w column, s token, c channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from seewhy.networks import adapt
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
from timm.models import deit, vision_transformer  # noqa: E402
from timm.models.hiera import Hiera  # noqa: E402
from timm.models.levit import Levit  # noqa: E402

WIDTH = 4


def planted(kind: type[nn.Module], **options: Any) -> nn.Module:
    """A vision transformer on images of 32 × 24 in 4 × 3 patches of 8 × 8; two blocks.

    Channel 0 of a patch is its brightness, the second block's attention is even, and class 0 is
    channel 0 of what is read out.
    """
    model = kind(
        img_size=(32, 24), patch_size=8, embed_dim=WIDTH, depth=2, num_heads=1, num_classes=2,
        **options,
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not ("norm" in name and name.endswith("weight")):
                parameter.zero_()
        model.patch_embed.proj.weight[0] = 1 / 192
        model.patch_embed.proj.bias[3] = 0.2
        attention = model.blocks[1].attn
        attention.qkv.weight[2 * WIDTH :] = torch.eye(WIDTH)
        attention.proj.weight.copy_(torch.eye(WIDTH))
        for head in (model.head, getattr(model, "head_dist", None)):
            if head is not None:
                head.weight[:, 0] = torch.tensor([1.0, -1.0])
    return model.eval()


def bright(row: int, column: int) -> np.ndarray:
    pixels = np.zeros((32, 24, 3), np.uint8)
    pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return pixels


@pytest.mark.parametrize(
    ("kind", "options", "layer"),
    [
        (vision_transformer.VisionTransformer, {}, "blocks.1.norm1"),
        (vision_transformer.VisionTransformer, {"reg_tokens": 4}, "blocks.1.norm1"),
        (
            vision_transformer.VisionTransformer,
            {"global_pool": "avg", "class_token": False, "fc_norm": False},
            "norm",
        ),
        (deit.VisionTransformerDistilled, {}, "blocks.1.norm1"),
    ],
    ids=["class token", "registers", "patches averaged", "class and distillation tokens"],
)
def test_a_transformer_that_looks_for_a_bright_patch_peaks_there(
    kind: type[nn.Module], options: dict[str, Any], layer: str
) -> None:
    network = seewhy.Classifier(planted(kind, **options), preprocess="unit", name="planted")
    assert network.layer == layer
    photos = [bright(2, 1), bright(0, 2)]
    methods = ["grad-cam", "hires-cam", "layer-cam", "chefer", "legrad"]
    for explanation in seewhy.compare(network, photos, methods=methods, classes=[0]).values():
        assert explanation.maps.shape == (2, 1, 4, 3)
        for one, place in zip(explanation.maps[:, 0], [(2, 1), (0, 2)], strict=True):
            assert np.unravel_index(one.argmax(), one.shape) == place
        x, y = explanation.peak_at(0, 0) or (-1, -1)
        assert (y // 8, x // 8) == (2, 1)


def test_the_default_layer_is_outside_attention_and_downsamplers() -> None:
    """LeViT and Hiera shrink their maps by attention, whose tokens no module lays out."""
    torch.manual_seed(0)
    shrinking = Levit(
        img_size=128, embed_dim=(16, 24, 32), key_dim=8, depth=(1, 1, 1), num_heads=(2, 2, 2),
        num_classes=3,
    )  # fmt: skip
    for name, parameter in shrinking.named_parameters():
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter.data.fill_(1.0)  # else the ends of blocks are 0
    found = adapt(shrinking, size=(128, 128), name="levit").default_layer
    assert found in ("stages.0.blocks.0", "stages.1.blocks.0", "stages.2.blocks.0")
    unrolling = Hiera(
        img_size=(64, 64), embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), num_classes=3
    )
    network = adapt(unrolling, size=(64, 64), name="hiera")
    assert network.default_layer == "blocks.4"
    assert {one.name: one.shape for one in network.layers}["blocks.4"] == (2, 2, 64)
