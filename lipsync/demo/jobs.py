"""The job queue: jobs run in a few threads, report progress, and can be cancelled."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipsync.demo.messages import Refusal, sentence
from lipsync.demo.tabs import Tab, Tabs
from lipsync.errors import LipsyncError

log = logging.getLogger(__name__)

_MAX_PER_TAB, _MAX_JOBS = 3, 32  # maximum number of queued or running jobs
WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
Report = Callable[[str, int, int | None], None]
"""Called with stage, work done and total; raises :class:`Cancelled` in a cancelled job."""


class Cancelled(Exception):
    """Raised within a cancelled job."""


@dataclass
class Job:
    """A job of a tab.

    Attributes:
        work: function called with a :data:`Report`; returns plain values for the page.
        inputs: uploads to delete when it ends, with their names on the page.
    """

    tab: Tab
    work: Callable[[Report], dict[str, Any]]
    inputs: Mapping[Path, str]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = WAITING
    stage: str = ""
    done: int = 0
    total: int | None = None
    error: str = ""
    result: dict[str, Any] | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def report(self, stage: str, done: int, total: int | None) -> None:
        """See :data:`Report`."""
        if self.stop.is_set():
            raise Cancelled
        self.stage, self.done, self.total = stage, done, total

    @property
    def ended(self) -> bool:
        return self.state in (DONE, FAILED, CANCELLED)


class Jobs:
    """The queue.

    Args:
        tabs: the tabs that own the jobs; a job's uploads are deleted when it ends.
        workers: number of jobs that run at the same time.
    """

    def __init__(self, tabs: Tabs, workers: int = 1) -> None:
        self._tabs = tabs
        self._jobs: dict[str, Job] = {}  # in order of arrival
        self._changed = threading.Condition()
        self._ending = False
        self._threads = [
            threading.Thread(target=self._work, name=f"demo job {n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def add(
        self,
        tab: Tab,
        work: Callable[[Report], dict[str, Any]],
        inputs: Mapping[Path, str],
    ) -> Job:
        """Queue a job.

        Raises:
            Refusal: the queue is full.
        """
        with self._changed:
            waiting = [job for job in self._jobs.values() if not job.ended]
            if sum(job.tab is tab for job in waiting) >= _MAX_PER_TAB:
                raise Refusal(
                    "This page already has several jobs; wait for one to finish or cancel it.", 429
                )
            if len(waiting) >= _MAX_JOBS:
                raise Refusal("The queue is full; try again later.", 503)
            job = Job(tab, work, inputs)
            self._jobs[job.id] = job
            self._changed.notify()
        return job

    def get(self, tab: Tab, name: str) -> Job:
        """A job of a tab.

        Raises:
            Refusal: it has no such job.
        """
        job = self._jobs.get(name)
        if job is None or job.tab is not tab:
            raise Refusal("There is no such job.", 404)
        return job

    def count_ahead(self, job: Job) -> int:
        """Number of jobs before this one in the queue."""
        with self._changed:
            waiting = [other for other in self._jobs.values() if other.state == WAITING]
        return waiting.index(job) if job in waiting else 0

    def busy(self, tab: Tab) -> bool:
        """Whether a tab has an unfinished job."""
        with self._changed:
            return any(job.tab is tab and not job.ended for job in self._jobs.values())

    def cancel(self, job: Job) -> None:
        """Cancel a job: at once if it is queued, else when it next reports."""
        job.stop.set()
        with self._changed:
            if job.state == WAITING:
                job.state = CANCELLED
                self._tabs.forget(job.tab, *job.inputs)

    def cancel_all(self, tab: Tab) -> None:
        """Cancel and forget all jobs of a tab."""
        for job in [job for job in list(self._jobs.values()) if job.tab is tab]:
            self.cancel(job)
            self._forget_ended(job)

    def end(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait for the threads, up to ``seconds``."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for job in list(self._jobs.values()):
            self.cancel(job)
        for thread in self._threads:
            thread.join(seconds)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._ending:
                for job in self._jobs.values():
                    if job.state == WAITING:
                        job.state = RUNNING
                        return job
                self._changed.wait()
        return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            state, result = self._run(job)
            self._tabs.forget(job.tab, *job.inputs)
            job.result, job.state = result, state
            if job.tab.closed:
                self._tabs.clear(job.tab)
                self._forget_ended(job)

    def _forget_ended(self, job: Job) -> None:
        with self._changed:
            if job.ended:
                self._jobs.pop(job.id, None)

    def _run(self, job: Job) -> tuple[str, dict[str, Any] | None]:
        try:
            return DONE, job.work(job.report)
        except Cancelled:
            return CANCELLED, None
        except LipsyncError as error:
            job.error = sentence(error, job.inputs)
        except Refusal as refusal:
            job.error = refusal.sentence
        except Exception:  # a bug in a job must not stop the queue
            if not job.stop.is_set():  # files of a closed tab are gone
                log.exception("a job failed")
            job.error = "Something went wrong on the server; its log says what."
        return (CANCELLED if job.stop.is_set() else FAILED), None
