"""Networks that numpy computes give Keras's own numbers, and are Keras's where they lack a verb."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import skimage.data
from keras import layers

import seewhy
from seewhy.classifier.fingerprint import network_fingerprint
from seewhy.errors import LayerError, ModelError
from seewhy.networks import adapt
from seewhy.networks.base import INPUT, SCORES, Network, Top
from seewhy.networks.plain.kernels import ONE_EACH, NumpyKernels, _blas
from seewhy.networks.plain.network import PlainNetwork
from seewhy.networks.plain.reading import UnknownKind
from seewhy.photos.reading import read_photo
from seewhy.zoo.keras_files import load_keras_file
from seewhy.zoo.plain import load_plain

FILE = Path(str(files("seewhy").joinpath("data/built_in.keras")))


def random_network() -> keras.Model:
    """Return a small network with random weights, statistics of normalizations too."""
    photo = keras.Input((10, 7, 3), name="photo")
    maps = layers.Rescaling(0.5, offset=-1.0, name="scale")(photo)
    halves = layers.AveragePooling2D(2, padding="same", name="halves")(maps)
    doubled = layers.UpSampling2D(2, name="doubled")(halves)
    doubled = layers.Conv2D(4, 3, strides=(2, 3), padding="same", name="coarse")(doubled)
    maps = layers.Conv2D(4, (3, 2), strides=(2, 3), padding="same", use_bias=False, name="fine")(
        maps
    )
    maps = layers.BatchNormalization(name="norm")(maps)
    maps = layers.ReLU(name="relu")(layers.Add(name="sum")([maps, doubled]))
    pooled = layers.GlobalAveragePooling2D(name="pooling")(maps)
    model = keras.Model(photo, layers.Dense(3, activation="softmax", name="classes")(pooled))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.2, 1, one.shape) for one in model.get_weights()])
    return model


@pytest.fixture(scope="module", params=["the built-in network", "every kind of layer"])
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[PlainNetwork, Network]:
    """Return a network on numpy, and the same one on Keras."""
    path = FILE
    if request.param != "the built-in network":
        path = tmp_path_factory.mktemp("plain") / "small.keras"
        random_network().save(path)
    return load_plain(path, name="net"), adapt(load_keras_file(path), name="net")


@pytest.fixture(scope="module")
def images(pair: tuple[PlainNetwork, Network]) -> np.ndarray:
    size = pair[0].image_size
    photo = read_photo(skimage.data.chelsea()).pixels[: size[0], : size[1]]
    noise = np.random.default_rng(1).uniform(0, 255, (2, *size, 3))
    return np.concatenate([photo[None], noise]).astype(np.float32)


def near(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()


def test_every_layer_and_the_scores_are_keras_s(pair: Any, images: np.ndarray) -> None:
    plain, on_keras = pair
    names = [one.name for one in plain.layers]
    assert sorted(names) == sorted(one.name for one in on_keras.layers)
    given = plain.activations(images, [*names, SCORES])
    for name, expected in on_keras.activations(images, [*names, SCORES]).items():
        near(given[name], expected)
    near(plain.scores(images), given[SCORES])
    last = plain.default_layer  # by a graph that is folded up to it
    near(plain.activations(images, [last, SCORES])[last], given[last])


def test_its_facts_are_keras_s(pair: Any) -> None:
    plain, on_keras = pair
    for fact in ("input_shape", "default_layer", "head", "classes", "output_shape"):
        assert getattr(plain, fact) == getattr(on_keras, fact), fact
    assert set(plain.layers) == set(on_keras.layers)
    assert sorted(plain.layers_with_weights()) == sorted(on_keras.layers_with_weights())
    for name, moments in on_keras.remembered().items():
        near(plain.remembered()[name].variance, moments.variance)
    near(plain.class_weights(plain.default_layer), on_keras.class_weights(plain.default_layer))
    name = next(one.name for one in plain.layers if one.kind == "Conv2D")
    near(plain.filters(name)[0].weights, on_keras.filters(name)[0].weights)
    with pytest.raises(LayerError, match="has no kernels to show"):
        plain.filters("pooling")


def test_scores_from_replaced_activations_are_keras_s(pair: Any, images: np.ndarray) -> None:
    plain, on_keras = pair
    for name in (plain.default_layer, plain.layers[2].name):
        shape = plain._shape(name)
        maps = np.random.default_rng(2).uniform(0, 2, (4, *shape)).astype(np.float32)
        given, expected = (one.scores_from(images[:1], name, maps) for one in (plain, on_keras))
        near(given, expected)
    near(plain.scores_from(images[:1], INPUT, images), plain.scores(images))


def test_a_sweep_gives_the_scores_of_every_covered_photo(pair: Any, images: np.ndarray) -> None:
    plain, _ = pair
    height, width = plain.image_size
    windows = np.array([[0, 0, 2, 3], [3, 2, 6, 5], [width - 2, height - 2, width, height]])
    filled = np.full_like(images[0], 100.0)
    copies = np.repeat(images[1][None], len(windows), axis=0)
    for copy, (left, top, right, bottom) in zip(copies, windows, strict=True):
        copy[top:bottom, left:right] = 100.0
    near(plain.engine((height, width)).sweep(images[1], windows, filled), plain.scores(copies))


def test_what_needs_gradients_is_done_by_keras(pair: Any, images: np.ndarray) -> None:
    plain, on_keras = pair
    assert plain.has_gradients
    given, expected = (
        one.activations_and_gradients(images, [plain.default_layer], Top(2)) for one in pair
    )
    near(given.gradients[plain.default_layer], expected.gradients[plain.default_layer])
    plain.randomized(seed=1)
    near(plain.scores(images), on_keras.scores(images))


def test_without_keras_gradients_are_refused_with_the_extra(monkeypatch: Any) -> None:
    monkeypatch.setattr("seewhy.zoo.backend._is_installed", lambda name: False)
    monkeypatch.delitem(sys.modules, "keras")
    classifier = seewhy.load("built-in")
    assert not classifier.network.has_gradients
    with pytest.raises(seewhy.errors.MissingFramework) as error:
        seewhy.explain(classifier, skimage.data.chelsea(), method="grad-cam")
    assert str(error.value) == (
        "NumPy runs 'built-in', but has no gradients of it: use a method without them, such as "
        "cam or occlusion. Keras is needed here, and is not installed. Install it: "
        "pip install 'seewhy[tensorflow]'"
    )
    with pytest.warns(seewhy.SeewhyWarning, match="^NumPy runs 'built-in', but not in another"):
        seewhy.explain(classifier, skimage.data.chelsea(), precision="bfloat16")
    with pytest.raises(seewhy.errors.ModelError, match="but not with random weights"):
        classifier.network.randomized()


def test_runs_of_the_built_in_network_can_be_resumed_on_either() -> None:
    plain, on_keras = seewhy.load("built-in"), seewhy.load(FILE)
    one, other = network_fingerprint(plain), network_fingerprint(on_keras)
    assert one.weights == other.weights
    assert not one.differences(other) or one.scores == ()


def test_other_networks_are_not_read(tmp_path: Path) -> None:
    photo = keras.Input((8, 8, 3))
    maps = layers.Conv2D(2, 3, activation="elu", name="elu")(photo)
    pooled = layers.GlobalAveragePooling2D()(maps)
    keras.Model(photo, layers.Dense(2, activation="softmax")(pooled)).save(tmp_path / "a.keras")
    with pytest.raises(UnknownKind, match="'elu' has activation='elu'"):
        load_plain(tmp_path / "a.keras", name="a")
    (tmp_path / "b.keras").write_bytes(FILE.read_bytes()[:9000])
    with pytest.raises(ModelError, match="is damaged"):
        load_plain(tmp_path / "b.keras", name="b")


def test_numpy_has_its_threads_back() -> None:
    def counts() -> list[int]:
        return [one["num_threads"] for one in _blas().info() if one["user_api"] == "blas"]

    before = counts()
    with ONE_EACH:
        with ONE_EACH:
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert counts() == before


def test_numpy_has_no_bfloat16() -> None:
    with pytest.raises(ModelError, match="numpy computes in float32, and has no bfloat16"):
        NumpyKernels((), precision="bfloat16")
