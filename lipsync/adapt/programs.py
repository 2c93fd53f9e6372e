"""Runs data_prep and training, the two programs behind an adaptation, as separate processes.

That frees their memory when they end, and avoids importing data_prep or training code here. Each
ends with its parent process, however that ended: an orphaned training run would occupy a core, and
clash with the run that resumes it.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lipsync.errors import LipsyncError

_WAIT = 0.5  # seconds between progress checks


def run_program(
    module: str, options: list[str], log: Path, watch: Callable[[], None] = lambda: None
) -> None:
    """Run ``python -m MODULE OPTIONS`` to its end; its output goes into a file.

    Args:
        module: a module with a main program.
        options: its arguments, passed without a shell.
        log: file for its output.
        watch: called periodically while it runs.

    Raises:
        LipsyncError: it failed; the message is the last line of its output.
    """
    with (
        log.open("w", encoding="utf-8") as printed,
        subprocess.Popen(
            [sys.executable, "-m", __name__, module, *options],
            stdin=subprocess.PIPE,  # closed when this process dies
            stdout=printed,
            stderr=subprocess.STDOUT,
        ) as program,
    ):
        try:
            while program.poll() is None:
                watch()
                time.sleep(_WAIT)
        finally:  # Ctrl-C reaches it, too; let it finish writing
            if program.poll() is None:
                program.terminate()
                program.wait()
    if program.returncode:
        raise LipsyncError(_last_error(log, module))


def _last_error(log: Path, module: str) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    return f"{module} failed: {lines[-1] if lines else 'it printed nothing'}; full log: {log}"


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # blocks until the parent is gone: nothing is ever written there
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
