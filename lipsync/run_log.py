"""The log file of a training run, which is opened only once the run begins."""

from __future__ import annotations

import logging
from typing import Any


class RunLog(logging.FileHandler):
    """Append to a log file, but keep all records in memory until :func:`open_run_logs`.

    A run that is refused before that leaves neither a new log nor lines in the log of an earlier
    run in the same folder.
    """

    def __init__(self, filename: str, **options: Any) -> None:
        super().__init__(filename, **{**options, "delay": True})
        self._waiting: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        if self._waiting is None:
            super().emit(record)
        else:
            self._waiting.append(record)

    def begin(self) -> None:
        """Write the records so far, and from now on each as it comes."""
        waiting, self._waiting = self._waiting or [], None
        for record in waiting:
            super().emit(record)


def open_run_logs() -> None:
    """Begin the :class:`RunLog` of this process."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RunLog):
            handler.begin()
