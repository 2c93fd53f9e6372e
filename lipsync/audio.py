"""Audio features: Wav2Lip's mel spectrogram, and the MFCCs of SyncNet v2 and LipGAN. Pure.

All functions take a mono float32 wave at 16 kHz with values in [-1, 1].
"""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
from scipy.fft import dct
from scipy.signal import lfilter
from scipy.sparse import csr_array

SAMPLE_RATE = 16_000
HOP_LENGTH = 200
N_MELS = 80
_N_FFT = 800
_PREEMPHASIS = 0.97
_MIN_LEVEL_DB = -100.0
_REF_LEVEL_DB = 20.0
_MAX_ABS = 4.0
_MEL_RANGE = (55.0, 7600.0)  # Hz


def melspectrogram(wave: np.ndarray) -> np.ndarray:
    """Mel spectrogram in decibels, scaled to [-4, 4], as Wav2Lip's published code computes it.

    Pre-emphasis 0.97; magnitude STFT (n_fft 800, hop 200, Hann, centred); 80 Slaney mel filters
    from 55 to 7600 Hz; 20 log10 with a floor of -100 dB, minus 20 dB; [-100, 0] dB maps to [-4, 4].

    Args:
        wave: float32 (n,), n > 0.

    Returns:
        float32 (80, 1 + n // 200).

    Raises:
        ValueError: the wave is not one-dimensional, or is empty.
    """
    wave = _check(wave)
    spectrum = librosa.stft(
        lfilter([1.0, -_PREEMPHASIS], [1.0], wave).astype(np.float32),
        n_fft=_N_FFT,
        hop_length=HOP_LENGTH,
    )
    level = 10.0 ** (_MIN_LEVEL_DB / 20.0)
    decibels = 20.0 * np.log10(np.maximum(level, _mel_filters() @ np.abs(spectrum)))
    decibels -= _REF_LEVEL_DB
    scaled = 2.0 * _MAX_ABS * (decibels - _MIN_LEVEL_DB) / -_MIN_LEVEL_DB - _MAX_ABS
    return np.clip(scaled, -_MAX_ABS, _MAX_ABS).astype(np.float32)


def mel_centres() -> np.ndarray:
    """Centre frequencies of the mel bins in Hz, ascending: float64 (80,)."""
    return librosa.mel_frequencies(N_MELS + 2, fmin=_MEL_RANGE[0], fmax=_MEL_RANGE[1])[1:-1]


def mfcc(wave: np.ndarray) -> np.ndarray:
    """13 cepstral coefficients at 100 frames per second, the input of SyncNet v2.

    25 ms windows every 10 ms, n_fft 512, 26 triangular filters from 0 to 8000 Hz on the HTK mel
    scale, log, DCT-II (orthonormal), lifter 22; the log energy of the frame replaces c0 (Davis and
    Mermelstein 1980). Computed on the int16 scale, as in the published SyncNet evaluation.

    Returns:
        float32 (frames, 13), where frames = 1 + ceil((n - 400) / 160).
    """
    return _cepstra(_int16(wave), n_filters=26, low=0.0, high=8000.0, energy=True)


def lipgan_mfcc(wave: np.ndarray) -> np.ndarray:
    """LipGAN's 12 cepstral coefficients: 40 filters from 300 to 3700 Hz, c0 dropped.

    Returns:
        float32 (frames, 12) at 100 frames per second; a 350 ms window is 35 rows.
    """
    full = _cepstra(_int16(wave), n_filters=40, low=300.0, high=3700.0, energy=False)
    return full[:, 1:]


def _check(wave: np.ndarray) -> np.ndarray:
    if wave.ndim != 1 or wave.size == 0:
        raise ValueError(f"wave must be one-dimensional and not empty, got shape {wave.shape}")
    return wave


def _int16(wave: np.ndarray) -> np.ndarray:
    """Integer values on the int16 scale; a wave decoded from 16-bit PCM gives its exact samples."""
    samples = _check(wave).astype(np.float64) * 32768.0
    if np.array_equal(samples, np.rint(samples)):
        return samples
    return np.trunc(np.clip(wave, -1.0, 1.0).astype(np.float32) * np.float32(32767.0))


@cache
def _mel_filters() -> csr_array:
    # Sparse, as the rounding of a dense product depends on the number of BLAS threads.
    return csr_array(
        librosa.filters.mel(
            sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=N_MELS, fmin=_MEL_RANGE[0], fmax=_MEL_RANGE[1]
        )
    )


def _cepstra(
    samples: np.ndarray, *, n_filters: int, low: float, high: float, energy: bool
) -> np.ndarray:
    window, hop, n_fft, count, lifter = 400, 160, 512, 13, 22
    samples = np.asarray(samples, np.float64)
    samples = np.append(samples[0], samples[1:] - _PREEMPHASIS * samples[:-1])
    n_frames = 1 + max(0, -(-(len(samples) - window) // hop))
    padded = np.pad(samples, (0, (n_frames - 1) * hop + window - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames, n_fft)) ** 2 / n_fft

    tiny = np.finfo(np.float64).eps  # log(0) guard for digital silence
    filters = _triangles(n_filters, n_fft, low, high)
    log_mel = np.log(np.maximum((filters @ power.T).T, tiny))
    cepstra = dct(log_mel, type=2, axis=1, norm="ortho")[:, :count]
    cepstra *= 1.0 + (lifter / 2.0) * np.sin(np.pi * np.arange(count) / lifter)
    if energy:
        cepstra[:, 0] = np.log(np.maximum(power.sum(axis=1), tiny))
    return cepstra.astype(np.float32)


@cache
def _triangles(n_filters: int, n_fft: int, low: float, high: float) -> csr_array:
    """Triangular filters (n_filters, n_fft//2 + 1) on the HTK mel scale, corners at FFT bins."""
    first, last = librosa.hz_to_mel(np.array([low, high]), htk=True)
    mels = np.linspace(first, last, n_filters + 2)
    hertz = librosa.mel_to_hz(mels, htk=True)
    corners = np.floor((n_fft + 1) * hertz / SAMPLE_RATE).astype(int)
    bins = np.arange(n_fft // 2 + 1)
    left, centre, right = (corners[i : i + n_filters, None] for i in range(3))
    rising = (bins - left) / np.maximum(centre - left, 1)
    falling = (right - bins) / np.maximum(right - centre, 1)
    up, down = (bins >= left) & (bins < centre), (bins >= centre) & (bins < right)
    return csr_array(np.where(up, rising, np.where(down, falling, 0.0)))
