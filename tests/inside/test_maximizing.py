"""Climbing on the input, where the top is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import OptionError, SeewhyWarning, TargetError, UnknownClass
from seewhy.inside import maximize_activation, photo_values
from tests.inside.made_networks import linear, stack

KERNELS = np.random.default_rng(5).normal(size=(6, 8, 3, 2)).astype(np.float32)
KERNELS.flags.writeable = False

NO_FILTER = "The layer 'conv' has no filter {}. Choose one of its 2 filters: 0 to 1."


def moved(**settings: float) -> np.ndarray:
    """What one step of the plain way adds to the image."""
    one, two = (
        maximize_activation(
            linear(KERNELS), filters=[0], parameterization="pixels", steps=steps, **settings
        )
        for steps in (1, 2)
    )
    return (two.images.astype(float) - one.images)[0] / 255


def test_a_plain_step_goes_along_the_kernel_by_the_rate() -> None:
    expected = 0.1 * KERNELS[..., 0] / np.sqrt(np.mean(KERNELS[..., 0] ** 2))
    inside = np.abs(expected) < 0.15  # the others may meet black or white
    np.testing.assert_allclose(moved(rate=0.1)[inside], expected[inside], atol=1.01 / 255)


def test_the_image_of_a_linear_filter_is_its_kernel_at_the_ends_of_the_range() -> None:
    kernels = np.where(KERNELS > 0, 1, -1).astype(np.float32)
    found = maximize_activation(
        linear(kernels), filters=[0, 1], parameterization="pixels", steps=12, rate=0.1
    )
    np.testing.assert_array_equal(found.images, 255 * (np.moveaxis(KERNELS, 3, 0) > 0))
    np.testing.assert_allclose(found.values, (KERNELS > 0).sum(axis=(0, 1, 2)), rtol=1e-5)
    assert found.history.shape == (12, 2)
    assert found.names == ("conv filter 0", "conv filter 1")


def test_the_spectrum_climbs_to_the_same_image() -> None:
    stripes = np.sin(2 * np.pi * (np.arange(8) + 0.5) / 8)
    kernels = np.broadcast_to(stripes[:, None, None], (8, 8, 3, 1)).astype(np.float32)
    found = maximize_activation(linear(kernels), filters=[0], steps=150, rate=0.2, transforms=False)
    assert 0.8 < found.values[0] / np.maximum(kernels, 0).sum() <= 1
    assert ((found.images[0] > 127) == (kernels[..., 0] > 0)).mean() > 0.9


def test_a_class_is_climbed_as_a_filter_is() -> None:
    settings = {"steps": 3, "transforms": False, "seed": 2}
    by_filter = maximize_activation(linear(KERNELS), filters=[1], **settings)
    by_class = maximize_activation(linear(KERNELS), classes=["class 1"], **settings)
    np.testing.assert_array_equal(by_class.images, by_filter.images)
    assert by_class.names == ("class 1",)


@pytest.mark.parametrize("parameterization", ["fourier", "pixels"])
def test_the_seed_decides_all(parameterization: str) -> None:
    again = [
        maximize_activation(
            linear(KERNELS), filters=[0], parameterization=parameterization, steps=5, seed=seed
        ).images
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(again[0], again[1])
    assert (again[0] != again[2]).any()


@pytest.mark.parametrize("preprocess", ["unit", "tf", "torch", "caffe", "none"])
def test_images_come_in_the_networks_own_range_and_go_back_to_colours(preprocess: str) -> None:
    red = np.zeros((4, 4, 3, 1), np.float32)
    red[:, :, 2 if preprocess == "caffe" else 0] = 1
    classifier = linear(red, preprocess=preprocess)
    found = maximize_activation(
        classifier, filters=[0], parameterization="pixels", steps=60, rate=0.1
    )
    assert (found.images[0, :, :, 0] == 255).all()
    assert np.abs(found.images[0, :, :, 1:].astype(int) - 128).max() <= 26
    photo = found.images[0]
    value = photo_values(classifier, photo, filters=[0])[0, 0]
    assert value == pytest.approx(found.values[0], rel=0.01)


def test_grey_networks_get_grey_images() -> None:
    found = maximize_activation(linear(KERNELS[:, :, :1]), filters=[0], steps=3)
    assert (found.images == found.images[..., :1]).all()


def test_total_variation_and_blur_smooth() -> None:
    def roughness(**settings: float) -> float:
        found = maximize_activation(
            linear(KERNELS), filters=[0], parameterization="pixels", steps=20, **settings
        )
        return float(np.abs(np.diff(found.images.astype(float), axis=1)).mean())

    assert roughness(total_variation=0.8) < 0.8 * roughness()
    assert roughness(blur=0.7) < 0.8 * roughness()


def test_progress_counts_steps() -> None:
    seen = []
    maximize_activation(
        linear(KERNELS), filters=[0], steps=3, progress=lambda *now: seen.append(now)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_filter_without_gradient_is_warned_of() -> None:
    kernels = KERNELS * np.array([1, 0], np.float32)
    with pytest.warns(SeewhyWarning) as caught:
        maximize_activation(linear(kernels), filters=[0, 1], steps=2)
    assert str(caught[0].message) == (
        "The gradient of conv filter 1 is 0 at the initial noise, so no image was found. "
        "Try another seed, or the layer before its ReLU."
    )


def test_values_of_photos_are_means_over_the_map_or_scores() -> None:
    classifier = stack()
    photos = [np.full((23, 31, 3), grey, np.uint8) for grey in (0, 255)]
    images = np.stack(photos).astype(np.float32) / 255
    maps = classifier.network.activations(images, ["second"])["second"]
    expected = maps.mean(axis=(1, 2))[:, [3, 0]]
    found = photo_values(classifier, photos, layer="second", filters=[3, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = photo_values(classifier, photos, classes=[3, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Give either filters of a layer or classes, and not both."),
        (
            {"filters": [0], "classes": [0]},
            "Give either filters of a layer or classes, and not both.",
        ),
        (
            {"layer": "conv", "classes": [0]},
            "A layer has filters, not classes. Leave layer or classes out.",
        ),
        (
            {"filters": [10**20]},
            "filter=100000000000000000000 is not valid. Give a whole number, at most "
            "1,000,000,000.",
        ),
        ({"filters": []}, "filters=[] is empty. Name at least one filter."),
        ({"filters": [2]}, NO_FILTER.format(2)),
        ({"filters": [-1]}, NO_FILTER.format(-1)),
        (
            {"filters": [0], "parameterization": "walk"},
            "parameterization='walk' is not valid. Give one of fourier, pixels.",
        ),
        ({"filters": [0], "steps": 0}, "steps=0 is not valid. Give a whole number, 1 or more."),
        (
            {"filters": [0], "rate": 0.0},
            "rate=0.0 is not valid. Give a number, above 0.",
        ),
        (
            {"filters": [0], "total_variation": -1.0},
            "total_variation=-1.0 is not valid. Give a number, 0 or more.",
        ),
        (
            {"filters": [0], "blur": 1.0},
            "blur is an option of parameterization='pixels'. Leave it out, or choose 'pixels'.",
        ),
    ],
)
def test_what_cannot_be_climbed_is_said(settings: dict, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        maximize_activation(linear(KERNELS), **settings)
    assert str(caught.value) == message


def test_classes_that_are_not_there_are_said() -> None:
    with pytest.raises(UnknownClass):
        maximize_activation(linear(KERNELS), classes=["panda"])
    with pytest.raises(TargetError) as caught:
        maximize_activation(linear(KERNELS), classes=[])
    assert str(caught.value) == "classes=[] selects no class. Name at least one."


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda pixels: (pixels / 255) ** 2,
        lambda pixels: pixels - pixels.mean(axis=(1, 2), keepdims=True),
        lambda pixels: np.repeat(pixels[:, :, :1], 8, axis=2) * np.linspace(0, 1, 8)[:, None],
    ],
    ids=["squares", "subtracts the photo's mean", "fades to the right"],
)
def test_a_preprocessing_that_is_no_straight_line_cannot_be_ascended(preprocess: object) -> None:
    with pytest.raises(OptionError) as caught:
        maximize_activation(linear(KERNELS, preprocess=preprocess, name="mine"), filters=[0])
    assert str(caught.value) == (
        "The preprocessing of 'mine' is not linear in each channel, so gradient ascent on the "
        "input is not possible. Put the preprocessing into the model, and give preprocess='none'."
    )


def test_the_repr_fits_five_lines_and_a_notebook_shows_the_page(tmp_path: Path) -> None:
    found = maximize_activation(linear(KERNELS), filters=[0, 1] * 4, steps=1)
    assert len(repr(found).splitlines()) == 5
    assert repr(found).endswith("... and 5 more")
    assert found._repr_html_().count("<img") == 1
    assert found.save(str(tmp_path / "x.png")) == [tmp_path / "x.png"]
