"""Base classes of worker pools: workers take jobs and return results."""

from __future__ import annotations

import errno
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lipsync.data.places import Place
from lipsync.errors import LipsyncError, MediaError

_NO_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


class Failed(Exception):
    """Returned in place of a job's result if the function raised or the worker died."""


class Died(Failed):
    """The worker has died."""


class Stop(LipsyncError):
    """Raised by a job to end the whole run, as no other job could succeed either."""


@contextmanager
def writing_to(output: Path) -> Iterator[None]:
    """Raise :class:`Stop` if the folder cannot be written, for example because the disk is full."""
    try:
        yield
    except (OSError, MediaError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if getattr(cause, "errno", None) in _NO_OUTPUT:
            raise Stop(
                f"output={output}: cannot be written ({cause.strerror}); "
                "clips prepared so far are kept; run the same command again to continue"
            ) from error
        raise


@contextmanager
def storing(place: Place) -> Iterator[None]:
    """Like :func:`writing_to`, for a folder or URL."""
    try:
        with writing_to(Path(place.root)):
            yield
    except Stop:
        raise
    except LipsyncError as error:
        raise Stop(str(error)) from error


class Worker(ABC):
    """A worker, which runs one job at a time in another process.

    Attributes:
        job: the current job in a tuple, or None if idle.
        ready: whether the setup has finished.
    """

    def __init__(self) -> None:
        self.job: tuple[Any] | None = None
        self.ready = False

    def submit(self, job: Any) -> None:
        """Start a job; the worker must be ready and idle."""
        self.job = (job,)
        self._send(job)

    def result(self) -> Any:
        """Return the next answer: None after the setup, a job's result, or :class:`Died`.

        Raises:
            Exception: whatever the setup raised.
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
        """Kill the worker, even during a job."""


class Pool(ABC):
    """A source of workers."""

    @abstractmethod
    def start(self) -> Worker:
        """Start a new worker, which first runs its setup."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker]) -> list[Worker]:
        """Wait for at least one worker to answer or die; return those that have."""

    def close(self) -> None:  # noqa: B027
        """Release the pool's resources, after its workers have ended."""


def call(function: Callable, job: Any) -> Any:
    """Run a job; return its result, or :class:`Failed` with the error and the line that raised it.

    Raises:
        Stop: raised by the job.
    """
    try:
        return function(job)
    except Stop:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        return Failed(f"{type(error).__name__}: {text} ({where.name}, line {where.lineno})")
