"""How much of the old mouth is left in a dub: leakage. Pure functions on what a mouth does in time.

A generator that copies its reference replays the mouth of the video that is dubbed, whatever it
hears (the expression leakage of KeySync, Bigata et al. 2025, there measured under silence). The dub
and its source are cut by one steady square, frame by frame at the same time, and looked at in
:func:`mouth_region`. The square keeps still, so a head that moves counts in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from lipsync.metrics.quality import LUMA, luma, motion

_LEAST = 5  # frames; of fewer, a number is chance
_BLOCK = 4  # pixels to a side that are averaged before mouths are compared


def mouth_region(pictures: Any) -> Any:
    """The mouth of face crops (..., S, S), an array or a tensor -> (..., S / 4, S / 3).

    It holds the lips, open or closed, and lies where a dub shows the generated picture and hardly
    anything of the one below it.
    """
    side = pictures.shape[-1]
    return pictures[..., side * 7 // 12 : side * 5 // 6, side // 3 : side * 2 // 3]


@dataclass
class MouthTrace:
    """What the mouth of one video does: little is kept of a frame.

    Attributes:
        motion: one a step, mean absolute change of the mouth's luma, in levels of 255.
        mouths: one a frame, its luma in blocks of 4 x 4 pixels, float32 (rows, columns).
    """

    motion: list[float] = field(default_factory=list)
    mouths: list[np.ndarray] = field(default_factory=list)
    _last: np.ndarray | None = None

    def add(self, face: np.ndarray) -> None:
        """The next frame's face, uint8 (S, S, 3) RGB; always of one size, 48 pixels or more."""
        mouth = mouth_region(luma(face))
        if self._last is not None:
            self.motion.append(motion(self._last, mouth))
        self._last = mouth
        rows, columns = (side // _BLOCK for side in mouth.shape)
        whole = mouth[: rows * _BLOCK, : columns * _BLOCK]
        self.mouths.append(whole.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3)))


def motion_share(made: np.ndarray, source: np.ndarray) -> float:
    """The mouth's motion in a dub as a share of its motion in the source: 0 where it rests.

    Args:
        made, source: (n,) motion from each frame to the next at the same times, in levels.

    Returns:
        The ratio of the means, 0 or more; NaN where the source's mouth does not move.
    """
    _check(made, source)
    whole = float(source.mean()) if len(source) else 0.0
    return float(made.mean()) / whole if whole > 0 else float("nan")


def motion_correlation(made: np.ndarray, source: np.ndarray) -> float:
    """Pearson's correlation over time of the mouth's motion in a dub with that in the source.

    Args:
        made, source: (n,) as for :func:`motion_share`.

    Returns:
        In [-1, 1]: 1 where the old mouth is replayed; 0 where the dub's motion does not change.
        NaN where the source's does not, or for fewer than five steps.
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
    """Share of the frames in pauses of the new sound in which the mouth is at rest.

    The mouth at rest is the mean over the source's own pauses. A mouth is taken for closed where it
    is no further from that, in mean absolute difference, than half of the source's mouths in speech
    are: of mouths that speak, one half counts as closed.

    Args:
        mouths: (n, rows, columns) of the dub, :attr:`MouthTrace.mouths`.
        pauses: (n,) bool, where the new sound is silent, see :func:`.quality.silent_frames`.
        source: (m, rows, columns) of the video that was dubbed.
        source_pauses: (m,) bool, where its own sound is silent.

    Returns:
        In [0, 1]; NaN where the pauses of either, or the source's speech, are under five frames.
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
    """The three numbers of a dub beside its source, by name, those that are defined.

    Args:
        made, source: the mouths of both, from the same time on; the longer one's end is left out.
        pauses: bool, one a frame of ``made``, where the new sound is silent.
        source_pauses: bool, one a frame of ``source``, where its own is.
    """
    steps = min(len(made.motion), len(source.motion))
    sides = [np.array(trace.motion[:steps]) for trace in (made, source)]
    found = {"motion_share": motion_share(*sides), "motion_correlation": motion_correlation(*sides)}
    if made.mouths and source.mouths:
        mouths = np.stack(made.mouths), pauses, np.stack(source.mouths), source_pauses
        found["closed_in_pauses"] = closed_in_pauses(*mouths)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def window_motion(faces: Tensor) -> Tensor:
    """Mean motion of the mouth within each window: (N, T, 3, S, S) in [0, 1] -> (N,).

    The mean absolute change of its luma from frame to frame, of the range of a pixel.
    """
    colours = mouth_region(faces).float().unbind(dim=2)  # three (N, T, S/4, S/3)
    levels = sum(weight * colour for weight, colour in zip(LUMA, colours, strict=True))
    return (levels[:, 1:] - levels[:, :-1]).abs().mean(dim=(1, 2, 3))


def _check(made: np.ndarray, source: np.ndarray) -> None:
    if made.shape != source.shape or made.ndim != 1:
        raise ValueError(
            f"motion must be (n,) twice, of one length, got {made.shape} and {source.shape}"
        )
