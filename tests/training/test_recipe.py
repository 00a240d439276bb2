"""Settings: their defaults by base, their ranges, and how photos grow."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.training.fit import Schedule
from seewhy.training.recipe import Recipe, settings_of_recipes

HALF, MOST, WHOLE = Fraction(1, 2), Fraction(3, 4), Fraction(1)


def test_defaults_follow_from_the_base() -> None:
    small, vgg = Recipe(), Recipe(base="vgg19")
    names = ("size", "optimizer", "learning_rate", "weight_decay", "flip", "grow", "patience")
    assert [getattr(small, name) for name in names] == [
        *((128, 128), "muon", 0.005, 0.05, True, True, 10)
    ]
    assert [getattr(vgg, name) for name in names] == [
        *((224, 224), "adamw", 0.002, 0.01, False, False, 5)
    ]
    assert Recipe(optimizer="adamw").learning_rate == 0.002
    assert not Recipe(size=80).grow
    assert Recipe(base="mobilenet?size=96x64").size == (96, 64)


def test_help_names_every_default() -> None:
    rows = [row for group in settings_of_recipes().values() for row in group]
    told = {row.name: row.described for row in rows}
    assert told["weight_decay"] == "weight decay (default: 0.05 for small, else 0.01)"
    assert told["flip"] == "flip photos left to right at random (default: yes for small, else no)"
    assert told["fine_tune_learning_rate"] == (
        "second stage: highest learning rate (default: 1e-05)"
    )
    assert not [name for name, text in told.items() if "None" in text]


def test_numbers_of_numpy_are_numbers() -> None:
    recipe = Recipe(patience=np.int64(3), zoom=np.float32(0.25), size=np.array([64, 96]))
    assert (type(recipe.patience), recipe.zoom, recipe.size) == (int, 0.25, (64, 96))
    assert recipe.as_json()["size"] == [64, 96]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs=0 is not valid. Give a whole number, 1 or more."),
        ({"patience": "3"}, "patience='3' is not valid. Give a whole number, 0 or more."),
        (
            {"seed": 2**32},
            "seed=4294967296 is not valid. Give a whole number, 0 to 4,294,967,295.",
        ),
        ({"per_class": 1}, "per_class=1 is not valid. Give a whole number, 2 or more."),
        (
            {"learning_rate": 0.0},
            "learning_rate=0.0 is not valid. Give a number, above 0, at most 1.",
        ),
        (
            {"learning_rate": float("nan")},
            "learning_rate=nan is not valid. Give a number, above 0, at most 1.",
        ),
        ({"hide": 1.5}, "hide=1.5 is not valid. Give a number, 0 or more, below 1."),
        ({"zoom": True}, "zoom=True is not valid. Give a number, 0 or more, below 1."),
        (
            {"validation_split": 1.5},
            "validation_split=1.5 is not valid. Give a number, above 0, below 1.",
        ),
        (
            {"crop": 64},
            "A crop of 64×64 does not fit into photos of 32×32. Give a smaller crop or a larger "
            "size.",
        ),
        (
            {"size": 16},
            "Photos of 16 pixels are too small to train on. Give a size (and crop) of 32 or more.",
        ),
        (
            {"grow": True},
            "Photos of 32 pixels are too small to start with half of them. Give a size (and crop) "
            "of 64 or more, or grow=False (--no-grow).",
        ),
        (
            {"grow": True, "base": "vgg19", "size": 64},
            "Only the compact network is trained on growing photos; 'vgg19' takes one size. Leave "
            "grow out.",
        ),
        ({"optimizer": "sgd"}, "optimizer='sgd' is not valid. Give one of adamw, muon."),
        ({"flip": 1}, "flip=1 is not valid. Give true or false."),
        (
            {"size": 10**20},
            "size=100000000000000000000 is not valid. Give pixels (224), or height and width "
            "(224x320), at most 16,384 pixels.",
        ),
        (
            {"epochs": 10**20},
            "epochs=100000000000000000000 is not valid. Give a whole number, 1 or more, at most "
            "1,000,000,000.",
        ),
        (
            {"start_from": "animals.keras", "base": "vgg19", "size": 64},
            "start_from is for the compact network, and the base is 'vgg19'. Leave start_from out.",
        ),
        (
            {"half_colour": True, "base": "vgg19", "size": 64},
            "half_colour is for the compact network, and the base is 'vgg19'. Leave half_colour "
            "out.",
        ),
        (
            {"fine_tune": 1},
            "The compact network is trained as a whole, so fine_tune does not apply. Leave it out, "
            "or choose another base.",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Recipe(**({"size": 32} | options))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("epochs", "sizes"),
    [
        (40, ((0, HALF), (14, MOST), (30, WHOLE))),
        (4, ((0, HALF), (1, MOST), (3, WHOLE))),
        (2, ((0, MOST), (1, WHOLE))),
        (1, ((0, WHOLE),)),
    ],
)
def test_photos_grow_twice_and_end_whole(
    epochs: int, sizes: tuple[tuple[int, Fraction], ...]
) -> None:
    assert Recipe(epochs=epochs, grow=True).growth() == sizes
    assert Recipe(epochs=epochs, grow=False).growth() == ((0, WHOLE),)


def test_epochs_of_one_size_are_run_together_from_where_the_run_stands() -> None:
    schedule = Schedule(10, 0.1, sizes=(0, 3, 7))
    assert schedule.spans(0) == [range(3), range(3, 7), range(7, 10)]
    assert schedule.spans(4) == [range(4, 7), range(7, 10)]
    assert schedule.spans(10) == []


def test_only_epochs_of_the_last_size_are_judged() -> None:
    rows = [{"val_loss": float(number)} for number in range(5)]
    assert Schedule(6, 0.1, sizes=(0, 3)).judged(rows) == [3.0, 4.0]
    assert Schedule(6, 0.1).judged(rows) == [0.0, 1.0, 2.0, 3.0, 4.0]
