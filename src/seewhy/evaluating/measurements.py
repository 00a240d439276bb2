"""What was measured so far, photo by photo and method by method: in memory, and in a journal.

An evaluation goes on from the journal only with the same question. Methods may be added, or
measured with other options: only they are measured then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from seewhy.errors import OptionError
from seewhy.explaining.journal import Journal

Key = tuple[str, str, str, str]
"""Stage ('photo', 'mosaic' or 'reference'), photo, method and its options."""


@dataclass(frozen=True)
class Measurement:
    """One method on one photo.

    Attributes:
        values: by measure; None where there is nothing to measure.
        curves: by fill and order, the probabilities at each step; of a reference, its 'cells'.
        overlaps: the largest IoU at each threshold; None without boxes.
        options: of the method, as JSON.
    """

    values: Mapping[str, float | None]
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    overlaps: list[float] | None = None
    options: str = "{}"


class Measurements:
    """Measurements by stage, photo, method and options; with a journal, each is appended at once.

    Args:
        journal: of an earlier run, or a new one; None: in memory only.

    Raises:
        OptionError: the journal belongs to another question, or an entry is not a record.
        OutputError: it cannot be written.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._found: dict[Key, Measurement] = {}
        self._journal = journal
        if journal is None:
            return
        if journal.differences:
            raise OptionError(
                f"'{journal.path}' contains another evaluation. The difference: "
                f"{'; '.join(journal.differences)}. Use the same, or name another file."
            )
        for number, entry in enumerate(journal.entries, 2):
            try:
                key = (entry.pop("stage"), entry.pop("photo"), entry.pop("method"))
                record = Measurement(**entry)
                self._found[*key, record.options] = record
            except (TypeError, KeyError) as error:
                raise OptionError(
                    f"'{journal.path}' is damaged: line {number} is not a measurement. Remove that "
                    "line, or name another file."
                ) from error
        journal.start()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, stage: str, photo: str, method: str, options: str) -> Measurement | None:
        """Return a record; None where it is not there, or the method had other options."""
        return self._found.get((stage, photo, method, options))

    def add(self, stage: str, photo: str, method: str, record: Measurement) -> None:
        """Keep a record, and append it to the file."""
        self._found[stage, photo, method, record.options] = record
        if self._journal is not None:
            self._journal.append(
                {"stage": stage, "photo": photo, "method": method, **asdict(record)}
            )
