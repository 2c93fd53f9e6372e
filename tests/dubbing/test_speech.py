"""Streamed audio features equal those of the whole sound; the gate; live use."""

import time
from fractions import Fraction

import numpy as np
import pytest
import torch
from dubbing_media import FixedDetector, Hearing, corner_number, frame, make_video, tone

from lipsync.dubbing import LiveSession, dub_frames, live
from lipsync.dubbing.gate import VoiceGate, min_speech_db
from lipsync.dubbing.speech import Speech
from lipsync.errors import ConfigError, MediaError
from lipsync.features import LifteredMel, LipGANMFCC, Mel, SyncNetMFCC
from lipsync.media import VideoWriter, write_audio
from lipsync.media.loudness import Loudness


def pieces(wave, seed=0):
    rng, at = np.random.default_rng(seed), 0
    while at < len(wave):
        step = int(rng.integers(1, 9000))
        yield wave[at : at + step]
        at += step


@pytest.mark.parametrize("feature", [Mel(), Mel(lead=1), LifteredMel(lead=2)], ids=str)
@pytest.mark.parametrize("seconds", [0.19, 1.0, 7.3])
def test_mel_windows_of_sound_that_comes_in_pieces(seconds, feature):
    wave = tone(seconds)
    speech = Speech(feature, pieces(wave))
    mel, frames = feature.extract(wave), np.arange(int(seconds * 25))
    expected = feature.cut(mel, frames)[:, 0]
    last = mel.shape[1] - 16
    for k in frames:
        window = speech.window(k / 25, 25)
        if feature.lead or 3.2 * k <= last:
            np.testing.assert_allclose(window, expected[k], atol=2e-3)
        else:  # published inference repeats the last 16 columns
            np.testing.assert_allclose(window, mel[:, last:], atol=2e-3)


@pytest.mark.parametrize("feature", [LipGANMFCC(), SyncNetMFCC(window=9, lead=2)], ids=str)
def test_cepstra_of_sound_that_comes_in_pieces(feature):
    wave = (np.round(tone(3.0) * 32768) / 32768).astype(np.float32)
    speech = Speech(feature, pieces(wave))
    expected = feature.cut(feature.extract(wave), np.arange(75))[:, 0]
    for k in range(75):
        np.testing.assert_allclose(speech.window(k / 25, 25), expected[k], atol=1e-3)


@pytest.mark.parametrize("feature", [Mel(lead=2), LipGANMFCC()], ids=str)
def test_before_any_sound_there_is_silence(feature):
    speech = Speech(feature)
    with pytest.raises(ValueError, match=r"has not come as far as 0\.00 s"):
        speech.window(0.0, 25)
    speech.finish()
    window = speech.window(0.0, 25)
    assert window.shape == (feature.bands, feature.window)
    assert (window == feature.silence).all()


class Chunked(Mel):
    """A non-causal mel: computed in chunks of 30 columns, minus the mean of the 60 around them."""

    name = "chunked_mel_of_a_test"
    chunk = 30
    context = 60  # the mean of the 30 before, the first of which are affected by the chunk border
    reach = 400 + 30 * 200

    def extract(self, wave):
        mel = super().extract(wave)
        means = [mel[:, max(0, k - 30) : k + 60].mean(1) for k in range(0, mel.shape[1], 30)]
        return mel - np.repeat(np.stack(means, 1), 30, axis=1)[:, : mel.shape[1]]


def test_columns_that_are_computed_together():
    """Chunks of a streamed sound start where those of the whole sound do."""
    feature, wave = Chunked(lead=2), tone(5.1)
    expected = feature.cut(feature.extract(wave), np.arange(127))[:, 0]
    speech = Speech(feature, pieces(wave))
    for k in range(127):
        np.testing.assert_allclose(speech.window(k / 25, 25), expected[k], atol=2e-3)
    live, late = Speech(feature), []
    for at in range(0, len(wave), 320):
        live.push(wave[at : at + 320])
        while len(late) < 100 and live.has(len(late) / 25, 25):
            np.testing.assert_allclose(
                live.window(len(late) / 25, 25), expected[len(late)], atol=2e-3
            )
            late.append((at + 320) / 16000 - len(late) / 25)
    assert len(late) == 100
    assert feature.look_ahead() - 0.05 < max(late) <= feature.look_ahead() + 0.02


@pytest.mark.parametrize("fps", [12, Fraction(24000, 1001), 25, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("lead", [0, 1, 2])
def test_each_frame_hears_its_own_sound(fps, lead):
    """A click affects only the frames whose 200 ms window contains it."""
    wave = np.zeros(48000, np.float32)
    wave[16000] = 0.9
    speech = Speech(Mel(lead=lead), pieces(wave))
    count = int(2 * fps)
    heard = [k for k in range(count) if speech.window(k / float(fps), float(fps)).max() > -3]
    begins = [k / float(fps) - lead / 25 for k in heard]  # of windows; the click: 1.0 s
    assert min(begins) == pytest.approx(1.0 - 0.2 - 0.02, abs=0.03 + 1 / float(fps))
    assert max(begins) == pytest.approx(1.0 + 0.02, abs=0.03 + 1 / float(fps))


def test_a_long_sound_is_not_kept():
    blocks = (np.zeros(16000, np.float32) for _ in range(600))
    speech = Speech(Mel(lead=2), blocks)
    for k in range(0, 25 * 600, 50):
        speech.window(k / 25, 25)
        assert speech._columns.shape[1] < 600
        assert len(speech._wave) < 40_000


# ---------------------------------------------------------------- the gate


def speech_with_a_noisy_pause() -> np.ndarray:
    """Loud, from 1 s to 2 s a hiss 45 dB below, loud again."""
    wave = tone(3.0)
    wave[16000:32000] *= 10 ** (-45 / 20)
    return wave


@pytest.mark.parametrize("known", [True, False])
def test_the_gate_silences_pauses_and_leaves_speech_alone(known):
    wave, loud = speech_with_a_noisy_pause(), Loudness()
    loud.push(wave)
    gate = VoiceGate(min_speech_db(*loud.percentiles()) if known else None)
    out = np.concatenate([*(gate.push(piece) for piece in pieces(wave)), gate.finish()])
    assert len(out) == len(wave)
    assert not out[16000 + 3200 : 32000 - 3200].any()
    np.testing.assert_array_equal(out[:16000], wave[:16000])
    np.testing.assert_array_equal(out[32000:], wave[32000:])
    # open before and after the speech by the time that lips need
    np.testing.assert_array_equal(out[32000 - 640 : 32000], wave[32000 - 640 : 32000])
    np.testing.assert_array_equal(out[16000 : 16000 + 1600], wave[16000 : 16000 + 1600])


def test_short_gaps_stay_open_and_hiss_alone_is_no_speech():
    wave = tone(1.0)
    wave[8000 : 8000 + 1280] *= 0.001  # 80 ms: a stop consonant
    gate = VoiceGate()
    np.testing.assert_array_equal(np.concatenate([gate.push(wave), gate.finish()]), wave)
    quiet = VoiceGate()
    out = np.concatenate([quiet.push(tone(1.0) * 1e-4), quiet.finish()])
    assert not out[4000:].any()


def test_a_mouth_rests_in_a_pause_with_the_gate_only(tmp_path, video):
    write_audio(tmp_path / "pause.wav", speech_with_a_noisy_pause())
    heard = {}
    for gate in (True, False):
        model = Hearing(2)
        list(
            dub_frames(
                video, tmp_path / "pause.wav", model=model, detector=FixedDetector(), gate=gate
            )
        )
        mels = torch.cat([mels for mels, _ in model.inputs])
        heard[gate] = mels[32:43]  # windows inside the pause
    assert (heard[True] == -4).all()
    assert heard[False].std() > 0.1


def test_a_mouth_does_not_hear_how_loud_a_sound_was_recorded(tmp_path, video):
    heard = []
    for volume in (1, 0.2, 0.05):
        write_audio(tmp_path / "sound.wav", volume * speech_with_a_noisy_pause())
        model, options = Hearing(2), {"detector": FixedDetector()}
        list(dub_frames(video, tmp_path / "sound.wav", model=model, **options))
        heard.append(torch.cat([mels for mels, _ in model.inputs]))
    assert (heard[0] > -1).float().mean() > 0.3
    for quiet in heard[1:]:
        assert ((quiet - heard[0]).abs() > 0.05).float().mean() < 0.05


# ---------------------------------------------------------------- live


def test_live_frames_are_those_of_the_file_and_come_in_time(tmp_path):
    video, wave = make_video(tmp_path / "face.mp4", 10), 2 * tone(1.5)  # as loud as usual
    write_audio(tmp_path / "sound.wav", wave)
    wave = (np.round(wave * 32768) / 32768).astype(np.float32)
    options = {"detector": FixedDetector(), "gate": False}
    session = LiveSession(video, model=Hearing(2), **options)
    live, late = [], []
    for at in range(0, len(wave), 320):  # 20 ms at a time
        for made in session.push(wave[at : at + 320]):
            live.append(made)
            late.append((at + 320) / 16000 - made.start)
    assert max(late) <= session.latency + 0.02 + 1e-6
    assert session.latency < 0.15
    live += session.finish()
    model = Hearing(2)
    filed = list(dub_frames(video, tmp_path / "sound.wav", model=model, **options))
    assert [f.start for f in live] == [f.start for f in filed]
    for a, b in zip(live, filed, strict=True):
        difference = np.abs(a.picture.astype(int) - b.picture)
        assert difference.max() <= 2
    with pytest.raises(ValueError, match="finished"):
        list(session.push(wave))
    session.restart()
    again = [*session.push(wave), *session.finish()]
    assert [f.number for f in again] == [f.number for f in live]
    assert all((a.picture == b.picture).all() for a, b in zip(again, live, strict=True))


def test_a_live_session_hears_at_one_level_and_keeps_what_nobody_asked_for(tmp_path, video):
    wave, heard = speech_with_a_noisy_pause(), []
    for volume in (1, 0.2, 0.05):
        model = Hearing(2)
        session = LiveSession(video, model=model, detector=FixedDetector())
        for at in range(0, len(wave), 700):
            session.push(volume * wave[at : at + 700])  # its frames are not requested
        frames = list(session.finish())
        assert [f.number for f in frames] == list(range(round(len(wave) / 640)))
        heard.append(torch.cat([mels for mels, _ in model.inputs]))
    for quiet in heard[1:]:
        assert ((quiet - heard[0]).abs() > 0.1).float().mean() < 0.05


def test_live_sessions_that_cannot_be(tmp_path):
    hidden = make_video(tmp_path / "hidden.mp4", 5, hidden=range(5))
    with pytest.raises(MediaError, match="no face found in 5 frames"):
        LiveSession(hidden, model=Hearing(), detector=FixedDetector())
    with pytest.raises(ConfigError, match="length=trim"):
        LiveSession(hidden, length="trim")
    with pytest.raises(ConfigError, match="a live session lacks"):
        LiveSession(hidden, faces="sync", model="not loaded")


def test_a_live_session_keeps_no_more_than_its_memory_allows(tmp_path, video, monkeypatch):
    monkeypatch.setattr(live, "MOST_BYTES", 10 * frame(0).nbytes)
    session = LiveSession(video, model=Hearing(), detector=FixedDetector())
    made = [*session.push(tone(1.0)), *session.finish()]
    numbers = [corner_number(f.original) for f in made]
    assert numbers == [*range(10), *range(8, -1, -1), *range(1, 7)]


def test_a_live_session_takes_a_damaged_video_if_asked(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.mp4"
    with VideoWriter(path, 25, (96, 80)) as video:
        for _ in range(25):
            video.write(rng.integers(0, 256, (80, 96, 3), dtype=np.uint8))
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 2000] = rng.bytes(2000)
    path.write_bytes(data)
    options = {"model": Hearing(), "detector": FixedDetector()}
    with pytest.raises(MediaError, match="damaged at"):
        LiveSession(path, **options)
    session = LiveSession(path, tolerate_damage=True, **options)
    assert len([*session.push(tone(0.4)), *session.finish()]) == 10


def test_a_live_gate_adds_its_delay(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), frame(3)[..., ::-1])
    session = LiveSession(tmp_path / "face.png", model=Hearing(2), detector=FixedDetector())
    begun, made = time.perf_counter(), 0
    for _ in range(50):
        made += sum(1 for _ in session.push(tone(0.02)))
    assert session.latency == pytest.approx(0.125 + VoiceGate.delay, abs=0.02)
    assert made == pytest.approx((1.0 - session.latency) * 25, abs=2)
    assert time.perf_counter() - begun < 30
