"""What `evaluate` returns: how faithful the heatmaps of several methods are.

Axes: n photo, s step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import OptionError
from seewhy.evaluating.baselines import BASELINES
from seewhy.evaluating.columns import MEASURES
from seewhy.evaluating.intervals import beats, bootstrap
from seewhy.evaluating.localizing import HeldOutBoxAccuracy
from seewhy.files import finite, write_whole
from seewhy.photos.photo import PhotoFailure
from seewhy.ranks import average_ranks
from seewhy.rendering.text import short_name
from seewhy.tables import aligned

COLUMNS = 8
"""Columns of one part of the table."""

FOUND_AT = 0.5
"""The IoU from which on a box counts as found in the table."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MethodScores:
    """How faithful one method's heatmaps are. NaN: nothing to measure (the map was empty).

    Every array has one value per photo; None where it was not measured.

    Attributes:
        deletion: area under the probability while the hottest cells are replaced; low is good. The
            mean of two fills, the mean colour and a blur.
        insertion: area while the hottest cells come into the fill; high is good.
        road: mean probability with the least relevant cells imputed minus that with the most
            relevant ones imputed; high is good, 0 is chance.
        sensitivity: 1 − rank correlation with the map of the most probable other class; 0 for a
            class-independent map.
        agreement: rank correlation of the cells with exact occlusion.
        head, weights: rank correlation with the map of a copy of the network whose last layer is
            random, and of one where all are; low is good.
        grid: share of the heat in the right photo of a mosaic of four; chance is 0.25.
        energy: share of the positive heat on the object.
        lift: that share divided by the object's share of the photo; 1 for a uniform map.
        pointing: whether the hottest pixel is on an object.
        box: whether the heatmap's box is the object's at IoU 0.5, at the threshold that the other
            half of the photos chose.
        box_v2: the mean of the same at IoU 0.3, 0.5 and 0.7 (as MaxBoxAccV2).
        held_out: the same for every IoU, with the thresholds.
        fills: deletion and insertion by fill: 'deletion_mean', 'insertion_blur'.
        curves: by the same names, the mean probability at each step, (s).
    """

    deletion: Float[ndarray, " n"] | None = None
    insertion: Float[ndarray, " n"] | None = None
    road: Float[ndarray, " n"] | None = None
    agreement: Float[ndarray, " n"] | None = None
    sensitivity: Float[ndarray, " n"] | None = None
    head: Float[ndarray, " n"] | None = None
    weights: Float[ndarray, " n"] | None = None
    grid: Float[ndarray, " n"] | None = None
    energy: Float[ndarray, " n"] | None = None
    lift: Float[ndarray, " n"] | None = None
    pointing: Float[ndarray, " n"] | None = None
    box: Float[ndarray, " n"] | None = None
    box_v2: Float[ndarray, " n"] | None = None
    held_out: HeldOutBoxAccuracy | None = None
    fills: Mapping[str, Float[ndarray, " n"]] = field(default_factory=dict)
    curves: Mapping[str, Float[ndarray, " s"]] = field(default_factory=dict)

    def values(self, name: str) -> Float[ndarray, " n"] | None:
        """Return the values per photo of a measure in `MEASURES`; None if it was not measured."""
        values = getattr(self, name)
        return None if values is None else np.asarray(values, np.float64)

    def mean(self, name: str) -> float:
        """Return the mean of a measure over the photos that have a value; NaN without any."""
        values = self.values(name)
        return float("nan") if values is None else bootstrap(values, resamples=1).mean

    def as_dict(self) -> dict[str, Any]:
        """Return the means over the photos, each with its 95 % interval, ready for JSON."""
        row: dict[str, Any] = {}
        named = {measure.key: self.values(name) for name, measure in MEASURES.items()}
        for key, values in {**named, **self.fills}.items():
            if values is not None:
                told = bootstrap(np.asarray(values, np.float64))
                row[key] = finite(told.mean)
                row[f"{key}_interval"] = [finite(told.low), finite(told.high)]
        if self.held_out is not None:
            pairs = zip(self.held_out.overlaps, self.held_out.accuracies, strict=True)
            row["held_out"] = {f"{overlap:g}": accuracy for overlap, accuracy in pairs}
        row["curves"] = {name: curve.tolist() for name, curve in self.curves.items()}
        return row


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Several methods, measured on the same photos and classes.

    Attributes:
        photos: their names.
        model: the network.
        methods: scores by method name; the baselines come last.
        failed: photos that could not be read or explained, and why.
        classes: the measured class of each photo.
        question: what was measured, and how.
    """

    photos: tuple[str, ...]
    model: str
    methods: Mapping[str, MethodScores]
    failed: tuple[PhotoFailure, ...] = ()
    classes: tuple[str, ...] = ()
    question: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the means over the photos, ready for JSON."""
        return {
            "model": self.model,
            "photos": len(self.photos),
            "question": dict(self.question),
            "failed": [
                {"photo": failure.name, "reason": failure.reason} for failure in self.failed
            ],
            "methods": {name: scores.as_dict() for name, scores in self.methods.items()},
        }

    def as_json(self) -> str:
        """Return `as_dict` as JSON text."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def as_rows(self) -> list[dict[str, Any]]:
        """Return one row per photo and method, as they are written to Parquet; None for no value.

        'deletion' and the others of `MEASURES` by their keys in JSON, and 'deletion_mean' and so
        on for the fills.
        """
        rows = []
        for name, scores in self.methods.items():
            columns = {measure.key: scores.values(key) for key, measure in MEASURES.items()}
            columns |= dict(scores.fills)
            for index, photo in enumerate(self.photos):
                row: dict[str, Any] = {
                    "photo": photo.encode(errors="backslashreplace").decode(),
                    "class": self.classes[index] if self.classes else None,
                    "method": name,
                }
                for key, values in columns.items():
                    row[key] = None if values is None else finite(values[index])
                rows.append(row)
        return rows

    def as_table(self) -> str:
        """Return one line per method: the means over the photos, in parts of a few columns.

        A star marks a mean that beats that of every baseline at 95 %, photo by photo.
        """
        rows = [self._cells(name, scores) for name, scores in self.methods.items()]
        titles = [title for title in rows[0] if any(row[title] != "– " for row in rows)][1:]
        parts = [titles[start : start + COLUMNS] for start in range(0, len(titles), COLUMNS)]
        tables = []
        for part in parts:
            lines = [["method", *part]]
            lines += [[row["method"], *(row[title] for title in part)] for row in rows]
            tables.append(aligned(lines, right=range(1, len(lines[0]))))
        return "\n".join(tables).removesuffix("\n")

    def save(self, path: str | Path) -> Path:
        """Write the means as JSON, or the rows of photos and methods as Parquet.

        Raises:
            OptionError: the file ends neither in .json nor in .parquet.
            MissingFramework: pyarrow is not installed.
            OutputError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix == ".json":
            return write_whole(path, f"{self.as_json()}\n".encode(errors="backslashreplace"))
        if path.suffix == ".parquet":
            from seewhy.evaluating.saving import write_parquet

            return write_parquet(self.as_rows(), path)
        raise OptionError(
            f"An evaluation cannot be written as '{path}'. Let the file end in .json or .parquet."
        )

    def plot(self, path: str | Path) -> Path:
        """Draw deletion and insertion curves and the methods' ranks: see `seewhy evaluate --plot`.

        Raises:
            OptionError: the file does not end in .png, .jpg or .pdf.
            OutputError: the file cannot be written.
        """
        from seewhy.evaluating.plotting import plot

        return plot(self, Path(path))

    def beats_baselines(self, method: str, measure: str) -> bool:
        """Return whether a method is better than every baseline at 95 %, photo by photo.

        Args:
            method: a key of `methods`.
            measure: a key of `seewhy.evaluating.columns.MEASURES`; one that was not measured is
                never better.
        """
        values = self.methods[method].values(measure)
        others = [self.methods[name].values(measure) for name in BASELINES if name in self.methods]
        return values is not None and all(
            other is not None
            and beats(values, other, higher_is_better=MEASURES[measure].higher_is_better)
            for other in others
        )

    def ranks(self, measures: Sequence[str] = tuple(MEASURES)) -> dict[str, dict[str, float]]:
        """Return the rank of each method by each measure: 1 is the best, ties share their mean.

        Methods without a value have no rank.
        """
        ranks: dict[str, dict[str, float]] = {name: {} for name in self.methods}
        for measure in measures:
            means = {name: scores.mean(measure) for name, scores in self.methods.items()}
            there = [name for name, mean in means.items() if np.isfinite(mean)]
            sign = -1 if MEASURES[measure].higher_is_better else 1
            measure_ranks = average_ranks(np.array([sign * means[name] for name in there]))
            for name, rank in zip(there, measure_ranks, strict=True):
                ranks[name][measure] = float(rank)
        return ranks

    def __repr__(self) -> str:
        count = len(self.photos)
        return f"Evaluation of {short_name(self.model)} on {count} photos\n{self.as_table()}"

    def _cells(self, name: str, scores: MethodScores) -> dict[str, str]:
        cells = {"method": name}
        for key, measure in MEASURES.items():
            mean = scores.mean(key)
            star = "*" if self.beats_baselines(name, key) else " "
            cells[measure.title] = f"{mean:.3f}{star}" if np.isfinite(mean) else "– "
        return cells
