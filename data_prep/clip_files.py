"""Write the clips of a source: correct their sound, assign keys, and make manifest rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.active_speaker import correct_sync
from data_prep.examine import Tools
from data_prep.footage import Footage
from data_prep.manifest import KEPT, REJECTED, Row
from data_prep.pieces import Piece
from data_prep.scan import Source
from data_prep.state import State, thumbnail
from lipsync.audio import SAMPLE_RATE
from lipsync.data.store import write_clip
from lipsync.faces.framing import covering_box, get_framing
from lipsync.windows import FPS

_MIN_SHARE = 0.9  # minimum share of the source in a clip that keeps its text without word times


def clip_metadata(
    about: dict[str, Any], frames: int, start: int, end: int, offset: int
) -> dict[str, Any]:
    """Corpus metadata of a source, restricted to one of its clips.

    Timed words are kept if they lie within the clip; their times become relative to its start. Text
    without times is kept if the clip covers nearly all of the source.

    Args:
        about: metadata of the source, see :class:`data_prep.readers.corpus_clip.CorpusClip`.
        frames: length of the source.
        start, end: first frame of the clip in the source, and the frame after its last.
        offset: offset by which the clip's sound was corrected, in frames.
    """
    known = {name: value for name, value in about.items() if name not in ("text", "words")}
    if "words" in about:
        first, last = (start - offset) / FPS, (end - offset) / FPS
        words = [
            [word, round(a - first, 3), round(b - first, 3)]
            for word, a, b in about["words"]
            if a >= first and b <= last
        ]
        return {**known, "text": " ".join(word for word, _, _ in words), "words": words}
    whole = "text" in about and end - start >= _MIN_SHARE * frames
    return {**known, "text": about["text"]} if whole else known


@dataclass
class Clip:
    """A piece to be written as a clip, or recorded as rejected."""

    key: str
    piece: Piece
    start: int
    end: int
    wave: np.ndarray
    score: dict | None
    offset: int | None  # corrected, in frames; None if unknown
    sync: str  # see Row.sync


def make_clips(
    source: Source, pieces: list[Piece], scores: list, footage: Footage, tools: Tools
) -> list[Clip]:
    """Make clips of the pieces, with corrected sound; several kept clips get numbered keys.

    Rejects pieces that become too short.
    """
    clips = []
    for piece, score in zip(pieces, scores, strict=True):
        moved = not piece.reason and tools.limits is not None and tools.limits.sure(score)
        offset = score["offset"] if moved else 0
        start, end, wave = correct_sync(piece, offset, footage.wave)
        least = round(tools.options.min_seconds * FPS)
        if not piece.reason and end - start < least:
            piece.reason = "too_short"
            left = max(0, end - start)
            piece.detail = f"{left} frames after sync correction, minimum is {least}"
            start, end, wave = correct_sync(piece, 0, footage.wave)
        known = offset if moved else None
        sync = _sync_outcome(piece, score, tools)
        clips.append(Clip(source.key, piece, start, end, wave, score, known, sync))
    kept = [clip for clip in clips if not clip.piece.reason]
    if len(kept) > 1:
        for number, clip in enumerate(kept):
            clip.key = f"{source.key}.{number:03d}"
    return clips


def _sync_outcome(piece: Piece, score: dict | None, tools: Tools) -> str:
    """Outcome of the sync check of a kept clip, see :class:`data_prep.manifest.Row`."""
    if tools.judge is None or tools.limits is None or piece.reason:
        return ""
    if score is None:
        seen = piece.marks or not tools.judge.framing.needs_landmarks
        return "too short to check" if seen else "without landmarks to check"
    if not tools.limits.sure(score):
        return "unsure"
    return "moved" if score["offset"] else "in place"


def write_clips(
    clips: list[Clip],
    footage: Footage,
    origin: dict[str, Any],
    metadata_of: Callable[[int, int, int], dict[str, Any]],
    tools: Tools,
    state: State,
) -> list[Row]:
    """Write the kept clips, and thumbnails of all clips, in one pass over the frames."""
    content: dict[str, str] = {}
    pictures: dict[int, np.ndarray] = {}
    waiting = list(enumerate(clips))
    size = tools.options.image_size
    framing = get_framing(tools.options.framing)
    transforms = {
        i: c.piece.crop_transforms(framing, slice(c.start - c.piece.start, c.end - c.piece.start))
        for i, c in waiting
        if not c.piece.reason
    }
    faces: dict[int, np.ndarray] = {}
    for number, frame in enumerate(footage.frames()):
        for i, clip in list(waiting):
            if number == (clip.start + clip.end) // 2:
                pictures[i] = thumbnail(frame, clip.piece.box_at(number))
            if i in transforms and clip.start <= number < clip.end:
                if i not in faces:
                    faces[i] = np.empty((clip.end - clip.start, size, size, 3), np.uint8)
                faces[i][number - clip.start] = framing.cut(
                    frame, transforms[i][number - clip.start], size
                )
            if number >= clip.end - 1:
                waiting.remove((i, clip))
                if i in transforms:
                    corpus = metadata_of(clip.start, clip.end, clip.offset or 0)
                    info = {**origin, **corpus, **_info(clip, transforms.pop(i), tools)}
                    pixels = faces.pop(i)
                    content[clip.key] = _content(pixels, clip.wave)
                    write_clip(tools.output, clip.key, faces=pixels, wave=clip.wave, info=info)
        if not waiting:
            break
    state.put_pictures([pictures[i] for i in range(len(clips))])
    judge = tools.judge.name if tools.judge else ""
    return [_row(clip, origin, content.get(clip.key, ""), judge) for clip in clips]


def _content(faces: np.ndarray, wave: np.ndarray) -> str:
    """SHA-256 of a clip's pixels and sound."""
    digest = hashlib.sha256(np.ascontiguousarray(faces))
    digest.update(np.ascontiguousarray(wave))
    return digest.hexdigest()


def _info(clip: Clip, transforms: np.ndarray, tools: Tools) -> dict[str, Any]:
    """Contents of ``clip.json`` other than the clip's origin.

    ``framing`` is the name of the framing. ``box``, x0 y0 x1 y1 in the source, is the upright
    bounding box of all crops; in the framing ``box`` it is the crop itself. Other framings also
    have ``to_source``, for pasting crops back: for each frame, the six numbers, row by row, of the
    (2, 3) transform from the unit crop to pixels of the source, see :mod:`lipsync.faces.framing`.
    """
    piece, score = clip.piece, clip.score or {}
    boxes = np.stack([covering_box(transform) for transform in transforms])
    to_source = [[round(float(v), 3) for v in transform.ravel()] for transform in transforms]
    return {
        "fps": FPS,
        "start": clip.start,  # first frame in the source, at 25 fps
        "framing": tools.options.framing,
        "box": [round(float(v), 2) for v in (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))],
        **({} if tools.options.framing == "box" else {"to_source": to_source}),
        "boxes": piece.boxes[clip.start - piece.start : clip.end - piece.start],
        "score": piece.score,
        "faces": piece.faces,
        **piece.measures,
        "heard": piece.av_correlation,
        # The offset before correction: frame i matched the sound of frame i - offset. None if the
        # judge was unsure or absent, and the sound was not shifted.
        "offset": clip.offset,
        # The same at sub-frame resolution; the sound is shifted by whole frames only.
        "fine_offset": None if clip.offset is None else score["fine_offset"],
        "confidence": score.get("confidence"),
        "judge": tools.judge.name if tools.judge and clip.score else None,
    }


def _row(clip: Clip, origin: dict[str, Any], content: str, judge: str) -> Row:
    piece, score = clip.piece, clip.score or {}
    return Row(
        key=clip.key,
        source=origin["source"],
        status=REJECTED if piece.reason else KEPT,
        reason=piece.reason,
        detail=piece.detail,
        start=clip.start,
        frames=clip.end - clip.start,
        seconds=round(len(clip.wave) / SAMPLE_RATE, 3),
        **piece.measures,
        offset=score.get("offset"),
        fine_offset=score.get("fine_offset"),
        confidence=score.get("confidence"),
        judge=judge if score else "",
        sync=clip.sync,
        hash=origin["hash"],
        content=content,
    )
