"""The one contract that every adapter must pass: the same hand-set weights, the same numbers.

A test module of an adapter subclasses `NetworkContract` and overrides `build`, which makes a
network of its framework from a list of steps, and `state`. What is expected comes from
`answers`, a slow second implementation of the steps in float64 numpy loops, and from central
differences of it: the networks are piecewise linear, so that these are exact but for rounding.

Axes: n image, h row, w column, c channel, k class. Kernels are (row, column, in, out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seewhy.classifier import Classifier
from seewhy.errors import (
    LayerError,
    ModelError,
    NotACamNetwork,
    NotFinite,
    PhotoError,
    TargetError,
    UnknownLayer,
)
from seewhy.networks import execution
from seewhy.networks.base import INPUT, SCORES, Network, Top, Units
from seewhy.networks.execution import Execution


@dataclass(frozen=True)
class Conv:
    """A convolution with stride 1 that keeps the size (zero padding)."""

    name: str
    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Relu:
    """A ReLU layer; in place, where a framework has that."""

    name: str


@dataclass(frozen=True)
class MaxPool:
    """The largest of each 2×2 pixels, remainders left out."""

    name: str


@dataclass(frozen=True)
class Add:
    """Adds the answer of an earlier step (a skip connection)."""

    name: str
    to: str


@dataclass(frozen=True)
class Pool:
    """The mean over rows and columns: (n, c)."""

    name: str


@dataclass(frozen=True)
class Flatten:
    """All values in one row, (row, column, channel) in this order: (n, h·w·c)."""

    name: str


@dataclass(frozen=True)
class Dense:
    """x · weights + bias, weights (in, out)."""

    name: str
    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Head:
    """A softmax or a sigmoid as a layer."""

    name: str
    kind: str


@dataclass(frozen=True)
class Again:
    """Calls an earlier layer, of no new name, a second time."""

    of: str


@dataclass(frozen=True)
class Nested:
    """A network in the network."""

    name: str
    steps: tuple[Any, ...]


Step = Conv | Relu | MaxPool | Add | Pool | Flatten | Dense | Head | Again | Nested


def answers(
    steps: Sequence[Step],
    images: np.ndarray,
    *,
    replaced: Mapping[str, np.ndarray] | None = None,
    prefix: str = "",
) -> dict[str, np.ndarray]:
    """Run the steps in float64; "" is the answer of the last, the others stand under their names.

    Args:
        steps: the network.
        images: (n, h, w, c).
        replaced: by step name, what to go on with instead of the step's own answer.
        prefix: of the names, inside nested networks.
    """
    replaced, found = replaced or {}, {}
    layers = {step.name: step for step in steps if not isinstance(step, Again)}
    x = np.asarray(images, np.float64)
    for step in steps:
        if isinstance(step, Nested):
            inside = answers(step.steps, x, replaced=replaced, prefix=f"{prefix}{step.name}/")
            x = inside.pop("")
            found.update(inside)
        elif isinstance(step, Add):
            x = x + found[prefix + step.to]
        else:
            x = _answer(layers[step.of] if isinstance(step, Again) else step, x)
        if not isinstance(step, Again):
            x = np.asarray(replaced.get(prefix + step.name, x), np.float64)
            found[prefix + step.name] = x
    return {**found, "": x}


def _answer(step: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(step, Conv):
        return _convolve(x, step.kernel, step.bias)
    if isinstance(step, Relu):
        return np.where(x > 0, x, 0.0)
    if isinstance(step, MaxPool):
        n, h, w, c = x.shape
        y = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)
        return y.max(axis=(2, 4))
    if isinstance(step, Pool):
        return x.mean(axis=(1, 2))
    if isinstance(step, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(step, Dense):
        return x @ step.weights.astype(np.float64) + step.bias
    assert isinstance(step, Head)
    if step.kind == "sigmoid":
        return 1 / (1 + np.exp(-x))
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    (_, h, w, _), (rows, columns, _, _) = x.shape, kernel.shape
    up, left = rows // 2, columns // 2
    wide = np.pad(x, ((0, 0), (up, rows - 1 - up), (left, columns - 1 - left), (0, 0)))
    answer = np.zeros((*x.shape[:3], kernel.shape[3])) + bias
    for a in range(rows):
        for b in range(columns):
            answer += wide[:, a : a + h, b : b + w] @ kernel[a, b].astype(np.float64)
    return answer


def slopes(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the derivative of function(x) (n, t) by each of x (n, ...): (n, t, ...)."""
    x, step = np.array(at, np.float64), 1e-6
    columns = []
    for place in np.ndindex(x.shape[1:]):
        kept = x[:, *place].copy()
        x[:, *place] = kept + step
        high = function(x)
        x[:, *place] = kept - step
        low = function(x)
        x[:, *place] = kept
        columns.append((high - low) / (2 * step))
    return np.stack(columns, axis=-1).reshape(len(x), -1, *x.shape[1:])


def near(given: np.ndarray, expected: np.ndarray, *, within: float = 2e-5) -> None:
    """Assert that a float32 answer has the expected shape and values."""
    assert given.dtype == np.float32
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=within, atol=within)


def alike(given: np.ndarray, expected: np.ndarray, *, within: float = 0.1) -> None:
    """Assert that a rounded float32 answer is off by a small share of its whole length."""
    assert given.dtype == np.float32
    assert given.shape == expected.shape
    assert np.linalg.norm(given - expected) <= within * np.linalg.norm(expected)


def some(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return random numbers that are not to be written to."""
    array = (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)
    array.flags.writeable = False
    return array


HEIGHT, WIDTH, CHANNELS, CLASSES = 4, 6, 2, 4
IMAGES = some(3, HEIGHT, WIDTH, CHANNELS, seed=1)
CONV1 = Conv("conv1", some(3, 3, CHANNELS, 3, seed=2, scale=0.5), some(3, seed=3))
CONV2 = Conv("conv2", some(3, 3, 3, 3, seed=4, scale=0.5), some(3, seed=5, scale=0.3))
BODY: tuple[Step, ...] = (CONV1, Relu("relu1"), CONV2, Add("add", "relu1"), Relu("relu2"))
DENSE = Dense("dense", some(3, CLASSES, seed=6), some(CLASSES, seed=7))
TAIL: tuple[Step, ...] = (Pool("pool"), DENSE)
PLAIN: tuple[Step, ...] = (*BODY, *TAIL)
"""Two convolutions with a skip connection, global average pooling, one linear map."""
SOFTMAX: tuple[Step, ...] = (*PLAIN, Head("probabilities", "softmax"))
SIGMOID: tuple[Step, ...] = (
    *BODY,
    Pool("pool"),
    Dense("dense", some(3, 1, seed=8), some(1, seed=9)),
    Head("probabilities", "sigmoid"),
)
LOGIT: tuple[Step, ...] = SIGMOID[:-1]
"""One output without a sigmoid."""
NESTED: tuple[Step, ...] = (Nested("base", BODY), *TAIL)
FLAT: tuple[Step, ...] = (
    CONV1,
    Relu("relu1"),
    MaxPool("shrink"),
    Flatten("flat"),
    Dense("hidden", some(18, 5, seed=10), some(5, seed=11)),
    Relu("relu2"),
    Dense("dense", some(5, CLASSES, seed=12), some(CLASSES, seed=13)),
)
TWICE: tuple[Step, ...] = (CONV1, Relu("relu1"), CONV2, Again("conv2"), *TAIL)
LINEAR: tuple[Step, ...] = (CONV1, CONV2, *TAIL)
NAN: tuple[Step, ...] = (
    *BODY,
    Pool("pool"),
    Dense("dense", DENSE.weights, np.array([0, np.nan, 0, 0], np.float32)),
)


def scores(steps: Sequence[Step], images: np.ndarray, **replaced: np.ndarray) -> np.ndarray:
    """Return the expected scores of steps that end without softmax or sigmoid."""
    return answers(steps, images, replaced=replaced)[""]


def gradients(steps: Sequence[Step], images: np.ndarray, layer: str) -> np.ndarray:
    """Return the expected gradients of every score by a layer: (n, k, h, w, c)."""
    if layer == INPUT:
        return slopes(lambda x: scores(steps, x), images)
    found = answers(steps, images)[layer]
    return slopes(lambda x: answers(steps, images, replaced={layer: x})[""], found)


def chosen(every: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return (n, t, ...) of every class's (n, k, ...)."""
    return np.stack([row[picked] for row, picked in zip(every, classes, strict=True)])


def classifier_of(network: Network, labels: list[str] | None) -> Classifier:
    """Return the classifier of a network's own model."""
    return Classifier(
        network.model,
        labels=labels,
        preprocess="none",
        size=(HEIGHT, WIDTH),
        channels=CHANNELS,
        name="tiny",
    )


ONE_EACH = np.array([[2], [0], [3]])
TWO_EACH = np.array([[1, 0], [3, 1], [2, 2]])
BFLOAT16 = Execution("bfloat16")


_SHARED: dict[tuple[type, int], tuple[Sequence[Step], Network]] = {}
"""The steps are kept with their network, so that their id stays theirs."""


class NetworkContract:
    """What every adapter does, whatever its framework."""

    separator = "/"
    """Between the names of a nested layer's path."""

    file = "net.onnx"
    """How a network is written."""

    def build(self, steps: Sequence[Step]) -> Network:
        """Make a network called 'tiny' for images of HEIGHT × WIDTH with CHANNELS channels."""
        raise NotImplementedError

    def shared(self, steps: Sequence[Step]) -> Network:
        """Return a network of the steps that other tests ask too, with what it has compiled."""
        key = (type(self), id(steps))
        if key not in _SHARED:
            _SHARED[key] = steps, self.build(steps)
        return _SHARED[key][1]

    def state(self, network: Network) -> Any:
        """Return all of the user's model that must stay as it was, as something to compare."""
        raise NotImplementedError

    # Facts

    def test_it_tells_its_input_shape_its_classes_and_its_head(self) -> None:
        network = self.shared(SOFTMAX)
        assert network.input_shape == (HEIGHT, WIDTH, CHANNELS)
        assert (network.classes, network.head) == (CLASSES, "softmax")
        assert network.name == "tiny"

    def test_one_sigmoid_output_counts_as_two_classes(self) -> None:
        network = self.shared(SIGMOID)
        assert (network.classes, network.head) == (2, "sigmoid")

    def test_one_linear_output_is_one_value_with_its_own_score_and_gradient(self) -> None:
        network = self.shared(LOGIT)
        assert (network.classes, network.head) == (1, "linear")
        near(network.scores(IMAGES), scores(LOGIT, IMAGES))
        found = network.activations_and_gradients(IMAGES, ["relu1"], np.zeros((3, 1), int))
        near(found.gradients["relu1"], gradients(LOGIT, IMAGES, "relu1"))
        near(network.class_weights("relu2"), LOGIT[-1].weights.T)

    def test_one_linear_output_with_two_labels_is_the_logit_of_two_classes(self) -> None:
        network = classifier_of(self.build(LOGIT), ["low", "high"]).network
        assert (network.classes, network.head) == (2, "sigmoid")
        z = scores(LOGIT, IMAGES)
        near(network.scores(IMAGES), np.concatenate([-z, z], axis=1))
        found = network.activations_and_gradients(
            IMAGES, [], np.array([[0, 1]] * 3), output="probability"
        )
        near(found.values, 1 / (1 + np.exp(np.concatenate([z, -z], axis=1))))

    @pytest.mark.parametrize("labels", [None, ["age"]], ids=["no label", "one label"])
    def test_one_linear_output_is_explained_as_a_value(self, labels: list[str] | None) -> None:
        classifier = classifier_of(self.build(LOGIT), labels)
        assert classifier.is_regression
        assert classifier.labels == (("age",) if labels else ("value",))
        assert np.isnan(classifier.probabilities(classifier.network.scores(IMAGES))).all()

    def test_a_network_without_softmax_is_linear(self) -> None:
        network = self.shared(PLAIN)
        assert (network.classes, network.head) == (CLASSES, "linear")

    def test_layers_stand_in_the_order_of_the_photo_with_shapes_channels_last(self) -> None:
        found = {
            layer.name: layer.shape
            for layer in self.shared(SOFTMAX).layers
            if not layer.name.startswith("add")
        }
        assert list(found)[:4] == ["conv1", "relu1", "conv2", "relu2"]
        assert {found[name] for name in ("conv1", "relu1", "conv2", "relu2")} == {
            (HEIGHT, WIDTH, 3)
        }
        assert found["dense"] == (CLASSES,)

    def test_layers_count_their_calls(self) -> None:
        found = {layer.name: layer.calls for layer in self.shared(TWICE).layers}
        assert (found["conv1"], found["conv2"]) == (1, 2)

    def test_the_default_layer_is_the_last_map_before_pooling(self) -> None:
        assert self.shared(SOFTMAX).default_layer == "relu2"

    def test_the_default_layer_is_the_last_map_before_flattening(self) -> None:
        assert self.shared(FLAT).default_layer == "relu1"

    def test_the_default_layer_of_a_nested_network_is_inside_it(self) -> None:
        assert self.shared(NESTED).default_layer == f"base{self.separator}relu2"

    # Scores and activations

    @pytest.mark.parametrize("steps", [PLAIN, SOFTMAX], ids=["absent", "as a layer"])
    def test_scores_are_those_before_the_softmax(self, steps: Sequence[Step]) -> None:
        near(self.shared(steps).scores(IMAGES), scores(PLAIN, IMAGES))

    def test_one_sigmoid_output_has_the_scores_minus_z_and_z(self) -> None:
        z = scores(SIGMOID[:-1], IMAGES)
        near(self.shared(SIGMOID).scores(IMAGES), np.concatenate([-z, z], axis=1))

    def test_activations_come_with_the_scores_of_the_same_pass(self) -> None:
        found = self.shared(SOFTMAX).activations(IMAGES, ["conv1", "relu2", "pool", SCORES])
        expected = answers(PLAIN, IMAGES)
        assert sorted(found) == sorted(["conv1", "relu2", "pool", SCORES])
        near(found["conv1"], expected["conv1"])
        near(found["relu2"], expected["relu2"])
        near(found["pool"], expected["pool"])
        near(found[SCORES], expected[""])

    def test_an_in_place_step_behind_a_layer_leaves_its_activations(self) -> None:
        found = self.shared(PLAIN).activations_and_gradients(IMAGES, ["conv1"], ONE_EACH)
        assert found.activations["conv1"].min() < 0
        near(found.activations["conv1"], answers(PLAIN, IMAGES)["conv1"])
        near(found.gradients["conv1"], chosen(gradients(PLAIN, IMAGES, "conv1"), ONE_EACH))

    def test_a_batch_is_the_same_as_one_by_one(self) -> None:
        network = self.shared(SOFTMAX)
        together = network.activations_and_gradients(IMAGES, ["relu1"], TWO_EACH)
        for i in range(len(IMAGES)):
            alone = network.activations_and_gradients(
                IMAGES[i : i + 1], ["relu1"], TWO_EACH[i : i + 1]
            )
            near(alone.values, together.values[i : i + 1])
            near(alone.activations["relu1"], together.activations["relu1"][i : i + 1])
            near(alone.gradients["relu1"], together.gradients["relu1"][i : i + 1])

    def test_images_in_double_precision_are_fine(self) -> None:
        near(self.shared(PLAIN).scores(IMAGES.astype(np.float64)), scores(PLAIN, IMAGES))

    # Gradients

    def test_the_gradient_at_the_last_map_is_the_weight_over_the_area(self) -> None:
        found = self.shared(SOFTMAX).activations_and_gradients(IMAGES, ["relu2"], ONE_EACH)
        weights = DENSE.weights.T[ONE_EACH] / (HEIGHT * WIDTH)
        expected = np.broadcast_to(weights[:, :, None, None], (3, 1, HEIGHT, WIDTH, 3))
        near(found.gradients["relu2"], expected)
        near(found.scores, scores(PLAIN, IMAGES))
        near(found.values, chosen(scores(PLAIN, IMAGES), ONE_EACH))
        np.testing.assert_array_equal(found.targets, ONE_EACH)

    @pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2", INPUT])
    def test_gradients_run_back_through_skip_connections(self, layer: str) -> None:
        found = self.shared(PLAIN).activations_and_gradients(IMAGES, [layer], TWO_EACH)
        near(found.gradients[layer], chosen(gradients(PLAIN, IMAGES, layer), TWO_EACH))

    def test_several_layers_and_the_input_come_from_one_call(self) -> None:
        names = [INPUT, "conv1", "relu2"]
        found = self.shared(FLAT).activations_and_gradients(IMAGES, names, TWO_EACH)
        expected = answers(FLAT, IMAGES)
        assert sorted(found.activations) == sorted(found.gradients) == sorted(names)
        near(found.activations[INPUT], IMAGES)
        for layer in names:
            near(found.gradients[layer], chosen(gradients(FLAT, IMAGES, layer), TWO_EACH))
        near(found.activations["relu2"], expected["relu2"])

    def test_gradients_run_through_nested_networks(self) -> None:
        name = f"base{self.separator}relu1"
        found = self.shared(NESTED).activations_and_gradients(IMAGES, [name], ONE_EACH)
        near(found.activations[name], answers(PLAIN, IMAGES)["relu1"])
        near(found.gradients[name], chosen(gradients(PLAIN, IMAGES, "relu1"), ONE_EACH))

    def test_a_nested_network_is_a_layer_itself(self) -> None:
        found = self.shared(NESTED).activations_and_gradients(IMAGES, ["base"], ONE_EACH)
        near(found.activations["base"], answers(PLAIN, IMAGES)["relu2"])
        near(found.gradients["base"], chosen(gradients(PLAIN, IMAGES, "relu2"), ONE_EACH))

    def test_many_targets_are_as_right_as_few(self) -> None:
        classes = np.arange(3 * 24).reshape(3, 24) % CLASSES
        found = self.shared(PLAIN).activations_and_gradients(IMAGES, ["relu1"], classes)
        near(found.gradients["relu1"], chosen(gradients(PLAIN, IMAGES, "relu1"), classes))

    # Targets

    def test_top_takes_the_best_classes_of_each_image(self) -> None:
        found = self.shared(SOFTMAX).activations_and_gradients(IMAGES, ["conv2"], Top(3))
        expected = scores(PLAIN, IMAGES)
        best = np.argsort(-expected, axis=1)[:, :3]
        np.testing.assert_array_equal(found.targets, best)
        near(found.values, chosen(expected, best))
        near(found.gradients["conv2"], chosen(gradients(PLAIN, IMAGES, "conv2"), best))

    def test_further_classes_follow_the_best_ones_in_the_same_pass(self) -> None:
        also = np.array([[2, 0], [1, 1], [0, 2]])
        expected = scores(PLAIN, IMAGES)
        for steps, count in ((SOFTMAX, 1), (SOFTMAX, 2), (PLAIN, 1)):
            targets = Top(count, also)
            found = self.shared(steps).activations_and_gradients(IMAGES, ["conv2"], targets)
            classes = np.concatenate([np.argsort(-expected, axis=1)[:, :count], also], axis=1)
            np.testing.assert_array_equal(found.targets, classes)
            near(found.values, chosen(expected, classes))
            near(found.gradients["conv2"], chosen(gradients(PLAIN, IMAGES, "conv2"), classes))
        with pytest.raises(TargetError, match="has no class 9: it has"):
            self.shared(SOFTMAX).activations_and_gradients(
                IMAGES, ["conv2"], Top(1, np.full((3, 1), 9))
            )

    def test_top_of_more_classes_than_there_are_takes_all(self) -> None:
        found = self.shared(SIGMOID).activations_and_gradients(IMAGES, ["relu2"], Top(5))
        assert found.values.shape == (3, 2)

    @pytest.mark.parametrize("steps", [PLAIN, SOFTMAX], ids=["absent", "as a layer"])
    def test_a_probability_has_the_gradient_of_the_softmax(self, steps: Sequence[Step]) -> None:
        found = self.shared(steps).activations_and_gradients(
            IMAGES, ["relu2"], TWO_EACH, output="probability"
        )
        p = answers(SOFTMAX, IMAGES)[""]
        weights = DENSE.weights.T.astype(np.float64)
        expected = np.zeros((3, 2, HEIGHT, WIDTH, 3))
        for n in range(3):
            for t, k in enumerate(TWO_EACH[n]):
                slope = p[n, k] * (weights[k] - p[n] @ weights)
                expected[n, t] = slope / (HEIGHT * WIDTH)
        near(found.gradients["relu2"], expected)
        near(found.values, chosen(p, TWO_EACH))
        near(found.scores, scores(PLAIN, IMAGES))

    def test_both_classes_of_one_sigmoid_output_are_explained_with_opposite_signs(self) -> None:
        both = np.array([[0, 1]] * 3)
        found = self.shared(SIGMOID).activations_and_gradients(IMAGES, ["relu1"], both)
        expected = gradients(SIGMOID[:-1], IMAGES, "relu1")
        near(found.gradients["relu1"], np.concatenate([-expected, expected], axis=1))

    def test_both_probabilities_of_one_sigmoid_output_add_up_to_one(self) -> None:
        both = np.array([[0, 1]] * 3)
        found = self.shared(SIGMOID).activations_and_gradients(
            IMAGES, ["relu1"], both, output="probability"
        )
        p = answers(SIGMOID, IMAGES)[""]
        near(found.values, np.concatenate([1 - p, p], axis=1))
        slope = gradients(SIGMOID, IMAGES, "relu1")
        near(found.gradients["relu1"], np.concatenate([-slope, slope], axis=1))

    def test_a_callable_gets_the_output_before_the_softmax(self) -> None:
        found = self.shared(SOFTMAX).activations_and_gradients(
            IMAGES, ["relu1"], lambda output: output[:, 1] - 2 * output[:, 3]
        )
        every, slope = scores(PLAIN, IMAGES), gradients(PLAIN, IMAGES, "relu1")
        assert found.targets is None
        near(found.values, every[:, 1:2] - 2 * every[:, 3:4])
        near(found.gradients["relu1"], slope[:, 1:2] - 2 * slope[:, 3:4])
        near(found.scores, every)

    def test_a_callable_gets_the_probabilities_if_they_are_explained(self) -> None:
        found = self.shared(SOFTMAX).activations_and_gradients(
            IMAGES, ["relu1"], lambda output: output[:, 2], output="probability"
        )
        near(found.values, answers(SOFTMAX, IMAGES)[""][:, 2:3])
        near(found.gradients["relu1"], gradients(SOFTMAX, IMAGES, "relu1")[:, 2:3])

    def test_a_callable_explains_a_network_whose_output_is_a_map(self) -> None:
        network = self.shared(BODY)
        found = network.activations_and_gradients(
            IMAGES, ["relu1"], lambda output: output[:, 0, 0, 0]
        )
        assert network.classes is None
        assert found.scores is None
        assert found.values.shape == (3, 1)

    def test_a_unit_is_the_mean_of_its_channel_over_the_map(self) -> None:
        channels = np.array([0, 2, 1])
        found = self.shared(SOFTMAX).activations_and_gradients(
            IMAGES, ["relu1"], Units("conv2", channels)
        )
        steps = (*BODY[:3], Pool("pool"))
        near(found.values, chosen(scores(steps, IMAGES), channels[:, None]))
        expected = chosen(gradients(steps, IMAGES, "relu1"), channels[:, None])
        near(found.gradients["relu1"], expected)
        assert found.targets is None

    def test_a_unit_of_a_vector_is_its_value(self) -> None:
        channels = np.array([4, 0, 3])
        found = self.shared(FLAT).input_gradients(IMAGES, Units("hidden", channels))
        expected = gradients(FLAT[:5], IMAGES, INPUT)
        near(found.gradients[INPUT], chosen(expected, channels[:, None]))

    def test_a_unit_can_be_explained_at_its_own_layer(self) -> None:
        found = self.shared(PLAIN).activations_and_gradients(
            IMAGES, ["conv2"], Units("conv2", np.array([1, 1, 1]))
        )
        expected = np.zeros((3, 1, HEIGHT, WIDTH, 3))
        expected[..., 1] = 1 / (HEIGHT * WIDTH)
        near(found.gradients["conv2"], expected)

    # The input

    @pytest.mark.parametrize("steps", [PLAIN, FLAT], ids=["pooled", "flattened"])
    def test_input_gradients_are_finite_differences(self, steps: Sequence[Step]) -> None:
        found = self.shared(steps).input_gradients(IMAGES, TWO_EACH)
        assert list(found.gradients) == [INPUT]
        near(found.gradients[INPUT], chosen(gradients(steps, IMAGES, INPUT), TWO_EACH))
        near(found.values, chosen(scores(steps, IMAGES), TWO_EACH))

    def test_guided_gradients_pass_each_relu_only_where_they_are_positive(self) -> None:
        v = np.array([[1.0, -2.0, 0.5], [0.5, 1.0, -1.0]], np.float32)  # first convolution
        u = np.array([[1.0, -1.0], [2.0, 0.5], [-1.0, 1.0]], np.float32)  # second
        w = np.array([[1.0, -1.0], [-0.5, 2.0]], np.float32)  # dense
        steps = (
            Conv("conv1", v[None, None], np.zeros(3, np.float32)),
            Relu("relu1"),
            Conv("conv2", u[None, None], np.zeros(2, np.float32)),
            Relu("relu2"),
            Pool("pool"),
            Dense("dense", w, np.zeros(2, np.float32)),
        )
        expected = np.zeros((3, 2, HEIGHT, WIDTH, CHANNELS))
        for n, t, i, j in np.ndindex(3, 2, HEIGHT, WIDTH):
            a = IMAGES[n, i, j] @ v
            b = np.maximum(a, 0) @ u
            r = w[:, t] / (HEIGHT * WIDTH)
            r = np.where((b > 0) & (r > 0), r, 0) @ u.T
            r = np.where((a > 0) & (r > 0), r, 0) @ v.T
            expected[n, t, i, j] = r
        classes = np.array([[0, 1]] * 3)
        found = self.shared(steps).input_gradients(IMAGES, classes, guided=True)
        near(found.gradients[INPUT], expected)

    def test_guiding_leaves_no_trace_in_the_next_call(self) -> None:
        network = self.shared(PLAIN)
        network.input_gradients(IMAGES, ONE_EACH, guided=True)
        found = network.input_gradients(IMAGES, ONE_EACH)
        near(found.gradients[INPUT], chosen(gradients(PLAIN, IMAGES, INPUT), ONE_EACH))

    def test_guiding_a_network_without_a_relu_is_an_error(self) -> None:
        with pytest.raises(LayerError) as caught:
            self.shared(LINEAR).input_gradients(IMAGES, ONE_EACH, guided=True)
        assert str(caught.value) == (
            "guided backpropagation needs ReLUs, and 'tiny' has none on its way; the activations "
            "found: none. Use a method without 'guided', such as saliency"
        )

    # Class weights (CAM)

    @pytest.mark.parametrize("steps", [PLAIN, SOFTMAX], ids=["linear", "softmax"])
    def test_class_weights_are_those_of_the_dense_layer(self, steps: Sequence[Step]) -> None:
        near(self.shared(steps).class_weights("relu2"), DENSE.weights.T)

    def test_class_weights_are_those_of_a_1x1_convolution_before_the_pooling(self) -> None:
        kernel = some(1, 1, 3, CLASSES, seed=20)
        steps = (*BODY, Conv("classes", kernel, some(CLASSES, seed=21)), Pool("pool"))
        near(self.shared(steps).class_weights("relu2"), kernel[0, 0].T)

    @pytest.mark.parametrize("head", [(), (Head("probabilities", "softmax"),)])
    def test_where_the_means_are_the_scores_each_class_has_its_own_channel(
        self, head: tuple[Step, ...]
    ) -> None:
        kernel = some(1, 1, 3, CLASSES, seed=20)
        steps = (*BODY, Conv("classes", kernel, some(CLASSES, seed=21)), Pool("pool"), *head)
        near(self.shared(steps).class_weights("classes"), np.eye(CLASSES))

    def test_class_weights_of_one_sigmoid_output_have_opposite_signs(self) -> None:
        w = some(3, 1, seed=8).T
        near(self.shared(SIGMOID).class_weights("relu2"), np.concatenate([-w, w]))

    def test_cam_is_grad_cam_times_the_area(self) -> None:
        network = self.shared(SOFTMAX)
        found = network.activations_and_gradients(IMAGES, ["relu2"], ONE_EACH)
        a = found.activations["relu2"]
        cam = np.einsum("nhwc,nc->nhw", a, network.class_weights("relu2")[ONE_EACH[:, 0]])
        alpha = found.gradients["relu2"][:, 0].mean(axis=(1, 2))
        grad_cam = np.einsum("nhwc,nc->nhw", a, alpha)
        np.testing.assert_allclose(cam, grad_cam * HEIGHT * WIDTH, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("steps", "layer"), [(FLAT, "relu1"), (PLAIN, "relu1"), (PLAIN, "pool"), (BODY, "relu1")]
    )
    def test_class_weights_of_another_network_are_an_error(
        self, steps: Sequence[Step], layer: str
    ) -> None:
        with pytest.raises(NotACamNetwork) as caught:
            self.shared(steps).class_weights(layer)
        message = str(caught.value)
        assert message.startswith(
            "CAM needs global average pooling and one linear map, and nothing else, after the "
            f"layer; after '{layer}' of 'tiny': "
        )
        assert message.endswith(". Use Grad-CAM, which explains any network")
        behind = {"dense"} if steps is not BODY else {"conv2"}
        assert all(f"{name} (" in message for name in behind)

    @pytest.mark.parametrize("steps", [SOFTMAX, NESTED, SIGMOID], ids=["softmax", "nested", "one"])
    def test_it_is_written_with_the_maps_of_every_class(
        self, steps: Sequence[Step], tmp_path: Path
    ) -> None:
        network = self.build(steps)
        before = self.state(network)
        written = network.with_cam(network.default_layer, tmp_path / self.file)
        output, maps = written.outputs(IMAGES)
        expected = answers(steps, IMAGES)
        weights = next(step.weights for step in steps if isinstance(step, Dense))
        if steps is SIGMOID:
            weights = np.concatenate([-weights, weights], axis=1)
        near(maps, expected["base/relu2" if steps is NESTED else "relu2"] @ weights)
        near(output, expected[""])
        near(written.own(IMAGES)[0], expected[""])
        np.testing.assert_equal(self.state(network), before)
        assert [path.name for path in tmp_path.iterdir()] == [self.file]

    # Replaced activations (Ablation-CAM)

    @pytest.mark.parametrize(
        ("steps", "layer"),
        [(SOFTMAX, "relu2"), (PLAIN, "relu1"), (PLAIN, "conv2"), (FLAT, "conv1")],
    )
    def test_scores_from_replaced_activations(self, steps: Sequence[Step], layer: str) -> None:
        replaced = some(5, HEIGHT, WIDTH, 3, seed=30)
        found = self.shared(steps).scores_from(IMAGES[:1], layer, replaced)
        plain = PLAIN if steps is SOFTMAX else steps
        near(found, scores(plain, np.repeat(IMAGES[:1], 5, axis=0), **{layer: replaced}))

    def test_scores_from_replaced_activations_of_one_sigmoid_output(self) -> None:
        replaced = some(2, HEIGHT, WIDTH, 3, seed=31)
        z = scores(SIGMOID[:-1], np.repeat(IMAGES[:1], 2, axis=0), relu2=replaced)
        found = self.shared(SIGMOID).scores_from(IMAGES[:1], "relu2", replaced)
        near(found, np.concatenate([-z, z], axis=1))

    # Errors, and what stays behind

    def test_an_unknown_layer_is_named_with_the_nearest_ones(self) -> None:
        with pytest.raises(UnknownLayer) as caught:
            self.shared(LINEAR).activations(IMAGES, ["conv"])
        assert str(caught.value) == (
            "'tiny' has no layer 'conv'. It has 2 convolutions; the nearest names are 'conv2' and "
            "'conv1'. Choose one, or list them: classifier.network.layers"
        )

    def test_a_layer_in_a_nested_network_is_known_by_its_unique_ending(self) -> None:
        network = self.shared(NESTED)
        name = f"base{self.separator}relu1"
        assert network.layer_name("relu1") == name
        near(network.activations(IMAGES, ["relu1"])[name], answers(NESTED, IMAGES)["base/relu1"])

    def test_a_layer_that_is_called_twice_is_an_error(self) -> None:
        with pytest.raises(LayerError) as caught:
            self.shared(TWICE).activations_and_gradients(IMAGES, ["conv2"], ONE_EACH)
        assert str(caught.value) == (
            "'conv2' is called 2 times when 'tiny' runs; only a layer that is called once has one "
            "map to explain. Choose another, or list them: classifier.network.layers"
        )

    def test_a_layer_before_one_that_is_called_twice_is_fine(self) -> None:
        found = self.shared(TWICE).activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
        near(found.gradients["relu1"], chosen(gradients(TWICE, IMAGES, "relu1"), ONE_EACH))

    def test_a_layer_that_is_not_on_the_way_is_an_error(self) -> None:
        with pytest.raises(LayerError) as caught:
            self.shared(PLAIN).activations_and_gradients(
                IMAGES, ["relu2"], Units("conv1", np.array([0, 1, 2]))
            )
        assert str(caught.value) == (
            "What is explained of 'tiny' does not depend on 'relu2': it is not on the way there. "
            "Choose a layer that is, or list them: classifier.network.layers"
        )

    def test_a_zero_gradient_is_no_error(self) -> None:
        steps = (*BODY, Pool("pool"), Dense("dense", 0 * DENSE.weights, DENSE.bias))
        found = self.shared(steps).activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
        assert (found.gradients["relu1"] == 0).all()

    def test_fewer_lists_of_classes_than_images_are_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(PLAIN).activations_and_gradients(IMAGES, ["relu2"], ONE_EACH[:2])
        assert str(caught.value) == (
            "2 lists of classes were given for 3 images. Give one list for each image"
        )

    def test_a_class_that_does_not_exist_is_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(PLAIN).activations_and_gradients(IMAGES, ["relu2"], ONE_EACH + 2)
        assert str(caught.value) == "'tiny' has no class 4: it has 4 classes, 0 to 3"

    def test_a_channel_that_does_not_exist_is_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(PLAIN).input_gradients(IMAGES, Units("conv1", np.array([0, 3, 1])))
        assert str(caught.value) == "'conv1' has no channel 3: it has 3 channels, 0 to 2"

    def test_fewer_channels_than_images_are_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(PLAIN).input_gradients(IMAGES, Units("conv1", np.array([0, 1])))
        assert str(caught.value) == (
            "2 channels of 'conv1' were given for 3 images. Give one channel for each image"
        )

    def test_classes_of_a_network_without_any_are_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(BODY).activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
        assert str(caught.value) == (
            "'tiny' has no classes: its output has the shape (4, 6, 3) per image, not one row of "
            "scores. Give a callable as target"
        )

    def test_a_callable_that_does_not_return_one_number_per_image_is_an_error(self) -> None:
        with pytest.raises(TargetError) as caught:
            self.shared(PLAIN).activations_and_gradients(IMAGES, ["relu1"], lambda output: output)
        assert str(caught.value) == (
            "the target returned an array of the shape (n, 4); it must return one number per "
            "image: the shape (n,)"
        )

    def test_images_of_another_size_are_an_error(self) -> None:
        with pytest.raises(PhotoError) as caught:
            self.shared(FLAT).scores(some(1, WIDTH, HEIGHT, CHANNELS))
        assert str(caught.value) == (
            "'tiny' takes images of 4×6 pixels with 2 channels (height×width), not of 6×4 with 2. "
            "Fit them first"
        )

    def test_nan_in_the_output_is_an_error(self) -> None:
        network = self.shared(NAN)
        message = (
            "NaN came out of 'tiny', in its scores. Check the images' range (the preprocessing) "
            "and the network's weights"
        )
        with pytest.raises(NotFinite) as caught:
            network.scores(IMAGES)
        assert str(caught.value) == message
        with pytest.raises(NotFinite) as caught:
            network.activations_and_gradients(IMAGES, ["relu2"], ONE_EACH)
        assert str(caught.value) == message

    def test_the_model_is_left_as_it_was_found(self) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        network.scores(IMAGES)
        network.activations(IMAGES, ["relu1"])
        network.activations_and_gradients(IMAGES, ["relu1", INPUT], Top(2))
        network.input_gradients(IMAGES, ONE_EACH, guided=True)
        network.class_weights("relu2")
        network.scores_from(IMAGES[:1], "conv2", some(2, HEIGHT, WIDTH, 3))
        np.testing.assert_equal(self.state(network), before)

    def test_the_model_is_left_as_it_was_found_after_an_error(self) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        with pytest.raises(ZeroDivisionError) as caught:
            network.activations_and_gradients(IMAGES, ["relu1"], _fail)
        assert str(caught.value) == "the user's own"
        with pytest.raises(ZeroDivisionError) as caught:
            network.input_gradients(IMAGES, _fail, guided=True)
        assert str(caught.value) == "the user's own"
        np.testing.assert_equal(self.state(network), before)
        near(network.scores(IMAGES), scores(PLAIN, IMAGES))

    def test_a_copy_has_random_weights_where_it_was_asked_and_the_model_keeps_its_own(self) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        copy = network.randomized(["dense"], seed=3)
        maps = answers(BODY, IMAGES)["relu2"]
        found = copy.activations(IMAGES, ["relu2", SCORES])
        near(found["relu2"], maps)
        weights = copy.class_weights("relu2")
        near(found[SCORES], maps.mean(axis=(1, 2)) @ weights.T)  # the bias is 0
        assert np.abs(weights - DENSE.weights.T).min() > 1e-4
        np.testing.assert_equal(self.state(network), before)
        near(network.randomized([]).scores(IMAGES), scores(PLAIN, IMAGES))
        whole = network.randomized(seed=3)
        np.testing.assert_equal(whole.class_weights("relu2"), weights)
        (bank,) = whole.filters("conv1")
        # 3 × 3 × 2 inputs: the standard deviation is √(2 / 18) = 0.33
        assert 0.22 < bank.weights.std() < 0.45
        near(whole.scores(np.zeros_like(IMAGES)), np.zeros((3, CLASSES)))
        assert np.abs(network.randomized(seed=4).class_weights("relu2") - weights).max() > 0.01
        np.testing.assert_equal(self.state(network), before)

    def test_a_layer_is_random_with_all_that_is_inside_it(self) -> None:
        network = self.shared(NESTED)
        copy = network.randomized(["base"])
        np.testing.assert_array_equal(
            copy.class_weights(network.default_layer), network.class_weights(network.default_layer)
        )
        here, there = (
            one.activations(IMAGES, [network.default_layer])[network.default_layer]
            for one in (network, copy)
        )
        assert np.abs(here - there).max() > 0.1

    def test_threads_share_a_model(self) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        names = ["conv1", "relu1", "conv2", "relu2"] * 2
        expected = {name: chosen(gradients(PLAIN, IMAGES, name), ONE_EACH) for name in names[:4]}
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(
                    lambda name: network.activations_and_gradients(IMAGES, [name], ONE_EACH), names
                )
            )
        for name, capture in zip(names, found, strict=True):
            near(capture.gradients[name], expected[name])
        np.testing.assert_equal(self.state(network), before)

    # Other precisions

    def test_bfloat16_is_answered_in_float32_and_is_close(self, units: None) -> None:
        network = self.build(SOFTMAX)
        narrow = network.computing(BFLOAT16)
        exact = network.activations_and_gradients(IMAGES, ["relu1", INPUT], TWO_EACH)
        found = narrow.activations_and_gradients(IMAGES, ["relu1", INPUT], TWO_EACH)
        off = 0.0
        for name in ("relu1", INPUT):
            alike(found.gradients[name], exact.gradients[name])
            alike(found.activations[name], exact.activations[name])
            off += float(np.abs(found.gradients[name] - exact.gradients[name]).max())
        assert off > 1e-4  # it was not float32 after all
        alike(found.scores, exact.scores)
        alike(narrow.scores(IMAGES), exact.scores)
        assert narrow.head == network.head
        assert [one.name for one in narrow.layers] == [one.name for one in network.layers]

    def test_the_last_linear_layer_does_not_round_the_scores(self, units: None) -> None:
        narrow = self.build(SOFTMAX).computing(BFLOAT16)
        found = narrow.scores(IMAGES)
        cut = (found.view(np.uint32) & 0xFFFF0000).view(np.float32)
        assert (found != cut).any()

    def test_every_verb_answers_in_bfloat16(self, units: None) -> None:
        network = self.build(SOFTMAX)
        narrow = network.computing(BFLOAT16)
        unit = Units("relu2", np.array([0, 1, 2]))
        maps = some(2, HEIGHT, WIDTH, 3, seed=47)
        for ask in (
            lambda one: one.activations(IMAGES, ["relu2"])["relu2"],
            lambda one: one.input_gradients(IMAGES, unit).gradients[INPUT],
            lambda one: one.input_gradients(IMAGES, Top(1), output="probability").values,
            lambda one: one.scores_from(IMAGES[:1], "relu2", maps),
        ):
            alike(ask(narrow), ask(network))
        guided = (
            one.input_gradients(IMAGES, ONE_EACH, guided=True).gradients[INPUT]
            for one in (narrow, network)
        )
        alike(*guided, within=0.3)  # a gradient about 0 may change its sign, and is then cut

    def test_bfloat16_leaves_the_model_as_it_was_found(self, units: None) -> None:
        network = self.build(SOFTMAX)
        before = self.state(network)
        narrow = network.computing(BFLOAT16)
        narrow.scores(IMAGES)
        narrow.input_gradients(IMAGES, ONE_EACH, guided=True)
        with pytest.raises(ZeroDivisionError) as caught:
            narrow.activations_and_gradients(IMAGES, ["relu1"], _fail)
        assert str(caught.value) == "the user's own"
        np.testing.assert_equal(self.state(network), before)
        near(network.scores(IMAGES), scores(PLAIN, IMAGES))

    def test_threads_compute_in_both_precisions_at_once(self, units: None) -> None:
        network = self.build(SOFTMAX)
        narrow = network.computing(BFLOAT16)
        before = self.state(network)
        rounded = narrow.activations_and_gradients(IMAGES, ["relu1"], ONE_EACH)
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(
                    lambda one: one.activations_and_gradients(IMAGES, ["relu1"], ONE_EACH),
                    [network, narrow] * 4,
                )
            )
        exact = chosen(gradients(PLAIN, IMAGES, "relu1"), ONE_EACH)
        for one in found[::2]:
            near(one.gradients["relu1"], exact)
        for one in found[1::2]:
            near(one.gradients["relu1"], rounded.gradients["relu1"])
        np.testing.assert_equal(self.state(network), before)

    def test_without_bfloat16_units_the_machine_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(execution, "processor_has_units", lambda: False)
        with pytest.raises(ModelError) as caught:
            self.build(SOFTMAX).computing(BFLOAT16)
        assert str(caught.value) == (
            "This processor has no bfloat16 units (AMX, AVX512_BF16 or ARM's BF16), so bfloat16 "
            "would not be faster."
        )

    @pytest.fixture
    def units(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Compute in bfloat16 on a processor without units too."""
        monkeypatch.setattr(execution, "processor_has_units", lambda: True)


def _fail(output: Any) -> Any:
    raise ZeroDivisionError("the user's own")
