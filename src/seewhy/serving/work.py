"""One queue per model: a model processes one question at a time, in its own thread.

A quick question does not wait for a slow one: it runs between two batches of it, at the slow one's
next report of progress, in the same thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from seewhy.progress import Progress

MOST_QUESTIONS = 8
"""Questions that a model accepts at a time, the running one included."""

REPORT_SECONDS = 0.05
"""Between two reports of progress."""

Kind = Literal["progress", "result", "error", "cancelled"]
Report = Callable[[Kind, Any], None]


class Cancelled(Exception):
    """The client has left or pressed cancel: the work stops at its next batch."""


class Busy(Exception):
    """The queue of a model is full."""


class Job:
    """One question: what to compute, and whom to tell.

    Args:
        work: computes the answer; called with a progress function, which raises `Cancelled` after
            `cancel`.
        report: called with (kind, value) in the model's thread: ('progress', (done, total)), and
            in the end exactly one of ('result', answer), ('error', exception), ('cancelled', None).
        quick: True for questions that may run between two batches of a slow one.
    """

    def __init__(self, work: Callable[[Progress], Any], report: Report, *, quick: bool) -> None:
        self.work = work
        self.report = report
        self.quick = quick
        self.cancelled = False
        self._reported = 0.0

    def cancel(self) -> None:
        """Stop at the next batch, or before the start."""
        self.cancelled = True

    def run(self, between: Callable[[], None]) -> None:
        """Compute and report; `between` is called after every batch of slow work."""

        def progress(done: int, total: int) -> None:
            if self.cancelled:
                raise Cancelled
            now = time.monotonic()
            if now - self._reported >= REPORT_SECONDS or done >= total:
                self._reported = now
                self.report("progress", (done, total))
            between()

        try:
            if self.cancelled:
                raise Cancelled
            result = self.work(progress)
        except Cancelled:
            self.report("cancelled", None)
        except BaseException as error:  # noqa: BLE001 - a model may call sys.exit
            self.report("error", error.with_traceback(None))
        else:
            self.report("result", result)
        finally:
            # What is asked and who waits know each other: without this, photos live in a circle.
            self.work, self.report = _done, _unheard


def _done(_progress: Progress) -> None:
    """Take the place of work that is finished."""


def _unheard(_kind: Kind, _value: Any) -> None:
    """Take the place of a report to someone who has had the answer."""


class Worker:
    """The thread of one model, and its queue."""

    def __init__(self, name: str, *, most: int = MOST_QUESTIONS) -> None:
        self.most = most
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"model {name}", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """How many questions are running or waiting."""
        with self._changed:
            return len(self._waiting) + len(self._running)

    def submit(self, job: Job) -> int:
        """Put a question into the queue; returns how many are ahead of it.

        Raises:
            Busy: the queue is full.
        """
        with self._changed:
            # Nobody waits any more for what was cancelled before it began.
            ahead = sum(not job.cancelled for job in (*self._running, *self._waiting))
            if ahead >= self.most:
                raise Busy
            self._waiting.append(job)
            self._changed.notify_all()
            return ahead

    def close(self) -> None:
        """Cancel everything, and let the thread end."""
        with self._changed:
            self._closed = True
            for job in (*self._running, *self._waiting):
                job.cancel()
            self._changed.notify_all()
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed and not self._waiting:
                    return
                job = self._waiting.popleft()
                self._running.append(job)
            self._run(job)

    def _run(self, job: Job) -> None:
        try:
            job.run(self._run_quick if not job.quick else _nothing)
        finally:
            with self._changed:
                self._running.remove(job)

    def _run_quick(self) -> None:
        """Run the quick questions that wait, between two batches of a slow one."""
        while True:
            with self._changed:
                job = next((job for job in self._waiting if job.quick), None)
                if job is None:
                    return
                self._waiting.remove(job)
                self._running.append(job)
            self._run(job)


def _nothing() -> None:
    """A quick question lets nobody in between."""
