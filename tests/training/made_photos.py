"""Made photos whose object is known: a bright ring or a cross somewhere on a noisy ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40


def draw_photo(label: str, generator: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a photo and the (row, column) of its object's centre."""
    pixels = generator.integers(60, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    row, column = (int(value) for value in generator.integers(9, SIDE - 9, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    if label == "ring":
        distance = np.hypot(rows - row, columns - column)
        pixels[(distance > 3) & (distance < 7)] = (250, 60, 40)
    else:
        inside = (abs(rows - row) < 7) & (abs(columns - column) < 7)
        arms = (abs(rows - row) < 2) | (abs(columns - column) < 2)
        pixels[inside & arms] = (40, 90, 250)
    return pixels, (row, column)


def make_folder(root: Path, *, counts: dict[str, int], seed: int = 0) -> Path:
    """Write photos into one sub-folder per class."""
    generator = np.random.default_rng(seed)
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels, _ = draw_photo(label, generator)
            Image.fromarray(pixels).save(root / label / f"{number:03d}.png")
    return root
