"""What a network is trained with: every setting once, with its help, its default and its range.

`seewhy.train` takes a `Recipe`; the command line and the docs read the settings from its fields.
"""

# ruff: noqa: RUF009 - `_row` returns a dataclass field

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from seewhy.errors import OptionError
from seewhy.settings import LARGEST_SEED, Setting, SettingType, as_size, plain

SMALL = "small"
"""The name of the compact network, trained from scratch without a base."""

OPTIMIZERS = ("adamw", "muon")

SIDE = 128
"""Height and width of the photos that the compact network is trained on, unless given."""

GROWTH = ((0.0, 1, 2), (0.35, 3, 4), (0.75, 1, 1))
"""Growing photos: from which share of the epochs on, what fraction of the size."""

GROWN_FROM = 96
"""Pixels of a side from which the compact network is trained on smaller photos first."""

SMALLEST_SIDE = 32
"""Pixels of a side below which there is nothing to see."""


COUNT, ONE_OR_MORE, SHARE = (0, None), (1, None), (0, 1)
ABOVE_ZERO, BELOW_ONE = (0,), (1,)


def _row(
    kind: SettingType,
    default: Any,
    help: str,  # noqa: A002 - as in `Setting`
    range: tuple[Any, ...] | None = None,  # noqa: A002
    *,
    small: Any = None,
    excludes: tuple[float, ...] = (),
    shown: str = "",
    group: str = "training",
) -> Any:
    """Return a field of `Recipe` with its `Setting`, whose name is the field's.

    Args:
        kind: the type of the setting.
        default: for every base; with `small`, for every base but the compact network.
        help, range, excludes, shown: as in `Setting`.
        small: the default for the compact network, where it differs.
        group: the heading in the help text.
    """
    by_base = small is not None
    if by_base:
        shown = f"{plain(small)} for small, else {plain(default)}"
    row = Setting(
        "",
        kind,
        None if by_base else default,
        help,
        range,
        excludes=excludes,
        shown=shown,
    )
    facts = {"row": row, "group": group, "small": small, "others": default}
    return field(default=row.default, metadata=facts)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: `seewhy.train(folder, out=..., recipe=Recipe(epochs=10))`.

    A setting that is left out, or None, gets the default for its base (those of type Any depend on
    it). `seewhy train --help` lists every setting with its default; a size may be one number,
    (height, width) or words ('128x96').

    Raises:
        OptionError: a setting has an invalid value; the message says which ones are valid.
    """

    base: str = _row(
        "text",
        SMALL,
        "small (a compact network from scratch), a network's name (vgg19, "
        "mobilenet?alpha=0.75&weights=FILE) or a .keras file",
        group="network",
    )
    size: Any = _row(
        "size",
        None,
        "height and width of the photos",
        shown=f"{SIDE} for small, else the base's own",
        group="network",
    )
    half_colour: Any = _row(
        "boolean",
        False,
        "with base small: show the network colour at half the resolution, in training and in use",
        small=True,
        group="network",
    )
    start_from: Any = _row(
        "text",
        None,
        "with base small: start from the weights of this network, a .keras file or built-in; "
        "layers of another shape get random ones",
        shown="random weights",
        group="network",
    )
    validation_split: float = _row(
        "number",
        0.1,
        "share of each class's photos held out for validation; a folder with train/ and val/ "
        "keeps its own split",
        SHARE,
        excludes=(0, 1),
        group="photos",
    )
    per_class: Any = _row(
        "integer",
        None,
        "use at most N photos of each class, drawn at random",
        (2, None),
        shown="all",
        group="photos",
    )
    crop: Any = _row(
        "size",
        None,
        "train on random windows of this size",
        shown="whole photos",
        group="photos",
    )
    crop_scale: Any = _row(
        "number",
        None,
        "with crop: cut windows of random size and aspect, of at least this share of the photo's "
        "area",
        SHARE,
        excludes=ABOVE_ZERO,
        shown="windows have the crop's own size",
        group="photos",
    )
    flip: Any = _row(
        "boolean", False, "flip photos left to right at random", small=True, group="photos"
    )
    shift: Any = _row(
        "number",
        0.0,
        "shift photos by up to this share of their size",
        SHARE,
        small=0.1,
        excludes=BELOW_ONE,
        group="photos",
    )
    zoom: Any = _row(
        "number",
        0.0,
        "zoom photos by up to this share",
        SHARE,
        small=0.15,
        excludes=BELOW_ONE,
        group="photos",
    )
    colour: float = _row(
        "number",
        0.0,
        "change brightness, contrast and saturation by up to this share",
        SHARE,
        excludes=BELOW_ONE,
        group="photos",
    )
    sharpness: float = _row(
        "number", 0.0, "blur or sharpen photos by up to this share", SHARE, group="photos"
    )
    jpeg: float = _row(
        "number",
        0.0,
        "store photos as JPEG of random quality and colour resolution, with this probability",
        SHARE,
        group="photos",
    )
    cutmix: float = _row(
        "number",
        0.0,
        "CutMix: replace a box of a photo by another photo's, with this probability; 0: off",
        SHARE,
        group="photos",
    )
    hide: Any = _row(
        "number",
        0.0,
        "hide-and-seek: hide each cell of a grid with this probability; 0: off",
        SHARE,
        small=0.2,
        excludes=BELOW_ONE,
        group="photos",
    )
    plain_epochs: int = _row(
        "integer", 0, "hide and mix nothing in the last N epochs", COUNT, group="photos"
    )
    epochs: int = _row("integer", 30, "train for at most N epochs", ONE_OR_MORE)
    batch_size: int = _row("integer", 64, "photos per step", ONE_OR_MORE)
    optimizer: Any = _row(
        "choice", "adamw", "optimizer of the first stage", OPTIMIZERS, small="muon"
    )
    learning_rate: Any = _row(
        "number",
        None,
        "highest learning rate",
        SHARE,
        excludes=ABOVE_ZERO,
        shown="0.005 for small with muon, else 0.002",
    )
    weight_decay: Any = _row("number", 0.01, "weight decay", SHARE, small=0.05, excludes=BELOW_ONE)
    balance: float = _row(
        "number",
        1.0,
        "how equal classes weigh: 1: every class the same, 0: every photo the same",
        SHARE,
    )
    label_smoothing: float = _row("number", 0.05, "label smoothing", SHARE, excludes=BELOW_ONE)
    grow: Any = _row(
        "boolean",
        None,
        "start with photos of half the size, then three quarters",
        shown=f"yes for small with photos of {GROWN_FROM} pixels or more, else no",
    )
    patience: Any = _row(
        "integer",
        5,
        "stop after N epochs without a smaller validation loss; 0: never",
        COUNT,
        small=10,
    )
    fine_tune: int = _row(
        "integer", 0, "train the last N blocks of the base in a second stage", COUNT
    )
    fine_tune_epochs: int = _row(
        "integer", 5, "second stage: train for at most N epochs", ONE_OR_MORE
    )
    fine_tune_learning_rate: float = _row(
        "number", 1e-5, "second stage: highest learning rate", SHARE, excludes=ABOVE_ZERO
    )
    seed: int = _row(
        "integer",
        0,
        "seed of the split, the weights, the batches and the augmentation",
        (0, LARGEST_SEED),
    )

    def __post_init__(self) -> None:
        values: dict[str, Any] = {}
        small = self.base == SMALL
        for entry in dataclasses.fields(self):
            value, facts = getattr(self, entry.name), entry.metadata
            if value is None:
                value = facts["small"] if small and facts["small"] is not None else facts["others"]
            values[entry.name] = dataclasses.replace(facts["row"], name=entry.name).check(value)
        values["size"] = values["size"] or _size_of(self.base)
        if values["learning_rate"] is None:
            values["learning_rate"] = 0.005 if values["optimizer"] == "muon" and small else 0.002
        if values["grow"] is None:
            values["grow"] = small and min(values["crop"] or values["size"]) >= GROWN_FROM
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_sizes()
        if self.fine_tune and self.base == SMALL:
            raise OptionError(
                "The compact network is trained as a whole, so fine_tune does not apply. Leave it "
                "out, or choose another base."
            )
        for name in ("half_colour", "start_from"):
            if getattr(self, name) and self.base != SMALL:
                raise OptionError(
                    f"{name} is for the compact network, and the base is '{self.base}'. Leave "
                    f"{name} out."
                )

    def _check_sizes(self) -> None:
        smallest = min(self.crop or self.size)
        if self.crop is not None and (self.crop[0] > self.size[0] or self.crop[1] > self.size[1]):
            raise OptionError(
                f"A crop of {self.crop[0]}×{self.crop[1]} does not fit into photos of "
                f"{self.size[0]}×{self.size[1]}. Give a smaller crop or a larger size."
            )
        if self.crop_scale is not None and self.crop is None:
            raise OptionError("crop_scale needs a crop: the size to which windows are brought.")
        if smallest < SMALLEST_SIDE:
            raise OptionError(
                f"Photos of {smallest} pixels are too small to train on. Give a size (and crop) of "
                f"{SMALLEST_SIDE} or more."
            )
        if self.grow and self.base != SMALL:
            raise OptionError(
                f"Only the compact network is trained on growing photos; '{self.base}' takes one "
                "size. Leave grow out."
            )
        if self.grow and smallest < 2 * SMALLEST_SIDE:
            raise OptionError(
                f"Photos of {smallest} pixels are too small to start with half of them. Give a "
                f"size (and crop) of {2 * SMALLEST_SIDE} or more, or grow=False (--no-grow)."
            )

    @property
    def augments(self) -> bool:
        """True where a photo looks different in every epoch."""
        return bool(
            self.flip
            or self.shift
            or self.zoom
            or self.hide
            or self.crop
            or self.colour
            or self.sharpness
            or self.jpeg
            or self.cutmix
        )

    def growth(self) -> tuple[tuple[int, Fraction], ...]:
        """Return the first epoch of each size of photo, and its fraction of the full size.

        Source:
            Tan & Le, *EfficientNetV2*, ICML 2021 (arXiv:2104.00298), section 4: smaller photos
            first. There augmentation grows as well; here it does not.
        """
        if not self.grow:
            return ((0, Fraction(1)),)
        starts = {
            int(share * self.epochs): Fraction(above, below) for share, above, below in GROWTH
        }
        return tuple(starts.items())

    def as_json(self) -> dict[str, Any]:
        """Return the settings by name, ready for JSON: sizes are lists."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def settings_of_recipes() -> dict[str, tuple[Setting, ...]]:
    """Return the settings of `Recipe` by the heading that they have in the help text."""
    groups: dict[str, tuple[Setting, ...]] = {}
    for entry in dataclasses.fields(Recipe):
        row = dataclasses.replace(entry.metadata["row"], name=entry.name)
        groups[entry.metadata["group"]] = (*groups.get(entry.metadata["group"], ()), row)
    return groups


def _size_of(base: str) -> tuple[int, int]:
    """Return the size of photo that a base was made for."""
    if base == SMALL:
        return SIDE, SIDE
    from seewhy.zoo.keras import APPLICATIONS, application_key
    from seewhy.zoo.load import load
    from seewhy.zoo.names import parse_name

    name = parse_name(base)
    key = application_key(name.base)
    given = as_size(name.settings.get("size"))
    if given:
        return given
    return (APPLICATIONS[key].size,) * 2 if key else load(base).size
