"""What all photos of a folder share, and a network may learn instead of what is on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, JpegImagePlugin

SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
"""How JPEG files store colour, by Pillow's number."""

FEWEST_PHOTOS = 20
"""Photos below which nothing is said."""


def alike(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return a sentence for each trait that all photos share: size, quality, colour's resolution.

    Only the heads of the files are read; files that cannot be read are left out.
    """
    heads = [head for head in map(_head, paths) if head is not None]
    if len(heads) < FEWEST_PHOTOS:
        return ()
    sizes, qualities, samplings = (set(column) for column in zip(*heads, strict=True))
    findings = []
    if len(sizes) == 1:
        width, height = sizes.pop()
        findings.append(f"All photos have one size, {width} × {height} pixels")
    if len(qualities) == 1 and None not in qualities:
        findings.append("All photos are JPEG files of one quality")
    if len(samplings) == 1 and None not in samplings:
        findings.append(f"All photos store their colour alike, {samplings.pop()}")
    return tuple(
        f"{finding}: the network may learn that, and be wrong on others. Add photos of other "
        "origins."
        for finding in findings
    )


def _head(path: Path) -> tuple[tuple[int, int], str | None, str | None] | None:
    """Return size, quality's tables and colour's resolution; the last two None of no JPEG."""
    try:
        with Image.open(path) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile):
                return image.size, None, None
            sampling = SUBSAMPLING.get(JpegImagePlugin.get_sampling(image))
            return image.size, str(sorted(image.quantization.items())), sampling
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
