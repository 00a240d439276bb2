"""The settings of a search for boxes."""

from __future__ import annotations

from seewhy.explaining.settings import LARGEST_ZOOM
from seewhy.settings import Setting

SEARCH = (
    Setting(
        "threshold",
        "number",
        None,
        "share of the heatmap's maximum above which a pixel belongs to the object",
        (0, 1),
        excludes=(1,),
        shown="Otsu's, of each heatmap",
        metavar="T",
    ),
    Setting(
        "prior",
        "choice",
        None,
        "where objects are likely: in the middle of the photo, or anywhere",
        ("middle", "none"),
        shown="middle where one object is looked for, else none",
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
        "one pass over the whole photo, not ten",
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
