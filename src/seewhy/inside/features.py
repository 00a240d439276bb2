"""What a layer's features say, without any class: their main directions as colours, and likeness.

Axes: n photo, h row, w column, c channel, k component; m places of all photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image, ImageDraw

from seewhy.errors import OptionError
from seewhy.explaining.explain import as_classifier
from seewhy.inside.feature_maps import feature_maps, shrunk
from seewhy.inside.settings import BASIS
from seewhy.maps import heatmap_on_photo
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.rendering.colours import overlay
from seewhy.rendering.page import Cell, ColourBar, Page, grid_image
from seewhy.rendering.palettes import HEAT, palette_of
from seewhy.rendering.saving import save_pages
from seewhy.rendering.showing import Drawable, few_lines
from seewhy.rendering.text import short_name

SIDE = 512
"""Pixels of a photo's longer side on a page."""

PER_PAGE = 12
"""Photos on a page."""

ENDS = (1.0, 99.0)
"""The percentiles of a component at which its colours end."""

Place = tuple[float, float]
"""x and y in pixels of a photo."""


def principal_components(
    features: Float[ndarray, "m c"], count: int
) -> tuple[Float[ndarray, "m k"], Float[ndarray, " k"]]:
    """Project features on the directions in which they vary most (principal component analysis).

        X = features − their mean;  XᵀX = V Λ Vᵀ;  projections = X V[:, :k]

    Args:
        features: of all places.
        count: k; components that there are not (fewer channels or places) are 0.

    Returns:
        The projections, in the features' units, each with the sign that makes its direction's
        largest entry positive; and each one's share of the variance, 0..1.

    Source:
        Pearson, *On lines and planes of closest fit to systems of points in space*, 1901; of a
        vision transformer's features as colours: Oquab et al., *DINOv2*, 2023, figure 1
        (arXiv:2304.07193).
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    is_tall = len(centred) >= centred.shape[1]
    values, vectors = np.linalg.eigh(centred.T @ centred if is_tall else centred @ centred.T)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    if not is_tall:
        vectors = centred.T @ vectors
        lengths = np.sqrt((vectors**2).sum(axis=0))
        vectors /= np.where(lengths > 0, lengths, 1)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    projections = centred @ (vectors * np.where(largest < 0, -1, 1))
    total = (centred**2).sum()
    missing = count - len(values)
    shares = np.maximum(values, 0) / total if total > 0 else np.zeros(len(values))
    return (
        np.pad(projections, ((0, 0), (0, missing))).astype(np.float32),
        np.pad(shares, (0, missing)).astype(np.float32),
    )


def cosines(
    features: Float[ndarray, "*places c"], others: Float[ndarray, "m c"]
) -> Float[ndarray, "*places m"]:
    """Return the cosine of each place's features with each other vector; 0 where one is all 0."""
    return np.asarray(_unit(features) @ _unit(others).T, np.float32)


def _unit(features: Float[ndarray, "*places c"]) -> Float[ndarray, "*places c"]:
    values = features.astype(np.float64)
    lengths = np.sqrt((values**2).sum(axis=-1, keepdims=True))
    return np.asarray(values / np.where(lengths > 0, lengths, 1))


@dataclass(frozen=True, eq=False, repr=False)
class Similarity(Drawable):
    """How similar the features of places are.

    Attributes:
        photos: the n photos.
        maps: cosines, −1..1, at the layer's own resolution.
        placements: for each photo the part of it that the map covers.
        model, layer: the network's name, and the layer's.
        at: the place that all others are compared with, in the first of the photos; None: each
            place is compared with all of the other photo, and the best match is shown.
    """

    photos: tuple[Photo, ...]
    maps: Float[ndarray, "n h w"]
    placements: tuple[Placement, ...]
    model: str
    layer: str
    at: Place | None = None

    def best(self, photo: int) -> Place:
        """Return the middle of the most similar cell of a photo, in its pixels."""
        row, column = np.unravel_index(self.maps[photo].argmax(), self.maps[photo].shape)
        x0, y0, x1, y1 = self.placements[photo].map_box
        h, w = self.maps[photo].shape
        return (
            float(x0 + (column + 0.5) / w * (x1 - x0)),
            float(y0 + (row + 0.5) / h * (y1 - y0)),
        )

    def pictures(self) -> list[Page]:
        """Draw each photo with the heat of similarity, on one scale: from the lowest cosine to 1.

        A ring marks the place that all others are compared with.
        """
        low = float(self.maps.min())
        scaled = (self.maps - low) / max(1 - low, 1e-6)
        what = "with the ring" if self.at else "of the best match"
        bar = ColourBar(palette_of(HEAT), f"{low:.2f}".replace("-", "−"), "1.00", f"cosine {what}")
        cells: list[Cell] = []
        for number, photo in enumerate(self.photos):
            small, placement = shrunk(photo.pixels, self.placements[number], SIDE)
            heat = heatmap_on_photo(scaled[number], placement, small.shape[:2])
            picture = Image.fromarray(overlay(small, np.clip(heat, 0, 1)))
            if number == 0 and self.at is not None:
                share = small.shape[1] / photo.pixels.shape[1]
                _ring(picture, self.at[0] * share, self.at[1] * share)
            cells.append((f"{photo.name}\nup to {self.maps[number].max():.2f}", picture))
        return [
            np.asarray(grid_image(cells[start : start + PER_PAGE], bars=[bar]))
            for start in range(0, len(cells), PER_PAGE)
        ]

    def save(self, path: str | Path) -> list[Path]:
        """Write the pages as PNG, JPEG or PDF; several are numbered, or are one PDF.

        Raises:
            OptionError: the extension is another one.
            OutputError: a file cannot be written.
        """
        return save_pages(self.pictures(), path)

    def _pages(self) -> list[Page]:
        return self.pictures()

    def __repr__(self) -> str:
        rows = [
            f"{photo.name}: up to {heat.max():.2f}, mean {heat.mean():.2f}"
            for photo, heat in zip(self.photos, self.maps, strict=True)
        ]
        return few_lines(f"Similarity at '{self.layer}' of {short_name(self.model)}", rows)


@dataclass(frozen=True, eq=False, repr=False)
class Features(Drawable):
    """The features of one layer for photos.

    Attributes:
        photos: the n photos.
        maps: raw, at the layer's own resolution.
        placements: for each photo the part of it that the maps cover.
        model, layer: the network's name, and the layer's.
    """

    photos: tuple[Photo, ...]
    maps: Float[ndarray, "n h w c"]
    placements: tuple[Placement, ...]
    model: str
    layer: str

    def components(
        self, count: int = 3, *, basis: str = "all"
    ) -> tuple[Float[ndarray, "n h w k"], Float[ndarray, "_bases k"]]:
        """Return the principal components of every place, and their shares of the variance.

        Args:
            count: how many.
            basis: "all": the same directions for all photos, so that a colour means the same in
                each; "photo": each photo's own.

        Raises:
            OptionError: the basis is unknown, or the count is below 1.
        """
        BASIS.check(basis)
        if count < 1:
            raise OptionError(f"count={count} is no number of components. Give 1 or more.")
        groups = [self.maps] if basis == "all" else [maps[None] for maps in self.maps]
        found = [principal_components(maps.reshape(-1, maps.shape[-1]), count) for maps in groups]
        shape = (*self.maps.shape[:3], count)
        return (
            np.concatenate([projected for projected, _ in found]).reshape(shape),
            np.stack([shares for _, shares in found]),
        )

    def colours(self, *, basis: str = "all") -> Float[ndarray, "n h w 3"]:
        """Return the first three components as red, green and blue, each scaled to 0..1.

        Each ends at its 1st and 99th percentile over the photos that share the basis; one that
        does not vary is 0.5.
        """
        return self.colours_and_shares(basis=basis)[0]

    def colours_and_shares(
        self, *, basis: str = "all"
    ) -> tuple[Float[ndarray, "n h w 3"], Float[ndarray, "_bases 3"]]:
        """Return `colours`, and the components' shares of the variance, from one computation."""
        projected, shares = self.components(basis=basis)
        axes = (0, 1, 2) if basis == "all" else (1, 2)
        low, high = np.percentile(projected, ENDS, axis=axes, keepdims=True)
        varies = high - low > 1e-6 * np.abs(projected).max()
        scaled = np.where(varies, (projected - low) / np.where(varies, high - low, 1), 0.5)
        return np.asarray(np.clip(scaled, 0, 1), np.float32), shares

    def pictures(self, *, basis: str = "all") -> list[Page]:
        """Draw each photo, and beside it the three main directions of its features as colours."""
        colours, shares = self.colours_and_shares(basis=basis)
        cells: list[Cell] = []
        for number, photo in enumerate(self.photos):
            small, placement = shrunk(photo.pixels, self.placements[number], SIDE)
            planes = [
                heatmap_on_photo(plane, placement, small.shape[:2])
                for plane in np.moveaxis(colours[number], -1, 0)
            ]
            picture = np.rint(255 * np.stack(planes, axis=-1))
            picture = np.where(np.isnan(picture), small, picture)  # what the network did not see
            told = shares[0 if basis == "all" else number].sum()
            cells.append((photo.name, small))
            cells.append(
                (
                    f"{self.layer}\n3 components, {told:.0%} of the variance",
                    picture.astype(np.uint8),
                )
            )
        columns = 2 if len(self.photos) == 1 else 4
        return [
            np.asarray(grid_image(cells[start : start + 2 * PER_PAGE], columns=columns))
            for start in range(0, len(cells), 2 * PER_PAGE)
        ]

    def similar(self, at: Place, *, photo: int = 0) -> Similarity:
        """Compare every place of all photos with one place: the cosine of their features.

        Args:
            at: x and y in pixels of the photo.
            photo: which of the photos the place is in; it comes first in the result.

        Raises:
            OptionError: the network does not see that place.
        """
        order = [photo, *(n for n in range(len(self.photos)) if n != photo)]
        row, column = self.cell(at, photo=photo)
        maps = cosines(self.maps[order], self.maps[photo, row, column][None])[..., 0]
        return self._similarity(order, maps, at)

    def matches(self, first: int = 0, second: int = 1) -> Similarity:
        """Compare two photos: at every place of each, the cosine of its best match in the other.

        Raises:
            OptionError: there are no two photos.
        """
        if first == second or not {first, second} <= set(range(len(self.photos))):
            raise OptionError(
                f"Photos {first} and {second} of {len(self.photos)} cannot be matched. Give the "
                "numbers of two photos."
            )
        h, w, c = self.maps.shape[1:]
        between = cosines(self.maps[first].reshape(-1, c), self.maps[second].reshape(-1, c))
        maps = np.stack([between.max(axis=1), between.max(axis=0)]).reshape(2, h, w)
        return self._similarity([first, second], maps, None)

    def cell(self, at: Place, *, photo: int = 0) -> tuple[int, int]:
        """Return the row and column of the map at a place of a photo.

        Raises:
            OptionError: the network does not see that place.
        """
        x0, y0, x1, y1 = self.placements[photo].map_box
        h, w = self.maps.shape[1:3]
        x, y = (at[0] - x0) / (x1 - x0) * w, (at[1] - y0) / (y1 - y0) * h
        if not (0 <= x < w and 0 <= y < h):
            raise OptionError(
                f"The place {at[0]:g},{at[1]:g} of '{self.photos[photo].name}' is outside of what "
                f"the network sees: x from {x0:.0f} to {x1:.0f}, y from {y0:.0f} to {y1:.0f}. Give "
                "another place."
            )
        return int(y), int(x)

    def save(self, path: str | Path, *, basis: str = "all") -> list[Path]:
        """Write the pages as PNG, JPEG or PDF; several are numbered, or are one PDF.

        Raises:
            OptionError: the extension is another one, or the basis is unknown.
            OutputError: a file cannot be written.
        """
        return save_pages(self.pictures(basis=basis), path)

    def _similarity(self, order: Sequence[int], maps: ndarray, at: Place | None) -> Similarity:
        return Similarity(
            photos=tuple(self.photos[number] for number in order),
            maps=maps,
            placements=tuple(self.placements[number] for number in order),
            model=self.model,
            layer=self.layer,
            at=at,
        )

    def _pages(self) -> list[Page]:
        return self.pictures()

    def __repr__(self) -> str:
        h, w, c = self.maps.shape[1:]
        return few_lines(
            f"Features at '{self.layer}' of {short_name(self.model)}: {c} channels of {h} × {w}",
            [photo.name for photo in self.photos],
        )


def features(classifier: Any, photos: Any, *, layer: Any = None) -> Features:
    """Show what a layer's features tell apart, and which places are alike; it needs no classes.

        found = seewhy.features("timm:vit_small_patch14_dinov2?num_classes=0", ["a.jpg", "b.jpg"])
        found.save("features.png")                    # three main directions as colours
        found.similar(at=(120, 80)).save("like.png")  # what is like a place of the first photo
        found.matches().save("matches.png")           # where the two photos match

    Args:
        classifier: as for `seewhy.explain`; a network without classes will do.
        photos: as for `seewhy.explain`. All their features are kept in memory.
        layer: its name, or the layer itself; None: the classifier's own.

    Returns:
        The raw features, and pictures of them.

    Raises:
        UnknownLayer: no layer has that name.
        LayerError: the layer has no map.
        PhotoError: a photo cannot be read.
    """
    classifier = as_classifier(classifier)
    found = feature_maps(classifier, photos, layers=[classifier.layer if layer is None else layer])
    ((name, maps),) = found.maps.items()
    return Features(
        photos=found.photos,
        maps=maps,
        placements=tuple(placement.of_cells(found.cells[name]) for placement in found.placements),
        model=found.model,
        layer=name,
    )


def _ring(picture: Image.Image, x: float, y: float) -> None:
    """Mark a place by a white ring with a black edge."""
    draw = ImageDraw.Draw(picture)
    radius = max(picture.width, picture.height) / 50
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, outline="black", width=5)
    draw.ellipse(box, outline="white", width=3)
