"""What a layer's features tell apart, and what is alike, by numbers that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import OptionError
from seewhy.inside.features import Features, cosines, principal_components
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo

GREY = np.full((40, 60, 3), 100, np.uint8)
WHOLE = Placement((0.0, 0.0, 60.0, 40.0))


def of(maps: np.ndarray, *placements: Placement) -> Features:
    photos = tuple(Photo(GREY, f"{n}.png") for n in range(len(maps)))
    placed = placements or (WHOLE,) * len(maps)
    return Features(photos, maps.astype(np.float32), tuple(placed), "net", "conv")


@pytest.mark.parametrize(("places", "channels"), [(40, 7), (6, 9)])  # covariance, and Gram
def test_components_are_those_of_the_singular_value_decomposition(
    places: int, channels: int
) -> None:
    features = np.random.default_rng(0).normal(size=(places, channels)) * np.arange(1, channels + 1)
    found, shares = principal_components(features.astype(np.float32), 3)
    centred = features - features.mean(axis=0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    for k in range(3):
        sign = np.sign(right[k][np.abs(right[k]).argmax()])
        np.testing.assert_allclose(found[:, k], sign * left[:, k] * singular[k], atol=1e-4)
    np.testing.assert_allclose(shares, singular[:3] ** 2 / (singular**2).sum(), rtol=1e-5)


def test_components_that_are_not_there_are_zero_and_grey() -> None:
    found, shares = principal_components(np.array([[1.0, 5], [3, 5]], np.float32), 3)
    np.testing.assert_allclose(found, [[-1, 0, 0], [1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(shares, [1, 0, 0], atol=1e-6)
    assert (of(np.ones((1, 2, 2, 4))).colours() == 0.5).all()


def test_one_basis_gives_the_same_features_the_same_colour_in_all_photos() -> None:
    random = np.random.default_rng(1)
    maps = random.normal(size=(2, 3, 4, 5))
    maps[1] = 3 * maps[1] + 2
    maps[1, 2, 3] = maps[0, 0, 0]
    shared, own = of(maps).colours(), of(maps).colours(basis="photo")
    np.testing.assert_allclose(shared[1, 2, 3], shared[0, 0, 0], atol=1e-6)
    assert np.abs(own[1, 2, 3] - own[0, 0, 0]).max() > 0.05
    for photo in range(2):
        np.testing.assert_allclose(own[photo], of(maps[photo][None]).colours()[0], atol=1e-6)
    low, high = np.percentile(of(maps).components()[0][..., 1], (1, 99))
    expected = np.clip((of(maps).components()[0][..., 1] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(shared[..., 1], expected, atol=1e-5)


def test_cosines_by_hand() -> None:
    found = cosines(np.array([[3.0, 4], [0, 0], [-1, 0]]), np.array([[2.0, 0], [1, 1]]))
    half = 0.5**0.5
    np.testing.assert_allclose(found, [[0.6, 1.4 * half], [0, 0], [-1, -half]], atol=1e-6)


def test_what_is_like_a_place_is_found_in_its_own_photo_and_in_others() -> None:
    maps = np.zeros((2, 2, 3, 2))
    maps[..., 0] = 1
    maps[0, 1, 2] = maps[1, 0, 1] = [0, 2]
    found = of(maps).similar((45, 30))
    expected = np.zeros((2, 2, 3))
    expected[0, 1, 2] = expected[1, 0, 1] = 1
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    assert found.best(1) == (30.0, 10.0)
    other = of(maps).similar((30, 10), photo=1)
    assert [photo.name for photo in other.photos] == ["1.png", "0.png"]
    np.testing.assert_allclose(other.maps, expected[::-1], atol=1e-6)


def test_matches_are_the_best_cosine_of_each_place_with_the_other_photo() -> None:
    maps = np.random.default_rng(2).normal(size=(2, 2, 3, 4))
    found = of(maps).matches().maps
    for photo, other in ((0, 1), (1, 0)):
        for row, column in np.ndindex(2, 3):
            one = maps[photo, row, column]
            best = max(
                one @ two / np.linalg.norm(one) / np.linalg.norm(two)
                for two in maps[other].reshape(-1, 4)
            )
            assert found[photo, row, column] == pytest.approx(best, abs=1e-6)


def test_a_place_is_one_of_the_photo_and_not_of_what_was_cut_off() -> None:
    found = of(np.ones((1, 4, 4, 2)), Placement((10.0, 0.0, 50.0, 40.0)))
    assert found.cell((10, 0)) == (0, 0)
    assert found.cell((49.9, 25)) == (2, 3)
    with pytest.raises(OptionError) as error:
        found.similar((5, 5))
    assert str(error.value) == (
        "The place 5,5 of '0.png' is outside of what the network sees: x from 10 to 50, y from 0 "
        "to 40. Give another place."
    )
    with pytest.raises(OptionError, match=r"^Photos 0 and 1 of 1 cannot be matched\."):
        found.matches()


def test_pictures_show_colours_and_heat_at_their_places() -> None:
    maps = np.zeros((1, 2, 2, 2))
    maps[..., 0] = 1
    maps[0, 0, 1] = [0, 1]
    page = of(maps).similar((45, 10)).pictures()[0]
    red = (page[..., 0].astype(int) - page[..., 2] > 100) & (page[..., 1] < 100)
    _, columns = np.nonzero(red[: page.shape[0] - 40])  # above the colour bar
    left = np.nonzero((page != 255).any(axis=(0, 2)))[0][0]
    assert columns.min() > left + 25
    assert of(maps).pictures()[0].shape[2] == 3


class Backbone(nn.Module):
    """Its output is a vector of features, and no class has a score."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(images)).mean((2, 3))


def test_a_network_without_a_head_will_do_and_its_features_are_its_own() -> None:
    torch.manual_seed(0)
    classifier = seewhy.Classifier(Backbone().eval(), size=16, preprocess="unit")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    found = seewhy.features(classifier, [pixels, pixels[::-1].copy()])
    expected = classifier.network.model.conv(
        torch.from_numpy(pixels.transpose(2, 0, 1)[None] / np.float32(255))
    )
    np.testing.assert_allclose(
        found.maps[0], expected[0].detach().numpy().transpose(1, 2, 0), atol=1e-6
    )
    assert repr(found).startswith("Features at 'conv' of Backbone: 6 channels of 4 × 4")


def test_the_command_writes_colours_likeness_and_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for name, seed in (("a", 0), ("b", 1)):
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    out, a, b = tmp_path / "out", str(tmp_path / "a.png"), str(tmp_path / "b.png")

    def lines(*arguments: str) -> list[str]:
        assert main(["features", *arguments, "--out", str(out)]) == 0
        return capsys.readouterr().out.splitlines()

    layer = seewhy.load("built-in").layer
    assert lines(a, b) == [str(out / f"features_{layer}.png")]
    told = lines(a, b, "--at", "32,24")
    assert told[0].startswith("a.png\t1.000\t")
    assert told[-1] == str(out / f"similar_{layer}.png")
    told = lines(a, "--with", b)
    assert [line.split("\t")[0] for line in told[:2]] == ["a.png", "b.png"]
    assert told[-1] == str(out / f"matches_a_{layer}.png")
    assert main(["features", a, "--at", "middle", "--out", str(out)]) == 1
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("--at middle is no place. Give its x and y in pixels of the photo: --at 120,80")
    )
