"""What networks do with a batch, and what PyTorch can do to a module: the numbers are its own."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import seewhy
from seewhy.errors import ModelError, SeewhyWarning

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
DARK = PHOTO // 3
IMAGE = torch.tensor(PHOTO).permute(2, 0, 1)[None] / 255
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "grad-cam"},
    {"method": "ablation-cam"},
    {"method": "occlusion", "patch": 16, "stride": 16},
)


class Small(nn.Module):
    """A convolution, and an end that a test gives."""

    def __init__(self, end: Callable[[Any, torch.Tensor], torch.Tensor], classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)
        self.out = nn.Linear(8, classes)
        self.end = end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self, self.conv(x))


def plain(net: Any, h: torch.Tensor) -> torch.Tensor:
    scores: torch.Tensor = net.out(h.relu().mean((2, 3)))
    return scores


def classifier(network: nn.Module, **settings: Any) -> seewhy.Classifier:
    return seewhy.Classifier(network.eval(), size=(32, 48), preprocess="unit", **settings)


def probabilities(network: Any, **asked: Any) -> list[float]:
    """Return the probabilities of a photo's classes, in their order."""
    found = seewhy.explain(classifier(network), PHOTO, top=4, **asked)
    return [one.probability for one in sorted(found.predictions[0], key=lambda one: one.index or 0)]


def by_hand(network: Any, raw: torch.Tensor, score: torch.Tensor) -> np.ndarray:
    """Return Grad-CAM at a convolution."""
    (slopes,) = torch.autograd.grad(score, raw)
    return (slopes.mean((2, 3), keepdim=True) * raw).sum(1)[0].relu().detach().numpy()


MIXING: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "batch normalization on batch statistics": lambda net, h: plain(net, net.norm(h) * h),
    "over the largest of all": lambda net, h: plain(net, h / (1 + h.abs().max())),
    "less the mean of all": lambda net, h: plain(net, h - h.mean()),
    "over the deviation of all": lambda net, h: plain(net, h / h.std()),
}


@pytest.mark.parametrize("kind", MIXING)
def test_a_photo_is_explained_as_if_it_were_alone(kind: str) -> None:
    network = Small(MIXING[kind])
    found = classifier(network)
    for asked in METHODS:
        beside = seewhy.explain(found, [PHOTO, DARK], layer="conv", classes=[0, 1], **asked)
        alone = seewhy.explain(found, DARK, layer="conv", classes=[0, 1], **asked)
        np.testing.assert_allclose(beside.maps[1], alone.maps[0], atol=1e-6)
    assert found.network.mixes_images
    own = network.eval()(IMAGE)[0].softmax(0).tolist()
    shown = [
        one.probability for one in sorted(beside.predictions[0], key=lambda one: one.index or 0)
    ]
    np.testing.assert_allclose(shown, own, atol=1e-6)


def test_grad_cam_is_that_of_one_photo_where_a_batch_would_change_it() -> None:
    network = Small(MIXING["batch normalization on batch statistics"]).eval()
    raw = network.conv(IMAGE).detach().requires_grad_()
    expected = by_hand(network, raw, network.end(network, raw)[0, 1])
    found = seewhy.explain(
        classifier(network), [PHOTO, DARK], method="grad-cam", layer="conv", classes=[1]
    )
    np.testing.assert_allclose(found.maps[0, 0], expected, atol=1e-6)


def test_images_that_leave_each_other_alone_are_run_together() -> None:
    network = Small(plain)
    found = classifier(network)
    assert not found.network.mixes_images
    assert not found.network.is_random


DROPPING: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "the first row": lambda net, h: plain(net, h)[0],
    "a mean over images too": lambda net, h: net.out(h.relu().mean((0, 2, 3))),
    "all rows in one": lambda net, h: plain(net, h).reshape(-1),
    "probabilities in one row": lambda net, h: plain(net, h).softmax(1).flatten(),
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", DROPPING)
def test_the_axis_of_images_is_put_back(kind: str, classes: int) -> None:
    network = Small(DROPPING[kind], classes)
    expected = plain(network, network.conv(IMAGE)).softmax(1)[0].tolist()
    for asked in METHODS:
        np.testing.assert_allclose(
            probabilities(network, layer="conv", **asked), expected, atol=1e-6
        )
    two = seewhy.explain(classifier(network), [DARK, PHOTO], method="grad-cam", layer="conv")
    shown = [one.probability for one in sorted(two.predictions[1], key=lambda one: one.index or 0)]
    np.testing.assert_allclose(shown, expected, atol=1e-6)


def test_one_number_for_each_image_is_one_output() -> None:
    assert classifier(Small(lambda net, h: plain(net, h).squeeze(1), 1)).network.classes == 1


CHANCE: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "dropout": lambda net, h: plain(net, functional.dropout(h, 0.5)),
    "noise": lambda net, h: plain(net, h + torch.randn_like(h)),
    "a mask": lambda net, h: plain(net, h * torch.bernoulli(torch.full_like(h, 0.5))),
}


@pytest.mark.parametrize("kind", CHANCE)
def test_a_network_that_draws_random_numbers_is_told(kind: str) -> None:
    found = classifier(Small(CHANCE[kind]))
    with pytest.warns(SeewhyWarning, match="are one sample of many"):
        seewhy.explain(found, PHOTO, method="grad-cam")
    assert any(line.startswith("the same numbers twice: ") for line in seewhy.check(found).limits)


def test_dropout_that_is_off_is_not_told() -> None:
    network = Small(lambda net, h: plain(net, functional.dropout(h, 0.5, training=net.training)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seewhy.explain(classifier(network), PHOTO, method="grad-cam")


def inference_mode(net: Any, h: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return plain(net, h * 1)


@torch.inference_mode()
def all_in_inference_mode(self: Any, x: torch.Tensor) -> torch.Tensor:
    return plain(self, self.conv(x))


def checkpointed(*, use_reentrant: bool) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    def end(net: Any, h: torch.Tensor) -> torch.Tensor:
        found = checkpoint(lambda x: x.relu() * 2, h, use_reentrant=use_reentrant)
        return net.out(checkpoint(lambda x: x / 2, found, use_reentrant=use_reentrant).mean((2, 3)))

    return end


CUTTING: dict[str, Any] = {
    "inference mode": inference_mode,
    "all in inference mode": all_in_inference_mode,
    "a checkpoint": checkpointed(use_reentrant=False),
    "a reentrant checkpoint": checkpointed(use_reentrant=True),
}


@pytest.mark.parametrize("kind", CUTTING)
def test_what_keeps_no_gradients_is_differentiated(kind: str) -> None:
    class Cutting(Small):
        if kind == "all in inference mode":
            forward = CUTTING[kind]

    network = Cutting(CUTTING[kind])
    raw = network.conv(IMAGE).detach().requires_grad_()
    expected = by_hand(network, raw, plain(network, raw)[0, 2])
    found = seewhy.explain(classifier(network), PHOTO, method="grad-cam", layer="conv", classes=[2])
    np.testing.assert_allclose(found.maps[0, 0], expected, atol=1e-6)
    assert seewhy.explain(classifier(network), PHOTO, method="saliency").maps.max() > 0


def exported(images: int, **dynamic: Any) -> Any:
    example = (torch.zeros(images, 3, 32, 48),)
    return torch.export.export(Small(plain).eval(), example, **dynamic)


@pytest.mark.parametrize("is_module", [True, False])
@pytest.mark.parametrize("images", [1, 2])
def test_an_exported_module_is_explained_by_its_scores(images: int, is_module: bool) -> None:
    dynamic = {} if images == 1 else {"dynamic_shapes": {"x": {0: torch.export.Dim.DYNAMIC}}}
    program = exported(images, **dynamic)
    holder = types.ModuleType("exported_here")
    holder.build = lambda: program.module() if is_module else program  # type: ignore[attr-defined]
    sys.modules["exported_here"] = holder
    found = seewhy.load("python:exported_here:build?size=32x48&preprocess=unit")
    explained = seewhy.explain(found, PHOTO, top=3)
    assert explained.method == "occlusion"
    shown = {one.index: one.probability for one in explained.predictions[0]}
    own = Small(plain).eval()(IMAGE)[0].softmax(0).tolist()
    assert shown == pytest.approx(dict(enumerate(own)), abs=1e-5)


def test_a_module_without_weights_is_told() -> None:
    with torch.device("meta"):
        network = Small(plain)
    with pytest.raises(ModelError) as caught:
        classifier(network)
    assert str(caught.value) == (
        "'Small' is on the device 'meta': it has shapes and no weights. Load its weights: "
        "model.load_state_dict(torch.load(path), assign=True)"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_module_of_int8_is_explained_without_gradients() -> None:
    network = torch.ao.quantization.quantize_dynamic(
        Small(plain).eval(), {nn.Linear}, dtype=torch.qint8
    )
    explained = seewhy.explain(classifier(network), PHOTO, top=3)
    assert explained.method == "occlusion"
    shown = {one.index: one.probability for one in explained.predictions[0]}
    own = network(IMAGE)[0].softmax(0).tolist()
    assert shown == pytest.approx(dict(enumerate(own)), abs=1e-3)
    with pytest.raises(ModelError) as caught:
        seewhy.explain(classifier(network), PHOTO, method="grad-cam")
    assert str(caught.value) == (
        "'Small' has int8 layers, through which PyTorch computes no gradients. Use a method that "
        "needs none, such as occlusion, rise, score-cam or ablation-cam, or the network as it was "
        "before it was quantized."
    )
    assert any(one.startswith("guided") for one in seewhy.check(classifier(network)).limits)


class Counting(nn.Module):
    """Moves its buffers in every pass: in place, by a new tensor, and by a normalization."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.out = nn.Linear(8, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("moving", torch.zeros(8))
        self.register_buffer("variance", torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv(x)
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * h.detach().mean((0, 2, 3))
        h = functional.batch_norm(h, self.moving, self.variance, training=True)
        scores: torch.Tensor = self.out(h.relu().mean((2, 3)))
        return scores


def test_buffers_that_a_pass_moves_are_put_back() -> None:
    network = Counting().eval()
    before = {name: (buffer, buffer.clone()) for name, buffer in network.named_buffers()}
    found = classifier(network)
    for asked in METHODS:
        seewhy.explain(found, [PHOTO, DARK], classes=[1], **asked)
        for name, buffer in network.named_buffers():
            assert buffer is before[name][0]
            assert torch.equal(buffer, before[name][1]), name
    network.moving += 1  # the user's own change stays
    seewhy.explain(found, PHOTO, classes=[1], method="grad-cam")
    assert torch.equal(network.moving, before["moving"][1] + 1)
