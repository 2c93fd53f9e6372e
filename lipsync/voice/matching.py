"""Voice matching without training: pitch, vocal tract length and timbre."""

from __future__ import annotations

import numpy as np

from lipsync.voice.cepstrum import COEFFICIENTS, decode, encode
from lipsync.voice.conversion import convert_pitch, match_loudness
from lipsync.voice.envelope import BINS
from lipsync.voice.pitch import SAMPLE_RATE
from lipsync.voice.vocoder import Speech, analyse, synthesise

WARPS = np.linspace(0.8, 1.25, 46)  # frequency factors to try
MOST = 12.0  # dB, maximum change of the average spectrum
_HIGHEST = 5000.0  # Hz; formants are compared up to here


def match_voice(
    wave: np.ndarray,
    rate: int,
    reference: np.ndarray,
    reference_rate: int | None = None,
    *,
    name: str = "voice",
    reference_name: str = "reference",
) -> np.ndarray:
    """Speech with the pitch and the average spectral envelope of a reference.

    The pitch is converted as in :func:`~lipsync.voice.convert`. The frequency axis of the envelopes
    is stretched by a single factor that brings the average envelope of voiced speech closest to the
    reference's (vocal tract length); the remaining difference between the smoothed averages is then
    added, at most 12 dB.

    Args:
        wave: float (n,) mono in [-1, 1].
        rate: sample rate of the wave, in Hz; frequencies above 8 kHz are lost.
        reference: float (m,); its words may differ; a few seconds are needed for a good average.
        reference_rate: in Hz; None is ``rate``.
        name, reference_name: names of the two in error messages.

    Returns:
        float32 (n,) at ``rate``, as loud as ``wave``.

    Raises:
        MediaError: less than 0.1 s of sound, or nothing in it is voiced.
    """
    speech = analyse(wave, rate, name)
    other = analyse(reference, reference_rate or rate, reference_name)
    own_mean, other_mean = _mean_envelope(speech), _mean_envelope(other)
    factor = tract_factor(own_mean, other_mean)
    envelope = _stretch(speech.envelope, factor)
    change = other_mean - _stretch(own_mean[None], factor)[0]
    most = MOST / 10 * np.log(10)
    envelope = envelope + np.clip(change - change.mean(), -most, most)
    pitch = convert_pitch(speech.pitch, _log_pitch(speech), _log_pitch(other))
    return match_loudness(synthesise(speech.change(pitch=pitch, envelope=envelope)), wave, rate)


def tract_factor(envelope: np.ndarray, reference: np.ndarray) -> float:
    """The factor on the frequencies of an average log envelope (513,).

    Between 0.8 and 1.25; above 1 if the reference's vocal tract is shorter.
    """
    bins = int(_HIGHEST / SAMPLE_RATE * 2 * (BINS - 1))

    def shape(log_power: np.ndarray) -> np.ndarray:
        x = np.arange(bins)
        return log_power[:bins] - np.polyval(np.polyfit(x, log_power[:bins], 1), x)  # without tilt

    wanted = shape(reference)
    stretched = [shape(_stretch(envelope[None], factor)[0]) for factor in WARPS]
    return float(WARPS[np.argmin([np.square(x - wanted).mean() for x in stretched])])


def _stretch(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Scale the frequency axis of log envelopes (frames, 513); the last value is held."""
    place = np.minimum(np.arange(BINS) / factor, BINS - 1)
    low = np.minimum(place.astype(int), BINS - 2)
    part = place - low
    return envelope[:, low] * (1 - part) + envelope[:, low + 1] * part


def _mean_envelope(speech: Speech) -> np.ndarray:
    """(513,) smoothed average of the voiced frames, normalised to equal power."""
    cepstra = encode(speech.envelope[speech.voiced], COEFFICIENTS)
    cepstra[:, 0] = 0.0
    return decode(cepstra.mean(axis=0)[None])[0]


def _log_pitch(speech: Speech) -> np.ndarray:
    """Mean and standard deviation of the log pitch."""
    logarithm = np.log(speech.pitch[speech.voiced])
    return np.array([logarithm.mean(), max(logarithm.std(), 0.01)])
