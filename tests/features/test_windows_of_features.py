"""Which columns belong to which frame: against the published windows, and by brute force."""

import json
from pathlib import Path

import numpy as np
import pytest

from lipsync.errors import ConfigError
from lipsync.features import (
    Feature,
    LifteredMel,
    LipGANMFCC,
    Mel,
    SyncNetMFCC,
    Whisper,
    feature_of,
    get_feature,
)
from lipsync.models import LipGAN, QualityDiscriminator, SyncNet, SyncNetV2, Wav2Lip, sound

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "public_windows.json").read_text())
ALL = (Mel(), Mel(lead=2), LifteredMel(lead=1), LipGANMFCC(), SyncNetMFCC(), Whisper())


def numbered(feature: Feature, columns: int = 400) -> np.ndarray:
    """Columns that contain their own index."""
    return np.tile(np.arange(columns, dtype=np.float32), (feature.bands, 1))


def test_networks_are_told_what_features_are():
    assert Mel().record == sound.MEL
    assert LipGANMFCC().record == sound.LIPGAN_MFCC
    assert SyncNetMFCC().record == sound.SYNCNET_MFCC


@pytest.mark.parametrize("feature", ALL, ids=str)
def test_a_feature_is_made_again_from_its_record(feature):
    again = get_feature(json.loads(json.dumps(feature.record)))
    assert (again, type(again)) == (feature, type(feature))
    assert hash(again) == hash(feature)
    assert again != type(feature)(window=feature.window + 1)


@pytest.mark.parametrize("row", GOLDEN["training_windows_25fps"], ids=lambda r: r["frame"])
def test_published_training_windows(row):
    expert, generator, mel = Mel().spanning(5), Mel(lead=1), numbered(Mel())
    (window,) = expert.cut(mel, [row["frame"]])[:, 0, 0]
    assert [window[0], window[-1] + 1] == row["sync_mel"]
    if row["segment_starts"] is not None:
        frames = row["frame"] + np.arange(5)
        assert generator.cut(mel, frames)[:, 0, 0, 0].tolist() == row["segment_starts"]


@pytest.mark.parametrize(
    "row", GOLDEN["inference_chunks"], ids=lambda r: f"{r['fps']}-{r['n_mel']}"
)
def test_published_inference_windows(row):
    """All but the last column."""
    feature = Mel()
    starts = [feature.start(k / row["fps"], row["fps"]) for k in range(row["n_chunks"] - 1)]
    ends = [*starts, row["n_mel"] - 16]
    assert ends[: len(row["starts_head"])] == row["starts_head"]
    assert ends[-len(row["starts_tail"]) :] == row["starts_tail"]
    assert feature.repeats_end
    assert not Mel(lead=1).repeats_end


@pytest.mark.parametrize("feature", ALL, ids=str)
def test_windows_are_columns_and_silence_outside_of_the_sound(feature):
    values, frames = numbered(feature, 300), [0, 1, 7, 40, 60, 95, 200]
    heard = feature.cut(values, frames)
    assert heard.shape == (len(frames), 1, feature.bands, feature.window)
    for frame, window in zip(frames, heard[:, 0, 0], strict=True):
        columns = feature.start(frame / 25) + np.arange(feature.window)
        inside = (columns >= 0) & (columns < 300)
        np.testing.assert_array_equal(window, np.where(inside, columns, feature.silence))


@pytest.mark.parametrize("feature", ALL, ids=str)
@pytest.mark.parametrize("frames", [2, 5, 9, 15])
def test_windows_that_span_frames(feature, frames):
    heard = feature.spanning(frames)
    assert heard.window == int(frames * feature.rate / 25)
    assert (heard.lead, heard.options()) == (0, feature.options())
    assert heard.record == sound.spanning_record(feature, frames)
    if feature.name != "lipgan_mfcc":  # which is centred
        assert heard.start(10 / 25) == 10 * feature.rate // 25


@pytest.mark.parametrize("feature", ALL, ids=str)
@pytest.mark.parametrize("window", [1, 5, 9])
def test_windows_are_counted_to_the_last_one_that_fits(feature, window):
    heard = feature.spanning(window) if feature.name != "lipgan_mfcc" else feature
    for frames in range(0, 40, 3):
        for columns in range(0, 180, 7):
            places = range(max(0, frames - window + 1))
            ends = [f for f in places if columns < _end(heard, f)]
            fitting = ends[0] if ends else len(places)
            assert heard.count(frames, columns, window) == fitting, (frames, columns)


def _end(feature: Feature, frame: int) -> int:
    """The end of a window with the start that all features share."""
    return int(np.floor(feature.rate * (frame - feature.lead) / 25 + 1e-9)) + feature.window


def test_a_frame_is_in_the_middle_of_what_is_heard():
    # 25 ms windows every 10 ms: 35 of them span 365 ms, from 10 * start ms.
    feature = LipGANMFCC()
    for fps in (25, 24, 30, 29.97, 50):
        for frame in range(200):
            middle = 10 * feature.start(frame / fps, fps) + 365 / 2
            assert abs(middle - 1000 * (frame + 0.5) / fps) <= 5.001, (fps, frame)
    assert [feature.start(k / 25) for k in (0, 4, 5, 100)] == [-16, 0, 4, 384]  # four a frame
    assert [Mel(lead=2).start(k / 25) for k in (0, 2, 5)] == [-7, 0, 9]  # 6.4 columns before
    assert [Whisper().start(k / 25) for k in (0, 2, 5)] == [-4, 0, 6]


@pytest.mark.parametrize("feature", [*ALL[:-1], Mel(window=40)], ids=str)
def test_sound_comes_as_late_as_is_said(feature):
    """A click at ``look_ahead`` has no effect; one just before it has."""
    frame, click = 10, round((10 / 25 + feature.look_ahead()) * 16_000)
    silent = feature.extract(np.zeros(48_000, np.float32))
    changed = []
    for place in (click - feature.hop // 2, click + 1):
        wave = np.zeros(48_000, np.float32)
        wave[place : place + 40] = 0.5
        differs = feature.cut(feature.extract(wave), [frame]) != feature.cut(silent, [frame])
        changed.append(differs.any())
    assert changed[1] is np.False_
    assert feature.look_ahead() == pytest.approx(
        (feature.window - 1 - feature.rate * feature.lead / 25) / feature.rate
        + feature.reach / 16_000 - (0.0175 if feature.name == "lipgan_mfcc" else 0),
        abs=0.5 / feature.rate + 0.02,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("bark", "feature bark: must be one of"),
        ({"window": 16}, "feature None: must be one of"),
        (
            {"name": "mel", "bands": 40},
            "feature mel has bands 80, but the network was trained with 40",
        ),
        (
            {"name": "mel", "rate": 100},
            "feature mel has rate 80, but the network was trained with 100",
        ),
        ({"name": "mel", "seconds": 3}, "feature mel: .*unexpected keyword argument 'seconds'"),
        ({"name": "mel", "window": 0}, "feature mel: window=0 must be 1 column or more"),
        ({"name": "mel", "lead": 0.5}, "feature mel: lead=0.5 must be a whole number of frames"),
    ],
)
def test_records_of_no_feature(record, problem):
    with pytest.raises(ConfigError, match=problem) as error:
        get_feature(record)
    assert "\n" not in str(error.value)


def test_networks_keep_the_record_of_what_they_hear():
    small = {"width": 0.125, "depth": 0.0}
    assert Wav2Lip(**small).config["feature"] == sound.MEL
    assert Wav2Lip(**small, feature=Whisper()).config["feature"] == Whisper().record
    assert LipGAN(**small).config["feature"] == sound.LIPGAN_MFCC
    assert SyncNet(**small, window=9).config["feature"] == sound.MEL | {"window": 28}
    assert SyncNetV2(width=0.125, window=9).config["feature"]["window"] == 36
    with pytest.raises(ConfigError, match="is neither a feature nor the record of one"):
        Wav2Lip(**small, feature="mel")
    with pytest.raises(ConfigError, match="config of QualityDiscriminator contains no feature"):
        feature_of(QualityDiscriminator(96, 0.125))


@pytest.mark.parametrize("feature", ALL[1:], ids=str)
def test_any_feature_can_be_heard(feature):
    import torch

    wave = np.random.default_rng(0).uniform(-0.1, 0.1, 48_000).astype(np.float32)
    values = numbered(feature) if feature.name == "whisper" else feature.extract(wave)
    generator = Wav2Lip(width=0.125, depth=0.0, feature=feature).eval()
    windows = torch.from_numpy(feature.cut(values, [3, 9]))
    with torch.inference_mode():
        assert generator(windows, torch.zeros(2, 6, 96, 96)).shape == (2, 3, 96, 96)
        for frames in (5, 15):
            expert = SyncNet(width=0.125, depth=0.0, window=frames, feature=feature).eval()
            heard = get_feature(expert.config["feature"]).cut(values, [3, 9])
            assert expert.embed_audio(torch.from_numpy(heard)).shape == (2, 512)
