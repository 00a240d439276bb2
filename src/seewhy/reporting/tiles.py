"""The pictures of the page: which photos and maps it holds, and where each is painted.

Axes: h row, w column of a map.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.files import in_one_direction, shared_folder
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import Observations, coarse
from seewhy.reporting.shelf import Thumbnail

PHOTOS = 1200
"""Small photos in a page, at most: about 10 MB."""

MAPS = 8 * 2**20
"""Bytes of maps of all photos: where they have more, they are averaged to 7 × 7 cells."""


@dataclass(frozen=True)
class Tile:
    """A place of the page that is painted.

    Attributes:
        number: of the tile.
        described: what is on it, for those who do not see it.
        link: the address of the photo beside the page; '' without one.
        is_wide: whether it holds two pictures.
    """

    number: int
    described: str
    link: str
    is_wide: bool = False


class Tiles:
    """What is painted on a page; tiles are numbered as they are made."""

    def __init__(self, seen: Observations, links: Mapping[int, str]) -> None:
        self.seen = seen
        self.links = links
        self.names = short_names(seen.paths)
        self._wanted: dict[int, None] = {}
        self._pictures: dict[str, Thumbnail] = {}
        self._tiles: list[tuple[int | str, int, str]] = []
        self._more: list[ndarray] = []

    def photo(self, place: int) -> Tile:
        """Return a tile of a photo alone."""
        return self._tile(self._want(place), -1, "photo", self.names[place])

    def heat(
        self, place: int, heatmap: Float[ndarray, "h w"] | None = None, *, signed: bool = False
    ) -> Tile:
        """Return a tile of a photo with heat over it: the best class's, unless another is given."""
        index = place if heatmap is None else self._keep(heatmap)
        kind = "signed" if signed else "heat"
        return self._tile(self._want(place), index, kind, f"{self.names[place]}, with heat over it")

    def beside(self, place: int, *, signed: bool = False) -> Tile:
        """Return a tile of a photo, and beside it the photo with the best class's heat over it."""
        kind = "beside signed" if signed else "beside"
        described = f"{self.names[place]}, and the same with heat over it"
        return self._tile(self._want(place), place, kind, described)

    def mean(self, picture: Thumbnail | None, heatmap: ndarray | None = None) -> Tile:
        """Return a tile of a mean photo, with or without a mean map over it."""
        key = ""
        if picture is not None:
            key = f"mean {len(self._pictures)}"
            self._pictures[key] = picture
        index = -1 if heatmap is None else self._keep(heatmap)
        return self._tile(key, index, "heat", "a mean photo" if index < 0 else "a mean map")

    def keep(self, places: Iterable[int]) -> None:
        """Keep photos in the page that only a cell of the matrix opens, as far as there is room."""
        for place in places:
            self._want(place)

    def _want(self, place: int) -> int:
        if len(self._wanted) < PHOTOS:
            self._wanted[place] = None
        return place

    def _keep(self, heatmap: ndarray) -> int:
        self._more.append(heatmap)
        return len(self.seen) + len(self._more) - 1

    def _tile(self, photo: int | str, index: int, kind: str, described: str) -> Tile:
        self._tiles.append((photo, index, kind))
        link = self.links.get(photo, "") if isinstance(photo, int) else ""
        return Tile(len(self._tiles) - 1, described, link, kind.startswith("beside"))

    def blocks(self, gallery: Gallery) -> dict[str, Any]:
        """Return the page's data: tiles and photos; packed, a table of all photos, and maps."""
        photos: dict[str, Any] = {}
        for key, thumbnail in (gallery.thumbnails(self._wanted) | self._pictures).items():
            photos[str(key)] = {
                "w": thumbnail.width,
                "h": thumbnail.height,
                "box": [round(edge, 2) for edge in thumbnail.box],
                "jpeg": base64.b64encode(thumbnail.jpeg).decode(),
            }
        maps, shape = self._maps()
        seen = self.seen
        table = {
            "names": self.names,
            "true": np.where(seen.unseen, seen.true, -1).tolist(),
            "found": seen.found.tolist(),
            "p": [
                round(probability, 3) if np.isfinite(probability) else None
                for probability in seen.p_found.tolist()
            ],
            "links": self.links,
        }
        return {
            "data": {"photos": photos, "tiles": self._tiles, "maps": shape},
            "table": _packed(in_one_direction(json.dumps(table, separators=(",", ":"))).encode()),
            "maps": _packed(maps),
        }

    def _maps(self) -> tuple[bytes, dict[str, Any]]:
        """Return all maps in half precision, each divided by its peak, and where each begins."""
        whole = self.seen.maps
        if whole.size * 2 > MAPS:
            whole = np.stack([coarse(heatmap, 7) for heatmap in whole])
        parts = [_half(whole)]
        start = whole.size
        places = []
        for maps in self._more:
            places.append([*maps.shape, start])
            parts.append(_half(maps[None]))
            start += maps.size
        shape = {
            "photos": len(whole),
            "h": whole.shape[1],
            "w": whole.shape[2],
            "more": places,
        }
        return b"".join(parts), shape


def _half(maps: Float[ndarray, "n h w"]) -> bytes:
    peaks = np.nan_to_num(np.abs(maps)).max(axis=(1, 2), keepdims=True)
    return (maps / np.where(peaks > 0, peaks, 1)).astype("<f2").tobytes()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode()


def short_names(paths: Sequence[str]) -> list[str]:
    """Return paths without the folders that they share; bytes that are not UTF-8 as '?'."""
    cut = len(shared_folder(paths))
    return [path[cut:].encode("utf-8", "replace").decode() for path in paths]
