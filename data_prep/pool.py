"""What every pool of workers has in common: jobs submitted to workers, results that come back."""

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
    """What a job yields in place of its result: the function raised, or its worker died."""


class Died(Failed):
    """The worker is gone."""


class Stop(LipsyncError):
    """Raised by a job where no other job can go on either; ends the run."""


@contextmanager
def writing_to(output: Path) -> Iterator[None]:
    """Raise :class:`Stop` where the folder cannot be written, a disk that is full among it."""
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
    """The same for a place that may be behind a URL."""
    try:
        with writing_to(Path(place.root)):
            yield
    except Stop:
        raise
    except LipsyncError as error:
        raise Stop(str(error)) from error


class Worker(ABC):
    """Something that does one job after the other, elsewhere.

    Attributes:
        job: what it holds, in a tuple; None if it is idle.
        ready: it has said that its setup is done.
    """

    def __init__(self) -> None:
        self.job: tuple[Any] | None = None
        self.ready = False

    def submit(self, job: Any) -> None:
        """Have it do a job; only when it is ready and idle."""
        self.job = (job,)
        self._send(job)

    def result(self) -> Any:
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
        """Kill it, whatever it is doing."""


class Pool(ABC):
    """Where workers come from."""

    @abstractmethod
    def start(self) -> Worker:
        """A new worker, which begins with its setup."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker]) -> list[Worker]:
        """Those of which at least one has answered or died; waits until there is one."""

    def close(self) -> None:  # noqa: B027
        """Release what the pool holds, once its workers are gone."""


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
