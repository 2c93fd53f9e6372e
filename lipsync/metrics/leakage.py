"""Leakage: how much of the original mouth movement remains in a dub. Pure functions.

A generator that copies its reference replays the mouth of the dubbed video, whatever the audio
(called expression leakage in KeySync, Bigata et al. 2025, and measured there under silence). Dub
and source are cropped by the same fixed square, and compared frame by frame in
:func:`mouth_region`. The square does not move, so head movement counts in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from lipsync.metrics.quality import LUMA, luma, motion

_LEAST = 5  # frames below which nothing is reported
_BLOCK = 4  # mouths are compared in blocks of this side, in pixels


def mouth_region(pictures: Any) -> Any:
    """The mouth of face crops, an array or a tensor: (..., S, S) -> (..., S / 4, S / 3).

    It contains the lips, open or closed, and lies where a dub shows almost only generated pixels.
    """
    side = pictures.shape[-1]
    return pictures[..., side * 7 // 12 : side * 5 // 6, side // 3 : side * 2 // 3]


@dataclass
class MouthTrace:
    """Mouth movement over one video, in little memory.

    Attributes:
        motion: per step between frames, mean absolute change of the mouth's luma, in 8-bit levels.
        mouths: per frame, the mouth's luma averaged over 4 x 4 pixels, float32 (rows, columns).
    """

    motion: list[float] = field(default_factory=list)
    mouths: list[np.ndarray] = field(default_factory=list)
    _last: np.ndarray | None = None

    def add(self, face: np.ndarray) -> None:
        """Add the next frame's face, uint8 (S, S, 3) RGB, of constant size, at least 48 pixels."""
        mouth = mouth_region(luma(face))
        if self._last is not None:
            self.motion.append(motion(self._last, mouth))
        self._last = mouth
        rows, columns = (side // _BLOCK for side in mouth.shape)
        whole = mouth[: rows * _BLOCK, : columns * _BLOCK]
        self.mouths.append(whole.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3)))


def motion_share(made: np.ndarray, source: np.ndarray) -> float:
    """Mouth motion in a dub relative to that in the source; 0 if the mouth is at rest.

    Args:
        made, source: (n,) motion between successive frames at the same times, in levels.

    Returns:
        The ratio of the means, 0 or more; NaN if the source's mouth does not move.
    """
    _check(made, source)
    whole = float(source.mean()) if len(source) else 0.0
    return float(made.mean()) / whole if whole > 0 else float("nan")


def motion_correlation(made: np.ndarray, source: np.ndarray) -> float:
    """Pearson's correlation over time between mouth motion in a dub and in the source.

    Args:
        made, source: (n,) as for :func:`motion_share`.

    Returns:
        In [-1, 1]: 1 if the original mouth is replayed; 0 if the dub's motion is constant. NaN if
        the source's motion is constant, or for fewer than five steps.
    """
    _check(made, source)
    if len(source) < _LEAST or source.std() == 0:
        return float("nan")
    if made.std() == 0:
        return 0.0
    return float(np.corrcoef(made, source)[0, 1])


def closed_in_pauses(
    mouths: np.ndarray, pauses: np.ndarray, source: np.ndarray, source_pauses: np.ndarray
) -> float:
    """Fraction of the frames in pauses of the new audio in which the mouth is at rest.

    The mouth at rest is the mean over the source's own pauses. A mouth counts as closed if its mean
    absolute difference from that is at most the median over the source's speaking frames; by this
    definition, half of the speaking mouths count as closed.

    Args:
        mouths: (n, rows, columns) mouths of the dub, :attr:`MouthTrace.mouths`.
        pauses: (n,) bool, where the new audio is silent, see :func:`.quality.silent_frames`.
        source: (m, rows, columns) mouths of the source.
        source_pauses: (m,) bool, where the source's own audio is silent.

    Returns:
        In [0, 1]; NaN if either one's pauses, or the source's speech, have fewer than five frames.
    """
    if min(pauses.sum(), source_pauses.sum(), (~source_pauses).sum()) < _LEAST:
        return float("nan")
    rest = source[source_pauses].mean(axis=0)
    speaking, silent = (
        np.abs(some - rest).mean(axis=(1, 2)) for some in (source[~source_pauses], mouths[pauses])
    )
    return float((silent <= np.median(speaking)).mean())


def leakage(
    made: MouthTrace, source: MouthTrace, pauses: np.ndarray, source_pauses: np.ndarray
) -> dict[str, float]:
    """The three leakage metrics of a dub, by name; undefined ones are left out.

    Args:
        made, source: mouths of dub and source, starting at the same time; excess steps of the
            longer one are ignored.
        pauses: bool per frame of ``made``, where the new audio is silent.
        source_pauses: bool per frame of ``source``, where its own audio is silent.
    """
    steps = min(len(made.motion), len(source.motion))
    sides = [np.array(trace.motion[:steps]) for trace in (made, source)]
    found = {"motion_share": motion_share(*sides), "motion_correlation": motion_correlation(*sides)}
    if made.mouths and source.mouths:
        mouths = np.stack(made.mouths), pauses, np.stack(source.mouths), source_pauses
        found["closed_in_pauses"] = closed_in_pauses(*mouths)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def window_motion(faces: Tensor) -> Tensor:
    """Mean mouth motion within each window: (N, T, 3, S, S) in [0, 1] -> (N,).

    The mean absolute change of luma between successive frames, as a fraction of full scale.
    """
    colours = mouth_region(faces).float().unbind(dim=2)  # three (N, T, S/4, S/3)
    levels = sum(weight * colour for weight, colour in zip(LUMA, colours, strict=True))
    return (levels[:, 1:] - levels[:, :-1]).abs().mean(dim=(1, 2, 3))


def _check(made: np.ndarray, source: np.ndarray) -> None:
    if made.shape != source.shape or made.ndim != 1:
        raise ValueError(
            f"motion must be (n,) twice, of one length, got {made.shape} and {source.shape}"
        )
