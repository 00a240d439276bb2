"""Networks as people write them: what used to be wrong without a word, proved by a second way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import seewhy
from seewhy.errors import LayerError

PHOTO = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
IMAGE = torch.tensor(PHOTO).permute(2, 0, 1)[None] / 255
SIZE = (32, 48)


class Pooled(nn.Module):
    """A convolution, global average pooling, and an end that a test gives."""

    def __init__(self, end: Callable[[Any, torch.Tensor], torch.Tensor], classes: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.out, self.other = nn.Linear(8, classes), nn.Linear(8, classes)
        self.end = end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self, self.conv(x).relu())


def classifier(network: nn.Module, **settings: Any) -> seewhy.Classifier:
    return seewhy.Classifier(network.eval(), size=SIZE, preprocess="unit", **settings)


def squeezed(net: Any, h: torch.Tensor) -> torch.Tensor:
    return net.out(functional.adaptive_avg_pool2d(h, 1).squeeze())


def squeezed_scores(net: Any, h: torch.Tensor) -> torch.Tensor:
    return net.out(h.mean((2, 3))).squeeze()


def squeezed_then_flattened(net: Any, h: torch.Tensor) -> torch.Tensor:
    return net.out(functional.adaptive_avg_pool2d(h, 1).squeeze().flatten(1))  # fails for one


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("end", [squeezed, squeezed_scores, squeezed_then_flattened])
def test_one_photo_is_explained_where_the_network_drops_its_axis(
    end: Callable[..., torch.Tensor], classes: int
) -> None:
    network = Pooled(end, classes)
    activations = network.conv(IMAGE).relu().detach().requires_grad_()
    scores = network.out(activations.mean((2, 3)))[0]
    expected = scores.softmax(0).detach().numpy()
    for method in ("grad-cam", "saliency", "ablation-cam", "occlusion"):
        found = seewhy.explain(
            classifier(network), PHOTO, method=method, layer="conv", classes=[*range(classes)]
        )
        named = sorted(found.predictions[0], key=lambda one: one.index or 0)
        np.testing.assert_allclose([one.probability for one in named], expected, atol=1e-5)
    # Grad-CAM by hand, at the convolution: its ReLU is after it.
    raw = network.conv(IMAGE).detach().requires_grad_()
    found = seewhy.explain(
        classifier(network), PHOTO, method="grad-cam", layer="conv", classes=[*range(classes)]
    )
    for index in range(classes):
        score = network.out(raw.relu().mean((2, 3)))[0, index]
        (slopes,) = torch.autograd.grad(score, raw)
        by_hand = (slopes.mean((2, 3), keepdim=True) * raw).sum(1)[0].relu().detach()
        np.testing.assert_allclose(found.maps[0, index], by_hand, atol=1e-6)


def of_one(values: torch.Tensor) -> torch.Tensor:
    return torch.stack([1 - values[:, 0], values[:, 0]], 1)


PROBABILITIES: dict[str, tuple[Callable[..., torch.Tensor], int]] = {
    "a mean of sigmoids": (
        lambda net, h: (
            (net.out(h.mean((2, 3))).sigmoid() + net.other(h.mean((2, 3))).sigmoid()) / 2
        ),
        1,
    ),
    "one minus a sigmoid": (lambda net, h: 1 - (net.out(h.mean((2, 3))) + 1).sigmoid(), 1),
    "one column of a softmax": (lambda net, h: net.out(h.mean((2, 3))).softmax(1)[:, 1:], 2),
    "one number of a softmax": (lambda net, h: net.out(h.mean((2, 3))).softmax(1)[:, 1], 2),
    "a hard sigmoid": (lambda net, h: functional.hardsigmoid(net.out(h.mean((2, 3)))), 1),
    "a clamped line": (lambda net, h: (net.out(h.mean((2, 3))) / 4 + 0.4).clamp(0, 1), 1),
}


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_one_output_that_is_a_probability_is_shown_as_it_is(kind: str) -> None:
    end, classes = PROBABILITIES[kind]
    network = Pooled(end, classes)
    own = float(network(IMAGE).detach())
    found = seewhy.explain(
        classifier(network, labels=["healthy", "ill"]), PHOTO, top=2, method="grad-cam"
    )
    shown = {one.label: one.probability for one in found.predictions[0]}
    assert shown == pytest.approx({"healthy": 1 - own, "ill": own}, abs=1e-5)
    # What is explained is its log-odds: the derivative of log p - log (1 - p) by hand.
    raw = network.conv(IMAGE).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network.end(network, raw.relu()).logit().sum(), raw)
    by_hand = (slopes.mean((2, 3), keepdim=True) * raw).sum(1)[0].relu().detach()
    ill = [one.label for one in found.targets[0]].index("ill")
    np.testing.assert_allclose(found.maps[0, ill], by_hand, atol=1e-5)


def test_independent_probabilities_do_not_go_through_a_softmax() -> None:
    network = Pooled(lambda net, h: 1 - net.out(h.mean((2, 3))).sigmoid(), 4)
    found = seewhy.explain(classifier(network), PHOTO, top=4, method="occlusion", patch=16)
    own = network(IMAGE)[0].tolist()
    shown = {one.index: one.probability for one in found.predictions[0]}
    assert shown == pytest.approx(dict(enumerate(own)), abs=1e-5)


def test_a_softmax_that_is_written_out_is_one() -> None:
    def end(net: Any, h: torch.Tensor) -> torch.Tensor:
        powers = net.out(h.mean((2, 3))).exp()
        return powers / powers.sum(1, keepdim=True)

    network = Pooled(end, 3)
    found = classifier(network)
    assert found.network.head == "softmax"
    shown = {
        one.index: one.probability
        for one in seewhy.explain(found, PHOTO, method="grad-cam").predictions[0]
    }
    assert shown == pytest.approx(dict(enumerate(network(IMAGE)[0].tolist())), abs=1e-4)


@pytest.mark.parametrize("classes", [1, 3])
def test_logarithms_of_sigmoids_are_independent_probabilities(classes: int) -> None:
    network = Pooled(lambda net, h: functional.logsigmoid(net.out(h.mean((2, 3)))), classes)
    own = network(IMAGE)[0].exp().tolist()
    found = seewhy.explain(classifier(network), PHOTO, top=3, method="grad-cam")
    shown = {one.index: one.probability for one in found.predictions[0]}
    expected = {0: 1 - own[0], 1: own[0]} if classes == 1 else dict(enumerate(own))
    assert shown == pytest.approx(expected, abs=1e-5)


def test_percentages_of_a_softmax_are_its_probabilities() -> None:
    network = Pooled(lambda net, h: 100 * net.out(h.mean((2, 3))).softmax(1), 3)
    found = seewhy.explain(classifier(network), PHOTO, method="grad-cam", classes=[1])
    shown = {one.index: one.probability for one in found.predictions[0]}
    own = (network(IMAGE)[0] / 100).tolist()
    assert shown == pytest.approx(dict(enumerate(own)), abs=1e-5)
    raw = network.conv(IMAGE).detach().requires_grad_()
    score = network.out(raw.relu().mean((2, 3))).log_softmax(1)[0, 1]
    (slopes,) = torch.autograd.grad(score, raw)
    by_hand = (slopes.mean((2, 3), keepdim=True) * raw).sum(1)[0].relu().detach()
    np.testing.assert_allclose(found.maps[0, 0], by_hand, atol=1e-5)


@pytest.mark.parametrize(
    "end",
    [
        lambda net, h: net.out(h.mean((2, 3))) * 0.1 + 0.5,
        lambda net, h: net.out(h.mean((2, 3))).abs(),
        lambda net, h: net.out(h.mean((2, 3))).sigmoid() * 5,
    ],
)
def test_what_leaves_zero_to_one_is_no_probability(end: Callable[..., torch.Tensor]) -> None:
    assert classifier(Pooled(end, 1)).network.classes == 1


class Iterated(nn.Module):
    """A container that forward goes through by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.out = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.features:
            x = layer(x)
        return self.out(x.mean((2, 3)))


@pytest.mark.parametrize("method", ["grad-cam", "cam", "eigen-cam", "score-cam", "ablation-cam"])
def test_a_container_that_is_never_called_is_told(method: str) -> None:
    with pytest.raises(LayerError) as caught:
        seewhy.explain(classifier(Iterated()), PHOTO, method=method, layer="features")
    assert str(caught.value) == (
        "'features' is not called when 'Iterated' runs; only a layer that is called once has one "
        "map to explain. Choose another, or list them: classifier.network.layers"
    )


class Unet(nn.Module):
    """The usual end of a segmentation: the last convolution scores every place."""

    def __init__(self, classes: int, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enc, self.low = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.dec, self.mask = nn.Conv2d(12, 5, 3, padding=1), nn.Conv2d(5, classes, 1)
        self.end = end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        enc = self.enc(x).relu()
        low = functional.interpolate(self.low(functional.max_pool2d(enc, 2)).relu(), scale_factor=2)
        return self.end(self.mask(self.dec(torch.cat([enc, low], 1))))


@pytest.mark.parametrize("classes", [1, 3, 5])
@pytest.mark.parametrize(
    "end",
    [
        lambda scores: scores,
        lambda scores: scores.sigmoid(),
        lambda scores: scores.softmax(1),
        lambda scores: functional.interpolate(scores, scale_factor=2, mode="bilinear"),
    ],
)
def test_a_segmentation_is_explained_at_the_last_layer_before_the_scores(
    classes: int, end: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    found = classifier(Unet(classes, end))
    assert found.layer == "dec"


class Detector(nn.Module):
    """Branches for sides and classes; the sides go through a convolution over bins (DFL)."""

    def __init__(self, *, is_tuple: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.neck, self.box, self.cls = (
            nn.Conv2d(3, 16, 8, 8),
            nn.Conv2d(16, 64, 1),
            nn.Conv2d(16, 5, 1),
        )
        self.dfl = nn.Conv2d(16, 1, 1, bias=False)
        self.is_tuple = is_tuple

    def forward(self, x: torch.Tensor) -> Any:
        f = self.neck(x).relu()
        n = len(x)
        classes = self.cls(f).view(n, 5, -1).sigmoid()
        bins = self.box(f).view(n, 4, 16, -1).transpose(2, 1).softmax(1)
        found = torch.cat([self.dfl(bins).view(n, 4, -1), classes], 1)
        return (found, [f]) if self.is_tuple else found


@pytest.mark.parametrize("is_tuple", [False, True])
def test_a_detector_is_explained_at_the_layer_that_all_its_branches_come_from(
    is_tuple: bool,
) -> None:
    found = classifier(Detector(is_tuple=is_tuple))
    assert found.layer == "neck"
    explained = seewhy.explain(
        found, PHOTO, target=lambda o: (o[0] if is_tuple else o)[:, 6].amax(-1)
    )
    assert explained.maps.shape[2:] == (4, 6)
    assert explained.maps.max() > 0
