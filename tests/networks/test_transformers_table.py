"""The table of docs/transformers.md: each architecture of timm, small and with random weights."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import seewhy
from seewhy.errors import LayerError
from seewhy.explaining.attending import check_attends
from seewhy.explaining.budget import default_method
from tests.places import DOCS
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
import timm  # noqa: E402

VIT: dict[str, Any] = {"embed_dim": 24, "depth": 2, "num_heads": 2}
SWIN: dict[str, Any] = {"embed_dim": 24, "depths": (1, 1), "num_heads": (2, 2)}

ARCHITECTURES: dict[str, tuple[int, dict[str, Any]]] = {
    "vit_base_patch16_224": (64, VIT),
    "deit_base_distilled_patch16_224": (64, VIT),
    "vit_small_patch14_reg4_dinov2": (56, VIT),
    "vit_small_patch16_dinov3": (64, VIT),
    "beit_base_patch16_224": (64, VIT),
    "eva02_tiny_patch14_224": (56, VIT),
    "vit_base_patch16_siglip_224": (64, VIT),
    "cait_xxs24_224": (64, VIT),
    "swin_tiny_patch4_window7_224": (56, SWIN),
    "swinv2_tiny_window8_256": (64, SWIN | {"window_size": 8}),
    "coatnet_pico_rw_224": (
        64, {"depths": (1, 1, 1, 1), "embed_dim": (32, 32, 64, 64), "stem_width": 16},
    ),
    "pvt_v2_b0": (64, {"depths": (1, 1, 1, 1)}),
    "hiera_tiny_224": (128, {"stages": (1, 1, 1, 1), "embed_dim": 24}),
    "maxvit_pico_rw_256": (64, {"depths": (1, 1), "embed_dim": (32, 64), "stem_width": 16}),
    "mobilevit_xxs": (128, {}),
    "levit_128s": (224, {}),
    "convnext_atto": (64, {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 24)}),
}  # fmt: skip
"""By name: the side of the photos, and what makes the network small."""

ON_ATTENTION = [name for name, method in seewhy.METHODS.items() if method.attends]


def rows_of_the_page() -> Mapping[str, tuple[str, str, str]]:
    text = (DOCS / "transformers.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| `([^`]+)` \| ([^|]+) \| ([^|]+) \|", text, re.M)
    return {name: (layer, default, methods) for name, layer, default, methods in rows}


def small(name: str) -> seewhy.Classifier:
    side, settings = ARCHITECTURES[name]
    fixed = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)
    sized = {"img_size": side} if fixed or name.startswith(("eva", "maxvit", "coatnet")) else {}
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=5, **sized, **settings)
    return seewhy.Classifier(model.eval(), size=side, preprocess="unit", name=name)


def test_the_page_has_a_row_for_each() -> None:
    assert list(rows_of_the_page()) == list(ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_row_says_the_default_layer_and_method_and_which_methods_apply(name: str) -> None:
    classifier = small(name)
    fitting = []
    for method in ON_ATTENTION:
        with contextlib.suppress(LayerError):
            check_attends(classifier, seewhy.METHODS[method])
            fitting.append(method)
    row = classifier.layer, default_method(classifier), ", ".join(fitting) or "–"
    assert row == rows_of_the_page()[name]


def test_methods_on_attention_take_at_most_two_forward_passes_more_than_grad_cam() -> None:
    classifier = small("vit_base_patch16_224")
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    counts = {}
    for method in ("grad-cam", "chefer", "legrad"):
        seewhy.explain(classifier, photo, method=method, classes=range(5))  # what is found out once
        passes: list[int] = []
        hook = classifier.network.model.register_forward_hook(
            lambda *_, passes=passes: passes.append(1)
        )
        seewhy.explain(classifier, photo, method=method, classes=range(5))
        hook.remove()
        counts[method] = len(passes)
    assert counts["grad-cam"] == 1
    assert counts["chefer"] <= 3
    assert counts["legrad"] <= 3
