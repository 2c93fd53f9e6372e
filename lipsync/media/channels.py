"""Downmixing of audio channels; where they cancel out, the strongest is used."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
"""Channel layouts by number of channels."""
_CANCELLED, _MIXED = 0.25, 0.5  # share of an uncorrelated mix's power: to switch, to return
_MEMORY = 0.2  # seconds, time constant of the powers
_LEAST = 1e-9  # power below which sound counts as silence

log = logging.getLogger(__name__)


class Resampler:
    """Resamples frames, and mixes their channels to one, two or six.

    Channels are mixed with ffmpeg's normalised matrix, so that equal ones keep their level. If a
    mono mix loses most of the power, as when a microphone is wired with reversed polarity on one
    channel, the strongest channel is used instead, with a warning.

    Args:
        path: the file, for the log.
        rate: sample rate in Hz.
        channels: a key of ``LAYOUTS``.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self._path, self._rate, self._channels = path, rate, channels
        # s32: ffmpeg normalises the mix for integer formats
        self._mix = av.AudioResampler(format="s32p", layout=LAYOUTS[channels], rate=rate)
        self._each: av.AudioResampler | None = None
        self._powers, self._use_strongest = np.zeros(1), False

    def resample(self, frame: av.AudioFrame | None) -> np.ndarray:
        """float32 (channels, n) in [-1, 1], n may be 0; ``None`` flushes."""
        if (
            self._each is None
            and frame is not None
            and len(_channel_names(frame)) > 1 == self._channels
        ):
            self._each = av.AudioResampler(format="s32p", layout=frame.layout, rate=self._rate)
            self._voices = [name != "LFE" for name in _channel_names(frame)]
        mix = _floats(self._mix.resample(frame), self._channels)
        if self._each is None:
            return mix
        each = _floats(self._each.resample(frame), len(self._voices))[self._voices]
        powers = (np.concatenate([mix, each]).astype(np.float64) ** 2).sum(axis=1)
        samples = mix.shape[1]
        self._powers = self._powers * np.exp(-samples / (_MEMORY * self._rate)) + powers
        separate = self._powers[1:].sum() / len(each) ** 2
        least = (_MIXED if self._use_strongest else _CANCELLED) * separate
        self._use_strongest = self._powers[0] + _LEAST * samples < least
        if not self._use_strongest:
            return mix
        warn_once(self._path, "its channels cancel each other; the strongest of them is heard")
        return each[None, self._powers[1:].argmax()]


def _channel_names(frame: av.AudioFrame) -> list[str]:
    return [channel.name for channel in frame.layout.channels]


def _floats(blocks: list[av.AudioFrame], channels: int) -> np.ndarray:
    arrays = [np.zeros((channels, 0), np.int32), *(block.to_ndarray() for block in blocks)]
    return (np.concatenate(arrays, axis=1) / 2**31).astype(np.float32)


@lru_cache(256)
def warn_once(path: Path, problem: str) -> None:
    """Log an oddity of a file, once."""
    log.warning("%s: %s", path, problem)
