"""Run one function over many jobs in processes, each job's failure its own.

``concurrent.futures`` gives the whole pool up when a worker is killed (out of memory, a decoder
that crashes), and ``multiprocessing.Pool`` waits for ever. Here a worker that dies costs the job
it held.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from lipsync.errors import LipsyncError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Failed(Exception):
    """What a job yields in place of its result: the function raised, or its worker died."""


class Stop(LipsyncError):
    """Raised by a job where no other job can go on either; ends the run."""


def run_jobs(
    setup: Callable[[], Callable[[Any], Any]], jobs: Sequence[Any], workers: int
) -> Iterator[tuple[Any, Any]]:
    """Yield ``(job, result)`` as results come, in no fixed order.

    Args:
        setup: called once in each worker; returns the function to call with each job. Picklable.
        jobs: picklable.
        workers: processes, each with one thread; 0 runs the jobs in this process.

    Yields:
        The result, or a :class:`Failed` that says in one line what went wrong.

    Raises:
        Stop: as the job that raised it.
        Exception: whatever ``setup`` raises, as without it no job can run.
    """
    if workers == 0:
        function = setup()
        yield from ((job, _call(function, job)) for job in jobs)  # a Stop passes through
        return
    pending = list(reversed(jobs))
    pool = [_Worker(setup) for _ in range(min(workers, len(jobs)))]
    try:
        while pool:
            for worker in [w for w in pool if w.idle]:
                if not pending:
                    worker.stop()
                    pool.remove(worker)
                elif worker.ready:
                    worker.give(pending.pop())
            if not pool:
                return
            for connection in wait([w.connection for w in pool]):
                worker = next(w for w in pool if w.connection is connection)
                job = worker.job
                answer = worker.take()
                if isinstance(answer, _Died):
                    pool.remove(worker)
                    if job is None:
                        raise RuntimeError(f"a worker did not start: {answer}")
                    pool.append(_Worker(setup))
                if isinstance(answer, Stop):
                    raise answer
                if job is not None:
                    yield job[0], answer
    finally:
        for worker in pool:
            worker.kill()


class _Died(Failed):
    """The worker is gone."""


class _Worker:
    """A process and the job that it holds."""

    def __init__(self, setup: Callable) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.job: tuple[Any] | None = None
        self.ready = False  # it has said that its setup is done
        self._process = context.Process(target=_work, args=(theirs, setup), daemon=True)
        kept = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # numpy reads these as it loads
        try:
            self._process.start()
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()  # so that its death is seen as an end of file

    @property
    def idle(self) -> bool:
        return self.job is None

    def give(self, job: Any) -> None:
        self.job = (job,)
        self.connection.send(self.job)

    def take(self) -> Any:
        """The answer that is waiting; raises what the setup raised."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return _Died(f"the worker process died (exit code {self._process.exitcode})")
        if not self.ready:
            self.ready = True
            if answer is not None:
                raise answer
        self.job = None
        return answer

    def stop(self) -> None:
        self.connection.close()
        self._process.join()

    def kill(self) -> None:
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
                connection.send(_call(function, job))
            except Stop as stop:
                connection.send(stop)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # the parent has no more jobs, or was interrupted and says so itself


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its workers, and the next run must not meet them."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _call(function: Callable, job: Any) -> Any:
    try:
        return function(job)
    except Stop:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        return Failed(f"{type(error).__name__}: {text} ({where.name}, line {where.lineno})")
