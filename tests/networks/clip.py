"""A made CLIP of transformers, or a SigLIP, with a tokenizer of a few words; weights are random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.networks.hugging_face import VIT

WORDS = ("a", "photo", "of", "cat", "dog", "red", "circle", "square", "the")

TEXT = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 16, "max_position_embeddings": 12, "projection_size": 32, "projection_dim": 16,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip


def save_clip(folder: Path, kind: str = "CLIP") -> Path:
    """Write a network of images of 64 × 64, its processor and its tokenizer."""
    model = make_clip(kind)
    model.save_pretrained(folder)
    make_processor(kind).save_pretrained(folder)
    return folder


def make_clip(kind: str = "CLIP") -> Any:
    """The network."""
    import transformers

    vision = dict(VIT)
    text = {**TEXT, "hidden_size": 32} if kind == "Siglip" else TEXT
    options = {"projection_dim": 16} if kind == "CLIP" else {}
    config = getattr(transformers, f"{kind}Config")(
        text_config=text, vision_config=vision, **options
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def make_processor(kind: str = "CLIP") -> Any:
    """Its processor of images and texts."""
    import transformers

    images: dict[str, Any] = {"size": {"height": 64, "width": 64}}
    if kind == "CLIP":
        images = {"size": {"shortest_edge": 64}, "crop_size": images["size"]}
    part = getattr(transformers, f"{kind}ImageProcessor")(**images)
    return getattr(transformers, f"{kind}Processor")(image_processor=part, tokenizer=tokenizer())


def tokenizer() -> Any:
    """Words between a token for the start and one for the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = {word: place for place, word in enumerate(("<u>", "<s>", "</s>", *WORDS))}
    made = Tokenizer(models.WordLevel(tokens, unk_token="<u>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<u>", bos_token="<s>", eos_token="</s>",
        pad_token="</s>", model_max_length=12,
    )  # fmt: skip
