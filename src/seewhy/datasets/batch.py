"""Run a question over many photos, resumably, into a folder of Parquet files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seewhy.classifier import Classifier
from seewhy.datasets import manifest
from seewhy.datasets import question as questions
from seewhy.datasets.cluster import run_on_ray
from seewhy.datasets.manifest import Item, find_items
from seewhy.datasets.plan import (
    describe,
    first_rounding,
    load_model,
    made_question,
    make_job,
    map_size,
)
from seewhy.datasets.question import ModelArguments, RunQuestion, differences
from seewhy.datasets.reading import Run, read_run
from seewhy.datasets.settings import GPUS, WORKERS
from seewhy.datasets.shards import (
    Counts,
    ShardJob,
    ShardPlan,
    Task,
    finished,
    other_fingerprints,
    rows_of,
    run_task,
)
from seewhy.datasets.storage import Folder
from seewhy.datasets.workers import Supervisor, WorkerProcess, run_in_processes
from seewhy.errors import OptionError, OutputError
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.question import default_method
from seewhy.networks.base import Output
from seewhy.progress import Progress, no_progress

SUCCESS = "_SUCCESS.json"
LOCK = ".lock"


def batch(
    classifier: Any,
    photos: Any,
    out: str | os.PathLike[str],
    *,
    method: str | None = None,
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    layer: Any = None,
    output: Output = "score",
    true_labels: str | Sequence[str] | None = None,
    column: str = "path",
    boxes: bool = False,
    descriptors: bool = False,
    maps: str = "float32",
    batch_size: int = 8,
    shard_size: int = 256,
    workers: int = 0,
    ray: str | bool = False,
    gpus: float = 0,
    retry_failed: bool = False,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
    **options: Any,
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
        method, top, classes, layer, output, options: as for `seewhy.explain`.
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
    WORKERS.check(workers)
    GPUS.check(gpus)
    items = find_items(photos, column=column, true_labels=true_labels)
    classifier, model = _loaded(classifier, settings or {}, needs_name=bool(workers or ray))
    asked = describe(
        classifier,
        items,
        method=method or default_method(classifier, layer),
        options=options,
        layer=layer,
        output=output,
        top=top,
        classes=classes,
        boxes=boxes,
        descriptors=descriptors,
        number=maps,
        batch_size=batch_size,
        shard_size=shard_size,
    )
    folder = Folder.of(out)
    with _locked(folder):
        question, plan = _planned(folder, classifier, model, asked, items)
        _write_plan(folder, items, question)
        done = finished(folder, plan)
        tasks = _tasks(folder, plan, done, retry_failed)
        if tasks:
            folder.remove(SUCCESS)
        meter = _Meter(progress, len(items), sum(task.stop - task.start for task in tasks))
        job = make_job(folder, items, classifier, asked, plan)
        for shard, counts in _run(
            job, tasks, workers=workers, ray=ray, gpus=gpus, advance=meter.advance
        ):
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


def _planned(
    folder: Folder,
    classifier: Classifier,
    model: ModelArguments | None,
    asked: dict[str, Any],
    items: Sequence[Item],
) -> tuple[RunQuestion, ShardPlan]:
    """Return the question and the plan; refuse a folder of another question."""
    asked = json.loads(json.dumps(asked))
    names = folder.names()
    if questions.NAME in names:
        place = folder.child(questions.NAME)
        before = RunQuestion.from_json(folder.read(questions.NAME), place)
        if before.asked != asked:
            found = "; ".join(differences(before.asked, asked))
            raise OutputError(
                f"'{folder.place}' contains another run. The difference: {found}. Repeat "
                "the same question, or give another folder for the results."
            )
        size, rounding = before.map_size, before.rounding
    else:
        size = map_size(made_question(classifier, asked))
        rounding = first_rounding(classifier, asked, items)
    question = RunQuestion(asked, model, size, rounding)
    others = other_fingerprints(folder, question.fingerprint)
    if others:
        raise OutputError(
            f"'{folder.place}' contains results of another run ({', '.join(others)}), without its "
            f"{questions.NAME} to say which. Give another folder for the results."
        )
    plan = ShardPlan(
        photos=asked["photos"]["count"],
        size=asked["shard_size"],
        fingerprint=question.fingerprint,
        map_size=question.map_size,
        number=asked["maps"],
    )
    return question, plan


def _write_plan(folder: Folder, items: Sequence[Item], question: RunQuestion) -> None:
    """Write run.json last: where it is, the manifest is whole."""
    folder.remove_temporary()
    names = folder.names()
    if questions.NAME not in names or manifest.NAME not in names:
        folder.write(manifest.NAME, manifest.manifest_bytes(items))
    folder.write(questions.NAME, question.as_json())


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
            rows = rows_of(folder.read(plan.name(shard)))
            failed = sorted({row.photo_id for row in rows if row.status != "ok"})
            tasks.append(Task(shard, start, stop, only=tuple(failed)))
    return tasks


def _run(
    job: ShardJob,
    tasks: Sequence[Task],
    *,
    workers: int,
    ray: str | bool,
    gpus: float,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, Counts]]:
    """Run tasks with the selected kind of worker."""
    if not tasks:
        return
    if ray:
        address = None if ray is True else ray
        yield from run_on_ray(
            job.folder, tasks, address=address, workers=workers, gpus=gpus, advance=advance
        )
    elif workers:
        count = min(workers, len(tasks))
        threads = max(1, (os.cpu_count() or 1) // count) if count > 1 else None
        supervisors = [
            Supervisor(
                job.folder,
                job.plan,
                job.items,
                WorkerProcess(job.folder, threads=threads),
                job.batch_size,
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
        lock = Path(folder.child(LOCK)).open("w")  # noqa: SIM115 - held for the whole run
    except OSError as error:
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
