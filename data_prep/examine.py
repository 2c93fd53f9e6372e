"""Analyse footage: face tracks, the active speaker among them, and its sync."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.active_speaker import Limits, select_speakers
from data_prep.footage import Footage
from data_prep.mouth import av_correlations
from data_prep.options import Options
from data_prep.pieces import Piece, find_pieces
from lipsync.faces.detect import Detector

if TYPE_CHECKING:
    from lipsync.evaluation import Judge


@dataclass(frozen=True)
class Tools:
    """What a worker needs; ``judge`` and ``limits`` are None without a sync check."""

    output: Path
    options: Options
    detector: Detector
    judge: Judge | None = None
    judge_digest: str = ""
    limits: Limits | None = None


def examine(
    footage: Footage,
    analysis: dict[str, Any],
    tools: Tools,
    stage: Callable[[str, Callable[[], Any]], Any] = lambda _, make: make(),
) -> tuple[list[Piece], list[dict | None]]:
    """Find the pieces in footage, and set the reason for each rejected one.

    Args:
        footage: the footage; its ``turns`` are set to those of ``analysis``.
        analysis: from :func:`data_prep.look.analyse_frames`.
        tools: the worker's tools.
        stage: returns the result of a stage, given its name and a function that computes it; may
            cache it.

    Returns:
        The pieces, and the score of each, see :func:`data_prep.sync.measure`.
    """
    footage.turns = analysis["turns"]
    made = stage("pieces", lambda: find_pieces(analysis, footage.wave, tools.options))
    pieces = [Piece.from_json(piece) for piece in made]
    correlations = stage("mouths", lambda: av_correlations(footage, pieces))
    for piece, correlation in zip(pieces, correlations, strict=True):
        piece.av_correlation = correlation
    scores: list[dict | None] = [None] * len(pieces)
    if tools.judge is not None:
        from data_prep.sync import measure

        scores = stage("sync", lambda: measure(footage, pieces, tools.judge))
    select_speakers(pieces, scores, tools.limits)
    return pieces, scores
