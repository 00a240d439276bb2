"""Worker processes, watched: one that dies starts again, and the photo that kills it is found."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seewhy import errors
from seewhy.datasets.asking import failure
from seewhy.datasets.manifest import Item
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.shards import (
    Counts,
    ShardPlan,
    Task,
    kept_rows,
    rows_of,
    write_shard,
)
from seewhy.datasets.storage import Folder
from seewhy.errors import ModelError, SeewhyError

ATTEMPTS = 2
"""How often a shard, and in the end a single photo, is tried before it is held to be the cause."""

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables by which the frameworks take the number of threads."""


STARTS = 3
"""How often a worker is started that is killed before it has loaded the network."""


class WorkerDied(Exception):
    """The process is gone without an answer."""


class Stopped(Exception):
    """The run is stopped: nothing may be started or written any more."""


class WorkerProcess:
    """One worker process, started when it is first needed, and again after it has died."""

    def __init__(
        self, folder: Folder, model: ModelArguments, *, threads: int | None = None
    ) -> None:
        self.folder = folder
        self.model = model
        self.threads = threads
        self.process: subprocess.Popen[str] | None = None
        self.stopped = False

    def run(self, task: Task, advance: Callable[[int], None]) -> Counts:
        """Let the process run a task.

        Raises:
            WorkerDied: it is gone.
            SeewhyError: what it says went wrong.
            Stopped: `stop` was called.
        """
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(vars(task)) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise self._death() from error
        for answer in self._answers():
            if "advance" in answer:
                advance(answer["advance"])
            elif "done" in answer:
                return Counts(**answer["done"])
        raise self._death()

    def _answers(self) -> Iterator[Mapping[str, Any]]:
        """Yield what the process says; an error that it tells of is raised."""
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            if "error" in answer:
                self.close()
                raise _error(answer)
            yield answer

    def _started(self) -> subprocess.Popen[str]:
        """Return the process, with its network loaded."""
        if self.process is not None and self.process.poll() is None:
            return self.process
        for _ in range(STARTS):
            self.close()
            process = self._start()
            if any("ready" in answer for answer in self._answers()):
                return process
            death = self._death()
        raise ModelError(
            f"A worker died while it loaded the network ({death}), {STARTS} times. Its own words "
            "are above; run without workers to see more."
        )

    def _start(self) -> subprocess.Popen[str]:
        if self.stopped:
            raise Stopped
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(search_path()))
        if self.threads is not None:
            environment |= {name: str(self.threads) for name in THREADS if name not in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "seewhy.datasets.worker", self.folder.place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the parent, which then closes stdin
        )
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it died already, which `_started` finds out
            self.process.stdin.write(json.dumps(asdict(self.model)) + "\n")
            self.process.stdin.flush()
        return self.process

    def _death(self) -> WorkerDied:
        if self.stopped:
            raise Stopped
        assert self.process is not None
        code = self.process.wait()
        self.close()
        return WorkerDied(f"signal {-code}" if code < 0 else f"exit code {code}")

    def stop(self) -> None:
        """Stop the process from another thread, at once and for good."""
        self.stopped = True
        process = self.process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Let go of the process, and end it."""
        process, self.process = self.process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # it is gone, and did not read what was written
        process.kill()
        process.wait()


def search_path() -> list[str]:
    """Return where workers look for modules: where this process does, but not in its folder.

    A `token.py` beside the photos would be run otherwise. `python:` adds the folder by itself.
    """
    home = str(Path(errors.__file__).parents[1])
    here = Path.cwd()
    return [one for one in sys.path if one and (one == home or Path(one).absolute() != here)]


def _error(answer: Mapping[str, str]) -> SeewhyError:
    """Return the error that a worker reported."""
    kind = getattr(errors, answer["error"], ModelError)
    error: SeewhyError = kind(answer["message"])
    return error


@dataclass(frozen=True, eq=False)
class Supervisor:
    """Runs shards in a worker, whatever they do to it.

    A shard that kills its worker is tried once more; then it is halved, and the halves again,
    until the photo is found. That photo becomes a failed row, 'worker-died'.
    """

    folder: Folder
    plan: ShardPlan
    items: Sequence[Item]
    worker: WorkerProcess
    batch_size: int

    def run(self, task: Task, advance: Callable[[int], None]) -> Counts:
        """Run a shard to its end, and return what it counts."""
        for _ in range(ATTEMPTS):
            counts = self._tried(task, advance)
            if counts is not None:
                return counts
        pieces = self._halved(task, advance)
        rows = [row for name in pieces for row in rows_of(self.folder.read(name))]
        rows += kept_rows(self.folder, self.plan, task)
        counts = write_shard(self.folder, self.plan, task.shard, rows)
        for name in pieces:
            self.folder.remove(name)
        return counts

    def _tried(self, task: Task, advance: Callable[[int], None]) -> Counts | None:
        """Run a task once; None, with nothing counted as done, where the worker died."""
        done = 0

        def count(photos: int) -> None:
            nonlocal done
            done += photos
            advance(photos)

        try:
            return self.worker.run(task, count)
        except WorkerDied:
            advance(-done)
            return None

    def _halved(self, task: Task, advance: Callable[[int], None]) -> list[str]:
        """Run a task's halves; returns the files that hold their rows."""
        count = task.stop - task.start
        if count == 1:
            return [self._single(task, advance)]
        half = count // 2
        if half > self.batch_size:  # batches stay whole, and so their results the same
            half -= half % self.batch_size
        elif count > self.batch_size:
            half = self.batch_size
        names = []
        for start, stop in (
            (task.start, task.start + half),
            (task.start + half, task.stop),
        ):
            only = tuple(one for one in task.only if start <= one < stop)
            if task.only and not only:
                continue
            piece = Task(task.shard, start, stop, True, only)
            if self._tried(piece, advance) is None:
                names += self._halved(piece, advance)
            else:
                names.append(self.plan.piece(start, stop))
        return names

    def _single(self, task: Task, advance: Callable[[int], None]) -> str:
        """Try one photo again; a failed row says that it killed its worker."""
        name = self.plan.piece(task.start, task.stop)
        try:
            self.worker.run(task, advance)
        except WorkerDied as error:
            row = failure(
                self.items[task.start],
                "worker-died",
                f"The process that explained this photo died ({error}), each time it was tried. "
                "The file may crash its decoder, or take more memory than there is.",
            )
            write_shard(self.folder, self.plan, task.shard, [row], name=name)
            advance(1)
        return name


def run_in_processes(
    supervisors: Sequence[Supervisor], tasks: Sequence[Task], advance: Callable[[int], None]
) -> Iterator[tuple[int, Counts]]:
    """Run tasks in several workers at once; yields shards as they are done.

    Leaving the loop, by an error or Ctrl-C, stops the workers at once.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve(supervisor: Supervisor) -> None:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                counts = supervisor.run(task, lambda photos: answers.put(photos))
                answers.put((task.shard, counts))
            except Stopped:
                return
            except (SeewhyError, OSError, ValueError) as error:
                answers.put(error)
                return

    threads = [threading.Thread(target=serve, args=(one,), daemon=True) for one in supervisors]
    for thread in threads:
        thread.start()
    left = len(tasks)
    try:
        while left:
            answer = answers.get()
            if isinstance(answer, int):
                advance(answer)
            elif isinstance(answer, Exception):
                raise answer
            else:
                left -= 1
                yield answer
    finally:
        for supervisor in supervisors:
            supervisor.worker.stop()
        for thread, supervisor in zip(threads, supervisors, strict=True):
            thread.join()
            supervisor.worker.close()
