"""Run a function over many jobs, on this machine or on a cluster; one failure does not end the run.

A job that fails, or whose worker dies (out of memory, a crashed decoder, a lost machine), is
retried once; a second failure affects only that job. The worker pools are
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
_MAX_ATTEMPTS = 2


def check_workers(workers: int, engine: str) -> None:
    """Raise ConfigError for an invalid number of workers or an unknown engine."""
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
    """Yield ``(job, result)`` in order of completion.

    Args:
        setup: called once in each worker; returns the function to call with each job. Picklable.
        jobs: picklable.
        workers: maximum number of workers, each with one thread; 0 runs the jobs in this process.
        engine: ``processes`` on this machine, or ``ray``.
        address: address of a running Ray cluster; None starts one on this machine.

    Yields:
        Each job with its result, or with a :class:`Failed` that describes the last error in a line.

    Raises:
        Stop: a job raised it.
        ConfigError: an unknown engine, no such cluster, or an invalid number of workers.
        LipsyncError: the workers die on start-up.
        Exception: whatever ``setup`` raises.
    """
    check_workers(workers, engine)
    if workers == 0:
        function = setup()
        for job in jobs:
            answer = call(function, job)  # lets Stop through
            yield job, call(function, job) if isinstance(answer, Failed) else answer
        return
    if not jobs:
        return
    pool = _pool(setup, engine, address, min(workers, len(jobs)))
    try:
        yield from _distribute(pool, jobs, workers)
    finally:
        pool.close()


def _pool(setup: Callable, engine: str, address: str | None, workers: int) -> Pool:
    if engine == "ray":
        from data_prep.cluster import Cluster  # an optional dependency

        return Cluster(setup, address, workers)
    return Processes(setup)


def _distribute(pool: Pool, jobs: Sequence[Any], max_workers: int) -> Iterator[tuple[Any, Any]]:
    waiting = deque((job, 1) for job in jobs)  # with the number of the attempt
    attempts: dict[Worker, int] = {}
    died_early = 0
    workers = [pool.start() for _ in range(min(max_workers, len(jobs)))]
    try:
        while True:
            for worker in [w for w in workers if w.job is None]:
                if not waiting:
                    worker.end()
                    workers.remove(worker)
                elif worker.ready:
                    job, attempts[worker] = waiting.popleft()
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
                    if died_early > max_workers:
                        raise LipsyncError(f"the worker processes die on start-up: {answer}")
                    workers.append(pool.start())
                if isinstance(answer, Stop):
                    raise answer
                if job is None:
                    continue
                if isinstance(answer, Failed) and attempts[worker] < _MAX_ATTEMPTS:
                    waiting.append((job[0], attempts[worker] + 1))
                else:
                    yield job[0], answer
    finally:
        for worker in workers:
            worker.end()
