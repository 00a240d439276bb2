"""Shrink the explanation of a large photo for a page, which is drawn in a tenth of the time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from seewhy.photos.fitting import preview_size, shrink
from seewhy.photos.photo import Photo, Placement

Explanation = Any
"""`seewhy.Explanation`, whose module imports the one that draws."""


def shrunk(explanation: Explanation, photo: int) -> Explanation:
    """Return the explanation of one photo, with the photo no larger than a page shows it.

    Maps are resized to the photo only when they are drawn, so they stay as sharp as before.
    """
    alone = explanation.only(photo)
    (large,), (placement,) = alone.photos, alone.placements
    height, width = large.pixels.shape[:2]
    size = preview_size((height, width))
    if large.preview is None and size == (height, width):
        return alone
    pixels = shrink(large.pixels, size) if large.preview is None else large.preview
    down, across = size[0] / height, size[1] / width
    box, cells = (
        None if edges is None else tuple(np.multiply(edges, (across, down, across, down)).tolist())
        for edges in (placement.box, placement.cells)
    )
    assert box is not None
    return dataclasses.replace(
        alone,
        photos=(Photo(pixels, large.name, large.path),),
        placements=(Placement(box, cells),),
    )
