"""A talk of a few seconds, and predictable engines that count their calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from lipsync.media import VideoWriter
from lipsync.translation import Options, Segment, Transcript

RATE = 16_000
HEARD = (
    Segment(0.5, 1.5, "good morning"),
    Segment(2.0, 3.0, "how are you"),
    Segment(3.6, 4.6, "thank you"),
)

DUBBED = SimpleNamespace(left_out=[])
"""The result of a dub that a test takes the place of."""


def tone(seconds: float, hertz: float = 200.0, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    """float32 (seconds * rate,): a sine."""
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def make_talk(path: Path, seconds: float = 5.0, lines=HEARD, level: float = 0.3) -> Path:
    """A grey video at 25 fps with sound during the lines."""
    wave = np.zeros(round(seconds * RATE), np.float32)
    for line in lines:
        at, end = round(line.start * RATE), round(line.end * RATE)
        wave[at:end] = tone(line.seconds, level=level)[: end - at]
    with VideoWriter(path, 25, (32, 32), audio=wave, sample_rate=RATE) as video:
        for _ in range(round(seconds * 25)):
            video.write(np.full((32, 32, 3), 128, np.uint8))
    return path


class Hears:
    """A recogniser with a preset transcript."""

    def __init__(self, lines=HEARD, language: str = "en", doubt: str = "") -> None:
        self.name, self.calls = "hears", 0
        self.transcript = Transcript(language, tuple(lines), doubt)

    def recognise(self, wave: np.ndarray, language: str | None, share) -> Transcript:
        assert wave.dtype == np.float32
        assert wave.ndim == 1
        share(0.5)
        self.calls += 1
        return self.transcript


class Reverses:
    """A translator that reverses every line; ``fail_at`` stops it as Ctrl-C would."""

    def __init__(self, name: str = "reverses", fail_at: int | None = None) -> None:
        self.name, self.seen, self.fail_at = name, [], fail_at

    def translate(self, text: str, source: str, target: str) -> str:
        if len(self.seen) == self.fail_at:
            raise KeyboardInterrupt
        self.seen.append(text)
        return text[::-1]


class Beeps:
    """A speech engine that beeps for 0.05 s per letter, at a pitch that encodes the text."""

    def __init__(self, name: str = "beeps", seconds: float = 0.05) -> None:
        self.name, self.seen, self.seconds = name, [], seconds

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        self.seen.append(text)
        return tone(self.seconds * len(text), hertz(text), 22_050), 22_050


def hertz(text: str) -> float:
    """The pitch at which :class:`Beeps` speaks a text."""
    return 200.0 + sum(map(ord, text)) % 97 * 5


def pitch(wave: np.ndarray, rate: int) -> float:
    """The strongest frequency of a wave."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * len(wave)))
    return float(np.argmax(spectrum) * rate / (8 * len(wave)))


def engines(**changes) -> tuple[Options, Hears, Reverses, Beeps]:
    """Options with the engines of this file, up to the fit stage, and the engines."""
    heard, turned, spoken = Hears(), Reverses(), Beeps()
    values = {"asr": heard, "translator": turned, "tts": spoken, "until": "fit"}
    return Options(to="es", **(values | changes)), heard, turned, spoken


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change a text file as an editor would."""
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, "the edit changed nothing"
    path.write_text(after, encoding="utf-8")


def work(output: Path) -> Path:
    return output.with_suffix(".work")


def rows(path: Path, name: str = "lines") -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))[name]


def made(result) -> dict[str, int]:
    return {stage: count for stage, count in result.made.items() if count}
