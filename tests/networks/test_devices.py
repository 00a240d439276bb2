"""A network computes where it is told to; a device that is not here is one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import seewhy
from seewhy.errors import OptionError

torch = pytest.importorskip("torch")


def small() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )


@pytest.mark.parametrize("device", ["cuda:99", "meta", "moon"])
def test_a_device_that_is_not_here_is_one_sentence_that_names_those_that_are(device: str) -> None:
    with pytest.raises(OptionError, match=rf"^'{device}' is not a device that PyTorch has here; "):
        seewhy.Classifier(small(), size=8, preprocess="unit", device=device)


def test_a_module_is_where_it_was_told_to_be_and_answers_as_before() -> None:
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype(np.float32)
    there = seewhy.Classifier(small(), size=8, preprocess="unit", device="cpu")
    here = seewhy.Classifier(small(), size=8, preprocess="unit")
    np.testing.assert_array_equal(there.network.scores(images), here.network.scores(images))


def test_what_computes_on_the_processor_only_says_so() -> None:
    assert seewhy.load("built-in", device="cpu").network.classes == 19
    with pytest.raises(OptionError) as error:
        seewhy.load("built-in?device=cuda")
    assert str(error.value).endswith(
        " computes where it is, and cannot be moved to 'cuda'. Leave device out."
    )


def test_a_keras_model_computes_on_the_named_device(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2)])
    if keras.backend.backend() == "torch":
        with pytest.raises(OptionError, match=r"set the environment variable KERAS_TORCH_DEVICE"):
            seewhy.Classifier(model, size=8, preprocess="unit", device="cpu")
        return
    network = seewhy.Classifier(model, size=8, preprocess="unit", device="CPU").network
    scopes, entered = keras.device, []
    monkeypatch.setattr(keras, "device", lambda name: entered.append(name) or scopes(name))
    network.scores(np.zeros((1, 8, 8, 3), np.float32))
    assert entered == ["cpu:0"]
    with pytest.raises(OptionError, match=r"^'cuda:77' is not a device that Keras has here; "):
        seewhy.Classifier(model, size=8, preprocess="unit", device="cuda:77")


def test_an_onnx_network_runs_on_the_named_provider() -> None:
    pytest.importorskip("onnxruntime")
    from seewhy.networks.devices import provider_of

    assert provider_of("cpu") == ("CPUExecutionProvider", {})
    with pytest.raises(OptionError, match=r"^'moon' is not a device that onnxruntime has here; "):
        provider_of("moon")
