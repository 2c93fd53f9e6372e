from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.engine import run_jobs
from data_prep.pool import Failed, Stop
from lipsync.errors import ClipError, ConfigError, LipsyncError


def square() -> Callable[[int], int]:
    def run(n: int) -> int:
        if n == 3:
            raise ValueError("three\nis bad")
        if n == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 100:
            raise Stop("the disk is full")
        return n * n

    return run


def no_setup() -> Callable:
    raise RuntimeError("no detector")


def threads() -> Callable[[str], str | None]:
    return os.environ.get


def tries(folder: Path) -> Callable[[str], int]:
    """A job that raises, or kills its worker, until it has been tried as often as its name says."""

    def run(name: str) -> int:
        number = len(list(folder.glob(f"{name}-*"))) + 1
        (folder / f"{name}-{number}").touch()
        if number < int(name[-1]):
            os.kill(os.getpid(), signal.SIGKILL) if "kill" in name else int("x")
        return number

    return run


def note(folder: Path) -> Callable[[int], None]:
    return lambda n: (folder / f"{n}-{os.getpid()}").touch()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_answer_though_one_raises_and_one_worker_dies(workers: int) -> None:
    answers = dict(run_jobs(square, range(9), workers=workers))
    assert set(answers) == set(range(9))
    assert {n: a for n, a in answers.items() if n not in (3, 5)} == {
        n: n * n for n in range(9) if n not in (3, 5)
    }
    assert isinstance(answers[3], Failed)
    assert str(answers[3]).startswith("ValueError: three is bad (run, line ")
    assert isinstance(answers[5], Failed)
    assert str(answers[5]) == "the worker process died (exit code -9)"


def test_in_this_process() -> None:
    answers = dict(run_jobs(square, [2, 3], workers=0))
    assert answers[2] == 4
    assert isinstance(answers[3], Failed)


def test_what_fails_is_tried_once_more(tmp_path: Path) -> None:
    names = ["a1", "raise2", "kill2", "b1", "raise3", "kill3"]
    answers = dict(run_jobs(functools.partial(tries, tmp_path), names, workers=2))
    assert [answers[name] for name in names[:4]] == [1, 2, 2, 1]
    assert all(isinstance(answers[name], Failed) for name in names[4:])
    assert len(list(tmp_path.iterdir())) == 1 + 2 + 2 + 1 + 2 + 2
    here = functools.partial(tries, tmp_path / "here")
    (tmp_path / "here").mkdir()
    assert dict(run_jobs(here, ["raise2"], workers=0)) == {"raise2": 2}


@pytest.mark.parametrize("workers", [0, 1])
def test_stop_ends_the_run(workers: int) -> None:
    with pytest.raises(Stop, match="the disk is full"):
        list(run_jobs(square, [100, 1], workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_setup_that_fails_is_raised(workers: int) -> None:
    with pytest.raises(RuntimeError, match="no detector"):
        list(run_jobs(no_setup, [1, 2], workers=workers))


def test_workers_have_one_thread_each_and_share_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert dict(run_jobs(threads, ["OMP_NUM_THREADS"], workers=1)) == {"OMP_NUM_THREADS": "1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    list(run_jobs(functools.partial(note, tmp_path), range(40), workers=2))
    names = [path.name.split("-") for path in tmp_path.iterdir()]
    assert sorted(int(n) for n, _ in names) == list(range(40))
    assert str(os.getpid()) not in {pid for _, pid in names}


def dies() -> Callable:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_cannot_start_end_the_run() -> None:
    with pytest.raises(LipsyncError, match="the worker processes die on start-up"):
        list(run_jobs(dies, [1, 2], workers=1))


def test_errors_of_a_setup_come_over_whole() -> None:
    with pytest.raises(ClipError, match="a/b: is damaged; prepare it again"):
        list(run_jobs(damaged, [1], workers=1))


def damaged() -> Callable:
    raise ClipError("a/b", "is damaged", "prepare it again")


def test_an_engine_that_is_none() -> None:
    with pytest.raises(ConfigError, match="must be one of processes, ray"):
        list(run_jobs(square, [1], workers=1, engine="slurm"))


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "data_prep.cluster", raising=False)
    with pytest.raises(
        LipsyncError, match=r"engine=ray: pip install -c constraints\.txt -e '\.\[ray\]'"
    ):
        list(run_jobs(square, [1], workers=1, engine="ray"))


def test_no_jobs() -> None:
    assert list(run_jobs(no_setup, [], workers=2)) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    job = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid()))"
    program = (
        "import functools, pydoc\nfrom data_prep.engine import run_jobs\n"
        "setup = functools.partial(pydoc.locate, 'builtins.exec')\n"
        f"list(run_jobs(setup, [{job + '; time.sleep(300)'!r}], workers=1))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=Path.cwd())
    while not (note.exists() and note.read_text()):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    command = Path("/proc", note.read_text(), "cmdline")
    for _ in range(600):
        try:
            if not command.read_bytes():  # a zombie: dead, but not reaped yet
                return
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent")
