"""Networks in ONNX files: the contract, for the verbs that onnxruntime and onnx2torch offer."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import seewhy
from seewhy.classifier import Classifier
from seewhy.commands.cli import main
from seewhy.errors import LayerError, ModelError
from seewhy.networks.base import Network
from seewhy.networks.onnx.network import OnnxNetwork
from seewhy.networks.onnx.session import Runner
from tests.networks.contract import (
    CHANNELS,
    DENSE,
    FLAT,
    HEIGHT,
    IMAGES,
    NESTED,
    ONE_EACH,
    PLAIN,
    SOFTMAX,
    WIDTH,
    NetworkContract,
    Step,
    near,
    scores,
)
from tests.networks.onnx_builder import Builder, built
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()  # onnx2torch imports torchvision


class TestContract(NetworkContract):
    """What is not offered is refused in one sentence, in the place of the contract's test."""

    def build(self, steps: Sequence[Step]) -> Network:
        return OnnxNetwork(built(steps), size=(HEIGHT, WIDTH), channels=CHANNELS, name="tiny")

    def state(self, network: Any) -> Any:
        return network.model.SerializeToString()

    def test_layers_count_their_calls(self) -> None:
        """A graph has no layers that are called: every operator computes its tensor once."""
        assert {layer.calls for layer in self.shared(PLAIN).layers} == {1}

    def test_a_nested_network_is_a_layer_itself(self) -> None:
        """Exported networks are flat: paths are left in the names, and nothing is nested."""
        assert "base" not in {layer.name for layer in self.shared(NESTED).layers}

    def test_classes_of_a_network_without_any_are_an_error(self) -> None:
        network = self.build(PLAIN[:5])
        assert network.classes is None
        with pytest.raises(seewhy.errors.TargetError, match="has no classes"):
            network.activations_and_gradients(IMAGES, [], ONE_EACH)

    @pytest.mark.parametrize("guided", [True])
    def test_guided_gradients_are_refused(self, guided: bool) -> None:
        with pytest.raises(LayerError) as caught:
            self.shared(PLAIN).input_gradients(IMAGES, ONE_EACH, guided=guided)
        assert str(caught.value) == (
            "'tiny' is an ONNX network, in whose copy ReLUs cannot be guided. Use a method without "
            "'guided', such as saliency."
        )

    def test_random_weights_are_refused(self) -> None:
        with pytest.raises(ModelError) as caught:
            self.shared(PLAIN).randomized()
        assert str(caught.value) == (
            "'tiny' cannot be copied with random weights: it does not implement 'randomized'."
        )

    def test_other_precisions_are_refused(self) -> None:
        from tests.networks.contract import BFLOAT16

        with pytest.raises(ModelError) as caught:
            self.shared(PLAIN).computing(BFLOAT16)
        assert str(caught.value) == "An ONNX network computes in the precision of its file."

    def test_the_model_is_left_as_it_was_found(self) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        network.scores(IMAGES)
        network.activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
        network.class_weights("relu2")
        network.scores_from(IMAGES[:1], "conv1", network.activations(IMAGES, ["conv1"])["conv1"])
        assert self.state(network) == before


NOT_OFFERED = (
    "test_guided_gradients_pass_each_relu_only_where_they_are_positive",
    "test_guiding_leaves_no_trace_in_the_next_call",
    "test_guiding_a_network_without_a_relu_is_an_error",
    "test_a_layer_that_is_called_twice_is_an_error",
    "test_a_layer_before_one_that_is_called_twice_is_fine",
    "test_a_copy_has_random_weights_where_it_was_asked_and_the_model_keeps_its_own",
    "test_a_layer_is_random_with_all_that_is_inside_it",
    "test_bfloat16_is_answered_in_float32_and_is_close",
    "test_the_last_linear_layer_does_not_round_the_scores",
    "test_every_verb_answers_in_bfloat16",
    "test_bfloat16_leaves_the_model_as_it_was_found",
    "test_threads_compute_in_both_precisions_at_once",
    "test_without_bfloat16_units_the_machine_says_so",
    "test_the_model_is_left_as_it_was_found_after_an_error",
)
"""The contract's tests of verbs that are refused, which is tested above."""

for _name in NOT_OFFERED:
    assert callable(getattr(NetworkContract, _name))
    setattr(TestContract, _name, None)


@pytest.mark.parametrize("batch", ["n", 1], ids=["any batch", "one by one"])
@pytest.mark.parametrize("channels_last", [False, True], ids=["channels first", "channels last"])
def test_axes_and_batch_are_found_by_trial(batch: int | str, channels_last: bool) -> None:
    model = built(SOFTMAX, batch=batch, channels_last=channels_last)
    network = OnnxNetwork(model, channels=CHANNELS, name="tiny")
    assert network.input_shape == (HEIGHT, WIDTH, CHANNELS)
    near(network.scores(IMAGES), scores(PLAIN, IMAGES))
    near(network.class_weights("relu2"), DENSE.weights.T)
    found = network.input_gradients(IMAGES, ONE_EACH)
    plain = TestContract().shared(SOFTMAX).input_gradients(IMAGES, ONE_EACH)
    near(found.gradients["input"], plain.gradients["input"])


def test_maps_after_a_reshape_are_not_taken_for_rows_and_columns() -> None:
    network = OnnxNetwork(built(FLAT), channels=CHANNELS, name="tiny")
    assert [layer.name for layer in network.layers if layer.is_spatial] == [
        "conv1",
        "relu1",
        "shrink",
        "flat.last",
    ]


def photo_network(size: int | str = 16) -> Any:
    """A network of colour photos with two classes: red is class 0, blue class 1."""
    builder = Builder()
    kernel = np.zeros((2, 3, 1, 1), np.float32)
    kernel[0, 0], kernel[1, 2] = 1, 1
    x = builder.add("Conv", ["image", builder.weight("k", kernel)], "colours")
    x = builder.add("Relu", [x], "map")
    x = builder.add("ReduceMean", [x], "pool", axes=[2, 3], keepdims=0)
    weights = builder.weight("w", np.array([[2, 0], [0, 3]], np.float32))
    x = builder.add("Gemm", [x, weights], "scores")
    return builder.model([("image", ["n", 3, size, size])], [(x, ["n", 2])])


RED_LEFT = np.zeros((16, 16, 3), np.uint8)
RED_LEFT[:, :8, 0] = 200
RED_LEFT[:, 8:, 2] = 100


def saved(model: Any, path: Path) -> str:
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_a_file_gets_its_heatmaps_from_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = saved(photo_network(), tmp_path / "net.onnx")
    Image.fromarray(RED_LEFT).save(tmp_path / "photo.png")
    arguments = ["--model", net, "--preprocess", "unit", "--labels", "red,blue", "--json"]
    out = str(tmp_path / "why")
    assert main(["explain", str(tmp_path / "photo.png"), *arguments, "--out", out]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["method"] == "cam"
    red, blue = found["predictions"]
    # the mean of red is half of 200 / 255, times the weight of 2
    assert (red["label"], round(red["score"], 4)) == ("red", round(200 / 255, 4))
    assert (blue["label"], round(blue["score"], 4)) == ("blue", round(1.5 * 100 / 255, 4))


def test_cam_grad_cam_and_occlusion_show_where_the_colour_is(tmp_path: Path) -> None:
    classifier = seewhy.load(
        saved(photo_network(), tmp_path / "net.onnx"), preprocess="unit", labels=["red", "blue"]
    )
    for method in ("cam", "grad-cam", "eigen-cam", "score-cam", "ablation-cam", "recipro-cam"):
        options = {"gaussian": False} if method == "recipro-cam" else {}  # no edge is fainter
        red = seewhy.explain(classifier, RED_LEFT, method=method, classes=["red"], **options)
        heat = red.heatmap()
        assert heat[:, :7].min() > 0.9, method
        if method not in ("eigen-cam", "score-cam"):  # the former is the same for every class
            assert heat[:, 9:].max() < 0.1, method
    found = seewhy.explain(classifier, RED_LEFT, method="occlusion", classes=["red"], patch=4)
    assert found.heatmap()[:, :7].min() > found.heatmap()[:, 9:].max()


def test_any_size_is_asked_for(tmp_path: Path) -> None:
    net = saved(photo_network("side"), tmp_path / "net.onnx")
    with pytest.raises(seewhy.errors.OptionError, match="takes photos of any size"):
        seewhy.load(net)
    assert seewhy.load(net, size=20).size == (20, 20)


def changed(**parts: Any) -> Any:
    model = photo_network()
    for name, value in parts.items():
        getattr(model.graph, name).extend(value)
    return model


def foreign() -> Any:
    model = photo_network()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Glow", "my.company"
    return model


def kept_elsewhere(place: str) -> Any:
    model = photo_network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return model


def without_an_image() -> Any:
    builder = Builder()
    x = builder.add("Relu", ["row"], "scores")
    return builder.model([("row", ["n", 5])], [(x, ["n", 5])])


def with_two_inputs() -> Any:
    builder = Builder()
    x = builder.add("Add", ["image", "other"], "sum")
    shape: list[Any] = ["n", 3, 4, 4]
    return builder.model([("image", shape), ("other", shape)], [(x, shape)])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            foreign(),
            "has operators that are not part of ONNX: my.company.Glow. They would need a library "
            "of their own, which seewhy does not load. Export the network with standard operators.",
        ),
        (
            kept_elsewhere("../weights.bin"),
            "keeps weights in '../weights.bin', which is outside its folder. seewhy reads none but "
            "the files beside a model. Move them there, or export the network in one file.",
        ),
        (
            kept_elsewhere("/etc/hostname"),
            "keeps weights in '/etc/hostname', which is outside its folder. seewhy reads none but "
            "the files beside a model. Move them there, or export the network in one file.",
        ),
        (
            kept_elsewhere("weights.bin"),
            "keeps weights in 'weights.bin', and there is no such file beside it. Copy it there.",
        ),
        (
            without_an_image(),
            "has no single image input: an image has four axes (images, channels, rows, columns), "
            "and the inputs are 'row' (any × 5). Export the network with one image as its only "
            "input.",
        ),
        (
            with_two_inputs(),
            "has no single image input: an image has four axes (images, channels, rows, columns), "
            "and the inputs are 'image' (any × 3 × 4 × 4), 'other' (any × 3 × 4 × 4). Export the "
            "network with one image as its only input.",
        ),
    ],
    ids=["operators", "folder above", "absolute", "missing", "no image", "two inputs"],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, model: Any, said: str
) -> None:
    net = saved(model, tmp_path / "net.onnx")
    with pytest.raises(ModelError) as caught:
        seewhy.load(net)
    assert str(caught.value) == f"'{net}' {said}"


@pytest.mark.parametrize("cut", [0, 1, 20, 150])
def test_a_damaged_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(photo_network().SerializeToString()[:cut])
    with pytest.raises(ModelError, match=r"^'.*net.onnx' "):
        seewhy.load(path)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    model = kept_elsewhere("weights.bin")
    kernel = np.zeros((2, 3, 1, 1), np.float32)
    kernel[0, 0], kernel[1, 2] = 1, 1
    (tmp_path / "weights.bin").write_bytes(kernel.tobytes())
    model.graph.initializer[0].external_data.add(key="length", value=str(kernel.nbytes))
    classifier = seewhy.load(saved(model, tmp_path / "net.onnx"), preprocess="unit")
    image = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)
    expected = image[..., [0, 2]].mean((1, 2)) * [2, 3]
    np.testing.assert_allclose(classifier.network.scores(image), expected, rtol=1e-5)


def test_a_model_proto_is_taken_as_it_is() -> None:
    classifier = Classifier(photo_network(), preprocess="unit", name="net")
    assert classifier.network.framework == "onnxruntime"
    assert classifier.size == (16, 16)


def test_a_classifier_is_made_with_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    run = Runner.run
    monkeypatch.setattr(Runner, "run", lambda *given: passes.append(1) or run(*given))
    classifier = Classifier(photo_network(), preprocess="unit", name="net")
    assert classifier.network.classes == len(classifier.labels)
    assert classifier.layer in [one.name for one in classifier.network.layers]
    assert len(passes) == 1


def test_without_onnx2torch_gradients_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    network = OnnxNetwork(photo_network(), name="net")
    assert not network.has_gradients
    with pytest.raises(LayerError) as caught:
        network.activations_and_gradients(
            np.zeros((1, 16, 16, 3), np.float32), ["map"], np.array([[0]])
        )
    assert str(caught.value) == (
        "Gradients of the ONNX network 'net' need PyTorch and onnx2torch, which cannot be "
        "imported: import of onnx2torch halted; None in sys.modules. Install them: pip install "
        "'seewhy[onnx,torch]' onnx2torch, or use a method without gradients, such as occlusion or "
        "eigen-cam."
    )


def test_a_file_that_claims_a_huge_image_is_refused_before_memory_is_taken() -> None:
    model = built(SOFTMAX)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 100_000
    with pytest.raises(seewhy.errors.OptionError) as caught:
        OnnxNetwork(model, name="vast")
    assert str(caught.value) == (
        "'vast' takes photos of 100000×100000 pixels, and one of them would take 120.0 GB. Give a "
        "network, or a size, of at most 17 megapixels."
    )
