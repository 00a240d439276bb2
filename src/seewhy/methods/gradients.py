"""Gradients at the pixels: where a small change of the photo would change the score.

Axes: t target (class), m copy of the image, h row, w column, c colour channel.
All functions probe one image for t targets; `differentiate` returns values and gradients of m
copies.
Memory: `batch_size` copies of the image and their gradients, t for each, plus one running sum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.maps import resize_map
from seewhy.methods.base import Differentiate, ProbeResult
from seewhy.methods.cam import grad_cam
from seewhy.methods.precision import as_float32, at_least_one
from seewhy.progress import Progress, no_progress

BATCH_SIZE = 16
"""Copies at a time unless given."""


def saliency(image: Float[ndarray, "h w c"], differentiate: Differentiate) -> ProbeResult:
    """Show the pixels whose change would move the score most (vanilla gradient).

        M[t, i, j] = max over c of |∂S_t/∂I[i, j, c]|

    Args:
        image: I, one image in the network's own input range.
        differentiate: values and gradients of copies.

    Returns:
        `maps`, not negative: it says how much, not in which direction.

    Source:
        Simonyan et al., *Deep Inside Convolutional Networks: Visualising Image Classification
        Models and Saliency Maps*, ICLR workshop 2014, section 3.1 (arXiv:1312.6034).
    """
    _, gradients = differentiate(image[None])
    return ProbeResult(np.asarray(np.abs(gradients[0]).max(axis=-1)))


def gradient_x_input(image: Float[ndarray, "h w c"], differentiate: Differentiate) -> ProbeResult:
    """Show what each pixel adds to the score, as far as the network is linear (gradient × input).

        M[t, i, j] = sum over c of I[i, j, c] · ∂S_t/∂I[i, j, c]

    Args:
        image: I, one image in the network's own input range; what is 0 there adds nothing.
        differentiate: values and gradients of copies.

    Returns:
        `maps`, signed, in the units of the score. For a linear network without bias, and for a
        ReLU network without biases, a map adds up to the score.

    Source:
        Shrikumar et al., *Not Just a Black Box: Learning Important Features Through Propagating
        Activation Differences*, 2016 (arXiv:1605.01713).
    """
    _, gradients = differentiate(image[None])
    products = np.einsum("hwc,thwc->thw", image, gradients[0], dtype=np.float64)
    return ProbeResult(as_float32(products))


def smooth_grad(
    image: Float[ndarray, "h w c"],
    differentiate: Differentiate,
    *,
    samples: int = 50,
    noise: float | int = 0.15,
    batch_size: int = BATCH_SIZE,
    generator: np.random.Generator | None = None,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Average the gradient over noisy copies, which removes most of its noise (SmoothGrad).

        σ          = noise · (max I − min I)
        G[t]       = mean over samples of ∂S_t/∂I at I + N(0, σ²)
        M[t, i, j] = max over c of |G[t, i, j, c]|

    Args:
        image: I, one image in the network's own input range.
        differentiate: values and gradients of copies.
        samples: the number of noisy copies; the paper finds little gain beyond 50.
        noise: the noise level σ / (max − min); the paper suggests 0.1 to 0.2.
        batch_size: copies at a time; the result does not depend on it.
        generator: the source of the noise; by default one seeded with 0.
        progress: called with (done, total) copies after every batch.

    Returns:
        `maps`, not negative. `extras`: 'gradients' (t, h, w, c), the signed mean G.

    Raises:
        OptionError: `samples` is below 1, or `noise` below 0.

    Source:
        Smilkov et al., *SmoothGrad: removing noise by adding noise*, 2017 (arXiv:1706.03825). It
        does not specify how to reduce colours to one number; here as in `saliency`.
    """
    if noise < 0:
        raise OptionError(
            f"noise={noise} is not a valid noise level. Give 0 or more, such as 0.15."
        )
    generator = generator or np.random.default_rng(0)
    sigma = noise * (float(image.max()) - float(image.min()))

    def noisy(start: int, stop: int) -> ndarray:
        return image + sigma * generator.standard_normal((stop - start, *image.shape))

    weights = np.full(at_least_one("samples", samples), 1 / samples)
    _, mean = _weighted_gradients(noisy, differentiate, weights, batch_size, progress)
    return ProbeResult(as_float32(np.abs(mean).max(axis=-1)), {"gradients": as_float32(mean)})


def integrated_gradients(
    image: Float[ndarray, "h w c"],
    differentiate: Differentiate,
    *,
    steps: int = 50,
    baseline: float | int | Float[ndarray, "_h _w _c"] = 0.0,
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> ProbeResult:
    """Distribute the score over the pixels, along a path from a baseline (integrated gradients).

        IG[t, i, j] = sum over c of (x − x') · ∫₀¹ ∂F_t/∂x at x' + a (x − x') da

    The integral is a Gauss-Legendre sum over `steps` points, exact for gradients that are
    polynomials in a of degree below 2 · steps. The two ends are also evaluated, for F(x), F(x').

    Args:
        image: x, one image in the network's own input range.
        differentiate: values and gradients of copies.
        steps: the number of points; the completeness gap shows whether it is large enough.
        baseline: x', in the network's own input range: one number for all pixels, or an image.
            0 is black for networks that take 0..1 or 0..255, and grey for those that take −1..1.
        batch_size: copies at a time.
        progress: called with (done, total) copies after every batch.

    Returns:
        `maps`, signed, in the units of the score. `extras`: 'completeness_gap' (t), the sum over
        the map less F(x) − F(x'), which is 0 for the exact integral; 'values' (t), F(x), and
        'baseline_values' (t), F(x').

    Raises:
        OptionError: `steps` is below 1, or the baseline's shape differs from the image's.

    Source:
        Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, equations 1 and
        3, completeness in proposition 1 (arXiv:1703.01365).

    Differs from the paper:
        Equation 3 is the right-hand sum. On four photos and a MobileNet, 50 steps left a gap of 6 %
        of F(x) − F(x') by the sum above, 8 % by trapezoids and 13 % by midpoints (100 steps: 3, 5,
        4).
    """
    steps = at_least_one("steps", steps)
    start_image = _baseline(baseline, image)
    way = image.astype(np.float64) - start_image
    points, weights = np.polynomial.legendre.leggauss(steps)  # on −1..1, of total weight 2
    fractions = np.concatenate([[0], (points + 1) / 2, [1]])
    weights = np.concatenate([[0], weights / 2, [0]])

    def along(start: int, stop: int) -> ndarray:
        return np.asarray(start_image + fractions[start:stop, None, None, None] * way)

    values, mean = _weighted_gradients(along, differentiate, weights, batch_size, progress)
    maps = np.einsum("hwc,thwc->thw", way, mean)
    gap = maps.sum(axis=(1, 2)) - (values[-1] - values[0])
    extras = {"completeness_gap": gap, "values": values[-1], "baseline_values": values[0]}
    return ProbeResult(
        as_float32(maps), {name: as_float32(extra) for name, extra in extras.items()}
    )


def guided_backpropagation(
    image: Float[ndarray, "h w c"], differentiate: Differentiate
) -> ProbeResult:
    """Show the pixels that excite the units that speak for the class (guided backpropagation).

        R[t]       = ∂S_t/∂I, where every ReLU lets only positive gradients back, and only
                     where it was active itself
        M[t, i, j] = sum over c of R[t, i, j, c]

    It shows fine edges and texture, but hardly changes with the class: see Guided Grad-CAM.

    Args:
        image: I, one image in the network's own input range.
        differentiate: values and guided gradients of copies: the network applies the rule.

    Returns:
        `maps`, signed. `extras`: 'gradients' (t, h, w, c), R, the coloured picture of the papers.

    Source:
        Springenberg et al., *Striving for Simplicity: The All Convolutional Net*, ICLR workshop
        2015, section 3.4 and figure 1 (arXiv:1412.6806).
    """
    _, guided = differentiate(image[None])
    maps = as_float32(guided[0].sum(axis=-1, dtype=np.float64))
    return ProbeResult(maps, {"gradients": guided[0]})


def guided_grad_cam(
    image: Float[ndarray, "h w c"],
    differentiate: Differentiate,
    activations: Float[ndarray, "p q k"],
    gradients: Float[ndarray, "t p q k"],
) -> ProbeResult:
    """Show guided backpropagation where Grad-CAM sees the class (Guided Grad-CAM).

        M[t, i, j] = sum over c of R[t, i, j, c] · L[t, i, j]

    R is guided backpropagation, L Grad-CAM, resized linearly to the image.

    Args:
        image: one image in the network's own input range.
        differentiate: values and guided gradients of copies: the network applies the rule.
        activations: of the explained layer; p rows, q columns, k channels.
        gradients: of the t scores by these activations, not guided.

    Returns:
        `maps`, signed. `extras`: 'gradients' (t, h, w, c), R · L with its colours.

    Source:
        Selvaraju et al., *Grad-CAM*, ICCV 2017, section 3.3 (arXiv:1610.02391).
    """
    _, guided = differentiate(image[None])
    repeated = np.broadcast_to(activations, gradients.shape)
    seen = resize_map(grad_cam(repeated, gradients), (image.shape[0], image.shape[1]))
    coloured = np.multiply(guided[0], seen[..., None], dtype=np.float64)
    return ProbeResult(as_float32(coloured.sum(axis=-1)), {"gradients": as_float32(coloured)})


def _weighted_gradients(
    copies: Callable[[int, int], ndarray],
    differentiate: Differentiate,
    weights: Float[ndarray, " m"],
    batch_size: int,
    progress: Progress,
) -> tuple[Float[ndarray, "m t"], Float[ndarray, "t h w c"]]:
    """Add up the weighted gradients of copies(start, stop), a batch at a time; keep the values."""
    values: list[ndarray] = []
    total: ndarray | None = None
    at_once = at_least_one("batch_size", batch_size)
    for start in range(0, len(weights), at_once):
        stop = min(start + at_once, len(weights))
        answers, gradients = differentiate(copies(start, stop).astype(np.float32))
        values.append(answers)
        part = np.einsum("m,mthwc->thwc", weights[start:stop], gradients, dtype=np.float64)
        total = part if total is None else total + part
        progress(stop, len(weights))
    assert total is not None
    return np.concatenate(values).astype(np.float64), total


def _baseline(baseline: float | int | ndarray, image: ndarray) -> Float[ndarray, "h w c"]:
    """Return the baseline as an image."""
    if np.ndim(baseline) == 0:
        return np.full(image.shape, float(baseline))
    if np.shape(baseline) != image.shape:
        raise OptionError(
            f"The baseline has the shape {np.shape(baseline)}, and the image {image.shape}. "
            "Give one number, or an image of the same shape in the network's own input range."
        )
    return np.asarray(baseline, dtype=np.float64)
