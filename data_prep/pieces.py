"""Candidate clips of a source: every face track in every shot, cut to length, with its quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from data_prep.look import detected_faces
from data_prep.options import Options
from data_prep.quality import level, outside, turn
from lipsync.audio import HOP_LENGTH, SAMPLE_RATE
from lipsync.faces.crops import steady_box
from lipsync.faces.framing import Framing, get_framing
from lipsync.faces.identity import find_changes
from lipsync.faces.shots import find_cuts, shot_spans
from lipsync.faces.tracks import FaceTrack, fill, link
from lipsync.windows import FPS, MEL_STEP

FRAME = SAMPLE_RATE // FPS
"""Audio samples per video frame."""
_MEASURES = ("face_size", "sharpness", "turn", "outside", "level")
_SAME_TIME = 0.5  # minimum overlap, as a fraction of the shorter piece


@dataclass
class Piece:
    """One face over part of a shot, or a shot without a usable face.

    Attributes:
        start, end: first frame, and one past the last, in the source at 25 fps.
        boxes: the detector's box in each frame; empty if there is no face.
        marks: landmarks of each frame as x0, y0, x1, ...; empty if the detector gives none.
        weight: prominence of the face; selects the speaker if nothing better does.
        score: mean detector score.
        faces: maximum number of faces in any frame of the shot.
        face_size, sharpness, turn, outside, level: see :class:`data_prep.options.Options`.
        av_correlation: correlation of the mouth's motion with the loudness, in [-1, 1], see
            :mod:`data_prep.mouth`; None if unknown. Stored as ``heard``.
        reason, detail: why the piece is rejected; empty if it is not.
    """

    start: int
    end: int
    boxes: list[list[float]] = field(default_factory=list)
    marks: list[list[float]] = field(default_factory=list)
    weight: float = 0.0
    score: float = 0.0
    faces: int = 0
    face_size: float = 0.0
    sharpness: float = 0.0
    turn: float = 0.0
    outside: float = 0.0
    level: float = 0.0
    av_correlation: float | None = None
    reason: str = ""
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Fields of the piece, as stored."""
        fields = asdict(self)
        fields["heard"] = fields.pop("av_correlation")
        return fields

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Piece:
        """Inverse of :meth:`to_json`."""
        fields = dict(stored)
        fields["av_correlation"] = fields.pop("heard")
        return cls(**fields)

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def measures(self) -> dict[str, float]:
        """The measures that the options limit, by name."""
        return {name: getattr(self, name) for name in _MEASURES}

    def overlaps(self, other: Piece) -> bool:
        """Whether the two overlap in time by more than half of the shorter one."""
        common = min(self.end, other.end) - max(self.start, other.start)
        return common > _SAME_TIME * min(len(self), len(other))

    def crop_transforms(self, framing: Framing, span: slice = slice(None)) -> np.ndarray:
        """Transforms of the crops in the piece's frames, or in a span of them: (n, 2, 3)."""
        marks = np.array(self.marks[span]).reshape(-1, 5, 2) if self.marks else None
        return framing.transforms(np.array(self.boxes[span]), marks)

    def box_at(self, frame: int) -> list[float] | None:
        """The face's box in a frame of the source; None if it has none there."""
        inside = self.boxes and self.start <= frame < self.end
        return self.boxes[frame - self.start] if inside else None


def find_pieces(
    analysis: dict[str, Any], wave: np.ndarray, options: Options
) -> list[dict[str, Any]]:
    """Find all pieces of a source, in order of time, each as :meth:`Piece.to_json`.

    A shot gives one piece per face that is tracked for long enough, or else a single piece with the
    reason why there is none. A track is split where its face changes into another person's, and
    long tracks are split into equal parts, at the same frames for tracks of the same extent.

    Args:
        analysis: from :func:`data_prep.look.analyse_frames`.
        wave: float32 (samples,) at 16 kHz of the whole source.
        options: lengths and limits.
    """
    pieces: list[Piece] = []
    all_detections, cuts = detected_faces(analysis), find_cuts(analysis["steps"])
    if cuts and options.cuts == "reject":
        detail = f"cut at {cuts[0] / FPS:.2f} s, but files of this corpus should be single takes"
        return [Piece(0, analysis["frames"], reason="damaged", detail=detail).to_json()]
    for start, end in shot_spans(cuts, analysis["frames"]):
        detections = [(n, faces) for n, faces in all_detections if start <= n < end]
        in_shot = []
        for track in _of_one_face(link(detections, options.stride)):
            first, last = _extent(track, detections, (start, end), options.stride)
            values = fill(track, first, last)
            for a, b in _parts(first, last, options):
                sharp = [
                    face.sharpness
                    for n, face in zip(track.frames, track.detections, strict=True)
                    if a <= n < b
                ]
                piece = _piece((a, b), values[a - first : b - first], sharp, analysis["size"])
                piece.marks = _marks(values[a - first : b - first])
                piece.faces = max(len(faces) for _, faces in detections)
                in_shot.append(piece)
        pieces += in_shot or [_without(start, end, detections, options)]
    for piece in pieces:
        _apply_limits(piece, wave[piece.start * FRAME : piece.end * FRAME], options)
    pieces.sort(key=lambda piece: (piece.start, piece.end, piece.boxes[:1]))
    return [piece.to_json() for piece in pieces]


def _of_one_face(tracks: list[FaceTrack]) -> Iterator[FaceTrack]:
    """Split tracks where the face changes into another person's."""
    for track in tracks:
        begins = find_changes([face.described for face in track.detections])
        for a, b in pairwise([0, *begins, len(track.frames)]):
            yield FaceTrack(track.frames[a:b], track.detections[a:b])


def _extent(
    track: FaceTrack, detections: list, shot: tuple[int, int], stride: int
) -> tuple[int, int]:
    """First frame of a track, and one past its last.

    Reaches half a stride beyond the detections, or to the shot's edge if the face was found in the
    shot's first or last examined frame.
    """
    start, end = shot
    first, last = track.frames[0], track.frames[-1]
    hold = stride // 2
    first = start if first == detections[0][0] else max(start, first - hold)
    last = end if last == detections[-1][0] else min(end, last + hold + 1)
    return first, last


def _parts(first: int, last: int, options: Options) -> list[tuple[int, int]]:
    """Split a span into equal parts of at most ``max_seconds``; none if it is too short."""
    length = last - first
    if length < round(options.min_seconds * FPS):
        return []
    count = -(-length // round(options.max_seconds * FPS))
    edges = [first + length * i // count for i in range(count + 1)]
    return list(pairwise(edges))


def _piece(span: tuple[int, int], values: np.ndarray, sharp: list[float], size: list[int]) -> Piece:
    """Measure a face; ``values`` (frames, 15) are box (4), score (1) and landmarks (10)."""
    boxes, score, marks = values[:, :4], values[:, 4], values[:, 5:].reshape(-1, 5, 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    middle = np.array(size) / 2
    away = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - middle) / middle  # 1 at the border
    nearness = 1 - 0.5 * np.clip(away.max(axis=1), 0, 1)
    return Piece(
        *span,
        boxes=[[round(float(v), 2) for v in box] for box in boxes],
        weight=round(float((np.sqrt(sides.prod(axis=1)) * score * nearness).sum()), 1),
        score=round(float(score.mean()), 4),
        face_size=round(float(np.median(sides[:, 1])), 1),
        sharpness=round(float(np.median(sharp)) if sharp else 0.0, 2),
        turn=round(turn(marks), 3),
        outside=round(outside(steady_box(boxes), size), 3),
    )


def _marks(values: np.ndarray) -> list[list[float]]:
    """Landmarks of each frame; empty unless all are known."""
    marks = values[:, 5:]
    if not np.isfinite(marks).all():
        return []
    return [[round(float(v), 2) for v in points] for points in marks]


def _without(start: int, end: int, detections: list, options: Options) -> Piece:
    """Placeholder for a shot without a usable face, with the reason."""
    if end - start < round(options.min_seconds * FPS):
        return Piece(start, end)  # _apply_limits gives it the reason too_short
    if any(faces for _, faces in detections):
        detail = f"no face is visible for {options.min_seconds:g} s or longer"
        return Piece(start, end, reason="face_lost", detail=detail)
    detail = f"checked every {options.stride} frames of {end - start}"
    return Piece(start, end, reason="no_face", detail=detail)


def _apply_limits(piece: Piece, wave: np.ndarray, options: Options) -> None:
    """Set the piece's level and, unless it has one, the reason: the first limit it violates."""
    least = round(options.min_seconds * FPS)
    columns = 1 + len(wave) // HOP_LENGTH
    piece.level = round(level(wave), 1)
    wrong = {
        "too_short": (
            len(piece) < least or columns < MEL_STEP,
            f"{len(piece)} frames and {columns} mel columns, minimum is {least} and {MEL_STEP}",
        ),
        "no_landmarks": (
            get_framing(options.framing).needs_landmarks and not piece.marks,
            f"framing={options.framing} needs landmarks, and none were found; use framing=box",
        ),
        "small": (
            piece.face_size < options.min_face,
            f"face of {piece.face_size:.0f} pixels, minimum is {options.min_face:g}",
        ),
        "out_of_frame": (
            piece.outside > options.max_outside,
            f"{piece.outside:.0%} of the crop lies outside, maximum is {options.max_outside:.0%}",
        ),
        "turned": (
            piece.turn > options.max_turn,
            f"turned by {piece.turn:.2f}, maximum is {options.max_turn:g}",
        ),
        "blurred": (
            piece.sharpness < options.min_sharpness,
            f"sharpness {piece.sharpness:.2f}, minimum is {options.min_sharpness:g}",
        ),
        "silent": (
            piece.level < options.min_level,
            f"loudest tenth of a second {piece.level:.0f} dB, minimum is {options.min_level:g} dB",
        ),
    }
    if not piece.reason:
        piece.reason = next((reason for reason, (holds, _) in wrong.items() if holds), "")
        piece.detail = wrong[piece.reason][1] if piece.reason else ""
