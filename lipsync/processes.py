"""Worker processes that end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any


class Child:
    """A spawned process with a pipe to it.

    When a worker is killed, ``concurrent.futures`` abandons the whole pool, and
    ``multiprocessing.Pool`` waits for ever. Here its death is detected, and only its current task
    is lost.

    Args:
        work: called in the process with its end of the pipe; picklable.
        environment: environment variables to set for the process.

    Attributes:
        connection: the parent's end of the pipe.
    """

    def __init__(
        self, work: Callable[[Connection], None], environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("spawn")  # forking with torch's threads can hang
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
        theirs.close()  # so that the child's death closes the pipe

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send(self, value: Any) -> None:
        """Send a value; if the process is dead, does nothing, and :meth:`receive` raises."""
        with suppress(BrokenPipeError):
            self.connection.send(value)

    def receive(self) -> Any:
        """Receive the next value.

        Raises:
            EOFError: the process is dead; the message has its exit code.
        """
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise EOFError(f"exit code {self._process.exitcode}") from None

    def end(self, patience: float = 0.0) -> None:
        """Close the pipe, and kill the process if it does not end within ``patience`` seconds."""
        self.connection.close()
        self._process.join(patience)
        self._process.kill()
        self._process.join()


def _run(connection: Connection, work: Callable[[Connection], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # the parent has closed the pipe, or was interrupted and reports that itself
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        work(connection)


def _end_with_parent() -> None:
    """Exit when the parent dies, as a killed parent cannot stop its children."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
