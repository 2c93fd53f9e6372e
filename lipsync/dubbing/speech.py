"""Streaming computation of a generator's audio window for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.features import Feature
from lipsync.windows import cut_columns

_STEP = 40  # columns computed at a time; half a second of mel
_MIN_COLUMNS = 4  # minimum number of columns to compute; a spectrum needs enough samples


class Speech:
    """Windows of audio that arrives in pieces; past audio is dropped.

    Args:
        feature: the generator's audio feature.
        blocks: float32 (n,) at 16 kHz, read as needed; None if audio is pushed.
    """

    def __init__(self, feature: Feature, blocks: Iterable[np.ndarray] | None = None) -> None:
        self.feature = feature
        self._blocks: Iterator[np.ndarray] | None = iter(blocks) if blocks is not None else None
        self._wave, self._wave_at = (
            np.zeros(0, np.float32),
            0,
        )  # samples in memory, and the position of the first
        self._columns, self._columns_at = np.zeros((feature.bands, 0), np.float32), 0
        self._finished = False

    def push(self, wave: np.ndarray) -> None:
        """Add audio, float32 (n,)."""
        self._wave = np.concatenate([self._wave, wave])
        feature, received = self.feature, self._wave_at + len(self._wave)
        whole = (received - feature.reach) // feature.hop + 1
        if self._blocks is None or whole - self._done >= _STEP:
            self._compute(whole)

    def finish(self) -> None:
        """Signal the end of the audio."""
        if not self._finished and len(self._wave):
            self._compute(None)
        self._finished = True

    def has(self, seconds: float, fps: float) -> bool:
        """Whether all audio for a frame that starts at ``seconds`` has arrived."""
        start = self.feature.start(seconds, fps)
        return self._finished or start + self.feature.window <= self._done

    def window(self, seconds: float, fps: float) -> np.ndarray:
        """Audio window of a frame, (bands, columns); frames must be requested in order.

        Raises:
            ValueError: the audio has not arrived yet.
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
        self._drop_columns(start)
        return cut_columns(self._columns, start - self._columns_at, feature.window, feature.silence)

    @property
    def ended(self) -> bool:
        """Whether the audio has ended."""
        return self._finished

    @property
    def seconds(self) -> float:
        """Seconds of audio received so far."""
        return (self._wave_at + len(self._wave)) / SAMPLE_RATE

    @property
    def _done(self) -> int:
        """Number of columns computed since the start of the audio."""
        return self._columns_at + self._columns.shape[1]

    def _compute(self, until: int | None) -> None:
        """Compute columns up to ``until``; with ``None``, up to the end of the audio in memory."""
        feature, done = self.feature, self._done
        if until is not None:
            until -= until % feature.chunk
            if until <= done or until < _MIN_COLUMNS:
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

    def _drop_columns(self, start: int) -> None:
        """Drop columns that no later window needs; the last window can still be requested again."""
        spare = min(start, self._done) - 2 * self.feature.window - self._columns_at
        if spare > 4 * _STEP:
            self._columns = self._columns[:, spare:]
            self._columns_at += spare
