"""Several processes a run, also where one program trains many runs in turn."""

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

_MEETING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


@contextmanager
def processes_of(trainer: pl.Trainer) -> Iterator[None]:
    """A run's processes end with it, and in a sweep every run has its own.

    When this process fails, those that Lightning has started would wait for it: they are ended.
    """
    with _own_command_line():
        try:
            yield
        except BaseException as error:
            others = getattr(trainer.strategy.launcher, "procs", [])
            failed = isinstance(error, RuntimeError) and any(map(_has_failed, others))
            for other in others:
                other.send_signal(signal.SIGKILL)  # what they know, this one knew
            if failed:  # and the connection to it with it
                text = "failed, so this one stops too"
                raise TrainingError("another process", text, "see its own message") from error
            raise


def _has_failed(process: subprocess.Popen) -> bool:
    """Whether a process is at its end, or comes to it at once, with an error."""
    try:
        return process.wait(timeout=5) != 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def _own_command_line() -> Iterator[None]:
    """Make a run of a sweep start its own processes, and leave nothing to the next one.

    Lightning starts the other processes of a node with the program's command line, which in a sweep
    is that of all runs; and it leaves in the environment where they meet, in which it then sees
    processes that something else has started. Outside of sweeps nothing is changed.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        yield
        return
    arguments = sys.argv
    environment = {name: os.environ.get(name) for name in _MEETING}
    sys.argv = [arguments[0], *hydra.overrides.task]
    with read_write(hydra):
        hydra.run.dir = hydra.runtime.output_dir  # of the other processes
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
