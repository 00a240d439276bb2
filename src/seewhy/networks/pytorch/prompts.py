"""CLIP, SigLIP and their like as classifiers: an image tower and a linear head made of prompts.

Axes: n image, k class, c feature.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from seewhy.errors import ModelError, OptionError
from seewhy.networks.prompts import Prompts
from seewhy.networks.pytorch.guard import undisturbed
from seewhy.networks.pytorch.hugging_face import is_pretrained

Encoder = Callable[[Sequence[str]], torch.Tensor]
"""Returns the embeddings of sentences, (sentence, c)."""

CLIP_WORDS = 49408
"""The tokens of OpenAI's CLIP, whose tokenizer open_clip has for networks without a name."""


class PromptedNetwork(torch.nn.Module):  # type: ignore[misc]  # torch ships no types here
    """An image tower with a linear head, whose rows are the embeddings of prompts.

        y[k] = s · f / |f| · (t[k] − t[neutral])

    s is the network's own scale, t the normalized embeddings. The term of the neutral prompt is the
    same for all classes, so that no probability depends on it.

    Args:
        network: of images and texts; its image tower is shared.
        weights: (k, c), s · (t[k] − t[neutral]).
        bias: (k).
        size: of its images, where it is known.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        weights: torch.Tensor,
        bias: torch.Tensor,
        size: tuple[int, int] | None,
    ) -> None:
        super().__init__()
        self.image_size = size
        if is_pretrained(network):
            self._encode = network.get_image_features
            towers = {name: part for name, part in network.named_children() if "text" not in name}
        else:
            self._encode = network.encode_image
            towers = {"visual": network.visual}
        for name, part in towers.items():
            self.add_module(name, part)
        self.head = torch.nn.Linear(weights.shape[1], len(weights)).to(weights)
        with torch.no_grad():
            self.head.weight.copy_(weights)
            self.head.bias.copy_(bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores of the prompts, (n, k)."""
        features = self._encode(images)
        features = getattr(features, "pooler_output", features)
        return self.head(functional.normalize(features, dim=-1))


def compares_texts(model: Any) -> bool:
    """True for a network of images and texts: of transformers, open_clip or OpenAI's clip."""
    encoders = ("get_image_features", "get_text_features")
    if not is_pretrained(model):
        encoders = ("encode_image", "encode_text")
    has_scale = isinstance(getattr(model, "logit_scale", None), torch.Tensor)
    return has_scale and all(callable(getattr(model, name, None)) for name in encoders)


def prompted(
    model: Any, prompts: Prompts, *, name: str, size: tuple[int, int] | None
) -> PromptedNetwork:
    """Return a network of images and texts as a classifier, whose classes are prompts.

    Args:
        model: that network; it is not modified, and shares its image tower.
        prompts: the classes.
        name: for messages.
        size: of its images, where it is known.

    Raises:
        ModelError: it knows no texts, or its tokenizer is not known.
        OptionError: a prompt is too long for it.
    """
    encoder = _hugging_face if is_pretrained(model) else _open_clip
    encode = encoder(model, prompts, name)
    with (
        undisturbed(model, modules=model.modules(), parameters=model.parameters()),
        torch.no_grad(),
    ):
        rows = torch.stack([_embedding(encode, prompts.sentences(text)) for text in prompts.texts])
        scale = model.logit_scale.detach().exp()
        bias = getattr(model, "logit_bias", None)
        offsets = torch.zeros(len(rows)).to(rows) + (0 if bias is None else bias.detach())
        if prompts.neutral is not None:
            rows = rows - _embedding(encode, prompts.sentences(prompts.neutral))
            offsets = torch.zeros_like(offsets)
        network = PromptedNetwork(model, scale * rows, offsets, size)
    return network.eval() if not model.training else network


def _embedding(encode: Encoder, sentences: Sequence[str]) -> torch.Tensor:
    """Return the normalized mean of the sentences' normalized embeddings, (c)."""
    mean = functional.normalize(encode(sentences), dim=-1).mean(0)
    return functional.normalize(mean, dim=-1)


def _hugging_face(model: Any, prompts: Prompts, name: str) -> Encoder:
    tokenizer = prompts.tokenizer or _own_tokenizer(model, name)
    longest = model.config.text_config.max_position_embeddings

    def encode(sentences: Sequence[str]) -> torch.Tensor:
        counts = [len(tokens) for tokens in tokenizer(list(sentences))["input_ids"]]
        _check_length(sentences, counts, longest, name)
        tokens = tokenizer(
            list(sentences), padding="max_length", max_length=longest, return_tensors="pt"
        )
        features = model.get_text_features(
            **{key: tensor.to(model.device) for key, tensor in tokens.items()}
        )
        return torch.as_tensor(getattr(features, "pooler_output", features))

    return encode


def _own_tokenizer(model: Any, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            model.name_or_path, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        raise _no_tokenizer(name, "AutoTokenizer.from_pretrained(...)") from error


def _open_clip(model: Any, prompts: Prompts, name: str) -> Encoder:
    package = sys.modules.get("open_clip")
    tokenizer = prompts.tokenizer
    if tokenizer is None and package is not None and _words(model) == CLIP_WORDS:
        tokenizer = package.SimpleTokenizer(context_length=model.context_length)
    if tokenizer is None:
        raise _no_tokenizer(name, "open_clip.get_tokenizer(...)")

    def encode(sentences: Sequence[str]) -> torch.Tensor:
        if hasattr(tokenizer, "encode"):
            counts = [len(tokenizer.encode(sentence)) + 2 for sentence in sentences]
            _check_length(sentences, counts, tokenizer.context_length, name)
        tokens = tokenizer(list(sentences)).to(model.logit_scale.device)
        return torch.as_tensor(model.encode_text(tokens))

    return encode


def _words(model: Any) -> int | None:
    embedding = getattr(getattr(model, "text", model), "token_embedding", None)
    return getattr(embedding, "num_embeddings", None)


def _check_length(sentences: Sequence[str], counts: Sequence[int], longest: int, name: str) -> None:
    for sentence, count in zip(sentences, counts, strict=True):
        if count > longest:
            raise OptionError(
                f"The prompt '{sentence[:40]}...' has {count} tokens, and '{name}' reads "
                f"{longest}. Shorten it."
            )


def _no_tokenizer(name: str, source: str) -> ModelError:
    return ModelError(
        f"'{name}' has no tokenizer beside it, which prompts need. Give it: tokenizer={source}"
    )
