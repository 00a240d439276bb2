"""The settings of a search for boxes, and the thresholds that were measured on photos with boxes.

Axes: n photo, t class, h row, w column of a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.boxes import Components
from seewhy.errors import OptionError
from seewhy.explaining.question import find_method
from seewhy.explaining.result import Explanation
from seewhy.locating.settings import SEARCH, SUPPORT
from seewhy.settings import check_fields

SEEN = 5
"""Classes whose heat is added up: what else the network may be looking at."""

ZOOM = 2
"""Of the tiles, unless given."""

BEST = 10
"""Classes of the whole photo whose heat is looked at for several objects."""

FAST_THRESHOLD, THRESHOLD = 0.2, 0.25
"""Share of a heatmap's maximum above which it belongs to the object: of the whole photo, Zhou et
al.'s; of tiles, the best in steps of 0.05 for CAM, Grad-CAM and HiResCAM."""

THRESHOLDS = {"layer-cam": 0.3, "grad-cam++": 0.3, "finer-cam": 0.2, "refine-cam": 0.1}
"""Of tiles, where another threshold was best. All were chosen on one half of the photos of one
object of `benchmarks/boxes.py`, with MobileNet; other methods are not measured."""


@dataclass(frozen=True)
class Search:
    """How boxes are searched for; see `seewhy.locate`.

    Attributes:
        method, top, classes, layer, options, batch_size: as for `seewhy.explain`.
        fast: one pass over the photo instead of tiles.
        zoom: of the tiles.
        threshold: share of a heatmap's maximum; None: the measured one.
        components, look_again, overlap, min_probability, objects: see `seewhy.locate`.
        several, min_support: see `seewhy.locate`.
    """

    method: str | None = None
    top: int | None = None
    classes: Sequence[Any] | None = None
    layer: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fast: bool = False
    zoom: int | None = None
    threshold: float | None = None
    components: Components = "largest"
    look_again: bool = True
    overlap: float = 0.5
    min_probability: float = 0.0
    objects: int = 1
    several: bool = False
    min_support: float = SUPPORT
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse wrong options before the network runs."""
        check_fields(self, SEARCH)
        if self.several and not self._leaves_the_search_alone:
            raise OptionError(
                "several=True chooses classes, tiles and thresholds itself, and looks into every "
                "box. Leave out top, classes, fast, zoom, threshold, components, objects and "
                "look_again."
            )

    @property
    def _leaves_the_search_alone(self) -> bool:
        given = (self.top, self.classes, self.zoom, self.threshold)
        return (
            all(one is None for one in given)
            and (self.fast, self.components, self.objects) == (False, "largest", 1)
            and self.look_again
        )

    @property
    def share(self) -> float:
        """The threshold in use."""
        if self.threshold is not None:
            return self.threshold
        if self._zoom == 1:
            return FAST_THRESHOLD
        name = None if self.method is None else find_method(self.method).name
        return THRESHOLDS.get(name or "", THRESHOLD)

    @property
    def _zoom(self) -> int:
        return (1 if self.fast else ZOOM) if self.zoom is None else self.zoom

    @property
    def mixes_classes(self) -> bool:
        """True where the best classes give one heatmap together."""
        return self.top is None and self.classes is None and not self.fast and not self.several

    def question(self) -> dict[str, Any]:
        """Return the arguments of `seewhy.explain` that give the heatmaps.

        For several objects they give the best classes of the whole photo.
        """
        given = self.top is not None or self.classes is not None
        best = BEST if self.several else SEEN if self.mixes_classes else 1
        return {
            "method": self.method,
            "top": self.top if given else best,
            "classes": self.classes,
            "layer": self.layer,
            "zoom": 1 if self.several else self._zoom,
            "batch_size": self.batch_size,
            **self.options,
        }


def mix_classes(explanation: Explanation) -> Explanation:
    """Add up the heat of each photo's classes by their probability: one map per photo.

        M[n, i, j] = sum over t of p[n, t] · M[n, t, i, j] / sum over t of p[n, t]

    A network that wavers between breeds has seen one dog: the heat of each breed lies on other
    parts of it, and their mean on all of it. The map counts as the best class's.
    """
    mixed = [
        _mean(maps, row) for maps, row in zip(explanation.maps, explanation.targets, strict=True)
    ]
    return replace(
        explanation,
        maps=np.stack(mixed)[:, None],
        targets=tuple(row[:1] for row in explanation.targets),
        extras=(),
        shown=(),
    )


def _mean(maps: ndarray, row: Sequence[Any]) -> ndarray:
    """Return the mean by probability; the first map where there is none."""
    likely = np.array([one.probability for one in row], np.float64)
    if not np.nansum(likely) > 0:
        return np.asarray(maps[0])
    shares = np.nan_to_num(likely) / np.nansum(likely)
    return np.asarray(np.tensordot(shares, maps, axes=1), np.float32)
