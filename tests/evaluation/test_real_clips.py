"""A whole evaluation by the command, on recordings: killed, it goes on to the same files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GRID = Path("../shared/data/grid")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GRID.is_dir(), reason="../shared/data/grid is absent"),
]


def command(filelist: Path, output: Path) -> list[str]:
    return [
        sys.executable, "-m", "lipsync", "evaluate", "--model", "wav2lip-grid", "--quiet",
        "--filelist", str(filelist), "--root", str(GRID), "-o", str(output),
    ]  # fmt: skip


def test_a_run_that_is_killed_gives_the_same_files(tmp_path):
    clips = [video.with_suffix("").relative_to(GRID) for video in sorted(GRID.glob("s1/*.mp4"))]
    filelist = tmp_path / "list.txt"
    filelist.write_text("".join(f"{clips[k]} {clips[k + 3]}\n" for k in range(3)))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(filelist, whole), check=True)
    for done in (1, 2):  # killed while it is at the second pair, and at the third
        process = subprocess.Popen(command(filelist, killed))
        while len(list(killed.glob("pairs/*.json"))) < done:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (killed / "report.html").exists()
    subprocess.run(command(filelist, killed), check=True)
    for name in ("scores.csv", "scores.json", "report.html"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
