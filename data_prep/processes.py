"""A pool of processes on this machine.

``concurrent.futures`` gives the whole pool up when a worker is killed, and ``multiprocessing.Pool``
waits for ever. Here a worker that dies is seen, and costs the job it held.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from data_prep.pool import Died, Pool, Stop, Worker, call

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Processes(Pool):
    """Spawned processes, each with a pipe."""

    def __init__(self, setup: Callable) -> None:
        self._setup = setup

    def start(self) -> Worker:
        return _Process(self._setup)

    def wait(self, workers: Sequence[_Process]) -> list[_Process]:
        answered = wait([worker.connection for worker in workers])
        return [worker for worker in workers if worker.connection in answered]


class _Process(Worker):
    def __init__(self, setup: Callable) -> None:
        super().__init__()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, setup), daemon=True)
        kept = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)  # numpy reads these as it loads
        try:
            self._process.start()
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()  # so that its death is seen as an end of file

    def _send(self, job: Any) -> None:
        with suppress(BrokenPipeError):  # it is dead, which is what waiting for its answer finds
            self.connection.send((job,))

    def _receive(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return Died(f"the worker process died (exit code {self._process.exitcode})")

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()


def _work(connection: Connection, setup: Callable) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            function = setup()
        except Exception as error:
            connection.send(error)
            return
        connection.send(None)
        while True:
            (job,) = connection.recv()
            try:
                connection.send(call(function, job))
            except Stop as stop:
                connection.send(stop)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # the parent has no more jobs, or was interrupted and says so itself


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its workers, and the next run must not meet them."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
