"""Unsuitable footage: a one-line error with the reason, and nothing is written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.manifest import REASONS
from data_prep.scan import scan
from lipsync.adapt import adapt, footage, person
from lipsync.checkpoints import save_model
from lipsync.cli import main
from lipsync.data.store import write_clip, write_split
from lipsync.errors import ConfigError, LipsyncError
from lipsync.media import VideoWriter, write_audio
from lipsync.models import LipsCode

SIZE = 96


def speech(frames: int, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.integers(0, 2, -(-frames // 5)), 5)[:frames]
    return (0.2 * rng.standard_normal(frames * 640) * np.repeat(loud, 640)).astype(np.float32)


def write_video(path: Path, frames: int, sound: bool = True) -> Path:
    wave = speech(frames) if sound else None
    with VideoWriter(path, 25, (64, 64), audio=wave) as writer:
        for _ in range(frames):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "talk.mp4", 130)


@pytest.fixture
def prepare(monkeypatch, tmp_path):
    """Replace data_prep: ``prepare([(frames, offset, reason), ...])`` sets what it finds."""

    def plan(pieces, wave=speech):
        def program(module: str, options: list[str], log: Path, watch=None) -> None:
            assert module == "data_prep"
            root = Path(dict(option.split("=", 1) for option in options)["output"])
            rows = []
            for number, (frames, offset, reason, *file) in enumerate(pieces):
                key = f"person/000.{number:03d}"
                rows.append(
                    {
                        "key": key,
                        "source": f"person/00{file[0] if file else 0}.mp4",
                        "status": "rejected" if reason else "kept",
                        "reason": reason,
                        "frames": frames,
                        "offset": offset,
                        "confidence": 0.1,
                    }
                )
                if not reason:
                    faces = np.zeros((frames, SIZE, SIZE, 3), np.uint8)
                    info = {"start": 0, "offset": None, "framing": "aligned_tight"}
                    write_clip(root, key, faces=faces, wave=wave(frames), info=info)
            root.mkdir(parents=True, exist_ok=True)
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (root / "manifest.jsonl").write_text(lines)
            write_split(root, "test", [rows[0]["key"]])
            if all(row["reason"] for row in rows):
                raise LipsyncError("data_prep kept nothing")

        monkeypatch.setattr(footage, "run_program", program)

    return plan


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_model(LipsCode(SIZE, width=0.05, depth=0.0, references=1, sound_width=0.1), path)
    return path


FIT = (50, 0, "")


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([FIT] * 2, r"talk.mp4: only 4.0 s of the footage are usable, at least 5 s"),
        (
            [(40, 0, "small"), (60, 0, "no_face"), (40, 0, "small")],
            r"only 0.0 s .*; left out: the face is too small \(2\), no face was found \(1\)$",
        ),
        ([FIT] * 4 + [(60, None, "other_face")], "several faces at once for 2.4 s"),
        (
            [(50, o, "") for o in (-7, 3, 12, 5, -1)],
            r"talk.mp4: its sound is not in sync with .*-7",
        ),
    ],
)
def test_footage_that_cannot_be_used(video, base, prepare, tmp_path, pieces, said):
    prepare(pieces)
    with pytest.raises(Exception, match=said) as caught:
        adapt([video], tmp_path / "out.safetensors", base)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_footage_in_which_nobody_speaks(video, base, prepare, tmp_path):
    prepare([FIT] * 4, wave=lambda frames: np.full(frames * 640, 1e-4, np.float32))
    with pytest.raises(Exception, match="no speech found in the footage"):
        adapt([video], tmp_path / "out.safetensors", base)


def test_an_error_of_data_prep_is_passed_on(video, base, monkeypatch, tmp_path):
    def program(*_) -> None:
        raise LipsyncError("the disk is full")

    monkeypatch.setattr(footage, "run_program", program)
    with pytest.raises(LipsyncError, match="the disk is full"):
        adapt([video], tmp_path / "out.safetensors", base)


def test_every_reason_of_data_prep_has_words():
    assert footage.REASONS.keys() == REASONS.keys()
    assert not any("_" in words for words in footage.REASONS.values())


@pytest.fixture
def heavy(monkeypatch) -> None:
    """Neither the generator is read nor data_prep run."""

    def fail(*_) -> None:
        raise AssertionError("must not be reached")

    monkeypatch.setattr(person, "read_generator", fail)
    monkeypatch.setattr(footage, "run_program", fail)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("face.png", "is a still picture; use a video of the person speaking"),
        ("text.mp4", "not a video or sound that can be decoded"),
        ("sound.wav", "contains no video; use a video of the person speaking"),
        ("silent.mp4", "has no sound; use a video with the speech of the person"),
        ("short.mp4", "lasts 2.0 s, but at least 5 s are needed; use a longer video, or several"),
    ],
)
def test_footage_is_refused_before_anything_slow(heavy, tmp_path, name, said):
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "text.mp4").write_text("no video")
    write_audio(tmp_path / "sound.wav", speech(150), 16000)
    write_video(tmp_path / "silent.mp4", 150, sound=False)
    write_video(tmp_path / "short.mp4", 50)
    with pytest.raises(LipsyncError) as caught:
        adapt([tmp_path / name], tmp_path / "out.safetensors")
    assert str(caught.value).startswith(f"{tmp_path / name}: {said}")
    assert not list(tmp_path.glob("out*"))


def test_videos_are_counted_together(heavy, tmp_path):
    videos = [write_video(tmp_path / f"{n}.mp4", 50) for n in range(2)]
    with pytest.raises(ConfigError, match=r"the 2 videos last 4\.0 s, but at least 5 s"):
        adapt(videos, tmp_path / "out.safetensors")
    videos.append(write_video(tmp_path / "silent.mp4", 50, sound=False))
    with pytest.raises(ConfigError, match=r"the 2 videos with sound last 4\.0 s"):
        adapt(videos, tmp_path / "out.safetensors")
    videos.append(write_video(tmp_path / "third.mp4", 50))
    with pytest.raises(AssertionError, match="must not be reached"):  # together they are enough
        adapt(videos, tmp_path / "out.safetensors")


def test_options_are_checked_before_the_footage(heavy, tmp_path):
    with pytest.raises(ConfigError, match="face=left: the only choice is sync"):
        adapt([tmp_path / "missing.mp4"], tmp_path / "out.safetensors", face="left")


def test_a_video_with_an_unusual_suffix(video, base, monkeypatch, tmp_path):
    seen = []

    def program(module, options, *_) -> None:
        source = dict(option.split("=", 1) for option in options)["source"]
        seen.extend(scan(source))
        raise LipsyncError("enough")

    monkeypatch.setattr(footage, "run_program", program)
    with pytest.raises(LipsyncError, match="enough"):
        adapt([video.rename(tmp_path / "talk.recording")], tmp_path / "out.safetensors", base)
    assert [source.file for source in seen] == ["person/000.mp4"]


def test_what_agrees_is_moved_and_the_end_is_held_out(video, base, prepare, tmp_path):
    from lipsync.checkpoints import load_model

    prepare([(50, 2, "")] * 5 + [(50, -9, "")])
    found = footage.gather([video], tmp_path / "work", load_model(base))
    assert found.train == [f"person/000.00{i}" for i in range(4)]
    assert found.held_out == ["person/000.004"]
    assert not (found.root / "filelists" / "test.txt").exists()  # no clip is in two lists
    assert found.seconds == pytest.approx(5 * 48 / 25)
    assert found.remarks == [
        "talk.mp4: sound moved by -2 frames",
        "talk.mp4: 1 of 6 pieces out of sync",
    ]


def test_a_video_of_which_nothing_is_used_is_named(video, base, prepare, tmp_path):
    from lipsync.checkpoints import load_model

    prepare([FIT] * 4 + [(50, None, "no_sound", 1)])
    silent = write_video(tmp_path / "silent.mp4", 50, sound=False)
    found = footage.gather([video, silent], tmp_path / "work", load_model(base))
    assert found.remarks == ["silent.mp4: left out: no sound (1)"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.mp4", "-o", "out.safetensors"], "missing.mp4: "),
        (["talk.mp4", "-o", "out.pth"], "name a .safetensors file"),
        (["talk.mp4", "-o", "out.safetensors", "--base", "judge-open"], "cannot dub"),
        (["talk.mp4", "-o", "out.safetensors", "--batches", "0"], "--batches 0: must be"),
        (["talk.mp4", "-o", "out.safetensors", "--face", "left"], "--face: invalid choice: 'left'"),
        (["talk.mp4", "-o", "nodir/out.safetensors"], "no such folder nodir; create it first"),
        (["talk.mp4", "-o", "talk.safetensors/"], "talk.safetensors: is a folder"),
        (["empty", "-o", "out.safetensors"], "empty: holds no video"),
        (["sound.wav", "-o", "out.safetensors"], "sound.wav: "),
    ],
)
def test_the_command_ends_with_one_line(
    video, prepare, tmp_path, monkeypatch, capsys, arguments, said
):
    prepare([FIT] * 4)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "talk.safetensors").mkdir()
    write_audio(tmp_path / "sound.wav", speech(10), 16000)
    with pytest.raises(SystemExit) as exit_:
        main(["adapt", *arguments])
    printed = capsys.readouterr().err.strip()
    assert exit_.value.code == 2
    assert printed.startswith("error: ")
    assert said in printed
    assert "\n" not in printed
    assert not (tmp_path / "nodir").exists()
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["talk.safetensors"]
