"""Where a layer's map lies in the photo is found by trial: planted marks show at their places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import seewhy
from seewhy.errors import LayerError
from seewhy.maps import heat_levels, heatmap_on_photo, peak_on_photo
from seewhy.networks.cells import _tried as cells_by_trial
from seewhy.photos.photo import Placement
from tests.torchvision_operators import declare_missing_operators

HEIGHT, WIDTH = 160, 320


class Positive(nn.Module):
    """A positive convolution of a part of the photo, and a sum: heat is where light is."""

    def __init__(
        self, before: Callable[[torch.Tensor], torch.Tensor], after: Any = None, **options: Any
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5, stride=2, **{"padding": 2, **options})
        nn.init.ones_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)
        self.named = nn.Identity() if after is None else after
        self.before = before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.named(self.conv(self.before(x)).relu())
        return found.flatten(1).sum(1, keepdim=True)


def heat_of(network: nn.Module, photo: np.ndarray, layer: str = "conv") -> np.ndarray:
    classifier = seewhy.Classifier(network.eval(), size=(HEIGHT, WIDTH), preprocess="unit")
    explanation = seewhy.explain(classifier, photo, method="grad-cam", layer=layer)
    return explanation.heatmaps[0][0]


BEFORE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a crop of rows": lambda x: x[:, :, 60:140],
    "a crop of the centre": lambda x: x[:, :, 20:140, 40:280],
    "a narrowing": lambda x: x.narrow(3, 10, 300),
    "a padding": lambda x: functional.pad(x, (40, 0, 24, 0)),
    "a padding of both": lambda x: functional.pad(x, (32, 32, 32, 32)),
    "the right half": lambda x: x.chunk(2, 3)[1],
    "a crop of a few pixels": lambda x: x[:, :, 8:, 8:],
    "a negative padding": lambda x: functional.pad(x, (-60, -40, -30, -20)),
    "a roll": lambda x: x.roll((30, 50), (2, 3)),
    "nothing": lambda x: x,
}


@pytest.mark.parametrize("kind", BEFORE)
def test_heat_is_at_the_mark_whatever_the_network_crops_or_pads(kind: str) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    heat = heat_of(Positive(BEFORE[kind]), photo)
    rows, columns = np.where(heat > 0.5)
    found = np.array([rows.min(), rows.max(), columns.min(), columns.max()])
    np.testing.assert_allclose(found, (100, 115, 200, 239), atol=5)
    assert np.isfinite(heat).all()


def test_a_convolution_that_pads_by_more_than_its_kernel_is_placed() -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    heat = heat_of(Positive(BEFORE["nothing"], padding=40), photo)
    rows, columns = np.where(heat > 0.5)
    found = np.array([rows.min(), rows.max(), columns.min(), columns.max()])
    np.testing.assert_allclose(found, (100, 115, 200, 239), atol=6)


@pytest.mark.parametrize("kind", ["a crop of the centre", "a padding"])
def test_the_maps_of_tiles_are_at_their_places_in_the_tiles(kind: str) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    classifier = seewhy.Classifier(
        Positive(BEFORE[kind]).eval(), size=(HEIGHT, WIDTH), preprocess="unit"
    )
    heat = seewhy.explain(classifier, photo, method="grad-cam", layer="conv", zoom=2).heatmaps[0][0]
    assert np.isfinite(heat).all()
    rows, columns = np.where(heat > 0.5 * heat.max())
    found = np.array([rows.min(), rows.max(), columns.min(), columns.max()])
    np.testing.assert_allclose(found, (100, 115, 200, 239), atol=3)


def test_zoom_does_not_show_a_layer_that_is_no_map() -> None:
    network = Positive(BEFORE["nothing"], Mixed()).eval()
    classifier = seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit")
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(LayerError, match="'named' of 'Positive' is no map of the photo"):
        seewhy.explain(classifier, photo, method="grad-cam", layer="named", zoom=2)


def test_feature_maps_are_over_the_part_that_the_network_sees() -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    network = Positive(BEFORE["a crop of the centre"], Mixed()).eval()
    classifier = seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit")
    found = seewhy.feature_maps(classifier, photo)
    assert list(found.maps) == ["conv"]  # the mixed one is no map
    laid, bare = (
        np.asarray(one.pictures("conv", most=1, over_photo=True)[0])
        for one in (found, dataclasses.replace(found, cells={}))
    )
    assert (laid != bare).any()
    with pytest.raises(LayerError, match="is no map of the photo"):
        seewhy.feature_maps(classifier, photo, layers=["named"])


def test_layers_that_cover_unlike_parts_are_not_averaged() -> None:
    class Cropping(Positive):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.named(self.conv(x).relu()[:, :, 40:])
            return found.flatten(1).sum(1, keepdim=True)

    network = Cropping(BEFORE["nothing"], nn.ReLU()).eval()
    classifier = seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit")
    with pytest.raises(LayerError) as caught:
        seewhy.explain(
            classifier,
            np.zeros((HEIGHT, WIDTH, 3), np.uint8),
            layer=["conv", "named"],
            method="grad-cam",
        )
    assert str(caught.value) == (
        "The layers conv, named of 'Cropping' cover unlike parts of the photo: the network crops "
        "or pads between them. Explain them one at a time."
    )


def test_a_plain_network_is_not_tried() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = seewhy.Classifier(network, size=64, preprocess="unit")
    assert not found.network.may_move(found.layer)


def test_a_plain_network_is_not_tried_where_its_maps_are_large() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = seewhy.Classifier(network, size=600, preprocess="unit")
    assert not found.network.may_move(found.layer)


class Shuffled(nn.Module):
    """Keeps patches window after window, as Hiera does its mask units."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        x = x.view(n, c, h // 20, 20, w // 20, 20).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, h, w, c)


class Swapped(nn.Module):
    """Rows and columns are swapped."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(2, 3).contiguous()


class Flattened(nn.Module):
    """Axes that are no rows and columns: sides and anchors."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2)[:, None]


class Alternating(nn.Module):
    """Even rows, then odd rows: a patch shows at two places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :, ::2], x[:, :, 1::2]], 2)


class ChannelsLast(nn.Module):
    """Rows, columns and channels: a map, whose channels are last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).contiguous()


class Windows(nn.Module):
    """(n, window, place in it, c), as windows of attention are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        x = x.view(n, c, h // 20, 20, w // 20, 20).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, h * w // 400, 400, c)


class Rolled(nn.Module):
    """Rows and columns begin in the middle, as within Swin's blocks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.roll((-45, -70), (2, 3))


class Mixed(nn.Module):
    """Every place is a sum of many: no order of places."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = x.shape[2] * x.shape[3]
        generator = torch.Generator().manual_seed(0)
        which = torch.randint(places, (3, places), generator=generator)
        found = torch.stack([x.flatten(2)[:, :, some] for some in which]).sum(0)
        return found.view(x.shape)


IN_ANOTHER_ORDER = [Shuffled(), Swapped(), Flattened(), Alternating(), Windows(), Rolled()]


@pytest.mark.parametrize("scrambling", IN_ANOTHER_ORDER, ids=repr)
def test_a_layer_with_its_places_in_another_order_is_put_in_the_order_of_the_photo(
    scrambling: Any,
) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    photo[40:48, 20:30] = 100
    network = Positive(BEFORE["nothing"], scrambling)
    np.testing.assert_allclose(
        heat_of(network, photo, "named"),
        heat_of(Positive(BEFORE["nothing"]), photo, "named"),
        atol=1e-5,
    )


@pytest.mark.parametrize("scrambling", [Shuffled(), Flattened()], ids=repr)
def test_maps_in_the_order_of_the_photo_are_given_back_in_the_layers_own(scrambling: Any) -> None:
    random = np.random.default_rng(1)
    image = random.uniform(size=(1, HEIGHT, WIDTH, 3)).astype(np.float32)
    maps = random.uniform(size=(3, HEIGHT // 2, WIDTH // 2, 4)).astype(np.float32)

    class Weighed(Positive):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.named(self.conv(x).relu()).flatten(1)
            return (found * torch.arange(found.shape[1])).sum(1, keepdim=True)

    network = Weighed(BEFORE["nothing"], scrambling).eval()
    given = scrambling(torch.from_numpy(maps).permute(0, 3, 1, 2)).flatten(1)
    right = (given * torch.arange(given.shape[1])).sum(1, keepdim=True)
    classifier = seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit")
    found = classifier.network.scores_from(image, "named", maps)
    np.testing.assert_allclose(found, right.numpy(), rtol=1e-4)


def test_a_layer_whose_places_are_not_those_of_the_photo_is_refused() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    network = Positive(BEFORE["nothing"], Mixed())
    with pytest.raises(LayerError) as caught:
        heat_of(network, photo, "named")
    assert str(caught.value) == (
        "'named' of 'Positive' is no map of the photo: patches that were changed do not show at "
        "their places in it. Its places are in no order of the photo's, or its axes are no rows "
        "and columns. Choose another layer, or list them: classifier.network.layers"
    )
    # Without a name, the layer before it is explained.
    assert seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit").layer == "conv"


def test_a_named_layer_with_channels_last_is_a_map() -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[100:116, 200:240] = 255
    heat = heat_of(Positive(BEFORE["nothing"], ChannelsLast()), photo, "named")
    rows, columns = np.where(heat > 0.5)
    assert (abs(rows.min() - 100), abs(columns.max() - 239)) <= (4, 4)


def test_a_map_of_a_part_is_zero_in_the_rest_of_the_photo() -> None:
    whole = Placement((0.0, 0.0, 40.0, 20.0))
    part = whole.of_cells((0.5, 0.25, 1.0, 0.75))
    assert part.map_box == (10.0, 10.0, 30.0, 20.0)
    raw = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    placed = heatmap_on_photo(raw, part, (20, 40))
    assert placed[:10].max() == placed[:, :10].max() == placed[:, 30:].max() == 0
    assert placed[10:, 10:30].min() >= 1
    assert peak_on_photo(raw, part, (20, 40)) == (27, 17)
    levels = heat_levels(raw[None], part, (20, 40))
    assert levels is not None
    assert (levels.corner, levels.levels.shape) == ((10, 10), (1, 10, 20))


def test_a_map_beyond_the_photo_is_cut_to_what_the_network_saw() -> None:
    padded = Placement((0.0, 0.0, 40.0, 20.0)).of_cells((-0.5, -0.5, 1.5, 1.5))
    raw = np.zeros((4, 4), np.float32)
    raw[1, 2] = 1  # the cell over rows 0 ... 10 and columns 20 ... 40
    placed = heatmap_on_photo(raw, padded, (20, 40))
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    assert (abs(row - 4.5), abs(column - 29.5)) <= (1, 1)


@pytest.mark.parametrize("kind", ["swin", "vit"])
def test_a_transformer_whose_tokens_are_followed_is_not_tried(kind: str) -> None:
    declare_missing_operators()
    from torchvision.models.swin_transformer import SwinTransformer
    from torchvision.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    network = (
        SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=3)
        if kind == "swin"
        else VisionTransformer(64, 8, 2, 2, 16, 32, num_classes=3)
    )
    adapter = seewhy.Classifier(network.eval(), size=64, preprocess="unit").network
    assert not adapter.may_move(adapter.default_layer)
    cells = cells_by_trial(adapter, adapter.default_layer, (64, 64))
    assert (cells.shows, cells.arrangement, cells.box) == (True, None, (0, 0, 1, 1))


@pytest.mark.parametrize(
    "moving",
    [
        lambda x: x.flip(3),
        lambda x: torch.zeros_like(x).index_copy(3, torch.arange(160).flip(0), x),
        lambda x: torch.cat([x[:, :, 40:], x[:, :, :40]], 2),
        lambda x: functional.pad(x, (-4, 4)),
        lambda x: x[:, :, ::2].repeat(1, 1, 2, 1),
        lambda x: torch.stack(list(x.unbind(2))[::-1], 2),
    ],
)
def test_what_moves_places_is_tried(moving: Callable[[torch.Tensor], torch.Tensor]) -> None:
    class Moving(Positive):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.named(moving(self.conv(x).relu())).flatten(1).sum(1, keepdim=True)

    network = Moving(BEFORE["nothing"]).eval()
    adapter = seewhy.Classifier(network, size=(HEIGHT, WIDTH), preprocess="unit").network
    assert adapter.may_move("named")
    assert not adapter.may_move("conv")
