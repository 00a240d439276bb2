"""The settings of a report, beside those of the run that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from numpy import ndarray

from seewhy.datasets.settings import BATCH_SIZE, COLUMN, WORKER_TIMEOUT
from seewhy.settings import LARGEST_SEED, Setting, check_fields

if TYPE_CHECKING:
    from seewhy.reporting.result import Appendix

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
    WORKER_TIMEOUT,
    BATCH_SIZE,
)

SEED = Setting("seed", "integer", 0, "of clusters and draws", (0, LARGEST_SEED))


@dataclass(frozen=True)
class ReportSettings:
    """What a report is to say, whatever the network and the photos.

    Attributes:
        boxes, object_masks, changes, seed: as for `seewhy.report`.
        search: whether to look for clusters and shortcuts, which needs scikit-learn.
        appendix: what the page ends with, or None.
    """

    boxes: str | PathLike[str] | Sequence[ndarray] | None = None
    object_masks: str | PathLike[str] | Sequence[ndarray | None] | None = None
    changes: int = CHANGES.default
    seed: int = SEED.default
    search: bool = True
    appendix: Appendix | None = None

    def __post_init__(self) -> None:
        """Refuse wrong settings before the network runs."""
        check_fields(self, (CHANGES, SEED))
