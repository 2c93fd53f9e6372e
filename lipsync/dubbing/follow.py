"""The square about the speaker's face in every frame, a second behind the newest frame.

Frames come one by one. The detector looks at some of them; detections are joined to tracks, a shot
at a time; between looks a track's box is interpolated. A frame is given out when the second after
it is known, so that its square, which covers the head's movement around it, neither lags nor
shakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lipsync.dubbing.looks import Looks
from lipsync.dubbing.speakers import Choice, can_be_dubbed, much_larger
from lipsync.faces.crops import steady_box
from lipsync.faces.shots import ShotMeter, find_cuts
from lipsync.faces.tracks import FaceTrack, join

_STEADY = 0.5  # seconds to each side over which the box covers the moving head
_SMOOTH = 0.2  # seconds to each side over which its corners are averaged
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


class FaceFollower:
    """Follows the speaker's face through frames that come one by one.

    Args:
        looks: where faces are seen.
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
        fps: Fraction | float,
        choose: Choice,
        *,
        min_face: float = 0,
        prefer_larger: bool = False,
        knows: Callable[[tuple[int, int]], bool] | None = None,
    ) -> None:
        self.looks, self._choose, self._knows = looks, choose, knows
        self._min_face, self._prefer_larger = min_face, prefer_larger
        self._fps = float(fps)
        self._frames: deque[np.ndarray] = deque()  # those that wait, the first is number _given
        self._size = (1, 1)
        self._came = self._given = self._decided = self._squared = 0
        self._meter = ShotMeter()
        self._pending: deque[tuple[int, list]] = deque()  # looks whose shot is not certain yet
        self._shots: deque[_Shot] = deque([_Shot(0)])
        self._born: dict[int, tuple[int, int]] = {}
        self._boxes: dict[int, tuple[int, np.ndarray] | None] = {}  # (run, box) of decided frames
        self._squares: dict[int, np.ndarray | None] = {}
        self._around = self._radius = self._ahead = 0

    def push(self, frame: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Take the next frame, uint8 (H, W, 3); give those that are certain with their squares.

        A square is float32 (4,), ``None`` where no face is to be dubbed.
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

    def flush(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
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

    # ------------------------------------------------------------ whose box, frame by frame

    def _advance(self, until: int) -> None:
        """Decide whose face it is in frames up to ``until``, and square what is certain then."""
        while self._decided <= until:
            self._boxes[self._decided] = self._decide(self._decided)
            self._decided += 1
        ended = self._decided == self._came
        while self._squared < self._decided - (0 if ended else self._around):
            self._squares[self._squared] = self._steady(self._squared)
            self._squared += 1

    def _decide(self, number: int) -> tuple[int, np.ndarray] | None:
        while self._shots[0].end is not None and number >= self._shots[0].end:
            for track in self._shots.popleft().tracks:
                self._born.pop(id(track), None)
        shot = self._shots[0]
        self._drop_old(shot, number)
        there = [(t, box) for t in shot.tracks if (box := self._box(shot, t, number)) is not None]
        boxes = [box for _, box in there]
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
        shot.followed, box = there[pick]
        return (id(shot.followed), box) if self._fit(shot.followed, number) else None

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

    def _box(self, shot: _Shot, track: FaceTrack, number: int) -> np.ndarray | None:
        """A track's box in a frame: linear between looks, held for half a stride at its ends, and
        up to the shot's ends where no look lies between."""
        frames = track.frames
        after = int(np.searchsorted(frames, number))
        hold = self.looks.stride // 2
        if after == 0:
            early = frames[0] - number
            near = early <= hold or frames[0] == shot.looks[0]
            return track.detections[0].box if near else None
        if after == len(frames):
            late = number - frames[-1]
            near = late <= hold or (shot.end is not None and frames[-1] == shot.looks[-1])
            return track.detections[-1].box if near else None
        left, right = frames[after - 1], frames[after]
        a, b = track.detections[after - 1].box, track.detections[after].box
        return a + (number - left) / (right - left) * (b - a)

    def _fit(self, track: FaceTrack, number: int) -> bool:
        """Whether the looks around a frame show a face that can be dubbed."""
        distance = np.abs(np.array(track.frames) - number)
        near = np.argsort(distance, kind="stable")[:_VOTES]
        votes = [can_be_dubbed(track.detections[i], self._min_face) for i in near]
        return 2 * sum(votes) > len(votes)

    # ------------------------------------------------------------ squares

    def _run(self, number: int, reach: int) -> range:
        """Frames around one, ``reach`` to each side, that show the same face without a gap."""
        run = self._boxes[number][0]

        def same(i: int) -> bool:
            found = self._boxes.get(i)
            return found is not None and found[0] == run

        start = end = number
        while start > number - reach and same(start - 1):
            start -= 1
        while end < number + reach and same(end + 1):
            end += 1
        return range(start, end + 1)

    def _steady(self, number: int) -> np.ndarray | None:
        if self._boxes[number] is None:
            return None
        return steady_box(np.stack([self._boxes[i][1] for i in self._run(number, self._around)]))

    def _ready(self, until: int) -> list[tuple[np.ndarray, np.ndarray | None]]:
        out = []
        while self._given <= until:
            number, square = self._given, None
            if self._boxes[number] is not None:
                around = self._run(number, self._radius)
                square = np.mean([self._squares[i] for i in around], axis=0, dtype=np.float64)
            out.append((self._frames.popleft(), square))
            self._given += 1
            behind = number - 2 * max(self._around, self._radius)
            self._boxes.pop(behind, None)
            self._squares.pop(behind, None)
        return out


def _is_cut(steps: list[tuple[float, float]], place: int) -> bool:
    return place in find_cuts(np.array(steps))
