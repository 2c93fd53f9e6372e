"""Speech-like sound and matching mouth movements, from a small source-filter synthesiser.

A glottal pulse train (the KLGLOTT88 pulse, Klatt and Klatt 1990) and aspiration pass through a
cascade of five formant resonators (Klatt 1980, eq. 1-2) whose targets glide from phone to phone;
band-limited noise makes fricatives and bursts. The articulation comes from the same timeline, so
the sound determines the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from lipsync.sample.phones import NOISE_BANDS, Segment, random_speech

SAMPLE_RATE = 16000
CONTROL_RATE = 200  # parameter frames per second
HOP = SAMPLE_RATE // CONTROL_RATE
MOUTH = ("jaw", "part", "width", "round", "tuck", "tongue", "closed")


@dataclass(frozen=True)
class Voice:
    """Voice parameters of one speaker."""

    f0: float = 130.0  # Hz
    intonation: float = 0.15  # size of pitch movements, relative
    formant_scale: float = 1.0  # 1 for a long vocal tract, about 1.18 for a short one
    syllables_per_second: float = 4.4
    loudness: float = 0.09  # root mean square of the voiced parts
    breathiness: float = 0.03
    tilt: float = 0.25  # pole of the low-pass on the source: larger is softer

    @classmethod
    def random(cls, rng: np.random.Generator, low: bool) -> Voice:
        """A random voice, low (about 85-150 Hz) or high (165-250 Hz)."""
        return cls(
            f0=rng.uniform(88, 145) if low else rng.uniform(168, 240),
            intonation=rng.uniform(0.08, 0.2),
            formant_scale=rng.uniform(0.96, 1.05) if low else rng.uniform(1.08, 1.18),
            syllables_per_second=rng.uniform(4.4, 5.3),
            loudness=rng.uniform(0.06, 0.11),
            breathiness=rng.uniform(0.01, 0.05),
            tilt=rng.uniform(0.1, 0.4),
        )


@dataclass(frozen=True)
class Utterance:
    """``wave`` float32 (n,) at 16 kHz and ``mouth`` float32 (m, 7) at 200 Hz, columns MOUTH."""

    wave: np.ndarray
    mouth: np.ndarray
    segments: list[Segment]

    def mouth_at(self, seconds: np.ndarray) -> np.ndarray:
        """Mouth parameters (len(seconds), 7) at the given times, interpolated linearly."""
        clock = (np.arange(len(self.mouth)) + 0.5) / CONTROL_RATE
        return np.stack([np.interp(seconds, clock, column) for column in self.mouth.T], axis=1)


def speak(rng: np.random.Generator, voice: Voice, seconds: float) -> Utterance:
    """Random speech of exactly ``seconds``: the sound, and the mouth on the same timeline."""
    segments = random_speech(rng, seconds, voice.syllables_per_second)
    wave = _sound(rng, voice, segments, round(seconds * SAMPLE_RATE))
    return Utterance(wave, _mouth(segments, seconds), segments)


def _steps(segments: list[Segment], values: list[float], count: int) -> np.ndarray:
    """A piecewise constant track at control rate: ``values[i]`` while ``segments[i]`` lasts."""
    ends = np.array([s.end for s in segments])
    clock = (np.arange(count) + 0.5) / CONTROL_RATE
    index = np.minimum(np.searchsorted(ends, clock, side="right"), len(segments) - 1)
    return np.asarray(values, dtype=np.float64)[index]


def _glide(track: np.ndarray, seconds: float) -> np.ndarray:
    """Smooth a control track with a Hann window of the given length, centred (no delay)."""
    half = max(1, round(seconds * CONTROL_RATE / 2))
    window = np.hanning(2 * half + 1)[1:-1] if half > 1 else np.ones(1)
    padded = np.pad(track, len(window) // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _from_neighbours(values: list[float | None]) -> list[float]:
    """Fill None, where a phone leaves the lips free, from the values before and after."""
    known = [i for i, value in enumerate(values) if value is not None]
    return list(np.interp(range(len(values)), known, [values[i] for i in known]))


def _mouth(segments: list[Segment], seconds: float) -> np.ndarray:
    count = round(seconds * CONTROL_RATE)
    phones = [s.phone for s in segments]
    tracks = {
        "jaw": [s.phone.jaw * min(s.stress, 1.1) for s in segments],
        "part": [p.part for p in phones],
        "width": _from_neighbours([p.width for p in phones]),
        "round": _from_neighbours([p.round for p in phones]),
        "tuck": [p.tuck for p in phones],
        "tongue": [p.tongue for p in phones],
    }
    glide = {"width": 0.12, "round": 0.12, "tuck": 0.07}
    mouth = [
        _glide(_steps(segments, tracks[name], count), glide.get(name, 0.09)) for name in MOUTH[:-1]
    ]
    # lips are fully closed throughout m, b, p: the 30 ms ramps lie outside the phone
    clock = (np.arange(count) + 0.5) / CONTROL_RATE
    closed = np.zeros(count)
    for segment in segments:
        if segment.phone.closed:
            release = _release(segment)
            away = np.maximum(segment.start - clock, clock - release).clip(0)
            closed = np.maximum(closed, 1 - (away / 0.030).clip(0, 1))
    return np.stack([*mouth, closed], axis=1).astype(np.float32)


def _release(segment: Segment) -> float:
    """The time when a plosive is released; for other phones, their end."""
    return segment.end - (0.022 if segment.phone.burst else 0.0)


def _sound(
    rng: np.random.Generator, voice: Voice, segments: list[Segment], samples: int
) -> np.ndarray:
    count = -(-samples // HOP)
    stress = _steps(segments, [s.stress for s in segments], count)
    level = {
        name: _glide(_steps(segments, [getattr(s.phone, name) for s in segments], count), 0.03)
        for name in ("voice", "breath")
    }
    to_samples = _to_samples(count, samples)

    pitch = _pitch(rng, voice, segments, count)
    source = _glottis(rng, to_samples(pitch), voice.tilt) * to_samples(level["voice"] * stress)
    hiss = rng.standard_normal(samples)
    breath = level["breath"] + voice.breathiness * level["voice"]
    filtered = _vocal_tract(source + hiss * to_samples(breath), segments, voice, count)

    wave = filtered / 4.0  # the cascade lifts the source by about this much
    clock = np.arange(samples) / SAMPLE_RATE
    for name, (low, high) in NOISE_BANDS.items():
        amplitude = np.zeros(samples)
        gain = _glide(
            _steps(segments, [s.phone.noise * (s.phone.band == name) for s in segments], count),
            0.035,
        )
        amplitude += to_samples(gain)
        for segment in segments:
            if segment.phone.burst and segment.phone.band == name:
                since = clock - _release(segment)
                amplitude += segment.phone.burst * np.where(
                    since >= 0, np.exp(-since.clip(0) / 0.008), 0
                )
        if amplitude.any():
            sos = butter(3, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos")
            band = sosfilt(sos, rng.standard_normal(samples))
            wave += 0.5 * amplitude * band / band.std()

    loud = np.abs(to_samples(level["voice"])) > 0.4
    wave *= voice.loudness / max(1e-6, float(np.sqrt(np.mean(wave[loud] ** 2))))
    room = lfilter([1.0], [1.0, -0.9], rng.standard_normal(samples))
    wave += 0.0015 * voice.loudness / 0.09 * room
    return np.tanh(wave).astype(np.float32)


def _to_samples(count: int, samples: int):
    centres = (np.arange(count) + 0.5) * HOP
    clock = np.arange(samples)
    return lambda track: np.interp(clock, centres, track)


def _pitch(
    rng: np.random.Generator, voice: Voice, segments: list[Segment], count: int
) -> np.ndarray:
    """f0 in Hz at control rate: falls along each phrase, moves with accents, drifts a little."""
    accent = _glide(_steps(segments, [s.accent for s in segments], count), 0.25)
    fall, since = [], 0.0
    for segment in segments:
        since = 0.0 if segment.phone.name == "-" else since + segment.end - segment.start
        fall.append(-0.5 * min(since, 2.0))
    fall = _glide(_steps(segments, fall, count), 0.3)
    drift = _glide(rng.standard_normal(count), 0.15)
    return voice.f0 * np.exp(voice.intonation * (accent + 0.5 * fall + 0.3 * drift))


def _glottis(rng: np.random.Generator, f0: np.ndarray, tilt: float) -> np.ndarray:
    """Derivative of the glottal flow: KLGLOTT88, open quotient 0.6, with jitter and shimmer."""
    wobble = np.repeat(rng.standard_normal(len(f0) // 100 + 1), 100)[: len(f0)]
    phase = np.cumsum(f0 * (1 + 0.008 * wobble)) / SAMPLE_RATE % 1.0
    x = phase / 0.6
    pulse = np.where(x < 1, 2 * x - 3 * x * x, 0.0) * (1 + 0.02 * wobble[::-1])
    return lfilter([1 - tilt], [1.0, -tilt], pulse) * 2


def _vocal_tract(
    source: np.ndarray, segments: list[Segment], voice: Voice, count: int
) -> np.ndarray:
    """Five resonators in cascade, retuned every 5 ms, their state carried across."""
    tracks = [
        _glide(_steps(segments, [s.phone.formants[i] for s in segments], count), 0.08)
        for i in range(3)
    ]
    tracks += [np.full(count, 3500.0), np.full(count, 4500.0)]
    # short vocal tracts shift every formant up, but none may reach the Nyquist frequency
    frequency = np.stack(tracks, axis=1) * voice.formant_scale  # (count, 5)
    bandwidth = np.array([80.0, 100.0, 140.0, 220.0, 300.0])
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    a1 = -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE)
    a2 = np.broadcast_to(radius**2, a1.shape)
    sos = np.zeros((count, 5, 6))
    sos[..., 0], sos[..., 3] = 1 + a1 + a2, 1.0
    sos[..., 4], sos[..., 5] = a1, a2

    padded = np.zeros(count * HOP)
    padded[: len(source)] = source
    blocks, state = padded.reshape(count, HOP), np.zeros((5, 2))
    out = np.empty_like(blocks)
    for k in range(count):
        out[k], state = sosfilt(sos[k], blocks[k], zi=state)
    return out.reshape(-1)[: len(source)]
