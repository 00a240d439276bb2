"""Work in threads besides the caller's own: results in order, with bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from seewhy.errors import SeewhyError

T = TypeVar("T")
R = TypeVar("R")

THREADS = max(1, min(4, os.cpu_count() or 1))
"""Threads that decode, or draw, while another one runs the network."""


def map_ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    threads: int = THREADS,
    ahead: int = 16,
    fill: bool = True,
    weigh: Callable[[R], int] | None = None,
    budget: int = 2**27,
) -> Iterator[R]:
    """Yield `function` of every item, in the order of the items, computed ahead in threads.

    The items are drawn from their iterator in the caller's thread; if that fails, or is interrupted
    by Ctrl-C, items that were started are yielded first. Closing the iterator (leaving the loop)
    drops items that have not started and waits for the others.

    Args:
        function: run in threads; what it raises is raised where its result would be.
        items: drawn when there is room.
        threads: the number of threads.
        ahead: the most items that are started, or done and not yet taken.
        fill: start as many as there is room for before a result is yielded (items are cheap to
            draw); otherwise yield each as soon as it is ready (items are expensive to draw).
        weigh: bytes of a result; if given, fewer are ahead when `ahead` of the heaviest so far
            would exceed `budget`, but never fewer than `threads`.
        budget: bytes.
    """
    pending: deque[Future[R]] = deque()
    heaviest = 1
    stopped: BaseException | None = None
    pool = ThreadPoolExecutor(threads, thread_name_prefix="seewhy-photos")
    iterator = iter(items)
    try:
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                break
            except (KeyboardInterrupt, SeewhyError) as error:
                stopped = error  # items that were started are still yielded
                break
            pending.append(pool.submit(function, item))
            while pending and (
                len(pending) >= max(threads, min(ahead, budget // heaviest))
                or (pending[0].done() and not fill)
            ):
                result = pending.popleft().result()
                heaviest = max(heaviest, weigh(result) if weigh else 1)
                yield result
        while pending:
            yield pending.popleft().result()
        if stopped is not None:
            raise stopped
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
