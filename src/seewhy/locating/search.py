"""The settings of a search for boxes, and the question to the network that they make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from seewhy.boxes import Components
from seewhy.explaining.request import Request
from seewhy.locating.settings import SEARCH
from seewhy.settings import check_fields

MIXED_CLASSES = 5
"""Classes whose heat is added up: what else the network may be looking at."""

ZOOM = 2
"""Of the tiles, unless given."""

Prior = Literal["middle", "none"]


@dataclass(frozen=True)
class BoxSearch:
    """How boxes are searched for; see `seewhy.locate`.

    Attributes:
        request: what is asked of the network: method, classes, layer and the rest.
        zoom: of the tiles; None: 2, or 1 with `fast`.
        fast, threshold, prior, components, look_again, overlap, min_probability, objects: see
            `seewhy.locate`.
    """

    request: Request = field(default_factory=Request)
    zoom: int | None = None
    fast: bool = False
    threshold: float | None = None
    prior: Prior | None = None
    components: Components = "largest"
    look_again: bool = True
    overlap: float = 0.5
    min_probability: float = 0.0
    objects: int = 1

    def __post_init__(self) -> None:
        """Refuse wrong settings before the network runs."""
        check_fields(self, SEARCH)

    @property
    def mixes_classes(self) -> bool:
        """True where the best classes give one heatmap together."""
        request = self.request
        return request.top is None and request.classes is None and request.target is None

    @property
    def weighs_middle(self) -> bool:
        """True where heat in the middle of the photo counts more."""
        one_object = self.mixes_classes and self.objects == 1 and self.components == "largest"
        return one_object if self.prior is None else self.prior == "middle"

    @property
    def question(self) -> Request:
        """What is asked of the network, to get the heatmaps."""
        request = self.request
        zoom = (1 if self.fast else ZOOM) if self.zoom is None else self.zoom
        return replace(request, zoom=zoom, top=MIXED_CLASSES if self.mixes_classes else request.top)
