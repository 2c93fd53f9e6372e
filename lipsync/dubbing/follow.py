"""Positions of the speaking faces in every frame, with about a second of look-ahead.

Frames pass one by one through stages, each a generator with a small look-ahead: shot detection;
selection of the face (:mod:`lipsync.dubbing.shot_faces`); placing of the crop from the faces in
neighbouring frames; and temporal smoothing. Crops therefore neither lag nor jitter, and nothing is
mixed across a cut or a gap.
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

from lipsync.dubbing.detections import Detections
from lipsync.dubbing.shot_faces import FaceRules, SelectedFace, ShotFaces, TrackId
from lipsync.faces.detect import Detection
from lipsync.faces.framing import Framing, SteadyBox
from lipsync.faces.shots import ShotMeter, Step, find_cuts

_STEADY = 0.5  # seconds to each side used by a framing
_SMOOTH = 0.2  # seconds to each side over which transforms are averaged
_CUT_AFTER = 2  # frames after a cut needed to confirm it
_MAX_OFF_CENTRE = 0.04  # tolerance of the mouth's position, as a fraction of the crop's side
_HELD_BYTES = 256 * 2**20  # memory for waiting frames; shortens the windows for very large frames

T = TypeVar("T")


class FollowedFace(NamedTuple):
    """A frame, and the position of one speaking face in it.

    Attributes:
        frame: uint8 (H, W, 3).
        transform: float64 (2, 3), see :mod:`lipsync.faces.framing`; None if no face is dubbed.
        face: (14,) box and landmarks in pixels; landmarks are NaN if unknown.
        track: identifies the face within its shot.
        weight: opacity in (0, 1], below 1 near the start or end of the dubbed part within a shot.
    """

    frame: np.ndarray
    transform: np.ndarray | None = None
    face: np.ndarray | None = None
    track: TrackId | None = None
    weight: float = 1.0


class MouthCentred(SteadyBox):
    """The steady box, shifted sideways to centre the mouth, as for a turned head.

    A generator trained on steady boxes paints the mouth in the centre, and so would otherwise paint
    it beside the real one.
    """

    def transforms(
        self, boxes: np.ndarray, landmarks: np.ndarray | None = None, radius: int = 0
    ) -> np.ndarray:
        places = super().transforms(boxes)
        if landmarks is not None:
            left, side = places[:, 0, 2], places[:, 0, 0]
            mouth = (landmarks[:, 3:, 0].mean(axis=1) - left) / side
            beyond = mouth - np.clip(mouth, 0.5 - _MAX_OFF_CENTRE, 0.5 + _MAX_OFF_CENTRE)
            places[:, 0, 2] += np.nan_to_num(beyond) * side
        return places


class FaceFollower:
    """Follow the speaking faces through the frames of one video.

    Args:
        detections: the faces found.
        framing: places the crops.
        fps: frames per second.
        rules: select the faces; rules other than "sync" are applied when a shot starts,
            when they change, and when the selected face is gone.
        min_face: minimum height in pixels of a detector's box; smaller faces are left alone.
        is_speaker: whether a track is the one selected by the rule "sync" in a frame.
    """

    def __init__(
        self,
        detections: Detections,
        framing: Framing,
        fps: Fraction | float,
        rules: FaceRules,
        *,
        min_face: float = 0,
        is_speaker: Callable[[TrackId, int], bool] | None = None,
    ) -> None:
        self.detections, self._framing = detections, framing
        self._fps, self._rules = float(fps), rules
        self._faces = partial(ShotFaces, detections, framing, rules, min_face, is_speaker)
        self._shots: ShotFaces | None = None

    @property
    def most_faces(self) -> int:
        """Largest number of faces in a frame so far that can be dubbed."""
        return self._shots.most_faces if self._shots is not None else 0

    def follow(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[FollowedFace, ...]]:
        """Yield every frame, uint8 (H, W, 3), with each of the faces.

        Raises:
            MediaError, ConfigError: the framing needs landmarks, and a face has none.
        """
        coming = iter(frames)
        held = deque(islice(coming, 1))  # waiting frames
        if not held:
            return
        radii = self._window_radii(held[0].nbytes)
        self._shots = self._faces(held[0].shape[1::-1])
        selected = self._shots.select(self._find_cuts(coming, held))
        every = tee(selected, len(self._rules(0)))
        faces = [self._smooth_face(map(itemgetter(k), one), *radii) for k, one in enumerate(every)]
        for several in zip(*faces, strict=True):
            frame = held.popleft()
            yield tuple(FollowedFace(frame, *one) for one in several)

    def _smooth_face(
        self, selected: Iterable[SelectedFace], steady: int, smooth: int
    ) -> Iterator[tuple]:
        """All fields of :class:`FollowedFace` for one face, except the frame."""
        placed = map(self._place_crop, _with_neighbours(selected, steady))
        for before, now, after in _with_neighbours(placed, smooth):
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

    def _window_radii(self, frame_bytes: int) -> tuple[int, int]:
        """Frames to each side for framing and for smoothing, as far as memory allows."""
        ideal = [max(1, round(seconds * self._fps)) for seconds in (_STEADY, _SMOOTH)]
        fixed = self.detections.stride + _CUT_AFTER
        room = max(self.detections.stride + 8, _HELD_BYTES // frame_bytes)
        shrink = min(1.0, max(0, room - fixed) / sum(ideal))
        steady, smooth = (max(1, int(reach * shrink)) for reach in ideal)
        return steady, smooth

    def _find_cuts(
        self, frames: Iterable[np.ndarray], held: deque[np.ndarray]
    ) -> Iterator[tuple[int, list[Detection] | None, bool]]:
        """Yield each frame's number, the faces found in it, and whether it starts a shot."""
        meter, known = ShotMeter(), self.detections.cuts

        def measure(frame: np.ndarray) -> tuple[np.ndarray, Step]:
            meter.add(frame)
            return frame, meter.steps.pop()

        def measure_frames() -> Iterator[tuple[np.ndarray, Step]]:
            yield measure(held[0])
            for frame in frames:
                held.append(frame)
                yield measure(frame)

        for number, (before, now, after) in enumerate(
            _with_neighbours(measure_frames(), _CUT_AFTER)
        ):
            steps = np.array([step for _, step in (*before, now, *after)])
            cut = number in known if known is not None else len(before) in find_cuts(steps)
            yield number, self.detections.at(number, now[0]), cut and number > 0

    def _place_crop(
        self, window: tuple[list[SelectedFace], SelectedFace, list[SelectedFace]]
    ) -> SelectedFace:
        """Place a face's crop, using neighbouring frames that show the same face without a gap."""
        before, now, after = window
        if now.track is None:
            return now
        left, right = _same_track(now, before[::-1]), _same_track(now, after)
        run = [*left[::-1], now, *right]
        faces = np.stack([one.face for one in run if one.face is not None])
        marks = faces[:, 4:].reshape(-1, 5, 2)
        # no smoothing here, as transforms are averaged later
        places = self._framing.transforms(faces[:, :4], marks, radius=0)
        return now._replace(place=places[len(left)])


def _same_track(now: SelectedFace, side: Iterable[SelectedFace]) -> list[SelectedFace]:
    return list(takewhile(lambda one: one.track == now.track, side))


def _with_neighbours(items: Iterable[T], reach: int) -> Iterator[tuple[list[T], T, list[T]]]:
    """Yield each item with up to ``reach`` items before and after it."""
    before: deque[T] = deque(maxlen=reach)
    after: deque[T | None] = deque()  # padded with None at the end
    for item in chain(items, repeat(None, reach)):
        after.append(item)
        if len(after) > reach:
            now = after.popleft()
            assert now is not None
            yield list(before), now, [one for one in after if one is not None]
            before.append(now)
