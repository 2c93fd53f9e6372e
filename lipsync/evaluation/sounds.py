"""Windows of an audio feature, cut from sounds of any length."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np

from lipsync.features import Feature
from lipsync.windows import FPS, cut_columns

_KEPT = 4  # cached pieces


class SoundWindows:
    """Cuts windows of a feature, one per frame.

    Columns are computed only for the requested windows, so that memory does not grow with the
    length of a sound; those of the last few pieces are cached.

    Args:
        feature: the audio feature, with the window's length.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self._pieces: deque[tuple] = deque(maxlen=_KEPT)  # (wave, first, end, columns)

    def cut(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        """float32 (samples,) -> (count, 1, bands, columns) of windows start, start + 1, ..."""
        feature = self.feature
        starts = [feature.start(window / FPS) for window in range(start, start + count)]
        # one range of columns for all windows, which overlap
        first, end = max(0, starts[0] - feature.context), starts[-1] + feature.window
        first, end = first - first % feature.chunk, end + -end % feature.chunk
        values = self._columns(wave, first, end)
        cut = [cut_columns(values, s - first, feature.window, feature.silence) for s in starts]
        return np.stack(cut)[:, None]

    def _columns(self, wave: np.ndarray, first: int, end: int) -> np.ndarray:
        """Columns ``first`` to ``end - 1`` of a sound."""
        for of, *place, values in self._pieces:
            if of() is wave and place == [first, end]:
                return values
        hop, reach = self.feature.hop, self.feature.reach
        values = self.feature.extract(wave[first * hop : (end - 1) * hop + reach])
        self._pieces.append((weakref.ref(wave), first, end, values))
        return values
