"""Programs behind an adaptation: their errors, and that none outlives its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest
from filelock import FileLock

from lipsync.adapt.programs import run_program
from lipsync.errors import LipsyncError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module with this name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))

    def write(name: str, code: str) -> str:
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return write


def test_a_program_gets_its_options_and_its_last_error_is_told(module, tmp_path: Path) -> None:
    code = "import sys; print('error:', *sys.argv[1:]); sys.exit(len(sys.argv) - 1)"
    name = module("says", code)
    log = tmp_path / "log"
    with pytest.raises(LipsyncError, match=r"^a b \$c$"):
        run_program(name, ["a b", "$c"], log)
    run_program(name, [], log)
    assert log.read_text() == "error:\n"


def test_a_program_ends_with_what_started_it_even_if_that_is_killed(module, tmp_path: Path) -> None:
    held = tmp_path / "held.lock"
    code = "import sys, time, filelock\nlock = filelock.FileLock(sys.argv[1])\nlock.acquire()\n"
    name = module("waits", code + "print('held', flush=True)\ntime.sleep(60)\n")
    log = tmp_path / "log"
    code = "import sys, pathlib, lipsync.adapt.programs as programs\n"
    code += "programs.run_program(sys.argv[1], [sys.argv[2]], pathlib.Path(sys.argv[3]))"
    process = subprocess.Popen([sys.executable, "-c", code, name, str(held), str(log)])
    until = monotonic() + 30
    while not (log.exists() and log.read_text() == "held\n"):
        assert process.poll() is None
        assert monotonic() < until
        sleep(0.05)
    process.kill()
    process.wait()
    with FileLock(held, timeout=10):
        pass
