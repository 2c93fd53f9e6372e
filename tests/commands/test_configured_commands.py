"""``lipsync prepare`` and ``lipsync train`` run ``data_prep`` and ``lipsync.train``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_media import run

REPOSITORY = Path(__file__).parents[2]
ODD = """Take 1, the café = "A & B" #3's"""


def lipsync(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "lipsync", *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["prepare", f"source={ODD}", "output=~/x"], ["source"]),
        (["train", "model=syncnet", "data=folder", f"data.root={ODD}"], ["data", "root"]),
    ],
)
def test_a_folder_with_any_name_comes_through(words, keys):
    done = lipsync(*words, "--cfg", "job")
    assert done.returncode == 0, done.stderr
    value = yaml.safe_load(done.stdout)
    for key in keys:
        value = value[key]
    assert value == ODD


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["train", "model=syncnet", "model.los.sync=1"], "no option model.los.sync; did you mean"),
        (["train", "model=wav3lip"], "; did you mean wav2lip?"),
        (["prepare", "sourc=3"], "no option sourc; did you mean source?"),
    ],
)
def test_bad_options_are_one_line_and_code_2(words, nearest):
    done = lipsync(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert nearest in line


def test_they_take_the_place_of_this_process(monkeypatch):
    seen = []

    def execv(program, words):
        seen.append(words)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    assert run("train", "-m", "a=1,2") == run("prepare", "--help") == 0
    assert seen == [
        [sys.executable, "-m", "lipsync.train", "-m", "a=1,2"],
        [sys.executable, "-m", "data_prep", "--help"],
    ]
