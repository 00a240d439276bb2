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
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
from timm.models import deit, vision_transformer  # noqa: E402

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
    methods = ["grad-cam", "hires-cam", "layer-cam"]
    for explanation in seewhy.compare(network, photos, methods=methods, classes=[0]).values():
        assert explanation.maps.shape == (2, 1, 4, 3)
        for one, place in zip(explanation.maps[:, 0], [(2, 1), (0, 2)], strict=True):
            assert np.unravel_index(one.argmax(), one.shape) == place
        x, y = explanation.peak_at(0, 0) or (-1, -1)
        assert (y // 8, x // 8) == (2, 1)
