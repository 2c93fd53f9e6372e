"""Unsuitable footage: a one-line error with the reason, and nothing is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from lipsync.adapt import adapt, footage
from lipsync.checkpoints import save_model
from lipsync.cli import main
from lipsync.data.store import write_clip, write_split
from lipsync.errors import LipsyncError
from lipsync.media import VideoWriter, write_audio
from lipsync.models import LipsCode

SIZE = 96


def speech(frames: int, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.integers(0, 2, -(-frames // 5)), 5)[:frames]
    return (0.2 * rng.standard_normal(frames * 640) * np.repeat(loud, 640)).astype(np.float32)


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "talk.mp4"
    with VideoWriter(path, 25, (64, 64), audio=speech(10)) as writer:
        for _ in range(10):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    return path


@pytest.fixture
def prepare(monkeypatch, tmp_path):
    """Replace data_prep: ``prepare([(frames, offset, reason), ...])`` sets what it finds."""

    def plan(pieces, wave=speech):
        def program(module: str, options: list[str], log: Path, watch=None) -> None:
            assert module == "data_prep"
            root = Path(dict(option.split("=", 1) for option in options)["output"])
            rows = []
            for number, (frames, offset, reason) in enumerate(pieces):
                key = f"person/000.{number:03d}"
                rows.append(
                    {
                        "key": key,
                        "source": "person/000.mp4",
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
        ([(50, 0, ""), (50, 0, "")], "only 4.0 s of the footage are usable, at least 5 s"),
        ([(40, 0, "too_small")], r"only 0.0 s .*; rejected: 1 too_small"),
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.mp4", "-o", "out.safetensors"], "missing.mp4: "),
        (["talk.mp4", "-o", "out.pth"], "name a .safetensors file"),
        (["talk.mp4", "-o", "out.safetensors", "--base", "judge-open"], "cannot dub"),
        (["talk.mp4", "-o", "out.safetensors", "--batches", "0"], "batches=0"),
        (["talk.mp4", "-o", "out.safetensors", "--face", "left"], "face=left"),
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
    write_audio(tmp_path / "sound.wav", speech(10), 16000)
    with pytest.raises(SystemExit) as exit_:
        main(["adapt", *arguments])
    printed = capsys.readouterr().err.strip()
    assert exit_.value.code == 2
    assert printed.startswith("error: ")
    assert said in printed
    assert "\n" not in printed
    assert not list(tmp_path.glob("*.safetensors"))
