"""Batch dubbing by several processes: the same files; a crash loses only one dub."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import as_completed, wait
from pathlib import Path

import pytest
from dubbing_media import FixedDetector, Hearing, make_video, tone

from lipsync import cli
from lipsync.dubbing import batch, dub_batch
from lipsync.errors import ConfigError
from lipsync.media import write_audio

pytestmark = pytest.mark.usefixtures("quick_workers")
FACES = ("a", "b", "c", "d")


class Deadly(FixedDetector):
    """Kills its process at the first frame whose corner is black."""

    def detect(self, frame):
        if frame[0, 0].max() < 16:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(frame)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list of four short dubs, and a fifth that dubs the first one's output."""
    for k, name in enumerate(FACES):
        make_video(tmp_path / f"{name}.mp4", 8 + 2 * k)
    write_audio(tmp_path / "s.wav", tone(0.4))
    rows = [f"{name}.mp4,s.wav,out-{name}.mp4" for name in FACES]
    rows += ["out-a.mp4,s.wav,again.mp4"]
    (tmp_path / "l.csv").write_text("\n".join(["face,audio,output", *rows]) + "\n")
    return tmp_path / "l.csv"


def options(detector: FixedDetector | None = None) -> dict:
    return {"model": Hearing(), "detector": detector or FixedDetector(), "match": False}


def made(path: Path) -> dict[str, bytes]:
    return {
        one.name: one.read_bytes() for one in path.parent.glob("[oa]*.mp4") if len(one.name) > 5
    }


def test_several_jobs_make_the_same_files_and_tell_of_all(path: Path) -> None:
    given = options()
    alone = dub_batch(path, **given)
    files, told = made(path), []
    assert len(files) == 5
    for file in (
        *path.parent.glob("out-*.mp4"),
        path.parent / "again.mp4",
        *path.parent.glob("*.json"),
    ):
        file.unlink()
    both = dub_batch(path, jobs=2, progress=lambda *now: told.append(now), **given)
    assert made(path) == files
    assert [one.output for one in both.done] == [one.output for one in alone.done]
    assert {one.frames for one in both.done} == {10}
    assert {stage for stage, *_ in told} == {"5 dubs"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == ("5 dubs", 50, 50)
    again = dub_batch(path, jobs=2, **given)
    assert len(again.skipped) == 5


def test_a_process_that_is_killed_costs_the_dub_it_made(path: Path) -> None:
    make_video(path.parent / "b.mp4", 40, hidden=[30])
    write_audio(path.parent / "s.wav", tone(1.6))
    result = dub_batch(path, jobs=2, stride=1, **options(Deadly()))
    (failure,) = result.failed
    assert failure == (
        f"{path}: line 3: {path.parent / 'b.mp4'}: the process that dubbed it was killed, as when "
        "memory runs out; use fewer --jobs"
    )
    assert [one.output.stem for one in result.done] == ["out-a", "out-c", "out-d", "again"]
    left = {one.name for one in path.parent.iterdir()}
    assert left == {
        "l.csv", "l.done.json", "s.wav", *(f"{name}.mp4" for name in FACES),
        "out-a.mp4", "out-c.mp4", "out-d.mp4", "again.mp4",
    }  # fmt: skip


def test_a_run_that_is_stopped_ends_though_a_dub_waits_for_one_that_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(futures):
        wait(futures[:4])  # so that the fifth, which reads the first one's output, is started
        return as_completed(futures)

    def stop(*now) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "as_completed", late)
    with pytest.raises(KeyboardInterrupt):
        dub_batch(path, jobs=2, progress=stop, **options())


def test_a_run_that_is_stopped_leaves_nothing_half_made(path: Path) -> None:
    write_audio(path.parent / "s.wav", tone(60.0))

    def stop(*now) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dub_batch(path, jobs=2, progress=stop, **options())
    assert not [one for one in path.parent.iterdir() if one.name.startswith((".", "out", "again"))]
    assert threading.active_count() == 1 or not [
        one for one in threading.enumerate() if one.name.startswith("lipsync")
    ]


def test_refused_numbers_of_jobs(path: Path, capsys) -> None:
    with pytest.raises(ConfigError, match="jobs=0: must be a whole number, 1 or more"):
        dub_batch(path, jobs=0)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["dub", "a.mp4", "s.wav", "-o", "o.mp4", "--jobs", "2"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: --jobs N needs a list of dubs: --batch LIST\n"
