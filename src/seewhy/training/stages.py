"""The stages of a training run: the compact network as a whole, or a head and then the last blocks.

Axes: n photo, t photo that is trained on, v held-out photo, k class, c channel of the last map.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.files import written_whole
from seewhy.training.augmentation import Augmentation
from seewhy.training.base import build_on_base, freeze, pooled_part, split_before, unfreeze
from seewhy.training.batches import ordered_batches, steps_per_epoch, training_batches
from seewhy.training.data import DecodedPhotos, balancing_weights
from seewhy.training.fit import DAMAGED_STATE, EpochDone, Schedule, fit_stage
from seewhy.training.networks import LAST_MAP, augmented, small_network, take_weights
from seewhy.training.recipe import Recipe
from seewhy.training.result import EpochLogs

Growth = tuple[tuple[int, Fraction], ...]
"""The first epoch of each size of photo, and its fraction of the full size."""

WHOLE: Growth = ((0, Fraction(1)),)

FEATURE_BATCH = 64
"""Photos that a frozen base looks at at once."""


@dataclass(frozen=True)
class TrainingRun:
    """One training run: its recipe, its photos, the split, and where its state is saved.

    Attributes:
        recipe: how the network is trained.
        labels: the classes' names.
        photos: all photos, decoded.
        training: (t) which of them are trained on.
        validation: (v) which are held out.
        folder: where its state is saved.
        epoch_done: called after every epoch.
    """

    recipe: Recipe
    labels: tuple[str, ...]
    photos: DecodedPhotos
    training: Int[ndarray, " t"]
    validation: Int[ndarray, " v"]
    folder: Path
    epoch_done: EpochDone

    @property
    def targets(self) -> Float[ndarray, "n k"]:
        """One row per photo: 1 for its class."""
        rows = np.eye(len(self.labels), dtype=np.float32)
        chosen: Float[ndarray, "n k"] = rows[self.photos.classes]
        return chosen

    @property
    def weights(self) -> Float[ndarray, " n"]:
        """One weight per photo, by its class and the recipe's balance."""
        by_class = balancing_weights(
            self.photos.classes[self.training], len(self.labels), balance=self.recipe.balance
        )
        return np.asarray(by_class[self.photos.classes], np.float32)

    def fit(
        self,
        model: Any,
        schedule: Schedule,
        *,
        inputs: ndarray,
        state: str,
        crop: bool,
        growth: Growth = WHOLE,
    ) -> list[EpochLogs]:
        """Fit a model on inputs (photos, or their features) by `fit_stage`."""
        recipe = self.recipe
        targets, weights = self.targets, self.weights
        fractions = dict(growth)

        def size_at(epoch: int, full: tuple[int, int]) -> tuple[int, int] | None:
            """Return the size of photo of an epoch, None for its full size."""
            fraction = fractions[max(start for start in fractions if start <= epoch)]
            if fraction == 1:
                return None
            return round(full[0] * fraction), round(full[1] * fraction)

        return fit_stage(
            model,
            replace(schedule, sizes=tuple(fractions)),
            batches=lambda epochs: training_batches(
                inputs,
                targets,
                self.training,
                weights,
                batch_size=recipe.batch_size,
                seed=recipe.seed,
                epochs=epochs,
                augmentation=replace(
                    recipe_augmentation(recipe),
                    size=size_at(epochs.start, recipe.crop or recipe.size),
                )
                if crop
                else None,
            ),
            validation=lambda epoch: ordered_batches(
                inputs,
                targets,
                self.validation,
                batch_size=recipe.batch_size,
                size=size_at(epoch, recipe.size),
            ),
            steps=steps_per_epoch(len(self.training), recipe.batch_size),
            seed=recipe.seed,
            state=self.folder / state,
            epoch_done=self.epoch_done,
        )

    def augmented(self, network: Any) -> Any:
        """Put the recipe's augmentation in front of a network."""
        recipe = self.recipe
        return augmented(
            network,
            flip=recipe.flip,
            shift=recipe.shift,
            zoom=recipe.zoom,
            hide=recipe.hide,
            colour=mean_colour(self.photos, self.training),
            seed=recipe.seed,
        )


def train_small(run: TrainingRun) -> tuple[Any, str, list[EpochLogs]]:
    """Train the compact network; return it, its last map's name, and its history."""
    recipe, count = run.recipe, len(run.labels)
    network = small_network((None, None), count, half_colour=recipe.half_colour)
    if recipe.start_from:
        start_from(network, recipe.start_from)
    rows = run.fit(
        run.augmented(network),
        replace(first_schedule(recipe), warm_up=1 if recipe.epochs > 5 else 0),
        inputs=run.photos.pixels,
        state="state.npz",
        crop=True,
        growth=recipe.growth(),
    )
    final = small_network(recipe.size, count, half_colour=recipe.half_colour)
    final.set_weights(network.get_weights())
    return final, LAST_MAP, rows


def start_from(network: Any, source: str) -> None:
    """Give the compact network the weights of a trained one, as far as their shapes agree.

    Raises:
        OptionError: the source is no Keras network, or shares no layer.
    """
    from seewhy.networks import is_keras
    from seewhy.zoo.keras_files import load_keras_file
    from seewhy.zoo.load import BUILT_IN, BUILT_IN_FILE, load

    is_built_in = source == BUILT_IN  # which numpy runs, and Keras trains
    model = load_keras_file(BUILT_IN_FILE) if is_built_in else load(source).network.model
    if not is_keras(model) or not take_weights(network, model):
        raise OptionError(
            f"Training cannot start from '{source}': it has no layer of the compact network. Give "
            "a .keras file that was trained with base small, or leave start_from out."
        )


def train_on_base(run: TrainingRun) -> tuple[Any, str, list[EpochLogs]]:
    """Train a dense layer on a base out of the zoo, then the base's last blocks at a small rate.

    What is frozen runs once per photo, and its features are stored; where augmentation makes
    photos look different in every epoch, it runs in every epoch.

    Returns:
        The network, its last map's name, and the history of both stages.
    """
    recipe = run.recipe
    count, cropped = len(run.labels), recipe.crop is not None
    network, last = build_on_base(recipe.base, count, size=recipe.size, any_size=cropped)
    freeze(network)
    if recipe.augments:
        model, inputs = run.augmented(network), run.photos.pixels
    else:
        features = computed_once(
            pooled_part(network), run.photos.pixels, run.folder / "features.npy"
        )
        model, inputs = _dense_alone(network, features.shape[1]), features
    rows = run.fit(
        model, first_schedule(recipe), inputs=inputs, state="state.npz", crop=recipe.augments
    )
    if not recipe.augments:
        network.get_layer("classes").set_weights(model.get_weights())
    if recipe.fine_tune:
        unfreeze(network, recipe.fine_tune)
        fine = replace(
            first_schedule(recipe),
            epochs=recipe.fine_tune_epochs,
            learning_rate=recipe.fine_tune_learning_rate,
            optimizer="adamw",
        )
        model, inputs = _last_blocks(run, network)
        more = run.fit(model, fine, inputs=inputs, state="state_fine.npz", crop=recipe.augments)
        rows = [*rows, *({**row, "epoch": row["epoch"] + len(rows)} for row in more)]
    if cropped:
        final, last = build_on_base(recipe.base, count, size=recipe.size)
        final.set_weights(network.get_weights())
        network = final
    return network, last, rows


def recipe_augmentation(recipe: Recipe) -> Augmentation:
    """Return what a recipe changes in the photos of a batch."""
    return Augmentation(
        crop=recipe.crop,
        crop_scale=recipe.crop_scale,
        colour=recipe.colour,
        sharpness=recipe.sharpness,
        jpeg=recipe.jpeg,
        cutmix=recipe.cutmix,
        plain_from=recipe.epochs - recipe.plain_epochs if recipe.plain_epochs else None,
    )


def first_schedule(recipe: Recipe) -> Schedule:
    """Return the schedule of the first stage."""
    return Schedule(
        recipe.epochs,
        recipe.learning_rate,
        recipe.weight_decay,
        recipe.label_smoothing,
        recipe.patience,
        recipe.plain_epochs,
        optimizer=recipe.optimizer,
    )


def computed_once(part: Any, pixels: ndarray, store: Path) -> Float[ndarray, "n ..."]:
    """Return what a frozen part of a network makes of every photo, computed once and stored."""
    shape = (len(pixels), *part.output.shape[1:])
    with contextlib.suppress(*DAMAGED_STATE):  # not there or damaged: it is computed
        stored: ndarray = np.load(store, mmap_mode="r")
        if stored.shape == shape and stored.dtype == np.float32:
            return stored
    with written_whole(store) as beside:
        values = np.lib.format.open_memmap(beside, "w+", np.float32, shape)
        for start in range(0, len(pixels), FEATURE_BATCH):
            some = pixels[start : start + FEATURE_BATCH]
            values[start : start + FEATURE_BATCH] = part.predict_on_batch(some)
        values.flush()
    result: ndarray = np.load(store, mmap_mode="r")
    return result


def _last_blocks(run: TrainingRun, network: Any) -> tuple[Any, ndarray]:
    """Return what is fine-tuned, and its inputs: photos, or what the frozen part makes of them.

    The frozen part runs once per photo if photos look the same in every epoch, one map leaves it,
    and the disk has room for all maps.
    """
    photos = run.photos.pixels
    parts = None if run.recipe.augments else split_before(network, run.recipe.fine_tune)
    if parts is not None:
        before, rest = parts
        needed = 4 * len(photos) * int(np.prod(before.output.shape[1:]))
        if needed < disk_usage(run.folder).free / 2:
            return rest, computed_once(before, photos, run.folder / "maps.npy")
    return run.augmented(network), photos


def mean_colour(photos: DecodedPhotos, train: Int[ndarray, " t"]) -> list[float]:
    """Return the mean colour of the photos that are trained on (of about 1000 of them)."""
    chosen = train[:: max(1, len(train) // 1000)]
    return [float(value) for value in photos.pixels[chosen].mean(axis=(0, 1, 2))]


def _dense_alone(network: Any, channels: int) -> Any:
    """Return the head alone, on features, with the network's own initial weights."""
    from keras import Input, Model, layers

    features = Input((channels,), name="features")
    dense = network.get_layer("classes")
    scores = layers.Dense(dense.units, activation="softmax", name="classes")(features)
    model = Model(features, scores, name="head")
    model.set_weights(dense.get_weights())
    return model
