"""Occlusion of one photo: the fill in the photo's own colours, and what it is that dips.

Axes: t target (class), m copy, h row, w column, c channel, k channel of the feature maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.images import fit_photo
from seewhy.methods.base import Probed, Progress, no_progress
from seewhy.methods.fills import Fill, fill_picture
from seewhy.methods.occlusion import Reduction, feature_map_occlusion, occlusion
from seewhy.methods.windows import Size
from seewhy.preprocessing import preprocess_pixels

if TYPE_CHECKING:
    from seewhy.probing import Subject

FEATURE_MAPS = "feature-maps"
"""What dips: the explained layer's output, whatever the class."""

DIPS = ("scores", FEATURE_MAPS)


def occlude(
    subject: Subject,
    *,
    layer: str,
    patch: Size | list[int | float] | None = None,
    stride: Size | None = None,
    fill: Fill = "mean",
    dip: str = "scores",
    reduction: Reduction = "max",
    batch_size: int | None = None,
    progress: Progress = no_progress,
) -> Probed:
    """Cover patches of a photo, and watch what dips.

    Args:
        subject: the photo, its network and its classes.
        layer: whose output dips, with dip="feature-maps".
        patch, stride: see `seewhy.methods.occlusion.occlusion`.
        fill: what shows through the patch: see `seewhy.methods.fills.Fill`.
        dip: "scores" (or the probabilities, where they are explained) or "feature-maps".
        reduction: of the channels' dips: 'max', 'mean', 'norm', or a function (m k) -> (m).
        batch_size: copies at a time.
        progress: called with (done, total) copies.

    Returns:
        As the method, with 'filled' (h, w, 3) in `extras`: the picture that shows through.

    Raises:
        OptionError: an option has a value that it cannot have.
    """
    if dip not in DIPS:
        raise OptionError(f"dip={dip!r} is unknown. Choose one of {', '.join(DIPS)}.")
    classifier = subject.classifier
    pixels, _ = fit_photo(subject.photo, classifier.fit)
    through = fill_picture(pixels, fill)
    filled = preprocess_pixels(
        through[None],
        classifier.preprocess,
        channels=classifier.network.input_shape[2],
        network=classifier.name,
    )[0]
    if dip == FEATURE_MAPS:

        def features(copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m ... k"]:
            return classifier.network.activations(copies, [layer])[layer]

        probed = feature_map_occlusion(
            subject.image[0],
            features,
            reduction=reduction,
            patch=patch,
            stride=stride,
            filled=filled,
            batch_size=batch_size,
            progress=progress,
        )
    else:
        probed = occlusion(
            subject.image[0],
            subject.score,
            patch=patch,
            stride=stride,
            filled=filled,
            batch_size=batch_size,
            progress=progress,
        )
    return Probed(maps=probed.maps, extras={**probed.extras, "filled": np.asarray(through)})
