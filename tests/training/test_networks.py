"""The networks that are trained, hide-and-seek, and preprocessing inside the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import OptionError
from seewhy.photos.preprocessing import MODES
from seewhy.training.networks import (
    GRIDS,
    LAST_MAP,
    REFERENCE,
    augmented,
    halved_colour,
    hide_and_seek_layer,
    preprocessing_layers,
    small_network,
    take_weights,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

SIDE = 56
COLOUR = (10.0, 20.0, 30.0)


def hidden_pixels(probability: float, *, count: int = 300) -> np.ndarray:
    """Return (n, h, w) which pixels of white photos are hidden."""
    from keras import ops

    layer = hide_and_seek_layer()(COLOUR, probability=probability, seed=7)
    photos = np.full((count, SIDE, SIDE, 3), 255, np.float32)
    changed = ops.convert_to_numpy(layer(photos, training=True))
    hidden = changed[..., 0] != 255
    np.testing.assert_array_equal(changed[hidden], np.broadcast_to(COLOUR, (hidden.sum(), 3)))
    return hidden


def test_hide_and_seek_hides_half_of_four_fifths_of_the_photos() -> None:
    hidden = hidden_pixels(0.5)
    whole = ~hidden.any(axis=(1, 2))
    # One grid size of five hides nothing: 300 photos, deviation √(0.2 · 0.8 / 300) = 0.023.
    assert abs(whole.mean() - 0.2) < 0.07
    assert abs(hidden[~whole].mean() - 0.5) < 0.04


def test_hide_and_seek_hides_whole_cells_of_the_papers_sizes() -> None:
    hidden = hidden_pixels(0.5, count=60)
    sizes = [round(grid * SIDE / REFERENCE) for grid in GRIDS if grid]
    for photo in hidden[hidden.any(axis=(1, 2))]:
        columns = np.flatnonzero((photo[:, 1:] != photo[:, :-1]).any(axis=0))
        rows = np.flatnonzero((photo[1:] != photo[:-1]).any(axis=1))
        assert any(len(set(columns % size)) <= 1 and len(set(rows % size)) <= 1 for size in sizes)


def test_hide_and_seek_with_certainty_hides_all_but_the_whole_photos() -> None:
    shares = hidden_pixels(1.0).mean(axis=(1, 2))
    assert set(shares) == {0.0, 1.0}


def test_hide_and_seek_leaves_photos_alone_in_use() -> None:
    from keras import ops

    photos = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 3)).astype(np.float32)
    layer = hide_and_seek_layer()(COLOUR, probability=1.0, seed=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(photos)), photos)


def test_augmentation_shares_the_networks_weights_and_rests_in_use() -> None:
    network = small_network((32, 32), 2)
    model = augmented(network, shift=0.1, zoom=0.1, flip=True, hide=0.5, colour=COLOUR, seed=0)
    photos = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    assert len(model.trainable_variables) == len(network.trainable_variables)
    np.testing.assert_array_equal(
        model.predict(photos, verbose=0), network.predict(photos.astype(np.float32), verbose=0)
    )


@pytest.mark.parametrize("mode", sorted(MODES))
def test_preprocessing_inside_is_preprocessing_outside(mode: str) -> None:
    from keras import Input, Model

    photo = values = Input((5, 4, 3))
    for layer in preprocessing_layers(mode):
        values = layer(values)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 5, 4, 3)).astype(np.float32)
    inside = Model(photo, values).predict(pixels, verbose=0)
    np.testing.assert_allclose(inside, MODES[mode](pixels), rtol=1e-5, atol=1e-4)


def test_a_preprocessing_without_a_layer_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        preprocessing_layers("odd")
    assert str(caught.value) == (
        "The preprocessing 'odd' cannot be put inside a model. Choose a base whose preprocessing "
        "is one of caffe, tf, torch, unit, none."
    )


def test_the_compact_network_is_compact_and_loads_without_seewhy(tmp_path: Path) -> None:
    import keras

    network = small_network((128, 128), 3)
    path = tmp_path / "small.keras"
    network.save(path)
    assert path.stat().st_size < 5 * 2**20
    assert network.get_layer(LAST_MAP).output.shape[1:] == (8, 8, 256)
    again = keras.saving.load_model(path, compile=False, safe_mode=True)
    photos = np.full((1, 128, 128, 3), 100, np.float32)
    np.testing.assert_array_equal(
        again.predict(photos, verbose=0), network.predict(photos, verbose=0)
    )
    modules = {type(layer).__module__.partition(".")[0] for layer in network.layers}
    assert modules == {"keras"}


def test_halved_colour_keeps_brightness_and_smooths_colour_by_the_binomial_filter() -> None:
    from keras import ops

    photos = np.random.default_rng(3).uniform(0, 255, (2, 7, 6, 3))
    changed = np.asarray(ops.convert_to_numpy(halved_colour()(photos.astype(np.float32))))
    grey = photos @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(changed @ (0.299, 0.587, 0.114), grey, rtol=1e-5)
    colour, line = photos - grey[..., None], np.array([1, 4, 6, 4, 1]) / 16
    for n, row, column in [(0, 3, 2), (1, 0, 0), (1, 6, 5)]:
        expected = grey[n, row, column] * np.ones(3)
        for down, right in np.ndindex(5, 5):  # beyond the border there is no colour
            y, x = row + down - 2, column + right - 2
            if 0 <= y < 7 and 0 <= x < 6:
                expected += line[down] * line[right] * colour[n, y, x]
        np.testing.assert_allclose(changed[n, row, column], expected, rtol=1e-4)


def test_halved_colour_is_seen_in_use_and_never_trained() -> None:
    from keras import Model

    network, without = small_network((32, 32), 2), small_network((32, 32), 2, half_colour=False)
    layer = network.get_layer("half_colour")
    assert (layer.trainable_variables, len(without.layers)) == ([], len(network.layers) - 1)
    assert len(network.trainable_variables) == len(without.trainable_variables)
    # Red and green of one brightness, pixel by pixel: at half the resolution nothing is left.
    stripes = np.zeros((1, 32, 32, 3), np.float32)
    stripes[:, :, ::2, 0], stripes[:, :, 1::2, 1] = 117.4, 59.8
    seen = Model(network.input, layer.output).predict(stripes, verbose=0)[:, 2:-2, 2:-2]
    assert np.ptp(stripes[..., 0]) == pytest.approx(117.4)
    assert np.ptp(seen[..., 0]) < 1e-3


def test_weights_are_taken_by_name_where_the_shapes_agree() -> None:
    source, network = small_network((32, 32), 2), small_network((64, 64), 3)
    fresh = network.get_layer("classes").get_weights()[0]
    with_weights = sum(bool(layer.weights) for layer in network.layers)
    assert take_weights(network, source) == with_weights - 1
    np.testing.assert_array_equal(
        network.get_layer("block3_1_conv").get_weights()[0],
        source.get_layer("block3_1_conv").get_weights()[0],
    )
    np.testing.assert_array_equal(network.get_layer("classes").get_weights()[0], fresh)
