"""A process that does what it is sent, and ends with the one that started it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any


class Child:
    """A spawned process, and a pipe to it.

    ``concurrent.futures`` gives a whole pool up when a worker is killed, ``multiprocessing.Pool``
    waits for ever. Here the death of a process is seen, and costs what it was doing.

    Args:
        work: called in the process with its end of the pipe. Picklable.
        environment: variables that are other ones while it loads.

    Attributes:
        connection: this end of the pipe.
    """

    def __init__(
        self, work: Callable[[Connection], None], environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("spawn")  # forking under torch's threads can hang
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, work), daemon=True)
        given = dict(environment or {})
        kept = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            self._process.start()
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()  # so that its death is seen as an end of file

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send(self, value: Any) -> None:
        """Send it something; nothing happens if it is dead, which :meth:`receive` says."""
        with suppress(BrokenPipeError):
            self.connection.send(value)

    def receive(self) -> Any:
        """What it sends next.

        Raises:
            EOFError: it is dead; the message is its exit code.
        """
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise EOFError(f"exit code {self._process.exitcode}") from None

    def end(self, patience: float = 0.0) -> None:
        """Close the pipe, and kill it if it has not ended within ``patience`` seconds."""
        self.connection.close()
        self._process.join(patience)
        self._process.kill()
        self._process.join()


def _run(connection: Connection, work: Callable[[Connection], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # the parent wants nothing more, or was interrupted and says so itself
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        work(connection)


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its processes, and the next run must not meet them."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
