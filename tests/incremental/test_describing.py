"""A plan can be read by people."""

from __future__ import annotations

import numpy as np

from seewhy.incremental.describing import plan_lines
from seewhy.incremental.folding import trim
from seewhy.incremental.graph import Convolution, GlobalAverage, Graph, Input, Node, Pool, Rest
from seewhy.incremental.plan import plan


def test_the_plan_says_what_is_computed_of_each_layer_and_what_is_gained() -> None:
    kernel = np.ones((3, 3, 3, 4), np.float32)
    flatten = Rest("flatten", lambda batch, x: x.reshape(batch, -1))
    nodes = (
        Node("input", Input(), (), (20, 20, 3)),
        Node("conv", Convolution(kernel, padding=((1, 1), (1, 1))), (0,), (20, 20, 4)),
        Node("pool", Pool("max", (2, 2), (2, 2), halo=-np.inf), (1,), (10, 10, 4)),
        Node("mean", GlobalAverage(), (2,), (1, 1, 4)),
        Node("flat", flatten, (3,), (4,)),
    )
    windows = np.array([[4, 4, 8, 8], [8, 4, 12, 8]])
    made = plan(trim(Graph(nodes, 4), 4), windows, batch_size=2)
    lines = plan_lines(made)
    assert [line.split()[0] for line in lines[:6]] == [
        "layer", "input", "conv", "pool", "mean", "flat",
    ]  # fmt: skip
    assert "3×3 convolution" in lines[2]
    assert "20×20×4" in lines[2]
    assert "6.0×6.0" in lines[2]
    assert "9 %" in lines[2]  # 6 × 6 of 20 × 20
    assert "2×2 max /2" in lines[3]
    assert "4.0×4.0" in lines[3]
    assert "flatten (dense)" in lines[5]
    assert lines[7:9] == [
        "2 positions in 1 groups of alike windows, 2 at a time.",
        "No map is computed whole at every position.",
    ]
    # (400 · 108 + 100 · 16 + 400) over (36 · 108 + 16 · 16 + 400) multiply-adds
    assert lines[9].startswith("9.9 times fewer multiply-adds; forecast: ")
    assert lines[10] == (
        "Memory: 0 MB of the clean photo's outputs, 0 MB of weights, at most 0 MB of one batch's "
        "windows."
    )
