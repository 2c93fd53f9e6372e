"""What can be told of prepared clips without any model: is the sound in time, is there any?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lipsync.data.clips import Clip
from lipsync.data.pauses import loudness
from lipsync.features import Mel
from lipsync.windows import MEL_STEP

REACH = 20  # frames to either side over which the sound is moved
SILENCE = -3.5  # mean of a mel window, in the mel's units of [-4, 4]: some -95 dB
_FRAMES = 500  # of a clip whose pictures are looked at: 20 seconds


def sound_lag(clips: Sequence[Clip], reach: int = REACH) -> np.ndarray:
    """How well loudness fits the mouth's motion when the sound is moved.

    Mouths move while there is speech: the correlation of the picture's change in the lower half
    with the loudness, over a clip's first 20 seconds, averaged over clips. On two dozen GRID clips
    it peaks at the true lag to the frame, whoever speaks.

    Args:
        clips: prepared clips; those with nothing that moves or sounds count as 0.
        reach: frames to either side.

    Returns:
        float (2 * reach + 1,): correlation for a sound that is late by -reach ... reach frames.
    """
    total = np.zeros(2 * reach + 1)
    for clip in clips:
        motion, level = _standard(_motion(clip)), _standard(loudness(clip))
        frames = min(len(motion), len(level))
        for i, lag in enumerate(range(-reach, reach + 1)):
            low, high = max(0, -lag), min(frames, frames - lag)
            if high > low:
                total[i] += (motion[low:high] * level[low + lag : high + lag]).sum() / frames
    return total / max(1, len(clips))


def silent_share(clips: Sequence[Clip]) -> float:
    """Share of the windows of some clips that hold no sound."""
    silent = windows = 0
    for clip in clips:
        columns = clip.feature(Mel()).mean(axis=0)
        means = np.convolve(columns, np.ones(MEL_STEP) / MEL_STEP, mode="valid")
        silent += int((means < SILENCE).sum())
        windows += len(means)
    return silent / max(1, windows)


def _motion(clip: Clip) -> np.ndarray:
    """(frames,) mean absolute change of the mouth's region since the frame before, at first."""
    size, frames = clip.size, range(min(len(clip), _FRAMES))
    mouth = clip.read(frames)[:, size // 2 : size * 15 // 16, size // 5 : size * 4 // 5]
    grey = mouth.astype(np.float32).mean(axis=-1)
    change = np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2))
    return np.concatenate([change[:1], change])


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() + 1e-6)
