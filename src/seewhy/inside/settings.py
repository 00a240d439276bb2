"""The settings of what looks inside a network: filters, feature maps, images that excite most."""

from __future__ import annotations

from seewhy.settings import LARGEST_SEED, Setting

FIRST = Setting("first", "integer", None, "show the first N filters", (1, None), shown="64")

FILTERS = (
    Setting("layer", "text", None, "the layer", shown="the first convolution", metavar="L"),
    FIRST,
)

MOST_CHANNELS = Setting(
    "most", "integer", None, "show the N strongest channels", (1, None), shown="all, by index"
)

FEATURE_MAPS = (
    Setting(
        "layer",
        "text",
        None,
        "this layer; repeat for several, or use commas",
        shown="every stage",
        metavar="L",
        several=True,
    ),
    MOST_CHANNELS,
    Setting("over_photo", "boolean", False, "lay each map over the photo instead of bare"),
)

BASIS = Setting(
    "basis",
    "choice",
    "all",
    "colours that mean the same in all photos, or each photo's own directions",
    ("all", "photo"),
)

FEATURES = (
    Setting("layer", "text", None, "the layer", shown="the one that is explained", metavar="L"),
    BASIS,
    Setting(
        "at",
        "text",
        None,
        "show what is like this place of the first photo, in its pixels",
        metavar="X,Y",
    ),
    Setting(
        "other", "text", None, "show where a photo matches this one", flag="--with", metavar="OTHER"
    ),
)

COUNT = Setting(
    "count",
    "integer",
    9,
    "the N photos that excite the filter most",
    (1, None),
    flag="--strongest",
)

FILTER = Setting("filter", "integer", None, "this channel of the layer", metavar="K")

STRONGEST = (
    FILTER,
    COUNT,
)

MAXIMIZE = (
    Setting(
        "parameterization",
        "choice",
        "fourier",
        "optimize the image's spectrum, which gives readable images, or its pixels",
        ("fourier", "pixels"),
    ),
    Setting(
        "steps", "integer", None, "steps of the ascent", (1, None), shown="256, or 128 on pixels"
    ),
    Setting(
        "rate",
        "number",
        None,
        "size of each step",
        (0, None),
        excludes=(0,),
        shown="0.05, or 0.01 on pixels",
        metavar="R",
    ),
    Setting(
        "transforms",
        "boolean",
        None,
        "shift, scale and rotate the image between steps",
        shown="yes with fourier",
    ),
    Setting(
        "total_variation",
        "number",
        0.0,
        "weight of a penalty on differences between neighbours",
        (0, None),
        metavar="T",
    ),
    Setting(
        "blur",
        "number",
        0.0,
        "σ of a Gaussian blur after each step, only with pixels",
        (0, None),
        metavar="S",
    ),
    Setting("seed", "integer", 0, "seed of the noise and the transforms", (0, LARGEST_SEED)),
)
