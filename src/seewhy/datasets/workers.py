"""Worker processes, watched: one that dies or hangs starts again, and its photo is found."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seewhy import errors
from seewhy.datasets.asking import BEGIN, END
from seewhy.datasets.manifest import Item
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.settings import WORKER_TIMEOUT
from seewhy.datasets.shards import Counts, Task
from seewhy.datasets.storage import Folder
from seewhy.errors import ModelError, SeewhyError

ATTEMPTS = 2
"""How often a worker may die that is at no photo, such as while it writes a shard."""

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables by which the frameworks take the number of threads."""

STARTS = 3
"""How often a worker is started that is killed before it has loaded the network."""

SECONDS_TO_END = 10.0
"""Seconds that a killed process has to be gone: one that waits for a dead disk stays for ever."""


class WorkerDied(Exception):
    """The process is gone without an answer.

    Attributes:
        photos: the paths of those that it had begun, and not done.
        hung: True where it was killed because it made no progress.
    """

    def __init__(self, reason: str, photos: Collection[str], *, hung: bool) -> None:
        super().__init__(reason)
        self.photos, self.hung = photos, hung


class Stopped(Exception):
    """The run is stopped: nothing may be started or written any more."""


class WorkerProcess:
    """One worker process, started when it is first needed, and again after it has died.

    It is killed where it says nothing for `timeout` seconds.

    Attributes:
        begun: the paths of photos that the process has begun, and not done.
        hung: True where it said nothing for too long.
    """

    def __init__(
        self,
        folder: Folder,
        model: ModelArguments,
        *,
        threads: int | None = None,
        timeout: int = WORKER_TIMEOUT.default,
    ) -> None:
        self.folder = folder
        self.model = model
        self.threads = threads
        self.timeout = timeout
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.begun: set[str] = set()
        self.hung = False
        self.listener: threading.Thread | None = None
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
        self.begun.clear()
        try:
            process.stdin.write(json.dumps(vars(task)) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise self._death() from error
        for message in self._answers():
            self.begun.update(message.get(BEGIN, ()))
            self.begun.difference_update(message.get(END, ()))
            if "advance" in message:
                advance(message["advance"])
            elif "done" in message:
                return Counts(**message["done"])
        raise self._death()

    def _answers(self) -> Iterator[Mapping[str, Any]]:
        """Yield what the process says; an error that it tells of is raised."""
        while True:
            try:
                line = self.lines.get(timeout=self.timeout)
            except queue.Empty:
                self.hung = True
                return
            if not line.endswith("\n"):  # the end, or the line in which it was killed
                return
            message = json.loads(line)
            if "error" in message:
                self.close()
                raise _error(message)
            yield message

    def _started(self) -> subprocess.Popen[str]:
        """Return the process, with its network loaded."""
        if self.process is not None and self.process.poll() is None:
            return self.process
        for _ in range(STARTS):
            self.close()
            process = self._start()
            if any("ready" in message for message in self._answers()):
                return process
            death = self._death()
            if death.hung:
                raise ModelError(
                    f"A worker has not loaded the network within {self.timeout} seconds. Give it "
                    "more with worker_timeout (--worker-timeout), or run without workers to see "
                    "what it waits for."
                )
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
        self.begun, self.hung, self.lines = set(), False, queue.SimpleQueue()
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
        assert self.process.stdout is not None
        self.listener = threading.Thread(
            target=_listen, args=(self.process.stdout, self.lines.put), daemon=True
        )
        self.listener.start()
        with contextlib.suppress(OSError):  # it died already, which `_started` finds out
            self.process.stdin.write(json.dumps(asdict(self.model)) + "\n")
            self.process.stdin.flush()
        return self.process

    def _death(self) -> WorkerDied:
        if self.stopped:
            raise Stopped
        assert self.process is not None
        if self.hung:
            reason = f"no progress for {self.timeout} seconds"
        else:
            code = self.process.wait()
            reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.close()
        return WorkerDied(reason, frozenset(self.begun), hung=self.hung)

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
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it did not read what was written
                process.stdin.close()
        if self.listener is not None:
            self.listener.join(SECONDS_TO_END)
        if process.stdout is not None and process.poll() is not None:
            process.stdout.close()


def _listen(lines: Iterable[str], put: Callable[[str], None]) -> None:
    """Put every line that a process says; at its end, an empty one."""
    for line in lines:
        put(line)
    put("")


def search_path() -> list[str]:
    """Return where workers look for modules: where this process does, but not in its folder.

    A `token.py` beside the photos would be run otherwise. `python:` adds the folder by itself.
    """
    home = str(Path(errors.__file__).parents[1])
    here = Path.cwd()
    return [
        folder
        for folder in sys.path
        if folder and (folder == home or Path(folder).absolute() != here)
    ]


def _error(message: Mapping[str, str]) -> SeewhyError:
    """Return the error that a worker reported."""
    kind = getattr(errors, message["error"], ModelError)
    error: SeewhyError = kind(message["message"])
    return error


@dataclass(frozen=True, eq=False)
class Supervisor:
    """Runs shards in a worker, whatever they do to it.

    A worker that dies or hangs has told which photos it was at. The next one tries these first,
    each alone: one at which it dies again becomes a failed row, 'worker-died' or 'worker-hung'.
    """

    items: Sequence[Item]
    worker: WorkerProcess

    def run(self, task: Task, advance: Callable[[int], None]) -> Counts:
        """Run a shard to its end, and return what it counts.

        Raises:
            ModelError: workers die at no photo.
        """
        tried, deaths = task, 0
        while True:
            done = 0

            def count(photos: int) -> None:
                nonlocal done
                done += photos
                advance(photos)

            try:
                return self.worker.run(tried, count)
            except WorkerDied as death:
                advance(-done)
                photos = self._numbers(task, death.photos)
                if not photos:
                    deaths += 1
                if deaths == ATTEMPTS:
                    raise ModelError(
                        f"A worker died ({death}) {ATTEMPTS} times while it was at no photo, such "
                        "as while it wrote a shard. Its own words are above; it may need more "
                        "memory than there is: give fewer workers, or a smaller shard_size."
                    ) from death
                tried = _after(tried, photos, death)

    def _numbers(self, task: Task, paths: Collection[str]) -> set[int]:
        return {item.photo_id for item in self.items[task.start : task.stop] if item.path in paths}


def _after(task: Task, photos: set[int], death: WorkerDied) -> Task:
    """Return a task with what the death of its worker at some photos tells."""
    alone = set(task.alone)
    if not photos or not photos <= alone:
        return replace(task, alone=tuple(sorted(alone | photos)))
    kind, verb = ("worker-hung", "hung") if death.hung else ("worker-died", "died")
    reason = f"The process that explained this photo {verb} ({death}), each time it was tried. " + (
        "Give it more time with worker_timeout (--worker-timeout), or remove the photo."
        if death.hung
        else "The file may crash its decoder, or take more memory than there is."
    )
    lost = tuple((photo, kind, reason) for photo in sorted(photos))
    return replace(task, alone=tuple(sorted(alone - photos)), lost=task.lost + lost)


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

    threads = [
        threading.Thread(target=serve, args=(supervisor,), daemon=True)
        for supervisor in supervisors
    ]
    for thread in threads:
        thread.start()
    left = len(tasks)
    try:
        while left:
            event = answers.get()
            if isinstance(event, int):
                advance(event)
            elif isinstance(event, Exception):
                raise event
            else:
                left -= 1
                yield event
    finally:
        for supervisor in supervisors:
            supervisor.worker.stop()
        for thread, supervisor in zip(threads, supervisors, strict=True):
            thread.join()
            supervisor.worker.close()
