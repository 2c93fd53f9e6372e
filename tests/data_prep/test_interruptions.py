"""A run killed at any point and restarted gives the same bytes as an uninterrupted one."""

from __future__ import annotations

import random
import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import forked
import numpy as np
import pytest
from skimage import data

from data_prep.options import Options
from data_prep.run import Summary, prepare
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter

FACE = cv2.resize(data.astronaut()[:300, 80:380], (160, 160), interpolation=cv2.INTER_AREA)


def video(path: Path, first: int = 0, count: int = 15) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = (0.4 * np.sin(np.arange(count * 640) / (7 + first))).astype(np.float32)
    with VideoWriter(path, 25, (160, 160), audio=wave) as writer:
        for i in range(first, first + count):
            writer.write(np.roll(FACE, i, 1))


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


class Centre(Detector):
    """One face in the middle."""

    name = "centre"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        box = np.array([40, 30, 110, 120], np.float32)
        return [Detection(box, 0.9, np.full((5, 2), np.nan, np.float32))]


def run(source: Path, output: Path) -> Summary:
    return prepare(source, output, Options(judge=None), workers=0, progress=False)


class Killer:
    """Ends the run before the n-th rename of a file or folder, without any clean-up."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.left, self.dead = at, False
        replace = Path.replace

        def replaced(path: Path, target: Path) -> Path:
            self.left -= 1
            if self.left == 0:
                self.dead = True
                raise KeyboardInterrupt
            return replace(path, target)

        patch.setattr(Path, "replace", replaced)
        for owner, name in ((shutil, "rmtree"), (Path, "unlink")):
            patch.setattr(owner, name, self._unless_dead(getattr(owner, name)))

    def _unless_dead(self, function):
        def called(*arguments: object, **options: object) -> object:
            return None if self.dead else function(*arguments, **options)

        return called


def test_killed_before_each_file_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_prep.run.get_detector", lambda *_, **__: Centre())
    source = tmp_path / "in"
    video(source / "s/a.mp4")
    shutil.copy(source / "s/a.mp4", source / "s/twin.mp4")
    assert run(source, tmp_path / "whole").reasons == {"duplicate": 1}
    expected = contents(tmp_path / "whole")
    assert {name.split("/")[0] for name in expected} == {
        ".state", "filelists", "manifest.jsonl", "report.html", "s"
    }  # fmt: skip
    at = 0
    while True:
        at += 1
        output = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            killer = Killer(patch, at)
            try:
                run(source, output)
            except KeyboardInterrupt:
                pass
            else:
                break
        assert killer.dead
        run(source, output)
        assert contents(output) == expected, f"killed before file {at}"
        shutil.rmtree(output)
    assert at > 15


@pytest.mark.slow
def test_ten_real_kills(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for i in range(8):
        video(source / f"s{i % 2}/{i}.mp4", first=i, count=20)
    (source / "s0/bad.mp4").write_text("not a video")

    def start(output: Path) -> BaseProcess:
        return forked.start("-m", "data_prep", f"source={source}", f"output={output}", "judge=null")

    def ended(process: BaseProcess) -> bool:
        process.join()
        return process.exitcode == 0

    began = time.monotonic()
    assert ended(start(tmp_path / "whole"))
    lasted = time.monotonic() - began
    expected = contents(tmp_path / "whole")
    chance, kills = random.Random(0), 0
    while kills < 10:
        process = start(tmp_path / "killed")
        process.join(chance.uniform(0.2, 1.0) * lasted)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
        else:
            shutil.rmtree(tmp_path / "killed")  # it finished: start again from scratch
    assert ended(start(tmp_path / "killed"))
    assert contents(tmp_path / "killed") == expected
