"""An explanation as rows, one per photo and explained class, and back.

Axes: n photo, t explained class, h row, w column of a map, c channel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from PIL import Image

from seewhy.boxes import heatmap_boxes
from seewhy.classifier.familiarity import Familiarity
from seewhy.explaining.answering import WHATEVER
from seewhy.explaining.prediction import Prediction, Rivals
from seewhy.explaining.provenance import Provenance
from seewhy.explaining.request import Request
from seewhy.explaining.result import Explanation
from seewhy.explaining.rounding import Rounding
from seewhy.explaining.zooming import seen_part
from seewhy.maps import heatmap_on_photo, is_empty, scale_map, scale_signed_map
from seewhy.methods import METHODS
from seewhy.networks.cells import WHOLE_INPUT
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Photo, Placement

BORDER, CENTRE = 0.1, 0.25
"""The border is what lies within this share of the map's side from an edge (0.36 of the area);
the centre is what lies farther than this from every edge (0.25 of it)."""

RANKED_KINDS = ("predicted", "class")
"""The kinds of rows that have a rank: of a photo, no two have the same."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row; what does not apply is None. `docs/datasets.md` says what each column means."""

    photo_id: int
    path: str
    width: int | None = None
    height: int | None = None
    label: str | None = None
    label_index: int | None = None
    rank: int | None = None
    class_index: int | None = None
    class_name: str | None = None
    kind: str | None = None
    score: float | None = None
    probability: float | None = None
    correct: bool | None = None
    heatmap: Float[ndarray, "h w"] | None = None
    map_height: int | None = None
    map_width: int | None = None
    peak: float | None = None
    peak_y: float | None = None
    peak_x: float | None = None
    energy_border: float | None = None
    energy_centre: float | None = None
    empty: bool | None = None
    familiar: bool | None = None
    similarity: float | None = None
    rivals: Sequence[int] | None = None
    strength: float | None = None
    predictions: Sequence[Mapping[str, Any]] | None = None
    extras: Sequence[Mapping[str, Any]] | None = None
    descriptor: Float[ndarray, " c"] | None = None
    boxes: Sequence[Sequence[int]] | None = None
    seconds: float | None = None
    status: str = "ok"
    error_kind: str | None = None
    error: str | None = None


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


@dataclass(frozen=True)
class RowSelection:
    """What rows hold besides maps and what is measured on them.

    Attributes:
        boxes: boxes around the heat.
        descriptors: the layer's activations, averaged under each map.
    """

    boxes: bool = False
    descriptors: bool = False


@dataclass(frozen=True, eq=False)
class Background:
    """What all rows of a run have in common, with which they become explanations again.

    Attributes:
        request: what was asked.
        provenance: of every explanation.
        labels: the names of the network's classes.
        fit: how photos met the network.
        limit: the similarity from which on a photo is familiar; None where that is not known.
        rounding: how far maps are off; None where they are exact.
    """

    request: Request
    provenance: Provenance
    labels: Sequence[str]
    fit: Fit
    limit: float | None
    rounding: Rounding | None


def rows_of_photo(
    explanation: Explanation,
    photo: int,
    base: Row,
    wanted: RowSelection,
    *,
    contrasts: bool,
    activations: Float[ndarray, "..."] | None,
) -> Iterator[Row]:
    """Yield the rows of one photo of an explanation.

    Args:
        explanation: of a batch.
        photo: its place there.
        base: number, path, label and time, which are in every row.
        wanted: what else rows hold.
        contrasts: True where the last two explained values are the true class, and what tells the
            class that was found from it.
        activations: of the explained layer, for descriptors.
    """
    targets, maps = explanation.targets[photo], explanation.maps[photo]
    predictions = explanation.predictions[photo]
    height, width = explanation.photos[photo].pixels.shape[:2]
    truth = base.label_index
    correct = None if truth is None or not predictions else predictions[0].index == truth
    familiarity = explanation.familiarity[photo] if explanation.familiarity else None
    base = replace(
        base,
        width=width,
        height=height,
        correct=correct,
        familiar=None if familiarity is None else familiarity.familiar,
        similarity=None if familiarity is None else familiarity.similarity,
        predictions=[
            {
                "index": prediction.index,
                "score": prediction.score,
                "probability": prediction.probability,
            }
            for prediction in predictions
        ],
    )

    def row(place: int, kind: str) -> Row:
        signed = explanation.signed and kind != "contrast"
        columns = map_columns(maps[place], explanation.placements[photo], signed=signed)
        if wanted.boxes:
            columns["boxes"] = _boxes(explanation, photo, place, signed=signed)
        if wanted.descriptors and activations is not None:
            columns["descriptor"] = descriptor(maps[place], activations)
        extras = explanation.extras[photo] if explanation.extras else {}
        columns["extras"] = _stored(extras, place, len(maps), colours=explanation.signed)
        of_class = _class_columns(targets[place])
        if kind not in RANKED_KINDS:  # else a photo that is right would have its best class twice
            of_class.pop("rank", None)
        return replace(base, kind=kind, **of_class, **columns)

    explained = len(maps) - contrasts
    usual = "class" if explanation.request.classes else "predicted"
    for place in range(explained):
        is_label = contrasts and place == explained - 1
        if not is_label or truth is not None:
            yield row(place, "label" if is_label else usual)
    if contrasts and correct is False:
        best = targets[-1]
        if best.index in {target.index for target in targets[: explained - 1]}:
            difference = best.score - targets[explained - 1].score
            yield replace(row(len(maps) - 1, "contrast"), score=difference, probability=None)


def _class_columns(target: Prediction) -> dict[str, Any]:
    """Return rank, class, score, probability and contrast of an explained class."""
    if target.index is None:
        return {}
    rivals = target.rivals
    return {
        "rank": target.rank,
        "class_index": target.index,
        "class_name": target.label,
        "score": target.score,
        "probability": target.probability,
        "rivals": None if rivals is None else list(rivals.indices),
        "strength": None if rivals is None else rivals.strength,
    }


def _stored(
    extras: Mapping[str, ndarray], place: int, count: int, *, colours: bool
) -> list[dict[str, Any]] | None:
    """Return what pictures and JSON need of a method's further results for one target."""
    entries = [
        {
            "name": name,
            "shape": list(values.shape[1:]),
            "values": np.asarray(values[place], np.float32).ravel(),
        }
        for name, values in extras.items()
        if values.shape[:1] == (count,)
        and (values.ndim == 1 or name.startswith("grid") or (colours and name == "gradients"))
    ]
    return entries or None


def from_rows(rows: Sequence[Row], photo: Photo, background: Background) -> Explanation:
    """Return the explanation of one photo, as `seewhy.explain` gave it.

    Args:
        rows: of the photo, one for each explained class.
        photo: read again.
        background: of the run.
    """
    facts = background.provenance.facts
    method = METHODS[facts["method"]]
    maps = np.stack([np.asarray(row.heatmap, np.float32) for row in rows])
    extras = _extras(rows)
    placement = fit_photo(photo, background.fit)[1]
    if background.request.zoom > 1:
        placement = Placement(seen_part(photo, placement))
    y0, x0, y1, x1 = facts.get("cells", WHOLE_INPUT)
    placement = placement.of_cells((y0, x0, y1, x1))
    shown = None
    if method.shown_from is not None and any(name.startswith("grid") for name in extras):
        options = method.settings(background.request.options.get(method.name, {}))
        shown = method.shown_from(extras, maps, tuple(facts["size"]), options)
    first, labels, limit = rows[0], background.labels, background.limit
    best = tuple(
        Prediction(
            labels[prediction["index"]],
            prediction["index"],
            prediction["probability"],
            prediction["score"],
            rank,
        )
        for rank, prediction in enumerate(first.predictions or (), 1)
    )
    return Explanation(
        photos=(photo,),
        maps=maps[None],
        targets=(tuple(_target(row, labels, best) for row in rows),),
        predictions=(best,),
        placements=(placement,),
        row=method,
        layer=facts["layer"],
        model=facts["model"],
        request=background.request,
        extras=(extras,),
        familiarity=()
        if first.similarity is None or limit is None
        else (Familiarity(first.similarity, limit),),
        shown=(shown,),
        provenance=background.provenance,
        rounding=background.rounding,
    )


def _extras(rows: Sequence[Row]) -> dict[str, ndarray]:
    """Return a photo's further results, an array of all targets for each name."""
    by_name: dict[str, list[ndarray]] = {}
    for row in rows:
        for extra in row.extras or ():
            values = np.asarray(extra["values"], np.float32).reshape(extra["shape"])
            by_name.setdefault(extra["name"], []).append(values)
    return {name: np.stack(values) for name, values in by_name.items()}


def _target(row: Row, labels: Sequence[str], best: Sequence[Prediction]) -> Prediction:
    if row.class_index is None or row.score is None or row.probability is None:
        return WHATEVER
    rivals = None
    if row.rivals is not None:
        names = tuple(labels[index] for index in row.rivals)
        rivals = Rivals(names, tuple(row.rivals), row.strength or 0.0)
    name, rank = labels[row.class_index], row.rank
    if row.kind not in RANKED_KINDS:
        rank = next(
            (prediction.rank for prediction in best if prediction.index == row.class_index), None
        )
    return Prediction(name, row.class_index, row.probability, row.score, rank, rivals)


def descriptor(
    raw: Float[ndarray, "h w"], activations: Float[ndarray, "..."]
) -> Float[ndarray, " c"] | None:
    """Average a layer's activations under a map's positive part: what the class was seen in.

        d[k] = sum over i, j of w[i, j] · A[i, j, k] / sum over i, j of w[i, j],  w = max(map, 0)

    A map of another size than the layer's is resized to it first, by averaging where it shrinks.
    None where nothing is positive, and of a layer without rows and columns.
    """
    weights = np.where(raw > 0, raw, 0).astype(np.float32)  # NaN is not positive
    if activations.ndim != 3 or not weights.any():
        return None
    rows, columns = activations.shape[:2]
    if weights.shape != (rows, columns):
        image = Image.fromarray(weights).resize((columns, rows), Image.Resampling.BILINEAR)
        weights = np.asarray(image)
    mean = np.tensordot(weights, activations, axes=2) / weights.sum()
    return np.asarray(mean, np.float32)


def map_columns(
    raw: Float[ndarray, "h w"], placement: Placement, *, signed: bool
) -> dict[str, Any]:
    """Return the map and what is measured on it; the peak is the centre of the strongest cell."""
    heat = np.abs(raw) if signed else raw
    empty = is_empty(heat)
    columns: dict[str, Any] = {
        "heatmap": np.asarray(raw, np.float32),
        "map_height": raw.shape[0],
        "map_width": raw.shape[1],
        "empty": empty,
    }
    if empty:
        return columns
    row, column = np.unravel_index(np.nanargmax(heat), heat.shape)
    x0, y0, x1, y1 = placement.map_box
    border, centre = energies(heat)
    return columns | {
        "peak": float(heat[row, column]),
        "peak_y": float(y0 + (row + 0.5) * (y1 - y0) / raw.shape[0]),
        "peak_x": float(x0 + (column + 0.5) * (x1 - x0) / raw.shape[1]),
        "energy_border": border,
        "energy_centre": centre,
    }


def _boxes(explanation: Explanation, photo: int, target: int, *, signed: bool) -> list[list[int]]:
    """Return the boxes around the heat in the photo's pixels, by `heatmap_boxes`'s rule."""
    size = explanation.photos[photo].pixels.shape[:2]
    raw = explanation.maps[photo, target]
    placed = heatmap_on_photo(raw, explanation.placements[photo], size)
    heat = scale_signed_map(placed) if signed else scale_map(placed)
    boxes: Int[ndarray, "m 4"] = heatmap_boxes(heat)
    return [[int(edge) for edge in box] for box in boxes]


def energies(heatmap: Float[ndarray, "h w"]) -> tuple[float | None, float | None]:
    """Return which share of a map's positive heat is in its border, and which in its centre.

    Cells that a line cuts count by the share of their area, so that an even map has exactly
    0.36 in the border and 0.25 in the centre. None for a map without positive heat.
    """
    heat = np.where(heatmap > 0, heatmap, 0).astype(np.float64)  # NaN is not positive
    total = float(heat.sum())
    if not total > 0:
        return None, None
    rows, columns = (_within(length, BORDER) for length in heat.shape)
    inner = float(rows @ heat @ columns) / total
    rows, columns = (_within(length, CENTRE) for length in heat.shape)
    return max(0.0, 1 - inner), float(rows @ heat @ columns) / total


def _within(cells: int, margin: float) -> Float[ndarray, " cells"]:
    """Return how much of each cell lies at least `margin` of the side away from both edges."""
    edges = np.arange(cells + 1) / cells
    inside = np.clip(edges[1:], margin, 1 - margin) - np.clip(edges[:-1], margin, 1 - margin)
    return np.asarray(inside * cells)
