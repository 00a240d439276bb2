"""A few real photos that are always available: seewhy's own cat, and those of scikit-image."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from seewhy.photos.reading import Photo, read_photo

SAMPLE = Path(str(files("seewhy").joinpath("data/chelsea.png")))
"""The cat Chelsea, as in scikit-image: by Stéfan van der Walt, CC0."""

FURTHER_SAMPLES = ("coffee.png", "rocket.jpg", "astronaut.png", "motorcycle_left.png", "camera.png")
"""A cup, a rocket, a portrait, a motorcycle and, in grey, a photographer, of scikit-image."""


@lru_cache(maxsize=1)
def sample_photos() -> tuple[Photo, ...]:
    """Return the photos; only the first where scikit-image is not installed, or lacks some."""
    package = find_spec("skimage")  # it takes half a second to import
    folders = [] if package is None else package.submodule_search_locations or []
    paths = [
        SAMPLE,
        *(Path(folder, "data", name) for folder in folders for name in FURTHER_SAMPLES),
    ]
    return tuple(read_photo(path, name=path.name) for path in paths if path.is_file())
