"""A pool of Ray actors, on a running cluster or on this machine.

Source and output must be on a file system shared by all machines of the cluster, under the same
path; only names and manifest rows are sent over the network, never frames. A worker waits for a
free core of the cluster while the others continue.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from data_prep.pool import Died, Pool, Stop, Worker, call
from data_prep.processes import ONE_THREAD
from lipsync.errors import ConfigError, LipsyncError, install_extra

# Disable usage reports, and a warning about accelerators for actors that request none.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
try:
    import ray
    from ray.exceptions import RayActorError, RayError
except ImportError:
    raise LipsyncError(f"engine=ray: {install_extra('ray')}") from None

_STORE = 100 * 2**20  # bytes of Ray's object store, which holds only names and rows


class Cluster(Pool):
    """Actors with one core each.

    Args:
        setup: called once in each worker, see :func:`data_prep.engine.run_jobs`.
        address: address of a cluster, as printed by ``ray start --head``; None starts one here.
        workers: number of cores of a cluster started here.
    """

    def __init__(self, setup: Callable, address: str | None, workers: int) -> None:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": _STORE}
        self._own = not ray.is_initialized()
        if self._own:
            try:
                _check_reachable(address)
                ray.init(address or "local", **quiet, **({} if address else here))
            except (RuntimeError, ValueError, OSError) as error:
                problem = " ".join(str(error).split())[:200]
                raise ConfigError(
                    f"engine=ray: no Ray cluster at {address or 'this machine'} ({problem}); "
                    "start one with `ray start`"
                ) from None
        self._setup = ray.put((setup, str(Path.cwd())))
        self._remote = ray.remote(_Remote).options(
            num_cpus=1, max_restarts=0, runtime_env={"env_vars": ONE_THREAD}
        )

    def start(self) -> Worker:
        return _Actor(self._remote.remote(), self._setup)

    def wait(self, workers: Sequence[_Actor]) -> list[_Actor]:
        answered, _ = ray.wait([worker.answer for worker in workers], num_returns=1)
        return [worker for worker in workers if worker.answer in answered]

    def close(self) -> None:
        if self._own:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nothing listens at host:port; Ray itself would wait for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


class _Actor(Worker):
    """An actor; ``answer`` is its pending result, first of the setup, then of one job at a time."""

    def __init__(self, actor: Any, setup: Any) -> None:
        super().__init__()
        self._actor = actor
        self.answer = actor.prepare.remote(setup)

    def _send(self, job: Any) -> None:
        self.answer = self._actor.run.remote((job,))

    def _receive(self) -> Any:
        try:
            return ray.get(self.answer)
        except RayActorError:
            return Died("the worker process or its machine died")
        except RayError as error:  # a lost result, or a machine without this package
            return Died(str(error).strip().splitlines()[-1])

    def end(self) -> None:
        with suppress(RayError):
            ray.kill(self._actor)


class _Remote:
    """The remote side of an actor; returns errors as values, since Ray would wrap raised ones."""

    def prepare(self, setup: tuple[Callable, str]) -> Exception | None:
        function, folder = setup
        try:
            os.chdir(folder)  # so that relative paths resolve as in the main process
        except OSError as error:
            return ConfigError(
                f"engine=ray: {folder} does not exist on {socket.gethostname()} "
                f"({error.strerror}); "
                "all machines must share this folder"
            )
        try:
            self._function = function()
        except Exception as error:
            return error
        return None

    def run(self, job: tuple[Any]) -> Any:
        try:
            return call(self._function, job[0])
        except Stop as stop:
            return stop
