"""Speech in another voice, by a network that was trained on both."""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from lipsync.errors import ConfigError
from lipsync.voice.cepstrum import STEP, decode, encode, to_frames
from lipsync.voice.network import VoiceConverter
from lipsync.voice.pitch import CEILING, FLOOR, SAMPLE_RATE
from lipsync.voice.vocoder import Speech, analyse, synthesise

_ROWS = 1024  # converted at a time, 10 s, with as much about them as a network sees
_AROUND = 128
_SMOOTH = 9  # rows: voices differ slowly, words change quickly
_MOST = 15.0  # dB; in silence a network may ask for anything


def convert(
    wave: np.ndarray,
    rate: int,
    converter: VoiceConverter,
    speaker: str | None = None,
    *,
    vocoder: Callable[[Speech], np.ndarray] = synthesise,
    name: str = "voice",
) -> np.ndarray:
    """Speech of one of a converter's speakers in the voice of the other.

    The pitch moves by the log-Gaussian normalised transformation (Liu et al. 2007), from the mean
    of this wave, so that a third voice comes to the target's pitch, too; the envelope by
    the difference of the converted and the source's mel cepstra, averaged over 90 ms and 15 dB at
    most: that leaves its fine structure and the quick changes that make words. Power and the shares
    of noise stay.

    Args:
        wave: float (n,) mono in [-1, 1].
        rate: of the wave, in Hz; what is above 8 kHz is lost.
        converter: of :func:`lipsync.checkpoints.load_model`.
        speaker: who is to be heard; None is the second of the converter's speakers.
        vocoder: makes a wave at 16 kHz of :class:`~lipsync.voice.vocoder.Speech`; a neural one can
            stand in for the one here.
        name: of the wave in errors.

    Returns:
        float32 (n,) at ``rate``, as loud as ``wave``.

    Raises:
        ConfigError: a model that converts no voices, or does not know the speaker.
        MediaError: less than 0.1 s of sound, or nothing in it is voiced.
    """
    target = _target(converter, speaker)
    speech = analyse(wave, rate, name)
    cepstra = encode(speech.envelope[::STEP], converter.config["coefficients"])
    change = convert_cepstra(cepstra, converter, target) - cepstra
    change[:, 0] = 0.0  # the power stays: it carries the syllables
    change = uniform_filter1d(change, _SMOOTH, axis=0, mode="nearest")
    most = _MOST / 10 * np.log(10)
    change = np.clip(decode(to_frames(change, len(speech.pitch))), -most, most)
    envelope = speech.envelope + change
    pitch_of_source, pitch_of_target = converter.log_pitch.cpu().numpy()[[1 - target, target]]
    own = np.array([np.log(speech.pitch[speech.voiced]).mean(), pitch_of_source[1]])
    pitch = move_pitch(speech.pitch, own, pitch_of_target)
    return as_loud(vocoder(speech.change(pitch=pitch, envelope=envelope)), wave, rate)


@torch.inference_mode()
def convert_cepstra(cepstra: np.ndarray, converter: VoiceConverter, target: int) -> np.ndarray:
    """Cepstra (rows, coefficients) of the one speaker to those of speaker ``target``, 0 or 1."""
    device = converter.mean.device
    parts = []
    for start in range(0, len(cepstra), _ROWS):
        first = max(0, start - _AROUND)
        piece = torch.from_numpy(cepstra[first : start + _ROWS + _AROUND].T.copy())
        converted = converter(piece[None].to(device), target)[0].T.float().cpu().numpy()
        parts.append(converted[start - first :][:_ROWS])
    return np.concatenate(parts)


def move_pitch(pitch: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pitch in Hz, 0 where unvoiced, from a voice to another.

    Args:
        pitch: (frames,).
        source, target: mean and deviation of the log pitch of each.
    """
    voiced = pitch > 0
    logarithm = np.log(np.where(voiced, pitch, 1.0))
    moved = np.exp((logarithm - source[0]) / source[1] * target[1] + target[0])
    return np.where(voiced, np.clip(moved, FLOOR, CEILING), 0.0)


def as_loud(wave: np.ndarray, like: np.ndarray, rate: int) -> np.ndarray:
    """A wave at 16 kHz with the length, rate and power of another, and no sample beyond 1."""
    if rate != SAMPLE_RATE:
        wave = librosa.resample(wave, orig_sr=SAMPLE_RATE, target_sr=rate)
    wave = librosa.util.fix_length(wave, size=len(like))
    power = np.sqrt(np.mean(np.square(like, dtype=np.float64)))
    gain = power / max(np.sqrt(np.mean(np.square(wave, dtype=np.float64))), 1e-9)
    return (wave * min(gain, 0.99 / max(np.abs(wave).max(), 1e-9))).astype(np.float32)


def _target(converter: VoiceConverter, speaker: str | None) -> int:
    if not isinstance(converter, VoiceConverter):
        raise ConfigError(
            f"{type(converter).__name__} is not a voice converter; train a converter with "
            "python train.py model=cyclegan_vc"
        )
    if speaker is None:
        return 1
    if speaker not in converter.speakers:
        known = " and ".join(converter.speakers)
        raise ConfigError(f"the model does not know the voice {speaker!r}; it knows {known}")
    return converter.speakers.index(speaker)
