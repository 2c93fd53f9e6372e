"""Where the faces that speak lie in every frame, a second behind the newest frame.

Frames come one by one and pass through stages, each a generator that looks a little ahead: cuts
between shots; whose face it is (:mod:`lipsync.dubbing.shot_faces`); the crop that a framing places
by the faces around; and its mean over the frames around. So a crop neither lags nor shakes, and
nothing is mixed across a cut or a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain, islice, repeat, takewhile, tee
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from lipsync.dubbing.looks import Looks
from lipsync.dubbing.shot_faces import Birth, Decided, ShotFaces, Wanted
from lipsync.faces.detect import Detection
from lipsync.faces.framing import Framing, SteadyBox
from lipsync.faces.shots import ShotMeter, Step, find_cuts

_STEADY = 0.5  # seconds to each side that a framing is shown
_SMOOTH = 0.2  # seconds to each side over which its transforms are averaged
_CUT_AFTER = 2  # frames after a cut by which it is certain
_OFF_CENTRE = 0.04  # of the crop's side, by which mouths of frontal faces are beside its middle
_HELD_BYTES = 256 * 2**20  # of frames that wait; very large pictures are smoothed over less

T = TypeVar("T")


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
        self.looks, self._framing, self._fps, self._wanted = looks, framing, float(fps), wanted
        self._faces = partial(ShotFaces, looks, framing, wanted, min_face, knows)

    def follow(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[Followed, ...]]:
        """Every frame, uint8 (H, W, 3), with each of the faces.

        Raises:
            MediaError, ConfigError: a face has no landmarks, and the framing needs them.
        """
        coming = iter(frames)
        held = deque(islice(coming, 1))  # frames that wait
        if not held:
            return
        reaches = self._reaches(held[0].nbytes)
        shots = self._faces(held[0].shape[1::-1])
        decided = shots.decide(self._find_cuts(coming, held))
        every = tee(decided, len(self._wanted(0)))
        faces = [self._smoothed(map(itemgetter(k), one), *reaches) for k, one in enumerate(every)]
        for several in zip(*faces, strict=True):
            frame = held.popleft()
            yield tuple(Followed(frame, *one) for one in several)

    def _smoothed(self, decided: Iterable[Decided], steady: int, smooth: int) -> Iterator[tuple]:
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

    def _place(self, window: tuple[list[Decided], Decided, list[Decided]]) -> Decided:
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


def _same_track(now: Decided, side: Iterable[Decided]) -> list[Decided]:
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
