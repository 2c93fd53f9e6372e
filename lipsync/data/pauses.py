"""Loudness of a clip, and its pauses: windows in which the mouth should be at rest."""

from __future__ import annotations

import numpy as np

from lipsync.data.clips import Clip
from lipsync.features import Mel
from lipsync.windows import mel_start

PAUSE = 25.0  # dB below the clip's loudest moment
_DECIBEL = 8 / 100  # the mel's 8 units span 100 dB
_AROUND = 3  # mel columns to each side of a frame's start, about one frame
_BEFORE, _AFTER = 2, 3  # frames around a window that must be quiet too, as mouths open early


def loudness(clip: Clip) -> np.ndarray:
    """(frames,) mean of the mel around the start of each frame, in the mel's range [-4, 4]."""
    columns = np.pad(clip.feature(Mel()).mean(axis=0), _AROUND, mode="edge")
    level = np.convolve(columns, np.ones(2 * _AROUND) / (2 * _AROUND), mode="valid")
    starts = np.array([mel_start(i) for i in range(len(clip))])
    return level[np.minimum(starts, len(level) - 1)]


def pausing_windows(clip: Clip, count: int, window: int) -> np.ndarray:
    """First frames of windows without speech in them or shortly before and after.

    Args:
        clip: a clip with a stored mel; anything within :data:`PAUSE` of its loudest is speech.
        count: number of windows, starting at frames 0, 1, ...
        window: frames per window.

    Returns:
        int64, ascending; empty if the clip has no pauses.
    """
    level = loudness(clip)
    spoken = np.cumsum(np.concatenate([[0], level > level.max() - PAUSE * _DECIBEL]))
    starts = np.arange(count)
    ends = np.minimum(starts + window + _AFTER, len(level))
    return starts[spoken[ends] == spoken[np.maximum(starts - _BEFORE, 0)]]
