"""How loud a clip is, and where it pauses: windows in which a mouth should be at rest."""

from __future__ import annotations

import numpy as np

from lipsync.data.clips import Clip
from lipsync.features import Mel
from lipsync.windows import mel_start

PAUSE = 25.0  # dB below the clip's loudest moment
_DECIBEL = 8 / 100  # the mel's 8 units span 100 dB
_AROUND = 3  # mel columns to each side of a frame's beginning, about a frame
_BEFORE, _AFTER = 2, 3  # frames around a window that have to be as quiet: mouths open early


def loudness(clip: Clip) -> np.ndarray:
    """(frames,) mean of the mel about the beginning of each frame, in its units of [-4, 4]."""
    columns = np.pad(clip.feature(Mel()).mean(axis=0), _AROUND, mode="edge")
    level = np.convolve(columns, np.ones(2 * _AROUND) / (2 * _AROUND), mode="valid")
    starts = np.array([mel_start(i) for i in range(len(clip))])
    return level[np.minimum(starts, len(level) - 1)]


def pausing_windows(clip: Clip, count: int, window: int) -> np.ndarray:
    """First frames of the windows in which, and shortly before and after, nobody speaks.

    Args:
        clip: whose stored mel tells; speech is what is less than :data:`PAUSE` below its loudest.
        count: windows that there are, at frames 0, 1, ...
        window: frames of each.

    Returns:
        int64, ascending; none where the clip does not pause.
    """
    level = loudness(clip)
    spoken = np.cumsum(np.concatenate([[0], level > level.max() - PAUSE * _DECIBEL]))
    starts = np.arange(count)
    ends = np.minimum(starts + window + _AFTER, len(level))
    return starts[spoken[ends] == spoken[np.maximum(starts - _BEFORE, 0)]]
