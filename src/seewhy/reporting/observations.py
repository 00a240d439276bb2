"""What a network said about every photo of a data set, in arrays.

Axes: n photo, h row, w column of a map, d feature of a descriptor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from PIL import Image

from seewhy.errors import OptionError
from seewhy.explaining.rows import Row

FINEST_GRID = 28
"""Rows and columns of a map that are kept; finer maps (of pixels) are averaged."""


@dataclass(frozen=True)
class Failure:
    """A photo that was not explained.

    Attributes:
        path: the photo.
        kind: in a word: missing, unreadable, too-large, not-finite, worker-died.
        reason: in a sentence.
    """

    path: str
    kind: str
    reason: str


@dataclass(frozen=True, eq=False)
class Observations:
    """What a network said about the photos that could be explained.

    Attributes:
        paths: where each photo is.
        true: the index of the true class; −1 where no label was given.
        found: the index of the best class.
        p_found: its probability.
        p_true: the probability of the true class; NaN without a label.
        maps: the raw map of the best class.
        names: class names by index, of every class that occurs.
        sizes: height and width of each photo, in its own pixels.
        descriptors: the layer's activations averaged under the map; None where not recorded.
        true_maps: of each mistake, by its place in these arrays: the true class's map.
        contrasts: of each mistake: what tells the best class from the true one.
        trained: photos that the network was trained on, which are searched for shortcuts and have
            no part in right and wrong; None where there are none.
        unfamiliar: photos unlike the training photos; None where the network does not know.
        failures: the photos that could not be explained.
    """

    paths: tuple[str, ...]
    true: Int[ndarray, " n"]
    found: Int[ndarray, " n"]
    p_found: Float[ndarray, " n"]
    p_true: Float[ndarray, " n"]
    maps: Float[ndarray, "n h w"]
    names: Mapping[int, str]
    sizes: Int[ndarray, "n 2"]
    descriptors: Float[ndarray, "n d"] | None = None
    true_maps: Mapping[int, Float[ndarray, "h w"]] = field(default_factory=dict)
    contrasts: Mapping[int, Float[ndarray, "h w"]] = field(default_factory=dict)
    trained: Bool[ndarray, " n"] | None = None
    unfamiliar: Bool[ndarray, " n"] | None = None
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def class_sizes(self) -> dict[int, int]:
        """How many photos are labelled with each class."""
        indices, counts = np.unique(self.true[self.labelled], return_counts=True)
        return dict(zip(indices.tolist(), counts.tolist(), strict=True))

    @property
    def labelled(self) -> Bool[ndarray, " n"]:
        """Which photos have a true class, and were not trained on."""
        return np.asarray((self.true >= 0) & self.unseen)

    @property
    def unseen(self) -> Bool[ndarray, " n"]:
        """Which photos the network was not trained on, as far as is known."""
        return np.asarray(np.ones(len(self), bool) if self.trained is None else ~self.trained)

    @property
    def correct(self) -> Bool[ndarray, " n"]:
        """Which photos got their true class; False without a label."""
        return np.asarray(self.labelled & (self.true == self.found))

    @property
    def mistakes(self) -> Bool[ndarray, " n"]:
        """Which photos got another class than the true one."""
        return np.asarray(self.labelled & (self.true != self.found))


def observe(shards: Iterable[Sequence[Row]]) -> Observations:
    """Collect the rows of a run: of each photo its best class, and of a mistake the true one too.

    Args:
        shards: rows; those of a photo follow each other within one of the sequences.

    Raises:
        OptionError: no photo was explained, or its best class was not.
    """
    kept = _Kept()
    for rows in shards:
        for row in rows:
            kept.add(row)
    return kept.observations()


class _Kept:
    """The rows that a report needs, as they come."""

    def __init__(self) -> None:
        self.best: list[Row] = []
        self.labels: dict[int, Row] = {}
        self.contrasts: dict[int, Row] = {}
        self.maps: list[ndarray] = []
        self.described: list[ndarray | None] = []
        self.names: dict[int, str] = {}
        self.failures: list[Failure] = []
        self.without_best = 0

    def add(self, row: Row) -> None:
        """Keep what is needed of a row."""
        if row.status != "ok":
            self.failures.append(Failure(row.path, row.error_kind or "", row.error or ""))
            return
        if row.class_index is not None:
            self.names[row.class_index] = row.class_name or str(row.class_index)
        if row.heatmap is None or row.class_index is None:
            self.without_best += 1
        elif row.kind == "predicted" and row.rank == 1:
            self.best.append(_without_arrays(row))
            self.maps.append(coarse(np.asarray(row.heatmap, np.float32)))
            self.described.append(row.descriptor)
        elif row.kind == "label":
            self.labels[row.photo_id] = row
            if row.correct:  # its map is the best class's
                self.labels[row.photo_id] = _without_arrays(row)
        elif row.kind == "contrast":
            self.contrasts[row.photo_id] = row
        elif row.kind == "class":
            self.without_best += 1

    def observations(self) -> Observations:
        """Return all photos in arrays."""
        if not self.best:
            raise OptionError(self._nothing())
        places = {row.photo_id: place for place, row in enumerate(self.best)}
        labelled = [self.labels.get(row.photo_id) for row in self.best]
        missing = np.array([vector is None for vector in self.described])
        known = [row.familiar for row in self.best]
        return Observations(
            paths=tuple(row.path for row in self.best),
            true=np.array(
                [-1 if row.label_index is None else row.label_index for row in self.best]
            ),
            found=np.array([row.class_index for row in self.best], np.int64),
            p_found=np.array([row.probability for row in self.best], np.float64),
            p_true=np.array(
                [
                    np.nan if prediction is None else prediction.probability
                    for prediction in labelled
                ],
                np.float64,
            ),
            maps=np.stack(self.maps),
            names=self.names,
            sizes=np.array([(row.height, row.width) for row in self.best], np.int64),
            descriptors=None if missing.all() else _filled(self.described),
            true_maps=_maps(self.labels, places),
            contrasts=_maps(self.contrasts, places),
            unfamiliar=None if None in known else ~np.array(known, bool),
            failures=tuple(self.failures),
        )

    def _nothing(self) -> str:
        if self.without_best:
            return (
                "The run has no map of each photo's best class, which a report is about. Repeat it "
                "with a method that has maps of classes (cam, grad-cam), and without --class."
            )
        reason = f" The first one: {self.failures[0].reason}" if self.failures else ""
        return f"None of {len(self.failures)} photos could be explained.{reason}"


def coarse(heatmap: Float[ndarray, "h w"], finest: int = FINEST_GRID) -> Float[ndarray, "_ _"]:
    """Average a map of more than so many rows or columns down to as many."""
    height, width = heatmap.shape
    if max(height, width) <= finest:
        return heatmap
    size = (min(width, finest), min(height, finest))
    image = Image.fromarray(np.nan_to_num(heatmap).astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _without_arrays(row: Row) -> Row:
    return replace(row, heatmap=None, descriptor=None)


def _filled(described: Sequence[ndarray | None]) -> Float[ndarray, "n d"]:
    """Return descriptors as an array; zeros where nothing spoke for the class."""
    length = next(len(vector) for vector in described if vector is not None)
    filled = np.zeros((len(described), length), np.float32)
    for row, vector in zip(filled, described, strict=True):
        if vector is not None:
            row[:] = vector
    return filled


def _maps(rows: Mapping[int, Row], places: Mapping[int, int]) -> dict[int, ndarray]:
    return {
        places[photo]: coarse(np.asarray(row.heatmap, np.float32))
        for photo, row in rows.items()
        if row.heatmap is not None and photo in places
    }
