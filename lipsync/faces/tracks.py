"""Face tracking: detect with a stride, link detections, select the main face, interpolate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from lipsync.faces.detect import Detection, Detector, iou
from lipsync.parallel import in_parallel

STRIDE = 5
_LINK_IOU = 0.25  # minimum IoU of a face with itself one stride later
_GROWTH = 1.4  # maximum change of size of a face that moves too fast to overlap
_BRIDGE = 2  # strides; a track ends after a longer gap in detections


@dataclass
class FaceTrack:
    """One face over time: frame numbers and detections."""

    frames: list[int] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    def add(self, frame: int, detection: Detection) -> None:
        self.frames.append(frame)
        self.detections.append(detection)

    def at(self, frame: int) -> np.ndarray:
        """Predict the box (4,) in a later frame, at the speed between the last two detections."""
        box = self.detections[-1].box
        if len(self.frames) < 2:
            return box
        before = self.detections[-2].box
        speed = (box - before).reshape(2, 2).mean(axis=0) / (self.frames[-1] - self.frames[-2])
        return box + np.tile(speed * (frame - self.frames[-1]), 2)

    def weight(self, centre: np.ndarray) -> float:
        """Prominence of the face: side x score, summed over detections, less when off centre."""
        total = 0.0
        for detection in self.detections:
            low, high = detection.box[:2], detection.box[2:]
            side = float(np.sqrt(np.prod(high - low)))
            away = float(np.abs(((low + high) / 2 - centre) / centre).max())  # 1 at the border
            total += side * detection.score * (1 - 0.5 * min(away, 1.0))
        return total


@dataclass(frozen=True)
class BoxTrack:
    """The tracked face, frame by frame.

    Attributes:
        boxes: float32 (frames, 4) in pixels; NaN where there is no face.
        scores: float32 (frames,) detector scores, interpolated; NaN where there is no face.
        landmarks: float32 (frames, 5, 2) in pixels, interpolated; NaN where unknown.
        faces: maximum number of faces in one frame.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray
    faces: int

    @property
    def has_face(self) -> np.ndarray:
        """bool (frames,): where there is a face."""
        return np.isfinite(self.boxes[:, 0])

    def quarter_turns(self) -> int:
        """Number of ``np.rot90`` turns (counter-clockwise) to make the face upright; 0 if unknown.

        Based on the median direction from eyes to mouth.
        """
        down = self.landmarks[:, 3:].mean(axis=1) - self.landmarks[:, :2].mean(axis=1)
        down = down[np.isfinite(down[:, 0])]
        if not len(down):
            return 0
        x, y = np.median(down, axis=0)
        return -round(float(np.degrees(np.arctan2(x, y))) / 90) % 4


def detect_track(
    frames: Iterable[np.ndarray], detector: Detector, stride: int = STRIDE
) -> BoxTrack:
    """Track the main face through a stream of frames.

    The detector runs on every ``stride``-th frame and on the last one.

    Args:
        frames: RGB uint8 (H, W, 3), all of one size; a list of one for a still picture.
        detector: face detector.
        stride: frames between detections.
    """
    count, size = 0, (1, 1)

    def sampled_frames() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal count, size
        frame = None
        for count, frame in enumerate(frames, start=1):
            if (count - 1) % stride == 0:
                yield count - 1, frame
        if frame is not None:
            size = frame.shape[1::-1]
            if (count - 1) % stride:
                yield count - 1, frame

    def detect_at(at: tuple[int, np.ndarray]) -> tuple[int, list[Detection]]:
        return at[0], detector.detect(at[1])

    if detector.at_once > 1:
        detections = list(in_parallel(sampled_frames(), detect_at, detector.at_once))
    else:
        detections = [detect_at(at) for at in sampled_frames()]
    return follow(detections, count, size, stride)


def follow(
    detections: list[tuple[int, list[Detection]]],
    frames: int,
    size: tuple[int, int],
    stride: int = STRIDE,
) -> BoxTrack:
    """Select the main face among detections, and interpolate it.

    Args:
        detections: (frame number, faces) of the frames with detections, in order.
        frames: length of the video in frames.
        size: width and height of a frame.
        stride: usual step between the numbers in ``detections``.
    """
    centre = np.array(size, np.float32) / 2
    tracks = link(detections, stride)
    values = np.full((frames, 15), np.nan, np.float32)  # box 4, score 1, landmarks 10
    hold = stride // 2
    if tracks:
        main = max(tracks, key=lambda track: track.weight(centre))
        start, end = max(0, main.frames[0] - hold), min(frames, main.frames[-1] + hold + 1)
        values[start:end] = fill(main, start, end)
    return BoxTrack(
        boxes=values[:, :4],
        scores=values[:, 4],
        landmarks=values[:, 5:].reshape(-1, 5, 2),
        faces=max((len(faces) for _, faces in detections), default=0),
    )


def link(detections: list[tuple[int, list[Detection]]], stride: int = STRIDE) -> list[FaceTrack]:
    """Link detections that overlap between successive frames, best overlap first."""
    tracks: list[FaceTrack] = []
    for number, faces in detections:
        live = [t for t in tracks if number - t.frames[-1] <= _BRIDGE * stride]
        tracks += [track for track, _ in join(live, number, faces)]
    return tracks


def join(live: list[FaceTrack], number: int, faces: list[Detection]) -> list[tuple[FaceTrack, int]]:
    """Continue tracks with the faces in the next frame, best overlap first.

    A face may overlap the track's last box or its predicted one. A track with a single detection
    has no known speed, and may take any remaining face within its own side.

    Args:
        live: tracks that may continue; modified.
        number: frame number.
        faces: detections in the frame.

    Returns:
        New tracks that start here, each with the index of its face in ``faces``.
    """
    pairs = []
    boxes = np.stack([face.box for face in faces]) if faces else np.empty((0, 4))
    for i, track in enumerate(live):
        overlaps = np.maximum(iou(track.detections[-1].box, boxes), iou(track.at(number), boxes))
        pairs += [(overlap, i, j) for j, overlap in enumerate(overlaps) if overlap >= _LINK_IOU]
        if len(track.frames) == 1:
            near = _nearness(track.detections[-1].box, boxes)
            pairs += [(nearness - 1, i, j) for j, nearness in enumerate(near) if nearness > 0]
    used: set[int] = set()
    continued: set[int] = set()
    for _, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in continued and j not in used:
            live[i].add(number, faces[j])
            continued.add(i)
            used.add(j)
    return [(FaceTrack([number], [face]), j) for j, face in enumerate(faces) if j not in used]


def _nearness(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """1 for boxes (n, 4) at the position of ``box``, falling to 0 at one side away; 0 for other
    sizes."""
    side = np.sqrt(np.prod(box[2:] - box[:2]))
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    away = np.hypot(*((boxes[:, :2] + boxes[:, 2:]) - (box[:2] + box[2:])).T) / 2
    same_size = np.abs(np.log(sides / side)) < np.log(_GROWTH)
    return np.where(same_size, np.clip(1 - away / side, 0, 1), 0)


def fill(track: FaceTrack, start: int, end: int) -> np.ndarray:
    """A track's values in every frame of a span: linear between detections, constant beyond them.

    Args:
        track: a track with detections only within the span.
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
    """Centred moving average of boxes, without lag.

    Args:
        boxes: (frames, 4), NaN where there is no face.
        radius: frames to each side; missing frames at the ends and in gaps are ignored.

    Returns:
        (frames, 4), NaN where ``boxes`` is NaN.
    """
    known = np.isfinite(boxes[:, :1])
    window = np.ones(2 * radius + 1)
    filled = np.where(known, boxes, 0.0)
    count = np.convolve(known[:, 0], window)[radius : radius + len(boxes)]
    total = np.stack([np.convolve(c, window)[radius : radius + len(boxes)] for c in filled.T], 1)
    return np.where(known, total / np.maximum(count, 1)[:, None], np.nan).astype(np.float32)
