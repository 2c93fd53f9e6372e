"""Where the speaker's face lies in every frame, a second behind the newest frame.

Frames come one by one. The detector looks at some of them; detections are joined to tracks, a shot
at a time; between looks a track's box and landmarks are interpolated. A frame is given out when the
second after it is known, so that its crop, which a framing places by the frames around it, neither
lags nor shakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.looks import Looks
from lipsync.dubbing.speakers import Choice, can_be_dubbed, much_larger
from lipsync.faces.detect import Detection
from lipsync.faces.framing import Framing
from lipsync.faces.shots import ShotMeter, find_cuts
from lipsync.faces.tracks import FaceTrack, join

_STEADY = 0.5  # seconds to each side that a framing is shown
_SMOOTH = 0.2  # seconds to each side over which its transforms are averaged
_CUT_AFTER = 2  # frames after a cut by which it is certain
_BRIDGE = 2  # strides over which a face that was not seen is taken to be there still
_VOTES = 3  # looks around a frame of which most must show a face that can be dubbed
_HELD_BYTES = 384 * 2**20  # of frames that wait; very large pictures are smoothed over less


@dataclass
class _Shot:
    start: int
    end: int | None = None
    looks: list[int] = field(default_factory=list)  # the first, and the last so far
    tracks: list[FaceTrack] = field(default_factory=list)
    followed: FaceTrack | None = None


class Followed(NamedTuple):
    """A frame, and where the speaker's face lies in it."""

    frame: np.ndarray
    """uint8 (H, W, 3)."""
    transform: np.ndarray | None = None
    """float64 (2, 3), see :mod:`lipsync.faces.framing`; None where no face is to be dubbed."""
    face: np.ndarray | None = None
    """(14,) its box and landmarks in pixels, these NaN where they are unknown."""
    track: tuple[int, int] | None = None
    """Which face of which shot it is."""


class FaceFollower:
    """Follows the speaker's face through frames that come one by one.

    Args:
        looks: where faces are seen.
        framing: places the crops.
        fps: frames a second.
        choose: which face speaks, asked when a shot begins and when the speaker's face is gone.
        min_face: height in pixels of a detector's box below which a face is left alone.
        prefer_larger: let a much larger face take over from the one that is followed.
        knows: whether a track, by the first look's (frame, face) in it, is a speaker's; replaces
            ``choose``.
    """

    def __init__(
        self,
        looks: Looks,
        framing: Framing,
        fps: Fraction | float,
        choose: Choice,
        *,
        min_face: float = 0,
        prefer_larger: bool = False,
        knows: Callable[[tuple[int, int]], bool] | None = None,
    ) -> None:
        self.looks, self._framing, self._choose, self._knows = looks, framing, choose, knows
        self._min_face, self._prefer_larger = min_face, prefer_larger
        self._fps = float(fps)
        self._frames: deque[np.ndarray] = deque()  # those that wait, the first is number _given
        self._size = (1, 1)
        self._came = self._given = self._decided = self._placed = 0
        self._meter = ShotMeter()
        self._pending: deque[tuple[int, list]] = deque()  # looks whose shot is not certain yet
        self._shots: deque[_Shot] = deque([_Shot(0)])
        self._born: dict[int, tuple[int, int]] = {}
        # (track, face) of decided frames
        self._faces: dict[int, tuple[tuple[int, int], np.ndarray] | None] = {}
        self._places: dict[int, np.ndarray | None] = {}
        self._around = self._radius = self._ahead = 0

    def follow(self, frames: Iterable[np.ndarray]) -> Iterator[Followed]:
        """Every frame with the speaker's face."""
        for frame in frames:
            yield from self.push(frame)
        yield from self.flush()

    def push(self, frame: np.ndarray) -> list[Followed]:
        """Take the next frame, uint8 (H, W, 3); give those that are certain.

        Raises:
            MediaError, ConfigError: the face has no landmarks, and the framing needs them.
        """
        if not self._came:
            self._plan(frame)
        number, self._came = self._came, self._came + 1
        self._frames.append(frame)
        self._meter.add(frame)
        self._find_cut(number - _CUT_AFTER, len(self._meter.steps) - 1 - _CUT_AFTER)
        faces = self.looks.at(number, frame)
        if faces is not None:
            self._pending.append((number, faces))
        self._join_looks(number - _CUT_AFTER)
        self._advance(number - self.looks.stride - _CUT_AFTER)
        return self._ready(number - self._ahead)

    def flush(self) -> list[Followed]:
        """The rest of the frames: no more will come."""
        last = self._came - 1
        for late in range(max(1, last - _CUT_AFTER + 1), last + 1):
            self._find_cut(late, len(self._meter.steps) - 1 - (last - late))
        self._join_looks(last)
        self._shots[-1].end = self._came
        self._advance(last)
        return self._ready(last)

    def _plan(self, frame: np.ndarray) -> None:
        """How far ahead to look, within the memory for it."""
        self._size = frame.shape[1::-1]
        room = max(self.looks.stride + 8, _HELD_BYTES // frame.nbytes)
        self._around = max(1, round(_STEADY * self._fps))
        self._radius = max(1, round(_SMOOTH * self._fps))
        fixed = self.looks.stride + _CUT_AFTER
        shrink = min(1.0, max(0, room - fixed) / (self._around + self._radius))
        self._around = max(1, int(self._around * shrink))
        self._radius = max(1, int(self._radius * shrink))
        self._ahead = fixed + self._around + self._radius

    # ------------------------------------------------------------ shots and looks

    def _find_cut(self, number: int, place: int) -> None:
        """Begin a shot at frame ``number``, ``place`` in the meter's steps, if it is a cut."""
        if number < 1 or place < 1:
            return
        known = self.looks.cuts
        steps = self._meter.steps[max(0, place - _CUT_AFTER) : place + _CUT_AFTER + 1]
        is_cut = number in known if known is not None else _is_cut(steps, min(place, _CUT_AFTER))
        if is_cut and number > self._shots[-1].start:
            self._shots[-1].end = number
            self._shots.append(_Shot(number))
            self.looks.note_cut(number)
        if len(self._meter.steps) > 64:
            del self._meter.steps[:-8]

    def _join_looks(self, until: int) -> None:
        while self._pending and self._pending[0][0] <= until:
            number, faces = self._pending.popleft()
            shot = next(s for s in reversed(self._shots) if s.start <= number)
            reach = _BRIDGE * self.looks.stride
            live = [t for t in shot.tracks if number - t.frames[-1] <= reach]
            for track, place in join(live, number, faces):
                shot.tracks.append(track)
                self._born[id(track)] = (number, place)
            shot.looks = [*shot.looks[:1], number]

    # ------------------------------------------------------------ whose face, frame by frame

    def _advance(self, until: int) -> None:
        """Decide whose face it is in frames up to ``until``, and place what is certain then."""
        while self._decided <= until:
            self._faces[self._decided] = self._decide(self._decided)
            self._decided += 1
        ended = self._decided == self._came
        while self._placed < self._decided - (0 if ended else self._around):
            self._places[self._placed] = self._place(self._placed)
            self._placed += 1

    def _decide(self, number: int) -> tuple[tuple[int, int], np.ndarray] | None:
        while self._shots[0].end is not None and number >= self._shots[0].end:
            for track in self._shots.popleft().tracks:
                self._born.pop(id(track), None)
        shot = self._shots[0]
        self._drop_old(shot, number)
        there = [(t, f) for t in shot.tracks if (f := self._face(shot, t, number)) is not None]
        boxes = [face[:4] for _, face in there]
        known = [i for i, (t, _) in enumerate(there) if t is shot.followed]
        pick: int | None = known[0] if known else None
        if self._knows is not None:
            pick = next((i for i, (t, _) in enumerate(there) if self._is_known(t)), None)
        elif pick is None or self._prefer_larger:
            fit = [i for i, (t, _) in enumerate(there) if self._fit(t, number)]
            best = self._choose([boxes[i] for i in fit], self._size)
            best = fit[best] if best is not None else None
            if pick is None or (best is not None and much_larger(boxes[best], boxes[pick])):
                pick = best
        if pick is None:
            return None
        shot.followed, face = there[pick]
        if not self._fit(shot.followed, number):
            return None
        if self._framing.needs_landmarks and not np.isfinite(face).all():
            self.looks.refuse_without_landmarks(number, self._framing.name)
        return self._born[id(shot.followed)], face

    def _is_known(self, track: FaceTrack) -> bool:
        return self._knows(self._born[id(track)])

    def _drop_old(self, shot: _Shot, number: int) -> None:
        oldest = number - (_BRIDGE + 2) * self.looks.stride
        for track in [t for t in shot.tracks if t.frames[-1] < oldest]:
            shot.tracks.remove(track)
            self._born.pop(id(track), None)
        for track in shot.tracks:
            old = sum(frame < oldest for frame in track.frames[:-1])
            if old > 8:
                del track.frames[:old], track.detections[:old]

    def _face(self, shot: _Shot, track: FaceTrack, number: int) -> np.ndarray | None:
        """A track's box and landmarks (14,) in a frame: linear between looks, held for half a
        stride at its ends, and up to the shot's ends where no look lies between."""
        frames = track.frames
        after = int(np.searchsorted(frames, number))
        hold = self.looks.stride // 2
        if after == 0:
            early = frames[0] - number
            near = early <= hold or frames[0] == shot.looks[0]
            return _numbers(track.detections[0]) if near else None
        if after == len(frames):
            late = number - frames[-1]
            near = late <= hold or (shot.end is not None and frames[-1] == shot.looks[-1])
            return _numbers(track.detections[-1]) if near else None
        left, right = frames[after - 1], frames[after]
        a, b = _numbers(track.detections[after - 1]), _numbers(track.detections[after])
        return a + (number - left) / (right - left) * (b - a)

    def _fit(self, track: FaceTrack, number: int) -> bool:
        """Whether the looks around a frame show a face that can be dubbed."""
        distance = np.abs(np.array(track.frames) - number)
        near = np.argsort(distance, kind="stable")[:_VOTES]
        turns = self._framing.needs_landmarks
        votes = [can_be_dubbed(track.detections[i], self._min_face, turns) for i in near]
        return 2 * sum(votes) > len(votes)

    # ------------------------------------------------------------ transforms

    def _run(self, number: int, reach: int) -> range:
        """Frames around one, ``reach`` to each side, that show the same face without a gap."""
        run = self._faces[number][0]

        def same(i: int) -> bool:
            found = self._faces.get(i)
            return found is not None and found[0] == run

        start = end = number
        while start > number - reach and same(start - 1):
            start -= 1
        while end < number + reach and same(end + 1):
            end += 1
        return range(start, end + 1)

    def _place(self, number: int) -> np.ndarray | None:
        if self._faces[number] is None:
            return None
        around = self._run(number, self._around)
        faces = np.stack([self._faces[i][1] for i in around])
        marks = faces[:, 4:].reshape(-1, 5, 2)
        # averaged over the frames around it once it is given out
        return self._framing.transforms(faces[:, :4], marks, radius=0)[number - around.start]

    def _ready(self, until: int) -> list[Followed]:
        out = []
        while self._given <= until:
            number, frame = self._given, self._frames.popleft()
            if self._faces[number] is not None:
                track, face = self._faces[number]
                around = self._run(number, self._radius)
                place = np.mean([self._places[i] for i in around], axis=0)
                out.append(Followed(frame, place, face, track))
            else:
                out.append(Followed(frame))
            self._given += 1
            behind = number - 2 * max(self._around, self._radius)
            self._faces.pop(behind, None)
            self._places.pop(behind, None)
        return out


def _numbers(face: Detection) -> np.ndarray:
    return np.concatenate([face.box, face.landmarks.ravel()])


def _is_cut(steps: list[tuple[float, float]], place: int) -> bool:
    return place in find_cuts(np.array(steps))
