"""Runs commands in processes forked from a server that has already imported torch and Lightning.

As with ``subprocess``, each has its own arguments, environment, folder, output and exit code, but
saves the imports, which take longer than most of the tests.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

from torch.multiprocessing import start_processes

TESTS = Path(__file__).parent
IMPORTED = (
    "pytest",
    "matplotlib.backends.backend_agg",
    "s3fs",
    "torch.utils.tensorboard",
    "lipsync.cli",
    "lipsync.training.run",
    "lipsync.training.generator",
    "lipsync.training.lip_reader",
    "lipsync.training.lips_code",
    "lipsync.training.long_expert",
    "lipsync.training.videos",
    "data_prep.features",
    "data_prep.plan",
    "data_prep.run",
)

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(list(IMPORTED))


def start(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] = os.environ,
    stdout: str | Path = os.devnull,
    stderr: str | Path = os.devnull,
) -> BaseProcess:
    """Start ``python WORDS``; WORDS is ``-m MODULE ...`` or ``SCRIPT ...``."""
    path = [folder for folder in sys.path if not Path(folder).is_relative_to(TESTS)]
    arguments = ([*map(str, words)], str(cwd or Path.cwd()), dict(env), path, stdout, stderr)
    process = server.Process(target=_python, args=arguments)
    process.start()
    return process


def run(*words: object, **options: object) -> CompletedProcess[str]:
    """Run ``python WORDS`` to completion; options as for :func:`start`."""
    with TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        for file in (stdout, stderr):
            file.touch()  # even if the process does not get that far
        process = start(*words, stdout=stdout, stderr=stderr, **options)
        process.join(600)
        if process.is_alive():
            process.kill()
            process.join()
        return CompletedProcess(words, process.exitcode, stdout.read_text(), stderr.read_text())


def two_ranks(worker: Callable[..., None]) -> dict[Any, Any]:
    """Run ``worker(rank, port, out)`` in two processes, and return ``out``."""
    with server.Manager() as manager:
        out = manager.dict()
        start_processes(worker, (free_port(), out), nprocs=2, start_method="forkserver")
        return dict(out)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _read_environment_again() -> None:
    """Environment variables that libraries read on import."""
    import torch
    from lightning_fabric.utilities.rank_zero import _get_rank, rank_zero_only

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    rank_zero_only.rank = _get_rank() or 0


def _python(
    words: list[str], cwd: str, env: dict[str, str], path: list[str], stdout: str, stderr: str
) -> None:
    for number, file in ((1, stdout), (2, stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    _read_environment_again()
    module = words[0] == "-m"
    sys.argv = words[module:]
    own = cwd if module else str(Path(words[0]).parent)
    sys.path[:] = [own, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *path]
    try:
        if module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # skipped by multiprocessing
