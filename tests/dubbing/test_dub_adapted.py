"""Dubs with a generator adapted to the video: adapted once, and only if it helps."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import cv2
import numpy as np
import pytest
from dubbing_media import BOX, FixedDetector, frame, make_video, painting, tone

from lipsync.adapt import adapted_generator, cached, footage
from lipsync.checkpoints import load_model, save_model
from lipsync.cli import main
from lipsync.dubbing import LiveSession, dub, dub_batch, dub_frames, faces, plan
from lipsync.errors import ConfigError, LipsyncError
from lipsync.media import read_frames, write_audio

FIXED = {"detector": FixedDetector(), "match": False}
GREY, BRIGHT = 128, 242  # what the base paints, and what the adapted one does


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A talking face, two sounds and a base in the working directory; an empty cache."""
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "cache"))
    make_video(tmp_path / "face.mp4", 10, audio=tone(0.4))
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", tone(0.4))
    save_model(painting(0.5), tmp_path / "base.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list:
    """The adaptations made: (video, base, face, device) of each."""
    calls = []

    def adapt(videos, output, base, *, face, device, progress):
        calls.append((Path(*videos).name, Path(base).name, face, device))
        progress("train", 1, 2)
        sleep(0.2)
        save_model(painting(0.95), output, {"adapted": {"base": str(base)}})

    monkeypatch.setattr(cached, "adapt", adapt)
    return calls


def painted(video: Path) -> float:
    """Brightness of the mouths in a dub."""
    left, top, right, bottom = BOX.astype(int)
    row, column = top + (bottom - top) * 3 // 4, (left + right) // 2
    return float(np.mean([picture[row, column] for _, picture in read_frames(video)]))


def test_a_second_sound_does_not_train_again(folder: Path, trained: list) -> None:
    told = []
    options = FIXED | {"model": "base.safetensors", "adapt": True}
    one = dub("face.mp4", "a.wav", "1.mp4", progress=lambda *now: told.append(now), **options)
    assert told[0] == ("adapt: train", 1, 2)
    assert told[1] == ("frames", 1, 10)
    assert (one.model, one.not_adapted) == ("base-adapted", "")
    assert painted(folder / "1.mp4") == pytest.approx(BRIGHT, abs=8)
    shutil.move("face.mp4", "moved.mp4")
    dub("moved.mp4", "b.wav", "2.mp4", **options)
    assert painted(folder / "2.mp4") == pytest.approx(BRIGHT, abs=8)
    assert trained == [("face.mp4", "base.safetensors", None, "cpu")]

    dub_frames("moved.mp4", "b.wav", **options | {"faces": "sync"})
    save_model(painting(0.6), "base.safetensors")  # the same name, other weights
    dub_frames("moved.mp4", "b.wav", **options)
    make_video(folder / "face.mp4", 9, audio=tone(0.4))
    dub_frames("face.mp4", "b.wav", **options)
    assert [call[::2] for call in trained[1:]] == [
        ("moved.mp4", "sync"),
        ("moved.mp4", None),
        ("face.mp4", None),
    ]


def test_what_cannot_be_adapted_is_dubbed_by_the_base_and_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    make_video(folder / "face.mp4", 130, audio=tone(5.2))
    runs = []

    def data_prep(module: str, options: list[str], log: Path) -> None:
        runs.append(module)
        root = Path(dict(option.split("=", 1) for option in options)["output"])
        root.mkdir()
        row = {"status": "rejected", "reason": "small", "frames": 10, "source": "0"}
        (root / "manifest.jsonl").write_text(json.dumps(row) + "\n")
        raise LipsyncError("no clips were kept")

    monkeypatch.setattr(footage, "run_program", data_prep)
    monkeypatch.setattr(faces, "get_detector", lambda name: FixedDetector())
    command = ["dub", "face.mp4", "a.wav", "-o", "1.mp4", "--adapt", "--no-match"]
    command += ["--model", "base.safetensors"]
    why = (
        "face.mp4: only 0.0 s of the footage are usable, at least 5 s are needed; left out: "
        "the face is too small (1)"
    )
    main(command)
    said = capsys.readouterr().out
    assert said.endswith(f"synthetic, by base; not adapted: {why}\n")
    assert painted(folder / "1.mp4") == pytest.approx(GREY, abs=8)
    main([*command, "--json"])
    assert json.loads(capsys.readouterr().out)["not_adapted"] == why
    assert runs == ["data_prep"]
    assert not list(folder.glob("cache/**/*.work"))


def test_one_trains_and_the_others_wait(folder: Path, trained: list) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(lambda _: adapted_generator("face.mp4", "base.safetensors"), range(3))
        )
    assert len(trained) == 1
    assert len(set(found)) == 1
    assert load_model(found[0][0]).card["adapted"] == {"base": "base.safetensors"}


def test_what_was_killed_goes_on(folder: Path, trained: list, monkeypatch) -> None:
    def killed(videos, output, *_, **__):
        (output.parent / f"{output.name}.work").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(cached, "adapt", killed)
        with pytest.raises(KeyboardInterrupt):
            dub("face.mp4", "a.wav", "1.mp4", model="base.safetensors", adapt=True, **FIXED)
    assert not list(folder.glob("cache/**/*.safetensors"))
    assert not list(folder.glob("*1.mp4"))
    dub("face.mp4", "a.wav", "1.mp4", model="base.safetensors", adapt=True, **FIXED)
    assert len(trained) == 1


def test_a_list_of_dubs(folder: Path, trained: list) -> None:
    rows = "face.mp4,a.wav,1.mp4,yes\nface.mp4,b.wav,2.mp4,yes\nface.mp4,a.wav,3.mp4,\n"
    (folder / "l.csv").write_text("face,audio,output,adapt\n" + rows)
    told = []
    options = FIXED | {"model": "base.safetensors", "progress": lambda *now: told.append(now)}
    result = dub_batch("l.csv", **options)
    assert not result.failed
    assert [one.model for one in result.done] == ["base-adapted", "base-adapted", "base"]
    assert told[:2] == [("1 of 3: 1.mp4, adapt: train", 1, 2), ("1 of 3: 1.mp4", 1, 10)]
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("face", "options", "said"),
    [
        ("face.mp4", {"model": painting(0.5)}, "`adapt` needs the name or path of a model"),
        ("face.mp4", {"model": "people"}, "people holds adapted models; leave out `adapt`"),
        ("face.mp4", {"faces": {"left": "a.wav"}}, "`adapt` needs a single face"),
        ("face.mp4", {"faces": "sync", "reference": "a.wav"}, "leave out `reference`"),
        ("face.mp4", {"video_stream": 0}, "leave out `reference` and `video_stream`"),
        ("face.mp4", {"audio_stream": 0}, "`adapt` uses the default sound of face.mp4"),
        ("still.png", {}, "still.png: has no sound of its own to adapt to; leave out `adapt`"),
        ("mute.mp4", {}, "mute.mp4: has no sound of its own to adapt to; leave out `adapt`"),
        ("face.mp4", {"amplitude": 1.2}, "`amplitude` needs a model with a lips code"),
        ("face.mp4", {"device": "gpu"}, "device gpu is not available"),
        ("face.mp4", {"audio_codec": "copy"}, "cannot be copied"),
    ],
)
def test_what_cannot_work_is_refused_before_any_training(
    folder: Path, trained: list, face: str, options: dict, said: str
) -> None:
    (folder / "people").mkdir()
    cv2.imwrite(str(folder / "still.png"), frame(0))
    make_video(folder / "mute.mp4", 10)
    given = {"model": "base.safetensors", "adapt": True} | FIXED | options
    with pytest.raises(LipsyncError, match=said) as caught:
        dub(face, "a.wav", "out.mp4", **given)
    assert "\n" not in str(caught.value)
    assert not trained
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize("face", ["still.png", "mute.mp4"])
def test_a_face_without_sound_is_refused_before_anything_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, face: str
) -> None:
    cv2.imwrite(str(folder / "still.png"), frame(0))
    make_video(folder / "mute.mp4", 10)
    monkeypatch.setattr(plan, "measure", None)
    with pytest.raises(LipsyncError, match="has no sound of its own"):
        dub(face, "a.wav", "out.mp4", adapt=True, **FIXED)


def test_a_live_session_does_not_adapt(folder: Path) -> None:
    with pytest.raises(ConfigError, match="a live session does not adapt"):
        LiveSession("face.mp4", adapt=True, **FIXED)


def test_a_cache_that_cannot_be_written(folder: Path) -> None:
    (folder / "cache").write_text("")
    with pytest.raises(LipsyncError, match=r"cannot be read or written .*set LIPSYNC_CACHE"):
        adapted_generator("face.mp4", "base.safetensors")
