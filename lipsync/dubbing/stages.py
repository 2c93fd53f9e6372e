"""Stages of a pipeline that work at the same time: each an iterator in a thread of its own.

A stage is a generator over the one before it. Between two threads lies a short queue, so that a
fast stage waits for a slow one and memory stays bounded. Decoding, networks and encoding let go of
Python's lock while they work, so that threads are enough to keep all cores busy.
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
_LOOK = 0.1  # seconds after which a waiting thread looks whether it is still wanted


class Stages:
    """Stages that end together, and how long each was at work.

    Use it as a context: when the block ends, well or by an error or Ctrl-C, every thread is told to
    stop and waited for.

    Args:
        overlap: ``False`` runs all in the calling thread, in turn.
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
        """The items of ``stage(items)``, made ahead of their use in a thread.

        Args:
            name: under which its seconds are counted, those it waits for ``items`` left out.
            stage: a generator function.
            items: what it reads: usually the iterator of an earlier stage.
            room: items that may wait between this stage and the next.

        Yields:
            What the stage yields. What it raises is raised here.
        """
        self.seconds[name] = 0.0
        made = self._timed(name, stage, items)
        return self._ahead(name, made, room) if self.overlap else made

    @contextmanager
    def working(self, name: str) -> Iterator[None]:
        """Count the block as work of a stage that the calling thread does itself."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def _timed(self, name: str, stage: Callable, items: Iterable) -> Generator:
        waited = 0.0

        def watched() -> Iterator:
            nonlocal waited
            source = iter(items)
            while True:
                start = time.perf_counter()
                item = next(source, _END)
                waited += time.perf_counter() - start
                if item is _END:
                    return
                yield item

        working = (item for item in stage(watched()))  # a generator, whatever the stage gives
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

    def _ahead(self, name: str, made: Generator[T, None, None], room: int) -> Iterator[T]:
        ready: queue.Queue = queue.Queue(maxsize=room)

        def offer(item: object) -> bool:
            while not self._stop.is_set():
                try:
                    ready.put(item, timeout=_LOOK)
                    return True
                except queue.Full:
                    continue
            return False

        def work() -> None:
            try:
                for item in made:
                    if not offer((item, None)):
                        return
                offer((_END, None))
            except BaseException as error:  # whatever it is, the reader is told
                offer((_END, error))
            finally:
                made.close()

        thread = threading.Thread(target=work, name=f"dub {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return self._taken(ready)

    def _taken(self, ready: queue.Queue) -> Iterator:
        while not self._stop.is_set():
            try:
                item, error = ready.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
