"""Score videos: decode, track the face, crop it for the judge, embed, find the offset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.evaluation.judge import Judge, StretchScore
from lipsync.evaluation.judges import as_judge
from lipsync.evaluation.lists import find_videos
from lipsync.evaluation.progress import Progress, with_progress
from lipsync.evaluation.recogniser import Recogniser
from lipsync.evaluation.rows import GENERATED, REAL, Row
from lipsync.evaluation.table import Report
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.framing import Framing, box_transforms, get_framing
from lipsync.faces.tracks import STRIDE, detect_track
from lipsync.media import HeldFrames
from lipsync.media.loudness import read_speech
from lipsync.metrics.appearance import FaceAppearance
from lipsync.metrics.functional import VSHIFT
from lipsync.windows import FPS

DEFAULT_JUDGE = "judge-open"
APPEARANCE_SIZE = 96  # side in pixels of the crops for image measures
PROTOCOLS = {
    "wild": "wild-1: whole videos at 25 fps, the main face detected, followed and cropped, its "
    "longest stretch scored",
    "cropped": "cropped-1: videos that are face crops already, every frame whole at 25 fps",
}


def protocol_name(protocol: str, judge: Judge) -> str:
    """The protocol as written into results: that of the set, then that of the judge.

    Raises:
        ConfigError: unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol must be one of {', '.join(PROTOCOLS)}, got '{protocol}'")
    return f"{PROTOCOLS[protocol]}; {judge.protocol}"


@dataclass(frozen=True)
class Stretch:
    """The part of a video that is scored.

    Attributes:
        footage: the whole video.
        start: first frame at 25 fps.
        end: the frame after the last; ``None`` for the end of the video.
        places: (frames, 2, 3) transforms of the judge's crops; ``None`` for whole frames.
        square: (2, 3) transform of the fixed crop for image measures; ``None`` for whole frames.
        landmarks: (frames, 5, 2) eyes, nose and mouth corners; ``None`` if unknown.
        boxes: (frames, 4) of the face; ``None`` for whole frames.
    """

    footage: HeldFrames
    start: int = 0
    end: int | None = None
    places: np.ndarray | None = None
    square: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    boxes: np.ndarray | None = None

    def frames(self) -> Iterator[np.ndarray]:
        """The stretch's frames, uint8 (H, W, 3)."""
        return islice(self.footage, self.start, self.end)

    def sound(self, wave: np.ndarray) -> np.ndarray:
        """The stretch's part of a sound that starts with the video."""
        return wave[self.start * SAMPLE_RATE // FPS :]

    def crops(self, size: int, appearance: FaceAppearance | None = None) -> Iterator[np.ndarray]:
        """The judge's face crops, uint8 (size, size, 3); also added to ``appearance``."""
        for number, frame in enumerate(self.frames()):
            place = full_frame_transform(frame) if self.places is None else self.places[number]
            face = Framing.cut(frame, place, size)
            if appearance is not None:
                square = full_frame_transform(frame) if self.square is None else self.square
                same = size == APPEARANCE_SIZE and np.array_equal(square, place)
                appearance.add(face if same else Framing.cut(frame, square, APPEARANCE_SIZE))
            yield face

    def faces_in_framing(self, framing: Framing, size: int) -> Iterator[np.ndarray]:
        """Faces in another framing, uint8 (size, size, 3).

        Raises:
            MediaError: the framing needs landmarks, and there are none.
        """
        places = None
        if self.boxes is not None:
            try:
                places = framing.transforms(self.boxes, self.landmarks)
            except ValueError as error:
                raise MediaError(self.footage.path, str(error)) from None
        for number, frame in enumerate(self.frames()):
            yield Framing.cut(
                frame, full_frame_transform(frame) if places is None else places[number], size
            )


def full_frame_transform(frame: np.ndarray) -> np.ndarray:
    """The transform (2, 3) that crops the whole of a frame (H, W, 3)."""
    return box_transforms(np.array([[0, 0, *frame.shape[1::-1]]]))[0]


@dataclass(frozen=True)
class Measurement:
    """One video's scores against each of several sounds, and its image measures."""

    stretch: Stretch
    scores: list[StretchScore]
    pictures: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Scoring:
    """Scores videos.

    Attributes:
        judge, detector: the judge and the face detector.
        stride: faces are detected every ``stride`` frames.
        vshift: candidate offsets on either side, in frames.
        protocol: one of :data:`PROTOCOLS`.
        recogniser: a face recogniser, if any.
    """

    judge: Judge
    detector: Detector
    stride: int = STRIDE
    vshift: int = VSHIFT
    protocol: str = "wild"
    recogniser: Recogniser | None = None

    @classmethod
    def from_names(
        cls,
        judge: Judge | str,
        detector: Detector | str,
        device: str = "cpu",
        identity: str | Path | None = None,
        **how: Any,
    ) -> Scoring:
        """From a judge and a detector or their names, and the path of a recogniser.

        Raises:
            ConfigError: unknown detector or protocol, a network that cannot judge, or numbers
                below 1.
            CheckpointError: a judge or a recogniser that cannot be loaded.
        """
        face_recogniser = None if identity is None else Recogniser(identity, device)
        face_detector = get_detector(detector) if isinstance(detector, str) else detector
        scoring = cls(as_judge(judge, device), face_detector, recogniser=face_recogniser, **how)
        if scoring.vshift < 1 or scoring.stride < 1:
            raise ConfigError(
                f"`vshift` and `stride` must be 1 or more, got {scoring.vshift} and "
                f"{scoring.stride}"
            )
        protocol_name(scoring.protocol, scoring.judge)
        return scoring

    @property
    def protocols(self) -> str:
        """The protocol as written into results, see :func:`protocol_name`."""
        return protocol_name(self.protocol, self.judge)

    def stretch(self, path: Path) -> Stretch:
        """The part of a video to score: for "wild", the longest stretch that shows its main face.

        Raises:
            MediaError: unreadable, no face, or no landmarks where the judge's framing needs them.
        """
        footage = HeldFrames(path, FPS)
        if self.protocol == "cropped":
            return Stretch(footage)
        track = detect_track(footage, self.detector, self.stride)
        found = np.concatenate([[0], track.has_face.astype(int), [0]])
        starts, ends = np.flatnonzero(np.diff(found) == 1), np.flatnonzero(np.diff(found) == -1)
        if not len(starts):
            raise MediaError(path, f"no face found in {len(track.boxes)} frames")
        longest = int((ends - starts).argmax())
        start, end = int(starts[longest]), int(ends[longest])
        boxes, landmarks = track.boxes[start:end], track.landmarks[start:end]
        try:
            places = self.judge.framing.transforms(boxes, landmarks)
        except ValueError as error:
            raise MediaError(path, str(error)) from None
        square = get_framing("box").transforms(boxes)[0]
        return Stretch(footage, start, end, places, square, landmarks, boxes)

    def measure(
        self,
        stretch: Stretch,
        waves: Sequence[np.ndarray],
        watch: Callable[[Tensor], None] | None = None,
    ) -> Measurement:
        """Score a stretch against one or more sounds, in one pass over its frames.

        Args:
            stretch: from :meth:`stretch`.
            waves: float32 (samples,) at 16 kHz, starting at the *video's* first frame.
            watch: as for :meth:`Judge.score`.

        Raises:
            MediaError: unreadable, or too short for a window.
        """
        appearance, judge = FaceAppearance(), self.judge
        sounds = [stretch.sound(wave) for wave in waves]
        try:
            crops = stretch.crops(judge.face_size, appearance)
            scores = judge.score(crops, sounds, self.vshift, watch)
        except ValueError as error:
            raise MediaError(stretch.footage.path, str(error)) from None
        return Measurement(stretch, scores, [appearance.numbers(sound) for sound in sounds])

    def video(self, path: Path) -> Measurement:
        """Score a video with its own sound.

        A short video is kept in memory, a longer one decoded twice, so that memory is bounded.

        Raises:
            MediaError: unreadable, no sound, no face, or too short for a window.
        """
        wave = read_speech(path)
        return self.measure(self.stretch(path), [wave])


def score_video(path: str | Path, judge: Judge, detector: Detector, **how: Any) -> StretchScore:
    """The scores of a video with its own sound; see :meth:`Scoring.video` for errors.

    Args:
        path: the video.
        judge, detector, how: as for :class:`Scoring`.
    """
    return Scoring(judge, detector, **how).video(Path(path)).scores[0]


def scored_row(kind: str, name: str, scored: StretchScore, picture: dict[str, float]) -> Row:
    """A row of a report."""
    found = scored.result
    numbers = found.distance, found.confidence, found.offset, round(found.fine_offset, 2)
    return Row(kind, name, scored.windows, *numbers, picture=picture)


def evaluate(
    generated: Iterable[str | Path],
    real: Iterable[str | Path],
    *,
    judge: Judge | str = DEFAULT_JUDGE,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    vshift: int = VSHIFT,
    protocol: str = "wild",
    device: str = "cpu",
    progress: Progress | None = None,
) -> Report:
    """Score generated videos, and real ones for comparison.

    A video that cannot be scored is reported and left out of the means.

    Args:
        generated, real: videos, or folders of videos.
        judge: an expert or SyncNetV2: its path or name, or a judge.
        detector: a face detector or its name.
        stride: faces are detected every ``stride`` frames.
        vshift: candidate offsets on either side, in frames.
        protocol: "wild" for whole videos, "cropped" for videos that are face crops already.
        device: for a judge given by name.
        progress: called with a video's name, videos done and videos in total.

    Raises:
        MediaError: a path that does not exist, or a folder without a video.
        ConfigError: an empty set, or a network that cannot judge.
    """
    lists = {GENERATED: find_videos(generated), REAL: find_videos(real)}
    for kind, paths in lists.items():
        if not paths:
            raise ConfigError(f"no {kind} videos to score; name files or folders")
    scoring = Scoring.from_names(
        judge, detector, device, stride=stride, vshift=vshift, protocol=protocol
    )
    rows: list[Row] = []
    work = [(kind, path) for kind, paths in lists.items() for path in paths]
    for kind, path in with_progress(work, progress, lambda one: one[1].name):
        try:
            found = scoring.video(path)
        except LipsyncError as error:
            problem = getattr(error, "problem", str(error))
            rows.append(Row(kind, str(path), 0, problem=problem))
        else:
            rows.append(scored_row(kind, str(path), found.scores[0], found.pictures[0]))
    judge = scoring.judge
    return Report(rows, judge.name, scoring.protocols, vshift, calibration=judge.calibration)
