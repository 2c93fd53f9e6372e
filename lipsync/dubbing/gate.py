"""Noise gate: replaces pauses by silence in the generator's input, so that the mouth rests.

Generators move the lips to breath, room noise and hiss between words. The gate compares the level
of every 10 ms with the loud and quiet parts of the audio, and replaces everything that is not
speech by digital silence, as found around clips in training. It opens a little before speech and
closes a little after it, as lips do. Only the generator's input is gated, not the soundtrack.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.media.loudness import BLOCK, FLOOR_DB, LOUD, QUIET, levels_db

# Speech is above FLOOR_DB of full scale, and
DEPTH_DB = -32.0  # above this level relative to the loud parts, and
_SHARE = 0.35  # above this fraction of the range from quiet to loud parts,
_MIN_RANGE_DB = 12.0  # if that range is at least this large, so that there are pauses at all
_BEFORE, _AFTER = 8, 12  # blocks by which the gate opens early and closes late
_MEMORY = 3000  # blocks over which levels are measured: 30 s
_FADE = 4  # blocks


class VoiceGate:
    """Streaming gate for 16 kHz audio, with a delay of 80 ms.

    Args:
        min_speech_db: minimum level of speech, if the whole audio is known, see
            :func:`min_speech_db`; otherwise the gate estimates it as audio arrives.
    """

    delay = _BEFORE * BLOCK / SAMPLE_RATE
    """Delay of :meth:`push` in seconds."""

    def __init__(self, min_speech_db: float | None = None) -> None:
        self._given = min_speech_db
        self._levels: deque[float] = deque(maxlen=_MEMORY)
        self._rest = np.zeros(0, np.float32)
        self._blocks: deque[np.ndarray] = deque()
        self._speech: deque[bool] = deque()  # of the blocks held back
        self._since, self._gain = _AFTER + 1, 1.0
        self._floor_db = min_speech_db if min_speech_db is not None else FLOOR_DB
        self._count = 0

    def push(self, wave: np.ndarray) -> np.ndarray:
        """Take float32 (n,) audio, and return as much gated audio as is decided."""
        wave = np.concatenate([self._rest, wave])
        whole = len(wave) // BLOCK * BLOCK
        self._rest = wave[whole:]
        return self._decide(wave[:whole].reshape(-1, BLOCK), hold=_BEFORE)

    def finish(self) -> np.ndarray:
        """Return the rest of the audio."""
        short = len(self._rest)
        last = np.pad(self._rest, (0, BLOCK - short))[None] if short else np.zeros((0, BLOCK))
        out = self._decide(last.astype(np.float32), hold=0)
        return out[: len(out) - (BLOCK - short)] if short else out

    def _decide(self, blocks: np.ndarray, hold: int) -> np.ndarray:
        out = []
        for block, level in zip(blocks, levels_db(blocks), strict=True):
            self._blocks.append(block)
            self._speech.append(level > self._speech_floor_db(level))
            if len(self._blocks) > _BEFORE:
                out.append(self._release_block())
        while not hold and self._blocks:
            out.append(self._release_block())
        return np.concatenate(out) if out else np.zeros(0, np.float32)

    def _speech_floor_db(self, level: float) -> float:
        if self._given is None:
            if level > FLOOR_DB:
                self._levels.append(level)
            self._count += 1
            if self._count % 20 == 1 and self._levels:
                self._floor_db = min_speech_db(*np.percentile(self._levels, (QUIET, LOUD)))
        return self._floor_db

    def _release_block(self) -> np.ndarray:
        coming = any(self._speech)
        self._since = 0 if self._speech.popleft() else self._since + 1
        target = 1.0 if coming or self._since <= _AFTER else 0.0
        before = self._gain
        self._gain = float(np.clip(target, before - 1 / _FADE, before + 1 / _FADE))
        block = self._blocks.popleft()
        if before == self._gain == 1.0:
            return block
        return block * np.linspace(before, self._gain, BLOCK, dtype=np.float32)


def min_speech_db(quiet: float, loud: float) -> float:
    """Minimum level of speech, given the levels of quiet and loud parts."""
    between = quiet + _SHARE * (loud - quiet) if loud - quiet > _MIN_RANGE_DB else -np.inf
    return float(max(between, loud + DEPTH_DB, FLOOR_DB))
