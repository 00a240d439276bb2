"""The attention of PyTorch models: the contract, in three ways of computing attention."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seewhy.errors import LayerError
from seewhy.networks import adapt
from seewhy.networks.base import Network
from tests.networks.attention_contract import (
    DEPTH,
    EPSILON,
    HEADS,
    IMAGES,
    PATCH,
    WIDTH,
    AttentionContract,
    near,
    weights_of,
)

SIZE = IMAGES.shape[1:3]


class Attention(nn.Module):
    def __init__(self, matrices: list[np.ndarray], kind: str) -> None:
        super().__init__()
        self.kind = kind
        q, k, v, o = (torch.from_numpy(one.T.copy()) for one in matrices)
        if kind == "module":
            self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
            with torch.no_grad():
                self.inner.in_proj_weight.copy_(torch.cat([q, k, v]))
                self.inner.out_proj.weight.copy_(o)
        else:
            self.inputs = nn.ParameterList(nn.Parameter(one) for one in (q, k, v))
            self.output = nn.Parameter(o)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "module":
            return self.inner(x, x, x)[0]
        n, s, _ = x.shape
        q, k, v = ((x @ one.T).reshape(n, s, HEADS, -1).transpose(1, 2) for one in self.inputs)
        if self.kind == "fused":
            mixed = functional.scaled_dot_product_attention(q, k, v)
        else:
            scores = (q * (WIDTH / HEADS) ** -0.5) @ k.transpose(-2, -1)
            mixed = scores.softmax(dim=-1) @ v
        return mixed.transpose(1, 2).reshape(n, s, WIDTH) @ self.output.T


class Block(nn.Module):
    def __init__(self, weights: Mapping[str, np.ndarray], block: int, kind: str) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.attention = Attention([weights[f"{name}{block}"] for name in "qkvo"], kind)
        self.norm2 = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.dense = nn.Linear(WIDTH, WIDTH, bias=False)
        self.dense.weight.data = torch.from_numpy(weights[f"dense{block}"].T.copy())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + torch.tanh(self.dense(self.norm2(x)))


class Transformer(nn.Module):
    def __init__(self, weights: Mapping[str, np.ndarray], *, pooled: bool, kind: str) -> None:
        super().__init__()
        self.pooled = pooled
        self.embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH, bias=False)
        self.embed.weight.data = torch.from_numpy(weights["embed"].transpose(3, 2, 0, 1).copy())
        self.others = nn.Parameter(torch.from_numpy(weights["others"]))
        self.positions = nn.Parameter(torch.from_numpy(weights["positions"]))
        self.blocks = nn.ModuleList(Block(weights, block, kind) for block in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.head = nn.Linear(WIDTH, weights["head"].shape[1], bias=False)
        self.head.weight.data = torch.from_numpy(weights["head"].T.copy())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.others.expand(len(x), -1, -1), x], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.pooled else x[:, 0])


def transformer(kind: str, *, others: int = 1, pooled: bool = False) -> Transformer:
    return Transformer(weights_of(others), pooled=pooled, kind=kind)


class TorchAttention(AttentionContract):
    kind = ""

    def build(self, weights: Mapping[str, np.ndarray], *, pooled: bool) -> Network:
        model = Transformer(weights, pooled=pooled, kind=self.kind)
        return adapt(model, size=SIZE, name="tiny")

    def build_convolution(self) -> Network:
        layers = [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
        return adapt(nn.Sequential(*layers), size=SIZE, name="convolution")


class TestFused(TorchAttention):
    kind = "fused"


class TestOwnSoftmax(TorchAttention):
    kind = "own"
    scale = 1.0


class TestMultiheadAttention(TorchAttention):
    kind = "module"


KINDS = pytest.mark.parametrize("kind", ["fused", "own", "module"])


@KINDS
def test_the_model_is_left_as_it_was_found(kind: str) -> None:
    model = transformer(kind).train()
    before = {name: (one.requires_grad, one.grad) for name, one in model.named_parameters()}
    native = functional.scaled_dot_product_attention
    adapt(model, size=SIZE, name="tiny").attentions(IMAGES, np.zeros((2, 1), int), lambda one: one)
    assert model.training
    assert all(module.training for module in model.modules())
    assert {n: (one.requires_grad, one.grad) for n, one in model.named_parameters()} == before
    assert not any(module._forward_hooks for module in model.modules())
    assert functional.scaled_dot_product_attention is native


@KINDS
def test_threads_may_share_the_network(kind: str) -> None:
    network = adapt(transformer(kind), size=SIZE, name="tiny")
    classes = np.array([[0], [1]])
    expected = network.attentions(IMAGES, classes, lambda one: one.gradients).attended.layers[0]
    found: list[Any] = []
    inside = [
        threading.Thread(
            target=lambda: found.append(
                network.attentions(IMAGES, classes, lambda one: one.gradients).attended.layers[0]
            )
        )
        for _ in range(8)
    ]
    for one in inside:
        one.start()
    for one in inside:
        one.join()
    assert len(found) == 8
    for layers in found:
        for one, other in zip(layers, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_layers_of_pytorch_are_seen_where_they_would_take_their_fast_path() -> None:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 8, dropout=0.1, batch_first=True, norm_first=True
    )

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = self.embed(images).flatten(2).transpose(1, 2)
            return self.head(self.encoder(x).mean(1))

    torch.manual_seed(0)
    network = adapt(Model(), size=SIZE, name="tiny")
    capture = network.attentions(IMAGES, np.zeros((2, 1), int), lambda one: one)
    assert len(capture.attended.layers[0]) == 2
    near(capture.scores, network.scores(IMAGES))
    for one in capture.attended.layers[0]:
        near(one.weights.sum(-1), np.ones(one.weights.shape[:-1]))
        assert np.abs(one.gradients).max() > 0


def test_masks_scales_and_fewer_key_heads_are_those_of_pytorch() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 6, 3), torch.randn(2, 2, 6, 3), torch.randn(2, 2, 6, 3)
    full = torch.randn(2, 4, 6, 3), torch.randn(2, 4, 6, 3)
    cases: list[tuple[Any, dict[str, Any]]] = [
        ((q, k, v), {"enable_gqa": True}),
        ((q, *full), {"is_causal": True}),
        ((q, *full), {"scale": 0.2}),
        ((q, *full), {"attn_mask": torch.randn(6, 6)}),
        ((q, *full), {"attn_mask": torch.rand(2, 1, 6, 6) > 0.3, "scale": 1.5}),
    ]
    from seewhy.networks.pytorch.attention import AttentionWatcher

    for arguments, options in cases:
        given = [one.clone().requires_grad_() for one in arguments]
        expected = functional.scaled_dot_product_attention(*given, **options)
        slopes = torch.autograd.grad(expected.pow(2).sum(), given)
        seen: list[int] = []
        watcher = AttentionWatcher(
            2, None, lambda call, *_, seen=seen: seen.append(call), differentiable=True,
            device=torch.device("cpu"),
        )  # fmt: skip
        with watcher:
            found = functional.scaled_dot_product_attention(*given, **options)
        near(found.detach(), expected.detach().numpy(), tolerance=2e-6)
        again = torch.autograd.grad(found.pow(2).sum(), given)
        for one, other in zip(again, slopes, strict=True):
            near(one, other.numpy(), tolerance=5e-6)
        assert seen == [0]


class Windows(Transformer):
    """Attends within halves of the tokens, each in the batch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2)
        n, s, c = x.shape
        x = x.reshape(2 * n, s // 2, c)
        for block in self.blocks:
            x = block(x)
        return self.head(x.reshape(n, s, c).mean(1))


class Channels(Transformer):
    """Lets channels attend to channels; as many as there are tokens."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.embed(images).flatten(2)
        weights = (x @ x.transpose(1, 2)).softmax(-1)
        return self.head((weights @ x).mean(-1))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Windows, "Attention number 2 of 'tiny' is within windows, or parts, of 3 places each"),
        (
            Channels,
            "Attention number 1 of 'tiny' is over 6 channels or pooled places and not over the "
            "photo's tokens",
        ),
    ],
)
def test_attention_that_is_not_between_the_photo_s_tokens_is_refused(
    kind: type[Transformer], said: str
) -> None:
    network = adapt(kind(weights_of(0), pooled=True, kind="fused"), size=SIZE, name="tiny")
    with pytest.raises(LayerError) as error:
        network.attentions(IMAGES, np.zeros((2, 1), int), lambda one: one)
    assert str(error.value) == (
        f"{said}, so this method has no map of it. Use 'grad-cam', which explains any network"
    )


def by_blocks(model: Transformer, target: int) -> list[np.ndarray]:
    """Return ∂s/∂A of each block's own score, by hand."""
    x = model.embed(torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy()))
    x = torch.cat([model.others.expand(2, -1, -1), x.flatten(2).transpose(1, 2)], 1)
    x = (x + model.positions).detach()
    found = []
    for block in model.blocks:
        y = block.norm1(x)
        q, k, v = (
            (y @ one.T).reshape(2, -1, HEADS, WIDTH // HEADS).transpose(1, 2)
            for one in block.attention.inputs
        )
        a = ((q * (WIDTH / HEADS) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        a = a.detach().requires_grad_()
        z = x + (a @ v).transpose(1, 2).reshape(x.shape) @ block.attention.output.T
        z = z + torch.tanh(block.dense(block.norm2(z)))
        pooled = model.norm(z).mean(1) if model.pooled else model.norm(z)[:, 0]
        found.append(torch.autograd.grad(model.head(pooled)[:, target].sum(), a)[0].numpy())
        x = z.detach()
    return found


@pytest.mark.parametrize("pooled", [False, True])
def test_each_block_s_own_score_is_differentiated(pooled: bool) -> None:
    model = transformer("fused", pooled=pooled)
    network = adapt(model, size=SIZE, name="tiny")
    capture = network.attentions(
        IMAGES, np.array([[1, 2], [1, 2]]), lambda one: one.gradients, of_blocks=True
    )
    scores = network.scores(IMAGES)
    near(capture.scores, scores)
    near(capture.values, scores[:, 1:])
    for layers, target in zip(capture.attended.layers, (1, 2), strict=True):
        for one, other in zip(layers, by_blocks(model, target), strict=True):
            near(one, other)


def test_blocks_that_are_no_modules_are_refused() -> None:
    model = transformer("fused")
    for block in model.blocks:
        block.forward = None

    class Unfolded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            inner = self.inner
            x = inner.embed(images).flatten(2).transpose(1, 2)
            x = torch.cat([inner.others.expand(len(x), -1, -1), x], dim=1) + inner.positions
            for block in inner.blocks:
                x = x + block.attention(block.norm1(x))
                x = x + torch.tanh(block.dense(block.norm2(x)))
            return inner.head(inner.norm(x)[:, 0])

    network = adapt(Unfolded(), size=SIZE, name="tiny")
    with pytest.raises(LayerError) as error:
        network.attentions(IMAGES, np.zeros((2, 1), int), lambda one: one, of_blocks=True)
    assert str(error.value) == (
        "'tiny' has no chain of blocks, each a module with one attention, and this method scores "
        "each block. Use 'chefer', which looks at the attention alone"
    )
