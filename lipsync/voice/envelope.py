"""The spectral envelope of speech, without its harmonics, and its aperiodicity."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.fft import irfft, rfft
from scipy.signal import hilbert

from lipsync.voice.pitch import HOP_LENGTH, SAMPLE_RATE, frames_about

FFT_SIZE = 1024
BINS = FFT_SIZE // 2 + 1
BAND_EDGES = (0, 1000, 2000, 4000, 6000, 8000)  # Hz
BANDS = len(BAND_EDGES) - 1
_UNVOICED = 400.0  # Hz; pitch assumed for the windows of unvoiced frames
_RECOVERY = -0.15  # compensates for the smoothing of peaks (Morise 2015, q1)
_NOISE = 1e-10  # power of 16-bit quantisation; avoids log of zero
_BLOCK = 2048  # frames per batch
_BAND_REACH = 80  # samples to either side compared with those a period away


def spectral_envelope(wave: np.ndarray, pitch: np.ndarray, every: int = 1) -> np.ndarray:
    """CheapTrick: windows of three periods, smoothing over two thirds of the pitch, liftering.

    M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis", 2015.

    Args:
        wave: float (n,) at 16 kHz.
        pitch: (1 + n // 80,) in Hz, 0 where unvoiced.
        every: analyse every ``every``-th frame.

    Returns:
        float32 (frames, 513): log power per sample, natural logarithm; white noise of variance 1
        has 0 everywhere.
    """
    wave = np.asarray(wave, np.float64)
    hop, pitch = HOP_LENGTH * every, np.where(pitch > 0, pitch, _UNVOICED)[::every]
    starts = range(0, len(pitch), _BLOCK)
    return np.concatenate([_block(wave, pitch[i : i + _BLOCK], i, hop) for i in starts])


def _block(wave: np.ndarray, pitch: np.ndarray, first: int, hop: int) -> np.ndarray:
    """The envelopes of frames ``first, first + 1, ...``, ``hop`` samples apart."""
    half = 1.5 * SAMPLE_RATE / pitch[:, None]  # (frames, 1) in samples
    reach = min(int(half.max()) + 1, FFT_SIZE // 2 - 1)
    offset = np.arange(-reach, reach + 1)
    window = np.where(np.abs(offset) <= half, 0.5 + 0.5 * np.cos(np.pi * offset / half), 0.0)
    window /= np.sqrt((window**2).sum(axis=1, keepdims=True))
    frames = frames_about(wave, reach, first, len(pitch), hop) * window
    frames -= window * (frames.sum(axis=1) / window.sum(axis=1))[:, None]
    power = np.abs(rfft(frames, FFT_SIZE)) ** 2 + _NOISE

    width = pitch[:, None] / (SAMPLE_RATE / FFT_SIZE)  # the pitch in bins
    power = _fill_below_pitch(power, width)
    power = _smooth(power, width * 2 / 3)
    cepstrum = irfft(np.log(power))
    quefrency = np.minimum(np.arange(FFT_SIZE), FFT_SIZE - np.arange(FFT_SIZE)) / SAMPLE_RATE
    turns = pitch[:, None] * quefrency
    lifter = np.sinc(turns) * (1 - 2 * _RECOVERY + 2 * _RECOVERY * np.cos(2 * np.pi * turns))
    return rfft(cepstrum * lifter).real.astype(np.float32)


def _fill_below_pitch(power: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Add the mirror image of the spectrum above the pitch below it, where no harmonic is."""
    count = int(width.max()) + 1
    bins = np.arange(count)
    image = _interpolate(power, np.maximum(width - bins, 0.0))
    power = power.copy()
    power[:, :count] += np.where(bins < width, image, 0.0)
    return power


def _smooth(power: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Mean over ``width`` bins about each bin."""
    margin = int(width.max() / 2) + 2
    mirrored = np.pad(power, ((0, 0), (margin, margin)), mode="reflect")
    total = np.pad(np.cumsum(mirrored, axis=1), ((0, 0), (1, 0)))  # up to each bin's lower edge
    edge = np.arange(BINS) + margin + 0.5
    return (_interpolate(total, edge + width / 2) - _interpolate(total, edge - width / 2)) / width


def _interpolate(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Linear interpolation in every row at the (frames, n) places."""
    low = np.minimum(place.astype(int), rows.shape[1] - 2)
    part = place - low
    left, right = (np.take_along_axis(rows, low + i, axis=1) for i in range(2))
    return left * (1 - part) + right * part


def noise_share(wave: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Share of the power in five bands that does not repeat with the pitch.

    From the coherence of 10 ms with the signal a period later, as in mixed-excitation coders
    (McCree & Barnwell 1995), on the analytic signal of the band, so that fractional periods do not
    matter. One minus the coherence is squared: a gliding pitch lowers the coherence, too, and the
    square agrees with WORLD's D4C on speech.

    Args:
        wave: float (n,) at 16 kHz.
        pitch: (1 + n // 80,) in Hz, 0 where unvoiced.

    Returns:
        float32 (frames, 5) in [0, 1] for the bands between 0, 1, 2, 4, 6 and 8 kHz; 1 where
        unvoiced.
    """
    shares = np.ones((len(pitch), BANDS), np.float32)
    voiced = np.flatnonzero(pitch > 0)
    if not len(voiced):
        return shares
    centre = voiced * HOP_LENGTH
    period = np.rint(SAMPLE_RATE / pitch[voiced]).astype(int)
    pad = _BAND_REACH + int(period.max())
    for band, edges in enumerate(pairwise(BAND_EDGES)):
        signal = np.pad(_band(wave, *edges), pad).astype(np.complex64)
        for i in range(0, len(voiced), _BLOCK):
            rows = slice(i, i + _BLOCK)
            early = centre[rows, None] + pad + np.arange(-_BAND_REACH, _BAND_REACH)
            early = early - period[rows, None] // 2
            one, other = signal[early], signal[early + period[rows, None]]
            power = (np.abs(one) ** 2).sum(1) * (np.abs(other) ** 2).sum(1)
            coherence = np.abs((one * other.conj()).sum(1)) / np.sqrt(np.maximum(power, 1e-20))
            shares[voiced[rows], band] = np.clip(1 - coherence, 0.0, 1.0) ** 2
    return shares


def _band(wave: np.ndarray, low: float, high: float) -> np.ndarray:
    """Analytic signal of the wave between two frequencies."""
    spectrum = rfft(np.asarray(wave, np.float64))
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    spectrum[(hertz < low) | (hertz >= high)] = 0
    return hilbert(irfft(spectrum, len(wave)))
