"""One stage of training by Keras's `fit`: saved after every epoch, and continued where it stopped.

The state of a run after each epoch is one file: every variable of model and optimizer, and the
history so far. Random layers are seeded from seed and epoch at every epoch's start, and batches
follow from seed and epoch too, so a continued run computes what an uninterrupted run would have.
"""

from __future__ import annotations

import functools
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.files import parse_json, written_whole
from seewhy.training.optimizer import make_optimizer
from seewhy.training.result import EpochLogs

LOGGED_VALUES = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What every epoch has, of `EpochLogs`."""

DAMAGED_STATE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy raises for a damaged archive of arrays."""

EpochDone = Callable[[EpochLogs, int], None]
"""Called after every epoch with its measures and the number of epochs planned."""


@dataclass(frozen=True)
class Schedule:
    """How one stage is trained.

    Attributes:
        epochs: at most.
        learning_rate: at its highest.
        weight_decay: the optimizer's.
        label_smoothing: a share of the target spread over all classes.
        patience: epochs without a smaller validation loss before the stage ends; 0: never.
        plain_epochs: the number of last epochs without hide-and-seek.
        warm_up: epochs in which the learning rate rises from 0.
        optimizer: 'adamw' or 'muon'.
        sizes: the first epoch of each size of photo. All epochs before the last of them only
            prepare: patience and the best weights are a matter of the last size.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    patience: int = 0
    plain_epochs: int = 0
    warm_up: int = 0
    optimizer: str = "adamw"
    sizes: tuple[int, ...] = (0,)

    def judged(self, rows: list[EpochLogs]) -> list[float]:
        """Return the validation losses of the epochs that saw photos of the last size."""
        return [row["val_loss"] for row in rows[self.sizes[-1] :]]

    def spans(self, done: int) -> list[range]:
        """Return the epochs that are left, those of one size of photo together."""
        ends = (*self.sizes[1:], self.epochs)
        spans = (range(max(start, done), end) for start, end in zip(self.sizes, ends, strict=True))
        return [span for span in spans if len(span)]


def fit_stage(
    model: Any,
    schedule: Schedule,
    *,
    batches: Callable[[range], Any],
    validation: Callable[[int], Any],
    steps: int,
    seed: int,
    state: Path,
    epoch_done: EpochDone,
) -> list[EpochLogs]:
    """Train a model, and leave it with the weights of its best epoch (smallest validation loss).

        rate(t) = learning_rate · ½ (1 + cos(π t / T)),  t of T steps; before, it rises linearly

    Args:
        model: what is fitted; its output is a softmax.
        schedule: epochs, learning rate and so on.
        batches: the training batches of a range of epochs, in which photos have one size.
        validation: the validation batches, of an epoch's size.
        steps: batches per epoch.
        seed: of the random layers.
        state: the file that holds the run's state; continued from, where it exists.
        epoch_done: called after every epoch.

    Returns:
        The rows of this stage.

    Source:
        Loshchilov & Hutter, *SGDR*, ICLR 2017 (arXiv:1608.03983), equation 5 (one period).
    """
    import keras

    optimizer = make_optimizer(
        schedule.optimizer,
        learning_rate=_cosine(schedule, steps),
        weight_decay=schedule.weight_decay,
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=schedule.label_smoothing),
        weighted_metrics=[],
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # On JAX: unless Keras says of a layer (shift, zoom) that it cannot be compiled.
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    optimizer.build(model.trainable_variables)
    rows: list[EpochLogs] = []
    best: list[ndarray] | None = None
    if state.is_file():
        rows, best = load_state(state, model, optimizer)
    checkpoint = _checkpoint_type()(
        schedule, seed=seed, state=state, rows=rows, best=best, epoch_done=epoch_done
    )
    for span in schedule.spans(len(rows)):
        if _stopped(rows, schedule):
            break
        # A function that was traced for photos of one size would be traced again for any size.
        model.make_train_function(force=True)
        model.make_test_function(force=True)
        model.fit(
            batches(span),
            validation_data=validation(span.start),
            initial_epoch=span.start,
            epochs=span.stop,
            steps_per_epoch=steps,
            shuffle=False,  # else Keras would shuffle the batches of all epochs
            callbacks=[checkpoint],
            verbose=0,
        )
    best = checkpoint.best
    if best is not None:
        model.set_weights(best)
    return rows


def save_state(
    path: Path, model: Any, optimizer: Any, rows: list[EpochLogs], best: list[ndarray]
) -> None:
    """Write all that a stage needs to go on into one file, whole or not at all."""
    arrays: dict[str, ndarray] = {
        "rows": np.frombuffer(json.dumps(rows).encode(), np.uint8),
    }
    for group, values in (
        ("model", model.get_weights()),
        ("optimizer", [np.asarray(_numpy(variable)) for variable in optimizer.variables]),
        ("best", best),
    ):
        arrays |= {f"{group}{index}": np.asarray(value) for index, value in enumerate(values)}
    with written_whole(path) as beside, beside.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def load_state(path: Path, model: Any, optimizer: Any) -> tuple[list[EpochLogs], list[ndarray]]:
    """Put a saved state into a model and its optimizer; return its history and best weights.

    Raises:
        OptionError: the file is damaged, or of another network; nothing is put anywhere.
    """
    wanted = {
        "model": [np.shape(weight) for weight in model.get_weights()],
        "optimizer": [tuple(variable.shape) for variable in optimizer.variables],
    }
    wanted["best"] = wanted["model"]
    try:
        with path.open("rb") as file, np.load(file) as stored:
            rows = parse_json(stored["rows"].tobytes())
            groups = {
                group: [stored[f"{group}{index}"] for index in range(len(shapes))]
                for group, shapes in wanted.items()
            }
        for group, shapes in wanted.items():
            if [array.shape for array in groups[group]] != shapes or not all(
                array.dtype.kind in "fiu" for array in groups[group]
            ):
                raise ValueError(f"its {group} is of another network")
        if not all(isinstance(row[name], int | float) for row in rows for name in LOGGED_VALUES):
            raise ValueError("its epochs are not numbers")
    except DAMAGED_STATE as error:
        raise OptionError(
            f"The run to resume cannot be continued: '{path}' is damaged ({error}). Start over "
            "without --resume (and with --overwrite)."
        ) from error
    model.set_weights(groups["model"])
    for variable, value in zip(optimizer.variables, groups["optimizer"], strict=True):
        variable.assign(value)
    return rows, groups["best"]


def _numpy(variable: Any) -> ndarray:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def _cosine(schedule: Schedule, steps: int) -> Any:
    from keras.optimizers.schedules import CosineDecay

    total, rise = schedule.epochs * steps, schedule.warm_up * steps
    if not rise:
        return CosineDecay(schedule.learning_rate, total)
    return CosineDecay(
        schedule.learning_rate / 100,
        total - rise,
        warmup_target=schedule.learning_rate,
        warmup_steps=rise,
    )


def _stopped(rows: list[EpochLogs], schedule: Schedule) -> bool:
    """Return whether the stage's validation loss has not fallen for `patience` epochs."""
    losses = schedule.judged(rows)
    if not schedule.patience or not losses:
        return False
    return len(losses) - 1 - int(np.argmin(losses)) >= schedule.patience


def seed_layers(model: Any, *, seed: int, epoch: int) -> None:
    """Set every random layer's generator from seed and epoch."""
    for number, layer in enumerate(model._flatten_layers()):
        for name in ("seed_generator", "generator"):
            generator = getattr(layer, name, None)
            if generator is not None and hasattr(generator, "state"):
                drawn = np.random.default_rng([seed, epoch, number]).integers(0, 2**31, 2)
                generator.state.assign(drawn.astype("uint32"))


def hiding_layers(model: Any) -> list[Any]:
    """Return the hide-and-seek layers of a model."""
    return [layer for layer in model._flatten_layers() if layer.name == "hide_and_seek"]


@functools.cache
def _checkpoint_type() -> type:
    """Return the callback that saves a stage's state after every epoch."""
    from keras.callbacks import Callback

    class Checkpoint(Callback):  # type: ignore[misc]
        """Seed the epoch, keep the best weights, write the state, stop early."""

        def __init__(
            self,
            schedule: Schedule,
            *,
            seed: int,
            state: Path,
            rows: list[EpochLogs],
            best: list[ndarray] | None,
            epoch_done: EpochDone,
        ) -> None:
            super().__init__()
            self.schedule, self.seed, self.state = schedule, seed, state
            self.rows, self.best, self.epoch_done = rows, best, epoch_done

        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            """Seed the epoch's random layers."""
            seed_layers(self.model, seed=self.seed, epoch=epoch)
            if epoch >= self.schedule.epochs - self.schedule.plain_epochs:
                for layer in hiding_layers(self.model):
                    layer.probability.assign(0.0)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            """Save what was reached."""
            measures = {name: float(value) for name, value in (logs or {}).items()}
            row: EpochLogs = {"epoch": float(epoch + 1), **measures}
            losses = self.schedule.judged(self.rows)
            self.rows.append(row)
            value = row["val_loss"]
            if epoch < self.schedule.sizes[-1]:
                self.best = None
            elif math.isfinite(value) and all(value < loss for loss in losses):
                self.best = self.model.get_weights()
            best = self.best if self.best is not None else self.model.get_weights()
            save_state(self.state, self.model, self.model.optimizer, self.rows, best)
            self.epoch_done(row, self.schedule.epochs)
            if _stopped(self.rows, self.schedule):
                self.model.stop_training = True

    return Checkpoint
