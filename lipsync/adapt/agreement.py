"""Audio offset of a video by agreement of its pieces, and its correction.

A judge may not be confident on any single piece of an unknown person. But if the sound had nothing
to do with the mouth, two pieces would agree on an offset only by chance, one time in ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import binom

from lipsync.audio import SAMPLE_RATE
from lipsync.data.clips import Clip
from lipsync.data.store import open_clip, write_clip
from lipsync.metrics.functional import VSHIFT
from lipsync.windows import FPS

_BY_CHANCE = 3 / (2 * VSHIFT + 1)  # probability that two random offsets are within a frame
_LEAST = 0.01  # significance level
_SAMPLES = SAMPLE_RATE // FPS  # per frame


def agreed_offset(offsets: Sequence[int], confidences: Sequence[float]) -> int | None:
    """The offset in frames on which pieces of one recording agree; None if they do not.

    Args:
        offsets: the offset found for each piece.
        confidences: their confidences, used as weights.
    """
    found, weights = np.array(offsets, int), np.maximum(confidences, 1e-6)
    if not len(found):
        return None
    near = np.abs(found[:, None] - found) <= 1
    middle = int(np.argmax((near * weights).sum(axis=1)))
    others = int(near[middle].sum()) - 1
    if binom.sf(others - 1, len(found) - 1, _BY_CHANCE) >= _LEAST:
        return None
    return round(float(np.average(found[near[middle]], weights=weights[near[middle]])))


def move_sound(root: Path, clip: Clip, offset: int) -> Clip:
    """Rewrite a prepared clip with its sound shifted: frame i gets the sound of i - offset.

    Frames whose sound lies outside the clip are dropped.
    """
    frames, wave = np.array(clip.faces), clip.wave
    count = min(len(frames), len(wave) // _SAMPLES)
    first, last = max(0, offset), min(count, count + offset)
    sound = wave[(first - offset) * _SAMPLES : (last - offset) * _SAMPLES]
    ways = clip.info.get("to_source")
    more = {} if ways is None else {"to_source": ways[first:last]}
    boxes = clip.info.get("boxes")
    more |= {} if boxes is None else {"boxes": boxes[first:last]}
    info = clip.info | more | {"start": clip.info["start"] + first, "offset": offset}
    write_clip(root, clip.key, faces=frames[first:last], wave=sound, info=info)
    return open_clip(root, clip.key)
