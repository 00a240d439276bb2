"""What users may set of a question, whatever the method: rows that are checked without a network.

The command line, the page and the docs are made from these as well.
"""

from __future__ import annotations

from typing import get_args

from seewhy.incremental.kernels import PRECISIONS
from seewhy.networks.base import Output
from seewhy.settings import Setting

LARGEST_ZOOM = 8
"""The largest zoom: 225 tiles of each photo."""

USUAL_TOP = 3
"""The best classes of each photo that are explained unless others are asked."""

TOP = Setting(
    "top",
    "integer",
    None,
    "the N best classes of each photo",
    (1, None),
    shown=f"{USUAL_TOP}, of which pictures leave out those below 1 %",
)
OUTPUT = Setting(
    "output",
    "choice",
    "score",
    "explain the score before the softmax, the probability, or the score plus the logarithm of "
    "the probability (rest)",
    get_args(Output),
)
ZOOM = Setting(
    "zoom",
    "integer",
    1,
    "explain overlapping tiles of 1/N of the photo's sides, fused into a finer map",
    (1, LARGEST_ZOOM),
)
BATCH_SIZE = Setting(
    "batch_size", "integer", None, "inputs that the network gets at once", (1, None)
)
BUDGET = Setting(
    "budget",
    "integer",
    None,
    "with the method 'best': the forward passes that a map of this network may take",
    (0, None),
)
PRECISION = Setting(
    "precision", "choice", "float32", "of the network: bfloat16 is faster", PRECISIONS
)

QUESTION = (TOP, OUTPUT, ZOOM, BATCH_SIZE, BUDGET, PRECISION)
"""The settings of every question. Classes, contrast, target and layer need a network to check."""
