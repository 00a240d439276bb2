"""What a network is trained with: every setting once, with its help, its default and its range.

`seewhy.train` takes a `Recipe`; the command line and the docs read the settings from its fields.
Nothing heavy is imported here: `seewhy --help` builds its options from this module.
"""

# ruff: noqa: RUF009 - `setting` returns a dataclass field

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from seewhy.errors import OptionError

SMALL = "small"
"""The name of the compact network, trained from scratch without a base."""

OPTIMIZERS = ("adamw", "muon")

SIDE = 128
"""Height and width of the photos that the compact network is trained on, unless given."""

GROWTH = ((0.0, 1, 2), (0.35, 3, 4), (0.75, 1, 1))
"""Growing photos: from which share of the epochs on, what fraction of the size."""

GROWN_FROM = 96
"""Pixels of a side from which the compact network is trained on smaller photos first."""

SMALLEST = 32
"""Pixels of a side below which there is nothing to see."""

LARGEST_SEED = 2**32 - 1
"""The largest seed that Keras takes."""


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may have, and the words for them."""

    words: str
    low: float
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        return above and (value < self.high if self.open_high else value <= self.high)


POSITIVE = Range("1 or more", 1)
COUNT = Range("0 or more", 0)
SHARE = Range("0 or more, below 1", 0, 1, open_high=True)
RATE = Range("above 0, at most 1", 0, 1, open_low=True)

FOR_SMALL_PHOTOS = f"yes for small with photos of {GROWN_FROM} pixels or more, else no"


@dataclass(frozen=True)
class Setting:
    """What the command line and the docs need to know about a field of `Recipe`.

    Attributes:
        help: a phrase.
        default: for every base; None: it depends on the base.
        small, others: the default for the compact network, and for every other base.
        metavar: the placeholder of the value in the help text.
        range: of a number.
        choices: of a word.
        group: the heading in the help text.
        shown: the default in words, where its value does not say enough.
        kind: the type of its values; by default that of `default` or `small`.
    """

    help: str
    default: Any = None
    small: Any = None
    others: Any = None
    metavar: str | None = None
    range: Range | None = None
    choices: tuple[str, ...] | None = None
    group: str = "training"
    shown: str | None = None
    kind: type | None = None

    @property
    def type(self) -> type:
        """The type of its values."""
        return self.kind or type(self.small if self.default is None else self.default)

    @property
    def full_help(self) -> str:
        """The phrase with its default."""
        default = self.shown or _shown(self.default)
        if self.shown is None and self.default is None and self.small is not None:
            default = f"{_shown(self.small)} for small, else {_shown(self.others)}"
        return f"{self.help} (default: {default})"


def setting(phrase: str, default: Any = None, **facts: Any) -> Any:
    """Return a dataclass field that carries a `Setting`."""
    return field(default=default, metadata={"setting": Setting(phrase, default, **facts)})


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: `seewhy.train(folder, out=..., recipe=Recipe(epochs=10))`.

    A setting that is left out, or None, gets the default for its base (those of type Any depend on
    it). `seewhy train --help` lists every setting with its default; a size may be one number,
    (height, width) or words ('128x96').

    Raises:
        OptionError: a setting has an invalid value; the message says which ones are valid.
    """

    base: str = setting(
        "small (a compact network from scratch), a network's name (vgg19, "
        "mobilenet?alpha=0.75&weights=FILE) or a .keras file",
        SMALL,
        metavar="BASE",
        group="network",
    )
    size: Any = setting(
        "height and width of the photos",
        metavar="HxW",
        group="network",
        shown=f"{SIDE} for small, else the base's own",
        kind=tuple,
    )
    validation_split: float = setting(
        "share of each class's photos held out for validation; a folder with train/ and val/ "
        "keeps its own split",
        0.1,
        metavar="SHARE",
        range=Range("above 0, below 1", 0, 1, open_low=True, open_high=True),
        group="photos",
    )
    per_class: Any = setting(
        "use at most N photos of each class, drawn at random",
        metavar="N",
        range=Range("2 or more", 2),
        group="photos",
        shown="all",
        kind=int,
    )
    crop: Any = setting(
        "train on random windows of this size",
        metavar="HxW",
        group="photos",
        shown="whole photos",
        kind=tuple,
    )
    crop_scale: Any = setting(
        "with crop: cut windows of random size and aspect, of at least this share of the photo's "
        "area",
        metavar="SHARE",
        range=RATE,
        group="photos",
        shown="windows have the crop's own size",
        kind=float,
    )
    flip: Any = setting(
        "flip photos left to right at random", small=True, others=False, group="photos"
    )
    shift: Any = setting(
        "shift photos by up to this share of their size",
        small=0.1,
        others=0.0,
        metavar="SHARE",
        range=SHARE,
        group="photos",
    )
    zoom: Any = setting(
        "zoom photos by up to this share",
        small=0.15,
        others=0.0,
        metavar="SHARE",
        range=SHARE,
        group="photos",
    )
    colour: float = setting(
        "change brightness, contrast and saturation by up to this share",
        0.0,
        metavar="SHARE",
        range=SHARE,
        group="photos",
    )
    sharpness: float = setting(
        "blur or sharpen photos by up to this share",
        0.0,
        metavar="SHARE",
        range=Range("from 0 to 1", 0, 1),
        group="photos",
    )
    cutmix: float = setting(
        "CutMix: replace a box of a photo by another photo's, with this probability; 0: off",
        0.0,
        metavar="P",
        range=Range("from 0 to 1", 0, 1),
        group="photos",
    )
    hide: Any = setting(
        "hide-and-seek: hide each cell of a grid with this probability; 0: off",
        small=0.2,
        others=0.0,
        metavar="P",
        range=SHARE,
        group="photos",
    )
    plain_epochs: int = setting(
        "hide and mix nothing in the last N epochs", 0, metavar="N", range=COUNT, group="photos"
    )
    epochs: int = setting("train for at most N epochs", 30, metavar="N", range=POSITIVE)
    batch_size: int = setting("photos per step", 64, metavar="N", range=POSITIVE)
    optimizer: Any = setting(
        "optimizer of the first stage", small="muon", others="adamw", choices=OPTIMIZERS
    )
    learning_rate: Any = setting(
        "highest learning rate",
        metavar="RATE",
        range=RATE,
        shown="0.005 for small with muon, else 0.002",
        kind=float,
    )
    weight_decay: Any = setting(
        "weight decay", small=0.05, others=0.01, metavar="DECAY", range=SHARE
    )
    balance: float = setting(
        "how equal classes weigh: 1: every class the same, 0: every photo the same",
        1.0,
        metavar="SHARE",
        range=Range("from 0 to 1", 0, 1),
    )
    label_smoothing: float = setting("label smoothing", 0.05, metavar="SHARE", range=SHARE)
    grow: Any = setting(
        "start with photos of half the size, then three quarters",
        shown=FOR_SMALL_PHOTOS,
        kind=bool,
    )
    patience: Any = setting(
        "stop after N epochs without a smaller validation loss; 0: never",
        small=10,
        others=5,
        metavar="N",
        range=COUNT,
    )
    fine_tune: int = setting(
        "train the last N blocks of the base in a second stage", 0, metavar="N", range=COUNT
    )
    fine_tune_epochs: int = setting(
        "second stage: train for at most N epochs", 5, metavar="N", range=POSITIVE
    )
    fine_tune_learning_rate: float = setting(
        "second stage: highest learning rate", 1e-5, metavar="RATE", range=RATE
    )
    seed: int = setting(
        "seed of the split, the weights, the batches and the augmentation",
        0,
        metavar="N",
        range=Range(f"from 0 to {LARGEST_SEED}", 0, LARGEST_SEED),
    )

    def __post_init__(self) -> None:
        values: dict[str, Any] = {name: getattr(self, name) for name in settings()}
        small = values["base"] == SMALL
        for name, facts in settings().items():
            if values[name] is None and facts.default is None:
                values[name] = facts.small if small else facts.others
        values |= {name: _as_size(values[name]) for name in ("size", "crop")}
        values["size"] = values["size"] or _size_of(values["base"])
        if values["learning_rate"] is None:
            values["learning_rate"] = 0.005 if values["optimizer"] == "muon" and small else 0.002
        if values["grow"] is None:
            values["grow"] = small and min(values["crop"] or values["size"]) >= GROWN_FROM
        for name, facts in settings().items():
            value = facts.default if values[name] is None else values[name]
            object.__setattr__(self, name, _checked(name, value, facts))
        self._check_sizes()
        if self.fine_tune and self.base == SMALL:
            raise OptionError(
                "The compact network is trained as a whole, so fine_tune does not apply. Leave it "
                "out, or choose another base."
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
        if smallest < SMALLEST:
            raise OptionError(
                f"Photos of {smallest} pixels are too small to train on. Give a size (and crop) of "
                f"{SMALLEST} or more."
            )
        if self.grow and self.base != SMALL:
            raise OptionError(
                f"Only the compact network is trained on growing photos; '{self.base}' takes one "
                "size. Leave grow out."
            )
        if self.grow and smallest < 2 * SMALLEST:
            raise OptionError(
                f"Photos of {smallest} pixels are too small to start with half of them. Give a "
                f"size (and crop) of {2 * SMALLEST} or more, or grow=False (--no-grow)."
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


def settings() -> Mapping[str, Setting]:
    """Return what is known about every field of `Recipe`, by name."""
    return {one.name: one.metadata["setting"] for one in dataclasses.fields(Recipe)}


def _checked(name: str, value: Any, facts: Setting) -> Any:
    """Return a value as its setting's own type."""
    if facts.choices is not None and value not in facts.choices:
        raise OptionError(
            f"{name}={value!r} is not a choice. Give one of {', '.join(facts.choices)}."
        )
    if value is None or facts.range is None:
        return value
    whole = facts.type is int
    is_number = isinstance(value, Integral if whole else Real)
    if not is_number or value is True or value is False:
        raise OptionError(f"{name}={value!r} is not a {'whole ' if whole else ''}number.")
    number = int(value) if whole else float(value)
    if number not in facts.range:
        raise OptionError(f"{name}={value} is out of range. Give {facts.range.words}.")
    return number


def _as_size(size: Any) -> tuple[int, int] | None:
    from seewhy.settings import as_size

    return as_size(size)


def _size_of(base: str) -> tuple[int, int]:
    """Return the size of photo that a base was made for."""
    if base == SMALL:
        return SIDE, SIDE
    from seewhy.zoo.keras import APPLICATIONS, application_key
    from seewhy.zoo.load import load
    from seewhy.zoo.names import parse_name

    name = parse_name(base)
    key = application_key(name.base)
    given = _as_size(name.settings.get("size"))
    if given:
        return given
    return (APPLICATIONS[key].size,) * 2 if key else load(base).size


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
