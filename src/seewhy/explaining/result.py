"""What `explain` returns: raw maps, heatmaps at the photos' own size, predictions, pictures.

Axes: n image, t target (class), h w rows and columns of the explained layer, H W of a photo.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from seewhy.classifier.familiarity import UNFAMILIAR, Familiarity
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.provenance import Provenance
from seewhy.explaining.request import Request
from seewhy.explaining.rounding import Rounding
from seewhy.files import UniqueStems, write_arrays
from seewhy.maps import (
    heatmap_on_photo,
    is_empty,
    peak_on_photo,
    scale_map,
    scale_signed_map,
)
from seewhy.methods import METHODS
from seewhy.methods.base import Method, Needs
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.rendering.saving import save_picture
from seewhy.rendering.showing import IN_NOTEBOOK, Drawable, few_lines, pages_html
from seewhy.rendering.style import DEFAULT_STYLE, SCALE, Style
from seewhy.rendering.text import short_name
from seewhy.tables import aligned


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Drawable):
    """Why the network decided what it decided, for every photo and every explained class.

    Attributes:
        photos: the n photos, upright, in RGB.
        maps: (n, t, h, w) raw, in the method's own scale and sign, at the layer's resolution (for
            methods that work on the photo itself: at the network's input resolution). NaN where
            nothing was tested.
        targets: for each photo the t explained classes, in the order of `maps`.
        predictions: for each photo its best classes, best first, explained or not.
        placements: for each photo the part of it that the network saw.
        row: the method, a row of METHODS.
        layer, model: the names of the layer and the network.
        request: what was asked.
        extras: for each photo further results of the method ('grid', 'completeness_gap',
            'bfloat16_error'); those with one number per target are in the JSON.
        familiarity: for each photo how much it resembles the network's training photos; empty
            unless the network contains references (those of `seewhy train` do).
        shown: for each photo what pictures show in place of the raw map: a function of the
            interpolation that returns maps (t, h, w), or None.
        provenance: versions, weights, method, options, output, fit and preprocessing, from which
            the maps can be reproduced; None for an explanation made by hand.
        rounding: how far maps and predictions are off where the network did not compute in
            float32; None where it did.
    """

    photos: tuple[Photo, ...]
    maps: Float[ndarray, "n t h w"]
    targets: tuple[tuple[Prediction, ...], ...]
    predictions: tuple[tuple[Prediction, ...], ...]
    placements: tuple[Placement, ...]
    row: Method
    layer: str
    model: str
    request: Request = field(default_factory=Request)
    extras: tuple[Mapping[str, ndarray], ...] = ()
    familiarity: tuple[Familiarity, ...] = ()
    shown: tuple[Callable[[str], ndarray] | None, ...] = ()
    provenance: Provenance | None = None
    rounding: Rounding | None = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the method's code and functions of the network's output behind."""
        name = self.row.name
        row = name if METHODS.get(name) is self.row else self.row
        return {**vars(self), "row": row, "request": self.request.without_functions()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        row = state["row"]
        vars(self).update(state, row=METHODS[row] if isinstance(row, str) else row)

    @property
    def method(self) -> str:
        """The name of the method."""
        return self.row.name

    @property
    def signed(self) -> bool:
        """True where negative values speak against the class, or for its rivals, and are shown.

        CAM's maps of two classes add up to their scores, so their difference has both signs;
        methods with a ReLU show one side only.
        """
        adds_up = Needs.CLASS_WEIGHTS in self.row.needs
        contrasted = any(
            prediction.rivals is not None for row in self.targets for prediction in row
        )
        return self.row.signed or (adds_up and contrasted)

    @property
    def pixel_level(self) -> bool:
        """True for maps of single pixels, which are drawn on grey, not over the photo."""
        return self.row.pixel_level

    @property
    def from_minimum(self) -> bool:
        """True where pictures show a map from its minimum, not from 0 (RISE)."""
        return self.row.from_minimum

    @property
    def blue_first(self) -> bool:
        """True where 'gradients' in `extras` has blue before red."""
        return self.provenance is not None and self.provenance.facts["preprocess"] == "caffe"

    @property
    def peaks(self) -> Float[ndarray, "n t"]:
        """The largest raw value of each map: the value of the brightest spot of its heatmap.

        Signed maps count by magnitude. Maps of two photos or classes compare by these.
        """
        magnitudes = np.abs(self.maps) if self.signed else self.maps
        filled = np.where(np.isnan(magnitudes), -np.inf, magnitudes)
        return np.asarray(filled.max(axis=(2, 3)), dtype=np.float32)

    @property
    def empty(self) -> Bool[ndarray, "n t"]:
        """True for each map that is zero everywhere (or negative, where only positive counts).

        A map that pictures show from its minimum is empty where it is the same everywhere.
        """
        return np.array([[self._is_empty(raw) for raw in raws] for raws in self.maps], dtype=bool)

    def _is_empty(self, raw: Float[ndarray, "h w"]) -> bool:
        if self.from_minimum:
            # the offset means nothing, and may be negative as a whole
            return not bool(np.nanmax(raw) > np.nanmin(raw))
        return is_empty(np.abs(raw)) if self.signed else is_empty(raw)

    def heatmap(
        self,
        photo: int = 0,
        target: int = 0,
        *,
        interpolation: str = "linear",
        scale: str = "each",
    ) -> Float[ndarray, "H W"]:
        """Return one heatmap at its photo's own size, 0..1 (signed maps: −1..1).

        The raw map (of occlusion, its grid) is resized with half-pixel centres, put where the
        network looked, and divided by its exact maximum, or with scale="photo" by the largest of
        all targets of its photo. NaN where the network did not look; all zero for an empty map.
        """
        SCALE.check(scale)
        placed = self._placed(photo, target, interpolation)
        heat = scale_signed_map(placed) if self.signed else scale_map(placed)
        if scale == "photo":
            peaks = [
                self._largest(
                    placed if index == target else self._placed(photo, index, interpolation)
                )
                for index in range(self.maps.shape[1])
            ]
            heat *= np.float32(peaks[target] / max(peaks) if max(peaks) > 0 else 0)
        return heat

    def _placed(self, photo: int, target: int, interpolation: str) -> Float[ndarray, "H W"]:
        """Return one raw map at its photo's own size."""
        size = self.photos[photo].pixels.shape[:2]
        raw = self.shown_map(photo, target, interpolation)
        return heatmap_on_photo(raw, self.placements[photo], size, interpolation=interpolation)

    def _largest(self, placed: Float[ndarray, "H W"]) -> float:
        sizes = np.abs(placed) if self.signed else placed
        return float(np.max(sizes, initial=0.0, where=~np.isnan(sizes)))

    def shown_map(
        self, photo: int = 0, target: int = 0, interpolation: str = "linear"
    ) -> Float[ndarray, "h w"]:
        """Return what pictures show: the raw map, unless the method provides another one.

        Where pictures start at a map's minimum, the minimum is taken off.
        """
        shown = self.shown[photo] if self.shown else None
        maps = self.maps[photo] if shown is None else shown(interpolation)
        raw = np.asarray(maps[target], np.float32)
        return raw - np.nanmin(raw) if self.from_minimum else raw

    @property
    def heatmaps(self) -> list[Float[ndarray, "t _ _"]]:
        """All heatmaps, one array (t, H, W) for each photo, as `heatmap` returns them."""
        return [
            np.stack([self.heatmap(photo, target) for target in range(self.maps.shape[1])])
            for photo in range(len(self))
        ]

    def overlays(self, *, style: Style = DEFAULT_STYLE) -> list[list[UInt8[ndarray, "_ _ 3"]]]:
        """Draw every target of every photo, at the photo's own size.

        Heat is laid over the photo; pixel-level maps are drawn on grey.

        Returns:
            For each photo one picture per target.
        """
        from seewhy.explaining.drawing import draw_targets

        return [draw_targets(self, photo, style) for photo in range(len(self))]

    def title(self, photo: int = 0, target: int = 0, *, separator: str = " ") -> str:
        """Return the target's label with its probability: 'Egyptian cat 0.60'."""
        explained = self.targets[photo][target]
        number = explained.number
        mark = " (empty map)" if self._is_empty(self.maps[photo, target]) else ""
        rivals = "" if explained.rivals is None else str(explained.rivals)
        return separator.join(part for part in (explained.label, number, rivals) if part) + mark

    def caption(
        self, photo: int = 0, target: int = 0, *, style: Style = DEFAULT_STYLE, peak: bool = True
    ) -> str:
        """Return the title in pictures: 'Egyptian cat (285)', and below '0.60, peak 12.3'."""
        explained = self.targets[photo][target]
        index = "" if explained.index is None else f" ({explained.index})"
        if explained.rivals is not None:
            index += f"\n{explained.rivals}"
        parts = [explained.number, self.peak_text(photo, target, style=style) if peak else ""]
        return f"{explained.label}{index}\n{', '.join(part for part in parts if part)}"

    def peak_text(self, photo: int = 0, target: int = 0, *, style: Style = DEFAULT_STYLE) -> str:
        """Return the value of the strongest colour: 'peak 12.3', or '−0.8 to 4.1'."""
        raw = self.maps[photo, target]
        if self._is_empty(raw):
            return "empty map"
        if self.pixel_level:
            from seewhy.rendering.attributions import attribution_end, smoothed

            end = attribution_end(smoothed(raw, style.smooth), percentile=style.percentile)
            return f"{'±' if self.signed else 'to '}{end:.2g} ({style.percentile:g} %)"
        low, high = float(np.nanmin(raw)), float(np.nanmax(raw))
        span = f"{low:.3g} to {high:.3g}".replace("-", "−")
        return span if self.signed and low < 0 else f"peak {high:.3g}".replace("-", "−")

    def photo_title(self, photo: int = 0) -> str:
        """Return the photo's name, with a note if it is unlike the network's training photos."""
        name = self.photos[photo].name
        remark = UNFAMILIAR.replace(" than", "\nthan")
        return name if self.is_familiar(photo) else f"{name}\n{remark}"

    def is_familiar(self, photo: int = 0) -> bool:
        """Return False if the photo is less like the training photos than 95 % of held-out ones."""
        return not self.familiarity or self.familiarity[photo].familiar

    def picture(
        self, photo: int = 0, *, style: Style = DEFAULT_STYLE
    ) -> UInt8[ndarray, "rows columns 3"]:
        """Draw the grid of one photo: itself, then one titled picture per class."""
        from seewhy.explaining.drawing import draw_photo

        return draw_photo(self, photo, style)

    def only(self, photo: int) -> Explanation:
        """Return the explanation of one photo alone."""
        chosen = range(len(self))[photo]
        part = slice(chosen, chosen + 1)
        return dataclasses.replace(
            self,
            photos=self.photos[part],
            maps=self.maps[part],
            targets=self.targets[part],
            predictions=self.predictions[part],
            placements=self.placements[part],
            extras=self.extras[part],
            familiarity=self.familiarity[part],
            shown=self.shown[part],
        )

    def save(self, path: str | Path, *, style: Style = DEFAULT_STYLE) -> list[Path]:
        """Write the grid of each photo as PNG, JPEG or PDF, depending on the extension.

        Several photos are written to separate files: 'why.png' becomes 'why_cat.png' and so on.

        Returns:
            The files, in the order of the photos.

        Raises:
            OptionError: the extension is not .png, .jpg, .jpeg or .pdf.
            OutputError: the file cannot be written; no partial file remains.
        """
        from seewhy.explaining.drawing import draw_page

        files = UniqueStems().files(Path(path), [photo.name for photo in self.photos])
        return [
            save_picture(draw_page(self, photo, style), file, of_photo=not self.pixel_level)
            for photo, file in enumerate(files)
        ]

    def save_maps(self, path: str | Path) -> Path:
        """Write `arrays` as a compressed `.npz` file."""
        return write_arrays(path, self.arrays())

    def arrays(self) -> dict[str, ndarray]:
        """Return the raw maps and what they belong to, by name.

        They are: maps (n, t, h, w), labels (n, t), indices (n, t; −1 for no class),
        probabilities (n, t), scores (n, t), photos (n), seen (n, 4): x0, y0, x1, y1 of the part
        of the photo that the network saw, in pixels; and provenance, as JSON text.
        """
        told = json.dumps(None if self.provenance is None else self.provenance.as_dict())
        return {
            "maps": self.maps,
            "labels": np.array([[prediction.label for prediction in row] for row in self.targets]),
            "indices": np.array(
                [
                    [-1 if prediction.index is None else prediction.index for prediction in row]
                    for row in self.targets
                ]
            ),
            "probabilities": np.array(
                [[prediction.probability for prediction in row] for row in self.targets]
            ),
            "scores": np.array([[prediction.score for prediction in row] for row in self.targets]),
            "seen": np.array([placement.map_box for placement in self.placements]),
            "photos": np.array([photo.name for photo in self.photos]),
            "provenance": np.array(told),
        }

    def as_dict(self) -> list[dict[str, Any]]:
        """Return predictions, targets and peaks of each photo, ready for JSON."""
        from seewhy.explaining.describing import described

        return described(self)

    def peak_at(self, photo: int = 0, target: int = 0) -> tuple[int, int] | None:
        """Return (x, y) of the heatmap's brightest pixel in the photo; None for an empty map."""
        if self._is_empty(self.maps[photo, target]):
            return None
        size = self.photos[photo].pixels.shape[:2]
        raw = self.shown_map(photo, target, "linear")
        return peak_on_photo(raw, self.placements[photo], size, signed=self.signed)

    def as_json(self) -> str:
        """Return `as_dict` as JSON text."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def _pages(self) -> list[UInt8[ndarray, "_ _ 3"]]:
        return [self.picture(photo) for photo in range(len(self))]

    def _repr_html_(self) -> str:
        """Show predictions beside the picture of each photo, in a notebook."""
        shown = range(min(len(self), IN_NOTEBOOK))
        beside = '<div style="display:flex; align-items:flex-start; gap:1em">'
        rows = [
            f"{beside}{pages_html([self.picture(photo)], text=self._told(photo))}</div>"
            for photo in shown
        ]
        if len(self) > len(shown):
            rows.append(f"<p>{len(self) - len(shown)} more photos: save them with .save(path).</p>")
        return f"<pre>{escape(repr(self))}</pre>\n" + "\n".join(rows)

    def _told(self, photo: int) -> str:
        """Return a photo's name and predictions, one to a line."""
        lines = [
            (prediction.label, f"{prediction.probability:.4f}")
            for prediction in self.predictions[photo]
        ]
        return f"{self.photo_title(photo)}\n{aligned(lines, right=(1,), indent='  ')}"

    def __repr__(self) -> str:
        rows = [
            f"{photo.name}: "
            + ", ".join(self.title(index, target) for target in range(len(row)))
            + ("" if self.is_familiar(index) else f" ({UNFAMILIAR})")
            for index, (photo, row) in enumerate(zip(self.photos, self.targets, strict=True))
        ]
        head = f"Explanation({self.method} of {short_name(self.model)}, layer {self.layer})"
        return few_lines(head, rows)
