"""What a comparison of two networks says: findings in sentences, and the numbers behind them.

Axes: n photo, g row and column of the grid on which maps are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from seewhy.evaluating.intervals import Interval
from seewhy.files import finite
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import Observations
from seewhy.reporting.paired import PairedAccuracy
from seewhy.reporting.result import Finding
from seewhy.reporting.saving import SavedPage

SCHEMA = 1
"""Of the JSON."""

CHANCE = 0.05
"""The p below which a difference is sure."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network said about each photo.

    Attributes:
        name: of the network; the two of a comparison differ.
        found: the name of each photo's best class.
        p_found: its probability.
        p_true: the true class's.
        correct: whether the best class is the true one.
        maps: the true class's, 14 × 14 cells of the whole photo; 0 where the network saw nothing.
    """

    name: str
    found: tuple[str, ...]
    p_found: Float[ndarray, " n"]
    p_true: Float[ndarray, " n"]
    correct: Bool[ndarray, " n"]
    maps: Float[ndarray, "n g g"]


@dataclass(frozen=True)
class ComparedClass:
    """How a class fares with the two networks.

    Attributes:
        name: of the class.
        accuracy: right and wrong of its photos.
        p: McNemar's, times the number of classes (Bonferroni), at most 1.
        overlap: the mean share of heat at the same place.
        heat: the overlap minus the usual one, in the mean, with its interval.
    """

    name: str
    accuracy: PairedAccuracy
    p: float
    overlap: float
    heat: Interval


@dataclass(frozen=True, eq=False, repr=False)
class NetworkComparison(SavedPage):
    """Two networks, or two epochs, on the same photos: what changed, and whose heat moved.

    Attributes:
        findings: what is to be known first, in sentences.
        facts: the two networks, data, method.
        notes: what could not be said, and why.
        paths: where each photo is.
        labels: the true class of each photo.
        first, second: what each network said.
        accuracy: right and wrong of both, with McNemar's test.
        classes: the same by class, those that lost the most photos first.
        overlap: of each photo, which share of the heat for the true class is at the same place
            with both networks, 0 to 1; NaN where a network has none.
        usual: of each photo, which share of its heat is at the same place as other photos' of its
            class, with the same network; the mean of both. NaN for the only photo of a class.
        heat: overlap minus usual in the mean, with its 95 % interval: below 0, the two networks'
            maps of a photo have less in common than one network's maps of two photos.
        heat_of_changed: the mean overlap of the photos that became right or wrong, minus that of
            the others, with its 95 % interval; None where there are fewer than five of either.
        observations: the photos, with the first network's answers.
        gallery: the photos.
        page: makes the page of it; with a folder, copies the photos into it.
    """

    findings: tuple[Finding, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    first: Answers
    second: Answers
    accuracy: PairedAccuracy
    classes: tuple[ComparedClass, ...]
    overlap: Float[ndarray, " n"]
    usual: Float[ndarray, " n"]
    heat: Interval
    heat_of_changed: Interval | None
    observations: Observations
    gallery: Gallery
    page: Callable[[Any, Path, Path | None], bytes]

    @property
    def lost(self) -> Int[ndarray, " l"]:
        """Photos that the first gets right and the second wrong; where it is surest, first."""
        return self._ordered(self.first.correct & ~self.second.correct, self.second.p_found)

    @property
    def gained(self) -> Int[ndarray, " m"]:
        """Photos that the first gets wrong and the second right; where it is surest, first."""
        return self._ordered(~self.first.correct & self.second.correct, self.second.p_found)

    @property
    def moved(self) -> Int[ndarray, " k"]:
        """Photos whose heat moved: the overlap is below the usual one; the least overlap first."""
        return self._ordered(self.overlap < self.usual, -self.overlap)

    def _ordered(self, chosen: Bool[ndarray, " n"], by: Float[ndarray, " n"]) -> Int[ndarray, " k"]:
        places = np.flatnonzero(chosen)
        return places[np.argsort(-by[places], kind="stable")]

    @property
    def title(self) -> str:
        """The heading of the page."""
        return f"{self.first.name} and {self.second.name}"

    @property
    def openable(self) -> tuple[int, ...]:
        """Photos that only a cell of the page opens: none."""
        return ()

    @property
    def verdict(self) -> str:
        """What the comparison says, in a paragraph."""
        paired, first, second = self.accuracy, self.first.name, self.second.name
        if paired.p < CHANCE:
            word = "more" if paired.gained > paired.lost else "less"
            outcome = f"'{second}' is {word} often right than '{first}'."
        else:
            outcome = "Neither network is more often right for sure."
        return (
            f"{outcome} {paired.lost} photos became wrong and {paired.gained} right, and the heat "
            f"moved in {len(self.moved)} of {paired.photos}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the findings and numbers, without maps and photos."""
        accuracy = self.accuracy
        return {
            "schema": SCHEMA,
            "facts": dict(self.facts),
            "verdict": self.verdict,
            "findings": [finding.text for finding in self.findings],
            "notes": list(self.notes),
            "networks": [
                {"name": answers.name, "right": right, "of": accuracy.photos}
                for answers, right in ((self.first, accuracy.first), (self.second, accuracy.second))
            ],
            "accuracy": paired_as_dict(accuracy),
            "classes": [
                {"class": row.name, "p_corrected": row.p, "overlap": finite(row.overlap)}
                | paired_as_dict(row.accuracy)
                | {"heat": _interval(row.heat)}
                for row in self.classes
            ],
            "heat": {
                "overlap_minus_usual": _interval(self.heat),
                "of_changed_minus_others": None
                if self.heat_of_changed is None
                else _interval(self.heat_of_changed),
            },
            "lost": [self._photo(photo) for photo in self.lost.tolist()],
            "gained": [self._photo(photo) for photo in self.gained.tolist()],
            "moved": [self._photo(photo) for photo in self.moved.tolist()],
            "failed": [vars(failure) for failure in self.observations.failures],
        }

    def _photo(self, photo: int) -> dict[str, Any]:
        row: dict[str, Any] = {"path": self.paths[photo], "true": self.labels[photo]}
        for which, answers in (("first", self.first), ("second", self.second)):
            row[which] = {
                "found": answers.found[photo],
                "p_found": finite(answers.p_found[photo]),
                "p_true": finite(answers.p_true[photo]),
            }
        return row | {
            "overlap": finite(self.overlap[photo]),
            "usual": finite(self.usual[photo]),
        }

    def __repr__(self) -> str:
        lines = [f"<NetworkComparison of {self.title}: {len(self.paths)} photos"]
        lines += [f"  {finding.text:.110}" for finding in self.findings[:3]]
        return "\n".join(lines) + ">"


def paired_as_dict(accuracy: PairedAccuracy) -> dict[str, Any]:
    """Return right and wrong of two networks."""
    return {
        "photos": accuracy.photos,
        "right_with_first": accuracy.first,
        "right_with_second": accuracy.second,
        "lost": accuracy.lost,
        "gained": accuracy.gained,
        "difference": _interval(accuracy.difference),
        "mcnemar_p": accuracy.p,
    }


def _interval(value: Interval) -> dict[str, float | None]:
    return {name: finite(number) for name, number in vars(value).items()}
