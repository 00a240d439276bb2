"""torchvision and timm by name: their own fit, preprocessing and labels."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seewhy.classifier.labels import imagenet_labels, labels_for
from seewhy.errors import MissingFramework, ModelError, OptionError, UnknownModel
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.preprocessing import Normalize, preprocess_pixels
from seewhy.photos.reading import read_photo
from seewhy.zoo import hub
from seewhy.zoo import torch as zoo_torch
from seewhy.zoo.names import LoadedModel, parse_name
from seewhy.zoo.torch import build_timm, build_torchvision, timm_fit
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
IMAGENET = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def torchvision(text: str, *, size: tuple[int, int] | None = None) -> LoadedModel:
    return build_torchvision(parse_name(f"torchvision:{text}"), size=size)


def timm(text: str, *, size: tuple[int, int] | None = None) -> LoadedModel:
    return build_timm(parse_name(f"timm:{text}"), size=size)


def test_torchvision_brings_the_transforms_and_labels_of_its_best_weights() -> None:
    found = torchvision("squeezenet1_1?weights=none")
    assert found.size == (224, 224)
    assert found.preprocess == IMAGENET
    assert found.fit == Fit(size=(224, 224), mode="crop", resize=256, interpolation="bilinear")
    assert labels_for(found.labels, classes=1000, network="n") == imagenet_labels()
    assert not found.model.training


def test_our_fit_and_preprocessing_are_torchvisions_own_transforms_number_for_number() -> None:
    import PIL.Image
    from torchvision.models import SqueezeNet1_1_Weights

    pixels = np.random.default_rng(0).integers(0, 256, (300, 417, 3), np.uint8)
    expected = SqueezeNet1_1_Weights.DEFAULT.transforms()(PIL.Image.fromarray(pixels))
    found = torchvision("squeezenet1_1?weights=none")
    fitted, _ = fit_photo(read_photo(pixels), found.fit)
    ours = preprocess_pixels(fitted[None], found.preprocess, channels=3, network="n")
    np.testing.assert_allclose(ours[0].transpose(2, 0, 1), expected.numpy(), atol=1e-6)


def test_a_size_of_ones_own_keeps_the_ratio_of_resize_to_crop() -> None:
    found = torchvision("squeezenet1_1?weights=none", size=(112, 140))
    assert found.fit == Fit(size=(112, 140), mode="crop", resize=128, interpolation="bilinear")


def test_the_weights_of_an_enum_bring_their_own_transforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from torchvision.models import ResNet50_Weights, resnet

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", lambda *_, **__: {})
    monkeypatch.setattr(resnet.ResNet, "load_state_dict", lambda *_, **__: None)
    first = torchvision("resnet50?weights=imagenet1k_v1").fit
    second = torchvision("resnet50").fit
    assert (first.resize, second.resize) == (256, 232)  # type: ignore[union-attr]


def test_builder_arguments_are_part_of_a_torchvision_name() -> None:
    found = torchvision("squeezenet1_1?weights=none&num_classes=5&dropout=0.25")
    assert found.model.classifier[1].out_channels == 5
    assert found.model.classifier[0].p == 0.25
    assert found.labels is None


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("inside", [None, "state_dict"])
def test_torchvision_weights_are_loaded_from_a_file(
    tmp_path: Path, prefix: str, inside: str | None
) -> None:
    source = torchvision("squeezenet1_1?weights=none&num_classes=2").model
    state: dict[str, Any] = {prefix + key: value for key, value in source.state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save({inside: state, "epoch": 3} if inside else state, path)
    loaded = torchvision(f"squeezenet1_1?num_classes=2&weights={path}").model
    for ours, theirs in zip(loaded.parameters(), source.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_unknown_torchvision_network_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModel) as caught:
        torchvision("resnet_18")
    assert str(caught.value) == (
        "torchvision has no classification network 'resnet_18'; the nearest names are 'resnet18' "
        "and 'resnet152'. List them: seewhy models torchvision"
    )


def test_an_unknown_argument_of_torchvision_is_an_error() -> None:
    with pytest.raises(OptionError) as caught:
        torchvision("squeezenet1_1?weights=none&alpha=2")
    assert str(caught.value) == (
        "'torchvision:squeezenet1_1?weights=none&alpha=2' cannot be built: SqueezeNet.__init__() "
        "got an unexpected keyword argument 'alpha'."
    )


def test_torchvision_offline_says_which_file_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(MissingFramework) as caught:
        torchvision("squeezenet1_1")
    assert str(caught.value) == (
        "The weights SqueezeNet1_1_Weights.IMAGENET1K_V1 of 'torchvision:squeezenet1_1' are not on "
        "this machine and could not be downloaded (<urlopen error [Errno 111] Connection "
        "refused>). Put https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth into "
        f"{tmp_path / 'checkpoints'} as squeezenet1_1-b8a52dc0.pth, or name a file: "
        "torchvision:squeezenet1_1?weights=FILE (weights=none: random ones)."
    )


def test_timm_brings_the_data_settings_of_its_weights() -> None:
    found = timm("mobilenetv3_small_050?weights=none")
    assert found.size == (224, 224)
    assert found.preprocess == IMAGENET
    assert found.fit == Fit(size=(224, 224), mode="crop", resize=256, interpolation="bicubic")
    assert found.labels == "imagenet"
    assert not found.model.training


def test_timm_networks_of_other_classes_have_other_labels() -> None:
    assert timm("mobilenetv3_small_050?weights=none&num_classes=3").labels is None


def test_a_timm_transformer_is_built_for_the_size_that_is_asked_for() -> None:
    found = timm("vit_tiny_patch16_224?weights=none", size=(64, 96))
    assert found.model.patch_embed.img_size == (64, 96)
    assert found.size == (64, 96)


def test_timms_squash_is_a_stretch() -> None:
    data = {"crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bicubic"}
    assert timm_fit((64, 64), data) == Fit(size=(64, 64), interpolation="bicubic")


def test_an_unknown_timm_network_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModel) as caught:
        timm("resnet_18")
    assert str(caught.value).startswith(
        "timm has no classification network 'resnet_18'; the nearest names are 'resnet"
    )


def test_timm_offline_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm as package

    assert "pretrained" in inspect.signature(package.create_model).parameters

    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError("no network")

    monkeypatch.setattr(package, "create_model", fail)
    with pytest.raises(MissingFramework) as caught:
        timm("resnet18.a1_in1k")
    message = str(caught.value)
    assert message.startswith(
        "The weights of 'timm:resnet18.a1_in1k' are not on this machine and could not be "
        "downloaded (FileNotFoundError). Fill the cache "
    )
    assert message.endswith(
        " on a machine with a network (hf download timm/resnet18.a1_in1k), or name the file "
        "model.safetensors out of https://huggingface.co/timm/resnet18.a1_in1k: "
        "timm:resnet18.a1_in1k?weights=FILE (weights=none: random ones)."
    )


def test_an_offline_hub_is_tried_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    tries: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        tries.append(address)
        raise OSError("no network")

    monkeypatch.setattr(hub.socket, "create_connection", refuse)
    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    begun = time.perf_counter()
    with pytest.raises(MissingFramework, match="could not be downloaded"):
        timm("resnet18.a1_in1k")
    assert time.perf_counter() - begun < 5  # the hub's client alone would wait 23 s per file
    assert tries == [("huggingface.co", 443)]
    assert not constants.HF_HUB_OFFLINE


def test_a_proxy_is_trusted_to_reach_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.urllib.request, "getproxies", lambda: {"https": "http://proxy:1"})
    assert hub.is_reachable("https://no.such.host.invalid")


def test_weights_of_another_network_are_an_error_that_lists_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    state = torchvision("squeezenet1_1?weights=none&num_classes=3").model.state_dict()
    state["extra.weight"] = torch.zeros(1)
    del state["features.0.bias"]
    torch.save(state, path)
    with pytest.raises(ModelError) as caught:
        torchvision(f"squeezenet1_1?weights={path}")
    assert str(caught.value) == (
        f"The weights in '{path}' do not fit 'torchvision:squeezenet1_1'. Missing in the file: "
        "features.0.bias; unknown to the network: extra.weight; of another shape: "
        "classifier.1.weight (3×512×1×1 in the file, 1000×512×1×1 in the network), "
        "classifier.1.bias (3 in the file, 1000 in the network). "
        "Build the network with the arguments that it was trained with."
    )


@pytest.mark.parametrize("name", ["torchvision", "timm", "torch"])
def test_a_missing_package_names_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(module: str) -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr(zoo_torch.importlib, "import_module", absent)
    with pytest.raises(MissingFramework) as caught:
        zoo_torch.import_torch_package(name)
    assert str(caught.value) == (
        "This needs PyTorch, which is not installed. Install it: pip install 'seewhy[torch]'"
        if name == "torch"
        else f"{name} networks need {name}, which is not installed. "
        f"Install it: pip install 'seewhy[torch]' {name}"
    )


def test_a_torchvision_that_does_not_fit_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(zoo_torch.importlib, "import_module", broken)
    with pytest.raises(MissingFramework) as caught:
        zoo_torch.import_torch_package("torchvision")
    assert str(caught.value) == (
        "torchvision is installed, but cannot be imported: operator torchvision::nms does not "
        "exist. It may not fit the installed PyTorch. Install both from one place, for example: "
        "pip install --force-reinstall torch torchvision --index-url "
        "https://download.pytorch.org/whl/cpu"
    )
