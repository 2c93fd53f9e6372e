"""Run one function over many jobs, on this machine or on a cluster, each job's failure its own.

A job that fails, or whose worker dies (out of memory, a decoder that crashes, a machine that goes),
is tried once more by another worker; what fails again costs that one job. The pools of workers are
:mod:`data_prep.processes` and :mod:`data_prep.cluster`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from data_prep.pool import Died, Failed, Pool, Stop, Worker, call
from data_prep.processes import Processes
from lipsync.errors import ConfigError, LipsyncError

ENGINES = ("processes", "ray")
_TRIES = 2


def check_workers(workers: int, engine: str) -> None:
    """Raise ConfigError for what is no number of workers, or no engine."""
    if type(workers) is not int or workers < 0:
        raise ConfigError(f"workers must be a whole number, 0 or more, got {workers!r}")
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine}: must be one of {', '.join(ENGINES)}")


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
        ConfigError: no such engine or cluster, or no number of workers.
        Exception: whatever ``setup`` raises, as without it no job can run.
    """
    check_workers(workers, engine)
    if workers == 0:
        function = setup()
        for job in jobs:
            answer = call(function, job)  # a Stop passes through
            yield job, call(function, job) if isinstance(answer, Failed) else answer
        return
    if not jobs:
        return
    pool = _pool(setup, engine, address, min(workers, len(jobs)))
    try:
        yield from _share_out(pool, jobs, workers)
    finally:
        pool.close()


def _pool(setup: Callable, engine: str, address: str | None, workers: int) -> Pool:
    if engine == "ray":
        from data_prep.cluster import Cluster  # needs an extra

        return Cluster(setup, address, workers)
    return Processes(setup)


def _share_out(pool: Pool, jobs: Sequence[Any], most: int) -> Iterator[tuple[Any, Any]]:
    waiting = deque((job, 1) for job in jobs)  # with the number of the try
    tries: dict[Worker, int] = {}
    died_early = 0
    workers = [pool.start() for _ in range(min(most, len(jobs)))]
    try:
        while True:
            for worker in [w for w in workers if w.job is None]:
                if not waiting:
                    worker.end()
                    workers.remove(worker)
                elif worker.ready:
                    job, tries[worker] = waiting.popleft()
                    worker.submit(job)
            if not workers:
                return
            for worker in pool.wait(workers):
                job = worker.job
                answer = worker.result()
                if isinstance(answer, Died):
                    worker.end()
                    workers.remove(worker)
                    died_early += job is None
                    if died_early > most:
                        raise LipsyncError(f"the worker processes die on start-up: {answer}")
                    workers.append(pool.start())
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
