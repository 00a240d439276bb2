"""Networks of the zoo as bases, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seewhy
from seewhy.errors import OptionError
from seewhy.photos.preprocessing import MODES
from seewhy.training.base import (
    blocks_of,
    build_on_base,
    pooled_part,
    split_before,
    unfreeze,
)
from seewhy.training.recipe import Recipe
from seewhy.training.train import train
from tests.training.made_photos import make_folder

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

MOBILENET = "mobilenet?alpha=0.25&weights=none"


@pytest.mark.parametrize(
    ("base", "size", "last"),
    [
        ("vgg19?weights=none", 32, "block5_conv4"),
        ("resnet50?weights=none", 64, "conv5_block3_out"),
        ("xception?weights=none", 72, "block14_sepconv2_act"),
    ],
)
def test_known_bases_get_a_head_that_cam_explains(
    base: str, size: int, last: str, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "photos", counts={"ring": 4, "cross": 4})
    out = tmp_path / "a.keras"
    trained = train(folder, out=out, recipe=Recipe(base=base, size=size, epochs=1, batch_size=4))
    assert trained.validation_photos == 2
    explanation = seewhy.explain(seewhy.load(out), folder / "ring" / "000.png")
    assert (explanation.method, explanation.layer) == ("cam", last)


def test_preprocessing_inside_the_file_is_preprocessing_outside() -> None:
    import keras

    model, last = build_on_base("vgg16?weights=none", 2, size=(32, 32))
    bare = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    bare.set_weights(model.get_weights()[2:-2])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    outside = keras.Model(bare.input, bare.get_layer(last).output)
    expected = outside.predict(MODES["caffe"](pixels), verbose=0).mean(axis=(1, 2))
    inside = pooled_part(model).predict(pixels, verbose=0)
    np.testing.assert_allclose(inside, expected, rtol=1e-4, atol=1e-5)


def test_weights_of_a_whole_network_serve_a_base_of_another_size(tmp_path: Path) -> None:
    import keras

    whole = keras.applications.MobileNet(alpha=0.25, weights=None)
    path = tmp_path / "whole.weights.h5"
    whole.save_weights(path)
    model, last = build_on_base(f"mobilenet?alpha=0.25&weights={path}", 3, size=(64, 96))
    assert model.get_layer(last).output.shape[1:] == (2, 3, 256)
    np.testing.assert_array_equal(
        model.get_layer("conv_pw_13").get_weights()[0],
        whole.get_layer("conv_pw_13").get_weights()[0],
    )


def test_the_last_blocks_are_fine_tuned_and_nothing_else(tmp_path: Path) -> None:
    import keras

    bare = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    path = tmp_path / "bare.weights.h5"
    bare.save_weights(path)
    folder = make_folder(tmp_path / "photos", counts={"ring": 6, "cross": 6})
    out = tmp_path / "a.keras"
    base = f"mobilenet?alpha=0.25&weights={path}"
    train(
        folder,
        out=out,
        recipe=Recipe(
            base=base,
            size=64,
            epochs=1,
            batch_size=4,
            fine_tune=1,
            fine_tune_epochs=1,
            fine_tune_learning_rate=0.01,
        ),
    )
    fresh, _ = build_on_base(base, 2, size=(64, 64))
    model = seewhy.load(out).network.model
    assert [layer.name for layer in model.layers] == [layer.name for layer in fresh.layers]
    changed = {
        layer.name
        for layer, was in zip(model.layers, fresh.layers, strict=True)
        if any(
            not np.array_equal(one, other)
            for one, other in zip(layer.get_weights(), was.get_weights(), strict=True)
        )
    }
    assert changed == {"conv_dw_13", "conv_pw_13", "classes"}
    np.testing.assert_array_equal(  # a base's own weights may be in the file
        fresh.get_layer("conv_pw_13").get_weights()[0],
        bare.get_layer("conv_pw_13").get_weights()[0],
    )


def test_blocks_are_found_by_name_or_by_convolution() -> None:
    vgg, _ = build_on_base("vgg16?weights=none", 2, size=(32, 32))
    sizes = [len([layer for layer in block if layer.weights]) for block in blocks_of(vgg)]
    assert sizes[-5:] == [2, 2, 3, 3, 3]


def test_more_blocks_than_there_are_is_refused() -> None:
    model, _ = build_on_base("vgg16?weights=none", 2, size=(32, 32))
    count = len(blocks_of(model))
    with pytest.raises(OptionError) as caught:
        unfreeze(model, count + 1)
    assert str(caught.value) == (
        f"The base has {count} blocks, and {count + 1} should be fine-tuned. Give a number from 0 "
        f"to {count}."
    )


def test_a_map_of_one_pixel_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        build_on_base(MOBILENET, 2, size=(32, 32))
    assert str(caught.value) == (
        f"The last map of '{MOBILENET}' has one pixel for photos of 32×32: a heatmap needs more. "
        "Give a larger size."
    )


def test_windows_of_photos_go_with_a_base_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", counts={"ring": 4, "cross": 4})
    out = tmp_path / "a.keras"
    train(folder, out=out, recipe=Recipe(base=MOBILENET, size=96, crop=64, epochs=1, batch_size=4))
    assert seewhy.load(out).network.input_shape == (96, 96, 3)


def test_a_network_is_split_before_its_last_blocks_where_one_map_passes() -> None:
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    model, _ = build_on_base("vgg16?weights=none", 2, size=(32, 32))
    parts = split_before(model, 2)
    assert parts is not None
    before, rest = parts
    assert before.output.shape[1:] == (4, 4, 256)  # after block3_pool
    np.testing.assert_allclose(
        rest.predict_on_batch(before.predict_on_batch(photos)),
        model.predict_on_batch(photos),
        rtol=1e-5,
    )
    assert rest.get_layer("block5_conv1") is model.get_layer("block5_conv1")
