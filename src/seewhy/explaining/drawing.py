"""Draw an explanation: heat over the photo, or pixel-level maps as separate pictures.

Axes: h w rows and columns of a raw map, H W of a photo, c red, green and blue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

from seewhy.explaining.sizing import sized
from seewhy.maps import heat_levels, heatmap_on_photo
from seewhy.rendering.attributions import (
    around_grey,
    attribution_end,
    paint_attribution,
    smoothed,
)
from seewhy.rendering.colours import overlay, overlay_levels, overlay_signed
from seewhy.rendering.page import Cell, ColourBar, Page, comparison, grid_image
from seewhy.rendering.palettes import FOR_AND_AGAINST, HEAT, palette_of
from seewhy.rendering.style import Style
from seewhy.rendering.text import short_name

Picture = UInt8[ndarray, "_ _ 3"]

Explanation = Any
"""`seewhy.Explanation`, whose module imports this one."""

LEAST_PROBABILITY = 0.01
"""The least probability of the best classes that pictures show, unless they were asked for."""


def shown_targets(explanation: Explanation, photo: int) -> list[int]:
    """Return the targets that pictures show: not the further ones of the best that are unlikely."""
    targets, request = explanation.targets[photo], explanation.request
    return [
        number
        for number, prediction in enumerate(targets)
        if request.top is not None
        or not (
            prediction.rank is not None
            and 1 < prediction.rank <= request.best
            and prediction.probability < LEAST_PROBABILITY
        )
    ]


def draw_targets(explanation: Explanation, photo: int, style: Style) -> list[Picture]:
    """Draw every explained class of a photo, at the photo's own size.

    Low-resolution maps are laid over the photo. In signed maps, red speaks for the class and blue
    against it; the photo shows through where the map is near 0. Pixel-level maps are on grey.
    """
    if explanation.pixel_level:
        return _attributions(explanation, photo, style)
    targets = range(explanation.maps.shape[1])
    return [_overlay(explanation, photo, target, style) for target in targets]


def draw_colours(explanation: Explanation, photo: int, style: Style) -> list[Picture]:
    """Draw the red, green and blue of the gradients around grey; None without gradients."""
    extras = explanation.extras[photo] if explanation.extras else {}
    gradients = extras.get("gradients")
    if gradients is None or not explanation.signed or gradients.shape[-1] != 3:
        return []
    if explanation.blue_first:
        gradients = gradients[..., ::-1]
    raw = [smoothed(gradient, style.smooth) for gradient in gradients]
    ends = _ends(raw, style)
    return [
        around_grey(_colours_on_photo(explanation, photo, heatmap), end=end)
        for heatmap, end in zip(raw, ends, strict=True)
    ]


def draw_photo(explanation: Explanation, photo: int, style: Style) -> Page:
    """Draw the page of one photo: itself, then one titled picture per class."""
    return np.asarray(draw_page(explanation, photo, style))


def draw_page(explanation: Explanation, photo: int, style: Style) -> Image.Image:
    """Return what `draw_photo` returns as an image, to be written to a file."""
    explanation, photo = sized(explanation, photo), 0
    name = explanation.photo_title(photo)
    if style.scale == "photo" and explanation.maps.shape[1] > 1:
        name += "\none scale for all classes"
    bare = Image.fromarray(explanation.photos[photo].pixels)
    cells: list[Cell] = [(name, bare)]
    pictures: Sequence[Picture | Image.Image] | None = _overlays(explanation, photo, bare, style)
    if pictures is None:
        pictures = draw_targets(explanation, photo, style)
    coloured = draw_colours(explanation, photo, style)
    shown = shown_targets(explanation, photo)
    for target in shown:
        picture = pictures[target]
        cells.append((explanation.caption(photo, target, style=style), picture))
        if coloured:
            label = explanation.targets[photo][target].label
            cells.append((f"{label}\nin colour", coloured[target]))
    bars = _colour_bars([explanation], photo, shown, style)
    return grid_image(cells, columns=style.columns, bars=bars)


def draw_methods(explanations: Sequence[Explanation], photo: int, style: Style) -> Page:
    """Draw one photo by several methods: a grid for one class, else rows of classes."""
    explanations, photo = [sized(explanation, photo) for explanation in explanations], 0
    first = explanations[0]
    bare = first.photos[photo]
    most = max(explanations, key=lambda explanation: len(explanation.targets[photo]))
    classes = shown_targets(most, photo)
    bars = _colour_bars(explanations, photo, classes, style)
    drawn = [draw_targets(explanation, photo, style) for explanation in explanations]
    if len(classes) == 1:
        title = f"{first.photo_title(photo)}\n{most.title(photo)} of {short_name(first.model)}"
        cells: list[Cell] = [(title, bare.pixels)]
        for explanation, pictures in zip(explanations, drawn, strict=True):
            cells.append(
                (f"{explanation.method}\n{explanation.peak_text(photo, style=style)}", pictures[0])
            )
        return np.asarray(grid_image(cells, columns=style.columns, bars=bars))
    rows: list[list[Picture | None]] = [[bare.pixels, *[None] * (len(classes) - 1)]]
    rows += [
        [pictures[target] if target < len(pictures) else None for target in classes]
        for pictures in drawn
    ]
    heads = [most.caption(photo, target, peak=False) for target in classes]
    names = [first.photo_title(photo), *(explanation.method for explanation in explanations)]
    return comparison(names, heads, rows, wrap=style.columns, bars=bars)


def _colour_bars(
    explanations: Sequence[Explanation], photo: int, shown: Sequence[int], style: Style
) -> list[ColourBar]:
    """Return the scales of a page: one for each kind of map on it that is no picture of its own."""
    bars: dict[bool, ColourBar] = {}
    for explanation in explanations:
        if explanation.pixel_level or explanation.signed in bars:
            continue
        targets = [target for target in shown if target < len(explanation.targets[photo])]
        peaks = {f"{explanation.peaks[photo, target]:.3g}".replace("-", "−") for target in targets}
        alone = len(explanations) == 1 and (len(targets) == 1 or style.scale == "photo")
        peak = max(peaks, key=len) if alone and len(peaks) == 1 else "the peak"
        if style.scale == "photo" and len(explanations) == 1:
            peak = f"{explanation.peaks[photo, targets].max():.3g}".replace("-", "−")
        low, high = "lowest" if explanation.from_minimum else "0", peak
        if explanation.signed:
            rivals = {
                target.rivals for target in explanation.targets[photo] if target.rivals is not None
            }
            against = ", ".join(next(iter(rivals)).labels) if len(rivals) == 1 else "another"
            low = f"for {against}" if rivals else "against"
            own = explanation.targets[photo][targets[0]].label if len(targets) == 1 else "the class"
            high = f"for {own}"
        name = style.colormap or (FOR_AND_AGAINST if explanation.signed else HEAT)
        units = {each.row.unit for each in explanations if each.signed == explanation.signed}
        unit = explanation.row.unit if len(units) == 1 else ""
        bars[explanation.signed] = ColourBar(palette_of(name), low, high, unit)
    return list(bars.values())


def _overlays(
    explanation: Explanation, photo: int, bare: Image.Image, style: Style
) -> Sequence[Image.Image] | None:
    """Draw what `draw_targets` draws, off by at most 2 of 255; None where that cannot be.

    It can where heat of 256 levels is laid over the photo.
    """
    plain = not (explanation.signed or explanation.pixel_level)
    if not plain or style.interpolation != "linear":
        return None
    heat = heat_levels(
        np.stack(
            [explanation.shown_map(photo, target) for target in range(explanation.maps.shape[1])]
        ),
        explanation.placements[photo],
        (bare.height, bare.width),
        one_scale=style.scale == "photo",
    )
    if heat is None:
        return None
    return overlay_levels(
        bare,
        heat,
        colormap=style.colormap or HEAT,
        opacity=style.opacity,
        heat_is_opacity=style.fades,
    )


def _overlay(explanation: Explanation, photo: int, target: int, style: Style) -> Picture:
    heat = explanation.heatmap(photo, target, interpolation=style.interpolation, scale=style.scale)
    pixels = explanation.photos[photo].pixels
    if explanation.signed:
        return overlay_signed(
            pixels,
            heat,
            colormap=style.colormap or FOR_AND_AGAINST,
            opacity=style.opacity,
            heat_is_opacity=True,
        )
    return overlay(
        pixels,
        heat,
        colormap=style.colormap or HEAT,
        opacity=style.opacity,
        heat_is_opacity=style.fades,
    )


def _attributions(explanation: Explanation, photo: int, style: Style) -> list[Picture]:
    raw = [smoothed(heatmap, style.smooth) for heatmap in explanation.maps[photo]]
    return [
        paint_attribution(
            _on_photo(explanation, photo, heatmap),
            end=end,
            signed=explanation.signed,
            colormap=style.colormap,
        )
        for heatmap, end in zip(raw, _ends(raw, style), strict=True)
    ]


def _ends(raw: Sequence[ndarray], style: Style) -> list[float]:
    """Return the value at which each map's colours end; one value for all with scale='photo'."""
    ends = [attribution_end(heatmap, percentile=style.percentile) for heatmap in raw]
    return [max(ends)] * len(ends) if style.scale == "photo" else ends


def _on_photo(
    explanation: Explanation, photo: int, raw: Float[ndarray, "h w"]
) -> Float[ndarray, "H W"]:
    height, width = explanation.photos[photo].pixels.shape[:2]
    return heatmap_on_photo(raw, explanation.placements[photo], (height, width))


def _colours_on_photo(
    explanation: Explanation, photo: int, raw: Float[ndarray, "h w 3"]
) -> Float[ndarray, "H W 3"]:
    channels = [
        _on_photo(explanation, photo, np.ascontiguousarray(raw[:, :, channel]))
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)
