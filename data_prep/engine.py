"""Run one function over many jobs, on this machine or on a cluster, each job's failure its own.

A job that fails, or whose worker dies (out of memory, a decoder that crashes, a machine that goes),
is tried once more by another worker; what fails again costs that one job. The crews that do the
work are :mod:`data_prep.processes` and :mod:`data_prep.cluster`.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lipsync.errors import ConfigError, LipsyncError

ENGINES = ("processes", "ray")
_TRIES = 2


class Failed(Exception):
    """What a job yields in place of its result: the function raised, or its worker died."""


class Died(Failed):
    """The worker is gone."""


class Stop(LipsyncError):
    """Raised by a job where no other job can go on either; ends the run."""


class Worker(ABC):
    """Something that does one job after the other, elsewhere.

    Attributes:
        job: what it holds, in a tuple; None if it is idle.
        ready: it has said that its setup is done.
    """

    def __init__(self) -> None:
        self.job: tuple[Any] | None = None
        self.ready = False

    def give(self, job: Any) -> None:
        """Have it do a job; only when it is ready and idle."""
        self.job = (job,)
        self._send(job)

    def take(self) -> Any:
        """What it has answered: None for its setup, else a job's result; :class:`Died` if it has.

        Raises:
            Exception: what the setup raised.
        """
        answer = self._receive()
        if isinstance(answer, Died):
            return answer
        if not self.ready:
            self.ready = True
            if answer is not None:
                raise answer
        self.job = None
        return answer

    @abstractmethod
    def _send(self, job: Any) -> None: ...

    @abstractmethod
    def _receive(self) -> Any: ...

    @abstractmethod
    def end(self) -> None:
        """Take it away, whatever it is doing."""


class Crew(ABC):
    """Where workers come from."""

    @abstractmethod
    def start(self) -> Worker:
        """A new worker, which begins with its setup."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker]) -> list[Worker]:
        """Those of which at least one has answered or died; waits until there is one."""

    def close(self) -> None:  # noqa: B027
        """Let go of what the crew holds, once its workers are gone."""


def run_jobs(
    setup: Callable[[], Callable[[Any], Any]],
    jobs: Sequence[Any],
    workers: int,
    engine: str = "processes",
    address: str | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Yield ``(job, result)`` as results come, in no fixed order.

    Args:
        setup: called once in each worker; returns the function to call with each job. Picklable.
        jobs: picklable.
        workers: at most so many at a time, each with one thread; 0 runs the jobs in this process.
        engine: ``processes`` of this machine, or ``ray``.
        address: of a Ray cluster that runs already; None starts one on this machine.

    Yields:
        The result, or a :class:`Failed` that says in one line what went wrong the last time.

    Raises:
        Stop: as the job that raised it.
        ConfigError: no such engine, or no such cluster.
        Exception: whatever ``setup`` raises, as without it no job can run.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine}: there are {', '.join(ENGINES)}")
    if workers == 0:
        function = setup()
        for job in jobs:
            answer = call(function, job)  # a Stop passes through
            yield job, call(function, job) if isinstance(answer, Failed) else answer
        return
    if not jobs:
        return
    crew = _crew(setup, engine, address, min(workers, len(jobs)))
    try:
        yield from _share_out(crew, jobs, workers)
    finally:
        crew.close()


def _crew(setup: Callable, engine: str, address: str | None, workers: int) -> Crew:
    if engine == "ray":
        from data_prep.cluster import Cluster

        return Cluster(setup, address, workers)
    from data_prep.processes import Processes

    return Processes(setup)


def _share_out(crew: Crew, jobs: Sequence[Any], most: int) -> Iterator[tuple[Any, Any]]:
    waiting = deque((job, 1) for job in jobs)  # with the number of the try
    tries: dict[Worker, int] = {}
    died_early = 0
    workers = [crew.start() for _ in range(min(most, len(jobs)))]
    try:
        while True:
            for worker in [w for w in workers if w.job is None]:
                if not waiting:
                    worker.end()
                    workers.remove(worker)
                elif worker.ready:
                    job, tries[worker] = waiting.popleft()
                    worker.give(job)
            if not workers:
                return
            for worker in crew.wait(workers):
                job = worker.job
                answer = worker.take()
                if isinstance(answer, Died):
                    worker.end()
                    workers.remove(worker)
                    died_early += job is None
                    if died_early > most:
                        raise LipsyncError(f"workers die before they begin: {answer}")
                    workers.append(crew.start())
                if isinstance(answer, Stop):
                    raise answer
                if job is None:
                    continue
                if isinstance(answer, Failed) and tries[worker] < _TRIES:
                    waiting.append((job[0], tries[worker] + 1))
                else:
                    yield job[0], answer
    finally:
        for worker in workers:
            worker.end()


def call(function: Callable, job: Any) -> Any:
    """The result of one job, or :class:`Failed` with the place of what it raised; Stop passes."""
    try:
        return function(job)
    except Stop:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        return Failed(f"{type(error).__name__}: {text} ({where.name}, line {where.lineno})")
