"""Whole runs on tiny videos of a real face (scikit-image's portrait, NASA, public domain)."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage_media import FACE, NOISE, moving, reasons, run, tone, video

import data_prep.clip
import data_prep.clip_files
import data_prep.footage
from data_prep.manifest import read_manifest
from data_prep.options import Options
from data_prep.run import Summary, prepare
from lipsync.audio import melspectrogram
from lipsync.data.store import open_clip, read_split
from lipsync.errors import ConfigError, LipsyncError
from lipsync.features import Mel
from lipsync.media import VideoWriter, read_audio, read_frames


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good clips and every kind of bad one."""
    root = tmp_path_factory.mktemp("source")
    video(root / "ann/plain.mp4", moving(15), sound=1.0)  # sound continues after the video
    video(root / "ann/ntsc.mp4", moving(30), fps=30000 / 1001)
    video(root / "ann/$(touch x) 'a\"\nb é.mp4", moving(12))
    video(root / "ben/sideways.mp4", [np.ascontiguousarray(np.rot90(f)) for f in moving(12)])
    video(root / "ben/short.mp4", moving(4))
    video(root / "ben/short_sound.mp4", moving(12), sound=0.1)
    video(root / "ben/noise.mp4", [NOISE] * 12)
    video(root / "ben/lost.mp4", moving(10) + [NOISE] * 15)
    video(root / "ben/silent.mp4", moving(12), sound=0)
    (root / "ben/empty.mp4").write_bytes(b"")
    (root / "ben/text.mp4").write_text("not a video")
    whole = video(root / "ben/damaged.mp4", [np.roll(NOISE, i, 1) for i in range(12)]).read_bytes()
    half = len(whole) // 2
    (root / "ben/damaged.mp4").write_bytes(whole[:half] + bytes(3000) + whole[half + 3000 :])
    shutil.copy(root / "ann/plain.mp4", root / "ben/...mp4")
    shutil.copy(root / "ann/plain.mp4", root / "ben/twin.mp4")
    with VideoWriter(root / "ben/sound_only.mp4", 25, (16, 16), audio=tone(1)) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    only_sound(root / "ben/sound_only.mp4")
    return root


def only_sound(path: Path) -> None:
    """Copy the sound of ``path`` over it, without its video."""
    import av

    copy = path.with_suffix(".copy.mp4")
    with av.open(str(path)) as old, av.open(str(copy), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(old.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    copy.replace(path)


EXPECTED = {
    "ann/plain.mp4": "",
    "ann/ntsc.mp4": "",
    "ann/$(touch x) 'a\"\nb é.mp4": "",
    "ben/sideways.mp4": "",
    "ben/twin.mp4": "duplicate",
    "ben/short.mp4": "too_short",
    "ben/short_sound.mp4": "too_short",
    "ben/noise.mp4": "no_face",
    "ben/lost.mp4": " no_face",  # the shot with the face is kept, the one after it is not
    "ben/silent.mp4": "no_sound",
    "ben/empty.mp4": "empty",
    "ben/text.mp4": "unreadable",
    "ben/damaged.mp4": "damaged",
    "ben/...mp4": "bad_name",
    "ben/sound_only.mp4": "no_video",
}


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    output = tmp_path_factory.mktemp("prepared") / "set"
    return output, run(source, output)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_every_file_has_its_row_and_its_reason(done: tuple[Path, Summary]) -> None:
    output, summary = done
    rows = list(read_manifest(output))
    assert rows == summary.rows
    assert reasons(rows) == EXPECTED
    assert len(summary.kept) == 5
    for row in rows:
        assert (row.status == "kept") == (row.reason == "")
        assert bool(row.detail) == bool(row.reason)
        assert "\n" not in row.detail
        assert str(output.parent.parent) not in row.detail  # no path of this machine
    by_name = {row.source: row for row in rows}
    assert by_name["ann/plain.mp4"].frames == 15
    assert by_name["ann/ntsc.mp4"].frames == 25
    assert by_name["ben/twin.mp4"].detail == "the same as ann/plain"
    assert by_name["ben/short.mp4"].detail.startswith("4 frames and 13 mel columns")
    face, noise = (row for row in rows if row.source == "ben/lost.mp4")
    assert (face.key, face.start, face.frames) == ("ben/lost", 0, 10)
    assert (noise.start, noise.frames) == (10, 15)
    on_disk = {str(p.parent.relative_to(output)) for p in output.rglob("clip.json")}
    assert on_disk == {row.key for row in rows if row.status == "kept"}


def test_a_prepared_clip(done: tuple[Path, Summary], source: Path) -> None:
    output, _ = done
    clip = open_clip(output, "ann/plain")
    assert clip.faces.shape == (15, 96, 96, 3)
    assert clip.faces.dtype == np.uint8
    sound = read_audio(source / "ann/plain.mp4")
    assert len(clip.wave) == 15 * 640
    assert np.abs(clip.wave - sound[: 15 * 640]).max() < 1e-4
    assert np.abs(clip.feature(Mel()) - melspectrogram(sound[: 15 * 640])).max() < 0.1
    info = clip.info
    assert (info["source"], info["fps"], info["source_fps"]) == ("ann/plain.mp4", 25, "25")
    assert info["offset"] is None
    assert len(info["boxes"]) == 15
    assert len(info["hash"]) == 64
    # The portrait's chin and hairline, measured by hand at 512 px, after cropping and downscaling:
    top, bottom = 60 * 160 / 300, 176 * 160 / 300
    assert abs(info["boxes"][0][1] - top) < 8
    assert abs(info["boxes"][0][3] - bottom) < 8
    assert info["framing"] == "box"
    assert "to_source" not in info
    x0, y0, x1, y1 = info["box"]
    assert x1 - x0 == pytest.approx(y1 - y0, abs=0.05)
    assert y1 > bottom


def test_a_sideways_face_is_set_upright(done: tuple[Path, Summary]) -> None:
    upright = open_clip(done[0], "ann/plain").faces[0].astype(float)
    turned = open_clip(done[0], "ben/sideways")
    assert turned.info["quarter_turns"] == 3
    similar = [
        np.abs(np.rot90(turned.faces[0], k).astype(float) - upright).mean() for k in range(4)
    ]
    assert np.argmin(similar) == 0
    assert similar[0] < 0.4 * min(similar[1:])


@pytest.mark.parametrize("framing", ["aligned", "aligned_tight"])
def test_aligned_crops_know_their_way_back(source: Path, tmp_path: Path, framing: str) -> None:
    """A tilted head is made upright, and a crop's pixels can be mapped back to the source."""
    folder = tmp_path / "in/ann"
    folder.mkdir(parents=True)
    middle = (FACE.shape[1] / 2, FACE.shape[0] / 2)
    tilt = cv2.getRotationMatrix2D(middle, 20, 1)
    tilted = [
        cv2.warpAffine(frame, tilt, FACE.shape[1::-1], borderValue=(90, 90, 90))
        for frame in moving(15)
    ]
    video(folder / "tilted.mp4", tilted)
    shutil.copy(source / "ann/plain.mp4", folder)
    assert len(run(folder.parent, tmp_path / "out", framing=framing).kept) == 2
    clips = {name: open_clip(tmp_path / "out", f"ann/{name}") for name in ("plain", "tilted")}
    turns = {}
    for name, clip in clips.items():
        ways = np.array(clip.info["to_source"]).reshape(-1, 2, 3)
        assert clip.info["framing"] == framing
        assert len(ways) == len(clip)
        turns[name] = np.degrees(np.arctan2(ways[:, 1, 0], ways[:, 0, 0])).mean()
        v, u = np.mgrid[30:70, 30:70] + 0.5
        frames = (frame for _, frame in read_frames(folder / f"{name}.mp4"))
        for face, frame, way in zip(clip.faces, frames, ways, strict=True):
            x, y = way[:, :2] @ np.stack([u.ravel(), v.ravel()]) / 96 + way[:, 2:]
            spots = [(m - 0.5).astype(np.float32).reshape(40, 40) for m in (x, y)]
            there = cv2.remap(frame, *spots, cv2.INTER_LINEAR)
            assert np.abs(there.astype(float) - face[30:70, 30:70]).mean() < 4
    assert turns["plain"] - turns["tilted"] == pytest.approx(20, abs=4)
    same = np.abs(clips["plain"].faces[0].astype(float) - clips["tilted"].faces[0])[20:80, 20:76]
    assert same.mean() < 20


def test_splits_hold_what_was_kept(done: tuple[Path, Summary]) -> None:
    lists = done[1].splits.lists
    keys = [key for split in lists if lists[split] for key in read_split(done[0], split)]
    assert sorted(keys) == sorted(row.key for row in done[1].kept)
    for key in keys:
        open_clip(done[0], key)


def test_a_second_run_does_nothing(done: tuple[Path, Summary], source: Path) -> None:
    output, first = done
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*/faces.npy")}
    bytes_before = contents(output)
    again = run(source, output)
    assert again.done == 0
    assert again.rows == first.rows
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*/faces.npy")} == before
    assert contents(output) == bytes_before


@pytest.mark.usefixtures("quick_workers")
def test_processes_and_interruptions_give_the_same_bytes(
    done: tuple[Path, Summary], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def interrupted(*args: object, **options: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return write(*args, **options)

    write = data_prep.clip_files.write_clip
    with monkeypatch.context() as patch:
        patch.setattr(data_prep.clip_files, "write_clip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path)
    assert not (tmp_path / "manifest.jsonl").exists()
    finished = run(source, tmp_path, workers=2)
    assert 0 < finished.done < len(EXPECTED)
    assert contents(tmp_path) == contents(done[0])


def test_changes_are_noticed(source: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "ann").mkdir(parents=True)
    shutil.copy(source / "ann/plain.mp4", folder / "ann/a.mp4")
    shutil.copy(source / "ann/ntsc.mp4", folder / "ann/b.mp4")
    assert run(folder, output).done == 2
    assert run(folder, output, image_size=64).done == 2
    assert open_clip(output, "ann/a").size == 64
    shutil.rmtree(output / "ann/b")  # lost
    assert run(folder, output, image_size=64).done == 1
    shutil.copy(source / "ann/ntsc.mp4", folder / "ann/a.mp4")  # new content: that of b
    changed = run(folder, output, image_size=64)
    assert (changed.done, reasons(changed.rows)["ann/b.mp4"]) == (1, "duplicate")
    assert len(open_clip(output, "ann/a")) == 25
    assert not (output / "ann/b").exists()
    assert run(folder, output, image_size=64).done == 0
    (folder / "ann/a.mp4").write_bytes(b"")  # now rejected, so b is no longer a duplicate
    assert run(folder, output, image_size=64).reasons == {"empty": 1}
    assert not (output / "ann/a").exists()
    assert read_split(output, "train") == ["ann/b"]
    assert len(open_clip(output, "ann/b")) == 25


def test_only_the_stages_that_an_option_concerns_are_done_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in/ann"
    folder.mkdir(parents=True)
    shutil.copy(source / "ann/plain.mp4", folder)
    run(folder.parent, tmp_path / "out")

    def again(*_: object) -> None:
        raise AssertionError("looked at the frames again")

    with monkeypatch.context() as patch:
        patch.setattr(data_prep.clip, "analyse_frames", again)
        assert run(folder.parent, tmp_path / "out", image_size=64).done == 1
        assert open_clip(tmp_path / "out", "ann/plain").size == 64
        small = run(folder.parent, tmp_path / "out", image_size=64, min_face=100)
        assert small.reasons == {"small": 1}
        assert not (tmp_path / "out/ann/plain").exists()
        failed = run(folder.parent, tmp_path / "out", image_size=64, min_score=0.6)
        assert failed.reasons == {"failed": 1}
        options = Options(min_seconds=0.2, judge=None)
        redone = prepare(
            folder.parent, tmp_path / "out", options, workers=0, progress=False, redo="pieces"
        )
    assert (redone.done, len(redone.kept)) == (1, 1)
    with pytest.raises(ConfigError, match="redo=x: must be one of probe, look, pieces"):
        prepare(folder.parent, tmp_path / "out", options, redo="x")


@pytest.mark.parametrize("known", [True, False])
def test_a_long_video_is_decoded_twice_to_the_same_end(
    done: tuple[Path, Summary],
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: bool,
) -> None:
    """``known``: the file states its duration."""
    folder = tmp_path / "in/ann"
    folder.mkdir(parents=True)
    shutil.copy(source / "ann/plain.mp4", folder)
    monkeypatch.setattr(data_prep.footage, "_HELD", 3 * 160 * 160 * 3)
    if not known:
        monkeypatch.setattr(data_prep.clip, "fits_in_memory", lambda _: True)
    run(folder.parent, tmp_path / "out")
    assert contents(tmp_path / "out/ann") == {
        name.removeprefix("ann/"): value
        for name, value in contents(done[0]).items()
        if name.startswith("ann/plain")
    }


def test_a_full_disk_ends_the_run_in_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data_prep.clip_files, "write_clip", full)
    with pytest.raises(LipsyncError, match="No space left") as caught:
        run(source, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_bug_on_one_file_is_a_row_and_is_tried_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in/ann"
    folder.mkdir(parents=True)
    for name in ("plain", "ntsc"):
        shutil.copy(source / f"ann/{name}.mp4", folder)

    def fails(output: Path, key: str, **parts: object) -> object:
        if key == "ann/ntsc":
            raise ValueError("broken")
        return write(output, key, **parts)

    write = data_prep.clip_files.write_clip
    with monkeypatch.context() as patch:
        patch.setattr(data_prep.clip_files, "write_clip", fails)
        summary = run(folder.parent, tmp_path / "out")
    assert summary.reasons == {"failed": 1}
    assert summary.rows[0].detail.startswith("ValueError: broken")
    assert run(folder.parent, tmp_path / "out").done == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"detector": "x"}, "centerface, face_alignment"),
        ({"image_size": 95}, "image_size must be even"),
        ({"stride": 0}, "stride must be 1 or more, got 0"),
        ({"min_seconds": 6.0}, "max_seconds must be at least twice"),
        ({"framing": "round"}, "framing must be one of box, aligned, aligned_tight"),
        ({"unsure": "x"}, "unsure must be one of keep, reject"),
        ({"cuts": "x"}, "cuts must be one of split, reject"),
        ({"stride": "five"}, "stride must be int, got 'five'"),
        ({"image_size": 96.0}, r"image_size must be int, got 96\.0"),
        ({"min_score": None}, "min_score must be float, got None"),
        ({"min_sharpness": "high"}, "min_sharpness must be float, got 'high'"),
        ({"max_offset": 1.5}, r"max_offset must be int or null, got 1\.5"),
        ({"min_face": True}, "min_face must be float, got True"),
        ({"judge": 5}, "judge must be str or null, got 5"),
        ({"framing": "aligned", "detector": "face_alignment"}, "framing=aligned needs landmarks"),
    ],
)
def test_options_that_cannot_work(options: dict, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Options(**options)
