"""Following faces through a video: detect on a stride, link, choose the main face, fill between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from lipsync.faces.detect import Detection, Detector, iou
from lipsync.parallel import in_parallel

STRIDE = 5
_LINK_IOU = 0.25  # of a face with itself one stride later; heads move, other heads are elsewhere
_GROWTH = 1.4  # at most, of a face that moves so fast that it does not overlap
_BRIDGE = 2  # strides; a track is lost after a longer gap without detections


@dataclass
class FaceTrack:
    """One face through time: the frames where it was detected, and what was found there."""

    frames: list[int] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    def add(self, frame: int, detection: Detection) -> None:
        self.frames.append(frame)
        self.detections.append(detection)

    def at(self, frame: int) -> np.ndarray:
        """The box (4,) in a later frame at the speed between the last two detections."""
        box = self.detections[-1].box
        if len(self.frames) < 2:
            return box
        before = self.detections[-2].box
        speed = (box - before).reshape(2, 2).mean(axis=0) / (self.frames[-1] - self.frames[-2])
        return box + np.tile(speed * (frame - self.frames[-1]), 2)

    def weight(self, centre: np.ndarray) -> float:
        """How much of the video this face is: its side, summed over its frames, less off centre."""
        total = 0.0
        for detection in self.detections:
            low, high = detection.box[:2], detection.box[2:]
            side = float(np.sqrt(np.prod(high - low)))
            away = float(np.abs(((low + high) / 2 - centre) / centre).max())  # 1 at the border
            total += side * detection.score * (1 - 0.5 * min(away, 1.0))
        return total


@dataclass(frozen=True)
class BoxTrack:
    """The followed face, frame by frame.

    Attributes:
        boxes: float32 (frames, 4), pixels; NaN where there is no face.
        scores: float32 (frames,), the detector's, interpolated; NaN where there is no face.
        landmarks: float32 (frames, 5, 2), pixels, interpolated; NaN where unknown.
        faces: the most faces seen in one frame.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
    faces: int

    @property
    def found(self) -> np.ndarray:
        """bool (frames,): where there is a face."""
        return np.isfinite(self.boxes[:, 0])

    @property
    def share(self) -> float:
        """The part of the frames that has a face, in [0, 1]."""
        return float(self.found.mean()) if len(self.boxes) else 0.0

    def quarter_turns(self) -> int:
        """Turns of ``np.rot90`` (counter-clockwise) that set the face upright; 0 if unknown.

        From the median direction, eyes to mouth, of the landmarks.
        """
        down = self.landmarks[:, 3:].mean(axis=1) - self.landmarks[:, :2].mean(axis=1)
        down = down[np.isfinite(down[:, 0])]
        if not len(down):
            return 0
        x, y = np.median(down, axis=0)
        return -round(float(np.degrees(np.arctan2(x, y))) / 90) % 4


def detect_track(
    frames: Iterable[np.ndarray], detector: Detector, stride: int = STRIDE, *, relay: bool = False
) -> BoxTrack:
    """Follow the main face through frames that are read once, as they come.

    The detector runs on every ``stride``-th frame and on the last one.

    Args:
        frames: RGB uint8 (H, W, 3), all of one size; a list of one for a still picture.
        detector: finds the faces.
        stride: frames from one detection to the next.
        relay: let another face take over where the main one is away, as after a cut.
    """
    count, size = 0, (1, 1)

    def looks() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal count, size
        frame = None
        for count, frame in enumerate(frames, start=1):
            if (count - 1) % stride == 0:
                yield count - 1, frame
        if frame is not None:
            size = frame.shape[1::-1]
            if (count - 1) % stride:
                yield count - 1, frame

    def look(at: tuple[int, np.ndarray]) -> tuple[int, list[Detection]]:
        return at[0], detector.detect(at[1])

    if detector.at_once > 1:
        seen = list(in_parallel(looks(), look, detector.at_once))
    else:
        seen = [look(at) for at in looks()]
    return follow(seen, count, size, stride, relay=relay)


def follow(
    seen: list[tuple[int, list[Detection]]],
    frames: int,
    size: tuple[int, int],
    stride: int = STRIDE,
    *,
    relay: bool = False,
) -> BoxTrack:
    """Choose the main face among detections and interpolate it.

    Args:
        seen: (frame number, faces) of the frames that were looked at, in order.
        frames: length of the video.
        size: width and height of a frame.
        stride: the usual step between two numbers in ``seen``.
        relay: let another face take over where the main one is away.
    """
    centre = np.array(size, np.float32) / 2
    tracks = sorted(link(seen, stride), key=lambda t: t.weight(centre), reverse=True)
    values = np.full((frames, 15), np.nan, np.float32)  # box 4, score 1, landmarks 10
    hold = stride // 2
    for track in tracks if relay else tracks[:1]:
        start, end = max(0, track.frames[0] - hold), min(frames, track.frames[-1] + hold + 1)
        free = np.isnan(values[start:end, 0])
        values[start:end][free] = fill(track, start, end)[free]
    return BoxTrack(
        boxes=values[:, :4],
        scores=values[:, 4],
        landmarks=values[:, 5:].reshape(-1, 5, 2),
        faces=max((len(faces) for _, faces in seen), default=0),
    )


def link(seen: list[tuple[int, list[Detection]]], stride: int = STRIDE) -> list[FaceTrack]:
    """Join detections that overlap from one look to the next, the best overlap first."""
    tracks: list[FaceTrack] = []
    for number, faces in seen:
        live = [t for t in tracks if number - t.frames[-1] <= _BRIDGE * stride]
        tracks += [track for track, _ in join(live, number, faces)]
    return tracks


def join(live: list[FaceTrack], number: int, faces: list[Detection]) -> list[tuple[FaceTrack, int]]:
    """Continue tracks by the faces of one more frame, the best overlap first.

    A face is where the track was seen last, or where it would be at the speed that it had. One that
    was seen only once may have any speed: what is left over within a face's side is taken for it.

    Args:
        live: tracks that may go on; they are changed.
        number: of the frame.
        faces: what was found there.

    Returns:
        The tracks that begin here, each with the place of its face in ``faces``.
    """
    pairs = []
    boxes = np.stack([face.box for face in faces]) if faces else np.empty((0, 4))
    for i, track in enumerate(live):
        overlaps = np.maximum(iou(track.detections[-1].box, boxes), iou(track.at(number), boxes))
        pairs += [(overlap, i, j) for j, overlap in enumerate(overlaps) if overlap >= _LINK_IOU]
        if len(track.frames) == 1:
            near = _nearness(track.detections[-1].box, boxes)
            pairs += [(nearness - 1, i, j) for j, nearness in enumerate(near) if nearness > 0]
    taken: set[int] = set()
    continued: set[int] = set()
    for _, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in continued and j not in taken:
            live[i].add(number, faces[j])
            continued.add(i)
            taken.add(j)
    return [(FaceTrack([number], [face]), j) for j, face in enumerate(faces) if j not in taken]


def _nearness(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """1 where boxes (n, 4) have the place of ``box``, 0 from a side of it on or for other sizes."""
    side = np.sqrt(np.prod(box[2:] - box[:2]))
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    away = np.hypot(*((boxes[:, :2] + boxes[:, 2:]) - (box[:2] + box[2:])).T) / 2
    alike = np.abs(np.log(sides / side)) < np.log(_GROWTH)
    return np.where(alike, np.clip(1 - away / side, 0, 1), 0)


def fill(track: FaceTrack, start: int, end: int) -> np.ndarray:
    """A track's values in every frame of a span: linear between detections, held beyond them.

    Args:
        track: with detections within the span only.
        start, end: first frame, and the frame after the last.

    Returns:
        float32 (end - start, 15): box 4, score 1, landmarks 10 (x, y in turn).
    """
    known = np.stack(
        [np.concatenate([d.box, [d.score], d.landmarks.ravel()]) for d in track.detections]
    ).astype(np.float32)
    at = np.array(track.frames)
    values = np.empty((end - start, 15), np.float32)
    values[: at[0] - start + 1] = known[0]
    for a, b, left, right in zip(at, at[1:], known, known[1:], strict=False):
        part = np.linspace(0, 1, b - a + 1, dtype=np.float32)[:, None]
        values[a - start : b - start + 1] = left + part * (right - left)
    values[at[-1] - start :] = known[-1]
    return values


def smooth_boxes(boxes: np.ndarray, radius: int = 2) -> np.ndarray:
    """Mean of the boxes within ``radius`` frames to each side, so without a lag.

    Args:
        boxes: (frames, 4), NaN where there is no face.
        radius: in frames; at a border or a gap only the frames that are there count.

    Returns:
        (frames, 4), NaN where ``boxes`` is NaN.
    """
    known = np.isfinite(boxes[:, :1])
    window = np.ones(2 * radius + 1)
    filled = np.where(known, boxes, 0.0)
    count = np.convolve(known[:, 0], window)[radius : radius + len(boxes)]
    total = np.stack([np.convolve(c, window)[radius : radius + len(boxes)] for c in filled.T], 1)
    return np.where(known, total / np.maximum(count, 1)[:, None], np.nan).astype(np.float32)
