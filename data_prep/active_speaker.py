"""Which of the faces seen at one time speaks, whether it is in sync, and its sound in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_prep.pieces import FRAME, Piece

if TYPE_CHECKING:  # it loads torch, which is wanted only where there is a judge
    from lipsync.evaluation.calibration import Calibration

_HEARD = 0.4  # least agreement of a mouth with the sound that says anything


@dataclass(frozen=True)
class Limits:
    """What a piece must reach.

    Attributes:
        confidence: least one, in the judge's units; None goes by the calibration.
        offset: frames by which the sound may be off; it is moved by as many.
        keep_unsure: pieces of which the judge is not sure, or which it cannot judge, stay, their
            sound where it was.
        calibration: of the judge.
    """

    confidence: float | None
    offset: int
    keep_unsure: bool = True
    calibration: Calibration | None = None

    def sure(self, score: dict | None) -> bool:
        """Whether a score from :func:`data_prep.sync.measure` can be acted on."""
        return score is not None and not self.doubt(score)

    def doubt(self, score: dict) -> str:
        """Why it cannot be, with its numbers; empty where it can."""
        found = score["confidence"]
        if self.confidence is not None:
            told, least = f"confidence {found:.3g}", self.confidence
        else:
            found, least = (
                self.calibration.probability(found, score["windows"]),
                self.calibration.level,
            )
            told = f"probability {found:.2f} that its offset is right"
        return "" if found >= least else f"{told}, minimum is {least:g}"


def choose(pieces: Sequence[Piece], scores: Sequence[dict | None], limits: Limits | None) -> None:
    """Set the reason of every piece whose face is not the one that speaks, or is not in sync.

    Of faces that are seen at the same time the one with the best confidence speaks. Where the judge
    is sure of none, or there is no judge, it is the one whose mouth goes best with the sound; where
    no mouth does, the most prominent one.

    Args:
        pieces: of one source; ``reason`` and ``detail`` are set.
        scores: from :func:`data_prep.sync.measure`.
        limits: None for no check.
    """
    live = [i for i, piece in enumerate(pieces) if not piece.reason]

    def rank(i: int) -> tuple[float, float, float]:
        sure = limits is not None and limits.sure(scores[i])
        heard = pieces[i].heard or 0.0
        return (
            scores[i]["confidence"] if sure else -1.0,
            heard if heard >= _HEARD else 0.0,
            pieces[i].weight,
        )

    taken: list[int] = []
    for i in sorted(live, key=rank, reverse=True):
        if rivals := [k for k in taken if pieces[i].meets(pieces[k])]:
            pieces[i].reason = "other_face"
            fits = rank(rivals[0])[:2] > rank(i)[:2]
            pieces[i].detail = "another face of the same moment " + (
                "fits the sound better" if fits else "is more prominent"
            )
        else:
            taken.append(i)
    for i in taken if limits else ():
        pieces[i].reason, pieces[i].detail = _off(scores[i], limits)


def _off(score: dict | None, limits: Limits) -> tuple[str, str]:
    doubt = "too short for it, or no landmarks" if score is None else limits.doubt(score)
    if doubt:
        return ("", "") if limits.keep_unsure else ("unsure", doubt)
    if abs(score["offset"]) > limits.offset:
        return "off_sync", f"sound is {score['offset']:+d} frames off, maximum is {limits.offset}"
    return "", ""


def corrected(piece: Piece, offset: int, wave: np.ndarray) -> tuple[int, int, np.ndarray]:
    """A piece with its sound moved into place.

    Args:
        piece: of the source.
        offset: as the judge found it: frame ``i`` belongs to the sound of frame ``i - offset``.
        wave: float32 (samples,) of the whole source.

    Returns:
        First frame, frame after the last, and their sound. Frames whose sound lies before the
        beginning or behind the end of ``wave`` are left away.
    """
    start, end = piece.start, piece.end
    if offset:
        start = max(start, offset)
        end = min(end, len(wave) // FRAME + offset)
    first = (start - offset) * FRAME
    return start, end, wave[first : max(first, (end - offset) * FRAME)]
