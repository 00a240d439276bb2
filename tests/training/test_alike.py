"""What all photos share is told, since a network may learn it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from seewhy.training.alike import alike


def written(root: Path, *, sizes: list[int], qualities: list[int], whole: bool) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = []
    for number in range(24):
        side = sizes[number % len(sizes)]
        pixels = generator.integers(0, 256, (side, side, 3), np.uint8)
        path = root / f"{number}.jpg"
        Image.fromarray(pixels).save(
            path,
            quality=qualities[number % len(qualities)],
            subsampling="4:4:4" if whole and number % 2 else "4:2:0",
        )
        paths.append(path)
    return paths


def test_photos_of_one_size_quality_and_subsampling_are_told(tmp_path: Path) -> None:
    end = ": the network may learn that, and be wrong on others. Add photos of other origins."
    assert alike(written(tmp_path, sizes=[16], qualities=[80], whole=False)) == (
        f"All photos have one size, 16 × 16 pixels{end}",
        f"All photos are JPEG files of one quality{end}",
        f"All photos store their colour alike, 4:2:0{end}",
    )


def test_photos_that_differ_are_fine_and_few_say_nothing(tmp_path: Path) -> None:
    paths = written(tmp_path, sizes=[16, 24], qualities=[70, 90], whole=True)
    assert alike(paths) == ()
    same = written(tmp_path, sizes=[16], qualities=[80], whole=False)
    assert alike(same[:19]) == ()
    (tmp_path / "0.jpg").write_bytes(b"no photo")
    assert len(alike(same)) == 3
