"""Bodies of requests: bounded each and together, and not waited for at any pace."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from seewhy.serving.guard import refuse

MEMORY = 96 * 2**20
"""Bytes of bodies that are held at a time, whoever sends them."""

CHUNK_SECONDS = 10.0
"""Between two pieces of a body, and before its pace counts."""

PACE = 20 * 2**10
"""Bytes per second that come at least; what trickles more slowly would not end in time anyway."""

UPLOAD_SECONDS = 60.0
"""Of one body, however its pieces trickle."""

LATE_MESSAGE = "The upload did not arrive in time. Try again."


class Refused(Exception):
    """A body that is not read to its end."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = refuse(status, message)
        self.response.headers["Connection"] = "close"


class Bodies:
    """Reads bodies; all that are held together have a bound, and the others wait.

    Args:
        chunk_seconds: what a body may wait between two pieces.
        memory: bytes that are held at a time.
    """

    def __init__(self, *, chunk_seconds: float = CHUNK_SECONDS, memory: int = MEMORY) -> None:
        self.chunk_seconds = chunk_seconds
        self.memory = memory
        self.held = 0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def read(self, request: Request, most: int, what: str) -> AsyncIterator[bytes]:
        """Yield a body of at most `most` bytes, and hold it until the block ends.

        Raises:
            Refused: it is larger (told by its header before anything is read), or it does not come.
        """
        large = f"{what} larger than {most / 2**20:.3g} MB. Send a smaller one."
        length = request.headers.get("content-length", "0")
        if not (length.isdecimal() and len(length) < 20 and int(length) <= most):
            raise Refused(413, large)
        content = io.BytesIO()
        try:
            try:
                await self._fill(content, request, most, large)
            except TimeoutError as error:
                raise Refused(408, LATE_MESSAGE) from error
            except ClientDisconnect as error:
                raise Refused(400, "The upload was cut off. Try again.") from error
            yield content.getvalue()
        finally:
            async with self._changed:
                self.held -= content.tell()
                self._changed.notify_all()

    async def _fill(self, content: io.BytesIO, request: Request, most: int, large: str) -> None:
        chunks = request.stream()
        started = time.monotonic()
        while True:
            passed = time.monotonic() - started
            if passed > self.chunk_seconds and content.tell() < PACE * passed:
                raise TimeoutError
            left = min(self.chunk_seconds, UPLOAD_SECONDS - passed)
            try:
                chunk = await asyncio.wait_for(anext(chunks), max(left, 0))
            except StopAsyncIteration:
                return
            if content.tell() + len(chunk) > most:
                raise Refused(413, large)
            async with self._changed:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: self.held + len(chunk) <= self.memory),  # noqa: B023
                    max(UPLOAD_SECONDS - passed, 0),
                )
                self.held += len(chunk)
                content.write(chunk)
