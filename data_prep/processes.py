"""A pool of local processes; if one dies, only its current job is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from data_prep.pool import Died, Pool, Stop, Worker, call
from lipsync.processes import Child

# read when numpy is imported
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Processes(Pool):
    """A pool of spawned processes, each with a pipe."""

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
        self._child = Child(partial(_work, setup), ONE_THREAD)
        self.connection = self._child.connection

    def _send(self, job: Any) -> None:
        self._child.send((job,))

    def _receive(self) -> Any:
        try:
            return self._child.receive()
        except EOFError as death:
            return Died(f"the worker process died ({death})")

    def end(self) -> None:
        self._child.end()


def _work(setup: Callable, connection: Connection) -> None:
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
