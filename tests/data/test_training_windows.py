"""Training samples: their content, its consistency, and refusals."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from asked import (
    EXPERT,
    GENERATOR,
    JUDGE,
    LIPGAN,
    LONG_EXPERT,
    asked,
    columns,
    evaluation,
    shown,
    spans,
    training,
)
from torch.utils.data import DataLoader

from lipsync.audio import mfcc
from lipsync.data.clips import Clip
from lipsync.data.datasets import Windows
from lipsync.data.draws import DrawSampler
from lipsync.data.store import open_clip, write_clip, write_split
from lipsync.errors import ClipError, ConfigError
from lipsync.features import Mel, SyncNetMFCC


def test_windows_of_an_expert_have_their_sound(prepared):
    sample = training(prepared, EXPERT, windows=6)[5]
    assert sample["faces"].shape == (6, 5, 48, 96, 3)  # lower halves
    assert sample["faces"].dtype == np.uint8
    assert sample["sound_expert"].shape == (6, 1, 80, 16)
    assert sample["sound_expert"].dtype == np.float32
    assert sample["start"].tolist() == sorted(set(sample["start"].tolist()))
    clip = open_clip(prepared, sample["key"])
    names = ("faces", "sound_expert", "start")
    for faces, sound, start in zip(*(sample[n] for n in names), strict=True):
        assert shown(faces) == list(range(start, start + 5))
        assert np.array_equal(sound[0], columns(clip, "mel", int(start * 3.2), 16, -4))


def test_windows_of_fifteen_frames(prepared):
    dataset = training(prepared, LONG_EXPERT, windows=4)
    seen = set()
    for draw in range(40):
        sample = dataset[draw]
        assert sample["faces"].shape == (4, 15, 96, 96, 3)
        assert sample["sound_expert"].shape == (4, 1, 80, 48)  # 600 ms
        clip = open_clip(prepared, sample["key"])
        names = ("faces", "sound_expert", "start")
        for faces, sound, start in zip(*(sample[n] for n in names), strict=True):
            assert shown(faces) == list(range(start, start + 15))
            assert np.array_equal(sound[0], columns(clip, "mel", int(start * 3.2), 48, -4))
        seen.update(sample["start"].tolist())
    # Of 30 frames; floor(3.2 * 15) + 48 = 96 of 97 columns.
    assert seen == set(range(16))


def test_windows_of_a_judge_have_whole_faces_and_cepstra(prepared):
    sample = training(prepared, JUDGE, windows=4, seed=3)[17]
    clip = open_clip(prepared, sample["key"])
    assert sample["faces"].shape == (4, 5, 96, 96, 3)
    assert sample["sound_expert"].shape == (4, 1, 13, 20)
    first = int(sample["start"][1])
    assert np.array_equal(sample["faces"][1], np.load(clip.path / "faces.npy")[first : first + 5])
    rows = mfcc(clip.wave)[4 * first : 4 * first + 20]
    np.testing.assert_allclose(sample["sound_expert"][1, 0], rows.T, atol=0.02)  # of 16 bits


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_every_frame_of_a_generator_s_window_has_its_own_sound(prepared, lead):
    inputs = asked(frames=5, sound=Mel(lead=lead), references=1)
    dataset = training(prepared, inputs, windows=2)
    starts = set()
    for draw in range(60):
        sample = dataset[draw]
        clip = open_clip(prepared, sample["key"])
        assert sample["sound"].shape == (2, 5, 1, 80, 16)
        for k, start in enumerate(sample["start"].tolist()):
            frames = list(range(start, start + 5))
            assert shown(sample["faces"][k]) == frames
            for frame, sound in zip(frames, sample["sound"][k], strict=True):
                first = 16 * (frame - lead) // 5  # 3.2 columns a frame
                assert np.array_equal(sound[0], columns(clip, "mel", first, 16, -4))
            starts.add(start)
    assert (min(starts), max(starts)) == (0, 25)  # to the clip's ends


def test_several_spans_share_the_longest_window(prepared):
    hearers = spans(sync=5, long=9) | JUDGE.spans
    inputs = asked(frames=5, sound=Mel(lead=2), spans=hearers, references=1)
    dataset = training(prepared, inputs, windows=2)
    starts = set()
    for draw in range(40):
        sample = dataset[draw]
        assert sample["faces"].shape == (2, 9, 96, 96, 3)
        assert sample["sound"].shape == (2, 9, 1, 80, 16)
        clip = open_clip(prepared, sample["key"])
        for k, start in enumerate(sample["start"].tolist()):
            for name, length in (("sound_sync", 16), ("sound_long", 28)):
                there = columns(clip, "mel", int(start * 3.2), length, -4)
                assert np.array_equal(sample[name][k, 0], there)
            there = columns(clip, "syncnet_mfcc", 4 * start, 20, 0)
            assert np.array_equal(sample["sound_expert"][k, 0], there)
        starts.update(sample["start"].tolist())
    assert (min(starts), max(starts)) == (0, 21)


def heard(sounds, clip):
    """Frames of LipGAN's sounds: column 16 of 35 is the first of the frame's own four."""
    values = np.load(clip.path / "lipgan_mfcc.npy")
    places = [
        np.flatnonzero((values == s[:, 16:17]).all(axis=0)) for s in sounds.reshape(-1, 12, 35)
    ]
    return [int(place[0]) // 4 for place in places]


def test_samples_of_lipgan_have_their_own_sound_and_another(prepared):
    dataset = training(prepared, LIPGAN, windows=4, seed=2)
    seen = set()
    for draw in range(60):
        sample = dataset[draw]
        clip = open_clip(prepared, sample["key"])
        frames = sample["start"].tolist()
        assert frames == sorted(set(frames))
        assert np.ravel(shown(sample["faces"])).tolist() == heard(sample["sound"], clip) == frames
        away = np.subtract(heard(sample["shifted_sound"], clip), frames)
        assert (np.abs(away) >= 6).all()
        assert (np.abs(np.ravel(shown(sample["reference"])) - frames) >= 5).all()
        seen.update(frames)
    assert seen == set(range(30))  # to the clip's ends: windows extend beyond the sound
    assert sample["sound"].shape == sample["shifted_sound"].shape == (4, 1, 1, 12, 35)
    assert sample["faces"].shape == (4, 1, 96, 96, 3)


def test_a_clip_too_short_for_shifted_sound(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/short"], "val": ["a/short"]}, frames=11)
    for dataset in (training(root, LIPGAN), evaluation(root, LIPGAN, windows=1)):
        with pytest.raises(
            ClipError,
            match=r"a/short: 11 windows, negatives 6 frames away need 12",
        ):
            dataset[0]


def test_frames_without_any_sound_are_in_no_window(tmp_path):
    faces = np.arange(60, dtype=np.uint8)[:, None, None, None] * np.ones((96, 96, 3), np.uint8)
    write_clip(tmp_path, "a/b", faces=faces, wave=np.ones(16000, np.float32), info={})  # 25 frames
    write_split(tmp_path, "train", ["a/b"])
    starts = {int(training(tmp_path, GENERATOR)[draw]["start"][0]) for draw in range(150)}
    # The mel's 81st column starts at 1 s, with the 26th frame.
    assert starts == set(range(22))
    starts = {int(training(tmp_path, EXPERT)[draw]["start"][0]) for draw in range(150)}
    assert starts == set(range(21))  # 80 of 81 columns from frame 20 on


def test_a_short_clip_repeats_windows(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/b"]}, frames=8)
    sample = training(root, EXPERT, windows=9)[0]
    assert set(sample["start"].tolist()) <= {0, 1, 2, 3}
    assert sample["faces"].shape[0] == 9


def test_samples_follow_from_seed_and_draw_alone(prepared):
    dataset = training(prepared, LIPGAN, windows=2, seed=1)
    alone = list(DataLoader(dataset, 4, sampler=DrawSampler(12)))
    shared = list(DataLoader(dataset, 4, sampler=DrawSampler(12), num_workers=2))
    for a, b in zip(alone, shared, strict=True):
        assert a["key"] == b["key"]
        for name in ("faces", "reference", "sound", "shifted_sound", "start"):
            assert torch.equal(a[name], b[name])
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again[3]["reference"], dataset[3]["reference"])
    other = training(prepared, LIPGAN, windows=2, seed=2)
    assert any(other[i]["start"].tolist() != dataset[i]["start"].tolist() for i in range(5))


def test_clips_from_elsewhere_give_faces_and_features():
    class Remembered(Clip):
        faces = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((96, 96, 3), np.uint8)

        def feature(self, feature):
            return feature.extract(np.ones(30 * 640, np.float32))

    class Memory:
        def keys(self, split):
            return ["a/1", "a/2"]

        def open(self, key):
            return Remembered(key, Path())

    sample = Windows(Memory(), "train", EXPERT, windows=3)[4]
    assert shown(sample["faces"]) == (sample["start"][:, None] + np.arange(5)).tolist()
    assert sample["sound_expert"].shape == (3, 1, 80, 16)


def test_no_file_stays_open(prepared):
    dataset = training(prepared, GENERATOR)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for draw in range(20):
        dataset[draw]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("windows", [0, 1.5, True, None])
def test_windows_that_cannot_be(prepared, windows):
    problem = rf"^data\.train\.windows={windows}: must be a whole number, 1 or more$"
    with pytest.raises(ConfigError, match=problem):
        training(prepared, EXPERT, windows=windows)


def test_wrong_sizes_are_named_at_once(prepared):
    problem = r"anna/1 is 96 px, data.image_size is 128; prepare the data again with image_size=128"
    with pytest.raises(ConfigError, match=problem):
        training(prepared, asked(image_size=128))


def test_another_framing_is_named_at_once(tmp_path):
    faces, wave = np.zeros((30, 96, 96, 3), np.uint8), np.zeros(19200, np.float32)
    write_clip(tmp_path, "a/b", faces=faces, wave=wave, info={"framing": "aligned"})
    write_split(tmp_path, "train", ["a/b"])
    with pytest.raises(ConfigError) as error:
        training(tmp_path, EXPERT)
    assert str(error.value) == (
        "clip a/b is framed 'aligned', the networks expect 'box'; set data.framing=aligned, or "
        "prepare the data again with framing=box"
    )
    training(tmp_path, asked(framing="aligned"))


def test_a_feature_that_is_missing_is_named_with_its_remedy(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/b"]})
    (root / "a/b/syncnet_mfcc.npy").unlink()
    with pytest.raises(ClipError) as error:
        training(root, JUDGE)
    assert str(error.value) == (
        "a/b: has no syncnet_mfcc.npy, which the network needs; add it with "
        "`python -m data_prep 'features=[syncnet_mfcc]' output=ROOT`"
    )


@pytest.mark.parametrize(
    ("inputs", "frames", "problem"),
    [
        (EXPERT, 4, "4 frames and 13 mel columns, a window needs 5 frames and 16 of mel"),
        (LONG_EXPERT, 14, "14 frames and 45 mel columns, a window needs 15 frames and 48 of mel"),
        (JUDGE, 4, "4 frames and 15 syncnet_mfcc columns, a window needs 5 frames and 20 of"),
        (GENERATOR, 4, "4 frames and 13 mel columns, a window needs 5 frames and 13 of mel"),
        (asked(), 0, "0 frames, a window needs 1 frames"),
    ],
)
def test_a_clip_without_a_window_is_an_error(make_prepared, tmp_path, inputs, frames, problem):
    root = make_prepared(tmp_path, {"train": ["a/short"]}, frames=max(frames, 1))
    if not frames:
        np.save(root / "a/short/faces.npy", np.zeros((0, 96, 96, 3), np.uint8))
    with pytest.raises(ClipError, match=rf"^a/short: {problem}.*; take it out of the split list$"):
        training(root, inputs)


def test_damaged_clips_are_errors_not_skipped(make_prepared, tmp_path):
    root = make_prepared(tmp_path, {"train": ["a/1", "a/2"]})
    dataset = training(root, GENERATOR)
    shutil.rmtree(root / "a/2")
    with pytest.raises(ClipError, match=r"a/2: no prepared clip in"):
        [dataset[draw] for draw in range(2)]


@pytest.mark.parametrize("fps", [23.976, 25.0, 59.94])
def test_windows_are_cut_as_one_by_one(fps):
    rng = np.random.default_rng(0)
    for feature in (Mel(lead=2), Mel().spanning(15), SyncNetMFCC()):
        values = rng.standard_normal((feature.bands, 90)).astype(np.float32)
        padded = np.pad(values, ((0, 0), (500, 500)), constant_values=feature.silence)
        frames = [0, 1, 30, 3, 31, 90]  # in any order, and beyond the sound
        starts = [feature.start(frame / fps, fps) + 500 for frame in frames]
        alone = np.stack([padded[:, s : s + feature.window] for s in starts])[:, None]
        cut = feature.cut(values, frames, fps)
        assert cut.dtype == np.float32
        assert np.array_equal(cut, alone)


def test_a_reader_without_clips_is_refused():
    class Nothing:
        def keys(self, split):
            return []

    with pytest.raises(ConfigError, match="the list train names no clips"):
        Windows(Nothing(), "train", None)
