"""The settings of a measurement of methods."""

from __future__ import annotations

from seewhy.settings import Setting

REMOVAL_STEPS = Setting(
    "removal_steps", "integer", 14, "steps of deletion and insertion", (1, 1000), flag="--steps"
)

EVALUATION = (
    Setting(
        "boxes",
        "text",
        None,
        'the true boxes, as JSON: {"cat.jpg": [[x0, y0, x1, y1]]}, or COCO annotations',
        metavar="FILE",
    ),
    Setting(
        "measures",
        "text",
        None,
        "one or several of removal, occlusion, randomization, mosaics, boxes, separated by commas",
        shown="all",
        metavar="WHAT",
        several=True,
        flag="--measure",
    ),
    REMOVAL_STEPS,
    Setting(
        "resume",
        "text",
        None,
        "keep every measurement in this file of JSON lines, and continue from it",
        metavar="FILE",
    ),
)
