"""Selection of the speaking faces in each frame from the detections around it.

Detections, made with a stride, are joined to tracks within a shot and interpolated; a frame is
decided once the next detection is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.detections import Detections
from lipsync.dubbing.speakers import POSITIONS, SYNC, assign, can_be_dubbed, much_larger
from lipsync.faces.detect import Detection
from lipsync.faces.framing import Framing
from lipsync.faces.tracks import FaceTrack, join

_BRIDGE = 2  # strides over which a gap in detections is bridged
_VOTES = 3  # detections around a frame of which a majority must be suitable for dubbing

TrackId = tuple[int, int]
"""Identifies a track: its first frame, and the index of its face among the detections there."""
FaceRules = Callable[[int], Sequence[str | None]]
"""Maps a frame number to the selection rule of each speaking face, see
:func:`lipsync.dubbing.speakers.checked_face`; None for one that does not speak then."""


class SelectedFace(NamedTuple):
    """The face selected in a frame of a shot; ``place`` is its transform before smoothing."""

    shot: int
    track: TrackId | None = None
    face: np.ndarray | None = None
    place: np.ndarray | None = None


@dataclass
class _Shot:
    start: int
    end: int | None = None
    detected_frames: list[int] = field(default_factory=list)
    """First and latest frame with detections."""
    tracks: dict[TrackId, FaceTrack] = field(default_factory=dict)
    followed: dict[int, tuple[str, TrackId]] = field(default_factory=dict)
    """For each speaking face, the rule that selected it, and its track."""


class ShotFaces:
    """Selects faces frame by frame, shot by shot.

    Args:
        detections, framing, rules, min_face, is_speaker: as in
            :class:`lipsync.dubbing.follow.FaceFollower`.
        size: width and height of the frames.
    """

    def __init__(
        self,
        detections: Detections,
        framing: Framing,
        rules: FaceRules,
        min_face: float,
        is_speaker: Callable[[TrackId, int], bool] | None,
        size: tuple[int, int],
    ) -> None:
        self.detections, self._framing = detections, framing
        self._rules, self._is_speaker = rules, is_speaker
        self._min_face, self._size = min_face, size
        self._shots: deque[_Shot] = deque([_Shot(0)])
        self.most_faces = 0
        """Largest number of faces in a frame so far that can be dubbed."""

    def select(
        self, found: Iterable[tuple[int, list[Detection] | None, bool]]
    ) -> Iterator[list[SelectedFace]]:
        """Yield the faces of each frame, once the next detection is known."""
        stride, number = self.detections.stride, -1
        for number, faces, cut in found:
            if cut:
                self._shots[-1].end = number
                self._shots.append(_Shot(number))
                self.detections.note_cut(number)
            if faces is not None:
                self._join(self._shots[-1], number, faces)
            if number >= stride:
                yield self._select(number - stride)
        self._shots[-1].end = number + 1
        for late in range(max(0, number + 1 - stride), number + 1):
            yield self._select(late)

    def _join(self, shot: _Shot, number: int, faces: list[Detection]) -> None:
        reach = _BRIDGE * self.detections.stride
        live = [track for track in shot.tracks.values() if number - track.frames[-1] <= reach]
        for track, place in join(live, number, faces):
            shot.tracks[number, place] = track
        shot.detected_frames = [*shot.detected_frames[:1], number]

    def _select(self, number: int) -> list[SelectedFace]:
        while self._shots[0].end is not None and number >= self._shots[0].end:
            self._shots.popleft()
        shot = self._shots[0]
        self._drop_old(shot, number)
        positions = {
            track_id: self._interpolate_face(shot, track, number)
            for track_id, track in shot.tracks.items()
        }
        faces = {track_id: face for track_id, face in positions.items() if face is not None}
        return [
            self._selected_face(shot, number, track_id, faces)
            for track_id in self._pick(shot, number, faces)
        ]

    def _pick(
        self, shot: _Shot, number: int, faces: dict[TrackId, np.ndarray]
    ) -> list[TrackId | None]:
        """Select the track of each speaking face in a frame."""
        frame_rules = self._rules(number)
        held: list[TrackId | None] = []
        for k, rule in enumerate(frame_rules):
            before, track_id = shot.followed.get(k, (None, None))
            if rule == SYNC and self._is_speaker is not None:
                held.append(next((one for one in faces if self._is_speaker(one, number)), None))
            else:
                held.append(track_id if before == rule and track_id in faces else None)
        suitable = [b for b in faces if b in held or self._is_suitable(shot.tracks[b], number)]
        self.most_faces = max(self.most_faces, len(suitable))
        boxes = [faces[b][:4] for b in suitable]
        places = [suitable.index(b) if b is not None else None for b in held]
        rules = [rule if rule != SYNC else None for rule in frame_rules]
        chosen = assign(rules, boxes, self._size, places)
        if rules == [POSITIONS[0]] and places[0] is not None:
            best = assign(rules, boxes, self._size)[0]
            if best is not None and much_larger(boxes[best], boxes[places[0]]):
                chosen = [best]
        picks = [suitable[i] if i is not None else None for i in chosen]
        for k, (rule, pick) in enumerate(zip(frame_rules, picks, strict=True)):
            if rule is not None and pick is not None:
                shot.followed[k] = rule, pick
        return picks

    def _selected_face(
        self, shot: _Shot, number: int, pick: TrackId | None, faces: dict[TrackId, np.ndarray]
    ) -> SelectedFace:
        if pick is None or not self._is_suitable(shot.tracks[pick], number):
            return SelectedFace(shot.start)
        if self._framing.needs_landmarks and not np.isfinite(faces[pick]).all():
            self.detections.refuse_without_landmarks(number, self._framing.name)
        return SelectedFace(shot.start, pick, faces[pick])

    def _drop_old(self, shot: _Shot, number: int) -> None:
        oldest = number - (_BRIDGE + 2) * self.detections.stride
        for track_id in [b for b, track in shot.tracks.items() if track.frames[-1] < oldest]:
            del shot.tracks[track_id]
        for track in shot.tracks.values():
            old = sum(frame < oldest for frame in track.frames[:-1])
            if old > 8:
                del track.frames[:old], track.detections[:old]

    def _interpolate_face(self, shot: _Shot, track: FaceTrack, number: int) -> np.ndarray | None:
        """A track's box and landmarks (14,) in a frame: linear between detections, constant for
        half a stride beyond them, and up to the shot's ends if there are no detections between."""
        frames = track.frames
        after = int(np.searchsorted(frames, number))
        hold = self.detections.stride // 2
        if after == 0:
            early = frames[0] - number
            near = early <= hold or frames[0] == shot.detected_frames[0]
            return _numbers(track.detections[0]) if near else None
        if after == len(frames):
            late = number - frames[-1]
            near = late <= hold or (shot.end is not None and frames[-1] == shot.detected_frames[-1])
            return _numbers(track.detections[-1]) if near else None
        left, right = frames[after - 1], frames[after]
        a, b = _numbers(track.detections[after - 1]), _numbers(track.detections[after])
        return a + (number - left) / (right - left) * (b - a)

    def _is_suitable(self, track: FaceTrack, number: int) -> bool:
        """Whether most detections around a frame are suitable for dubbing."""
        distance = np.abs(np.array(track.frames) - number)
        near = np.argsort(distance, kind="stable")[:_VOTES]
        turns = self._framing.needs_landmarks
        votes = [can_be_dubbed(track.detections[i], self._min_face, turns) for i in near]
        return 2 * sum(votes) > len(votes)


def _numbers(face: Detection) -> np.ndarray:
    return np.concatenate([face.box, face.landmarks.ravel()])
