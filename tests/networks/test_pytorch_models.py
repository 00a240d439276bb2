"""PyTorch modules of every make, beyond the contract: what users bring, and what goes wrong.

Axes: n image, c channel, h row, w column. Expected numbers come from loops and closed forms in
the test, or from captum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seewhy.errors import (
    LayerError,
    ModelError,
    NotACamNetwork,
    NotFinite,
    PhotoError,
    TargetError,
    UnknownLayer,
)
from seewhy.networks import adapt
from seewhy.networks.base import INPUT, SCORES, Top, Units
from seewhy.networks.pytorch.module import PyTorchNetwork
from tests.networks.contract import near, some
from tests.networks.torch_builder import filled, state_of

HEIGHT, WIDTH = 5, 7
IMAGES = some(2, HEIGHT, WIDTH, 3, seed=1)
BOTH = np.array([[0, 1]] * 2)
KERNEL = some(4, 3, 1, 1, seed=2)
BIAS = some(4, seed=3)
WEIGHT = some(2, 4, seed=4)
OFFSET = some(2, seed=5)


def convolution() -> nn.Conv2d:
    return filled(nn.Conv2d(3, 4, 1), KERNEL, BIAS)


def linear() -> nn.Linear:
    return filled(nn.Linear(4, 2), WEIGHT, OFFSET)


def maps(images: np.ndarray = IMAGES) -> np.ndarray:
    """Return the 1×1 convolution's answer, channels last."""
    return np.einsum("nhwi,oi->nhwo", images, KERNEL[:, :, 0, 0]) + BIAS


def expected_scores(images: np.ndarray = IMAGES) -> np.ndarray:
    """Return the scores of convolution, ReLU, global average pooling, linear map."""
    return np.maximum(maps(images), 0).mean(axis=(1, 2)) @ WEIGHT.T + OFFSET


def expected_gradients() -> np.ndarray:
    """Return the gradients (n, t, h, w, c) of both scores by the convolution's answer."""
    open_ = maps()[:, None] > 0
    return np.where(open_, WEIGHT[None, :, None, None] / (HEIGHT * WIDTH), 0.0)


def network(model: nn.Module, **options: Any) -> PyTorchNetwork:
    options = {"size": (HEIGHT, WIDTH), "name": "tiny", **options}
    return PyTorchNetwork(model, **options)


class Plain(nn.Module):
    """Convolution, ReLU, global average pooling, linear map; the ReLU as `relu` says."""

    def __init__(self, relu: Callable[[torch.Tensor], torch.Tensor] = functional.relu) -> None:
        super().__init__()
        self.conv, self.fc, self.relu = convolution(), linear(), relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


def write_to(x: torch.Tensor) -> torch.Tensor:
    x.relu_()
    return x


RELUS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "function": functional.relu,
    "function in place": lambda x: functional.relu(x, inplace=True),
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": write_to,
    "clamp": lambda x: x.clamp(min=0),
    "threshold": nn.Threshold(0, 0),
    "hardtanh": nn.Hardtanh(0, 1e9),
}


@pytest.mark.parametrize("way", ["in place", "inside", "around"])
def test_a_module_that_its_user_compiled_runs_as_it_is_written(way: str) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("the compiler was called")

    model: Any = Plain()
    if way == "in place":
        model.compile(backend=fail)
    elif way == "inside":
        model.conv.compile(backend=fail)
    else:
        model = torch.compile(model, backend=fail)
    found = network(model)
    compiled = {name: one._compiled_call_impl for name, one in found.model.named_modules()}
    near(found.scores(IMAGES), expected_scores())
    slopes = found.activations_and_gradients(IMAGES, ["conv"], BOTH).gradients["conv"]
    near(slopes, expected_gradients())
    after = {name: one._compiled_call_impl for name, one in found.model.named_modules()}
    assert after == compiled
    assert any(after.values()) == (way != "around")


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_whatever_stands_behind_the_layer_its_activations_are_its_own(relu: Any) -> None:
    found = network(Plain(relu)).activations_and_gradients(IMAGES, ["conv"], BOTH)
    assert found.activations["conv"].min() < 0
    near(found.activations["conv"], maps())
    near(found.gradients["conv"], expected_gradients())
    near(found.scores, expected_scores())


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_guided_backpropagation_knows_every_way_to_say_relu(relu: Any) -> None:
    found = network(Plain(relu)).input_gradients(IMAGES, BOTH, guided=True)
    slopes = np.maximum(expected_gradients(), 0)
    near(found.gradients[INPUT], np.einsum("nthwo,oi->nthwi", slopes, KERNEL[:, :, 0, 0]))


def test_guided_backpropagation_names_the_activations_that_it_finds_instead() -> None:
    model = Plain(lambda x: functional.silu(functional.gelu(x)))
    with pytest.raises(LayerError) as caught:
        network(model).input_gradients(IMAGES, BOTH, guided=True)
    assert str(caught.value) == (
        "guided backpropagation needs ReLUs, and 'tiny' has none on its way; the activations "
        "found: gelu, silu. Use a method without 'guided', such as saliency"
    )


def test_an_identity_hands_on_a_tensor_that_others_write_to() -> None:
    class Written(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            y = self.same(x)
            x.mul_(0)
            return self.fc((functional.relu(y) + x).mean((2, 3)))

    plain = network(Written()).activations(IMAGES, ["same"])
    near(plain["same"], maps())


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode], ids=["no_grad", "mode"])
def test_gradients_come_within_no_grad_of_the_caller(around: Any) -> None:
    model = Plain()
    with around():
        found = network(model).activations_and_gradients(IMAGES, ["conv"], BOTH)
        assert not torch.is_grad_enabled()
    near(found.gradients["conv"], expected_gradients())


class Inside(nn.Module):
    """Runs a frozen backbone under a context of its own, as transfer learning does."""

    def __init__(self, around: Any) -> None:
        super().__init__()
        self.backbone = nn.Sequential(convolution(), nn.ReLU())
        self.around, self.fc = around, linear()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with self.around():
            x = self.backbone(x)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("layer", ["backbone.0", "backbone"])
def test_gradients_come_through_no_grad_inside_the_model(layer: str) -> None:
    found = network(Inside(torch.no_grad)).activations_and_gradients(IMAGES, [layer], BOTH)
    slopes = np.broadcast_to(WEIGHT[None, :, None, None], (2, 2, HEIGHT, WIDTH, 4))
    slopes = slopes / (HEIGHT * WIDTH) if layer == "backbone" else expected_gradients()
    near(found.gradients[layer], slopes)


def test_input_gradients_come_through_no_grad_inside_the_model() -> None:
    found = network(Inside(torch.no_grad)).input_gradients(IMAGES, BOTH)
    slopes = np.einsum("nthwo,oi->nthwi", expected_gradients(), KERNEL[:, :, 0, 0])
    near(found.gradients[INPUT], slopes)


def test_the_last_layer_under_inference_mode_inside_the_model_is_explained() -> None:
    found = network(Inside(torch.inference_mode)).activations_and_gradients(
        IMAGES, ["backbone"], BOTH
    )
    near(found.gradients["backbone"][0, :, 0, 0], WEIGHT / (HEIGHT * WIDTH))


def test_a_layer_before_a_cut_of_the_models_own_is_not_on_the_way() -> None:
    class Detached(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).detach().mean((2, 3)))

    with pytest.raises(LayerError) as caught:
        network(Detached()).activations_and_gradients(IMAGES, ["conv"], BOTH)
    assert str(caught.value) == (
        "What is explained of 'tiny' does not depend on 'conv': it is not on the way there. "
        "Choose a layer that is, or list them: classifier.network.layers"
    )


def softmaxes() -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    return {
        "module": nn.Softmax(dim=1),
        "function": lambda x: functional.softmax(x, dim=-1),
        "torch": lambda x: torch.softmax(x, 1),
        "method": lambda x: x.softmax(1),
        "log": nn.LogSoftmax(dim=1),
        "reshaped": lambda x: functional.softmax(x[:, :, None, None], dim=1).flatten(1),
        "squeezed": lambda x: x[..., None].softmax(1).squeeze(-1),
        "converted": lambda x: x.double().softmax(1).float(),
    }


@pytest.mark.parametrize("softmax", softmaxes().values(), ids=softmaxes())
def test_a_softmax_at_the_end_is_taken_off_however_it_is_said(softmax: Any) -> None:
    class Probabilities(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return softmax(super().forward(x))

    found = network(Probabilities())
    assert (found.head, found.classes) == ("softmax", 2)
    near(found.scores(IMAGES), expected_scores())
    near(found.activations_and_gradients(IMAGES, ["conv"], BOTH).gradients["conv"],
         expected_gradients())  # fmt: skip


def test_a_softmax_inside_the_network_is_left_where_it_is() -> None:
    class Attended(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).softmax(1) * 2

    found = network(Attended())
    assert found.head == "linear"
    powers = np.exp(expected_scores())
    near(found.scores(IMAGES), 2 * powers / powers.sum(1, keepdims=True))


@pytest.mark.parametrize("last", [torch.sigmoid, lambda x: x.sigmoid_(), None])
@pytest.mark.parametrize("is_squeezed", [False, True])
def test_one_output_is_two_classes_with_opposite_scores(last: Any, is_squeezed: bool) -> None:
    class Binary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = convolution(), filled(nn.Linear(4, 1), WEIGHT[:1], OFFSET[:1])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.fc(functional.relu(self.conv(x)).mean((2, 3)))
            x = x.squeeze(1) if is_squeezed else x
            return x if last is None else last(x)

    found = network(Binary())
    found.is_pair = last is None
    assert (found.head, found.classes) == ("sigmoid", 2)
    z = expected_scores()[:, :1]
    capture = found.activations_and_gradients(IMAGES, ["conv"], BOTH, output="probability")
    p = 1 / (1 + np.exp(-z))
    near(capture.scores, np.concatenate([-z, z], axis=1))
    near(capture.values, np.concatenate([1 - p, p], axis=1))
    slope = expected_gradients()[:, :1] * (p * (1 - p))[:, :, None, None, None]
    near(capture.gradients["conv"], np.concatenate([-slope, slope], axis=1))


def test_many_sigmoids_are_many_classes() -> None:
    found = network(nn.Sequential(Plain(), nn.Sigmoid()))
    assert (found.head, found.classes) == ("sigmoid", 2)
    values = found.activations_and_gradients(IMAGES, [], BOTH, output="probability").values
    near(values, 1 / (1 + np.exp(-expected_scores())))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_run_in_and_answered_in_float32(kind: torch.dtype) -> None:
    model = Plain().to(kind)
    found = network(model).activations_and_gradients(IMAGES, ["conv"], BOTH)
    within = 2e-5 if kind == torch.float64 else 0.05
    near(found.activations["conv"], maps(), within=within)
    near(found.gradients["conv"], expected_gradients(), within=within)
    assert model.conv.weight.dtype == kind


def test_a_layer_is_given_by_the_module_itself() -> None:
    model = Inside(torch.enable_grad)
    found = network(model)
    assert found.layer_name(model.backbone[0]) == "backbone.0"
    near(found.activations(IMAGES, [model.backbone[0]])["backbone.0"], maps())


def test_a_module_of_another_model_is_unknown() -> None:
    with pytest.raises(UnknownLayer) as caught:
        network(Plain()).layer_name(nn.Conv2d(3, 4, 1))
    assert str(caught.value) == (
        "'tiny' has no layer 'Conv2d'. It has 1 convolution; the nearest name is 'conv'. Choose "
        "one, or list them: classifier.network.layers"
    )


def test_a_module_with_two_names_is_one_layer() -> None:
    class Shared(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.again = self.conv

    assert network(Shared()).layer_name("again") == "conv"


def test_a_layer_that_is_never_called_says_so() -> None:
    class Spare(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Conv2d(3, 4, 1)

    found = network(Spare())
    assert "spare" not in [layer.name for layer in found.layers]
    with pytest.raises(LayerError) as caught:
        found.activations(IMAGES, ["spare"])
    assert str(caught.value) == (
        "'spare' is not called when 'tiny' runs; only a layer that is called once has one map to "
        "explain. Choose another, or list them: classifier.network.layers"
    )


def test_a_layer_that_answers_with_a_tuple_says_so() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    class Split(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.two = Two()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(self.two(x)[0])

    with pytest.raises(LayerError) as caught:
        network(Split()).activations(IMAGES, ["two"])
    assert str(caught.value) == (
        "'two' of 'tiny' does not answer with one tensor per batch of images. Choose another, or "
        "list them: classifier.network.layers"
    )


def test_a_model_that_views_its_maps_as_rows_gets_the_strides_for_it() -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = convolution(), nn.Linear(4 * HEIGHT * WIDTH, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.fc(x.view(x.size(0), -1))

    model = Viewed()
    flat = maps().transpose(0, 3, 1, 2).reshape(2, -1)
    expected = flat @ model.fc.weight.detach().numpy().T + model.fc.bias.detach().numpy()
    near(network(model).scores(IMAGES), expected)


def test_a_model_that_takes_several_inputs_is_called_as_the_user_says() -> None:
    class Asked(Plain):
        def forward(self, x: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * question

    found = network(Asked(), call=lambda model, images: model(images, torch.tensor([[2.0, -1.0]])))
    near(found.scores(IMAGES), expected_scores() * np.array([2, -1]))
    gradients = found.activations_and_gradients(IMAGES, ["conv"], BOTH).gradients["conv"]
    near(gradients, expected_gradients() * np.array([2, -1])[None, :, None, None, None])


def test_a_callable_explains_a_part_of_a_structured_output() -> None:
    class Detector(Plain):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            scores = super().forward(x)
            return {"boxes": scores * 3, "classes": scores.softmax(1)}

    found = network(Detector())
    assert found.classes is None
    capture = found.activations_and_gradients(IMAGES, ["conv"], lambda out: out["boxes"][:, 1])
    near(capture.values, 3 * expected_scores()[:, 1:])
    near(capture.gradients["conv"], 3 * expected_gradients()[:, 1:])
    assert capture.scores is None
    with pytest.raises(TargetError) as caught:
        found.scores(IMAGES)
    assert str(caught.value) == (
        "'tiny' has no classes: its output has several parts, not one row of scores. Give a "
        "callable as target"
    )


def test_nan_says_at_which_layer() -> None:
    model = Plain()
    with torch.no_grad():
        model.conv.bias[1] = float("nan")
    with pytest.raises(NotFinite) as caught:
        network(model).activations(IMAGES, ["conv"])
    assert str(caught.value) == (
        "NaN came out of 'tiny', in its activations at 'conv'. Check the images' range (the "
        "preprocessing) and the network's weights"
    )


def test_early_units_are_explained_without_running_what_is_behind() -> None:
    class Failing(Plain):
        fails = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            if self.fails:
                raise RuntimeError("came too far")
            return self.fc(functional.relu(x).mean((2, 3)))

    model = Failing()
    found = network(model)
    assert found.classes == 2
    assert not found.mixes_images  # by whole passes, once for a network
    model.fails = True
    capture = found.input_gradients(IMAGES, Units("conv", np.array([3, 0])))
    near(capture.values, maps().mean(axis=(1, 2))[[0, 1], [3, 0]][:, None])
    slopes = KERNEL[[3, 0], :, 0, 0][:, None, None, None] / (HEIGHT * WIDTH)
    near(capture.gradients[INPUT], np.broadcast_to(slopes, (2, 1, HEIGHT, WIDTH, 3)))
    near(found.activations(IMAGES, ["conv"])["conv"], maps())
    with pytest.raises(RuntimeError, match=r"^came too far$"):
        found.scores(IMAGES)


def test_a_failing_model_is_left_as_it_was_found() -> None:
    class Fails(Plain):
        fails = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = super().forward(x)
            if self.fails:
                raise ZeroDivisionError("the model's own")
            return x

    model = Fails().train()
    model.conv.eval().requires_grad_(False)
    found = network(model)
    assert found.default_layer == "conv"
    model.fails = True
    before = state_of(model)
    for ask in (
        lambda: found.scores(IMAGES),
        lambda: found.activations_and_gradients(IMAGES, ["conv", INPUT], BOTH),
        lambda: found.input_gradients(IMAGES, BOTH, guided=True),
        lambda: found.scores_from(IMAGES[:1], "conv", some(2, HEIGHT, WIDTH, 4)),
    ):
        with pytest.raises(ZeroDivisionError, match=r"^the model's own$"):
            ask()
    np.testing.assert_equal(state_of(model), before)


def test_threads_that_share_a_backbone_in_two_models_leave_it_as_it_was() -> None:
    backbone = convolution()
    first = nn.Sequential(backbone, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear())
    second = nn.Sequential(backbone, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear())
    networks = [network(first.train()), network(second.train())]
    before = state_of(first), state_of(second)
    failures: list[BaseException] = []

    def ask(one: PyTorchNetwork) -> None:
        try:
            for _ in range(20):
                near(
                    one.activations_and_gradients(IMAGES, ["0"], BOTH).gradients["0"],
                    expected_gradients(),
                )
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(networks[i % 2],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    np.testing.assert_equal((state_of(first), state_of(second)), before)


def test_another_threads_own_call_is_not_watched() -> None:
    model = Plain()
    found = network(model)
    seen: list[Any] = []

    def target(output: torch.Tensor) -> torch.Tensor:
        other = threading.Thread(target=lambda: seen.append(model(torch.zeros(1, 3, 2, 2))))
        other.start()
        other.join()
        return output[:, 0]

    found.activations_and_gradients(IMAGES, ["conv"], target)
    assert seen[0].shape == (1, 2)


def test_a_target_may_ask_the_same_network() -> None:
    found = network(Plain())
    near(
        found.activations_and_gradients(
            IMAGES,
            ["conv"],
            lambda output: output[:, 0] - float(found.scores(IMAGES)[0, 1]),
        ).values,
        expected_scores()[:, :1] - expected_scores()[0, 1],
    )


def test_images_may_be_read_only_and_are_not_written_to() -> None:
    class Centred(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.sub_(1.0))

    found = network(Centred())
    kept = IMAGES.copy()
    near(found.scores(IMAGES), expected_scores(IMAGES - 1))
    gradients = found.input_gradients(IMAGES, BOTH).gradients[INPUT]
    assert gradients.shape == (2, 2, HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(IMAGES, kept)


# Facts


def test_a_network_that_takes_any_size_says_so() -> None:
    assert network(Plain(), size=None).input_shape == (None, None, 3)
    near(network(Plain(), size=None).scores(IMAGES), expected_scores())


def test_a_size_that_the_network_does_not_take_is_an_error() -> None:
    model = nn.Sequential(convolution(), nn.Flatten(), nn.Linear(4 * 9, 2))
    with pytest.raises(ModelError) as caught:
        network(model).scores(IMAGES)
    assert str(caught.value) == (
        "'tiny' fails on a trial batch of 5×7 pixels with 3 channels: RuntimeError: mat1 and mat2 "
        "shapes cannot be multiplied (2x140 and 36x2). Give the size and channels that it takes, "
        "and call=... if it takes more than images"
    )


def test_images_of_other_channels_are_an_error() -> None:
    with pytest.raises(PhotoError) as caught:
        network(Plain()).scores(some(1, HEIGHT, WIDTH, 1))
    assert str(caught.value) == (
        "'tiny' takes images of 5×7 pixels with 3 channels (height×width), not of 5×7 with 1. Fit "
        "them first"
    )


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
def test_a_torchscript_module_is_an_error() -> None:
    script = torch.jit.trace(Plain().eval(), torch.zeros(1, 3, HEIGHT, WIDTH))
    with pytest.raises(ModelError) as caught:
        network(script)
    assert str(caught.value) == (
        "'tiny' is a TorchScript module, whose layers cannot be reached. Give the module that it "
        "was made from"
    )


def test_a_model_made_within_inference_mode_is_an_error() -> None:
    with torch.inference_mode():
        model = Plain()
    with pytest.raises(ModelError) as caught:
        network(model)
    assert str(caught.value) == (
        "'tiny' was made within torch.inference_mode(), and nothing can be differentiated through "
        "such weights. Make or load it outside"
    )


def test_data_parallel_modules_are_looked_through() -> None:
    assert network(nn.DataParallel(Plain())).default_layer == "conv"


def test_adapt_knows_a_pytorch_module() -> None:
    assert isinstance(adapt(Plain(), name="tiny"), PyTorchNetwork)


def test_adapt_names_what_is_no_network() -> None:
    with pytest.raises(ModelError) as caught:
        adapt({"weights": 1}, name="mine")
    assert str(caught.value) == (
        "'mine' is a dict, which is no network that seewhy knows. Give a Keras 3 model, a "
        "torch.nn.Module, or a function of images that returns scores; a name or a file is loaded "
        "by seewhy.load()"
    )


def test_activations_of_the_input_and_the_scores_come_by_their_names() -> None:
    found = network(Plain()).activations(IMAGES, [INPUT, SCORES])
    near(found[INPUT], IMAGES)
    near(found[SCORES], expected_scores())


# CAM and Ablation-CAM


def test_class_weights_see_through_a_normalisation_between_pooling_and_linear_map() -> None:
    norm = nn.BatchNorm1d(4).eval()
    with torch.no_grad():
        norm.running_var.copy_(torch.tensor([4.0, 1.0, 0.25, 9.0]))
        norm.running_mean.copy_(torch.tensor([1.0, -1.0, 0.0, 2.0]))
    norm.eps = 0.0
    model = nn.Sequential(
        convolution(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm, linear()
    )
    near(network(model).class_weights("1"), WEIGHT / np.sqrt([4, 1, 0.25, 9]))


class Counts(nn.Module):
    """A convolution that counts its calls, a step, the mean over places, a step, a linear map."""

    def __init__(self, before: Any, after: Any) -> None:
        super().__init__()
        self.conv, self.relu, self.fc = convolution(), nn.ReLU(), linear()
        self.before, self.after, self.calls = before, after, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.fc(self.after(self.before(self.relu(self.conv(x))).mean((2, 3))))


def test_class_weights_run_the_network_no_further_time_once_its_layers_are_known() -> None:
    model = Counts(nn.Identity(), nn.Identity())
    found = network(model)
    assert found.default_layer == "relu"
    known = model.calls
    near(found.class_weights("relu"), WEIGHT)
    assert model.calls == known


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (nn.Identity(), nn.Hardswish()),
        (nn.Identity(), nn.LayerNorm(4)),
        (nn.MaxPool2d(2), nn.Identity()),
        (nn.Hardswish(), nn.Identity()),
    ],
    ids=["activated", "normalised", "pooled by maxima", "activated before"],
)
def test_class_weights_are_refused_without_running_the_network(before: Any, after: Any) -> None:
    model = Counts(before, after)
    found = network(model)
    assert found.classes == 2
    known = model.calls
    for _ in range(2):
        with pytest.raises(NotACamNetwork):
            found.class_weights("relu")
    assert model.calls == known


def test_class_weights_follow_a_network_that_is_trained_on() -> None:
    model = Counts(nn.Identity(), nn.Identity())
    found = network(model)
    near(found.class_weights("relu"), WEIGHT)
    with torch.no_grad():
        model.fc.weight.mul_(2)
    near(found.class_weights("relu"), 2 * WEIGHT)


def test_class_weights_of_a_layer_that_answers_with_zeros_are_proved_by_other_maps() -> None:
    model = Counts(nn.Identity(), nn.Identity())
    with torch.no_grad():
        model.conv.bias.fill_(-1e6)
    near(network(model).class_weights("relu"), WEIGHT)
    model = Counts(nn.Identity(), nn.Hardswish())
    with torch.no_grad():
        model.conv.bias.fill_(-1e6)
    with pytest.raises(NotACamNetwork):
        network(model).class_weights("relu")


class Joined(nn.Module):
    """Two branches of one image meet by `how`."""

    def __init__(self, how: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv, self.side, self.how = convolution(), convolution(), how
        self.fc = nn.LazyLinear(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.how(self.side(x) * 2, self.conv(x)).mean((2, 3)))


JOINS: dict[str, Any] = {
    "sum": lambda one, other: one + other,
    "sum in place": lambda one, other: one.add_(other),
    "sum in place, by a statement": lambda one, other: write_sum(one, other),
    "concatenation": lambda one, other: torch.cat([one, other], 1),
    "stack": lambda one, other: torch.stack([one, other], 1).flatten(1, 2),
    "batch size read before": lambda one, other: (one + other).reshape(one.shape[0], 4, -1, 7),
}


def write_sum(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    one.add_(other)
    return one


@pytest.mark.parametrize("how", JOINS.values(), ids=JOINS)
def test_replaced_activations_meet_what_goes_around_the_layer(how: Any) -> None:
    model = Joined(how)
    found = network(model)
    replaced = some(3, HEIGHT, WIDTH, 4, seed=8)
    given = found.scores_from(IMAGES[1:], "conv", replaced)
    side = torch.tensor(maps(IMAGES[1:]) * 2).permute(0, 3, 1, 2)
    for one, row in zip(replaced, given, strict=True):
        other = torch.tensor(one[None]).permute(0, 3, 1, 2)
        with torch.no_grad():
            expected = model.fc(how(side.clone(), other).mean((2, 3)))
        near(row[None], expected.numpy())


def test_only_what_stands_behind_the_layer_is_run_for_every_replacement() -> None:
    rows: dict[str, list[int]] = {"conv": [], "fc": []}
    model = Plain()
    found = network(model)
    found.scores_from(IMAGES[:1], "conv", some(2, HEIGHT, WIDTH, 4))
    for name, seen in rows.items():
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(len(inputs[0]))
        )
    found.scores_from(IMAGES[:1], "conv", some(16, HEIGHT, WIDTH, 4))
    assert rows == {"conv": [1], "fc": [16]}


# Beside an independent library


class Residual(nn.Module):
    """A small residual network as users write them: shared in-place ReLUs, `+=`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.stem(x)))
        y = self.conv2(self.relu(self.conv1(x)))
        y += x
        return self.fc(self.pool(self.relu(y)).flatten(1))


@pytest.mark.parametrize("layer", ["norm", "conv1", "conv2"])
def test_raw_grad_cam_is_captums(layer: str) -> None:
    from captum.attr import LayerGradCam

    torch.manual_seed(0)
    model = Residual().eval()
    images = some(2, 16, 12, 3, seed=9)
    found = network(model, size=(16, 12)).activations_and_gradients(images, [layer], Top(2))
    for t in range(2):
        explainer = LayerGradCam(model, model.get_submodule(layer))
        expected = explainer.attribute(
            torch.tensor(images).permute(0, 3, 1, 2),
            target=torch.tensor(found.targets[:, t]),
            relu_attributions=True,
        )
        alpha = found.gradients[layer][:, t].mean(axis=(1, 2))
        cam = np.maximum(np.einsum("nhwc,nc->nhw", found.activations[layer], alpha), 0)
        np.testing.assert_allclose(cam, expected[:, 0].detach().numpy(), rtol=1e-4, atol=1e-7)


def test_the_default_layer_is_not_a_relu_that_is_called_three_times() -> None:
    found = network(Residual().eval(), size=(16, 12))
    assert found.default_layer == "conv2"
    assert {layer.name: layer.calls for layer in found.layers}["relu"] == 3


class Views(nn.Module):
    """PyTorch's own tutorial on digits: one channel, and `view` on a map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(3 * 6 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().view(-1, 3 * 6 * 4))


def test_a_one_channel_network_that_views_a_map_is_explained() -> None:
    torch.manual_seed(0)
    model = Views().eval()
    images = some(2, 8, 6, 1, seed=3)
    with torch.no_grad():
        expected = model(torch.tensor(images).reshape(2, 1, 8, 6)).numpy()
    near(network(model, size=(8, 6)).scores(images), expected)


def test_a_network_of_volumes_is_refused_in_a_sentence() -> None:
    model = torch.nn.Sequential(torch.nn.Conv3d(3, 4, 3), torch.nn.AdaptiveAvgPool3d(1))
    with pytest.raises(ModelError) as caught:
        adapt(model, size=(16, 16), name="clips")
    assert str(caught.value) == (
        "'clips' takes volumes or videos, and seewhy explains photos, which have no depth or time. "
        "Give a network of single slices or frames, or make a volume of an image, in Python: "
        "seewhy.Classifier(model, size=..., channels=3, call=lambda model, image: model(...))"
    )
