"""Runs with several processes, including within sweeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch.distributed
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import read_write

from lipsync.errors import TrainingError

_RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


@contextmanager
def processes_of(trainer: pl.Trainer) -> Iterator[None]:
    """Give each run of a sweep its own processes, and end them when the run ends.

    If this process fails, the processes that Lightning started would wait for it forever, so they
    are killed.
    """
    with _own_command_line():
        try:
            yield
        except BaseException as error:
            others = getattr(trainer.strategy.launcher, "procs", [])
            failed = isinstance(error, RuntimeError) and any(map(_has_failed, others))
            for other in others:
                other.send_signal(signal.SIGKILL)  # they hold no state of their own
            if failed:  # the error here is only the lost connection
                text = "failed, so this one stops too"
                raise TrainingError("another process", text, "see its own message") from error
            raise


def _has_failed(process: subprocess.Popen) -> bool:
    """Whether a process ends with an error within a few seconds."""
    try:
        return process.wait(timeout=5) != 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def _own_command_line() -> Iterator[None]:
    """Isolate the processes and environment of one run of a sweep from the next.

    Lightning starts a node's other processes with the program's command line, which in a sweep is
    that of all runs. It also leaves the rendezvous in the environment, and would take it for an
    external launcher's in the next run. Outside sweeps nothing changes.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        yield
        return
    arguments = sys.argv
    environment = {name: os.environ.get(name) for name in _RENDEZVOUS}
    sys.argv = [arguments[0], *hydra.overrides.task]
    with read_write(hydra):
        hydra.run.dir = hydra.runtime.output_dir  # for the other processes
    try:
        yield
    finally:
        sys.argv = arguments
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
