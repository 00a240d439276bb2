"""What `seewhy.train` returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seewhy.training.confusion import ConfusionMatrix

EpochLogs = dict[str, float]
"""What was measured in one epoch: epoch, loss, accuracy, val_loss, val_accuracy."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A trained network, and how it did on photos that it was not trained on.

    Attributes:
        path: the saved network, for `seewhy.load`.
        report: the HTML report.
        labels: the classes' names.
        confusion: what the validation photos were taken for; `print(result.confusion.table())`.
        history: the measures of every epoch.
        training_photos: how many photos were trained on.
        validation_photos: how many were held out for validation.
        unreadable: files that are not usable photos, and why; they were left out.
        alike: what all photos have in common that a network may learn, in sentences.
    """

    path: Path
    report: Path
    labels: tuple[str, ...]
    confusion: ConfusionMatrix
    history: tuple[EpochLogs, ...]
    training_photos: int
    validation_photos: int
    unreadable: tuple[tuple[Path, str], ...]
    alike: tuple[str, ...] = ()

    def __repr__(self) -> str:
        left_out = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return (
            f"<TrainingResult '{self.path.name}': {len(self.labels)} classes, "
            f"{len(self.history)} epochs\n"
            f"  photos: {self.training_photos} for training, {self.validation_photos} for "
            f"validation{left_out}\n"
            f"  accuracy {self.confusion.accuracy:.1%}, mean recall "
            f"{self.confusion.balanced_accuracy:.1%}\n"
            f"  report: {self.report}>"
        )


TrainingResult.__module__ = "seewhy"
