"""Families of keras.applications by the names of their layers; processors beside a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

import seewhy
from seewhy.networks.keras.published import FAMILIES, family_of
from seewhy.photos.preprocessing import Normalize
from seewhy.photos.processor import PROCESSOR, read_processor
from seewhy.zoo.keras import APPLICATIONS

OUTSIDE = ["VGG16", "ResNet50", "ResNet50V2", "DenseNet121", "MobileNet", "MobileNetV2", "Xception"]


def built(name: str, **settings: Any) -> Any:
    return getattr(keras.applications, name)(weights=None, **settings)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_network_of_keras_applications_is_known_by_its_layers(name: str) -> None:
    model = built(name, include_top=False, input_shape=(96, 96, 3))
    family = family_of(layer.name for layer in model.layers)
    assert family is not None
    assert family.preprocess == APPLICATIONS[name.lower()].preprocess


def test_the_base_inside_a_network_of_ones_own_is_known() -> None:
    base = built("MobileNet", include_top=False, input_shape=(64, 64, 3), alpha=0.25)
    model = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(3)], name="own")
    assert str(seewhy.Classifier(model).preprocessing) == (
        "tf, known from the names of its layers: a MobileNet of keras.applications"
    )


def test_a_base_behind_its_own_scaling_wants_the_photo_as_it_is() -> None:
    base = built("MobileNet", include_top=False, input_shape=(64, 64, 3), alpha=0.25)
    start = keras.Input((64, 64, 3))
    x = base(layers.Rescaling(1 / 127.5, offset=-1)(start))
    model = keras.Model(start, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    found = seewhy.Classifier(model).preprocessing
    assert found is not None
    assert found.mode == "none"


def test_names_of_ones_own_are_of_no_family() -> None:
    assert family_of(["conv1", "conv2", "fc"]) is None


def test_two_families_are_never_taken_for_each_other() -> None:
    for family in FAMILIES:
        assert family_of(family.layers) is family


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (IMAGENET, "torch"),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, "tf"),
        ({"do_normalize": False}, "unit"),
        ({"do_normalize": False, "do_rescale": False}, "none"),
        ({"image_mean": [0.1], "image_std": [0.2]}, Normalize((0.1,), (0.2,))),
        (
            {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3},
            "tf",
        ),
        (
            {**IMAGENET, "do_flip_channel_order": True, "do_normalize": True},
            Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), is_blue_first=True),
        ),
        ({"do_flip_channel_order": True}, Normalize((0,) * 3, (1,) * 3, is_blue_first=True)),
        ({"image_mean": "?", "image_std": [1]}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_processors_settings_become_a_mode(tmp_path: Path, settings: Any, expected: Any) -> None:
    (tmp_path / PROCESSOR).write_text(json.dumps(settings), encoding="utf-8")
    assert read_processor(tmp_path) == expected


def test_what_is_no_json_and_no_file_is_no_processor(tmp_path: Path) -> None:
    assert read_processor(tmp_path) is None
    (tmp_path / PROCESSOR).write_text("{", encoding="utf-8")
    assert read_processor(tmp_path) is None


def test_a_processor_beside_a_model_file_is_used_and_named(tmp_path: Path) -> None:
    start = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(start))
    keras.Model(start, layers.Dense(2)(x)).save(tmp_path / "own.keras")
    (tmp_path / PROCESSOR).write_text(json.dumps(IMAGENET), encoding="utf-8")
    classifier = seewhy.load(tmp_path / "own.keras")
    assert (
        str(classifier.preprocessing)
        == "torch, known from preprocessor_config.json beside own.keras"
    )
