"""A DataLoader's tensors are explained as the photos that they were made of."""

from __future__ import annotations

import numpy as np
import pytest

import seewhy
from seewhy.errors import OptionError, SeewhyWarning

torch = pytest.importorskip("torch")

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    )


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), np.uint8)


def tensors() -> torch.Tensor:
    """Prepared as torchvision does."""
    return torch.from_numpy(((pixels() / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2).copy())


def test_a_known_preprocessing_is_undone_and_the_maps_are_those_of_the_photos() -> None:
    classifier = seewhy.Classifier(network(), size=(12, 16), preprocess="torch")
    labels = torch.tensor([0, 1])
    found = seewhy.explain(classifier, [tensors(), labels], input_is_preprocessed=True, top=2)
    expected = seewhy.explain(classifier, list(pixels()), top=2)
    for row, photo in zip(pixels(), found.photos, strict=True):
        np.testing.assert_array_equal(photo.pixels, row)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-6)
    single = seewhy.explain(classifier, list(tensors()), input_is_preprocessed=True, top=2)
    np.testing.assert_array_equal(single.maps, found.maps)


def test_an_unknown_one_is_said_and_the_network_sees_the_tensors_to_half_a_level() -> None:
    model = network()
    classifier = seewhy.Classifier(model, size=(12, 16))
    with pytest.warns(SeewhyWarning, match="each channel from its smallest value to its largest"):
        found = seewhy.explain(classifier, tensors(), input_is_preprocessed=True, classes=[0, 1, 2])
    with torch.no_grad():
        scores = model(tensors().float()).numpy()
    np.testing.assert_allclose([[t.score for t in row] for row in found.targets], scores, atol=0.01)
    shown = found.photos[0].pixels
    assert (shown.min(), shown.max()) == (0, 255)


def test_tensors_of_another_preprocessing_or_size_are_refused() -> None:
    classifier = seewhy.Classifier(network(), size=(12, 16), preprocess="unit")
    with pytest.raises(OptionError, match=r"^These tensors are not what the classifier's prep"):
        seewhy.explain(classifier, tensors(), input_is_preprocessed=True)
    with pytest.raises(OptionError) as error:
        seewhy.explain(classifier, tensors()[:, :, :9], input_is_preprocessed=True)
    assert str(error.value) == (
        "The tensors have the shape (2, 3, 9, 16), and 'Sequential' takes (photos, 3, 12, 16). "
        "Give a batch of that shape, or photos without input_is_preprocessed."
    )
