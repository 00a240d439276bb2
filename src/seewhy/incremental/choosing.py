"""Whether a sweep is worth re-running window by window, and whether it may: forecast and check.

Axes: m window or copy, k class or channel, h row, w column, c channel.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import LayerError, ModelError, OptionError, SeewhyWarning, UnknownLayer
from seewhy.incremental.engine import Engine
from seewhy.incremental.kernels import Precision
from seewhy.incremental.plan import Forecast
from seewhy.progress import Progress, no_progress

EngineName = Literal["auto", "sweep", "incremental"]
"""`sweep` runs every occluded copy whole; `incremental` only what a window changes; `auto` chooses
by the forecast."""

ENGINES: tuple[EngineName, ...] = ("auto", "sweep", "incremental")

WORTH_FROM = 1.3
"""The forecast gain from which `auto` re-runs windows."""

FEWEST_WINDOWS = 64
"""With fewer windows, reading the network, the clean pass and the check take what is gained."""

SHARE = 1e-4
"""By this share of the largest change that the positions cause, they may differ."""

FLOOR = 2.0**-14
"""By this share of the largest value they may differ besides, for rounding: 6 · 10⁻⁵.

A float32 has 24 bits. Sums of the same numbers in another order differ in the last of them, and
deep networks magnify that: torchvision's InceptionV3, asked for the same copies one by one and
in batches, differs from itself by up to 5 · 10⁻⁵ of its largest score. So of the 24 bits ten
are left to rounding.
"""

Reference = Callable[[Float[ndarray, "m h w c"]], Float[ndarray, "m k"]]
"""What the real network says of whole copies: the class scores, or a layer's mean per channel."""


@dataclass(frozen=True, eq=False)
class Choice:
    """How a sweep is run.

    Attributes:
        engine: what re-runs windows; None: every copy is run whole.
        forecast: what arithmetic expects of the engine; None where none was made.
        reason: why, for people.
        error: by how much the checked positions differ from the real network, over what rounding
            explains (at most 1); None where nothing was checked.
        failed: True where an engine was tried and must not be tried again.
    """

    engine: Engine | None
    forecast: Forecast | None
    reason: str
    error: float | None = None
    failed: bool = False


def choose(
    make_engine: Callable[[], Engine],
    reference: Reference,
    image: Float[ndarray, "h w c"],
    windows: Int[ndarray, "m 4"],
    filled: Float[ndarray, "h w c"],
    *,
    engine: EngineName = "auto",
    layer: str | None = None,
    renew: Callable[[], Engine] | None = None,
) -> Choice:
    """Choose how to sweep; an engine is checked against the real network before it is trusted.

    Args:
        make_engine: reads the network; may raise a ModelError that says why it cannot.
        reference: the real network, asked for three occluded copies (two corners and the middle),
            and for a layer the clean image.
        image, windows, filled: as in `Engine.sweep`.
        engine: what the user wants.
        layer: whose output is watched; None: the class scores.
        renew: makes the engine again, where `make_engine` returns one that may be out of date.

    Raises:
        OptionError: there is no such engine, or no window.

    Warns:
        SeewhyWarning: the engine disagrees with the network, or was asked for and cannot be had.
    """
    if engine not in ENGINES:
        raise OptionError(f"engine {engine!r} is unknown. Choose one of {', '.join(ENGINES)}.")
    if not len(windows):
        raise OptionError("There is no window to cover.")
    if engine == "sweep":
        return Choice(None, None, "every copy is run whole, as asked")
    if engine == "auto" and len(windows) < FEWEST_WINDOWS:
        return Choice(None, None, f"{len(windows)} windows are too few to gain from reading ahead")
    try:
        made = make_engine()
        made.output(layer)
        forecast = made.plan(windows, layer=layer).forecast
        if engine == "auto" and forecast.gain < WORTH_FROM:
            slow = f"re-running windows is forecast to be {forecast.gain:.2g} times as fast only"
            return Choice(None, forecast, slow)
        error = _checked(made, reference, image, windows, filled, layer)
        if error > 1 and renew is not None:
            made = renew()
            error = _checked(made, reference, image, windows, filled, layer)
    except (ModelError, LayerError, UnknownLayer) as reason:
        return _fall_back(engine, None, str(reason))
    except Exception as failure:  # noqa: BLE001 - whatever it raises, whole copies give the map
        return _fall_back("incremental", None, f"{type(failure).__name__}: {failure}", failed=True)
    if error > 1:
        misread = (
            "re-running windows differs from the network itself by "
            f"{error:.2g} times what rounding explains, so that something in the network was "
            "misread"
        )
        return _fall_back("incremental", forecast, misread, failed=True)
    fast = f"re-running windows is forecast to be {forecast.gain:.2g} times as fast"
    return Choice(made, forecast, fast, error)


def _fall_back(
    engine: EngineName, forecast: Forecast | None, reason: str, *, failed: bool = False
) -> Choice:
    if engine == "incremental":
        warnings.warn(
            f"Every occluded copy is run whole, which takes longer: {reason}",
            SeewhyWarning,
            stacklevel=3,
        )
    return Choice(None, forecast, reason, failed=failed)


def _checked(
    engine: Engine,
    reference: Reference,
    image: Float[ndarray, "h w c"],
    windows: Int[ndarray, "m 4"],
    filled: Float[ndarray, "h w c"],
    layer: str | None,
) -> float:
    """Return by how much two corners and the middle differ, over what rounding explains.

    max |engine − network| / (SHARE · max |network − clean| + FLOOR · max |network|)
    """
    some = windows[sorted({0, len(windows) // 2, len(windows) - 1})]
    copies = np.repeat(image[None], len(some) + 1, axis=0)
    for copy, (x0, y0, x1, y1) in zip(copies[1:], some, strict=True):
        copy[y0:y1, x0:x1] = filled[y0:y1, x0:x1]
    truth = np.asarray(reference(copies), np.float64)
    change = truth[1:] - truth[:1]
    swept = engine.sweep(image, some, filled, layer=layer, batch_size=len(some))
    expected = truth[1:] if layer is None else change
    if swept.shape != expected.shape:
        return float("inf")
    allowed = SHARE * np.abs(change).max() + FLOOR * np.abs(truth).max()
    return float(np.abs(swept - expected).max() / max(allowed, np.finfo(np.float32).tiny))


POSITIONS_MEASURED = 16
"""At how many positions the error is measured, spread over all of them."""

WARNING_SHARE = 0.1
"""From this share of the map's largest value on, a warning says how far the map is off."""

SweepWindows = Callable[[Int[ndarray, "m 4"], Precision, Progress], Float[ndarray, "m t"]]
"""What re-run windows say, in a precision."""


def rounding_error(
    sweep: SweepWindows,
    windows: Int[ndarray, "m 4"],
    rounded: Float[ndarray, "m t"],
    clean: Float[ndarray, " t"],
) -> Float[ndarray, " t"]:
    """Return by how much rounded answers differ from exact ones, as a share of the largest drop.

        max over some m of |rounded[m] − exact[m]| / max over all m of |clean − rounded[m]|

    Over all positions the largest error is larger: up to four times in what was tried.

    Args:
        sweep: asked again, in float32, at `POSITIONS_MEASURED` of the windows.
        windows: all of them.
        rounded: the answers at all windows.
        clean: the answer without any window.
    """
    spread = np.linspace(0, len(windows) - 1, POSITIONS_MEASURED).round().astype(np.int64)
    some = np.unique(spread)
    off = np.abs(rounded[some] - sweep(windows[some], "float32", no_progress)).max(axis=0)
    largest = np.abs(clean - rounded).max(axis=0)
    tiny = np.finfo(np.float32).tiny  # a map of zeros that is right is off by nothing
    error: Float[ndarray, " t"] = (off / np.maximum(largest, tiny)).astype(np.float32)
    return error


def warn_of_rounding(error: Float[ndarray, " t"]) -> None:
    """Warn where a map is too far off to be read.

    Warns:
        SeewhyWarning: an error is larger than `WARNING_SHARE`.
    """
    if error.max() > WARNING_SHARE:
        warnings.warn(
            f"In bfloat16 the map is off by {100 * error.max():.0f} % of its largest value. Use "
            "precision='float32'.",
            SeewhyWarning,
            stacklevel=3,
        )
