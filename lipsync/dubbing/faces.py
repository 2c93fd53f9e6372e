"""Whose face is dubbed in every frame of a video, where it lies, and what is shown beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipsync.dubbing.follow import Birth, FaceFollower, MouthCentred
from lipsync.dubbing.lips import Lips, ReferenceSets, is_published
from lipsync.dubbing.looks import Looks, read_tracks, usual_stride
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import Shown
from lipsync.dubbing.references import (
    AHEAD,
    AUTO,
    Choice,
    References,
    Seen,
    reference_choice,
    see_frames,
)
from lipsync.dubbing.source import Source, open_source
from lipsync.dubbing.speakers import SYNC, speaker_choice
from lipsync.faces.detect import LEAST, CenterFace, Detector, get_detector
from lipsync.faces.roll import SecondLook

_HELD_BYTES = 96 * 2**20  # of frames that wait for references; fewer of very large pictures


class Face(NamedTuple):
    """The face that is dubbed in a frame.

    Attributes:
        transform: float64 (2, 3), where its crop lies, see :mod:`lipsync.faces.framing`.
        crop: uint8 (S, S, 3) RGB, the face as it is.
        choice: the frames that the generator is shown beside it,
        references: and the faces in them.
        weight: of the dubbed picture, in (0, 1]; less than 1 where it fades in or out.
    """

    transform: np.ndarray
    crop: np.ndarray
    choice: Choice
    references: ReferenceSets
    weight: float


class FacePlan:
    """Where the speaker's face lies in every frame of a video, and what is shown beside it.

    Args:
        source: the video or picture.
        lips: the generator.
        options: checked.
        whole: look through the whole video before the first frame is given.

    Raises:
        MediaError, ConfigError: tracks or reference frames that cannot be used.
    """

    def __init__(self, source: Source, lips: Lips, options: Options, whole: bool = False) -> None:
        self.source, self.lips = source, lips
        fps = float(source.fps)
        tracks = Path(options.tracks) if options.tracks is not None else None
        saved = None
        if there := tracks is not None and tracks.exists():
            saved = read_tracks(tracks, source.size, source.new_rate)
        detector = None if saved is not None else self._detector(options)
        stride = options.stride or usual_stride(fps)
        choose, knows = speaker_choice("largest"), None
        if options.speaker == SYNC:
            from lipsync.dubbing.syncing import find_speaker

            sound = options.reference or source.path
            saved, knows = find_speaker(source, detector, stride, saved, sound)
        else:
            choose = speaker_choice(options.speaker)
        self.written = None if there else tracks
        """A file that :meth:`save` writes the tracks to."""
        self._looks = Looks(detector, stride, saved=saved, record=self.written is not None)
        centred = lips.framing.name == "box" and not is_published(lips.model)
        framing = MouthCentred() if centred else lips.framing
        self._follower = FaceFollower(
            self._looks,
            framing,
            fps,
            choose,
            min_face=options.min_face,
            prefer_larger=options.speaker == "largest",
            knows=knows,
        )
        self.references = how = reference_choice(options.reference_frames, lips.model)
        """How references are chosen."""
        given = []
        if isinstance(how, tuple):
            every = open_source(
                source.path,
                fps=options.fps,
                tolerate_damage=options.tolerate_damage,
                backdrop=options.backdrop,
            )
            given = see_frames(every, how, self._detector(options), choose, framing, lips.size)
        self._references = References(how, lips.references, fps, given)
        room = max(1, _HELD_BYTES // (3 * source.size[0] * source.size[1]))
        self._ahead: float = min(round(AHEAD * fps), room) if how == AUTO else 0
        if whole:
            self._ahead = float("inf")
        self._places: dict[int, tuple[np.ndarray, Choice, float] | None] = {}  # by source's frame

    def _detector(self, options: Options) -> Detector:
        detector = options.detector
        if isinstance(detector, str):
            smaller = options.min_face < LEAST and detector == CenterFace.name
            detector = get_detector(detector, **({"least": options.min_face} if smaller else {}))
        return SecondLook(detector, search=True) if self.lips.framing.needs_landmarks else detector

    def find(self, frames: Iterable[Shown]) -> Iterator[tuple[Shown, Face | None]]:
        """Every frame with its face.

        Args:
            frames: the source's in their order, from any on, then any of them again.

        Raises:
            MediaError, ConfigError: as :class:`FaceFollower` and :class:`Looks`.
        """
        coming, again = iter(frames), []
        followed: deque[Shown] = deque()
        waiting: deque[tuple[Shown, Seen | None, Birth | None, float]] = deque()

        def pictures() -> Iterator[np.ndarray]:
            for number, shown in enumerate(coming):
                if shown.index < number:  # the source has ended, and is shown again
                    again.append(shown)
                    return
                followed.append(shown)
                yield shown.picture

        for _, transform, face, track, weight in self._follower.follow(pictures()):
            shown, seen = followed.popleft(), None
            if transform is not None and face is not None:
                crop = self.lips.framing.cut(shown.picture, transform, self.lips.size)
                seen = Seen(shown.index, shown.picture, crop, transform, face)
                self._references.see(track, seen)
            waiting.append((shown, seen, track, weight))
            if len(waiting) > self._ahead:
                yield self._first_time(*waiting.popleft())
        while waiting:
            yield self._first_time(*waiting.popleft())
        for shown in chain(again, coming):
            yield shown, self._again(shown)

    def _first_time(
        self, shown: Shown, seen: Seen | None, track: Birth | None, weight: float
    ) -> tuple[Shown, Face | None]:
        if seen is None:
            self._places[shown.index] = None
            return shown, None
        choice = self._references.choose(track, seen)
        self._places[shown.index] = (seen.transform, choice, weight)
        return shown, self._face(seen.crop, seen.transform, choice, weight)

    def _again(self, shown: Shown) -> Face | None:
        if (place := self._places[shown.index]) is None:
            return None
        return self._face(self.lips.framing.cut(shown.picture, place[0], self.lips.size), *place)

    def _face(self, crop: np.ndarray, transform: np.ndarray, choice: Choice, weight: float) -> Face:
        references = self._references.crops(choice, crop, self._read)
        return Face(transform, crop, choice, references, weight)

    def _read(self, number: int) -> np.ndarray:
        """The face in a frame of an earlier shot."""
        picture, place = self.source.span(number, number + 1)[0], self._places[number]
        assert place is not None  # only faces that were seen are referred to
        return self.lips.framing.cut(picture, place[0], self.lips.size)

    def save(self) -> None:
        """Write the tracks, where they were asked for."""
        if self.written is not None:
            source = self.source
            self._looks.save(self.written, source.path, source.size, source.new_rate)
