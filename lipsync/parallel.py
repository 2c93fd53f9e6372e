"""Parallel work in threads: networks and codecs release the GIL."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(
    items: Iterable[T],
    work: Callable[[T], R],
    workers: int,
    start: Callable[[], None] | None = None,
) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in order, computed by ``workers`` threads.

    Args:
        items: read ahead by the number of workers.
        work: called in the threads.
        workers: number of threads.
        start: called once in each thread, first.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, "lipsync", initializer=start) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
