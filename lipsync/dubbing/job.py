"""One dub as stages: decode, follow the face, crop, generate, blend."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from lipsync.dubbing.blend import match_colours
from lipsync.dubbing.enhance import get_enhancer
from lipsync.dubbing.follow import FaceFollower, Followed
from lipsync.dubbing.lips import Lips, ReferenceSets, load_generator
from lipsync.dubbing.looks import Looks, read_tracks, usual_stride
from lipsync.dubbing.marks import watermark
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import Playback, Shown
from lipsync.dubbing.references import (
    AHEAD,
    AUTO,
    ITSELF,
    Choice,
    References,
    reference_choice,
    see_frames,
)
from lipsync.dubbing.rest import Seen
from lipsync.dubbing.sound import measure
from lipsync.dubbing.source import open_source
from lipsync.dubbing.speakers import SYNC, speaker_choice
from lipsync.dubbing.speech import Speech
from lipsync.dubbing.stages import Stages
from lipsync.errors import MediaError
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.roll import SecondLook
from lipsync.parallel import in_parallel

_AHEAD_BYTES = 128 * 2**20  # of frames that wait for better references; fewer of large pictures
_BATCH_BYTES = 96 * 2**20  # of frames in a batch; very large pictures come fewer at a time


@dataclass(frozen=True)
class DubbedFrame:
    """A frame of a dubbed video.

    Attributes:
        number: its place, from 0.
        start, seconds: when it is shown and for how long.
        picture: uint8 (H, W, 3) RGB.
        original: the same before dubbing.
        transform: float64 (2, 3), where the crop of the face that speaks lies, see
            :mod:`lipsync.faces.framing`; ``None`` where none was dubbed.
        references: which frames of the face's video the generator was shown beside it.
    """

    number: int
    start: float
    seconds: float
    picture: np.ndarray
    original: np.ndarray
    transform: np.ndarray | None
    references: Choice | None = None


@dataclass
class _Spoken:
    """A frame on its way through the stages."""

    shown: Shown
    transform: np.ndarray | None
    marks: np.ndarray | None = None
    track: object = None
    crop: np.ndarray | None = None
    choice: Choice | None = None
    references: ReferenceSets | None = None
    sound: np.ndarray | None = None
    face: np.ndarray | None = None


class Job:
    """A dub that is ready to run: inputs checked and measured, networks loaded.

    Args:
        face: a video, or a still picture.
        audio: a sound, or a video with one.
        options: checked here.

    Raises:
        MediaError, CheckpointError, ConfigError: as :func:`lipsync.dubbing.dub`.
    """

    def __init__(self, face: Path, audio: Path, options: Options) -> None:
        options.check()
        self.face, self.options = face, options
        keep = options.tail == "keep"
        # the face first: it is what is wrong more often
        source = open_source(face, fps=options.fps, seconds=0, tolerate_damage=True)
        self.sound = measure(audio, tolerate_damage=options.tolerate_damage)
        self.source = source = open_source(
            face,
            fps=options.fps,
            seconds=float("inf") if keep else self.sound.seconds,
            tolerate_damage=options.tolerate_damage,
        )
        self.fps: Fraction = source.fps
        network, self.model = load_generator(options.model, options.device)
        self.lips = Lips(network)
        self.sound.check(self.lips.feature)
        self.playback = Playback(source, self.sound.seconds, options.length, keep)
        self._open_looks()
        self.references = reference_choice(options.reference_frames, network)
        self._references = self._open_references()
        self.found = 0
        self._transforms: list[np.ndarray | None] = []  # of the source's frames,
        self._choices: list[Choice | None] = []  # and their references

    def _open_looks(self) -> None:
        options, source = self.options, self.source
        tracks = Path(options.tracks) if options.tracks is not None else None
        there = tracks is not None and tracks.exists()
        saved = read_tracks(tracks, source.size, source.new_rate) if there else None
        detector = self._detector() if saved is None else None
        stride = options.stride or usual_stride(float(self.fps))
        self._choose, self._knows = speaker_choice("largest"), None
        if options.speaker == SYNC:
            from lipsync.dubbing.syncing import find_speaker

            saved, self._knows = find_speaker(
                source, detector, stride, saved, options.reference or self.face
            )
        else:
            self._choose = speaker_choice(options.speaker)
        self.save_tracks_to = None if there else tracks
        self.looks = Looks(detector, stride, saved=saved, record=self.save_tracks_to is not None)

    def _detector(self) -> Detector:
        detector = self.options.detector
        detector = get_detector(detector) if isinstance(detector, str) else detector
        if self.lips.framing.needs_landmarks:
            detector = SecondLook(detector, search=True)
        return detector

    def _open_references(self) -> References | None:
        if self.references == ITSELF:
            return None
        given = None
        if isinstance(self.references, tuple):
            options = self.options
            whole = open_source(self.face, fps=options.fps, tolerate_damage=options.tolerate_damage)
            given = see_frames(whole, self.references, self._detector(), self._choose, self.lips)
        return References(self.lips.references, float(self.fps), given)

    def frames(self, stages: Stages) -> Iterator[DubbedFrame]:
        """The frames of the dubbed video, each stage in ``stages``."""
        decoded = stages.add("decode", lambda _: iter(self.playback))
        followed = stages.add("follow", self._follow, decoded)
        cropped = stages.add("crop", self._crop, followed)
        batches = stages.add("hear", self._batches, cropped, room=1)
        generated = stages.add("generate", self._generate, batches, room=1)
        return stages.add("blend", self._blend, generated)

    # ------------------------------------------------------------ stages

    def _follow(self, frames: Iterator[Shown]) -> Iterator[_Spoken]:
        options = self.options
        follower = FaceFollower(
            self.looks,
            self.lips.framing,
            self.fps,
            self._choose,
            min_face=options.min_face,
            prefer_larger=options.speaker == "largest",
            knows=self._knows,
        )
        waiting: list[Shown] = []

        def certain(ready: list[Followed]) -> Iterator[_Spoken]:
            for _, transform, marks, track in ready:
                self._transforms.append(transform)
                yield _Spoken(waiting.pop(0), transform, marks, track)

        first_time = 0
        for shown in frames:
            if shown.index == first_time:
                first_time += 1
                waiting.append(shown)
                yield from certain(follower.push(shown.picture))
                continue
            if waiting:  # the source has ended, and is shown again
                yield from certain(follower.flush())
            yield _Spoken(shown, self._transforms[shown.index])
        if waiting:
            yield from certain(follower.flush())

    def _crop(self, frames: Iterator[_Spoken]) -> Iterator[_Spoken]:
        """Faces cut out, and beside each its references, from what the next seconds show, too."""
        width, height = self.source.size
        room = max(1, _AHEAD_BYTES // (3 * width * height))
        ahead = min(round(AHEAD * self.fps), room) if self.references == AUTO else 0
        waiting: deque[_Spoken] = deque()
        first_time = 0
        for spoken in frames:
            picture, index = spoken.shown.picture, spoken.shown.index
            if spoken.transform is not None:
                spoken.crop = self.lips.framing.cut(picture, spoken.transform, self.lips.size)
            if index == first_time:
                first_time += 1
                waiting.append(spoken)
                if spoken.crop is not None and self._references is not None:
                    self._references.see(spoken.track, _seen(spoken))
                if len(waiting) > ahead:
                    yield self._refer(waiting.popleft())
                continue
            while waiting:  # the source has ended, and is shown again
                yield self._refer(waiting.popleft())
            yield self._refer(spoken)
        while waiting:
            yield self._refer(waiting.popleft())

    def _refer(self, spoken: _Spoken) -> _Spoken:
        """Find a frame's references; where it is shown again, they are what they were."""
        index, count = spoken.shown.index, self.lips.references
        if index == len(self._choices):
            choice = None
            if spoken.crop is not None and self._references is not None:
                choice = self._references.choose(spoken.track, _seen(spoken))
            elif spoken.crop is not None:
                choice = Choice(((1.0, (index,) * count),))
            self._choices.append(choice)
        spoken.choice = choice = self._choices[index]
        if choice is not None and self._references is None:
            spoken.references = [(1.0, [spoken.crop] * count)]
        elif choice is not None:
            spoken.references = self._references.crops(choice, self._read_crop)
        return spoken

    def _read_crop(self, number: int) -> np.ndarray:
        """The face in a frame of an earlier shot, which is shown again."""
        picture = self.source.span(number, number + 1)[0]
        return self.lips.framing.cut(picture, self._transforms[number], self.lips.size)

    def _batches(self, frames: Iterator[_Spoken]) -> Iterator[list[_Spoken]]:
        """Frames in lots, with the sounds that the generator needs."""
        width, height = self.source.size
        most = max(1, _BATCH_BYTES // (3 * width * height))
        size = min(self.options.batch_size or self.lips.batch_size(), most)
        heard = self.sound.heard(self.options.gate, endless=self.options.tail == "keep")
        speech = Speech(self.lips.feature, heard)
        fps = float(self.fps)
        while lot := list(islice(frames, size)):
            for spoken in lot:
                if spoken.transform is not None:
                    spoken.sound = speech.window(spoken.shown.start, fps)
            yield lot

    def _generate(self, batches: Iterator[list[_Spoken]]) -> Iterator[_Spoken]:
        enhance = get_enhancer(self.options.enhance)
        match = self.options.match

        def work(lot: list[_Spoken]) -> list[_Spoken]:
            spoken = [one for one in lot if one.transform is not None]
            if spoken:
                made = self.lips.generate(
                    [s.sound for s in spoken],
                    [s.crop for s in spoken],
                    [s.references for s in spoken],
                )
                if match:
                    pairs = zip(made, (s.crop for s in spoken), strict=True)
                    mask = self.lips.framing.mask
                    made = np.stack([match_colours(*pair, mask) for pair in pairs])
                made = enhance(made) if enhance is not None else made
                for one, face in zip(spoken, made, strict=True):
                    one.face = face
            return lot

        workers = self.lips.workers()
        if workers == 1:
            done = map(work, batches)
        else:
            done = in_parallel(batches, work, workers, partial(torch.set_num_threads, 1))
        threads = torch.get_num_threads()
        try:
            for lot in done:
                yield from lot
        finally:
            torch.set_num_threads(threads)

    def _blend(self, frames: Iterator[_Spoken]) -> Iterator[DubbedFrame]:
        held: np.ndarray | None = None
        gap: float | None = None
        options = self.options
        for number, spoken in enumerate(frames):
            shown, picture = spoken.shown, spoken.shown.picture
            if spoken.face is not None:
                self._refuse(gap, shown.start)
                picture = held = self.lips.framing.paste(picture, spoken.face, spoken.transform)
                self.found += 1
                gap = None
            else:
                gap = shown.start if gap is None and options.no_face == "error" else gap
                if options.no_face == "hold" and held is not None:
                    picture = held
            if options.watermark is not None:
                picture = watermark(picture, options.watermark)
            yield DubbedFrame(
                number,
                shown.start,
                shown.seconds,
                picture,
                shown.picture,
                spoken.transform,
                spoken.choice,
            )
        if not self.found:
            raise MediaError(
                self.face,
                f"no face found in {self.playback.frames} frames",
                "use a video or picture in which a face is seen upright and from the front, or a "
                "smaller min_face",
            )
        self._refuse(gap, shown.start + shown.seconds)
        if self.save_tracks_to is not None:
            source = self.source
            self.looks.save(self.save_tracks_to, self.face, source.size, source.new_rate)

    def _refuse(self, gap: float | None, end: float) -> None:
        """Stop at a gap that began at ``gap`` seconds, where that was asked for."""
        if gap is not None:
            raise MediaError(
                self.face,
                f"no face from {gap:.2f} to {end:.2f} s",
                "cut this out, or let it pass unchanged (no_face=pass)",
            )


def _seen(spoken: _Spoken) -> Seen:
    shown = spoken.shown
    return Seen(shown.index, shown.picture, spoken.crop, spoken.transform, spoken.marks)


Progress = Callable[[str, int, int | None], None]
"""Called with the stage's name, frames done, and frames in all where that is known."""
