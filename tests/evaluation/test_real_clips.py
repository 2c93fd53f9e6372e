"""A whole evaluation on recordings, on the command line: when killed, it resumes."""

import time
from pathlib import Path

import forked
import pytest

GRID = Path("../shared/data/grid")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GRID.is_dir(), reason="../shared/data/grid is absent"),
]


def command(filelist: Path, output: Path) -> list[object]:
    return [
        "-m", "lipsync", "evaluate", "--model", "wav2lip-gan-grid", "--quiet",
        "--filelist", filelist, "--root", GRID, "-o", output,
    ]  # fmt: skip


def test_a_run_that_is_killed_gives_the_same_files(tmp_path):
    clips = [video.with_suffix("").relative_to(GRID) for video in sorted(GRID.glob("s1/*.mp4"))]
    filelist = tmp_path / "list.txt"
    filelist.write_text("".join(f"{clips[k]} {clips[k + 3]}\n" for k in range(3)))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert forked.run(*command(filelist, whole)).returncode == 0
    for done in (1, 2):  # killed during the second pair, and during the third
        process = forked.start(*command(filelist, killed))
        while len(list(killed.glob("pairs/*.json"))) < done:
            assert process.is_alive()
            time.sleep(0.05)
        time.sleep(0.3)
        process.kill()
        process.join()
    assert not (killed / "report.html").exists()
    assert forked.run(*command(filelist, killed)).returncode == 0
    for name in ("scores.csv", "scores.json", "report.html"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
