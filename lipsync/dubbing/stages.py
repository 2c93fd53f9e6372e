"""Concurrent stages of a pipeline, each an iterator in its own thread.

A stage is a generator over the previous one. Threads are connected by short queues, so that fast
stages wait for slow ones and memory is bounded. Decoding, networks and encoding release the GIL, so
threads suffice to keep all cores busy.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_END = object()
_POLL = 0.1  # polling interval in seconds of waiting threads for the stop event


class Stages:
    """A set of stages, with the time that each was busy.

    Use as a context manager: when the block ends, also by an error or Ctrl-C, all threads are
    stopped and joined.

    Args:
        overlap: ``False`` runs all stages in the calling thread.
    """

    def __init__(self, overlap: bool = True) -> None:
        self.overlap = overlap
        self.seconds: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def add(
        self,
        name: str,
        stage: Callable[[Iterator[T]], Iterator[R]],
        items: Iterable[T] = (),
        room: int = 2,
    ) -> Iterator[R]:
        """Run ``stage(items)`` ahead of its consumer, in a thread.

        Args:
            name: name under which busy time is counted, without the time waiting for ``items``.
            stage: a generator function.
            items: input, usually the iterator of an earlier stage.
            room: maximum number of items queued for the next stage.

        Yields:
            The items of the stage. Its exceptions are raised here.
        """
        self.seconds[name] = 0.0
        results = self._timed(name, stage, items)
        return self._run_ahead(name, results, room) if self.overlap else results

    @contextmanager
    def working(self, name: str) -> Iterator[None]:
        """Count the block as busy time of a stage that runs in the calling thread."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def _timed(self, name: str, stage: Callable, items: Iterable) -> Generator:
        waited = 0.0

        def timed_items() -> Iterator:
            nonlocal waited
            source = iter(items)
            while True:
                start = time.perf_counter()
                item = next(source, _END)
                waited += time.perf_counter() - start
                if item is _END:
                    return
                yield item

        # a generator, even if the stage returns none
        working = (item for item in stage(timed_items()))
        try:
            while True:
                start, waited = time.perf_counter(), 0.0
                item = next(working, _END)
                self.seconds[name] += time.perf_counter() - start - waited
                if item is _END:
                    return
                yield item
        finally:
            working.close()

    def _run_ahead(self, name: str, results: Generator[T, None, None], room: int) -> Iterator[T]:
        ready: queue.Queue = queue.Queue(maxsize=room)

        def offer(item: object) -> bool:
            while not self._stop.is_set():
                try:
                    ready.put(item, timeout=_POLL)
                    return True
                except queue.Full:
                    continue
            return False

        def work() -> None:
            try:
                for item in results:
                    if not offer((item, None)):
                        return
                offer((_END, None))
            except BaseException as error:  # passed on to the consumer
                offer((_END, error))
            finally:
                results.close()

        thread = threading.Thread(target=work, name=f"dub {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return self._receive(ready)

    def _receive(self, ready: queue.Queue) -> Iterator:
        while not self._stop.is_set():
            try:
                item, error = ready.get(timeout=_POLL)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
