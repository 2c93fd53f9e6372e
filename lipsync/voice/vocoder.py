"""A source-filter vocoder in numpy: speech as pitch, envelope and noise.

The decomposition of WORLD (Morise, Yokomori & Ozawa 2016) with our own pitch tracker and noise
estimator, so that it needs no compiled package.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import librosa
import numpy as np
from scipy.fft import irfft, rfft

from lipsync.errors import MediaError
from lipsync.voice.envelope import BAND_EDGES, BINS, FFT_SIZE, noise_share, spectral_envelope
from lipsync.voice.pitch import HOP_LENGTH, SAMPLE_RATE, track_pitch

SHORTEST = 0.1  # seconds of sound that can be analysed
_PULSES = 1024  # per batch of synthesis


@dataclass(frozen=True)
class Speech:
    """Vocoder parameters of a wave, every 5 ms.

    Attributes:
        pitch: float64 (frames,) in Hz, 0 where unvoiced.
        envelope: float32 (frames, 513), natural log of the power per sample, 0 to 8 kHz.
        noise: float32 (frames, 5) share of noise in five bands, in [0, 1].
        samples: length of the wave at 16 kHz.
    """

    pitch: np.ndarray
    envelope: np.ndarray
    noise: np.ndarray
    samples: int

    @property
    def voiced(self) -> np.ndarray:
        """bool (frames,)."""
        return self.pitch > 0

    def change(self, *, pitch: np.ndarray, envelope: np.ndarray) -> Speech:
        """A copy with another pitch and envelope."""
        return replace(self, pitch=pitch, envelope=envelope.astype(np.float32))


def analyse(wave: np.ndarray, rate: int = SAMPLE_RATE, name: str = "voice") -> Speech:
    """Analyse speech.

    Args:
        wave: float (n,) mono in [-1, 1].
        rate: sample rate of the wave, in Hz; it is resampled to 16 kHz.
        name: name of the wave in error messages.

    Raises:
        MediaError: less than 0.1 s, or nothing in it is voiced.
    """
    wave = np.asarray(wave, np.float32)
    if wave.ndim != 1:
        raise ValueError(f"wave must be mono (n,), got shape {wave.shape}")
    if len(wave) < SHORTEST * rate:
        problem = f"{len(wave) / rate:.2f} s of sound, but at least {SHORTEST} s are needed"
        raise MediaError(name, problem, "use a longer recording")
    if rate != SAMPLE_RATE:
        wave = librosa.resample(wave, orig_sr=rate, target_sr=SAMPLE_RATE)
    pitch = track_pitch(wave)
    if not (pitch > 0).any():
        raise MediaError(name, "contains no voiced sound", "use a recording of speech")
    return Speech(pitch, spectral_envelope(wave, pitch), noise_share(wave, pitch), len(wave))


def synthesise(speech: Speech, seed: int = 0) -> np.ndarray:
    """Synthesise speech: a pulse per period plus noise, filtered by the envelope.

    Args:
        speech: from :func:`analyse`, possibly modified.
        seed: of the noise.

    Returns:
        float32 (speech.samples,) at 16 kHz; it may exceed [-1, 1] if the envelope was raised.
    """
    share = _over_bins(speech.noise)
    return (_pulses(speech, share) + _noise(speech, share, seed)).astype(np.float32)


def _over_bins(bands: np.ndarray) -> np.ndarray:
    """(frames, bands) -> (frames, bins), interpolated linearly between band centres."""
    middles = (np.array(BAND_EDGES[:-1]) + np.array(BAND_EDGES[1:])) / 2
    hertz = np.linspace(0, SAMPLE_RATE / 2, BINS)
    right = np.clip(np.searchsorted(middles, hertz), 1, len(middles) - 1)
    part = np.clip((hertz - middles[right - 1]) / (middles[right] - middles[right - 1]), 0, 1)
    return bands[:, right - 1] * (1 - part) + bands[:, right] * part


def _pulses(speech: Speech, share: np.ndarray) -> np.ndarray:
    """One minimum-phase response per period, at sub-sample positions."""
    wave = np.zeros(speech.samples + 2 * FFT_SIZE)
    times = np.arange(speech.samples) / HOP_LENGTH  # in frames
    frame = np.minimum(np.rint(times).astype(int), len(speech.pitch) - 1)
    voiced = speech.voiced
    if not voiced.any():
        return wave[: speech.samples]
    known = np.flatnonzero(voiced)
    hertz = np.interp(times, known, speech.pitch[known])  # held where unvoiced
    phase = np.cumsum(hertz / SAMPLE_RATE)
    here = np.flatnonzero((np.diff(np.floor(phase)) > 0) & voiced[frame[1:]]) + 1
    late = (phase[here] - np.floor(phase[here])) / (hertz[here] / SAMPLE_RATE)
    bins = np.arange(BINS)
    for i in range(0, len(here), _PULSES):
        at, back = here[i : i + _PULSES], late[i : i + _PULSES, None]
        low = np.minimum((at // HOP_LENGTH), len(voiced) - 2)
        part = (times[at] - low)[:, None]
        log_power = speech.envelope[low] * (1 - part) + speech.envelope[low + 1] * part
        noisy = np.maximum(share[low] * (1 - part) + share[low + 1] * part, 1e-4)
        # next to unvoiced frames, do not interpolate: use the pulse's own frame
        noisy = np.where(voiced[low, None] & voiced[low + 1, None], noisy, share[frame[at]])
        response = _minimum_phase(log_power + np.log(np.maximum(1 - noisy, 1e-4)))
        # shifted back by a fraction of a sample and on by one sample, so that nothing wraps around
        response *= np.exp(-2j * np.pi * bins * (1 - back) / FFT_SIZE)
        response[:, 0] = 0  # a pulse train has a mean, speech has none
        shapes = irfft(response, FFT_SIZE) * np.sqrt(SAMPLE_RATE / hertz[at])[:, None]
        for start, shape in zip(at - 1, shapes, strict=True):
            start = max(start, 0)
            wave[start : start + FFT_SIZE] += shape
    return wave[: speech.samples]


def _noise(speech: Speech, share: np.ndarray, seed: int) -> np.ndarray:
    """White noise in overlapping windows, each filtered by its frame's envelope."""
    count, length = len(speech.pitch), 2 * HOP_LENGTH
    white = np.random.default_rng(seed).standard_normal((count + 1) * HOP_LENGTH)
    windows = np.lib.stride_tricks.sliding_window_view(white, length)[::HOP_LENGTH][:count]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    wave = np.zeros(count * HOP_LENGTH + 2 * FFT_SIZE)
    for i in range(0, count, _PULSES):
        rows = slice(i, i + _PULSES)
        log_power = speech.envelope[rows] + np.log(np.maximum(share[rows], 1e-4))
        spectrum = rfft(windows[rows] * hann, FFT_SIZE) * _minimum_phase(log_power)
        for k, shape in enumerate(irfft(spectrum, FFT_SIZE)):
            start = (i + k) * HOP_LENGTH
            wave[start : start + FFT_SIZE] += shape
    return wave[HOP_LENGTH:][: speech.samples]  # frame 0 is centred on sample 0


def _minimum_phase(log_power: np.ndarray) -> np.ndarray:
    """The minimum-phase spectrum with this log power."""
    cepstrum = irfft(log_power / 2)
    cepstrum[:, 1 : FFT_SIZE // 2] *= 2
    cepstrum[:, FFT_SIZE // 2 + 1 :] = 0
    return np.exp(rfft(cepstrum))
