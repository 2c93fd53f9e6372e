"""The synthetic corpus: reproducible, split as documented, in sync, with detectable faces."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lipsync.data.store import read_split
from lipsync.errors import ConfigError
from lipsync.faces.detect import CenterFace
from lipsync.media import probe, read_audio, read_frames
from lipsync.sample import make_sample_corpus
from lipsync.sample.corpus import make_clip, split_keys
from lipsync.sample.head import HeadRenderer, Motion
from lipsync.sample.looks import random_look
from lipsync.sample.phones import CONSONANTS, VOWELS
from lipsync.sample.speech import Voice, speak

TINY = {"speakers": 3, "clips": 2, "seconds": 1.0, "size": 128, "progress": False}
CLOSED = np.array([0, 0, 0, 0, 0, 0, 1], np.float32)
OPEN = np.array([1, 0.3, 0, 0, 0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample_corpus(tmp_path_factory.mktemp("tiny"), workers=1, **TINY)


def _contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_every_clip_has_its_frames_and_its_sound(tiny: Path) -> None:
    clips = sorted(tiny.rglob("*.mp4"))
    assert [str(c.relative_to(tiny)) for c in clips] == [
        f"speaker{s:02d}/{c:05d}.mp4" for s in (1, 2, 3) for c in (1, 2)
    ]
    for clip in clips:
        info = probe(clip)
        assert (info.width, info.height, info.fps) == (128, 128, 25)
        assert len(list(read_frames(clip))) == 25
        assert len(read_audio(clip)) == pytest.approx(16000, abs=1024)  # one AAC packet


@pytest.mark.usefixtures("quick_workers")
def test_content_depends_on_the_arguments_only(tiny: Path, tmp_path: Path) -> None:
    again = make_sample_corpus(tmp_path / "two", workers=2, **TINY)
    assert _contents(again) == _contents(tiny)
    one, same = (make_clip(0, 1, 0, 1.0, 128) for _ in range(2))
    other, reseeded = make_clip(0, 1, 1, 1.0, 128), make_clip(5, 1, 0, 1.0, 128)
    frames = np.stack(list(one.frames))
    assert np.array_equal(one.wave, same.wave)
    assert np.array_equal(frames, np.stack(list(same.frames)))
    for different in (other, reseeded):
        assert not np.array_equal(one.wave, different.wave)
        assert np.abs(frames - np.stack(list(different.frames)).astype(float)).mean() > 3


def test_splits_hold_out_speakers_and_utterances() -> None:
    keys = split_keys(12, 8)
    assert {name: len(members) for name, members in keys.items()} == {
        "train": 56, "val": 16, "test": 24,
    }  # fmt: skip
    everything = [key for members in keys.values() for key in members]
    assert len(everything) == len(set(everything)) == 96
    speakers = {name: {k.split("/")[0] for k in members} for name, members in keys.items()}
    assert speakers["test"] == {"speaker10", "speaker11", "speaker12"}
    assert not speakers["test"] & (speakers["train"] | speakers["val"])
    assert speakers["val"] - speakers["train"] == {"speaker09"}
    assert len({k.split("/")[0] for k in split_keys(6, 2)["test"]}) == 3


def test_split_lists_are_on_disk(tiny: Path) -> None:
    assert read_split(tiny, "train") == ["speaker01/00001", "speaker02/00001"]
    assert read_split(tiny, "val") == ["speaker01/00002", "speaker02/00002"]
    assert read_split(tiny, "test") == ["speaker03/00001", "speaker03/00002"]


def test_a_complete_corpus_is_kept_and_a_damaged_one_made_again(tiny: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny, tmp_path / "again"))
    whole, clip = _contents(root), root / "speaker02" / "00001.mp4"
    made = clip.stat().st_mtime_ns
    make_sample_corpus(root, workers=1, **TINY)
    assert clip.stat().st_mtime_ns == made
    (root / "speaker03" / "00002.mp4").unlink()
    (root / "filelists" / "val.txt").unlink()
    make_sample_corpus(root, workers=1, **TINY)
    assert _contents(root) == whole
    # another recipe replaces the corpus and leaves nothing of the first
    make_sample_corpus(root, workers=1, **{**TINY, "clips": 3})
    make_sample_corpus(root, workers=1, **TINY)
    assert _contents(root) == whole


def test_an_interrupted_making_is_not_taken_for_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    make_sample_corpus(tmp_path, seed=1, workers=1, **TINY)  # all file names exist already
    with monkeypatch.context() as patch:
        patch.setattr("lipsync.sample.corpus.write_split", stop)
        with pytest.raises(KeyboardInterrupt):
            make_sample_corpus(tmp_path, workers=1, **TINY)
    made = (tmp_path / "speaker01" / "00001.mp4").stat().st_mtime_ns
    make_sample_corpus(tmp_path, workers=1, **TINY)
    assert (tmp_path / "speaker01" / "00001.mp4").stat().st_mtime_ns > made
    assert len(read_split(tmp_path, "test")) == 2


def test_what_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    for wrong in ({"speakers": 2}, {"clips": 1}, {"seconds": 0.5}, {"size": 127}, {"size": 96}):
        with pytest.raises(ConfigError, match="needs at least 3 speakers, 2 clips, 1 second"):
            make_sample_corpus(tmp_path / "x", **wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; choose a folder"):
        make_sample_corpus(tmp_path / "file")


def test_closed_lips_are_quiet_and_vowels_loud() -> None:
    loud, quiet = [], []
    for seed in range(4):
        said = speak(np.random.default_rng(seed), Voice(), 4.0)
        assert said.wave.dtype == np.float32
        assert said.wave.shape == (64000,)
        assert np.abs(said.wave).max() < 1
        assert said.segments[0].start == 0
        assert said.segments[-1].end == 4.0
        for segment in said.segments:
            middle = 0.5 * (segment.start + segment.end)
            around = said.wave[int((middle - 0.015) * 16000) : int((middle + 0.015) * 16000)]
            level = 10 * np.log10(np.mean(around**2))
            (shape,) = said.mouth_at(np.array([middle]))
            if segment.phone.name in ("m", "b", "p"):
                quiet.append(level)
                assert shape[6] == pytest.approx(1, abs=0.02)  # shut, however short the phone
            elif segment.phone.name == "a":
                loud.append(level)
                assert shape[0] > 0.6
                assert shape[6] < 0.1
    assert np.mean(loud) - np.mean(quiet) > 10  # dB


def test_the_vowels_are_told_apart_by_sound_and_by_lips() -> None:
    phones = {p.name: p for p in (*VOWELS, *CONSONANTS)}
    assert phones["i"].formants[1] > 2 * phones["u"].formants[1]
    assert phones["i"].width > 0.8
    assert phones["u"].round > 0.8
    assert phones["a"].jaw > 4 * phones["i"].jaw


def test_speech_moves_the_lower_face_only() -> None:
    renderer = HeadRenderer(random_look(0, 1), np.random.default_rng(0), 192)
    shut, wide = (renderer.render(m, Motion()).astype(float) for m in (CLOSED, OPEN))
    changed = np.abs(wide - shut).max(-1)
    x, y = (round(c) for c in renderer.origin)
    unit = renderer.unit
    assert changed[: round(y + 0.35 * unit)].max() <= 1  # eyes, brows and nose do not move
    below = np.s_[round(y + 0.68 * unit) : round(y + 0.74 * unit), x - 5 : x + 5, 0]
    assert shut[below].mean() - wide[below].mean() > 60  # red lip gives way to a dark opening
    chin = changed[round(y + 0.95 * unit) : round(y + 1.18 * unit), x - 5 : x + 5]
    assert chin.mean() > 8  # the chin has moved down


def test_rounded_lips_are_narrow_and_spread_ones_wide() -> None:
    renderer = HeadRenderer(random_look(0, 1), np.random.default_rng(0), 192)
    widths = []
    for width, rounded in ((1.0, 0.0), (0.0, 0.0), (-0.4, 1.0)):
        shape = np.array([0.3, 0.5, width, rounded, 0, 0, 0], np.float32)
        changed = np.abs(
            renderer.render(shape, Motion()).astype(float)
            - renderer.render(np.array([0.3, 0.5, width, rounded, 0, 0, 1], np.float32), Motion())
        ).max(-1)
        row = changed[round(renderer.origin[1] + 0.63 * renderer.unit)]
        widths.append(int((row > 12).sum()))
    assert widths[0] > widths[1] > widths[2] > 0


def _darkness(frames: list[np.ndarray], detector: CenterFace) -> np.ndarray:
    """Darkness between the mouth corners, frame by frame."""
    dark = []
    for frame in frames:
        left, right = detector.detect(frame)[0].landmarks[3:]
        x, y, w = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2, right[0] - left[0]
        patch = frame[int(y - 0.3 * w) : int(y + 0.7 * w), int(x - 0.3 * w) : int(x + 0.3 * w)]
        dark.append(-np.percentile(patch.min(2), 12))
    return np.array(dark)


@pytest.mark.slow
def test_decoded_faces_are_found_and_mouth_and_sound_are_in_sync(tmp_path: Path) -> None:
    make_sample_corpus(
        tmp_path, speakers=4, clips=2, seconds=3.0, seed=0, size=240, workers=2, progress=False
    )
    detector = CenterFace(threads=1)
    lags = np.arange(-6, 7)  # lags of the sound in frames
    found = total = 0
    curves = []
    for speaker, clip in ((1, 0), (3, 0), (3, 1), (1, 1)):
        path = tmp_path / f"speaker{speaker + 1:02d}" / f"{clip + 1:05d}.mp4"
        frames, wave = [frame for _, frame in read_frames(path)], read_audio(path)
        assert len(frames) == 75
        boxes = [detector.detect(frame) for frame in frames[::3]]
        found, total = found + sum(map(bool, boxes)), total + len(boxes)
        sides = np.array([b[0].box[2:] - b[0].box[:2] for b in boxes if b])
        assert 60 < sides[:, 0].mean() < 130
        assert 85 < sides[:, 1].mean() < 130

        # the sound keeps its position in the container to a millisecond
        made = make_clip(0, speaker, clip, 3.0, 240)
        shifts = range(-1100, 1101)  # AAC's priming would be 1024
        window = made.wave[4000:44000]
        match = [float(window @ wave[4000 + s : 44000 + s]) for s in shifts]
        assert abs(shifts[int(np.argmax(match))]) <= 16

        dark = _darkness(frames, detector)
        power = np.convolve(np.pad(wave, 8000)[:64000] ** 2, np.ones(640) / 640, "same")
        middles = 8000 + ((np.arange(75)[:, None] + 0.5 + lags) * 640).astype(int)
        level = np.log(power[middles] + 1e-5)
        curves.append([np.corrcoef(dark, column)[0, 1] for column in level.T])
        opening = made.mouth[:, 0] * (1 - made.mouth[:, 6])
        assert np.corrcoef(dark, opening)[0, 1] > 0.6
    assert found / total >= 0.99
    curve = np.mean(curves, axis=0)
    assert abs(lags[curve.argmax()]) <= 1
    assert curve[6] > 0.35
    assert curve[6] > curve[[0, -1]].max() + 0.2
