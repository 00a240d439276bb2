"""Run shards on a Ray cluster, by Ray Data. Only numbers of shards pass through Ray.

Each actor watches a worker process of its own, as `seewhy batch --workers` does: it reads photos
and writes results itself, and a photo that kills it is found in the same way.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from seewhy.datasets.plan import load_plan, read_photos_of
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.shards import Counts, Task
from seewhy.datasets.storage import Folder
from seewhy.datasets.workers import Supervisor, WorkerProcess
from seewhy.errors import MissingFramework, OptionError


class ShardActor:
    """What Ray starts on the nodes: one supervised worker, which gets the numbers of shards."""

    def __init__(self, place: str, model: dict[str, Any], timeout: int) -> None:
        folder = Folder.of(place)
        question, plan = load_plan(folder)
        items = read_photos_of(folder, question)
        worker = WorkerProcess(folder, ModelArguments(**model), timeout=timeout)
        self.plan, self.supervisor = plan, Supervisor(items, worker)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Run the shards of a batch (there is one), and return what they count."""
        rows = []
        for shard, only in zip(batch["shard"], batch["only"], strict=True):
            start, stop = self.plan.range(int(shard))
            photos = tuple(int(photo) for photo in only.split(",") if photo)
            task = Task(int(shard), start, stop, only=photos)
            counts = self.supervisor.run(task, lambda _: None)
            rows.append({"shard": int(shard), **asdict(counts)})
        return {name: [row[name] for row in rows] for name in rows[0]}


def run_on_ray(
    folder: Folder,
    tasks: Sequence[Task],
    model: ModelArguments,
    *,
    address: str | None,
    workers: int,
    gpus: float,
    timeout: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, Counts]]:
    """Run tasks on a cluster; yields shards as they are done.

    Args:
        folder: the run, where every node can read and write it.
        tasks: shards.
        model: the network, as the user named it.
        address: of the cluster ('auto', 'ray://head:10001'); None starts one on this machine.
        workers: actors; 0: as many as the cluster has room for.
        gpus: for each actor; 0: one CPU each.
        timeout: seconds without progress after which a worker process is killed.
        advance: called with the photos of each shard that is done.

    Raises:
        MissingFramework: Ray is not installed.
        OptionError: the cluster cannot be reached.
    """
    try:
        ray = importlib.import_module("ray")
        data = importlib.import_module("ray.data")
    except ImportError as error:
        raise MissingFramework(
            "Ray is not installed. Install it on every machine of the cluster: "
            "pip install 'seewhy[ray]'"
        ) from error
    started = not ray.is_initialized()
    empty = tempfile.TemporaryDirectory(prefix="seewhy-ray-")
    if started:
        settings: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
        # Without a folder of their own, Ray's workers look for modules in this process's folder,
        # and run a `token.py` beside the photos.
        settings["runtime_env"] = {"working_dir": empty.name}
        try:
            ray.init(log_to_driver=False, logging_level="error", **settings)
        except Exception as error:  # Ray raises bare ones, such as for a node that is too slow
            if not address:
                raise OptionError(
                    f"Ray does not start on this machine: {error} Use worker processes instead: "
                    "workers=... without ray."
                ) from error
            raise OptionError(
                f"There is no Ray cluster at '{address}': {error}. Start one (ray start --head), "
                "or leave the address out to run on this machine."
            ) from error
    try:
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = [{"shard": task.shard, "only": ",".join(map(str, task.only))} for task in tasks]
        most = workers or len(tasks)
        strategy = (
            data.ActorPoolStrategy(size=min(workers, len(tasks)))
            if workers
            else data.ActorPoolStrategy(min_size=1, max_size=most)
        )
        results = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            ShardActor,
            fn_constructor_args=(folder.place, asdict(model), timeout),
            batch_size=1,
            compute=strategy,
            **({"num_gpus": gpus} if gpus else {"num_cpus": 1}),
        )
        for row in results.iter_rows():
            counts = Counts(int(row["photos"]), int(row["failed"]), int(row["rows"]))
            advance(counts.photos)
            yield int(row["shard"]), counts
    finally:
        if started:
            ray.shutdown()
        empty.cleanup()
