"""Read a run back: its rows as a table, and its explanations, one photo at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.datasets import manifest
from seewhy.datasets.arrow import arrow
from seewhy.datasets.asking import read_listed
from seewhy.datasets.checked import REPEAT, checked
from seewhy.datasets.manifest import Item
from seewhy.datasets.plan import load_plan, read_photos_of
from seewhy.datasets.question import NAME as RUN_NAME
from seewhy.datasets.question import RunQuestion
from seewhy.datasets.shards import ShardPlan, finished, read_shard, read_shard_table
from seewhy.datasets.storage import Folder, is_address
from seewhy.datasets.table import photos_of
from seewhy.errors import OptionError, OutputError, PhotoError
from seewhy.explaining.result import Explanation
from seewhy.explaining.rounding import Rounding
from seewhy.explaining.rows import Row, from_rows
from seewhy.photos.photo import PhotoFailure


@dataclass(frozen=True, eq=False)
class Run:
    """A folder of results. Iterating over it reads one shard, and one photo, at a time.

    Attributes:
        folder: where it is.
        question: what was asked.
        plan: which shards there are.
    """

    folder: Folder
    question: RunQuestion
    plan: ShardPlan

    def __len__(self) -> int:
        return self.plan.photos

    def __iter__(self) -> Iterator[Explanation | PhotoFailure]:
        """Yield the explanation of each photo, or why there is none, in the run's order."""
        for shard in self.shards:
            for rows in _by_photo(read_shard(self.folder, self.plan, shard)):
                yield self._explanation(rows)

    def __getitem__(self, photo_id: int) -> Explanation | PhotoFailure:
        """Return the explanation of one photo, by its number in the run."""
        wanted = range(self.plan.photos)[photo_id]
        shard = wanted // self.plan.size
        if self.plan.name(shard) not in self.folder.names():
            raise OptionError(
                f"Photo {wanted} of '{self.folder.place}' is not explained yet. Finish the run: "
                "repeat the same call."
            )
        return self._explanation(read_shard(self.folder, self.plan, shard, wanted))

    @property
    def shards(self) -> list[int]:
        """The numbers of the shards that are there, whole or not: reading them tells."""
        names = set(self.folder.names())
        return [shard for shard in range(self.plan.shards) if self.plan.name(shard) in names]

    @property
    def items(self) -> list[Item]:
        """The photos of the run as they were listed."""
        return read_photos_of(self.folder, self.question)

    @property
    def photos(self) -> Any:
        """One row per photo that is done, as an Arrow table: .to_pandas() is pandas' way to it.

        It has the photo's best class, whether that is right, and the true class's probability.
        """
        labels = self.question.background.labels
        return self._joined(lambda rows: photos_of(rows, labels))

    @property
    def rounding(self) -> Rounding | None:
        """How far the first photos are off; None where the network computes in float32."""
        return self.question.rounding

    @property
    def is_complete(self) -> bool:
        """True where every shard is done."""
        return len(finished(self.folder, self.plan)) == self.plan.shards

    @property
    def counts(self) -> dict[str, int]:
        """How many photos are done, how many of them failed, and the rows there are."""
        done = finished(self.folder, self.plan).values()
        return {
            "photos": sum(counts.photos for counts in done),
            "failed": sum(counts.failed for counts in done),
            "rows": sum(counts.rows for counts in done),
        }

    @property
    def failures(self) -> list[Row]:
        """The rows of the photos that failed."""
        return [
            row
            for shard in self.shards
            for row in read_shard(self.folder, self.plan, shard)
            if row.status != "ok"
        ]

    def table(self) -> Any:
        """Return one row per photo and explained class, as an Arrow table, as `photos` is."""
        return self._joined(lambda rows: rows)

    def _joined(self, of_shard: Callable[[Any], Any]) -> Any:
        shards = self.shards
        if not shards:
            raise OptionError(f"'{self.folder.place}' has no finished shard yet. Continue the run.")
        tables = [of_shard(read_shard_table(self.folder, self.plan, shard)) for shard in shards]
        with checked(self.folder.place, REPEAT):
            return arrow().concat_tables(tables)

    def where(self, path: str) -> str:
        """Return where a photo of the run is now.

        One that is no longer where it was is looked for beside the run, by as much of its path as
        is there: a folder of photos and runs can be moved, or packed and opened elsewhere.

        Args:
            path: where it was when the run was made.
        """
        place = self.folder.place
        if is_address(path) or is_address(place) or Path(path).exists():
            return path
        beside = Path(place).absolute().parent
        parts = path.replace("\\", "/").split("/")
        for start in range(1, len(parts) if ".." not in parts else 0):
            moved = beside.joinpath(*parts[start:])
            if moved.is_file():
                return str(moved)
        return path

    def _explanation(self, rows: list[Row]) -> Explanation | PhotoFailure:
        rows = [row for row in rows if row.kind != "contrast"]  # of two classes, not of one
        if not rows:
            raise OutputError(f"'{self.folder.place}' is damaged: a photo has no rows. {REPEAT}")
        first = rows[0]
        if first.status != "ok":
            return PhotoFailure(first.path, first.error or "", first.error_kind or "unreadable")
        try:
            photo = read_listed(self.where(first.path))
        except PhotoError as error:
            return PhotoFailure(first.path, str(error))
        with checked(self.folder.child(RUN_NAME), REPEAT):
            return from_rows(rows, photo, self.question.background)

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"<Run '{self.folder.place}': {counts['photos']} of {self.plan.photos} photos done, "
            f"{counts['failed']} failed, {counts['rows']} rows, "
            f"{self.question.method} of {self.question.network.name}>"
        )


def read_run(place: str | os.PathLike[str]) -> Run:
    """Open the results of `seewhy.batch`, finished or not.

    Args:
        place: the folder, or its address.

    Returns:
        Explanations by iteration or by number (pictures, heatmaps), rows by `.table()`.

    Raises:
        OptionError: there is no run.
        MissingFramework: pyarrow is not installed.
    """
    arrow()
    folder = Folder.of(place)
    if RUN_NAME not in folder.names():
        raise OptionError(
            f"There is no run in '{os.fspath(place)}': it has no {RUN_NAME}. Name the folder that "
            "was given to seewhy batch as --out."
        )
    question, plan = load_plan(folder)
    return Run(folder, question, plan)


def _by_photo(rows: list[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        if group and group[0].photo_id != row.photo_id:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def is_run(source: Any) -> bool:
    """True for a folder, or an address, with what `seewhy batch` writes."""
    if not isinstance(source, str | os.PathLike):
        return False
    place = os.fspath(source)
    if is_address(place):
        return RUN_NAME in Folder.of(place).names()
    folder = Path(place).expanduser()
    return any((folder / name).is_file() for name in (RUN_NAME, manifest.NAME))
