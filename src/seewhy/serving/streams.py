"""How an answer is streamed while it is computed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from seewhy.errors import SeewhyError
from seewhy.progress import Progress
from seewhy.serving.frames import frame
from seewhy.serving.work import Job, Worker

HEARTBEAT = 0.5
"""Seconds between two signs of life while nothing else is to be said."""


class Stream:
    """One question on its way: queued at once, then told frame by frame.

    Raises:
        Busy: the model's queue is full.
    """

    def __init__(self, worker: Worker, work: Callable[[Progress], bytes], *, quick: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.job = Job(work, self._report, quick=quick)
        self._ahead = worker.submit(self.job)

    def _report(self, kind: str, value: Any) -> None:
        # The loop is closed when the server stops under a running question.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, (kind, value))

    async def frames(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield progress, then the result or an error; whoever leaves cancels the work."""
        try:
            yield first + (frame({"kind": "queued", "ahead": self._ahead}) if self._ahead else b"")
            while True:
                try:
                    kind, value = await asyncio.wait_for(self._events.get(), HEARTBEAT)
                except TimeoutError:
                    yield frame({"kind": "alive"})
                    continue
                if kind == "progress":
                    yield frame({"kind": "progress", "done": value[0], "total": value[1]})
                    continue
                if kind == "result":
                    yield value
                elif kind == "error":
                    yield frame({"kind": "error", "message": sentence(value)})
                return
        finally:
            self.job.cancel()


def sentence(error: BaseException) -> str:
    """Say what went wrong: our own messages as they are, others with their type."""
    if isinstance(error, SeewhyError):
        text = str(error)
        return text[:1].upper() + text[1:]
    first = (str(error).strip().splitlines() or [""])[0][:300]
    return (
        f"The model failed on this question ({type(error).__name__}: {first}). "
        "The server keeps running."
    )
