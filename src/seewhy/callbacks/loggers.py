"""Hand pictures to the loggers that a training already has: TensorBoard, MLflow, Weights & Biases.

Axes: h row, w column of a picture, uint8 RGB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

Page = UInt8[ndarray, "_ _ 3"]

TAG = "seewhy/heatmaps"


def log_to_loggers(loggers: Iterable[Any], pages: Sequence[Page], step: int) -> None:
    """Hand pages to Lightning's loggers, each in its own way; others are left out.

    Args:
        loggers: of a Lightning trainer: TensorBoard's, Weights & Biases' and MLflow's are known.
        pages: of one epoch.
        step: the trainer's step.
    """
    for logger in loggers:
        experiment: Any = getattr(logger, "experiment", None)
        if callable(getattr(experiment, "add_image", None)):
            log_to_tensorboard(experiment, pages, step)
        elif callable(getattr(logger, "log_image", None)):  # Weights & Biases
            logger.log_image(key=TAG, images=list(pages), step=step)
        elif callable(getattr(experiment, "log_image", None)):  # MLflow
            for name, page in _named(pages, step):
                experiment.log_image(logger.run_id, page, name)


def log_to_tensorboard(writer: Any, pages: Sequence[Page], step: int) -> None:
    """Hand pages to a `SummaryWriter` of PyTorch."""
    for number, page in enumerate(pages, 1):
        writer.add_image(f"{TAG}/{number}", page, step, dataformats="HWC")


def log_to_active_runs(pages: Sequence[Page], step: int) -> None:
    """Hand pages to the run of Weights & Biases or MLflow that is active in this process."""
    wandb, mlflow = sys.modules.get("wandb"), sys.modules.get("mlflow")
    if wandb is not None and wandb.run is not None:
        wandb.log({TAG: [wandb.Image(page) for page in pages]}, commit=False)
    if mlflow is not None and mlflow.active_run() is not None:
        for name, page in _named(pages, step):
            mlflow.log_image(page, name)


def _named(pages: Sequence[Page], step: int) -> list[tuple[str, Page]]:
    return [(f"{TAG}-{step:06}-{number}.png", page) for number, page in enumerate(pages, 1)]
