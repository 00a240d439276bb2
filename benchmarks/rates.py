"""How fast this machine is, in the terms of `seewhy.incremental.cost.Rates`.

    python benchmarks/rates.py                         PyTorch, on all cores
    KERAS_BACKEND=tensorflow python benchmarks/rates.py --framework tensorflow
    OMP_NUM_THREADS=1 python benchmarks/rates.py       one core; by the processors' time

Each rate is measured by the kernel that it stands for, on windows of the sizes that sweeps have: a
batch of 32, of 12 × 12 pixels. Medians are printed of the time that passed, and of the processors'
time: on a busy machine, run on one core and read the latter. The rates in use for memory
(bandwidth, gather, pixel, call) are fitted to whole sweeps and plain runs instead, where maps come
from memory and not from the cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from seewhy.incremental.cost import BYTES, RATES
from seewhy.incremental.geometry import AxisWindows, mosaic
from seewhy.incremental.graph import NO_PADDING, Convolution, Elementwise, Input, Node, Point

BATCH, SIDE, CHANNELS = 32, 12, 256
MAP = 28
"""Height and width of the clean map that windows are cut out of."""


def nodes(relu: Callable[[Any], Any]) -> tuple[Node, ...]:
    random = np.random.default_rng(0)
    dense = random.normal(size=(3, 3, CHANNELS, CHANNELS)).astype(np.float32)
    own = random.normal(size=(3, 3, 1, CHANNELS)).astype(np.float32)
    shape = (SIDE, SIDE, CHANNELS)
    return (
        Node("input", Input(), (), shape),
        Node("dense", Convolution(dense), (0,), shape),
        Node("separate", Convolution(own, groups=CHANNELS), (1,), shape),
        Node("relu", Point((Elementwise("relu", relu),)), (2,), shape),
    )


def kernels_of(framework: str) -> tuple[Any, Any]:
    """Return the kernels, and the context in which they run."""
    if framework == "pytorch":
        import torch

        from seewhy.networks.pytorch.fast.kernels import PyTorchKernels

        return PyTorchKernels(nodes(torch.relu)), torch.inference_mode()
    import tensorflow as tf

    from seewhy.networks.keras.fast.kernels import TensorFlowKernels

    return TensorFlowKernels(nodes(tf.nn.relu)), nullcontext()


def seconds(task: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the median time of one run, as it passes and of the processors."""
    for _ in range(3):
        task()
    times = []
    for _ in range(rounds):
        wall, work = time.perf_counter(), time.process_time()
        task()
        times.append((time.perf_counter() - wall, time.process_time() - work))
    walls, works = zip(*times, strict=True)
    return statistics.median(walls), statistics.median(works)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--framework", choices=("pytorch", "tensorflow"), default="pytorch")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    kernels, guard = kernels_of(args.framework)
    random = np.random.default_rng(0)
    with guard:
        halo = kernels.tensor(
            random.normal(size=(BATCH, SIDE + 2, SIDE + 2, CHANNELS)).astype(np.float32)
        )
        crops = kernels.tensor(random.normal(size=(BATCH, SIDE, SIDE, CHANNELS)).astype(np.float32))
        tiny = kernels.tensor(np.zeros((1, 1, 1, CHANNELS), np.float32))
        clean = kernels.tensor(random.normal(size=(1, MAP, MAP, CHANNELS)).astype(np.float32))
        rows = kernels.rows(clean, (0.0,))
        starts = random.integers(0, MAP - SIDE, BATCH)
        inner, outer = AxisWindows(starts, SIDE), AxisWindows(starts - 1, SIDE + 2)
        options = {"size": (MAP, MAP), "halo_row": MAP * MAP}
        found = mosaic(outer, outer, inner, inner, **options)
        shape = (BATCH, SIDE + 2, SIDE + 2)
        plain = {"stride": (1, 1), "padding": NO_PADDING}
        pixels, laid = BATCH * SIDE**2, BATCH * (SIDE + 2) ** 2

        tasks: dict[str, tuple[Callable[[], Any], float]] = {
            "multiply_adds": (
                lambda: kernels.convolution(1, halo, **plain),
                pixels * 9 * CHANNELS**2,
            ),
            "separate": (lambda: kernels.convolution(2, halo, **plain), pixels * 9 * CHANNELS),
            "bandwidth": (
                lambda: kernels.functions(3, crops, fresh=False),
                2 * BYTES * pixels * CHANNELS,
            ),
            "gather": (lambda: kernels.lay(rows, crops, found, shape), BYTES * laid * CHANNELS),
            "pixel": (lambda: mosaic(outer, outer, inner, inner, **options), laid),
            "call": (lambda: kernels.functions(3, tiny, fresh=False), 1),
        }
        for name, (task, amount) in tasks.items():
            per_second = [amount / each for each in seconds(task, args.rounds)]
            values = [1 / each if name in ("pixel", "call") else each for each in per_second]
            stated = getattr(RATES[args.framework], name)
            print(
                f"{name:14} {values[0]:8.2g} by the clock  {values[1]:8.2g} by the processors  "
                f"{stated:8.2g} in use"
            )


if __name__ == "__main__":
    main()
