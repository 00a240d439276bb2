"""Small networks of transformers with random weights, one for each row of docs/huggingface.md."""

from __future__ import annotations

from typing import Any

import torch

VIT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "image_size": 64, "patch_size": 16,
}  # fmt: skip
SWIN = {
    "image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1, 1, 2], "num_heads": [1, 2, 4],
    "window_size": 4,
}  # fmt: skip
STAGES = {"image_size": 64, "hidden_sizes": [16, 16, 32, 32], "depths": [1, 1, 1, 1]}
CONVOLUTIONS = {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]}

CLASSIFIER, DISTILLED = "ForImageClassification", "ForImageClassificationWithTeacher"

# name in the docs: class, head, configuration, layer by default
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "ViT": ("ViT", CLASSIFIER, VIT, "vit.layers.1.layernorm_before"),
    "DeiT": ("DeiT", CLASSIFIER, VIT, "deit.layers.1.layernorm_before"),
    "DeiT, distilled": ("DeiT", DISTILLED, VIT, "deit.layers.1.layernorm_before"),
    "DINOv2": ("Dinov2", CLASSIFIER, VIT, "dinov2.layernorm"),
    "DINOv2 with registers": (
        "Dinov2WithRegisters",
        CLASSIFIER,
        {**VIT, "num_register_tokens": 4},
        "dinov2_with_registers.layernorm",
    ),
    "BEiT": ("Beit", CLASSIFIER, {**VIT, "use_relative_position_bias": True}, "beit.layers.1"),
    "SigLIP": ("Siglip", CLASSIFIER, {"vision_config": VIT}, "vision_model.post_layernorm"),
    "CLIP": ("CLIP", CLASSIFIER, {"vision_config": VIT}, "vision_model.encoder.layers.1"),
    "Swin": ("Swin", CLASSIFIER, SWIN, "swin.layernorm"),
    "Swin V2": ("Swinv2", CLASSIFIER, SWIN, "swinv2.layernorm"),
    "LeViT": (
        "Levit",
        CLASSIFIER,
        {
            "image_size": 128, "hidden_sizes": [16, 32, 48], "num_attention_heads": [1, 2, 3],
            "depths": [1, 1, 1], "key_dim": [8, 8, 8],
        },
        "levit.encoder.stages.2.layers.1",
    ),
    "PVT v2": (
        "PvtV2",
        CLASSIFIER,
        {**STAGES, "num_attention_heads": [1, 1, 2, 2]},
        "pvt_v2.encoder.layers.3.layer_norm",
    ),
    "MobileViT": (
        "MobileViT",
        CLASSIFIER,
        {
            "image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": 2,
            "neck_hidden_sizes": [8, 8, 16, 24, 32, 40, 64],
        },
        "mobilevit.conv_1x1_exp.activation",
    ),
    "ConvNeXt": ("ConvNext", CLASSIFIER, STAGES, "convnext.encoder.stages.3.layers.0"),
    "ConvNeXt V2": ("ConvNextV2", CLASSIFIER, STAGES, "convnextv2.encoder.stages.3.layers.0"),
    "ResNet": ("ResNet", CLASSIFIER, CONVOLUTIONS, "resnet.encoder.stages.3.layers.0.activation"),
}  # fmt: skip


def build(name: str, **settings: Any) -> Any:
    """A network of 5 classes; a little is added to its weights, of which some begin at 0."""
    import transformers

    kind, head, options, _ = ARCHITECTURES[name]
    config = getattr(transformers, f"{kind}Config")(**{"num_labels": 5, **options, **settings})
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}{head}")(config).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model
