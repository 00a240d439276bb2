"""Fused passes of PyTorch modules: the same numbers, and none where it is unsure."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seewhy.networks import execution
from seewhy.networks.base import INPUT, SCORES, Top
from seewhy.networks.execution import Execution
from seewhy.networks.pytorch.fast import fused
from seewhy.networks.pytorch.fast.fused import FoldedWeights, FusedLayer
from seewhy.networks.pytorch.fast.narrowing import weights_state
from seewhy.networks.pytorch.module import PyTorchNetwork

SIZE = 16


class Residual(nn.Module):
    """A small residual network: shared ReLU, a shortcut with weights, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.relu = nn.ReLU(inplace=True)
        self.conv1, self.bn1 = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.BatchNorm2d(16)
        self.shortcut = nn.Sequential(nn.Conv2d(8, 16, 1, stride=2), nn.BatchNorm2d(16))
        self.conv3, self.bn3 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.drop = nn.Dropout()
        self.hidden, self.bn4 = nn.Linear(16, 12), nn.BatchNorm1d(12)
        self.scores = nn.Linear(12, 5)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(x))
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        y = self.relu(y)
        z = self.bn3(self.drop(self.conv3(y)))
        return self.relu(z + y)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = self.maps(x).mean((2, 3))
        return self.scores(functional.relu(self.bn4(self.hidden(means))))


class NormalizationTwice(Residual):
    """A convolution, and a batch normalization, that are each called twice."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(self.relu(self.stem(x)))))
        y = self.relu(self.bn1(self.conv3(y)))
        return self.relu(self.bn3(self.conv3(y)))


class ReadElsewhere(Residual):
    """A convolution whose own output is read besides its normalization's, and a frozen ReLU6."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.stem(x))
        y = self.conv1(x)
        z = self.bn1(y) + y.mean((2, 3), keepdim=True)
        return torch.relu(self.shortcut(x).add_(z))


class Derived(nn.BatchNorm2d):
    """A batch normalization that calls the function itself, and ends in a ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        running = {"running_mean": self.running_mean, "running_var": self.running_var}
        y = functional.batch_norm(
            x, **running, weight=self.weight, bias=self.bias, training=False, eps=self.eps
        )
        return functional.relu(y, inplace=True)


class WithDerived(Residual):
    """A convolution with stride 1 and padding, and one dilated, before such normalizations."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.bn3 = Derived(16, eps=1e-2), Derived(16)
        self.conv3 = nn.Conv2d(16, 16, 3, padding=(1, 4), dilation=(1, 2), groups=2)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(self.conv1(self.relu(self.stem(x))))
        return self.relu(self.bn2(self.conv2(self.bn3(self.conv3(y)))))


class WithConstant(Residual):
    """Makes a tensor of its own, which torch.fx would keep in the module."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return super().maps(x * torch.tensor([1.0, 0.5, 2.0])[:, None, None])


class WrittenTo(Residual):
    """An addition in place, whose other reader sees it too."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(x))
        y = self.bn1(self.conv1(x))
        kept = y
        y += self.shortcut(x)
        return self.relu(self.bn3(self.conv3(y)) + 2 * kept)


class ByNumbers(Residual):
    """Its way depends on numbers, which torch.fx cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if x.mean() > -1e9 else -x)


class MadeWhileItRuns(Residual):
    """Calls a module that it makes itself."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return nn.Sequential(self.stem, self.relu)(x)[:, :8].repeat(1, 2, 1, 1)


KINDS = (Residual, NormalizationTwice, ReadElsewhere, WithDerived)


def made(kind: type[nn.Module] = Residual) -> nn.Module:
    torch.manual_seed(0)
    model = kind().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for values in (module.running_mean, module.weight, module.bias):
                assert values is not None
                nn.init.normal_(values, 0.5, 0.5)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def network(model: nn.Module) -> PyTorchNetwork:
    return PyTorchNetwork(model, size=(SIZE, SIZE), name="residual")


def fused_in_float32(model: nn.Module) -> PyTorchNetwork:
    """Return a network whose passes are fused though nothing is rounded."""
    exact = network(model)
    exact._trial()
    found = copy(exact)
    found._exact, found._state = exact, weights_state(model)
    found._trace()
    return found


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, SIZE, SIZE, 3)).astype(np.float32)


def normalizations(found: PyTorchNetwork) -> int:
    """Return how many batch normalizations the only pass so far computes on its own."""
    ((_, one),) = found._passes.items()
    assert one is not None
    modules = [
        one.module.get_submodule(node.target)
        for node in one.module.graph.nodes
        if node.op == "call_module"
    ]
    called = [node.target for node in one.module.graph.nodes if node.op == "call_function"]
    own = sum(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in modules)
    return own + called.count(functional.batch_norm)


@pytest.fixture
def operators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fuse by oneDNN's operators, or as where a PyTorch does not have them."""
    if request.param == "one by one":
        monkeypatch.setattr(FoldedWeights, "has_fused_operators", False)


WAYS = pytest.mark.parametrize(
    ("kind", "operators"),
    [*((kind, "oneDNN") for kind in KINDS), (Residual, "one by one")],
    indirect=["operators"],
)


@WAYS
def test_every_layer_s_answer_and_gradient_is_its_own(
    kind: type[nn.Module], operators: None
) -> None:
    model = made(kind)
    exact, found = network(model), fused_in_float32(model)
    names = [layer.name for layer in exact.layers if layer.calls == 1 and layer.shape]
    assert len(names) >= 6
    for name in names:
        ours = found.activations_and_gradients(images(), [name], Top(2))
        true = exact.activations_and_gradients(images(), [name], Top(2))
        assert close(ours.activations[name], true.activations[name]), name
        assert close(ours.gradients[name], true.gradients[name]), name
        assert close(ours.values, true.values), name
    assert all(one is not None for one in found._passes.values())
    several = exact.activations(images(), names)
    for name, array in found.activations(images(), names).items():
        assert close(array, several[name]), name


@pytest.mark.parametrize("guided", [False, True])
@WAYS
def test_gradients_by_the_input_are_the_same(
    kind: type[nn.Module], guided: bool, operators: None
) -> None:
    model = made(kind)
    targets = np.array([[0, 3], [1, 4]])
    ours = fused_in_float32(model).input_gradients(images(), targets, guided=guided)
    true = network(model).input_gradients(images(), targets, guided=guided)
    assert close(ours.gradients[INPUT], true.gradients[INPUT])


@pytest.mark.parametrize(
    ("kind", "left"), [(Residual, 0), (NormalizationTwice, 0), (ReadElsewhere, 1), (WithDerived, 0)]
)
def test_normalizations_cost_nothing_but_where_their_input_is_read_elsewhere(
    kind: type[nn.Module], left: int
) -> None:
    found = fused_in_float32(made(kind))
    true = network(found.model).scores(images())
    assert close(found.scores(images()), true)
    assert normalizations(found) == left
    own = fused_in_float32(made(kind))
    own.activations(images(), ["conv1", SCORES])
    assert normalizations(own) == (left if kind is ReadElsewhere else left + 1)


def test_residual_additions_and_activations_are_part_of_the_convolutions() -> None:
    found = fused_in_float32(made())
    found.scores(images())
    ((_, one),) = found._passes.items()
    assert one is not None
    called = [str(node.target) for node in one.module.graph.nodes if node.op.startswith("call_")]
    fused_ones = [f":fused_{number}" for number in range(6)]
    assert called == [*fused_ones[:5], "mean", fused_ones[5], "scores"]
    endings = [getattr(one.module, name).ending for name in fused_ones]
    assert [each and each.name for each in endings] == [
        "relu",
        "relu",
        None,
        "relu",
        "relu",
        "relu",
    ]


def test_bfloat16_is_folded_from_exact_weights_and_rounded_once() -> None:
    layer, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval()
    nn.init.uniform_(norm.running_var, 0.5, 2)
    nn.init.normal_(norm.running_mean)
    with torch.no_grad():
        known = fused.Normalization(
            norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps
        )
        folded = FoldedWeights(layer, known, torch.bfloat16)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = layer.weight.double() * scale[:, None, None, None]
        bias = (layer.bias.double() - norm.running_mean) * scale
        torch.testing.assert_close(folded.weight, weight.bfloat16(), rtol=0, atol=0)
        torch.testing.assert_close(folded.bias, bias.bfloat16(), rtol=0, atol=1e-8)


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in bfloat16 on a processor without units too."""
    monkeypatch.setattr(execution, "processor_has_units", lambda: True)


def in_bfloat16(model: nn.Module) -> PyTorchNetwork:
    found = network(model).computing(Execution("bfloat16"))
    assert isinstance(found, PyTorchNetwork)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_fused_and_close(kind: type[nn.Module], units: None) -> None:
    model = made(kind)
    found = in_bfloat16(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    true = network(model).scores(images(4))
    np.testing.assert_allclose(found.scores(images(4)), true, atol=0.02 * np.abs(true).max())
    assert all(one is not None for one in found._passes.values())
    targets = np.array([[0, 2]] * 4)
    ours = found.activations_and_gradients(images(4), ["stem"], targets)
    exact = network(model).activations_and_gradients(images(4), ["stem"], targets)
    for mine, theirs in (
        (ours.activations["stem"], exact.activations["stem"]),
        (ours.gradients["stem"], exact.gradients["stem"]),
    ):  # single values differ by more, where rounding moves one across a ReLU's edge
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.98
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [ByNumbers, MadeWhileItRuns])
def test_what_torch_fx_cannot_follow_is_not_fused(kind: type[nn.Module], units: None) -> None:
    found = in_bfloat16(made(kind))
    assert found._traced is None
    true = network(made(kind)).scores(images())
    np.testing.assert_allclose(found.scores(images()), true, atol=0.02 * np.abs(true).max())


def test_a_hooked_normalization_is_not_folded_and_its_hook_is_called(units: None) -> None:
    model = made()
    seen: list[torch.Tensor] = []
    model.bn1.register_forward_hook(lambda *given: seen.append(given[2]))  # type: ignore[union-attr, operator]
    found = in_bfloat16(model)
    seen.clear()
    found.scores(images())
    assert normalizations(found) == 1
    assert seen
    seen.clear()
    found.scores(images())
    assert len(seen) == 1


def test_a_hook_on_a_block_leaves_the_network_as_it_is(units: None) -> None:
    model = made()
    model.shortcut.register_forward_hook(lambda module, given, answer: 2 * answer)  # type: ignore[union-attr, operator]
    found = in_bfloat16(model)
    assert found._traced is None
    true = network(model).scores(images())
    np.testing.assert_allclose(found.scores(images()), true, atol=0.02 * np.abs(true).max())


def test_a_tensor_that_the_module_makes_is_not_kept_in_it() -> None:
    model = made(WithConstant).train()
    before, modes = set(vars(model)), [one.training for one in model.modules()]
    found, true = fused_in_float32(model), network(model).scores(images())
    assert close(found.scores(images()), true)
    assert normalizations(found) == 0
    assert set(vars(model)) == before
    assert [one.training for one in model.modules()] == modes


@pytest.mark.parametrize("wrong", ["alias", "weights", "operator"])
def test_a_fused_pass_that_disagrees_is_not_used(
    wrong: str, units: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = FusedLayer.forward

    def spoiled(*given: Any) -> torch.Tensor:
        if wrong == "operator":
            raise RuntimeError("could not create a primitive")
        return own(*given) * (1.1 if wrong == "weights" else 1)

    monkeypatch.setattr(FusedLayer, "forward", spoiled)
    model = made(WrittenTo if wrong == "alias" else Residual)
    found = in_bfloat16(model)
    true = network(model).scores(images())
    np.testing.assert_allclose(found.scores(images()), true, atol=0.02 * np.abs(true).max())
    assert found._traced is not None
    assert list(found._passes.values()) == [None]


def test_a_network_that_a_function_calls_is_not_fused(units: None) -> None:
    calls: Callable[..., Any] = lambda model, x: model(x)  # noqa: E731
    own = PyTorchNetwork(made(), size=(SIZE, SIZE), name="residual", call=calls)
    found = own.computing(Execution("bfloat16"))
    assert isinstance(found, PyTorchNetwork)
    assert found._traced is None
    assert np.isfinite(found.scores(images())).all()


def close(ours: np.ndarray, true: np.ndarray) -> bool:
    """Return whether arrays differ by rounding in float32 only."""
    return bool(ours.shape == true.shape and np.abs(ours - true).max() <= 1e-5 * spread(true))


def spread(array: np.ndarray) -> float:
    return float(np.abs(array).max()) or 1.0
