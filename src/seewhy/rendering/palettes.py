"""Palettes: matplotlib's colour maps, and one for maps that speak for and against a class."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError, nearest_names

HEAT = "turbo"
"""The palette of maps from zero up."""

FOR_AND_AGAINST = "for-against"
"""The palette of signed maps: blue against, red for; matplotlib's diverging ones are dark or pale
at their ends, where they must be seen over a photo."""

PIXELS_FOR_AND_AGAINST = "coolwarm"
"""The palette of signed maps of pixels, which are pictures of their own: the same two colours,
softer, since next to no pixel is near 0."""

STOPS = {
    0.0: (0, 60, 240),
    0.3: (0, 140, 255),
    0.5: (235, 235, 235),
    0.7: (255, 80, 50),
    1.0: (215, 0, 20),
}
"""Red, green and blue of `FOR_AND_AGAINST` at some places; straight lines join them."""

USUAL_PALETTES = (HEAT, "jet", "viridis", "seismic", "coolwarm", "gray", "inferno")
"""Matplotlib's colour maps of which `data/palettes.png` has a row each: it takes a while to import.
"""


def palette_of(name: str) -> UInt8[ndarray, "colours 3"]:
    """Return the colours of a colour map, from low to high.

    Args:
        name: "for-against", or a colour map of matplotlib.

    Raises:
        OptionError: matplotlib has no such colour map; names the nearest.
    """
    return (
        _usual_palettes()[USUAL_PALETTES.index(name)]
        if name in USUAL_PALETTES
        else _any_palette(name)
    )


@functools.cache
def _usual_palettes() -> UInt8[ndarray, "maps colours 3"]:
    with files("seewhy").joinpath("data/palettes.png").open("rb") as file:
        palettes = np.array(Image.open(file))
    palettes.flags.writeable = False
    return palettes


def _any_palette(name: str) -> UInt8[ndarray, "colours 3"]:
    if name == FOR_AND_AGAINST:
        return _between(STOPS)
    import matplotlib

    if name not in matplotlib.colormaps:
        near = nearest_names(name, matplotlib.colormaps)
        raise OptionError(
            f"Matplotlib has no colour map '{name}'. "
            f"{f'The nearest names are {near}. ' if near else ''}"
            "Choose turbo, viridis, inferno, for-against, or another of matplotlib's."
        )
    colormap = matplotlib.colormaps[name]
    return np.asarray(colormap(np.arange(colormap.N), bytes=True)[:, :3], dtype=np.uint8)


def _between(
    stops: Mapping[float, tuple[int, int, int]], count: int = 256
) -> UInt8[ndarray, "colours 3"]:
    places, colours = np.linspace(0, 1, count), np.array(list(stops.values()), float)
    channels = [np.interp(places, list(stops), channel) for channel in colours.T]
    return np.asarray(np.rint(np.stack(channels, axis=1)), np.uint8)
