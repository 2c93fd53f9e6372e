"""Select the active speaker among simultaneous faces, and check and correct its sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_prep.pieces import FRAME, Piece

if TYPE_CHECKING:  # loads torch, which is needed only with a judge
    from lipsync.evaluation.calibration import Calibration

_MIN_CORRELATION = 0.4  # minimum correlation of mouth motion and loudness to count as evidence


@dataclass(frozen=True)
class Limits:
    """Sync requirements for a piece.

    Attributes:
        confidence: minimum confidence, in the judge's units; None uses the calibration instead.
        offset: maximum offset of the sound in frames; offsets up to it are corrected.
        keep_unsure: keep pieces that the judge is unsure of or cannot judge, without shifting
            their sound.
        calibration: calibration of the judge.
    """

    confidence: float | None
    offset: int
    keep_unsure: bool = True
    calibration: Calibration | None = None

    def sure(self, score: dict | None) -> bool:
        """Whether a score from :func:`data_prep.sync.measure` is confident enough to act on."""
        return score is not None and not self.doubt(score)

    def doubt(self, score: dict) -> str:
        """Why a score is not confident enough, with the numbers; empty if it is."""
        value = score["confidence"]
        if self.confidence is not None:
            measure, least = f"confidence {value:.3g}", self.confidence
        else:
            value, least = (
                self.calibration.probability(value, score["windows"]),
                self.calibration.level,
            )
            measure = f"probability {value:.2f} that the offset is right"
        return "" if value >= least else f"{measure}, minimum is {least:g}"


def select_speakers(
    pieces: Sequence[Piece], scores: Sequence[dict | None], limits: Limits | None
) -> None:
    """Reject the pieces whose face is not the active speaker, or is out of sync.

    Among simultaneous faces, the one with the highest sync confidence is the speaker. If the judge
    is sure of none, or there is no judge, it is the one whose mouth motion correlates best with the
    sound, and if no mouth does, the most prominent one.

    Args:
        pieces: pieces of one source; sets ``reason`` and ``detail`` of those rejected.
        scores: their scores from :func:`data_prep.sync.measure`.
        limits: None skips the sync check.
    """
    candidates = [i for i, piece in enumerate(pieces) if not piece.reason]

    def rank(i: int) -> tuple[float, float, float]:
        sure = limits is not None and limits.sure(scores[i])
        correlation = pieces[i].av_correlation or 0.0
        return (
            scores[i]["confidence"] if sure else -1.0,
            correlation if correlation >= _MIN_CORRELATION else 0.0,
            pieces[i].weight,
        )

    speakers: list[int] = []
    for i in sorted(candidates, key=rank, reverse=True):
        if rivals := [k for k in speakers if pieces[i].overlaps(pieces[k])]:
            pieces[i].reason = "other_face"
            fits = rank(rivals[0])[:2] > rank(i)[:2]
            pieces[i].detail = "another face at the same time " + (
                "fits the sound better" if fits else "is more prominent"
            )
        else:
            speakers.append(i)
    for i in speakers if limits else ():
        pieces[i].reason, pieces[i].detail = _sync_rejection(scores[i], limits)


def _sync_rejection(score: dict | None, limits: Limits) -> tuple[str, str]:
    doubt = "too short to judge, or no landmarks" if score is None else limits.doubt(score)
    if doubt:
        return ("", "") if limits.keep_unsure else ("unsure", doubt)
    if abs(score["offset"]) > limits.offset:
        return "off_sync", f"sound is {score['offset']:+d} frames off, maximum is {limits.offset}"
    return "", ""


def correct_sync(piece: Piece, offset: int, wave: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Shift the sound of a piece into sync.

    Args:
        piece: a piece of the source.
        offset: offset found by the judge: frame ``i`` matches the sound of frame ``i - offset``.
        wave: float32 (samples,), sound of the whole source.

    Returns:
        Start frame, end frame (exclusive) and their sound. If the sound is shifted, frames whose
        sound lies before the start or after the end of ``wave`` are dropped.
    """
    start, end = piece.start, piece.end
    if offset:
        start = max(start, offset)
        end = min(end, len(wave) // FRAME + offset)
    first = (start - offset) * FRAME
    return start, end, wave[first : max(first, (end - offset) * FRAME)]
