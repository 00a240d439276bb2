"""Run a question over many photos, resumably, into a folder of Parquet files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from seewhy.classifier import Classifier
from seewhy.datasets import manifest
from seewhy.datasets import question as questions
from seewhy.datasets.asking import Reader, RowJob, row_job
from seewhy.datasets.cluster import run_on_ray
from seewhy.datasets.manifest import Item, carried, find_items
from seewhy.datasets.plan import (
    check_stored,
    completed,
    describe,
    load_model,
    load_plan,
    plan_of,
    read_photos_of,
)
from seewhy.datasets.question import ModelArguments, PhotoList, RunQuestion
from seewhy.datasets.reading import Run, read_run
from seewhy.datasets.settings import COLUMN, ROWS, WORK
from seewhy.datasets.shards import (
    Counts,
    ShardJob,
    ShardPlan,
    Task,
    failed_in,
    finished,
    other_fingerprints,
    run_task,
)
from seewhy.datasets.storage import Folder
from seewhy.datasets.workers import Supervisor, WorkerProcess, run_in_processes
from seewhy.errors import OptionError, OutputError
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.keywords import RequestKeywords, parted
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.rows import RowSelection
from seewhy.progress import Progress, no_progress
from seewhy.settings import check_all

SUCCESS = "_SUCCESS.json"
LOCK = ".lock"


class BatchKeywords(RequestKeywords, total=False):
    """The keywords of `batch`: those of `seewhy.explain`, of the data, of the rows and the work."""

    true_labels: str | Sequence[str] | None
    column: str
    boxes: bool
    descriptors: bool
    maps: str
    shard_size: int
    workers: int
    worker_timeout: int
    ray: str | bool
    gpus: float
    retry_failed: bool


_OWN_SETTINGS = (COLUMN, *ROWS, *WORK)
"""The settings that are not of the request; `batch_size` is of both, and 8 here."""


@with_keywords(BatchKeywords, *_OWN_SETTINGS, true_labels=None, ray=False)
def batch(
    classifier: Any,
    photos: Any,
    out: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
    **request: Unpack[BatchKeywords],
) -> Run:
    """Explain a data set: the results are a folder of Parquet files.

    The run may be stopped at any time, also by a crash or a power cut; the same call continues with
    the missing shards. A photo that fails is a row with the reason.

    Args:
        classifier: a name or a file, as for `seewhy.load`; without `workers` and `ray` also what
            `seewhy.explain` takes.
        photos: one or several of: files, folders with their sub-folders, patterns, text files of
            one path per line, Parquet or CSV files with a column of paths; paths, or addresses
            that pyarrow or fsspec opens (s3://, gs://).
        out: the folder of the results, or such an address.
        request: as for `seewhy.explain`, but for a target of your own; and:
        true_labels: 'folders' (the name of each photo's folder), a column of the Parquet or CSV
            files, or a list. The true class is explained too (kind 'label'), and where another
            class was found, what tells the two apart ('contrast': that class rather than the
            true one), without a further forward pass.
        column: the column of paths in Parquet and CSV files.
        boxes: add boxes around the heat.
        descriptors: add the layer's activations averaged under each map, for clustering.
        maps: 'float32' or 'float16', of the maps in the files.
        batch_size: photos per batch.
        shard_size: photos per file, the unit of work and of resuming.
        workers: worker processes; 0: only this one. With `ray`: actors, 0: as many
            as fit the cluster.
        worker_timeout: seconds without any progress after which a worker is killed, and the photo
            at which it hangs is a failed one; loading the network counts too.
        ray: the address of a Ray cluster; True: one on this machine.
        gpus: of each Ray actor.
        retry_failed: retry photos that failed before.
        settings: further arguments of `seewhy.load` if `classifier` is a name.
        progress: called with (done, total) photos.

    Returns:
        The run, to read rows and explanations from.

    Raises:
        MissingFramework: pyarrow or Ray is not installed; the message names the extra.
        PhotoError: no photo was found.
        OutputError: the folder contains another run (the message names the difference), is in
            use, or cannot be written. What was finished before is kept.
        OptionError, UnknownClass, UnknownLayer, UnknownMethod: as `seewhy.explain`.
    """
    return run_batch(classifier, photos, out, request, settings=settings, progress=progress)


def run_batch(
    classifier: Any,
    photos: Any,
    out: str | os.PathLike[str],
    request: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
    read: Reader | None = None,
) -> Run:
    """As `batch`, also of photos that are listed already.

    Args:
        classifier, out, settings, progress: as for `batch`.
        photos: as for `batch`, or the items of its run.
        request: the other keywords of `batch`.
        read: reads a photo, where that happens in this process.
    """
    own, given = parted(request, (row.name for row in _OWN_SETTINGS))
    labels, ray = given.pop("true_labels", None), given.pop("ray", False)
    chosen = check_all(_OWN_SETTINGS, own)
    asked = Request.single(**given, batch_size=chosen["batch_size"])
    check_stored(asked)
    if chosen["shard_size"] % chosen["batch_size"]:
        raise OptionError(
            f"A shard of {chosen['shard_size']} photos is not a whole number of batches of "
            f"{chosen['batch_size']}. Give a shard_size that is a multiple of batch_size."
        )
    items = photos
    if not isinstance(photos, list) or not all(isinstance(photo, Item) for photo in photos):
        items = find_items(photos, column=chosen["column"], true_labels=labels)
    needs_name = bool(chosen["workers"] or ray)
    classifier, model = _loaded(classifier, settings or {}, needs_name=needs_name)
    wanted = RowSelection(boxes=chosen["boxes"], descriptors=chosen["descriptors"])
    rows = row_job(classifier, asked, items, wanted=wanted, read=read)
    described = describe(rows, items, maps=chosen["maps"], shard_size=chosen["shard_size"])
    folder = Folder.of(out)
    with _locked(folder):
        items = _as_before(folder, items, retry_failed=chosen["retry_failed"])
        described = replace(described, photos=PhotoList.of(items), model=model)
        question = _planned(folder, described, rows, items)
        plan = plan_of(question)
        done = finished(folder, plan, whole=True)
        tasks = _tasks(folder, plan, done, chosen["retry_failed"])
        if not tasks and SUCCESS in folder.names():
            return read_run(folder.place)  # which may be where nothing can be written
        _write_plan(folder, items, question)
        folder.remove(SUCCESS)
        meter = _Meter(progress, len(items), sum(task.stop - task.start for task in tasks))
        job = ShardJob(folder=folder, items=items, job=rows, plan=plan)
        work = {name: chosen[name] for name in ("workers", "worker_timeout", "gpus")}
        for shard, counts in _run(job, tasks, model, ray=ray, advance=meter.advance, **work):
            done[shard] = counts
        _write_success(folder, plan, done)
    return read_run(folder.place)


def _loaded(
    classifier: Any, settings: Mapping[str, Any], *, needs_name: bool
) -> tuple[Classifier, ModelArguments | None]:
    if isinstance(classifier, str | os.PathLike):
        model = ModelArguments.of(classifier, settings)
        return load_model(model), model
    if settings:
        raise OptionError("'settings' are for a network that is given by name. Leave them out.")
    if needs_name:
        raise OptionError(
            "Workers load the network themselves, and this one exists only here. Give its name or "
            "its file, as for seewhy.load, or run without workers."
        )
    return as_classifier(classifier), None


def _as_before(folder: Folder, items: Sequence[Item], *, retry_failed: bool) -> list[Item]:
    """Return the photos as the run in the folder knows them, if they are its photos.

    Raises:
        OutputError: only photos that failed have changed, and they are not to be tried again.
    """
    names = folder.names()
    if questions.NAME not in names or manifest.NAME not in names:
        return list(items)
    before, plan = load_plan(folder)
    then = read_photos_of(folder, before)
    failed = {
        photo
        for shard, counts in finished(folder, plan, whole=True).items()
        if counts.failed
        for photo in failed_in(folder, plan, shard)
    }
    same, retried = carried(items, then, ()), carried(items, then, failed)
    if not retry_failed and same != retried and PhotoList.of(retried) == before.photos:
        raise OutputError(
            f"Photos that failed in '{folder.place}' have changed since. Try them again with "
            "retry_failed=True (--retry-failed), or give another folder for the results."
        )
    return retried if retry_failed else same


def _planned(
    folder: Folder, question: RunQuestion, job: RowJob, items: Sequence[Item]
) -> RunQuestion:
    """Return the question with what only photos tell; refuse a folder of another question."""
    if questions.NAME in folder.names():
        place = folder.child(questions.NAME)
        before = RunQuestion.from_json(folder.read(questions.NAME), place)
        changes = question.differences(before)
        if changes:
            raise OutputError(
                f"'{folder.place}' contains another run. The difference: {'; '.join(changes)}. "
                "Repeat the same question, or give another folder for the results."
            )
        question = replace(before, model=question.model)
    else:
        question = completed(question, job, items)
    others = other_fingerprints(folder, question.fingerprint)
    if others:
        raise OutputError(
            f"'{folder.place}' contains results of another run ({', '.join(others)}), without its "
            f"{questions.NAME} to say which. Give another folder for the results."
        )
    return question


def _write_plan(folder: Folder, items: Sequence[Item], question: RunQuestion) -> None:
    """Write run.json last: where it is, the manifest is whole."""
    folder.remove_temporary()
    names = folder.names()
    for name, content in (
        (manifest.NAME, manifest.manifest_bytes(items)),
        (questions.NAME, question.as_json()),
    ):
        if name not in names or folder.read(name) != content:
            folder.write(name, content)


def _tasks(
    folder: Folder, plan: ShardPlan, done: Mapping[int, Counts], retry_failed: bool
) -> list[Task]:
    """Return what is left to do."""
    tasks = []
    for shard in range(plan.shards):
        start, stop = plan.range(shard)
        if shard not in done:
            tasks.append(Task(shard, start, stop))
        elif retry_failed and done[shard].failed:
            tasks.append(Task(shard, start, stop, only=failed_in(folder, plan, shard)))
    return tasks


def _run(
    job: ShardJob,
    tasks: Sequence[Task],
    model: ModelArguments | None,
    *,
    workers: int,
    worker_timeout: int,
    ray: str | bool,
    gpus: float,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, Counts]]:
    """Run tasks with the selected kind of worker."""
    if not tasks:
        return
    if model is not None and ray:
        address = None if ray is True else ray
        yield from run_on_ray(
            job.folder, tasks, model, address=address, workers=workers, gpus=gpus,
            timeout=worker_timeout, advance=advance,
        )  # fmt: skip
    elif model is not None and workers:
        count = min(workers, len(tasks))
        threads = max(1, (os.cpu_count() or 1) // count) if count > 1 else None
        supervisors = [
            Supervisor(
                job.items,
                WorkerProcess(job.folder, model, threads=threads, timeout=worker_timeout),
            )
            for _ in range(count)
        ]
        yield from run_in_processes(supervisors, tasks, advance)
    else:
        for task in tasks:
            yield task.shard, run_task(job, task, advance)


class _Meter:
    """Counts photos over shards and workers, those of earlier runs among them."""

    def __init__(self, progress: Progress, total: int, left: int) -> None:
        self.progress, self.total, self.done = progress, total, total - left

    def advance(self, photos: int) -> None:
        """Count photos that are done; fewer than none where a worker has died."""
        self.done = min(self.done + photos, self.total)
        self.progress(self.done, self.total)


def _write_success(folder: Folder, plan: ShardPlan, done: Mapping[int, Counts]) -> None:
    content = {
        "fingerprint": plan.fingerprint,
        "photos": plan.photos,
        "failed": sum(counts.failed for counts in done.values()),
        "rows": sum(counts.rows for counts in done.values()),
        "shards": plan.shards,
    }
    folder.write(SUCCESS, (json.dumps(content, indent=2) + "\n").encode())


@contextlib.contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    """Hold a local folder for this process alone; the system lets go of it when the process ends.

    Raises:
        OutputError: another process works in the folder, or it cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows: two runs in one folder would do the same work twice
        yield
        return
    if not folder.is_local:
        yield
        return
    try:
        Path(folder.place).mkdir(parents=True, exist_ok=True)
        # A link, or a pipe, is not followed: a run may come from anybody.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        lock = open(os.open(folder.child(LOCK), flags, 0o666), "w")  # noqa: SIM115, PTH123
    except OSError as error:
        if SUCCESS in folder.names():  # a finished run may be where nothing can be written
            yield
            return
        raise OutputError(
            f"'{folder.place}' cannot be written: {error.strerror or error}. Choose a place that "
            "can be written to."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"Another process works on the run in '{folder.place}'. Wait for it, or stop it."
            ) from error
        yield
