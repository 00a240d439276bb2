"""Occlusion: cover a patch of the image, and measure what falls.

Axes: m window or copy, t target (class), r row of positions, q column of positions, h row,
w column, c channel, k channel of the feature maps.
Images are in the network's own input range; what shows through a window is a picture in that range
too (`seewhy.methods.fills` makes one in the photo's own colours).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from numpy import ndarray

from seewhy.errors import OptionError, SeewhyWarning
from seewhy.methods.base import ProbeResult, Score
from seewhy.methods.windows import (
    PatchSize,
    Windows,
    default_batch_size,
    mean_over_windows,
    occlusion_copies,
    place_windows,
    smooth_over_windows,
)
from seewhy.progress import Progress, no_progress

Sweep = Callable[[Int[ndarray, "m 4"]], Float[ndarray, "m t"]]
"""A faster way to the same scores: from the windows themselves, without copies of the image."""

Reduce = Callable[[Float[ndarray, "m k"]], Float[ndarray, " m"]]
"""Reduces the channels' drops to one number."""

Reduction = str | Reduce
"""How to reduce the channels' drops to one number: a name in `REDUCTIONS`, or a function."""

REDUCTIONS: Mapping[str, Reduce] = MappingProxyType(
    {
        "max": lambda drops: drops.max(axis=1),
        "mean": lambda drops: drops.mean(axis=1),
        "norm": lambda drops: np.sqrt(np.square(drops).mean(axis=1)),
    }
)
"""`max`: the channel that lost most; `mean`: all channels; `norm`: the root mean square change, up
or down."""


def occlusion(
    image: Float[ndarray, "h w c"],
    score: Score,
    *,
    patch: PatchSize | list[int | float] | None = None,
    stride: PatchSize | None = None,
    filled: Float[ndarray, "_h _w _c"] | None = None,
    sweep: Sweep | None = None,
    batch_size: int | None = None,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Show where the score falls when a patch of the image is covered.

        drop[m]   = score(image) − score(image with window m covered)
        map[h, w] = mean of drop[m] over the windows m that cover the pixel (h, w)

    The windows cover the image exactly: the last one of a row or column is shifted to end at the
    edge. Copies are made a batch at a time in one buffer, so memory does not grow with them.

    Args:
        image: one image, in the network's own input range.
        score: the explained values of m copies; all classes are read from the same sweep.
        patch: the window: pixels (int), a share of the image (0 < float < 1), or one of them for
            each of (height, width); a seventh of the image by default. A list of sizes makes one
            sweep for each, see Returns.
        stride: the step between windows, likewise; half the window by default.
        filled: the picture that shows through the windows; by default each channel's mean over
            the image.
        sweep: computes the values for all windows [x0, y0, x1, y1] instead of the copies.
        batch_size: copies at a time; by default chosen to fit in memory.
        progress: called with (done, total) copies after every batch; one copy is the image itself.

    Returns:
        `maps`: the mean drop, positive where the patch speaks for the class, in units of the score;
        NaN where no window reaches. `extras`: 'grid' (t, r, q), the drop at each position, and
        'windows' (m, 4), all windows in the grid's order. For a list of sizes `maps` is the mean of
        their maps, and `extras` are 'patch_maps' (p, t, h, w), 'patch_shown', the same as pictures
        show it, 'patches' (p, 2), and 'grid_0', 'grid_1' and so on.

    Raises:
        OptionError: the patch is larger than the image, a size is not positive, `filled` has
            another shape, or the score's number of rows differs from its input's.

    Source:
        Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
        section 4.2 (arXiv:1311.2901). Differs from the paper: it plots the score itself over the
        patch's position; here it is the drop, and pixels under several windows get their mean.
    """
    if isinstance(patch, list):
        sweep_once = partial(
            occlusion,
            image,
            score,
            stride=stride,
            filled=filled,
            sweep=sweep,
            batch_size=batch_size,
        )
        return _occlusion_at_sizes(sweep_once, image.shape, patch, stride, progress)
    windows = place_windows((image.shape[0], image.shape[1]), patch, stride)
    _warn_of_gaps(windows)
    if sweep is None:
        clean, covered = _score_copies(image, score, filled, windows, batch_size, progress)
    else:
        clean = np.asarray(score(np.array(image[None])), np.float64)[0]
        covered = np.asarray(sweep(windows.boxes), np.float64)
        _check_rows("sweep", covered, len(windows.boxes))
        progress(len(covered) + 1, len(covered) + 1)
    return _result(clean - covered, windows)


def feature_map_occlusion(
    image: Float[ndarray, "h w c"],
    features: Callable[[Float[ndarray, "m h w c"]], Float[ndarray, "m ... k"]],
    *,
    reduction: Reduction = "max",
    patch: PatchSize | list[int | float] | None = None,
    stride: PatchSize | None = None,
    filled: Float[ndarray, "_h _w _c"] | None = None,
    batch_size: int | None = None,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Show where covering a patch weakens a layer's feature maps most; needs no class.

        drop[m] = reduction over k of (mean over i, j of A(image)[i, j, k] − A(image with window m
                  covered)[i, j, k])

    Args:
        image: one image, in the network's own input range.
        features: the layer's output A for m copies: maps, or vectors (taken as they are).
        reduction: over the channels: 'max', 'mean', 'norm', or a function (m k) -> (m).
        patch: as for `occlusion`; so are `stride`, `filled`, `batch_size` and `progress`.

    Returns:
        As `occlusion`, with a single target (t = 1).

    Raises:
        OptionError: as `occlusion`, and for an unknown reduction.
    """
    reduce = find_reduction(reduction)
    clean: list[Float[ndarray, " k"]] = []

    def drop(copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m 1"]:
        answers = np.asarray(features(copies), np.float64)
        means = answers.reshape(len(answers), -1, answers.shape[-1]).mean(axis=1)
        if not clean:  # the first copy of a sweep is the clean image
            clean.append(means[0])
        return -reduce(clean[0] - means)[:, None]

    return occlusion(
        image,
        drop,
        patch=patch,
        stride=stride,
        filled=filled,
        batch_size=batch_size,
        progress=progress,
    )


def find_reduction(reduction: Reduction) -> Reduce:
    """Return the function that reduces the channels' drops to one number.

    Raises:
        OptionError: the name is unknown.
    """
    if not isinstance(reduction, str):
        return reduction
    if reduction in REDUCTIONS:
        return REDUCTIONS[reduction]
    raise OptionError(
        f"reduction {reduction!r} is unknown. Choose one of {', '.join(REDUCTIONS)}, or give a "
        "function from the channels' drops (windows, channels) to one number per window."
    )


def occluded_copies(
    image: Num[ndarray, "h w c"],
    filled: Num[ndarray, "h w c"],
    windows: Int[ndarray, "m 4"],
) -> Iterator[Num[ndarray, "h w c"]]:
    """Make one copy of the image for each window, with `filled` showing through it.

    Both may be floats in the network's input range, or the photo's own pixels.
    """
    for x0, y0, x1, y1 in windows:
        copy = np.array(image)
        copy[y0:y1, x0:x1] = filled[y0:y1, x0:x1]
        yield copy


def _score_copies(
    image: Float[ndarray, "h w c"],
    score: Score,
    filled: Float[ndarray, "_h _w _c"] | None,
    windows: Windows,
    batch_size: int | None,
    progress: Progress,
) -> tuple[Float[ndarray, " t"], Float[ndarray, "m t"]]:
    """Score the clean image and every occluded copy, a batch at a time in one buffer.

    The batches are equal in size, and a last batch that is a few copies short is padded: a network
    that is compiled per shape is compiled once.
    """
    filled = _filled(image, filled)
    boxes = windows.boxes
    total = len(boxes) + 1
    if batch_size is None:
        batch_size = default_batch_size(image.shape)
    if batch_size < 1:
        raise OptionError(f"batch_size {batch_size} is too small. Give 1 or more, or leave it out.")
    batches = -(-total // batch_size)
    buffer = np.empty((-(-total // batches), *image.shape), np.float32)
    answers = []
    for start in range(0, total, len(buffer)):
        buffer[:] = image  # all of it: a network may have changed its input in place
        stop = min(start + len(buffer), total)
        for copy, (x0, y0, x1, y1) in zip(
            buffer[1 if start == 0 else 0 :], boxes[max(start - 1, 0) : stop - 1], strict=False
        ):
            copy[y0:y1, x0:x1] = filled[y0:y1, x0:x1]
        rows = np.array(score(buffer), np.float64)
        _check_rows("score", rows, len(buffer))
        answers.append(rows[: stop - start])
        progress(stop, total)
    scores = np.concatenate(answers)
    return scores[0], scores[1:]


def _occlusion_at_sizes(
    sweep_once: Callable[..., ProbeResult],
    shape: tuple[int, ...],
    patches: list[int | float],
    stride: PatchSize | None,
    progress: Progress,
) -> ProbeResult:
    """Sweep once per patch size; read a heatmap that changes with the size with care."""
    if not patches:
        raise OptionError("patch is an empty list. Give at least one size.")
    total = occlusion_copies(shape, patch=patches, stride=stride)
    done = 0
    maps: list[ndarray] = []
    sizes, shown = [], []
    grids: dict[str, ndarray] = {}
    for patch in patches:
        before = done

        def step(done_here: int, total_here: int, before: int = before) -> None:
            progress(before + done_here, total)

        result = sweep_once(patch=patch, progress=step)
        done += len(result.extras["windows"]) + 1
        grids[f"grid_{len(maps)}"] = result.extras["grid"]
        maps.append(result.maps)
        if result.shown is not None:
            shown.append(result.shown)
        sizes.append(place_windows((shape[0], shape[1]), patch, stride).patch)
    stacked = np.stack(maps)
    return ProbeResult(
        maps=stacked.mean(axis=0),
        extras={
            "patch_maps": stacked,
            "patch_shown": np.stack([draw("linear") for draw in shown]),
            "patches": np.array(sizes),
            **grids,
        },
        shown=partial(_mean_shown, shown),
    )


def _result(drops: Float[ndarray, "m t"], windows: Windows) -> ProbeResult:
    """Return the mean drops; pictures show the drops interpolated between window centres."""
    drops_by_place = drops.T.reshape(-1, *windows.shape)
    maps = mean_over_windows(drops_by_place, windows)
    grid = drops_by_place.astype(np.float32)
    return ProbeResult(
        maps=maps,
        extras={"grid": grid, "windows": windows.boxes},
        shown=partial(_shown, grid, windows, np.isnan(maps)),
    )


def _shown(
    grid: Float[ndarray, "t r q"],
    windows: Windows,
    untested: Bool[ndarray, "t h w"],
    interpolation: str,
) -> Float[ndarray, "t h w"]:
    smooth = smooth_over_windows(grid, windows, interpolation=interpolation)
    return np.where(untested, np.float32(np.nan), smooth)


def _mean_shown(
    shown: list[Callable[[str], Float[ndarray, "t h w"]]], interpolation: str
) -> Float[ndarray, "t h w"]:
    mean: ndarray = np.mean([draw(interpolation) for draw in shown], axis=0)
    return mean


def shown_from(
    extras: Mapping[str, ndarray],
    maps: Float[ndarray, "t h w"],
    size: tuple[int, int],
    options: Mapping[str, Any],
) -> Callable[[str], Float[ndarray, "t h w"]]:
    """Return what pictures show, as `occlusion` returned it, from stored grids.

    Args:
        extras: 'grid', or 'grid_0', 'grid_1' and so on for a list of patch sizes.
        maps: the raw maps.
        size: of the image, height and width.
        options: 'patch' and 'stride', as they were given.
    """
    untested = np.isnan(maps)
    patch, stride = options["patch"], options["stride"]
    patches = patch if isinstance(patch, list) and "grid" not in extras else [patch]
    names = ["grid"] if "grid" in extras else [f"grid_{n}" for n in range(len(patches))]
    shown = [
        partial(_shown, extras[name], place_windows(size, patch, stride), untested)
        for name, patch in zip(names, patches, strict=True)
    ]
    return shown[0] if "grid" in extras else partial(_mean_shown, list(shown))


def _filled(
    image: Float[ndarray, "h w c"], filled: Float[ndarray, "_h _w _c"] | None
) -> Float[ndarray, "h w c"]:
    if filled is None:
        mean = image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        return np.broadcast_to(mean, image.shape)
    if filled.shape != image.shape:
        raise OptionError(
            f"the filling picture is {' × '.join(map(str, filled.shape))} and the image "
            f"{' × '.join(map(str, image.shape))} (height × width × channels). Make it of the "
            "image's own size."
        )
    return filled


def _check_rows(name: str, rows: ndarray, expected: int) -> None:
    if rows.ndim != 2 or len(rows) != expected:
        raise OptionError(
            f"{name} returned an array of shape {rows.shape} for {expected} copies. It must return "
            "one row per copy and one column per explained class."
        )


def _warn_of_gaps(windows: Windows) -> None:
    if windows.stride[0] > windows.patch[0] or windows.stride[1] > windows.patch[1]:
        warnings.warn(
            f"the stride {windows.stride[0]} × {windows.stride[1]} is larger than the patch "
            f"{windows.patch[0]} × {windows.patch[1]} (height × width in pixels): pixels between "
            "the windows are not tested and stay empty in the map.",
            SeewhyWarning,
            stacklevel=3,
        )
