"""Transforms of torchvision and timm are applied to the photo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from seewhy.errors import OptionError
from seewhy.photos.fitting import Fit
from seewhy.photos.photo import Photo
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
import timm.data  # noqa: E402
import torchvision  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

PHOTO = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


def given_by(transform: Any, **settings: Any) -> Any:
    """Return what a network gets of the photo, channels last."""
    classifier = seewhy.Classifier(network(), preprocess=transform, **{"size": 64, **settings})
    return classifier.prepare([Photo(PHOTO)])[0][0]


NORMALIZE = transforms.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    "transform",
    [
        transforms.Compose(
            [transforms.Resize(72), transforms.CenterCrop(64), transforms.ToTensor(), NORMALIZE]
        ),
        transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()]),
        v2.Compose(
            [
                v2.ToImage(),
                v2.Resize(80, antialias=True),
                v2.CenterCrop(64),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
            ]
        ),
        transforms.Compose(
            [
                transforms.Resize(64),
                transforms.CenterCrop(64),
                transforms.Grayscale(3),
                transforms.ToTensor(),
                transforms.Lambda(lambda tensor: tensor * 2 - 1),
            ]
        ),
        timm.data.create_transform((3, 64, 64), crop_pct=0.875, interpolation="bicubic"),
    ],
    ids=["compose", "stretch", "v2", "own step", "timm"],
)
def test_the_network_gets_what_the_transform_returns(transform: Any) -> None:
    expected = np.moveaxis(np.asarray(transform(Image.fromarray(PHOTO))), 0, -1)
    difference = np.abs(given_by(transform) - expected)
    # torchvision's tensors are resized in floats, Pillow's photos in whole numbers.
    assert difference.max() <= (0.011 if isinstance(transform, v2.Compose) else 1e-5)


def test_the_transforms_of_torchvisions_weights_are_a_fit_and_a_normalization() -> None:
    transform = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    classifier = seewhy.Classifier(network(), preprocess=transform)
    assert classifier.preprocess == "torch"
    assert classifier.fit == Fit(size=(224, 224), mode="crop", resize=256)
    expected = np.moveaxis(transform(Image.fromarray(PHOTO)).numpy(), 0, -1)
    found = classifier.prepare([Photo(PHOTO)])[0][0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_normalization_alone_follows_a_scaling_to_one() -> None:
    expected = (given_by("unit") - (0.1, 0.2, 0.3)) / (0.4, 0.5, 0.6)
    np.testing.assert_allclose(given_by(NORMALIZE), expected, atol=1e-5)


def test_transforms_for_training_and_of_another_size_are_refused() -> None:
    with pytest.raises(OptionError) as caught:
        given_by(transforms.Compose([transforms.RandomResizedCrop(64), transforms.ToTensor()]))
    assert str(caught.value) == (
        "The transform has the step RandomResizedCrop, which differs each time: it is made for "
        "training. Give the transform for evaluation, or 'torch', 'tf' or 'unit'."
    )
    with pytest.raises(OptionError) as caught:
        given_by(transforms.Compose([transforms.CenterCrop(48), transforms.ToTensor()]))
    assert str(caught.value) == (
        "The transform makes photos of 48×48 pixels, and the input size is 64×64. Give a size or a "
        "transform that fits, or fit='stretch'."
    )
    step = transforms.Lambda(lambda tensor: tensor.missing)
    with pytest.raises(OptionError, match=r"^The transform cannot be applied to a photo: "):
        given_by(transforms.Compose([step, transforms.ToTensor()]))
