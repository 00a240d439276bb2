"""The score of the candidate that overlaps best with a box, in a framework's own tensors.

Axes: n image, a candidate of a detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from seewhy.targets.checks import Pick, picked
from seewhy.targets.tensors import verbs


def overlap_with(boxes: Any, box: Float[ndarray, "4"]) -> Any:
    """Return the intersection over union of boxes (..., 4) with one box."""
    say = verbs(boxes)
    target_box = say.constant(box, boxes)
    least, most = (
        say.maximum(boxes[..., :2], target_box[:2]),
        say.minimum(boxes[..., 2:], target_box[2:]),
    )
    sides = say.maximum(most - least, (most - least) * 0)
    shared = sides[..., 0] * sides[..., 1]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return shared / (areas + float((box[2] - box[0]) * (box[3] - box[1])) - shared)


def best_score(shared: Any, scores: Any, overlap: float) -> Any:
    """Return the score (n) of the candidate that overlaps best; 0 if none overlaps enough.

    The overlaps are only compared, which has no gradient: the score is explained, not the box.
    """
    say = verbs(shared)
    enough = (shared >= say.highest(shared, 1)) & (shared >= float(overlap))
    chosen = say.where(enough, scores * 0 + 1, scores * 0)
    count = say.total(chosen, (1,))
    return say.total(say.where(enough, scores, scores * 0), (1,)) / say.maximum(
        count, count * 0 + 1
    )


def reported(
    output: Mapping[str, Any],
    index: int,
    box: Float[ndarray, "4"],
    overlap: float,
    boxes: Pick,
    scores: Pick,
) -> Any:
    """Return the score of one image's candidate with that label at the box; 0 without one."""
    there, box_scores, labels = picked(output, boxes), picked(output, scores), output["labels"]
    say = verbs(there)
    if there.shape[0] == 0:
        return say.total(box_scores, (0,))
    shared = overlap_with(there, box)[None]
    shared = say.where((labels == index)[None], shared, shared * 0)
    return best_score(shared, box_scores[None], overlap)[0]
