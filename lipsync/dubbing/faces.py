"""Which faces of a video are dubbed, where they are, and their reference frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.detections import Detections, default_stride, read_tracks
from lipsync.dubbing.follow import FaceFollower, FollowedFace, MouthCentred, TrackId
from lipsync.dubbing.options import Options
from lipsync.dubbing.parts import speaking_faces
from lipsync.dubbing.playback import PlaybackFrame
from lipsync.dubbing.references import (
    ALIGNED,
    AUTO,
    IN_BOX,
    LOOK_AHEAD,
    Choice,
    FaceSample,
    References,
    reference_choice,
    sample_frames,
)
from lipsync.dubbing.source import Source, open_source
from lipsync.dubbing.speakers import POSITIONS, SYNC
from lipsync.faces.detect import LEAST, CenterFace, Detector, get_detector
from lipsync.faces.roll import RollAwareDetector
from lipsync.generators.lips import Lips, ReferenceSets, is_published

_SAMPLE_STEP = 4  # stride in frames at which a track is examined to identify the person
_HELD_BYTES = 96 * 2**20  # maximum memory of frames that wait for references


class Face(NamedTuple):
    """A face to be dubbed in a frame.

    Attributes:
        transform: float64 (2, 3), from crop to frame, see :mod:`lipsync.faces.framing`.
        crop: uint8 (S, S, 3) RGB, the original face.
        choice: reference frames for the generator.
        references: crops of the face in these frames.
        weight: opacity of the dub, in (0, 1]; less than 1 while it fades in or out.
        person: person of the gallery; None if the face is not in it.
        landmarks: (5, 2) in pixels of the frame; NaN if unknown.
    """

    transform: np.ndarray
    crop: np.ndarray
    choice: Choice
    references: ReferenceSets
    weight: float
    person: str | None = None
    landmarks: np.ndarray | None = None


Faces = tuple[Face | None, ...]
"""One entry per speaking face; None where it is not dubbed in the frame."""


_Waiting = tuple[PlaybackFrame, list[FaceSample | None], tuple[FollowedFace, ...]]


class _Place(NamedTuple):
    transform: np.ndarray
    choice: Choice
    weight: float
    person: str | None
    landmarks: np.ndarray


class FacePlan:
    """Positions of the speaking faces in every frame of a video, and their references.

    Args:
        source: the video or picture.
        lips: the generator.
        options: options of the dub.
        whole: read the whole video before the first frame is returned.

    Raises:
        MediaError, ConfigError: unusable tracks or reference frames.
    """

    def __init__(self, source: Source, lips: Lips, options: Options, whole: bool = False) -> None:
        self.source, self.lips = source, lips
        fps = float(source.fps)
        tracks = Path(options.tracks) if options.tracks is not None else None
        saved = None
        if exists := tracks is not None and tracks.exists():
            saved = read_tracks(tracks, source.size, source.new_rate)
        detector = None if saved is not None else self._detector(options)
        stride = options.stride or default_stride(fps)
        speaking, is_speaker = speaking_faces(options.faces), None
        if SYNC in speaking(0.0):
            from lipsync.dubbing.syncing import find_speaker

            sound = options.reference or source.path
            saved, is_speaker = find_speaker(source, detector, stride, saved, sound)
        self.tracks_file = None if exists else tracks
        """File to which :meth:`save` writes the tracks."""
        self._detections = Detections(
            detector, stride, saved=saved, record=self.tracks_file is not None
        )
        centred = lips.framing.name == "box" and not is_published(lips.model)
        framing = MouthCentred() if centred else lips.framing
        self._follower = FaceFollower(
            self._detections,
            framing,
            fps,
            lambda number: speaking(source.seconds(number)),
            min_face=options.min_face,
            is_speaker=is_speaker,
        )
        self.references = how = reference_choice(options.reference_frames, lips.model)
        """How references are chosen."""
        rules = [POSITIONS[0] if rule in (SYNC, None) else rule for rule in speaking(0.0)]
        given: Sequence[Sequence[FaceSample]] = [()] * len(rules)
        if isinstance(how, tuple):
            every = open_source(
                source.path,
                fps=options.fps,
                tolerate_damage=options.tolerate_damage,
                backdrop=options.backdrop,
                streams=source.streams,
            )
            given = sample_frames(every, how, self._detector(options), rules, framing, lips.size)
        thresholds = ALIGNED if framing.needs_landmarks else IN_BOX
        self._references = [References(how, lips.references, fps, one, thresholds) for one in given]
        room = max(1, _HELD_BYTES // (3 * source.size[0] * source.size[1]))
        self._look_ahead: float = min(round(LOOK_AHEAD * fps), room) if how == AUTO else 0
        if whole:
            self._look_ahead = float("inf")
        self._places: dict[int, list[_Place | None]] = {}  # by frame of the source
        self._people: dict[TrackId, str | None] = {}

    @property
    def most_faces(self) -> int:
        """Largest number of faces in a frame so far that can be dubbed."""
        return self._follower.most_faces

    def _detector(self, options: Options) -> Detector:
        detector = options.detector
        if isinstance(detector, str):
            smaller = options.min_face < LEAST and detector == CenterFace.name
            detector = get_detector(detector, **({"least": options.min_face} if smaller else {}))
        return (
            RollAwareDetector(detector, search=True)
            if self.lips.framing.needs_landmarks
            else detector
        )

    def find(self, frames: Iterable[PlaybackFrame]) -> Iterator[tuple[PlaybackFrame, Faces]]:
        """Yield every frame with its faces.

        Args:
            frames: consecutive frames of the source, from any frame on, then repeated frames in any
                order.

        Raises:
            MediaError, ConfigError: as for :class:`FaceFollower` and :class:`Detections`.
        """
        coming, again = iter(frames), []
        followed: deque[PlaybackFrame] = deque()
        waiting: deque[_Waiting] = deque()

        def pictures() -> Iterator[np.ndarray]:
            for number, frame in enumerate(coming):
                if frame.index < number:  # the source has ended and repeats
                    again.append(frame)
                    return
                followed.append(frame)
                yield frame.picture

        for faces in self._follower.follow(pictures()):
            frame = followed.popleft()
            samples = [self._sample_face(k, frame, face) for k, face in enumerate(faces)]
            waiting.append((frame, samples, faces))
            if len(waiting) > self._look_ahead:
                self._identify_people(waiting)
                yield self._plan_faces(*waiting.popleft())
        while waiting:
            self._identify_people(waiting)
            yield self._plan_faces(*waiting.popleft())
        for frame in chain(again, coming):
            yield frame, self._repeat_faces(frame)

    def _sample_face(
        self, k: int, frame: PlaybackFrame, followed: FollowedFace
    ) -> FaceSample | None:
        _, transform, face, track, _ = followed
        if transform is None or face is None:
            return None
        crop = self.lips.framing.cut(frame.picture, transform, self.lips.size)
        sample = FaceSample(frame.index, frame.picture, crop, transform, face)
        self._references[k].add(track, sample)
        return sample

    def _identify_people(self, waiting: Sequence[_Waiting]) -> None:
        """Identify the people in the first waiting frame, from all waiting frames of each track."""
        if self.lips.gallery is None:
            return
        for k, one in enumerate(waiting[0][1]):
            track = waiting[0][2][k].track
            if one is None or track is None or track in self._people:
                continue
            crops = [
                other.crop
                for _, samples, faces in islice(waiting, 0, None, _SAMPLE_STEP)
                if (other := samples[k]) is not None and faces[k].track == track
            ]
            self._people[track] = self.lips.gallery.recognise(np.stack(crops))

    def _plan_faces(
        self,
        frame: PlaybackFrame,
        samples: list[FaceSample | None],
        followed: tuple[FollowedFace, ...],
    ) -> tuple[PlaybackFrame, Faces]:
        places: list[_Place | None] = [
            None
            if one is None
            else _Place(
                one.transform,
                references.choose(face.track, one),
                face.weight,
                None if face.track is None else self._people.get(face.track),
                one.face[4:].reshape(5, 2),
            )
            for one, face, references in zip(samples, followed, self._references, strict=True)
        ]
        self._places[frame.index] = places
        crops = [None if one is None else one.crop for one in samples]
        return frame, tuple(map(self._face, range(len(places)), crops, places))

    def _repeat_faces(self, frame: PlaybackFrame) -> Faces:
        places = self._places[frame.index]
        crops = [self._crop(frame.picture, place) for place in places]
        return tuple(map(self._face, range(len(places)), crops, places))

    def _crop(self, picture: np.ndarray, place: _Place | None) -> np.ndarray | None:
        if place is None:
            return None
        return self.lips.framing.cut(picture, place.transform, self.lips.size)

    def _face(self, k: int, crop: np.ndarray | None, place: _Place | None) -> Face | None:
        if crop is None or place is None:
            return None

        def read(number: int) -> np.ndarray:
            """Read the face in an earlier frame again."""
            earlier = self._crop(self.source.span(number, number + 1)[0], self._places[number][k])
            assert earlier is not None  # references always contain the face
            return earlier

        references = self._references[k].crops(place.choice, crop, read)
        return Face(
            place.transform,
            crop,
            place.choice,
            references,
            place.weight,
            place.person,
            place.landmarks,
        )

    def save(self) -> None:
        """Write the tracks, if requested."""
        if self.tracks_file is not None:
            source = self.source
            self._detections.save(self.tracks_file, source.path, source.size, source.new_rate)
