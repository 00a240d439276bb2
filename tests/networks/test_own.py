"""A network object of the user's own: it does what it can, and says what it cannot."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.errors import LayerError, ModelError, NotACamNetwork, UnknownLayer
from seewhy.networks import adapt
from seewhy.networks.base import SCORES, Layer, Network, Top
from seewhy.networks.execution import Execution

IMAGES = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype(np.float32)
PHOTO = (255 * IMAGES[0]).astype(np.uint8)


class Means:
    """Scores are the means of red, green and blue; no class of seewhy's is inherited."""

    name = "means"
    input_shape = (8, 8, 3)
    layers = (Layer("pixels", "Means", (8, 8, 3)),)
    default_layer = "pixels"
    head = "softmax"
    classes = 3

    def scores(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2))

    def activations(self, images: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
        known = {"pixels": images, SCORES: self.scores(images)}
        return {name: known[name] for name in layers}


class WithWeights(Means):
    def class_weights(self, layer: str) -> np.ndarray:
        return np.eye(3, dtype=np.float32)


def test_an_object_with_two_verbs_is_explained_by_methods_that_need_no_more() -> None:
    own = seewhy.Classifier(Means(), preprocess="unit", labels=["red", "green", "blue"])
    assert isinstance(own.network, Network)
    found = seewhy.explain(
        own, PHOTO, method="occlusion", patch=8, stride=8, fill="black", classes=["green"]
    )
    expected = own.to_input(PHOTO[None])[0, ..., 1].mean()
    np.testing.assert_allclose(found.maps[0, 0], np.full((8, 8), expected), rtol=1e-5)


def test_a_verb_that_the_object_has_is_its_own() -> None:
    own = seewhy.Classifier(WithWeights(), preprocess="unit", labels=["red", "green", "blue"])
    found = seewhy.explain(own, PHOTO, method="cam", classes=["blue"])
    np.testing.assert_allclose(found.maps[0, 0], own.to_input(PHOTO[None])[0, ..., 2], rtol=1e-5)


REFUSALS: tuple[tuple[Callable[[Network], Any], type[Exception], str], ...] = (
    (
        lambda network: network.activations_and_gradients(IMAGES, ["pixels"], Top(1)),
        ModelError,
        "'means' has no gradients at its layers: it does not implement "
        "'activations_and_gradients'.",
    ),
    (
        lambda network: network.input_gradients(IMAGES, Top(1)),
        ModelError,
        "'means' has no gradients by its input: it does not implement 'input_gradients'.",
    ),
    (
        lambda network: network.scores_from(IMAGES[:1], "pixels", IMAGES),
        ModelError,
        "'means' cannot run from a layer on: it does not implement 'scores_from'.",
    ),
    (
        lambda network: network.class_weights("pixels"),
        NotACamNetwork,
        "'means' has no weights for CAM: it does not implement 'class_weights'.",
    ),
    (
        lambda network: network.filters("pixels"),
        LayerError,
        "'means' has no filters to show: it does not implement 'filters'.",
    ),
    (
        lambda network: network.randomized(),
        ModelError,
        "'means' cannot be copied with random weights: it does not implement 'randomized'.",
    ),
    (
        lambda network: network.engine((8, 8)),
        ModelError,
        "'means' has no layers that windows can be re-run in: it does not implement 'engine'.",
    ),
    (
        lambda network: network.computing(Execution("bfloat16")),
        ModelError,
        "A network of your own computes in its own precision.",
    ),
    (
        lambda network: network.layer_name("pixel"),
        UnknownLayer,
        "'means' has no layer 'pixel'. The nearest: 'pixels'.",
    ),
)


@pytest.mark.parametrize(
    ("ask", "kind", "message"), REFUSALS, ids=[one[2][:40] for one in REFUSALS]
)
def test_what_it_lacks_is_refused_in_one_sentence(
    ask: Callable[[Network], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(adapt(Means(), name="means"))
    assert str(caught.value) == message


def test_what_it_does_not_tell_is_answered_by_nothing() -> None:
    network = adapt(Means(), name="means")
    assert (network.framework, network.is_current) == ("unknown", True)
    assert not list(network.weight_arrays())
    assert network.layers_with_weights() == []
    assert network.remembered() == {}
    assert network.first_input(IMAGES, ["pixels"]) is None
    assert network.published() is None
    own = seewhy.Classifier(Means(), preprocess="unit")
    assert own.session.weights_sha256() is None


def test_an_object_without_a_fact_is_told_which() -> None:
    class Bare:
        name = "bare"
        scores = Means.scores
        activations = Means.activations

    with pytest.raises(ModelError) as caught:
        seewhy.Classifier(Bare())
    assert str(caught.value) == (
        "A Bare computes scores and activations, but does not tell its input_shape, layers, "
        "default_layer, head, classes. Add what `seewhy.networks.base.Network` describes."
    )


def test_a_network_stays_itself_and_an_object_survives_pickling() -> None:
    network = adapt(WithWeights(), name="means")
    assert adapt(network, name="again") is network
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.scores(IMAGES), network.scores(IMAGES))
    np.testing.assert_array_equal(again.class_weights("pixels"), np.eye(3))
