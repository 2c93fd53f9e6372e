"""Where the faces that speak lie in every frame, a second behind the newest frame.

Frames come one by one and pass through stages, each a generator that looks a little ahead: cuts
between shots; whose face it is, by detections on some frames that are joined to tracks, a shot at a
time, and interpolated; the crop that a framing places by the faces around; and its mean over the
frames around. So a crop neither lags nor shakes, and nothing is mixed across a cut or a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice, repeat, takewhile, tee
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from lipsync.dubbing.looks import Looks
from lipsync.dubbing.speakers import POSITIONS, SYNC, assign, can_be_dubbed, much_larger
from lipsync.faces.detect import Detection
from lipsync.faces.framing import Framing, SteadyBox
from lipsync.faces.shots import ShotMeter, Step, find_cuts
from lipsync.faces.tracks import FaceTrack, join

_STEADY = 0.5  # seconds to each side that a framing is shown
_SMOOTH = 0.2  # seconds to each side over which its transforms are averaged
_CUT_AFTER = 2  # frames after a cut by which it is certain
_BRIDGE = 2  # strides over which a face that was not seen is taken to be there still
_VOTES = 3  # looks around a frame of which most must show a face that can be dubbed
_OFF_CENTRE = 0.04  # of the crop's side, by which mouths of frontal faces are beside its middle
_HELD_BYTES = 256 * 2**20  # of frames that wait; very large pictures are smoothed over less

T = TypeVar("T")
Birth = tuple[int, int]
"""The frame in which a track begins, and the place of its face among those found there."""
Wanted = Callable[[int], Sequence[str | None]]
"""The rule by which each face that speaks is chosen in a frame, see
:func:`lipsync.dubbing.speakers.checked_face`; None for one that does not speak then."""


class Followed(NamedTuple):
    """A frame, and where a face that speaks lies in it.

    Attributes:
        frame: uint8 (H, W, 3).
        transform: float64 (2, 3), see :mod:`lipsync.faces.framing`; None where no face is to be
            dubbed.
        face: (14,) its box and landmarks in pixels, these NaN where they are unknown.
        track: which face of which shot it is.
        weight: in (0, 1], less where the face is about to be dubbed no more, or was not just
            before, within a shot.
    """

    frame: np.ndarray
    transform: np.ndarray | None = None
    face: np.ndarray | None = None
    track: Birth | None = None
    weight: float = 1.0


class _Decided(NamedTuple):
    """Whose face it is in a frame of a shot, and where; the transform is that of this frame."""

    shot: int
    track: Birth | None = None
    face: np.ndarray | None = None
    place: np.ndarray | None = None


@dataclass
class _Shot:
    start: int
    end: int | None = None
    looks: list[int] = field(default_factory=list)  # the first, and the last so far
    tracks: dict[Birth, FaceTrack] = field(default_factory=dict)
    followed: dict[int, tuple[str, Birth]] = field(default_factory=dict)
    """Of each face that speaks, the rule by which it was chosen, and its track."""


class MouthCentred(SteadyBox):
    """The steady box, moved sideways where the mouth is not in its middle, as on a turned head.

    A generator that was trained on steady boxes paints the mouth there, beside the real one else.
    """

    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = 0
    ) -> np.ndarray:
        places = super().transforms(boxes)
        if landmarks is not None:
            left, side = places[:, 0, 2], places[:, 0, 0]
            mouth = (landmarks[:, 3:, 0].mean(axis=1) - left) / side
            beyond = mouth - np.clip(mouth, 0.5 - _OFF_CENTRE, 0.5 + _OFF_CENTRE)
            places[:, 0, 2] += np.nan_to_num(beyond) * side
        return places


class FaceFollower:
    """Follows the faces that speak through the frames of one video.

    Args:
        looks: where faces are seen.
        framing: places the crops.
        fps: frames a second.
        wanted: which they are; rules but "sync" are asked when a shot begins, when they change, and
            when the face that was chosen is gone.
        min_face: height in pixels of a detector's box below which a face is left alone.
        knows: whether a track is the one of the rule "sync" in a frame.
    """

    def __init__(
        self,
        looks: Looks,
        framing: Framing,
        fps: Fraction | float,
        wanted: Wanted,
        *,
        min_face: float = 0,
        knows: Callable[[Birth, int], bool] | None = None,
    ) -> None:
        self.looks, self._framing, self._wanted, self._knows = looks, framing, wanted, knows
        self._min_face = min_face
        self._fps, self._size = float(fps), (1, 1)
        self._shots: deque[_Shot] = deque([_Shot(0)])

    def follow(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[Followed, ...]]:
        """Every frame, uint8 (H, W, 3), with each of the faces.

        Raises:
            MediaError, ConfigError: a face has no landmarks, and the framing needs them.
        """
        coming = iter(frames)
        held = deque(islice(coming, 1))  # frames that wait
        if not held:
            return
        self._size = held[0].shape[1::-1]
        reaches = self._reaches(held[0].nbytes)
        decided = self._decide_all(self._find_cuts(coming, held))
        every = tee(decided, len(self._wanted(0)))
        faces = [self._smoothed(map(itemgetter(k), one), *reaches) for k, one in enumerate(every)]
        for several in zip(*faces, strict=True):
            frame = held.popleft()
            yield tuple(Followed(frame, *one) for one in several)

    def _smoothed(self, decided: Iterable[_Decided], steady: int, smooth: int) -> Iterator[tuple]:
        """What :class:`Followed` says of one face, but the frame."""
        placed = map(self._place, _around(decided, steady))
        for before, now, after in _around(placed, smooth):
            if now.track is None:
                yield ()
                continue
            run, weight = [now], 1.0
            for side in (before[::-1], after):
                same = _same_track(now, side)
                run += same
                if len(same) < len(side) and side[len(same)].shot == now.shot:
                    weight = min(weight, (len(same) + 1) / (smooth + 1))
            transform = np.mean([one.place for one in run if one.place is not None], axis=0)
            yield transform, now.face, now.track, weight

    def _reaches(self, frame_bytes: int) -> tuple[int, int]:
        """Frames to each side that a framing is shown, and that are averaged over, as far as the
        memory allows."""
        wanted = [max(1, round(seconds * self._fps)) for seconds in (_STEADY, _SMOOTH)]
        fixed = self.looks.stride + _CUT_AFTER
        room = max(self.looks.stride + 8, _HELD_BYTES // frame_bytes)
        shrink = min(1.0, max(0, room - fixed) / sum(wanted))
        steady, smooth = (max(1, int(reach * shrink)) for reach in wanted)
        return steady, smooth

    def _find_cuts(
        self, frames: Iterable[np.ndarray], held: deque[np.ndarray]
    ) -> Iterator[tuple[int, list[Detection] | None, bool]]:
        """Each frame's number, the faces found in it, and whether it begins a shot."""
        meter, known = ShotMeter(), self.looks.cuts

        def measure(frame: np.ndarray) -> tuple[np.ndarray, Step]:
            meter.add(frame)
            return frame, meter.steps.pop()

        def measured() -> Iterator[tuple[np.ndarray, Step]]:
            yield measure(held[0])
            for frame in frames:
                held.append(frame)
                yield measure(frame)

        for number, (before, now, after) in enumerate(_around(measured(), _CUT_AFTER)):
            steps = np.array([step for _, step in (*before, now, *after)])
            cut = number in known if known is not None else len(before) in find_cuts(steps)
            yield number, self.looks.at(number, now[0]), cut and number > 0

    def _decide_all(
        self, found: Iterable[tuple[int, list[Detection] | None, bool]]
    ) -> Iterator[list[_Decided]]:
        """Whose faces they are in each frame, decided when the look after it is known."""
        stride, number = self.looks.stride, -1
        for number, faces, cut in found:
            if cut:
                self._shots[-1].end = number
                self._shots.append(_Shot(number))
                self.looks.note_cut(number)
            if faces is not None:
                self._join(self._shots[-1], number, faces)
            if number >= stride:
                yield self._decide(number - stride)
        self._shots[-1].end = number + 1
        for late in range(max(0, number + 1 - stride), number + 1):
            yield self._decide(late)

    def _join(self, shot: _Shot, number: int, faces: list[Detection]) -> None:
        reach = _BRIDGE * self.looks.stride
        live = [track for track in shot.tracks.values() if number - track.frames[-1] <= reach]
        for track, place in join(live, number, faces):
            shot.tracks[number, place] = track
        shot.looks = [*shot.looks[:1], number]

    def _decide(self, number: int) -> list[_Decided]:
        while self._shots[0].end is not None and number >= self._shots[0].end:
            self._shots.popleft()
        shot = self._shots[0]
        self._drop_old(shot, number)
        looks = {birth: self._face(shot, track, number) for birth, track in shot.tracks.items()}
        faces = {birth: face for birth, face in looks.items() if face is not None}
        return [
            self._decided(shot, number, birth, faces) for birth in self._pick(shot, number, faces)
        ]

    def _pick(self, shot: _Shot, number: int, faces: dict[Birth, np.ndarray]) -> list[Birth | None]:
        """Which track each face is in a frame."""
        wanted = self._wanted(number)
        held: list[Birth | None] = []
        for k, rule in enumerate(wanted):
            before, birth = shot.followed.get(k, (None, None))
            if rule == SYNC and self._knows is not None:
                held.append(next((one for one in faces if self._knows(one, number)), None))
            else:
                held.append(birth if before == rule and birth in faces else None)
        fit = [b for b in faces if b in held or self._fit(shot.tracks[b], number)]
        boxes = [faces[b][:4] for b in fit]
        places = [fit.index(b) if b is not None else None for b in held]
        rules = [rule if rule != SYNC else None for rule in wanted]
        chosen = assign(rules, boxes, self._size, places)
        if rules == [POSITIONS[0]] and places[0] is not None:
            best = assign(rules, boxes, self._size)[0]
            if best is not None and much_larger(boxes[best], boxes[places[0]]):
                chosen = [best]
        picks = [fit[i] if i is not None else None for i in chosen]
        for k, (rule, pick) in enumerate(zip(wanted, picks, strict=True)):
            if rule is not None and pick is not None:
                shot.followed[k] = rule, pick
        return picks

    def _decided(
        self, shot: _Shot, number: int, pick: Birth | None, faces: dict[Birth, np.ndarray]
    ) -> _Decided:
        if pick is None or not self._fit(shot.tracks[pick], number):
            return _Decided(shot.start)
        if self._framing.needs_landmarks and not np.isfinite(faces[pick]).all():
            self.looks.refuse_without_landmarks(number, self._framing.name)
        return _Decided(shot.start, pick, faces[pick])

    def _drop_old(self, shot: _Shot, number: int) -> None:
        oldest = number - (_BRIDGE + 2) * self.looks.stride
        for birth in [b for b, track in shot.tracks.items() if track.frames[-1] < oldest]:
            del shot.tracks[birth]
        for track in shot.tracks.values():
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

    def _place(self, window: tuple[list[_Decided], _Decided, list[_Decided]]) -> _Decided:
        """A face's crop by the frames around it that show the same face without a gap."""
        before, now, after = window
        if now.track is None:
            return now
        left, right = _same_track(now, before[::-1]), _same_track(now, after)
        run = [*left[::-1], now, *right]
        faces = np.stack([one.face for one in run if one.face is not None])
        marks = faces[:, 4:].reshape(-1, 5, 2)
        # averaged over the frames around it once it is given out
        places = self._framing.transforms(faces[:, :4], marks, radius=0)
        return now._replace(place=places[len(left)])


def _same_track(now: _Decided, side: Iterable[_Decided]) -> list[_Decided]:
    return list(takewhile(lambda one: one.track == now.track, side))


def _around(items: Iterable[T], reach: int) -> Iterator[tuple[list[T], T, list[T]]]:
    """Each item with those before it and after it, ``reach`` at most."""
    before: deque[T] = deque(maxlen=reach)
    after: deque[T | None] = deque()  # None follows the last
    for item in chain(items, repeat(None, reach)):
        after.append(item)
        if len(after) > reach:
            now = after.popleft()
            assert now is not None
            yield list(before), now, [one for one in after if one is not None]
            before.append(now)


def _numbers(face: Detection) -> np.ndarray:
    return np.concatenate([face.box, face.landmarks.ravel()])
