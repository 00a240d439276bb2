"""Colour maps and overlays: arrays in, arrays out, inputs are never modified.

Axes: h H row, w W column. Photos and pictures are uint8 RGB. Heatmaps are floats in 0..1, signed
ones in −1..1, as `scale_map` and `scale_signed_map` return them; NaN is transparent.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Num, UInt8
from numpy import ndarray
from PIL import Image, ImageChops

from seewhy.errors import OptionError
from seewhy.maps import HeatLevels, is_empty
from seewhy.rendering.palettes import FOR_AND_AGAINST, HEAT, palette_of

PEAK_OPACITY = 0.8
"""The default opacity of the hottest place, where the heat is the opacity."""

OPACITY = 0.4
"""The default opacity over the photo where the heat is not the opacity, as is usual elsewhere."""

BAND = 64
"""Rows blended at a time: a photo of 24 million pixels would be too large as floats."""


def colour(heatmap: Num[ndarray, "h w"], *, colormap: str = HEAT) -> UInt8[ndarray, "h w 3"]:
    """Paint a heatmap, 0..1, in the colours of a colour map; NaN is white.

    Args:
        heatmap: floats; values outside 0..1 are clipped.
        colormap: a colour map of matplotlib.

    Raises:
        OptionError: the colour map is unknown, or the heatmap has integers.
    """
    _check_heatmap(heatmap)
    blank = np.full((*heatmap.shape, 3), 255, dtype=np.uint8)
    return np.array(_laid(blank, heatmap, palette_of(colormap), opacity=1.0))


def colour_signed(
    heatmap: Num[ndarray, "h w"], *, colormap: str = FOR_AND_AGAINST
) -> UInt8[ndarray, "h w 3"]:
    """Paint a signed heatmap, −1..1: zero is the colour map's middle, NaN is white.

    Args:
        heatmap: floats; values outside −1..1 are clipped.
        colormap: "for-against", or a colour map of matplotlib, preferably a diverging one.

    Raises:
        OptionError: the colour map is unknown, or the heatmap has integers.
    """
    _check_heatmap(heatmap)
    return colour((heatmap + 1) / 2, colormap=colormap)


def overlay(
    photo: UInt8[ndarray, "H W 3"],
    heatmap: Num[ndarray, "h w"],
    *,
    colormap: str = HEAT,
    opacity: float | None = None,
    heat_is_opacity: bool = True,
) -> UInt8[ndarray, "H W 3"]:
    """Lay a heatmap over its photo, at the photo's own size.

        picture = (1 − α) · photo + α · colour(heatmap)

    with α the opacity, or, if the heat is the opacity, the opacity times the heatmap.

    Args:
        photo: the photo's pixels.
        heatmap: 0..1, with the photo's height and width; the rest is clipped.
        colormap: a colour map of matplotlib.
        opacity: 0 (only the photo) to 1; by default 0.8, or 0.4 if the heat is not the opacity.
        heat_is_opacity: fade to the bare photo where there is no heat.

    Returns:
        A new picture. It shows the bare photo where the heatmap is NaN, and everywhere for an
        empty map.

    Raises:
        OptionError: the colour map is unknown, the opacity is outside 0..1, or the heatmap has
            integers or another size than the photo.
    """
    opacity = _check(photo, heatmap, opacity, heat_is_opacity)
    palette = palette_of(colormap)
    if is_empty(heatmap):
        return photo.copy()
    strength = heatmap if heat_is_opacity else None
    return np.array(_laid(photo, heatmap, palette, opacity=opacity, strength=strength))


def overlay_levels(
    photo: Image.Image,
    heat: HeatLevels,
    *,
    colormap: str = HEAT,
    opacity: float | None = None,
    heat_is_opacity: bool = True,
) -> list[Image.Image]:
    """Lay all heatmaps of a photo over it, for pages: in a quarter of the time.

    As `overlay`, off by at most 2 of 255 at the same level: opacities have 256 levels too, or
    photo and colours are weighted by tables, each rounded, and added.

    Args:
        photo: the photo, in RGB.
        heat: as `heat_levels` returns it.
        colormap, opacity, heat_is_opacity: as for `overlay`.

    Raises:
        OptionError: the colour map is unknown, or the opacity is outside 0..1.
    """
    usual = PEAK_OPACITY if heat_is_opacity else OPACITY
    share = round(255 * _check_opacity(usual if opacity is None else opacity))
    palette = palette_of(colormap)
    colours = palette[np.arange(256) * len(palette) // 256]
    left, top = heat.corner
    box = (left, top, left + heat.levels.shape[2], top + heat.levels.shape[1])
    seen = photo if box == (0, 0, *photo.size) else photo.crop(box)
    if heat_is_opacity:
        opacities = _weighted((np.arange(256) + 0.5) / 256 * 255, share).tolist()
    else:
        dimmed = seen.point(_weighted(np.arange(256), 255 - share).tolist() * 3)
        colours = _weighted(colours, share)
    pictures = []
    for levels, empty in zip(heat.levels, heat.empty, strict=True):
        if empty:
            pictures.append(photo)
            continue
        painted = Image.fromarray(levels)
        mask = painted.point(opacities) if heat_is_opacity else None
        painted.putpalette(colours.tobytes())
        coloured = painted.convert("RGB")
        laid = (
            ImageChops.add_modulo(dimmed, coloured)
            if mask is None
            else Image.composite(coloured, seen, mask)
        )
        if seen is not photo:
            whole = photo.copy()
            whole.paste(laid, heat.corner)
            laid = whole
        pictures.append(laid)
    return pictures


def _weighted(values: Num[ndarray, "*shape"], share: int) -> UInt8[ndarray, "*shape"]:
    """Return `share` 255ths of values in 0..255, rounded."""
    return np.rint(values * (share / 255)).astype(np.uint8)


def overlay_signed(
    photo: UInt8[ndarray, "H W 3"],
    heatmap: Num[ndarray, "h w"],
    *,
    colormap: str = FOR_AND_AGAINST,
    opacity: float | None = None,
    heat_is_opacity: bool = True,
) -> UInt8[ndarray, "H W 3"]:
    """Lay a signed heatmap over its photo: red speaks for the class, blue against it.

    As `overlay`, but the heatmap is −1..1, zero is the middle of the colour map (white, so that
    the photo pales), and if the heat is the opacity, the root of its magnitude is used: zero is
    transparent, and a tenth of the peak is still seen.

    Args:
        photo: the photo's pixels.
        heatmap: −1..1, with the photo's height and width; the rest is clipped.
        colormap: "for-against", or a colour map of matplotlib, preferably a diverging one.
        opacity: 0 (only the photo) to 1; by default 0.8, or 0.4 if the heat is not the opacity.
        heat_is_opacity: fade to the bare photo where there is no heat.

    Raises:
        OptionError: as for `overlay`.
    """
    opacity = _check(photo, heatmap, opacity, heat_is_opacity)
    palette = palette_of(colormap)
    strength = np.abs(heatmap)
    if is_empty(strength):
        return photo.copy()
    laid = _laid(
        photo,
        (heatmap + 1) / 2,
        palette,
        opacity=opacity,
        strength=np.sqrt(strength) if heat_is_opacity else None,
    )
    return np.array(laid)


def bare_map(
    heatmap: Float[ndarray, "h w"],
    *,
    title: str = "",
    colormap: str | None = None,
    signed: bool = False,
    colour_bar: bool = False,
) -> UInt8[ndarray, "rows columns 3"]:
    """Draw a raw map cell by cell, with row and column numbers, as matshow does.

    Args:
        heatmap: in any scale; the colours span its own range. NaN is left white.
        title: text above it.
        colormap: a colour map of matplotlib; by default viridis, for-against for a signed map.
        signed: let the colours span −m..m, m the largest magnitude.
        colour_bar: draw the scale of the raw values beside it.

    Raises:
        OptionError: the colour map is unknown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    colormap = colormap or (FOR_AND_AGAINST if signed else "viridis")
    colours = ListedColormap(palette_of(colormap) / 255)
    known = heatmap[np.isfinite(heatmap)]
    high = float(np.max(np.abs(known) if signed else known, initial=0.0))
    low = -high if signed else float(np.min(known, initial=high))
    h, w = heatmap.shape
    shape = (4.8 * float(np.clip(w / h, 0.25, 1)), 4.8 * float(np.clip(h / w, 0.25, 1)))
    figure = Figure(
        figsize=(shape[0] + (1.2 if colour_bar else 0), shape[1] + (0.3 if title else 0)),
        dpi=100,
        layout="compressed",
    )
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.matshow(heatmap, cmap=colours, vmin=low, vmax=high, aspect="equal")
    if title:
        axes.set_title(title)
    if colour_bar:
        figure.colorbar(image, ax=axes)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _check_heatmap(heatmap: Num[ndarray, "h w"]) -> None:
    if heatmap.dtype.kind != "f":
        raise OptionError(
            f"A heatmap is floats in 0..1 (signed: −1..1), and this one is {heatmap.dtype}. "
            "Divide it by its maximum: seewhy.maps.scale_map(heatmap.astype('float32'))."
        )


def _check(
    photo: UInt8[ndarray, "H W 3"],
    heatmap: Num[ndarray, "h w"],
    opacity: float | None,
    heat_is_opacity: bool,
) -> float:
    """Refuse a heatmap that cannot be laid over the photo, and return the opacity."""
    _check_heatmap(heatmap)
    if heatmap.shape != photo.shape[:2]:
        raise OptionError(
            f"The heatmap is {heatmap.shape[0]}×{heatmap.shape[1]} and the photo "
            f"{photo.shape[0]}×{photo.shape[1]} (height × width). "
            "Resize it to the photo first: seewhy.maps.heatmap_on_photo."
        )
    if opacity is None:
        return PEAK_OPACITY if heat_is_opacity else OPACITY
    return _check_opacity(opacity)


def _check_opacity(opacity: float) -> float:
    if not 0 <= opacity <= 1:
        raise OptionError(
            f"The opacity is {opacity}, and it ranges from 0 (photo alone) to 1 (heat alone). "
            f"{OPACITY} is usual."
        )
    return opacity


def _laid(
    photo: UInt8[ndarray, "h w 3"],
    positions: Float[ndarray, "h w"],
    palette: UInt8[ndarray, "colours 3"],
    *,
    opacity: float,
    strength: Float[ndarray, "h w"] | None = None,
) -> Image.Image:
    """Blend the colours at `positions`, 0..1 in the palette, over the photo, except at NaN."""
    share = round(255 * opacity)
    if strength is None and len(palette) == 256 and math.isclose(share, 255 * opacity):
        part = _seen_rectangle(positions)
        if part is not None:
            return _blended_bytes(photo, positions, part, palette, share)
    return Image.fromarray(_blended_floats(photo, positions, palette, opacity, strength))


def _seen_rectangle(positions: Float[ndarray, "h w"]) -> tuple[slice, slice] | None:
    """Return the rectangle outside of which all is NaN; None where it contains NaN, or is empty."""
    missing = np.isnan(positions)
    if not missing.any():
        return slice(0, positions.shape[0]), slice(0, positions.shape[1])
    rows, columns = (np.flatnonzero(~missing.all(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return None if missing[part].any() else part


def _blended_bytes(
    photo: UInt8[ndarray, "h w 3"],
    positions: Float[ndarray, "h w"],
    part: tuple[slice, slice],
    palette: UInt8[ndarray, "256 3"],
    share: int,
) -> Image.Image:
    """Blend `share` 255ths of the colours over a part of the photo, exactly, in whole numbers.

    Pillow does so in a quarter of the time that floats take, in several threads at once.
    """
    places = np.multiply(positions[part], np.float32(256), dtype=np.float32)
    heat = Image.fromarray(places).convert("L")  # cut off, and clipped to 0..255
    heat.putpalette(palette.tobytes())
    blended = Image.fromarray(photo)
    corner = int(part[1].start), int(part[0].start)
    blended.paste(heat.convert("RGB"), corner, Image.new("L", heat.size, share))
    return blended


def _blended_floats(
    photo: UInt8[ndarray, "h w 3"],
    positions: Float[ndarray, "h w"],
    palette: UInt8[ndarray, "colours 3"],
    opacity: float,
    strength: Float[ndarray, "h w"] | None,
) -> UInt8[ndarray, "h w 3"]:
    """Blend any share of any palette over the photo, one that differs by pixel too."""
    blended = np.empty_like(photo)
    colours = palette.astype(np.float32)
    for start in range(0, photo.shape[0], BAND):
        band = slice(start, start + BAND)
        seen = ~np.isnan(positions[band])
        places = np.clip(np.where(seen, positions[band], 0), 0, 1) * len(palette)
        heat = colours[np.minimum(places.astype(np.intp), len(palette) - 1)]
        alpha = np.where(seen, np.float32(opacity), np.float32(0))
        if strength is not None:
            alpha = alpha * np.clip(np.where(seen, strength[band], 0), 0, 1).astype(np.float32)
        under = photo[band].astype(np.float32)
        heat -= under
        heat *= alpha[..., None]
        heat += under
        blended[band] = np.rint(heat)
    return blended
