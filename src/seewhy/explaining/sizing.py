"""The size at which a page shows a photo: large ones are shrunk, small ones enlarged."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from seewhy.photos.fitting import preview_size, shrink
from seewhy.photos.photo import Photo, Placement
from seewhy.rendering.boxes import enlarged

Explanation = Any
"""`seewhy.Explanation`, whose module imports the one that draws."""


def sized(explanation: Explanation, photo: int) -> Explanation:
    """Return the explanation of one photo, with the photo as large as a page shows it.

    Maps are resized to the photo only when they are drawn, so those of a large photo stay as sharp
    as before, and take a tenth of the time; those of a small one become smooth.
    """
    alone = explanation.only(photo)
    (given,), (placement,) = alone.photos, alone.placements
    height, width = given.pixels.shape[:2]
    size = preview_size((height, width))
    preview = shrink(given.pixels, size) if given.preview is None else given.preview
    pixels = enlarged(preview)
    if pixels is given.pixels:
        return alone
    down, across = pixels.shape[0] / height, pixels.shape[1] / width
    box, cells = (
        None if edges is None else tuple(np.multiply(edges, (across, down, across, down)).tolist())
        for edges in (placement.box, placement.cells)
    )
    assert box is not None
    return dataclasses.replace(
        alone,
        photos=(Photo(pixels, given.name, given.path),),
        placements=(Placement(box, cells),),
    )
