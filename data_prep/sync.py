"""The sync check: the audio offset of each piece, and its confidence.

The judge is any sync network for which :func:`lipsync.evaluation.as_judge` makes a judge; crops,
embeddings and offset search are the same as in evaluation. This module imports torch, so the others
import it only if there is a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.active_speaker import Limits
from data_prep.footage import Footage
from data_prep.options import Options
from data_prep.pieces import FRAME, Piece
from lipsync.checkpoints import bundled_models, describe
from lipsync.checkpoints.files import sha256
from lipsync.errors import ConfigError
from lipsync.evaluation.judge import Judge
from lipsync.media.loudness import level_speech
from lipsync.metrics.functional import VSHIFT, sync_score

PUBLISHED = Limits(3.0, 6)  # for SyncNet v2, as used to prepare VoxCeleb and HDTF


def limits(options: Options, judge: Judge) -> Limits:
    """Limits of the sync check: from the options, or else from the judge.

    Raises:
        ConfigError: the judge is not calibrated, and ``min_confidence`` is not set; or it needs
            landmarks, the detector gives none, and ``unsure`` is ``reject``.
    """
    found = options.detector == "centerface" or not judge.framing.needs_landmarks
    if options.unsure == "reject" and not found:
        raise ConfigError(
            f"judge={judge.name} needs landmarks, and detector={options.detector} finds none; use "
            "detector=centerface, unsure=keep, or another judge"
        )
    confidence, offset, calibration = options.min_confidence, options.max_offset, None
    if confidence is None and judge.published:
        confidence = PUBLISHED.confidence
    elif confidence is None:
        calibration = judge.calibration
        if calibration is None:
            raise ConfigError(
                f"judge={judge.name}: is not calibrated; calibrate it with `lipsync calibrate "
                f"{judge.name} --data SET -o FILE.safetensors`, where SET is a prepared set in "
                "sync, or set min_confidence"
            )
    if offset is None:
        offset = VSHIFT if calibration else PUBLISHED.offset
    return Limits(confidence, offset, options.unsure == "keep", calibration)


def judge_digest(judge: str | None) -> str:
    """Identify a judge's weights and calibration; '' if there is no judge.

    Returns the SHA-256 of a file or bundled model, or else the judge's name.
    """
    if judge is None:
        return ""
    path = Path(judge)
    if path.is_file():
        return sha256(path)
    return describe(judge)["sha256"] if judge in bundled_models() else judge


def measure(footage: Footage, pieces: Sequence[Piece], judge: Judge) -> list[dict | None]:
    """Measure offset and confidence of every piece that is not yet rejected, as JSON.

    Makes one pass over the frames; keeps a piece's crops in memory until the piece ends.

    Returns:
        One score per piece: ``offset``, ``fine_offset`` (frames), ``confidence``, ``distance`` and
        ``windows``, see :func:`lipsync.metrics.functional.sync_score`; None for pieces that are
        rejected, too short, or without landmarks that the judge needs.
    """
    found: list[dict | None] = [None] * len(pieces)
    candidates = [i for i, piece in enumerate(pieces) if not piece.reason]
    if judge.framing.needs_landmarks:
        candidates = [i for i in candidates if pieces[i].marks]
    if not candidates:
        return found
    transforms = {i: pieces[i].crop_transforms(judge.framing) for i in candidates}
    held: dict[int, list[np.ndarray]] = {i: [] for i in candidates}
    wave = level_speech(footage.wave, footage.path)
    for number, frame in enumerate(footage.frames()):
        for i in list(held):
            piece = pieces[i]
            if piece.start <= number < piece.end:
                transform = transforms[i][number - piece.start]
                held[i].append(judge.framing.cut(frame, transform, judge.face_size))
            if number == piece.end - 1:
                found[i] = _score(held.pop(i), wave[piece.start * FRAME :], judge)
        if not held:
            break
    return found


def _score(faces: list[np.ndarray], wave: np.ndarray, judge: Judge) -> dict | None:
    try:
        video, audio = judge.embed(faces, wave[: len(faces) * FRAME])
    except ValueError:  # shorter than the judge's window
        return None
    result = sync_score(video, audio)
    return {
        "offset": result.offset,
        "fine_offset": round(result.fine_offset, 2),
        "confidence": round(result.confidence, 4),
        "distance": round(result.distance, 4),
        "windows": len(video),
    }
