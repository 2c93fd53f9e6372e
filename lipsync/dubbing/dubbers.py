"""Workers for the dubs of a list: this process, or another, whose death loses only one dub."""

from __future__ import annotations

import logging
import signal
import threading
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import nn

from lipsync.dubbing.batch_list import Entry
from lipsync.dubbing.options import Options
from lipsync.dubbing.pipeline import dub
from lipsync.dubbing.plan import Progress
from lipsync.dubbing.result import DubResult
from lipsync.errors import LipsyncError
from lipsync.generators.lips import load_generator
from lipsync.media.files import remove_unfinished
from lipsync.plugins import import_plugins, imported_plugins
from lipsync.processes import Child

Outcome = DubResult | str
"""Result of a dub, or the reason why it failed."""
_PATIENCE = 10.0  # seconds for a process to clean up
_POLL = 0.2  # polling interval in seconds for the stop event
_log = logging.getLogger(__name__)


class Dubber:
    """Makes dubs in this process; caches the last generator, as most lists use only one."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], nn.Module] = {}

    def __call__(self, entry: Entry, report: Progress) -> Outcome:
        try:
            given = entry.options
            if not given.get("adapt"):  # otherwise each face has its own model
                given = given | {"model": self._load_model(given)}
            return dub(entry.face, entry.audio, entry.output, progress=report, **given)
        except LipsyncError as error:
            return str(error)
        except Exception as error:  # must not stop the rest of the list
            _log.exception("%s", entry.where)
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            return f"failed unexpectedly ({problem})"

    def _load_model(self, options: dict[str, Any]) -> nn.Module:
        model = options.get("model", Options.model)
        if isinstance(model, nn.Module):
            return model
        key = str(model), options.get("device", Options.device)
        if key not in self._models:
            self._models.clear()
            network, name = load_generator(*key)
            setattr(network, "name", name)  # noqa: B010 a module has no such attribute for mypy
            self._models[key] = network
        return self._models[key]


class DubberProcess:
    """A :class:`Dubber` in a separate process, which is restarted if it dies.

    Args:
        jobs: number of such processes, which share the threads.
        stop: when set, the current dub is abandoned and its files removed.
    """

    def __init__(self, jobs: int, stop: threading.Event) -> None:
        threads = max(1, torch.get_num_threads() // jobs)
        self._work, self._stop = partial(_run_worker, threads, tuple(imported_plugins())), stop
        self._child: Child | None = None

    def __call__(self, entry: Entry, report: Progress) -> Outcome:
        child = self._child = self._child or Child(self._work)
        child.send(entry)
        try:
            while not self._stop.is_set():
                if child.connection.poll(_POLL):
                    if not isinstance(answer := child.receive(), tuple):
                        return answer
                    report(*answer)
            return "interrupted"
        except EOFError as death:
            self._child = None
            for folder in {path.parent for path in entry.outputs}:
                remove_unfinished(folder, child.pid)
            return f"{entry.face}: {_explain_death(str(death))}"

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.end(_PATIENCE)


def _explain_death(death: str) -> str:
    killed = death.endswith(f" -{signal.SIGKILL.value}")
    why = "was killed, as when memory runs out; use fewer --jobs" if killed else f"died ({death})"
    return f"the process that dubbed it {why}"


def _run_worker(threads: int, plugins: tuple[str, ...], connection: Connection) -> None:
    torch.set_num_threads(threads)
    import_plugins(plugins)
    dubber = Dubber()

    def report(stage: str, done: int, total: int | None) -> None:
        try:
            connection.send((stage, done, total))
        except OSError:
            raise SystemExit from None  # the parent is gone; not an error of the dub

    while True:
        connection.send(dubber(connection.recv(), report))
