"""What maps cost: the forward passes of a method, times the seconds of a network.

Axes: h row, w column, c channel of an image in the network's own input range.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.explaining.attending import looked_at
from seewhy.explaining.question import Question
from seewhy.explaining.running import copies_of
from seewhy.methods import METHODS
from seewhy.networks.base import Top

BACKWARD_COST = 2
"""A backward pass to the pixels takes about as long as two forward passes."""

COPIES_TIMED = 8
"""Copies in the timed batch, unless given."""


@dataclass(frozen=True)
class Cost:
    """What is going to be done.

    Attributes:
        passes: forward passes; a backward pass to the pixels counts as two.
        seconds: from the time of a small batch; less where an engine re-runs windows.
    """

    passes: int
    seconds: float

    def __str__(self) -> str:
        minutes = round(self.seconds / 60)
        hours, rest = divmod(minutes, 60)
        spoken = f"{hours} h {rest} min" if hours else f"{minutes} min" if minutes else "1 min"
        return f"about {self.passes:,} forward passes, {spoken} or less"


def method_passes(
    classifier: Classifier,
    method: str,
    *,
    layer: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Return what one map costs in forward passes, with a backward pass to the pixels as two.

    A backward pass to the last map is next to nothing, and is not counted; one to finer maps, or to
    more attentions than the last, is counted as one to the pixels.
    """
    row = METHODS[method]
    question = Question(
        classifier=classifier,
        methods=(row,),
        options={method: options or {}},
        layers=(layer or classifier.layer,),
        targets=Top(1),
        output="score",
        batch_size=None,
    )
    copies = copies_of(question, row)
    each = 1 + BACKWARD_COST if row.backward and row.pixel_level else 1
    layers = looked_at(row, row.settings(question.options[method]).get("layers"))
    finer = BACKWARD_COST if row.multiplies or (row.attends and row.backward and layers != 1) else 0
    # Attention takes a pass of its own; similar classes are found first, by one pass.
    return 1 + copies * each + finer + row.attends + row.contrasts


def pass_seconds(
    classifier: Classifier,
    image: Float[ndarray, "h w c"] | None = None,
    *,
    copies: int = COPIES_TIMED,
    repeats: int = 1,
) -> float:
    """Return the seconds of a forward pass of one image among several, once the network is warm.

    Args:
        classifier: the network.
        image: what it sees; black unless given.
        copies: in the batch.
        repeats: batches, of which the median is taken.
    """
    network = classifier.network
    if image is None:
        image = np.zeros((*classifier.size, network.input_shape[2]), np.float32)
    batch = np.repeat(image[None], copies, axis=0)
    seconds = []
    for _ in range(1 + repeats):  # the first compiles, and warms up
        start = time.perf_counter()
        if network.classes is None:
            network.activations(batch, [classifier.layer])
        else:
            network.scores(batch)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]) / copies
