"""The settings of a report, beside those of the run that it reads."""

from __future__ import annotations

from seewhy.datasets.settings import BATCH_SIZE, COLUMN
from seewhy.settings import Setting

CHANGES = Setting(
    "changes",
    "integer",
    300,
    "photos that the network sees again with each harmless change, such as blurred or in grey: 15 "
    "passes for each photo; 0: none",
    (0, None),
)

TRUTH = (
    Setting(
        "true_labels",
        "text",
        None,
        "'folders': the name of each photo's folder (default where all photos are in sub-folders); "
        "a column of the table; or 'none'",
        metavar="WHERE",
    ),
    COLUMN,
    Setting(
        "boxes",
        "text",
        None,
        "the true boxes: JSON, COCO annotations, or a folder of Pascal VOC files",
        metavar="FILE",
    ),
    Setting(
        "object_masks",
        "text",
        None,
        "the true outlines: a folder with a PNG for each photo (cow.png for cow.jpg), not zero "
        "where the object is",
        metavar="DIR",
    ),
)
WORK = (
    CHANGES,
    Setting("run", "text", None, "keep the run here, to resume or reuse it", metavar="RUN"),
    Setting("workers", "integer", 0, "worker processes, with --run; 0: only this one", (0, 1024)),
    BATCH_SIZE,
)
