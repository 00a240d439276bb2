"""Occlusion as `explain` runs it: a fill in the photo's own colours, and a watched output.

Axes: t target (class), m window or copy, h row, w column, c channel, k channel of feature maps.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.methods.base import ProbeResult
from seewhy.methods.fills import Fill, fill_picture
from seewhy.methods.occlusion import (
    Reduce,
    Reduction,
    feature_map_occlusion,
    find_reduction,
    occlusion,
)
from seewhy.methods.windows import PatchSize, place_windows
from seewhy.progress import Progress

FEATURE_MAPS = "feature-maps"
WATCHED_VALUES = ("scores", FEATURE_MAPS)
"""What occlusion watches: the explained values, or the explained layer's output for any class."""

ENGINES = ("auto", "sweep", "incremental")


class SweepFailed(Exception):
    """The fast sweep failed midway; the caller then runs whole copies."""


@runtime_checkable
class FastSweep(Protocol):
    """A faster way to the same values, computed from the windows."""

    def __call__(self, windows: Int[ndarray, "m 4"]) -> Float[ndarray, "m t"]:
        """Return the values with each window covered.

        Raises:
            SweepFailed: it cannot continue; a warning has explained why.
        """
        ...

    def clean(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m t"]:
        """Return the values of whole copies."""
        ...

    def rounding_errors(self) -> Float[ndarray, " t"] | None:
        """Return the relative error of the values; None if they are exact."""
        ...


@runtime_checkable
class Scene(Protocol):
    """One photo and the network that sees it.

    Attributes:
        pixels: (h, w, 3) the photo, fitted to the network's input size.
        image: (1, h, w, c) the same in the network's own input range.
        batch_size: copies at a time; None: as many as fit.
        progress: called with (done, total) copies.
    """

    pixels: UInt8[ndarray, "h w 3"]
    image: Float[ndarray, "1 h w c"]
    batch_size: int | None
    progress: Progress

    def to_input(self, pixels: UInt8[ndarray, "m h w 3"]) -> Float[ndarray, "m h w c"]:
        """Return pixels in the network's own input range."""
        ...

    def score(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m t"]:
        """Return the explained values of copies."""
        ...

    def features(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m ... k"]:
        """Return the explained layer's output for copies."""
        ...

    def fast_sweep(
        self,
        windows: Int[ndarray, "m 4"],
        filled: Float[ndarray, "h w c"],
        reduce: Reduce | None,
        *,
        engine: str,
    ) -> FastSweep | None:
        """Return a faster sweep, if it is requested and worthwhile.

        Args:
            windows: for the (first) patch size.
            filled: what shows through them, in the network's input range.
            reduce: reduces the channels' drops to one number, if feature maps are watched.
            engine: as for `occlude`.
        """
        ...


def occlude(
    scene: Scene,
    *,
    patch: PatchSize | list[int | float] | None = None,
    stride: PatchSize | None = None,
    fill: Fill = "mean",
    watch: str = "scores",
    reduction: Reduction = "max",
    engine: str = "auto",
) -> ProbeResult:
    """Cover patches of a photo, and measure what falls.

    Args:
        scene: the photo and its network.
        patch, stride: see `seewhy.methods.occlusion.occlusion`.
        fill: what shows through the patch: see `seewhy.methods.fills.Fill`.
        watch: "scores" (or the probabilities, where they are explained) or "feature-maps", the
            output of the explained layer.
        reduction: of the channels' drops: 'max', 'mean', 'norm', or a function (m k) -> (m).
        engine: "sweep" runs every copy whole; "incremental" re-runs only what a patch changed,
            exactly; "auto" predicts which is faster, and verifies the engine before using it.

    Returns:
        As `occlusion`, with 'filled' (h, w, 3) in `extras`: the picture that shows through. Where
        an engine re-runs windows in bfloat16 also 'bfloat16_error' (t), measured at some of them.

    Raises:
        OptionError: an option has an invalid value.

    Warns:
        SeewhyWarning: the error of a bfloat16 map exceeds a tenth; or windows should be re-run
            and cannot be.

    Source:
        Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
        section 4.2 (arXiv:1311.2901); see `occlusion` for what differs.
    """
    _check(watch, engine)
    picture = fill_picture(scene.pixels, fill)
    image = scene.image[0]
    if fill == "mean":  # exactly, as deletion does; the picture of it is rounded to 8 bits
        mean = image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        filled = np.broadcast_to(mean, image.shape).copy()
    else:
        filled = scene.to_input(picture[None])[0]
    reduce = find_reduction(reduction) if watch == FEATURE_MAPS else None
    first = patch[0] if isinstance(patch, list) and patch else patch
    fast = None
    if not isinstance(first, list):  # an empty list is refused by `occlusion`
        windows = place_windows((image.shape[0], image.shape[1]), first, stride).boxes
        fast = scene.fast_sweep(windows, filled, reduce, engine=engine)
    settings: dict[str, Any] = {
        "patch": patch,
        "stride": stride,
        "filled": filled,
        "progress": scene.progress,
    }
    result: ProbeResult | None = None
    extras: dict[str, ndarray] = {}
    if fast is not None:
        try:
            result = occlusion(image, fast.clean, sweep=fast, **settings)
        except SweepFailed:
            result = None
        else:
            errors = fast.rounding_errors()
            extras = {} if errors is None else {"bfloat16_error": errors}
    settings["batch_size"] = scene.batch_size
    if result is None:
        result = (
            occlusion(image, scene.score, **settings)
            if reduce is None
            else feature_map_occlusion(image, scene.features, reduction=reduce, **settings)
        )
    extras = {**result.extras, "filled": np.asarray(picture), **extras}
    return ProbeResult(maps=result.maps, extras=extras, shown=result.shown)


def _check(watch: str, engine: str) -> None:
    for name, value, choices in (
        ("watch", watch, WATCHED_VALUES),
        ("engine", engine, ENGINES),
    ):
        if value not in choices:
            raise OptionError(f"{name}={value!r} is unknown. Choose one of {', '.join(choices)}.")
