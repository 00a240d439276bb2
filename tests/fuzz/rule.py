"""The rule for any input: a SeewhyError or success, in 5 seconds and 1 GB, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator

from seewhy.errors import SeewhyError

SECONDS = 5.0
GIGABYTE = 1e9
CASES = int(os.environ.get("SEEWHY_FUZZ", "1000"))
"""Cases of all subjects together."""

SEEDS = (
    [int(os.environ["SEEWHY_FUZZ_SEED"])]
    if "SEEWHY_FUZZ_SEED" in os.environ
    else [7, int(os.environ["SEEWHY_FUZZ_FRESH"])]
)
"""A fixed seed, and a fresh one for a quarter of the cases; or the one that is given.

They are in the first lines that pytest prints."""

FIRST = int(os.environ.get("SEEWHY_FUZZ_FIRST", "0"))
"""The number of the first case: that of a failure repeats it."""


def violations(case: Callable[[Generator], None], count: int, folder: Path) -> list[str]:
    """Run cases, each with a generator of its own number; return what broke the rule.

    Args:
        case: one try; it may raise SeewhyError.
        count: how many.
        folder: where the case writes its results, if it does.
    """
    found = []
    for place, seed in enumerate(SEEDS):
        for number in range(FIRST, FIRST + (count if place == 0 else -(-count // 4))):
            wrong = _violation(case, np.random.default_rng([seed, number]), folder)
            if wrong:
                found.append(f"SEEWHY_FUZZ_SEED={seed} SEEWHY_FUZZ_FIRST={number}: {wrong}")
    return found


def _violation(case: Callable[[Generator], None], generator: Generator, folder: Path) -> str:
    before = start_of_peak()
    started = time.process_time()
    try:
        with contextlib.suppress(SeewhyError):
            case(generator)
    except Exception as error:  # noqa: BLE001  (whatever else comes is what a fuzz looks for)
        frames = traceback.extract_tb(error.__traceback__)
        way = [f"{Path(one.filename).name}:{one.lineno}" for one in frames]
        return f"{type(error).__name__} at {' '.join(way)}: {str(error)[:200]}"
    seconds = time.process_time() - started
    if seconds > SECONDS:
        return f"took {seconds:.1f} s"
    taken = peak() - before
    if taken > GIGABYTE:
        return f"took {taken / 1e9:.2f} GB"
    half = [path.name for path in folder.rglob(".seewhy-*")]
    return f"left {half}" if half else ""


def start_of_peak() -> float:
    """Let the kernel count the process's peak of memory from here; return what it has now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS") * 1e3


def peak() -> float:
    return _kilobytes("VmHWM") * 1e3


def _kilobytes(key: str) -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0  # memory is watched on Linux only
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(key))
    return float(line.split()[1])
