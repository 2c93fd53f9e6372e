"""Loudness of speech, and its normalisation to the level that networks expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lipsync.media.channels import warn_once
from lipsync.media.sound import read_audio
from lipsync.media.streams import USUAL, Streams

_RATE = 16_000
_REMEMBERED = 30.0  # seconds, time constant for streamed speech
BLOCK = 160  # samples, 10 ms at 16 kHz
FLOOR_DB = -65.0  # dBFS; anything quieter is not speech
USUAL_DB = -13.0  # dBFS, of speech without its pauses: judges are most confident at this level,
_USUALLY = 6.0  # and nearly as confident within this many dB of it
_HISS_DB = -55.0  # a sound that never exceeds this is noise, and is not amplified
_GATE_DB = 10.0  # relative to the mean level; quieter blocks are pauses
QUIET, LOUD = 10, 95  # percentiles of the levels above FLOOR_DB
_CLIPPED = 2e-3  # share of samples at full scale above which a sound is clipped


class Loudness:
    """A streaming histogram of a sound's levels.

    Args:
        path: its file, for the log.
        memory: time constant in seconds of exponential forgetting.
    """

    def __init__(self, path: Path | None = None, memory: float = np.inf) -> None:
        self._path, self._samples, self._full, self._memory = path, 0, 0, memory
        self._counts = np.zeros(130)  # whole decibels from 0 to -129
        self._powers = np.zeros(130)
        self._rest = np.zeros(0, np.float32)

    def push(self, wave: np.ndarray) -> None:
        """Add float32 (n,) at 16 kHz."""
        self._samples += len(wave)
        self._full += int((np.abs(wave) > 0.9999).sum())
        wave = np.concatenate([self._rest, wave])
        whole = len(wave) // BLOCK * BLOCK
        self._rest = wave[whole:]
        if whole:
            levels = levels_db(wave[:whole].reshape(-1, BLOCK))
            rows = (-np.clip(np.round(levels), -129, 0)).astype(int)
            kept = np.exp(-whole / (_RATE * self._memory))
            self._counts = kept * self._counts + np.bincount(rows, minlength=130)
            powers = np.bincount(rows, 10 ** (levels / 10), minlength=130)
            self._powers = kept * self._powers + powers

    def gain_db(self) -> float:
        """Gain that brings it to the usual level of speech; 0.0 if it is close enough."""
        if self._path is not None and self._full > _CLIPPED * self._samples:
            share = f"{self._full / self._samples:.1%} of the samples are at full scale"
            warn_once(self._path, f"its sound is clipped ({share}); record it at a lower level")
        level = self._level(130)
        level = self._level(round(_GATE_DB - level) + 1)
        off = USUAL_DB - level
        return 0.0 if abs(off) <= _USUALLY or level < _HISS_DB else off

    def _level(self, rows: int) -> float:
        """Mean level of the blocks in the loudest ``rows`` bins."""
        count = max(1e-9, self._counts[:rows].sum())
        return float(10 * np.log10(self._powers[:rows].sum() / count + 1e-13))

    def percentiles(self, gain_db: float = 0.0) -> tuple[float, float] | None:
        """Levels of its quiet and loud parts after the gain; ``None`` for a silent sound."""
        counts = self._counts[: round(gain_db - FLOOR_DB)]
        if not counts.sum():
            return None
        share = np.cumsum(counts) / counts.sum()
        quiet, loud = (gain_db - np.searchsorted(share, 1 - p / 100) for p in (QUIET, LOUD))
        return float(quiet), float(loud)


class Leveller:
    """Streaming :func:`level_speech`: converges to the same gain as speech comes in."""

    delay = BLOCK / _RATE
    """Maximum latency of :meth:`push` in seconds."""

    def __init__(self) -> None:
        self._loudness = Loudness(memory=_REMEMBERED)
        self._rest, self._gain = np.zeros(0, np.float32), 1.0

    def push(self, wave: np.ndarray) -> np.ndarray:
        """Take float32 (n,), return the complete blocks, each levelled by all heard so far."""
        wave = np.concatenate([self._rest, wave])
        whole = len(wave) // BLOCK * BLOCK
        self._rest = wave[whole:]
        return np.concatenate([wave[:0], *map(self._level_block, wave[:whole].reshape(-1, BLOCK))])

    def finish(self) -> np.ndarray:
        """The rest of the sound."""
        return np.float32(self._gain) * self._rest

    def _level_block(self, block: np.ndarray) -> np.ndarray:
        self._loudness.push(block)
        before, self._gain = self._gain, 10 ** (self._loudness.gain_db() / 20)
        # raise the gain gradually, lower it at once: an onset after quiet is not amplified
        start = min(before, self._gain)
        return block * np.linspace(start, self._gain, BLOCK, dtype=np.float32)


def levels_db(blocks: np.ndarray) -> np.ndarray:
    """Level (n,) of float32 blocks (n, samples), in dBFS; offsets (frequencies below a block's)
    are ignored."""
    return 10 * np.log10(blocks.astype(np.float64).var(axis=1) + 1e-12)


def level_speech(wave: np.ndarray, path: Path | None = None) -> np.ndarray:
    """Speech, float32 (n,) at 16 kHz, at the level that networks expect; peaks may exceed [-1, 1].

    Speech within 6 dB of that level is returned unchanged.

    Args:
        wave: a whole sound, in [-1, 1].
        path: its file, for a warning if it is clipped.
    """
    loudness = Loudness(path)
    loudness.push(wave)
    gain = loudness.gain_db()
    return wave * np.float32(10 ** (gain / 20)) if gain else wave


def read_speech(
    path: str | Path, *, tolerate_damage: bool = False, streams: Streams = USUAL
) -> np.ndarray:
    """A file's sound for a network: float32 (n,) at 16 kHz, :func:`level_speech`."""
    wave = read_audio(path, _RATE, tolerate_damage=tolerate_damage, streams=streams)
    return level_speech(wave, Path(path))
