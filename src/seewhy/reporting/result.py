"""What a report says: findings in sentences, and the numbers behind them.

Axes: n photo, m doubtful label, c confident mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from jaxtyping import Int
from numpy import ndarray

from seewhy.files import finite
from seewhy.reporting.accuracy import Calibration, ClassAccuracy, Share
from seewhy.reporting.confusion import ConfusedPair
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.heat import MeanHeat
from seewhy.reporting.numbers import (
    calibration_as_dict,
    changed_as_dict,
    heat_as_dict,
    paste_as_dict,
    share_as_dict,
    trial_as_dict,
)
from seewhy.reporting.observations import Observations
from seewhy.reporting.robustness import ChangeTest
from seewhy.reporting.saving import SavedPage
from seewhy.reporting.shortcuts import Shortcut, Verdict

SCHEMA = 1
"""Of report.json."""


@dataclass(frozen=True)
class Finding:
    """A sentence that a report begins with.

    Attributes:
        text: the sentence.
        tone: 'good', 'bad' or 'plain'.
        section: where more is said: the id of a section of the page.
        photos: places of the photos that it is about, whose mean is shown beside it; empty where
            the sentence says all.
        next: what to do about it; empty where there is nothing to do.
    """

    text: str
    tone: str
    section: str
    photos: tuple[int, ...] = ()
    next: str = ""


class ReasonKind(StrEnum):
    """Why a right answer is listed."""

    BOXES = "outside the boxes"
    MASK = "outside the mask"
    SHORTCUT = "in a confirmed shortcut"
    BORDER = "at the border"


@dataclass(frozen=True)
class WrongReason:
    """A right answer whose heat is in the wrong place.

    Attributes:
        photo: its place.
        kind: why it is listed.
        share: of its heat, how much is there; 1 of a shortcut.
        place: where a shortcut is.
    """

    photo: int
    kind: ReasonKind
    share: float
    place: str = ""

    @property
    def reason(self) -> str:
        """Why it is listed, in words."""
        if self.kind == ReasonKind.SHORTCUT:
            return f"{self.kind}: {self.place}"
        return f"{self.share:.0%} of the heat is {self.kind}"


@dataclass(frozen=True, eq=False)
class SearchedClass:
    """A class that was searched for shortcuts.

    Attributes:
        index: the class.
        photos: the places of the photos that were taken for it.
        parts: the cluster of each, by where the heat is.
        shortcuts: suspects and verdicts; their members are places in `photos`.
    """

    index: int
    photos: Int[ndarray, " n"]
    parts: Int[ndarray, " n"]
    shortcuts: tuple[Shortcut, ...]


@dataclass(frozen=True)
class Search:
    """What was searched for shortcuts, and what was not.

    Attributes:
        classes: those that were searched.
        too_small: the names of classes for which too few photos were taken.
        left_out: the names of classes that were left out since others have more photos.
    """

    classes: tuple[SearchedClass, ...]
    too_small: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Appendix:
    """Something that is added at the end of the page.

    Attributes:
        pictures: by caption, PNG files.
        facts: a table of two columns.
        items: a list, such as files that were left out.
    """

    pictures: Mapping[str, bytes]
    facts: Mapping[str, str]
    items: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Report(SavedPage):
    """Where a network is wrong, why, and whether it cheats, on a data set.

    Attributes:
        findings: what is to be known first, in sentences.
        facts: model, weights, data, method, counts.
        notes: what could not be said, and why.
        accuracy: the share of labelled photos that is right; None without labels.
        classes: recall and precision by class, the worst first.
        calibration: whether probabilities mean what they say; None without labels.
        pairs: classes that are taken for each other, the most photos first.
        mislabelled: places of photos whose label is likely wrong, the likeliest first.
        confident: places of the other mistakes, those first in which the network was surest.
        wrong_reasons: right answers whose heat is in the wrong place.
        search: what was searched for shortcuts; None where scikit-learn is missing.
        heat: the mean map over all photos.
        class_heat: by class.
        observations: what the network said about each photo.
        gallery: the photos.
        page: makes the page of a report; with a folder, copies the photos into it.
        changes: what harmless changes did; None where they were not tried.
        signed: whether maps have negative values that mean something.
        appendix: what the page ends with, or None.
        outlined: whether somebody has drawn where the things are.
    """

    findings: tuple[Finding, ...]
    facts: Mapping[str, str]
    notes: tuple[str, ...]
    accuracy: Share | None
    classes: tuple[ClassAccuracy, ...]
    calibration: Calibration | None
    pairs: tuple[ConfusedPair, ...]
    mislabelled: Int[ndarray, " m"]
    confident: Int[ndarray, " c"]
    wrong_reasons: tuple[WrongReason, ...]
    search: Search | None
    heat: MeanHeat
    class_heat: Mapping[int, MeanHeat]
    observations: Observations
    gallery: Gallery
    page: Callable[[Report, Path, Path | None], bytes]
    changes: ChangeTest | None = None
    signed: bool = False
    appendix: Appendix | None = None
    outlined: bool = False

    @property
    def shortcuts(self) -> list[Shortcut]:
        """The suspects of all classes, with their verdicts."""
        return [shortcut for searched in self.searched for shortcut in searched.shortcuts]

    @property
    def searched(self) -> tuple[SearchedClass, ...]:
        """The classes that were searched for shortcuts."""
        return self.search.classes if self.search else ()

    @property
    def title(self) -> str:
        """The heading of the page."""
        return f"Report on {self.facts['model']}"

    @property
    def openable(self) -> tuple[int, ...]:
        """The places of photos that only a cell of the matrix opens."""
        return tuple(photo for pair in self.pairs for photo in pair.photos.tolist())

    @property
    def verdict(self) -> str:
        """What the report says, in a paragraph: how often the network is right, and how grave."""
        whole = "The photos have no labels, so how often the network is right is not known."
        if self.accuracy is not None:
            whole = f"The network is right in {self.accuracy} of {self.accuracy.of} photos."
        counts = Counter(shortcut.verdict for shortcut in self.shortcuts)
        parts = [
            f"{counts[kind]} {single if counts[kind] == 1 else several}"
            for kind, single, several in (
                (Verdict.CONFIRMED, "confirmed shortcut", "confirmed shortcuts"),
                (Verdict.OPEN, "suspect that is open", "suspects that are open"),
            )
            if counts[kind]
        ]
        grave = sum(
            finding.tone == "bad" and finding.section != "shortcuts" for finding in self.findings
        )
        parts += [f"{grave} other finding{'s' if grave > 1 else ''} that matter"] if grave else []
        text = (
            f"{whole} Found: {', '.join(parts)}." if parts else f"{whole} Nothing grave was found."
        )
        if self.search is None or self.search.too_small or self.search.left_out:
            text += " Not every class could be searched for shortcuts."
        return text + " What is listed first matters most."

    def as_dict(self) -> dict[str, Any]:
        """Return the findings and numbers, without maps and photos."""
        seen = self.observations
        names = seen.names
        return {
            "schema": SCHEMA,
            "facts": dict(self.facts),
            "verdict": self.verdict,
            "findings": [finding.text for finding in self.findings],
            "next": {finding.text: finding.next for finding in self.findings if finding.next},
            "notes": list(self.notes),
            "accuracy": share_as_dict(self.accuracy),
            "classes": [
                {
                    "class": row.name,
                    "index": row.index,
                    "recall": share_as_dict(row.recall),
                    "precision": share_as_dict(row.precision),
                }
                for row in self.classes
            ],
            "calibration": calibration_as_dict(self.calibration),
            "confusions": [
                {
                    "true": names.get(pair.true),
                    "found": names.get(pair.found),
                    "count": pair.count,
                    "expected": finite(pair.expected),
                    "photos": [seen.paths[photo] for photo in pair.photos.tolist()],
                }
                for pair in self.pairs
            ],
            "likely_wrong_labels": [self._photo(photo) for photo in self.mislabelled.tolist()],
            "confident_mistakes": [self._photo(photo) for photo in self.confident.tolist()],
            "right_for_a_wrong_reason": [
                self._photo(reason.photo) | {"reason": reason.reason}
                for reason in self.wrong_reasons
            ],
            "shortcuts": [
                {"class": names.get(searched.index)} | self._shortcut(searched, shortcut)
                for searched in self.searched
                for shortcut in searched.shortcuts
            ],
            "not_searched": {
                "too_small": list(self.search.too_small) if self.search else None,
                "left_out": list(self.search.left_out) if self.search else None,
            },
            "changes": self._changes(),
            "heat": {
                "all": heat_as_dict(self.heat),
                "classes": {
                    names.get(index, str(index)): heat_as_dict(heat)
                    for index, heat in self.class_heat.items()
                },
            },
            "failed": [vars(failure) for failure in seen.failures],
        }

    def _photo(self, photo: int) -> dict[str, Any]:
        seen = self.observations
        return {
            "path": seen.paths[photo],
            "true": seen.names.get(int(seen.true[photo])),
            "found": seen.names.get(int(seen.found[photo])),
            "p_true": finite(seen.p_true[photo]),
            "p_found": finite(seen.p_found[photo]),
        }

    def _shortcut(self, searched: SearchedClass, shortcut: Shortcut) -> dict[str, Any]:
        suspect = shortcut.suspect
        return {
            "verdict": shortcut.verdict,
            "sentence": shortcut.sentence,
            "place": shortcut.place,
            "descriptor": suspect.descriptor,
            "by": suspect.by,
            "gap": suspect.gap,
            "odd": suspect.odd,
            "trials": [trial_as_dict(trial) for trial in shortcut.trials],
            "pasted": [paste_as_dict(paste) for paste in shortcut.pasted],
            "photos": [
                self.observations.paths[searched.photos[member]] for member in suspect.members
            ],
        }

    def _changes(self) -> dict[str, Any] | None:
        if self.changes is None:
            return None
        paths, names = self.observations.paths, self.changes.names
        return {
            "photos": [paths[photo] for photo in self.changes.photos.tolist()],
            "labelled": self.changes.labelled,
            "results": [changed_as_dict(result, names) for result in self.changes.results],
        }

    def __repr__(self) -> str:
        lines = [f"<Report on {self.facts['model']}: {len(self.observations)} photos"]
        lines += [f"  {finding.text:.110}" for finding in self.findings[:3]]
        return "\n".join(lines) + ">"
