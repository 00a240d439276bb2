"""Keras on PyTorch: the contract, and what is special here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from tests.networks.contract import (
    HEIGHT,
    IMAGES,
    NESTED,
    ONE_EACH,
    PLAIN,
    SOFTMAX,
    WIDTH,
    NetworkContract,
    Step,
    answers,
    chosen,
    gradients,
    near,
    scores,
)

if keras.backend.backend() != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)

import torch

from seewhy.networks import adapt
from seewhy.networks.base import INPUT, Network, Top
from seewhy.networks.keras.torch import KerasTorch
from tests.networks.keras_builder import functional, state_of

# numpy 2 asks PyTorch's tensors for an argument that they do not have yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class TestContract(NetworkContract):
    file = "net.keras"

    def build(self, steps: Sequence[Step]) -> Network:
        return KerasTorch(functional(steps), name="tiny")

    def state(self, network: Any) -> Any:
        return state_of(network.model)


def convolutions(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]


def test_adapt_knows_keras_on_pytorch() -> None:
    assert isinstance(adapt(functional(PLAIN), name="tiny"), KerasTorch)


def memory_of(model: keras.Model) -> list[tuple[int, tuple[int, ...], int]]:
    kernels = [layer.kernel.value for layer in convolutions(model)]
    return [(kernel.data_ptr(), kernel.stride(), kernel._version) for kernel in kernels]


def test_keras_moves_no_kernel_while_a_question_is_answered_and_every_number_stays() -> None:
    model = functional(SOFTMAX)
    with torch.no_grad():
        before = model(torch.tensor(IMAGES), training=False).numpy()
    own, network = memory_of(model), KerasTorch(model, name="tiny")
    kernels = [layer.kernel.value for layer in convolutions(model)]
    values = [kernel.detach().clone() for kernel in kernels]
    with network._undisturbed():
        assert kernels == [layer.kernel.value for layer in convolutions(model)]
        for kernel, value in zip(kernels, values, strict=True):
            assert torch.equal(kernel, value)
            turned = kernel.permute(3, 2, 0, 1)
            moved = turned.contiguous(memory_format=torch.channels_last)
            assert moved.data_ptr() == kernel.data_ptr()
        after = model(torch.tensor(IMAGES), training=False).detach().numpy()
    np.testing.assert_array_equal(before, after)
    assert memory_of(model) == own


def test_the_models_kernels_lie_in_memory_as_they_did_on_errors_too() -> None:
    model = functional(SOFTMAX)
    own, network = memory_of(model), KerasTorch(model, name="tiny")
    near(network.scores(IMAGES), scores(PLAIN, IMAGES))
    network.activations_and_gradients(IMAGES, ["relu1"], Top(2))
    network.class_weights("relu2")
    with pytest.raises(ZeroDivisionError), network._undisturbed():
        raise ZeroDivisionError
    assert memory_of(model) == own


@pytest.mark.parametrize("through_data", [False, True])
def test_kernels_that_change_in_place_are_read_again(through_data: bool) -> None:
    model = functional(PLAIN)
    network = KerasTorch(model, name="tiny")
    network.scores(IMAGES)
    kernel = model.get_layer("conv1").kernel.value
    with torch.no_grad():
        (kernel.data if through_data else kernel).mul_(2)
        model.get_layer("conv1").bias.value.mul_(2)
    near(network.activations(IMAGES, ["conv1"])["conv1"], 2 * answers(PLAIN, IMAGES)["conv1"])


def test_weights_that_are_set_afterwards_are_the_ones_explained() -> None:
    model = functional(PLAIN)
    network = KerasTorch(model, name="tiny")
    kernel, bias = model.get_layer("conv1").get_weights()
    model.get_layer("conv1").set_weights([2 * kernel, 2 * bias])
    assert model.get_layer("conv1").get_weights()[0].shape == kernel.shape
    near(network.activations(IMAGES, ["conv1"])["conv1"], 2 * answers(PLAIN, IMAGES)["conv1"])


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_gradients_come_within_no_grad_of_the_caller(around: Any) -> None:
    network = KerasTorch(functional(PLAIN), name="tiny")
    with around():
        found = network.activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
    near(found.gradients["relu1"], chosen(gradients(PLAIN, IMAGES, "relu1"), ONE_EACH))


def test_frozen_weights_and_the_gradients_of_ones_own_stay() -> None:
    model = functional(PLAIN)
    model.get_layer("conv1").trainable = False
    parameters = list(model.parameters())
    for place, parameter in enumerate(parameters):
        parameter.grad = torch.full_like(parameter, float(place))
    flags = [parameter.requires_grad for parameter in parameters]
    network = KerasTorch(model.train(), name="tiny")
    found = network.activations_and_gradients(IMAGES, ["conv1", INPUT], Top(2))
    assert found.gradients["conv1"].shape == (3, 2, HEIGHT, WIDTH, 3)
    assert [parameter.requires_grad for parameter in parameters] == flags
    assert model.training
    for place, parameter in enumerate(parameters):
        assert (parameter.grad == place).all()


class Subclassed(keras.Model):
    """Calls a base that was never called, and a function, as transfer learning does."""

    def __init__(self) -> None:
        super().__init__()
        self.base = keras.Sequential([keras.layers.Conv2D(3, 3, padding="same", name="inner")])
        self.last = keras.layers.Dense(4, activation="softmax")

    def call(self, x: Any) -> Any:
        return self.last(keras.ops.mean(keras.ops.relu(self.base(x)), axis=(1, 2)))


def test_a_subclassed_model_that_was_never_called_is_explained_inside() -> None:
    model = Subclassed()
    network = KerasTorch(model, size=(HEIGHT, WIDTH), channels=2, name="tiny")
    (layer,) = [one.name for one in network.layers if one.name.endswith("/inner")]
    assert network.default_layer == layer
    found = network.activations_and_gradients(IMAGES, [layer], ONE_EACH)
    weights = model.last.get_weights()[0].T[ONE_EACH][:, :, None, None] / (HEIGHT * WIDTH)
    near(found.gradients[layer], weights * (found.activations[layer] > 0)[:, None])


def test_mixed_precision_is_answered_in_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = functional(SOFTMAX)
    finally:
        keras.config.set_dtype_policy("float32")
    network = KerasTorch(model, name="tiny")
    assert network.head == "softmax"
    found = network.activations_and_gradients(IMAGES, ["relu2"], ONE_EACH)
    near(found.scores, scores(PLAIN, IMAGES), within=0.1)
    expected = chosen(gradients(PLAIN, IMAGES, "relu2"), ONE_EACH)
    near(found.gradients["relu2"], expected, within=0.02)


def test_a_layer_is_given_by_the_layer_itself_inside_a_nested_model() -> None:
    model = functional(NESTED)
    network = KerasTorch(model, name="tiny")
    inner = model.get_layer("base").get_layer("relu1")
    assert network.layer_name(inner) == "base/relu1"
    near(network.activations(IMAGES, [inner])["base/relu1"], answers(PLAIN, IMAGES)["relu1"])
