"""Occlusion of one photo: the fill in the photo's own colours, and what it is that dips.

Axes: t target (class), m copy, h row, w column, c channel, k channel of the feature maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.images import fit_photo
from seewhy.incremental.choosing import EngineName, choose
from seewhy.incremental.engine import SCORES, Engine
from seewhy.methods.base import Probed, Progress, no_progress
from seewhy.methods.fills import Fill, fill_picture
from seewhy.methods.occlusion import (
    Reduction,
    feature_map_occlusion,
    find_reduction,
    occlusion,
)
from seewhy.methods.windows import Size, place_windows
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
    engine: EngineName = "auto",
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
        engine: "sweep" runs every copy whole; "incremental" re-runs only what a patch changed,
            exactly; "auto" forecasts which is faster, and checks before it trusts.
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
    watched = layer if dip == FEATURE_MAPS else SCORES
    rerun = _rerun(subject, filled, watched, patch=patch, stride=stride, engine=engine)
    image = subject.image[0]
    if dip == FEATURE_MAPS:
        probed = _feature_maps(
            subject, layer, filled, rerun, reduction, patch, stride, batch_size, progress
        )
    else:
        probed = occlusion(
            image,
            subject.score,
            patch=patch,
            stride=stride,
            filled=filled,
            sweep=None
            if rerun is None
            else lambda windows: subject.chosen(
                rerun.sweep(image, windows, filled, progress=progress)
            ),
            batch_size=batch_size,
            progress=progress,
        )
    return Probed(maps=probed.maps, extras={**probed.extras, "filled": np.asarray(through)})


def _feature_maps(
    subject: Subject,
    layer: str,
    filled: Float[ndarray, "h w c"],
    rerun: Engine | None,
    reduction: Reduction,
    patch: Size | list[int | float] | None,
    stride: Size | None,
    batch_size: int | None,
    progress: Progress,
) -> Probed:
    """Watch the layer's output, by whole copies or by what a patch changed."""
    image = subject.image[0]
    network = subject.classifier.network
    if rerun is None:

        def features(copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m ... k"]:
            return network.activations(copies, [layer])[layer]

        return feature_map_occlusion(
            image,
            features,
            reduction=reduction,
            patch=patch,
            stride=stride,
            filled=filled,
            batch_size=batch_size,
            progress=progress,
        )
    reduce = find_reduction(reduction)

    def sweep(windows: Int[ndarray, "m 4"]) -> Float[ndarray, "m 1"]:
        changes = rerun.sweep(image, windows, filled, dip=layer, progress=progress)
        return -reduce(-changes)[:, None]

    return occlusion(
        image,
        lambda copies: np.zeros((len(copies), 1), np.float32),
        patch=patch,
        stride=stride,
        filled=filled,
        sweep=sweep,
        progress=progress,
    )


def _rerun(
    subject: Subject,
    filled: Float[ndarray, "h w c"],
    watched: str,
    *,
    patch: Size | list[int | float] | None,
    stride: Size | None,
    engine: EngineName,
) -> Engine | None:
    """Return the engine that re-runs windows, where it is asked for or pays."""
    network = subject.classifier.network
    image = subject.image[0]
    size = (image.shape[0], image.shape[1])
    if subject.target is not None and watched == SCORES:
        if engine == "incremental":
            raise OptionError(
                "engine='incremental' re-runs class scores and feature maps, and a target of your "
                "own is neither. Leave the engine out."
            )
        return None

    def make() -> Engine:
        if "engine" not in subject.kept:
            from seewhy.networks.incremental import engine_for

            subject.kept["engine"] = engine_for(network, size=size)
        made: Engine = subject.kept["engine"]
        return made

    def reference(copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m k"]:
        if watched == SCORES:
            return network.scores(copies)
        answers = network.activations(copies, [watched])[watched]
        means: Float[ndarray, "m k"] = answers.mean(axis=tuple(range(1, answers.ndim - 1)))
        return means

    first = patch[0] if isinstance(patch, list) and patch else patch
    if isinstance(first, list):
        return None  # an empty list, which `occlusion` refuses
    windows = place_windows(size, first, stride).boxes
    return choose(make, reference, image, windows, filled, engine=engine, dip=watched).engine
