"""Windows of a sound as a network hears them, of long sounds too."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np

from lipsync.features import Feature
from lipsync.windows import FPS, cut_columns

_KEPT = 4  # pieces of sound


class SoundWindows:
    """Cuts windows of a feature, one a frame.

    Only the sound of the windows that are asked for is looked at, so that a long one costs no
    memory; the columns of a few pieces are kept.

    Args:
        feature: what is heard, of the length of a window.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self._pieces: deque[tuple] = deque(maxlen=_KEPT)  # of sound: wave, first, end, columns

    def cut(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        """float32 (samples,) -> (count, 1, bands, columns) of windows start, start + 1, ..."""
        feature = self.feature
        starts = [feature.start(window / FPS) for window in range(start, start + count)]
        # whole chunks, of which the neighbours in time are often windows of the same
        first, end = max(0, starts[0] - feature.context), starts[-1] + feature.window
        first, end = first - first % feature.chunk, end + -end % feature.chunk
        values = self._columns(wave, first, end)
        cut = [cut_columns(values, s - first, feature.window, feature.silence) for s in starts]
        return np.stack(cut)[:, None]

    def _columns(self, wave: np.ndarray, first: int, end: int) -> np.ndarray:
        """Columns first, ..., end - 1 of a sound."""
        for of, *place, values in self._pieces:
            if of() is wave and place == [first, end]:
                return values
        hop, reach = self.feature.hop, self.feature.reach
        values = self.feature.extract(wave[first * hop : (end - 1) * hop + reach])
        self._pieces.append((weakref.ref(wave), first, end, values))
        return values
