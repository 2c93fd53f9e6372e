"""Synthetic speakers: pulses filtered by formants, with pauses and breath."""

from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from lipsync.media import write_audio

RATE = 16_000
VOWELS = ((700, 1200, 2500), (300, 2200, 3000), (400, 800, 2400), (500, 1700, 2600))


def speak(seconds: float, pitch: float = 120.0, tract: float = 1.0, seed: int = 0) -> np.ndarray:
    """Vowels of 0.2 s on a gliding pitch, float32; ``tract`` scales the formants."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    hertz = pitch * 2 ** (0.1 * np.sin(2 * np.pi * np.arange(count) / RATE * 1.5))
    phase = np.cumsum(hertz / RATE)
    source = np.diff(np.floor(phase), prepend=0.0) + 0.005 * rng.standard_normal(count)
    wave = np.zeros(count)
    step = RATE // 5
    for start in range(0, count, step):
        part = source[start : start + step]
        for formant in VOWELS[rng.integers(len(VOWELS))]:
            radius = np.exp(-np.pi * 90 / RATE)
            turn = 2 * np.pi * formant * tract / RATE
            part = lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], part)
        wave[start : start + step] = part * np.hanning(len(part)) ** 0.25
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def write_speakers(root: Path, clips: int = 4, seconds: float = 0.9) -> Path:
    """``<root>/{low,high}/<clip>.wav``: two speakers, an octave apart, with different tracts."""
    for name, pitch, tract, seed in (("low", 110.0, 1.0, 0), ("high", 220.0, 1.17, 100)):
        (root / name).mkdir(parents=True)
        for i in range(clips):
            wave = speak(seconds, pitch, tract, seed + i)
            write_audio(root / name / f"{i}.wav", wave, RATE)
    return root
