"""What a generator hears beside each frame, computed while the sound comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.features import Feature
from lipsync.windows import cut_columns

_AT_ONCE = 40  # columns computed at a time, half a second of mel
_LEAST = 4  # columns of a piece of sound; of fewer there may be too little for a spectrum


class Speech:
    """Windows of a sound that arrives in pieces; what lies behind is forgotten.

    Args:
        feature: what the generator hears.
        blocks: float32 (n,) at 16 kHz, read as windows need them; none for sound that is pushed.
    """

    def __init__(self, feature: Feature, blocks: Iterable[np.ndarray] | None = None) -> None:
        self.feature = feature
        self._blocks: Iterator[np.ndarray] | None = iter(blocks) if blocks is not None else None
        self._wave, self._wave_at = (
            np.zeros(0, np.float32),
            0,
        )  # kept samples, and the first's place
        self._columns, self._columns_at = np.zeros((feature.bands, 0), np.float32), 0
        self._finished = False

    def push(self, wave: np.ndarray) -> None:
        """More sound, float32 (n,)."""
        self._wave = np.concatenate([self._wave, wave])
        feature, heard = self.feature, self._wave_at + len(self._wave)
        whole = (heard - feature.reach) // feature.hop + 1
        if self._blocks is None or whole - self._done >= _AT_ONCE:
            self._compute(whole)

    def finish(self) -> None:
        """There is no more sound."""
        if not self._finished and len(self._wave):
            self._compute(None)
        self._finished = True

    def has(self, seconds: float, fps: float) -> bool:
        """Whether the sound has come as far as a frame that begins at ``seconds`` needs it."""
        start = self.feature.start(seconds, fps)
        return self._finished or start + self.feature.window <= self._done

    def window(self, seconds: float, fps: float) -> np.ndarray:
        """(bands, columns): the sound of a frame; frames must be asked for in their order.

        Raises:
            ValueError: it has not come yet.
        """
        while not self.has(seconds, fps):
            block = next(self._blocks, None) if self._blocks is not None else None
            if block is not None:
                self.push(block)
            elif self._blocks is not None:
                self.finish()
            else:
                raise ValueError(f"the sound has not come as far as {seconds:.2f} s")
        feature = self.feature
        start = feature.start(seconds, fps)
        if feature.repeats_end and self._finished:
            start = min(start, self._done - feature.window)
        self._forget(start)
        return cut_columns(self._columns, start - self._columns_at, feature.window, feature.silence)

    @property
    def ended(self) -> bool:
        """Whether there is no more sound."""
        return self._finished

    @property
    def seconds(self) -> float:
        """How much sound has come."""
        return (self._wave_at + len(self._wave)) / SAMPLE_RATE

    @property
    def _done(self) -> int:
        """Columns that have been computed, from the begin of the sound."""
        return self._columns_at + self._columns.shape[1]

    def _compute(self, until: int | None) -> None:
        """Columns up to ``until``; all that the kept sound gives where that is ``None``."""
        feature, done = self.feature, self._done
        if until is not None:
            until -= until % feature.chunk
            if until <= done or until < _LEAST:
                return
        first = max(0, done - feature.context)
        begin = first * feature.hop - self._wave_at
        end = None if until is None else (until - 1) * feature.hop + feature.reach - self._wave_at
        piece = self._wave[begin:end]
        columns = feature.extract(piece)[:, done - first :]
        if until is not None:
            columns = columns[:, : until - done]
        self._columns = np.concatenate([self._columns, columns], axis=1)
        keep = max(0, self._done - feature.context) * feature.hop
        self._wave, self._wave_at = self._wave[keep - self._wave_at :], keep

    def _forget(self, start: int) -> None:
        """Drop columns that no later window holds; the last window may be asked for again."""
        spare = min(start, self._done) - 2 * self.feature.window - self._columns_at
        if spare > 4 * _AT_ONCE:
            self._columns = self._columns[:, spare:]
            self._columns_at += spare
