"""Pictures for `seewhy explain --method occlusion`: how an occlusion went."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from seewhy.explaining.drawing import draw_targets
from seewhy.explaining.result import Explanation
from seewhy.explaining.sizing import sized
from seewhy.methods.occlusion import occluded_copies
from seewhy.photos.fitting import fit_photo
from seewhy.rendering.colours import colour_signed
from seewhy.rendering.page import grid
from seewhy.rendering.palettes import FOR_AND_AGAINST
from seewhy.rendering.style import Style

if TYPE_CHECKING:
    from seewhy.classifier import Classifier

SHOWN_PATCHES = 12
"""Occluded copies on the contact sheet."""

Picture = UInt8[ndarray, "rows columns 3"]


def occlusion_pictures(
    explanation: Explanation, classifier: Classifier, style: Style, *, show_patches: bool
) -> dict[str, Picture]:
    """Draw how an occlusion of one photo went.

    Returns:
        'three': overlay, photo and heatmap of the first class; 'patches': some occluded copies with
        their scores, where asked for; 'sizes': one overlay for each patch size, where several were
        swept.
    """
    whole, explanation = explanation, sized(explanation, 0)
    photo, extras = explanation.photos[0], explanation.extras[0]
    (laid, *_) = draw_targets(explanation, 0, style)
    heat = explanation.heatmap(interpolation=style.interpolation, scale=style.scale)
    bare = colour_signed(heat, colormap=style.colormap or FOR_AND_AGAINST)
    cells = [("overlay", laid), (photo.name, photo.pixels), (explanation.caption(), bare)]
    pictures = {"three": grid(cells, columns=3)}
    if "patch_maps" in extras:
        cells = []
        several = zip(extras["patches"], extras["patch_maps"], extras["patch_shown"], strict=True)
        for (height, width), raw, shown in several:
            raw_explanation = dataclasses.replace(explanation, maps=raw[None], shown=())
            smooth = dataclasses.replace(raw_explanation, maps=shown[None])
            title = f"patch {height} × {width}\n{raw_explanation.peak_text()}"
            cells.append((title, draw_targets(smooth, 0, style)[0]))
        cells.append((f"mean of the sizes\n{explanation.peak_text()}", laid))
        pictures["sizes"] = grid(cells, columns=style.columns or min(len(cells), 4))
    if show_patches and "windows" in extras:
        pictures["patches"] = _patches(whole, classifier)
    return pictures


def _patches(explanation: Explanation, classifier: Classifier) -> Picture:
    extras = explanation.extras[0]
    pixels, _ = fit_photo(explanation.photos[0], classifier.fit)
    drops = extras["grid"][0].ravel()
    chosen = np.unique(np.linspace(0, len(drops) - 1, SHOWN_PATCHES - 1).round().astype(int))
    chosen = np.union1d(chosen, [np.argmax(drops)])
    copies = occluded_copies(pixels, extras["filled"], extras["windows"][chosen])
    target = explanation.targets[0][0]
    cells = [(f"{target.label}: as it is", pixels)]
    cells += [
        (f"at {window[0]}, {window[1]}: drop {drops[index]:+.3g}", copy)
        for index, window, copy in zip(chosen, extras["windows"][chosen], copies, strict=True)
    ]
    return grid(cells, columns=4)
