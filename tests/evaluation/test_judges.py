"""Judges: correct windows, known offsets, and streaming equal to processing all at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_media import Loudness, bright_and_loud, crc_rng, filled_by_name, published_wave

from lipsync.audio import melspectrogram
from lipsync.checkpoints import save_model
from lipsync.errors import ConfigError
from lipsync.evaluation import Judge, as_judge
from lipsync.features import LipGANMFCC, Mel
from lipsync.metrics import SyncScore, offset_curve, sync_score
from lipsync.models import LongSyncNet, QualityDiscriminator, SyncNet, SyncNetV2
from lipsync.models.folding import folded

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("window", [5, 9, 15, 25])
@pytest.mark.parametrize("shift", [-7, 0, 3])
def test_a_known_offset_is_found(shift, window):
    faces, wave = bright_and_loud(100, shift)
    (found,) = Judge(Loudness(window)).score(faces, [wave])
    assert found.result.offset == -shift  # in frames, for any window; late is negative
    assert found.windows == 100 - window + 1


def test_sound_of_another_clip_scores_worse():
    faces, wave = bright_and_loud(75)
    _, other = bright_and_loud(75, seed=5)
    scored = Judge(Loudness()).score(faces, [wave, other])
    right, wrong = (found.result for found in scored)
    assert right.distance < 0.6 * wrong.distance
    assert right.confidence > 2 * wrong.confidence


@pytest.mark.parametrize(("window", "columns"), [(5, 16), (9, 28), (15, 48)])
def test_each_window_holds_its_frames_and_its_sound(window, columns):
    class Spy(Loudness):
        seen: list

        def embed_face(self, faces):
            self.seen.append(faces.clone())
            return super().embed_face(faces)

    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (23, 32, 32, 3), dtype=np.uint8)
    wave = rng.standard_normal(23 * 640).clip(-1, 1).astype(np.float32)
    model = Spy(window)
    model.seen = []
    video, audio = Judge(model, batch_size=6).embed(faces, wave)
    windows = torch.cat(model.seen).numpy()
    mel = melspectrogram(wave)
    assert len(video) == len(audio) == 23 - window + 1
    for i in range(len(video)):
        lower = faces[i : i + window, 16:].transpose(0, 3, 1, 2).reshape(3 * window, 16, 32) / 255
        np.testing.assert_allclose(windows[i], lower, atol=1e-6)
        start = int(80 * i / 25)
        heard = torch.from_numpy(mel[None, None, :, start : start + columns])
        torch.testing.assert_close(audio[i], model.embed_audio(heard)[0])


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batches_and_streams_change_nothing(batch_size):
    torch.manual_seed(0)
    model = SyncNet(width=0.25, depth=0).eval()
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 256, (20, 96, 96, 3), dtype=np.uint8)
    wave = (0.1 * rng.standard_normal(20 * 640)).astype(np.float32)
    lower = torch.from_numpy(faces[:, 48:]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        single = torch.cat(
            [model.embed_face(lower[i : i + 5].flatten(0, 1)[None]) for i in range(16)]
        )
    video, audio = Judge(model, batch_size=batch_size).embed(iter(faces), wave)
    torch.testing.assert_close(video, single, atol=1e-5, rtol=1e-4)
    assert video.shape == audio.shape == (16, 512)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_windows_joined_from_moments_are_the_windows(batch_size):
    torch.manual_seed(0)
    model = LongSyncNet(width=0.25, window=9).eval()
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 256, (30, 96, 96, 3), dtype=np.uint8)
    wave = (0.1 * rng.standard_normal(30 * 640)).astype(np.float32)
    judge = Judge(model, batch_size=batch_size)
    video, audio = judge.embed(iter(faces), wave)
    lower = torch.from_numpy(faces[:, 48:]).permute(0, 3, 1, 2) / 255
    moment = judge.feature.spanning(5)
    heard = torch.from_numpy(moment.cut(moment.extract(wave), range(26)))
    with torch.no_grad():
        seen = model.embed_face(torch.stack([lower[i : i + 9].flatten(0, 1) for i in range(22)]))
        told = model.join(model.audio_moments(heard))
    torch.testing.assert_close(video, seen, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(audio, told, atol=1e-5, rtol=1e-3)
    assert judge.score(faces, [wave])[0].windows == len(video) == len(audio) == 22


def test_faces_of_another_size_are_brought_to_the_judge_s():
    faces, wave = bright_and_loud(30)
    large = faces.repeat(3, axis=1).repeat(3, axis=2)
    video, _ = Judge(Loudness()).embed(faces, wave)
    larger, _ = Judge(Loudness()).embed(large, wave)
    torch.testing.assert_close(video, larger)


def test_a_judge_of_another_size_is_shown_faces_as_it_learnt_them(tmp_path):
    own = SyncNetV2(image_size=112, width=0.1, framing="box").eval()
    save_model(own, tmp_path / "own.safetensors", half=True)
    judge = as_judge(str(tmp_path / "own.safetensors"))
    assert judge.name.endswith("own.safetensors")
    assert judge.framing.name == "box"
    faces, wave = bright_and_loud(30)
    (found,) = judge.score(faces, [wave])  # faces of any size are resized
    assert found.windows == 25
    (plain,) = Judge(judge.model).score(faces, [wave])
    assert found.result.distance == pytest.approx(plain.result.distance, rel=1e-4)


def test_the_protocol_says_what_the_network_sees_and_hears():
    assert Judge(SyncNetV2()).protocol == (
        "syncnet_v2-1: framing following, 224 px, windows of 5 frames, syncnet_mfcc in 20 columns, "
        "last window out"
    )
    expert = SyncNet(width=0.1, depth=0, window=15, feature=LipGANMFCC(), framing="aligned")
    assert Judge(expert).protocol == (
        "judge-1: framing aligned, 96 px, windows of 15 frames, lipgan_mfcc in 60 columns"
    )


def test_only_syncnet_v2_as_published_gives_lse():
    assert Judge(SyncNetV2()).published
    for other in ({"image_size": 112}, {"framing": "box"}, {"unit": True}, {"window": 9},
                  {"feature": Mel()}):  # fmt: skip
        assert not Judge(SyncNetV2(width=0.1, **other)).published
    assert not Judge(SyncNet(width=0.1, depth=0)).published


def test_a_network_is_left_in_its_mode():
    model = SyncNet(width=0.25, depth=0).train()
    faces, wave = np.zeros((12, 96, 96, 3), np.uint8), np.ones(12 * 640, np.float32)
    as_judge(model).score(faces, [wave])
    assert model.training


def test_too_short_for_a_window():
    judge = Judge(Loudness())
    faces, wave = bright_and_loud(10)
    with pytest.raises(ValueError, match=r"fewer than 5 frames and 0\.40 s of sound are too short"):
        judge.embed(faces[:4], wave)
    with pytest.raises(ValueError, match=r"10 frames and 0\.10 s of sound are too short"):
        judge.embed(faces, wave[:1600])
    with pytest.raises(ValueError, match="too short"):
        judge.embed(faces, wave[:0])


def test_what_does_not_judge_is_refused():
    with pytest.raises(ConfigError, match="is a QualityDiscriminator"):
        as_judge(QualityDiscriminator(width=0.25))


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "folded"])
def test_syncnet_v2_reproduces_the_published_evaluation(fast):
    golden = np.load(GOLDEN / "public_syncnet_v2.npz")
    small = crc_rng("input:lip").uniform(0, 255, (25, 3, 28, 28)).astype(np.float32)
    faces = small.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1)
    judge = Judge(filled_by_name(SyncNetV2()))
    if fast:  # as for a judge given by name
        judge.network = folded(judge.model)
    video, audio = judge.embed(faces, published_wave())
    assert len(video) == len(audio) == golden["last"] == 20
    np.testing.assert_allclose(video[:, ::8], golden["lip"], atol=1e-4)
    np.testing.assert_allclose(audio[:, ::8], golden["aud"], atol=1e-4)
    scores = sync_score(video, audio)
    assert scores.offset == golden["offset"]
    assert scores.distance == pytest.approx(float(golden["min_dist"]), abs=1e-4)
    assert scores.confidence == pytest.approx(float(golden["conf"]), abs=1e-4)
    np.testing.assert_allclose(offset_curve(video, audio), golden["mean_dist"], atol=1e-4)
    np.testing.assert_allclose(scores.frame_confidence, golden["frame_conf"], atol=1e-4)

    metric = SyncScore(judge=judge.embed)  # the class, and one forward for all of them
    metric.update(faces, published_wave())
    found = metric.compute()
    (streamed,) = judge.score(faces, [published_wave()])
    for distance, confidence in (
        (found["distance"], found["confidence"]),
        (streamed.result.distance, streamed.result.confidence),
    ):
        assert float(distance) == pytest.approx(float(golden["min_dist"]), abs=1e-4)
        assert float(confidence) == pytest.approx(float(golden["conf"]), abs=1e-4)


@pytest.mark.parametrize("network", [
    SyncNet(width=0.1, depth=0),
    SyncNet(width=0.1, depth=0, feature=LipGANMFCC()),
    SyncNetV2(width=0.1),
], ids=lambda network: type(network).__name__)  # fmt: skip
def test_sound_in_portions_is_the_sound_at_once(network):
    judge = Judge(network.eval(), batch_size=7)
    rng = np.random.default_rng(0)
    wave = (0.2 * rng.standard_normal(16000 * 2)).astype(np.float32)
    count = judge.count(50, len(wave))
    assert 45 <= count <= 46
    at_once = judge._sound.cut(wave, 0, count)
    parts = [judge._sound.cut(wave, first, 1) for first in range(count)]
    np.testing.assert_allclose(np.concatenate(parts), at_once, atol=2e-3)
    assert len(judge.embed_sound(wave, count)) == count


class ChunkMel(Mel):
    """Half a second of columns minus their mean: every column depends on the others."""

    name, chunk, context = "chunk_mel", 40, 40

    def extract(self, wave):
        self.extracted = [*getattr(self, "extracted", []), len(wave)]
        mel = super().extract(wave)
        for first in range(0, mel.shape[1], self.chunk):
            mel[:, first : first + self.chunk] -= mel[:, first : first + self.chunk].mean()
        return mel


def test_a_feature_that_is_computed_in_chunks():
    judge = Judge(SyncNet(width=0.1, depth=0, feature=ChunkMel()).eval(), batch_size=2)
    wave = (0.2 * np.random.default_rng(0).standard_normal(16000 * 4)).astype(np.float32)
    count = judge.count(100, len(wave))
    at_once = judge._sound.cut(wave, 0, count)
    judge.feature.extracted = []
    parts = [judge._sound.cut(wave, first, 1) for first in range(count)]
    np.testing.assert_allclose(np.concatenate(parts), at_once, atol=2e-3)
    assert len(judge.feature.extracted) < 20  # not once per window
    assert max(judge.feature.extracted) <= 4 * 40 * 200  # and never the whole sound


@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize("frames", [5, 6, 40, 75])
def test_scoring_a_stream_is_scoring_what_is_embedded(batch_size, frames):
    faces, wave = bright_and_loud(frames, 2)
    _, other = bright_and_loud(frames, seed=4)
    judge = Judge(Loudness(), batch_size=batch_size)
    scored = judge.score(iter(faces), [wave, other])
    for one, sound in zip(scored, (wave, other), strict=True):
        video, audio = judge.embed(faces, sound)
        expected = sync_score(video, audio)
        assert (one.result.offset, one.windows) == (expected.offset, len(video))
        assert one.result.distance == pytest.approx(expected.distance, abs=1e-5)
        assert one.result.confidence == pytest.approx(expected.confidence, abs=1e-5)
        torch.testing.assert_close(
            one.result.frame_confidence, expected.frame_confidence, atol=1e-5, rtol=0
        )


def test_a_sound_that_is_too_short_for_the_stream():
    faces, wave = bright_and_loud(20)
    judge = Judge(Loudness())
    with pytest.raises(ValueError, match=r"20 frames and 0\.10 s of sound are too short"):
        judge.score(faces, [wave, wave[:1600]])
    with pytest.raises(ValueError, match="fewer than 5 frames"):
        judge.score(faces[:3], [wave])
