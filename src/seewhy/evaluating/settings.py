"""The settings of a measurement of methods."""

from __future__ import annotations

from seewhy.evaluating.columns import GROUPS
from seewhy.settings import Setting

REMOVAL_STEPS = Setting(
    "removal_steps", "integer", 14, "steps of deletion and insertion", (1, 1000), flag="--steps"
)

MEASURES = Setting(
    "measures",
    "choice",
    None,
    "what to measure: " + "; ".join(f"{name}: {what}" for name, what in GROUPS.items()),
    tuple(GROUPS),
    shown="all",
    metavar="WHAT",
    several=True,
    flag="--measure",
)

EVALUATION = (
    Setting(
        "boxes",
        "text",
        None,
        'the true boxes, as JSON: {"cat.jpg": [[x0, y0, x1, y1]]}, or COCO annotations',
        metavar="FILE",
    ),
    MEASURES,
    REMOVAL_STEPS,
    Setting(
        "resume",
        "text",
        None,
        "keep every measurement in this file of JSON lines, and continue from it",
        metavar="FILE",
    ),
)
