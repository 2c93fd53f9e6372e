"""What a generator hears beside each frame, computed while the sound comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from lipsync.audio import HOP_LENGTH, SAMPLE_RATE, lipgan_mfcc, melspectrogram
from lipsync.windows import (
    MEL_STEP,
    MFCC_RATE,
    MFCC_STEP,
    PUBLISHED_INFERENCE_LEAD,
    SILENCE,
    mel_start,
    mfcc_start,
)

_AT_ONCE = 40  # columns computed at a time, half a second of mel


@dataclass(frozen=True)
class Feature:
    """How sound becomes columns, and which of them belong to a frame.

    Attributes:
        columns: float32 (n,) at 16 kHz -> (bins, columns).
        hop: samples from one column to the next.
        before: columns by which a piece must begin earlier to have the columns of the whole.
        reach: samples behind the begin of its hop that a column hears.
        step: columns of a window.
        silence: the value of columns outside of the sound.
        start: (seconds, fps) of a frame -> its window's first column.
        repeats_end: the last window is heard again where a window would leave the sound.
    """

    columns: Callable[[np.ndarray], np.ndarray]
    hop: int
    before: int
    reach: int
    step: int
    silence: float
    start: Callable[[float, float], int]
    repeats_end: bool = False

    def look_ahead(self) -> float:
        """Seconds of sound after a frame's begin without which it cannot be generated."""
        return (
            (self.start(100.0, 25.0) + self.step - 1) * self.hop / SAMPLE_RATE
            - 100.0
            + (self.reach / SAMPLE_RATE)
        )


def feature_of(model: nn.Module) -> Feature:
    """The sound that a generator was made for: a mel spectrogram, or LipGAN's cepstra."""
    shape = getattr(model, "audio_shape", (1, 80, MEL_STEP))
    if tuple(shape)[1:] == (12, MFCC_STEP):
        return Feature(
            columns=lambda wave: lipgan_mfcc(wave).T,
            hop=SAMPLE_RATE // MFCC_RATE,
            before=1,
            reach=400,
            step=MFCC_STEP,
            silence=0.0,
            start=lambda seconds, fps: mfcc_start(seconds * fps, fps),
        )
    lead = int(model.config.get("mel_lead", PUBLISHED_INFERENCE_LEAD))
    return Feature(
        columns=melspectrogram,
        hop=HOP_LENGTH,
        before=3,
        reach=400,
        step=MEL_STEP,
        silence=SILENCE,
        start=lambda seconds, fps: mel_start(seconds, 1, lead),
        repeats_end=lead == PUBLISHED_INFERENCE_LEAD,
    )


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
        self._columns: np.ndarray | None = None
        self._columns_at, self._finished = 0, False

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
        return self._finished or start + self.feature.step <= self._done

    def window(self, seconds: float, fps: float) -> np.ndarray:
        """(bins, columns): the sound of a frame; frames must be asked for in their order.

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
            start = min(start, self._done - feature.step)
        self._forget(start)
        return self._cut(start)

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
        return self._columns_at + (0 if self._columns is None else self._columns.shape[1])

    def _compute(self, until: int | None) -> None:
        """Columns up to ``until``; all that the kept sound gives where that is ``None``."""
        feature, done = self.feature, self._done
        if until is not None and until <= max(done, feature.before):  # or too short a piece
            return
        first = max(0, done - feature.before)
        begin = first * feature.hop - self._wave_at
        end = None if until is None else (until - 1) * feature.hop + feature.reach - self._wave_at
        piece = self._wave[begin:end]
        columns = feature.columns(piece)[:, done - first :]
        if until is not None:
            columns = columns[:, : until - done]
        self._columns = (
            columns if self._columns is None else np.concatenate([self._columns, columns], axis=1)
        )
        keep = max(0, self._done - feature.before) * feature.hop
        self._wave, self._wave_at = self._wave[keep - self._wave_at :], keep

    def _forget(self, start: int) -> None:
        """Drop columns that no later window holds; the last window may be asked for again."""
        spare = min(start, self._done) - 2 * self.feature.step - self._columns_at
        if spare > 4 * _AT_ONCE:
            self._columns = self._columns[:, spare:]
            self._columns_at += spare

    def _cut(self, start: int) -> np.ndarray:
        feature, have = self.feature, self._columns
        at = start - self._columns_at
        if have is not None and at >= 0 and at + feature.step <= have.shape[1]:
            return have[:, at : at + feature.step]
        bins = 80 if have is None else have.shape[0]
        window = np.full((bins, feature.step), feature.silence, np.float32)
        if have is not None:
            inside = have[:, max(at, 0) : max(at + feature.step, 0)]
            offset = max(-at, 0)
            window[:, offset : offset + inside.shape[1]] = inside
        return window
