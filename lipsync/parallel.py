"""Work on several items at once, in threads: networks and codecs let go of Python's lock."""

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
    """``work(item)`` for each item, in order, ``workers`` of them at a time.

    Args:
        items: read as far ahead as there are workers.
        work: called in threads.
        workers: how many threads.
        start: called once in each thread before its work.
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
