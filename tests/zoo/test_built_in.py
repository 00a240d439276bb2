"""The network that comes with seewhy: small, bare, the same on every backend, right about a cat."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.resources import files

import numpy as np
import pytest
import skimage

import seewhy
from seewhy.classifier import Classifier
from seewhy.commands.arguments import BUILT_IN_KNOWS
from seewhy.photos.reading import read_photo
from tests.places import DATA, DOCS, ROOT

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

FILE = files("seewhy").joinpath("data/built_in.keras")
LABELS = (
    "ape", "bear", "butterfly", "cat", "cheetah", "cow", "deer", "dog", "elephant", "giraffe",
    "horse", "leopard", "lion", "monkey", "panda", "puma", "snow leopard", "tiger", "zebra",
)  # fmt: skip
SIZE = (160, 160)
LARGEST = 5 * 10**6
"""What is shipped. Nothing else in the tests depends on which network that is."""

EYES_AND_NOSE = (slice(60, 290), slice(60, 400))
"""Rows and columns of the cat's face in scikit-image's photo of it."""

Maps = np.ndarray


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return seewhy.load("built-in")


def stored_layers() -> dict[str, tuple[list[np.ndarray], dict[str, object]]]:
    """Return each layer's weights and settings, read from the archive without Keras.

    Keras stores weights by class and number, in the order in which the layers of that class stand
    in the configuration.
    """
    import h5py

    with zipfile.ZipFile(io.BytesIO(FILE.read_bytes())) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
        stored = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    kinds = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}
    seen = dict.fromkeys(kinds, 0)
    found = {}
    for layer in layers:
        kind, settings = layer["class_name"], layer["config"]
        if kind in kinds:
            group = f"layers/{kinds[kind]}" + (f"_{seen[kind]}" if seen[kind] else "")
            values = stored[group]["vars"]
            seen[kind] += 1
            found[settings["name"]] = ([values[key][()] for key in sorted(values)], settings)
    return found


def convolve(maps: Maps, kernel: np.ndarray, stride: int) -> Maps:
    """'same' convolution as a sum over the kernel's places, in float64."""
    rows, columns = (-(-side // stride) for side in maps.shape[1:3])
    size = kernel.shape[0]
    pads = []
    for count, side in ((rows, maps.shape[1]), (columns, maps.shape[2])):
        total = max((count - 1) * stride + size - side, 0)
        pads.append((total // 2, total - total // 2))
    maps = np.pad(maps, ((0, 0), *pads, (0, 0)))
    out = np.zeros((len(maps), rows, columns, kernel.shape[3]))
    for row in range(size):
        for column in range(size):
            part = maps[:, row : row + rows * stride : stride, column : column + columns * stride]
            out += part[:, :rows, ::stride][:, :, :columns] @ kernel[row, column]
    return out


def half_colour(photos: np.ndarray) -> np.ndarray:
    """Smooth colour, not brightness, by 1, 4, 6, 4, 1 in both directions; no colour outside."""
    grey = (photos @ (0.299, 0.587, 0.114))[..., None]
    colour, smooth = np.pad(photos - grey, ((0, 0), (2, 2), (2, 2), (0, 0))), 0.0
    height, width = photos.shape[1:3]
    for row, column in np.ndindex(5, 5):
        share = (1, 4, 6, 4, 1)[row] * (1, 4, 6, 4, 1)[column] / 256
        smooth = smooth + share * colour[:, row : row + height, column : column + width]
    return grey + smooth


def by_numpy(photos: np.ndarray) -> np.ndarray:
    """The network's probabilities by numpy alone, from its description in docs/training.md."""
    layers = stored_layers()

    def normalized(maps: Maps, name: str, stride: int = 1) -> Maps:
        maps = convolve(maps, layers[f"{name}_conv"][0][0].astype(np.float64), stride)
        (scale, shift, mean, variance), settings = layers[f"{name}_norm"]
        return (maps - mean) / np.sqrt(variance + settings["epsilon"]) * scale + shift

    def relu(maps: Maps) -> Maps:
        return np.maximum(maps, 0)

    maps = relu(normalized(half_colour(photos) / 127.5 - 1, "stem", 2))
    for number, stride in enumerate((2, 2, 1, 2, 1), 1):
        name = f"block{number}"
        inner = normalized(relu(normalized(maps, f"{name}_1", stride)), f"{name}_2")
        if stride == 2:
            count, height, width, channels = maps.shape
            halves = maps.reshape(count, height // 2, 2, width // 2, 2, channels)
            maps = normalized(halves.mean(axis=(2, 4)), f"{name}_short")
        maps = relu(inner + maps)
    maps = relu(normalized(maps, "last"))
    kernel, bias = layers["classes"][0]
    scores = maps.mean(axis=(1, 2)) @ kernel + bias
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_it_is_small_and_carries_no_state_of_an_optimizer(classifier: Classifier) -> None:
    assert len(FILE.read_bytes()) <= LARGEST
    with zipfile.ZipFile(io.BytesIO(FILE.read_bytes())) as archive:
        assert not json.loads(archive.read("config.json"))["compile_config"]
        assert b"optimizer" not in archive.read("model.weights.h5")
    assert (classifier.labels, classifier.size) == (LABELS, SIZE)


def test_help_and_docs_say_what_it_knows(classifier: Classifier) -> None:
    assert f"{len(classifier.labels)} animals" == BUILT_IN_KNOWS
    assert f"the built-in network: {BUILT_IN_KNOWS}\n" in (ROOT / "README.md").read_text("utf-8")
    assert f"comes with seewhy: {BUILT_IN_KNOWS} (" in (DOCS / "models.md").read_text("utf-8")
    *most, last = classifier.labels
    listed = f"{len(LABELS)} animals: {', '.join(most)} and {last}."
    assert listed in " ".join((DOCS / "training.md").read_text("utf-8").split())


def test_a_name_of_two_words_is_found_in_any_spelling(classifier: Classifier) -> None:
    for name in ("snow leopard", "snow_leopard", "Snow-Leopard"):
        assert classifier.label(classifier.class_index(name)) == "snow leopard"


def test_the_cat_is_a_cat_and_cam_says_where(classifier: Classifier) -> None:
    explanation = seewhy.explain(classifier, skimage.data.chelsea())
    assert explanation.predictions[0][0].label == "cat"
    assert (explanation.method, explanation.layer) == ("cam", "last_map")
    heat = explanation.heatmap()
    row, column = np.unravel_index(int(np.nanargmax(heat)), heat.shape)
    assert row in range(300)[EYES_AND_NOSE[0]]
    assert column in range(451)[EYES_AND_NOSE[1]]


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="the photos are not here")
def test_animals_of_other_photos_are_among_its_best_three(classifier: Classifier) -> None:
    shown = {
        "n02099601_golden_retriever": "dog",
        "n02108089_boxer": "dog",
        "n02123045_tabby": "cat",
        "n02124075_Egyptian_cat": "cat",
        "n02132136_brown_bear": "bear",
        "n02279972_monarch": "butterfly",
        "n02391049_zebra": "zebra",
        "n02504458_African_elephant": "elephant",
        "n02510455_giant_panda": "panda",
    }
    photos = [read_photo(DATA / "photos" / f"{name}.jpg") for name in shown]
    scores = classifier.network.scores(classifier.prepare(photos)[0])
    best = [[classifier.labels[index] for index in row.argsort()[:-4:-1]] for row in scores]
    found = [name in three for name, three in zip(shown.values(), best, strict=True)]
    assert sum(found) >= len(found) - 2, best


def test_cam_is_grad_cam_but_for_a_factor(classifier: Classifier) -> None:
    cam, grad_cam = (
        seewhy.explain(classifier, skimage.data.chelsea(), classes=["cat"], method=name)
        for name in ("cam", "grad-cam")
    )
    # Pooling is a mean over all places: Grad-CAM's weights are CAM's divided by their number; and
    # Grad-CAM drops what speaks against the class (its equation 2), which CAM's equation 2 keeps.
    rows, columns = cam.maps.shape[2:]
    assert (rows, columns) == (SIZE[0] // 16, SIZE[1] // 16)
    np.testing.assert_allclose(np.maximum(cam.maps, 0), rows * columns * grad_cam.maps, atol=1e-3)
    assert cam.peak_at() == grad_cam.peak_at()


@pytest.mark.backends
@pytest.mark.parametrize("model", ["built-in", str(FILE)], ids=["numpy", "Keras"])
def test_numpy_and_every_backend_compute_the_formulas(model: str) -> None:
    classifier = seewhy.load(model)
    photos = [read_photo(one) for one in (skimage.data.chelsea(), skimage.data.astronaut())]
    inputs, _ = classifier.prepare(photos)
    scores = classifier.network.scores(inputs)
    found = classifier.probabilities(scores)
    np.testing.assert_allclose(found, by_numpy(inputs.astype(np.float64)), atol=1e-4)
