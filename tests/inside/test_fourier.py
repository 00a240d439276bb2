"""The spectrum: its gradient is the derivative, and its colours are those of photos."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.inside.fourier import DECORRELATED_COLOURS, Spectrum


@pytest.mark.parametrize("size", [(4, 6), (5, 4), (3, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_is_the_derivative_by_every_number_of_the_spectrum(
    size: tuple[int, int], channels: int
) -> None:
    generator = np.random.default_rng(0)
    spectrum = Spectrum(2, size, channels, generator)
    weights = generator.normal(size=(2, *size, channels))
    found = spectrum.gradient(spectrum.unit_images(), weights)
    step = 1e-6
    for place in np.ndindex(spectrum.values.shape):
        for unit, part in ((1.0, found[place].real), (1j, found[place].imag)):
            kept = spectrum.values[place]
            spectrum.values[place] = kept + unit * step
            high = (weights * spectrum.unit_images()).sum()
            spectrum.values[place] = kept - unit * step
            low = (weights * spectrum.unit_images()).sum()
            spectrum.values[place] = kept
            assert part == pytest.approx((high - low) / (2 * step), rel=1e-5, abs=1e-7)


def test_images_lie_between_black_and_white_and_start_near_grey() -> None:
    images = Spectrum(3, (16, 24), 3, np.random.default_rng(1)).unit_images()
    assert images.shape == (3, 16, 24, 3)
    assert 0.3 < images.min() < images.max() < 0.7


def test_coarse_structure_moves_further_than_fine_by_one_step() -> None:
    spectrum = Spectrum(1, (32, 32), 1, np.random.default_rng(0))
    assert spectrum.scale[0, 0, 1, 0] == pytest.approx(8 * spectrum.scale[0, 0, 8, 0])


def test_the_three_axes_of_colour_are_at_right_angles_and_brightness_reaches_furthest() -> None:
    overlap = DECORRELATED_COLOURS.T @ DECORRELATED_COLOURS
    np.testing.assert_allclose(overlap, np.diag(np.diag(overlap)), atol=1e-12)
    lengths = np.sqrt(np.diag(overlap))
    assert lengths.tolist() == sorted(lengths, reverse=True)
    assert np.ptp(DECORRELATED_COLOURS[:, 0]) == 0
