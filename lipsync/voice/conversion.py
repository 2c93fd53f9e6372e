"""Voice conversion by a network that was trained on both voices."""

from __future__ import annotations

import librosa
import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from lipsync.errors import ConfigError
from lipsync.voice.cepstrum import STEP, decode, encode, to_frames
from lipsync.voice.network import VoiceConverter
from lipsync.voice.pitch import CEILING, FLOOR, SAMPLE_RATE
from lipsync.voice.vocoder import analyse, synthesise

_ROWS = 1024  # 10 s per batch, plus the network's receptive field
_AROUND = 128
_SMOOTH = 9  # rows: differences between voices vary slowly, words quickly
_MOST = 15.0  # dB; in silence the network's output is arbitrary


def convert(
    wave: np.ndarray,
    rate: int,
    converter: VoiceConverter,
    speaker: str | None = None,
    *,
    name: str = "voice",
) -> np.ndarray:
    """Convert speech of one of a converter's speakers to the voice of the other.

    The pitch is changed by the log-Gaussian normalised transformation (Liu et al. 2007), from the
    mean of this wave, so that a third voice also reaches the target's pitch. The envelope is
    changed by the difference of the converted and the source's mel cepstra, averaged over 90 ms
    and limited to 15 dB: that keeps its fine structure and the quick changes that make words.
    Power and noise shares are unchanged.

    Args:
        wave: float (n,) mono in [-1, 1].
        rate: sample rate of the wave, in Hz; frequencies above 8 kHz are lost.
        converter: from :func:`lipsync.checkpoints.load_model`.
        speaker: the target; None is the second of the converter's speakers.
        name: name of the wave in error messages.

    Returns:
        float32 (n,) at ``rate``, as loud as ``wave``.

    Raises:
        ConfigError: a model that is not a voice converter, or does not know the speaker.
        MediaError: less than 0.1 s of sound, or nothing in it is voiced.
    """
    target = _target(converter, speaker)
    speech = analyse(wave, rate, name)
    cepstra = encode(speech.envelope[::STEP], converter.config["coefficients"])
    change = convert_cepstra(cepstra, converter, target) - cepstra
    change[:, 0] = 0.0  # keep the power: it carries the syllables
    change = uniform_filter1d(change, _SMOOTH, axis=0, mode="nearest")
    most = _MOST / 10 * np.log(10)
    change = np.clip(decode(to_frames(change, len(speech.pitch))), -most, most)
    envelope = speech.envelope + change
    pitch_of_source, pitch_of_target = converter.log_pitch.cpu().numpy()[[1 - target, target]]
    own = np.array([np.log(speech.pitch[speech.voiced]).mean(), pitch_of_source[1]])
    pitch = convert_pitch(speech.pitch, own, pitch_of_target)
    return match_loudness(synthesise(speech.change(pitch=pitch, envelope=envelope)), wave, rate)


@torch.inference_mode()
def convert_cepstra(cepstra: np.ndarray, converter: VoiceConverter, target: int) -> np.ndarray:
    """Convert cepstra (rows, coefficients) to those of speaker ``target``, 0 or 1."""
    device = converter.mean.device
    parts = []
    for start in range(0, len(cepstra), _ROWS):
        first = max(0, start - _AROUND)
        piece = torch.from_numpy(cepstra[first : start + _ROWS + _AROUND].T.copy())
        converted = converter(piece[None].to(device), target)[0].T.float().cpu().numpy()
        parts.append(converted[start - first :][:_ROWS])
    return np.concatenate(parts)


def convert_pitch(pitch: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Move pitch in Hz, 0 where unvoiced, from one voice to another.

    Args:
        pitch: (frames,).
        source, target: mean and standard deviation of each voice's log pitch.
    """
    voiced = pitch > 0
    logarithm = np.log(np.where(voiced, pitch, 1.0))
    moved = np.exp((logarithm - source[0]) / source[1] * target[1] + target[0])
    return np.where(voiced, np.clip(moved, FLOOR, CEILING), 0.0)


def match_loudness(wave: np.ndarray, like: np.ndarray, rate: int) -> np.ndarray:
    """Bring a wave at 16 kHz to the length, rate and power of another, without clipping."""
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
