"""The settings of a search for boxes."""

from __future__ import annotations

from seewhy.explaining.settings import LARGEST_ZOOM
from seewhy.settings import Setting

SUPPORT = 0.05
"""The least support of a box, of several: see `seewhy.locating.several`. On one half of the photos
of several objects of `benchmarks/boxes.py`, with MobileNet, it had the best harmonic mean of recall
and precision."""

SEARCH = (
    Setting(
        "threshold",
        "number",
        None,
        "share of the heatmap's maximum above which a pixel belongs to the object",
        (0, 1),
        excludes=(1,),
        shown="0.25, or what was measured for the method; 0.2 without tiles",
        metavar="T",
    ),
    Setting(
        "components",
        "choice",
        "largest",
        "box the largest connected component of a heatmap, or all",
        ("largest", "all"),
    ),
    Setting(
        "fast",
        "boolean",
        False,
        "one pass over the whole photo for its best class, not ten for the five best",
    ),
    Setting(
        "zoom",
        "integer",
        None,
        "explain tiles of 1/N of the photo's sides, fused",
        (1, LARGEST_ZOOM),
        shown="2; 1 with --fast",
    ),
    Setting(
        "objects",
        "integer",
        1,
        "erase what was found and look again, for at most N objects",
        (1, None),
    ),
    Setting(
        "several",
        "boolean",
        False,
        "look for several objects, on tiles of two scales (up to 95 passes of a photo)",
    ),
    Setting(
        "min_support",
        "number",
        SUPPORT,
        "with --several: the least support of a box",
        (0, None),
        metavar="S",
    ),
    Setting(
        "look_again",
        "boolean",
        True,
        "classify the content of each box again, by a second look",
        flag="--one-look",
    ),
    Setting(
        "overlap",
        "number",
        0.5,
        "IoU above which only the likelier of two boxes is kept",
        (0, 1),
        metavar="IOU",
    ),
    Setting(
        "min_probability",
        "number",
        0.0,
        "leave out boxes with a lower probability",
        (0, 1),
        metavar="P",
    ),
)
"""The settings of `seewhy.locate` beside those of `seewhy.explain`."""
