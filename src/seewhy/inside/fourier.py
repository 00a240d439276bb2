"""An image as its colour-decorrelated spectrum, and the gradient's way back to it.

Axes: n image, h row, w column, f column of the half spectrum, c colour.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray

OPPONENT_AXES = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], dtype=np.float64)
"""Rows: bright against dark, yellow against blue, red against green: the axes along which the
colours of natural images do not go together (Ruderman, Cronin & Chiao, JOSA A 1998, figure 3)."""

SPREAD = np.array([1.0, 0.3, 0.15])
"""The approximate spread of natural images along each axis: brightness varies by far the most."""

DECORRELATED_COLOURS = (
    OPPONENT_AXES / np.linalg.norm(OPPONENT_AXES, axis=1, keepdims=True) * SPREAD[:, None]
).T
"""(colour, axis): what one step along each axis does to red, green and blue."""


class Spectrum:
    """Images x = low + (high − low) · sigmoid(C · irfft(S / frequency)), with parameters S.

    Dividing by the frequency lets a step of one size change coarse and fine structure alike, and
    C mixes decorrelated colours into red, green and blue.

    Source:
        Olah et al., *Feature Visualization*, Distill 2017, "Preconditioning and Parameterization".
    """

    def __init__(
        self, count: int, size: tuple[int, int], channels: int, generator: np.random.Generator
    ) -> None:
        height, width = size
        self.size = size
        rows = np.fft.fftfreq(height)[:, None]
        columns = np.fft.rfftfreq(width)[None, :]
        frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
        self.scale = (np.sqrt(height * width) / frequency)[None, :, :, None] / 4
        self.colours = DECORRELATED_COLOURS if channels == 3 else np.eye(channels)
        shape = (count, *frequency.shape, channels)
        self.values = 0.01 * (generator.normal(size=shape) + 1j * generator.normal(size=shape))

    def unit_images(self) -> Float[ndarray, "n h w c"]:
        """Return the images in 0..1, red first."""
        planes = np.fft.irfft2(self.values * self.scale, s=self.size, axes=(1, 2))
        return 1 / (1 + np.exp(-(planes @ self.colours.T)))

    def gradient(
        self, images: Float[ndarray, "n h w c"], gradients: Float[ndarray, "n h w c"]
    ) -> Complex[ndarray, "n h f c"]:
        """Carry the gradient by unit images (as `unit_images` returned them) to the parameters.

        Real and imaginary parts are those of the derivatives by the real and imaginary parts of S.
        """
        planes = (gradients * images * (1 - images)) @ self.colours
        height, width = self.size
        spectrum = np.fft.rfft2(planes, axes=(1, 2)) / (height * width)
        twice = np.full(spectrum.shape[2], 2.0)  # columns that also represent their mirror image
        twice[0] = 1
        if width % 2 == 0:
            twice[-1] = 1
        result: Complex[ndarray, "n h f c"] = spectrum * twice[None, None, :, None] * self.scale
        return result
