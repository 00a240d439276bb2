"""A shard: a run's unit of work, of failure and of commit; one function for all workers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seewhy.datasets.asking import Advance, RowJob, Tell, failure, rows_in_batches
from seewhy.datasets.checked import DAMAGED_FILE, REPEAT, check_sum, checked
from seewhy.datasets.manifest import Item
from seewhy.datasets.storage import Folder, read_table
from seewhy.datasets.table import read_footer, shard_bytes
from seewhy.explaining.rows import COLUMNS, Row


@dataclass(frozen=True, eq=False)
class ShardJob:
    """Everything that a worker needs to explain any shard.

    Attributes:
        folder: where results go.
        items: the photos of the run.
        job: what is asked of them.
        plan: which shards there are.
    """

    folder: Folder
    items: Sequence[Item]
    job: RowJob
    plan: ShardPlan


@dataclass(frozen=True)
class ShardPlan:
    """Which shards a run has.

    Attributes:
        photos: of the run.
        size: photos in a shard.
        fingerprint: of the run.
        map_size: rows and columns of every map.
        number: 'float32' or 'float16', of the maps in the files.
    """

    photos: int
    size: int
    fingerprint: str
    map_size: tuple[int, int]
    number: str

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.photos // self.size)

    def range(self, shard: int) -> tuple[int, int]:
        """Return the photos of a shard: from, and up to but without."""
        return shard * self.size, min((shard + 1) * self.size, self.photos)

    def name(self, shard: int) -> str:
        """Return the name of a finished shard: part-00017-of-00391-<fingerprint>.parquet."""
        return f"part-{shard:05}-of-{self.shards:05}-{self.fingerprint}.parquet"


@dataclass(frozen=True)
class Counts:
    """How many photos of a shard went well, how many failed, and its rows."""

    photos: int
    failed: int
    rows: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Counts:
        """Count rows."""
        photos = {row.photo_id for row in rows}
        failed = {row.photo_id for row in rows if row.status != "ok"}
        return cls(len(photos), len(failed), len(rows))


def finished(folder: Folder, plan: ShardPlan, *, whole: bool = False) -> dict[int, Counts]:
    """Return the shards that are done: the final name is there, with the right footer and rows.

    Args:
        folder: of the run.
        plan: of the run.
        whole: read all their bytes, and leave out those that are not as they were written. By
            default only the footers of local files are read.
    """
    names = set(folder.names())
    counts: dict[int, Counts] = {}
    for shard in range(plan.shards):
        name = plan.name(shard)
        if name not in names:
            continue
        try:
            if whole or not folder.is_local:
                content: Any = folder.read(name)
                check_sum(content)
            else:
                content = folder.own_file(name)
            footer, rows = read_footer(content)
            start, stop = plan.range(shard)
            right = {"fingerprint": plan.fingerprint, "shard": shard, "photos": stop - start}
            if rows == footer.get("rows") and right.items() <= footer.items():
                counts[shard] = Counts(stop - start, int(footer["failed"]), rows)
        except DAMAGED_FILE:
            continue  # cut short, or changed on the disk: done again
    return counts


def read_shard(folder: Folder, plan: ShardPlan, shard: int, photo: int | None = None) -> list[Row]:
    """Return the rows of a shard, or of one photo in it.

    Raises:
        OutputError: it is not there, or not as it was written.
    """
    name = plan.name(shard)
    with checked(folder.child(name), REPEAT):
        content = folder.read(name)
        check_sum(content)
        return rows_of(content, photo)


def read_shard_table(folder: Folder, plan: ShardPlan, shard: int) -> Any:
    """Return a shard as a table of Arrow.

    Raises:
        OutputError: as `read_shard`.
    """
    name = plan.name(shard)
    with checked(folder.child(name), REPEAT):
        content = folder.read(name)
        check_sum(content)
        return read_table(content)


def failed_in(folder: Folder, plan: ShardPlan, shard: int) -> tuple[int, ...]:
    """Return the photos of a shard that failed."""
    rows = read_shard(folder, plan, shard)
    return tuple(sorted({row.photo_id for row in rows if row.status != "ok"}))


def other_fingerprints(folder: Folder, fingerprint: str) -> list[str]:
    """Return the fingerprints of shards in the folder that belong to another run."""
    matches = (re.fullmatch(r"part-\d+-of-\d+-(\w+)\.parquet", name) for name in folder.names())
    return sorted({match[1] for match in matches if match} - {fingerprint})


def write_shard(folder: Folder, plan: ShardPlan, shard: int, rows: Sequence[Row]) -> Counts:
    """Write rows as a finished shard; returns what they count."""
    counts = Counts.of(rows)
    start, stop = plan.range(shard)
    footer = {
        "fingerprint": plan.fingerprint,
        "shard": shard,
        "photos": stop - start,
        "failed": counts.failed,
        "rows": counts.rows,
    }
    ordered = sorted(rows, key=lambda row: row.photo_id)  # stable: the rows of a photo keep order
    content = shard_bytes(ordered, plan.map_size, plan.number, footer)
    folder.write(plan.name(shard), content)
    return counts


@dataclass(frozen=True)
class Task:
    """What a worker is given: a shard, and what is known of its photos.

    Attributes:
        shard: its number.
        start, stop: the photos.
        only: photos that are done again; empty for all.
        alone: photos that come first, each alone: one of them may have killed a worker.
        lost: photos that killed their workers twice, and how: (number, kind, reason).
    """

    shard: int
    start: int
    stop: int
    only: tuple[int, ...] = ()
    alone: tuple[int, ...] = ()
    lost: tuple[tuple[int, str, str], ...] = ()


def run_task(
    job: ShardJob, task: Task, advance: Advance, *, tell: Tell = lambda _, __: None
) -> Counts:
    """Explain a shard and write it: the same for every kind of worker.

    Args:
        job: what is asked.
        task: the shard.
        advance: called with photos that are done.
        tell: as for `rows_in_batches`.
    """
    rows = [failure(job.items[photo], kind, reason) for photo, kind, reason in task.lost]
    advance(len(rows))
    lost, only = {row.photo_id for row in rows}, set(task.only)
    left = [
        item
        for item in job.items[task.start : task.stop]
        if item.photo_id not in lost and (not only or item.photo_id in only)
    ]
    alone = [[item] for item in left if item.photo_id in task.alone]
    others = [item for item in left if item.photo_id not in task.alone]  # batches stay the same
    for items in (*alone, others):
        for batch in rows_in_batches(job.job, items, advance=advance, tell=tell):
            rows += batch
    rows += kept_rows(job.folder, job.plan, task)
    return write_shard(job.folder, job.plan, task.shard, rows)


def kept_rows(folder: Folder, plan: ShardPlan, task: Task) -> list[Row]:
    """Return the rows of a finished shard that stay where only some of its photos are redone."""
    if not task.only:
        return []
    rows = read_shard(folder, plan, task.shard)
    return [row for row in rows if row.photo_id not in task.only]


def rows_of(content: bytes, photo: int | None = None) -> list[Row]:
    """Return the rows of a shard's file, or of one photo in it."""
    table = read_table(content)
    if photo is not None:
        ids = table["photo_id"].to_numpy()
        start, stop = np.searchsorted(ids, [photo, photo + 1])
        table = table.slice(start, stop - start)
    kind = table.schema.field("heatmap").type
    number = kind.value_type.to_pandas_dtype()
    columns = {
        name: table[name].to_pylist() for name in COLUMNS if name not in ("heatmap", "descriptor")
    }
    maps = table["heatmap"].combine_chunks().storage
    columns["heatmap"] = [
        None if heatmap is None else np.asarray(heatmap.values, number).reshape(kind.shape)
        for heatmap in (value if value.is_valid else None for value in maps)
    ]
    columns["descriptor"] = [
        None if descriptor is None else np.array(descriptor, np.float32)
        for descriptor in table["descriptor"].to_pylist()
    ]
    return [
        Row(**{name: columns[name][place] for name in COLUMNS}) for place in range(table.num_rows)
    ]
