"""``speakers.json``: who says each line, and with which face; editable by hand.

Where a speaker is visible, the lips determine who speaks; the sound determines which lines share a
voice, visible or not. A line whose speaker is not visible moves no lips.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.media.loudness import read_speech
from lipsync.translation.clusters import cluster, voice_rows
from lipsync.translation.job import Report, TranslationJob
from lipsync.translation.segments import Segment, Transcript
from lipsync.translation.voiceprints import voiceprints
from lipsync.translation.work import Row, digest, file_digest, load, save

if TYPE_CHECKING:
    from lipsync.dubbing.syncing import JudgedShot

NOBODY = ""
"""The speaker of every line if speakers were not requested."""
_CHANCE = 0.06  # usual maximum score of a face over someone else's line,
_FREE = 0.8  # plus this, divided by the track's seconds: each track has its own lag
_KEPT = 0.15  # tolerance for a face that said other lines of this person
_SILENT = 0.3  # drop from a face's score on its own lines that means that it is silent
_SHARE = 0.5  # minimum share of a piece in which a face must be visible
_LEAST = 0.1  # seconds; shorter pieces of a line in a shot are ignored
_BEYOND = 2.0  # seconds by which a new line may outlast the old one in the last shot
_ABSENT = 100.0  # minus this: score of a face in frames without it


@dataclass(frozen=True)
class Turn:
    """A line, or the part of it in one shot.

    Attributes:
        line: its number, from 1.
        start, end: seconds.
        speaker: who says it.
        face: their face, in the format of ``--face``; None if it is not visible.
        earliest, latest: times in seconds between which the face may be dubbed: those of the shot.
    """

    line: int
    start: float
    end: float
    speaker: str
    face: str | None
    earliest: float
    latest: float


def find_turns(
    job: TranslationJob, transcript: Transcript, report: Report
) -> tuple[list[Turn], int]:
    """Who says each line; determined once, and corrections by hand are kept.

    Raises:
        StageError: corrections that no longer match the lines.
        MediaError: a file that was edited into an invalid state.
    """
    folder = job.folder if job.options.subtitles is not None else job.work
    path, lines = folder / "speakers.json", transcript.segments
    lines_digest = digest([[line.start, line.end] for line in lines])
    inputs = digest(job.video_digest, lines_digest, job.options.speakers, *_model_digest(job))
    if path.exists():
        found = load(path, "turns")
        edited = found.get("made") != digest(found["turns"])
        if edited and found.get("lines") != lines_digest:
            problem = f"{path} was corrected by hand, but the lines have changed since"
            raise StageError("speakers", problem, "delete it to have the speakers detected again")
        if edited or found.get("inputs") == inputs:
            return _parse_turns(path, found["turns"], lines), 0
    turns = _find_turns(job, lines, report)
    rows = [asdict(turn) | {"text": lines[turn.line - 1].text} for turn in turns]
    save(path, {"inputs": inputs, "lines": lines_digest, "made": digest(rows)}, "turns", rows)
    report(1, 1)
    return turns, 1


def _model_digest(job: TranslationJob) -> list[str]:
    model = job.options.speaker_model
    return [] if model is None else [file_digest(Path(model))]


def chance_score(seconds: float) -> float:
    """Usual maximum score of a face over someone else's speech, for a track of so many seconds;
    see experiments/who_speaks."""
    return _CHANCE + _FREE / seconds


def speaker_of_lines(turns: Sequence[Turn], lines: int) -> list[str]:
    """Who says each line."""
    by_line = {turn.line: turn.speaker for turn in turns}
    return [by_line[number] for number in range(1, lines + 1)]


def note_invisible_speakers(turns: Sequence[Turn]) -> list[str]:
    """A note that lists the lines whose speaker is never visible."""
    visible = {turn.line for turn in turns if turn.face is not None}
    lines = sorted({turn.line for turn in turns} - visible)
    if not lines:
        return []
    listed = f"{', '.join(map(str, lines[:10]))}{' ...' if len(lines) > 10 else ''}"
    return [f"the speaker of line {listed} is not visible: no lips move with it; see speakers.json"]


def _parse_turns(path: Path, rows: list[Row], lines: Sequence[Segment]) -> list[Turn]:
    from lipsync.dubbing.speakers import checked_face  # late: imports PyTorch

    turns: list[Turn] = []
    for number, row in enumerate(rows, start=1):
        try:
            start, end = float(row["start"]), float(row["end"])
            earliest, latest = float(row.get("earliest", start)), float(row.get("latest", end))
            line, speaker, face = int(row["line"]), str(row["speaker"]), row.get("face")
            face = checked_face(face) if face is not None else None
        except (KeyError, TypeError, ValueError):
            problem = f"turn {number} needs line, start, end and speaker"
            raise MediaError(path, problem, "correct it") from None
        except ConfigError as error:
            raise MediaError(path, f"turn {number}: {error}", "use null for none") from None
        turns.append(Turn(line, start, end, speaker, face, earliest, latest))
    speakers_of = {turn.line: {t.speaker for t in turns if t.line == turn.line} for turn in turns}
    for line in range(1, len(lines) + 1):
        if len(speakers_of.get(line, ())) != 1:
            stated = "no speaker" if line not in speakers_of else "two speakers"
            raise MediaError(path, f"line {line} has {stated}", "give it one")
    return turns


@dataclass
class _Piece:
    """The part of a line in one shot, and the score above chance of each face visible there."""

    line: int  # from 0
    start: float
    end: float
    shot: JudgedShot | None
    bounds: tuple[float, float]
    scores: dict[int, float]

    def best(self, faces: Collection[int], least: float) -> int | None:
        """The best of ``faces`` in the shot, if its score is above ``least``."""
        best = max(faces, key=lambda face: self.scores[face], default=None)
        return best if best is not None and self.scores[best] > least else None

    def position(self, face: int, times: np.ndarray) -> str:
        """A face in the format of ``--face X,Y``: its centre at the start of the line."""
        assert self.shot is not None
        track = self.shot.tracks[face]
        number = np.searchsorted(times, self.start)
        boxes = np.stack([found.box for found in track.detections])
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        x, y = (np.interp(number, track.frames, column) for column in middles.T)
        return f"{x:.0f},{y:.0f}"


def _find_turns(job: TranslationJob, lines: Sequence[Segment], report: Report) -> list[Turn]:
    report(0, 1)
    times, edges, shots = _judge_video(job)
    pieces = [
        piece for k, line in enumerate(lines) for piece in _cut_line(k, line, times, edges, shots)
    ]
    faces_of_lines = [_speaking_face([p for p in pieces if p.line == k]) for k in range(len(lines))]
    apart = [
        (a, b)
        for (a, one), (b, other) in combinations(enumerate(faces_of_lines), 2)
        if one is not None and other is not None and _overlap(one, other, shots)
    ]
    wave = read_speech(job.video, streams=job.options.streams)
    cuts = [(round(line.start * SAMPLE_RATE), round(line.end * SAMPLE_RATE)) for line in lines]
    waves = [wave[start:end] for start, end in cuts]
    model = job.options.speaker_model
    voices = voiceprints(model, waves) if model else [voice_rows(wave) for wave in waves]
    people = cluster(
        voices,
        job.options.speakers or 1,
        faces_of_lines,
        apart,
        _silent_pairs(pieces, faces_of_lines),
    )
    owners = _owners(pieces, people)
    turns = []
    for piece in pieces:
        start = piece.shot.start if piece.shot is not None else -1
        own = [f for f in piece.scores if owners.get((start, f)) == people[piece.line]]
        face = piece.best(own, -_KEPT)
        name = piece.position(face, times) if face is not None else None
        speaker = ascii_uppercase[people[piece.line]]
        numbers = (round(t, 3) for t in (piece.start, piece.end, *piece.bounds))
        start, end, earliest, latest = numbers
        turns.append(Turn(piece.line + 1, start, end, speaker, name, earliest, latest))
    return turns


def _judge_video(job: TranslationJob) -> tuple[np.ndarray, list[int], dict[int, JudgedShot]]:
    """Times of the video's frames in seconds, boundaries of its shots, and their faces."""
    from lipsync.dubbing.detections import Detections, default_stride, read_tracks
    from lipsync.dubbing.source import open_source
    from lipsync.dubbing.syncing import judge_faces
    from lipsync.faces.detect import get_detector
    from lipsync.faces.roll import RollAwareDetector

    source, tracks = open_source(job.video, streams=job.options.streams), job.tracks
    saved = read_tracks(tracks, source.size) if tracks.exists() else None
    detector = job.options.dub.get("detector", "centerface")
    if isinstance(detector, str):
        detector = RollAwareDetector(get_detector(detector), search=True)
    stride = job.options.dub.get("stride") or default_stride(float(source.fps))
    known, times, judged = judge_faces(source, detector, stride, saved, job.video)
    if saved is None:
        Detections(None, stride, saved=known, record=True).save(tracks, source.path, source.size)
    return times, [0, *sorted(known["cuts"]), len(times)], {shot.start: shot for shot in judged}


def _cut_line(
    number: int,
    line: Segment,
    times: np.ndarray,
    edges: Sequence[int],
    shots: Mapping[int, JudgedShot],
) -> list[_Piece]:
    """A line, cut at the shot boundaries."""
    found = []
    for first, behind in pairwise(edges):
        begin = float(times[first]) if first else 0.0
        finish = float(times[behind]) if behind < len(times) else float("inf")
        start, end = max(line.start, begin), min(line.end, finish)
        if end - start < min(_LEAST, line.seconds):
            continue
        shot, scores = shots.get(first), {}
        if shot is not None:
            inside = (times[first:behind] >= start) & (times[first:behind] < end)
            for face, face_scores in enumerate(shot.scores[:, inside]):
                visible = face_scores[face_scores > -_ABSENT]
                if len(visible) > _SHARE * len(face_scores):
                    frames = shot.tracks[face].frames
                    seconds = max(0.2, times[frames[-1]] - times[frames[0]])
                    scores[face] = float(visible.mean()) - chance_score(seconds)
        latest = finish if np.isfinite(finish) else line.end + _BEYOND
        found.append(_Piece(number, start, end, shot, (begin, latest), scores))
    return found or [_Piece(number, line.start, line.end, None, (line.start, line.end), {})]


def _speaking_face(pieces: Sequence[_Piece]) -> tuple[int, int] | None:
    """The face that says a line, as (first frame of the shot, face)."""
    found = [
        ((piece.end - piece.start) * piece.scores[face], (piece.shot.start, face))
        for piece in pieces
        if piece.shot is not None and (face := piece.best(piece.scores, 0.0)) is not None
    ]
    return max(found)[1] if found else None


def _silent_pairs(
    pieces: Sequence[_Piece], faces_of_lines: Sequence[tuple[int, int] | None]
) -> list[tuple[int, int]]:
    """Pairs of a line that a face says and one during which that face is visible but silent."""
    own: dict[tuple[int, int], list[float]] = {}
    for piece in pieces:
        face = faces_of_lines[piece.line]
        if face is not None and piece.shot is not None and piece.shot.start == face[0]:
            own.setdefault(face, []).append(piece.scores.get(face[1], 0.0))
    return [
        (line, piece.line)
        for piece in pieces
        if piece.shot is not None and faces_of_lines[piece.line] is None
        for face, scores in own.items()
        if face[0] == piece.shot.start and face[1] in piece.scores
        if piece.scores[face[1]] < min(0.0, float(np.mean(scores)) - _SILENT)
        for line, by in enumerate(faces_of_lines)
        if by == face
    ]


def _overlap(one: tuple[int, int], other: tuple[int, int], shots: Mapping[int, JudgedShot]) -> bool:
    """Whether two faces are visible at the same time, and so belong to two people."""
    if one[0] != other[0] or one == other:
        return False
    a, b = (shots[start].tracks[face].frames for start, face in (one, other))
    return a[0] <= b[-1] and b[0] <= a[-1]


def _owners(pieces: Sequence[_Piece], people: Sequence[int]) -> dict[tuple[int, int], int]:
    """The owner of each face, by the lines that it fits."""
    votes: dict[tuple[int, int], dict[int, float]] = {}
    for piece in pieces:
        face = piece.best(piece.scores, 0.0)
        if piece.shot is not None and face is not None:
            votes_of_face = votes.setdefault((piece.shot.start, face), {})
            weight = (piece.end - piece.start) * piece.scores[face]
            votes_of_face[people[piece.line]] = votes_of_face.get(people[piece.line], 0.0) + weight
    return {
        face: max(votes_of_face, key=lambda person: votes_of_face[person])
        for face, votes_of_face in votes.items()
    }
