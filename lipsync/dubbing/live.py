"""Live use: sound is pushed as it is spoken, dubbed frames are pulled as soon as they can be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.dubbing.blend import match_colours
from lipsync.dubbing.enhance import get_enhancer
from lipsync.dubbing.follow import FaceFollower, Followed
from lipsync.dubbing.gate import VoiceGate
from lipsync.dubbing.job import DubbedFrame
from lipsync.dubbing.lips import Lips, ReferenceSets, load_generator
from lipsync.dubbing.looks import Looks, usual_stride
from lipsync.dubbing.marks import watermark
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import continued
from lipsync.dubbing.references import (
    ITSELF,
    References,
    reference_choice,
    see_frames,
)
from lipsync.dubbing.rest import Seen
from lipsync.dubbing.source import Source, open_source
from lipsync.dubbing.speakers import SYNC, speaker_choice
from lipsync.dubbing.speech import Speech
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.roll import SecondLook

MOST_SECONDS = 30  # of the face's video, whose frames are kept
MOST_BYTES = 2**30  # of these frames; very large pictures come fewer


class LiveSession:
    """A face that speaks what is pushed, frame by frame.

    The face's video (at most 30 s and 1 GiB of frames) is read and followed first, and then played
    back and forth, or shown as a still. A frame can be made when the sound has come that its
    generator hears beside it: :attr:`latency` seconds after the frame's own time, to which the time
    of generating it is added.

    Args:
        face: a short video, or a still picture.
        **options: those of :class:`lipsync.dubbing.options.Options`; ``tracks``, ``no_face``,
            ``reference``, ``tail`` and ``batch_size`` (frames are made one at a time) do not apply,
            ``length`` is pingpong, loop or freeze, and ``speaker`` any but sync.

    Raises:
        MediaError: the face cannot be read, or none is found.
        CheckpointError, ConfigError: as :func:`lipsync.dubbing.dub`.

    Example:
        >>> session = LiveSession("face.png", model="wav2lip-grid")  # doctest: +SKIP
        >>> for block in microphone:  # float32 (n,) at 16 kHz
        ...     for frame in session.push(block):
        ...         show(frame.picture)
    """

    def __init__(self, face: str | Path, **options: Any) -> None:
        chosen = Options(**options)
        chosen.check()
        if chosen.length == "trim":
            raise ConfigError("length=trim ends with the video; a live session has no end")
        if chosen.speaker == SYNC:
            raise ConfigError(
                "speaker=sync compares with a video's own sound; a live session has none"
            )
        source = open_source(
            face,
            fps=chosen.fps,
            seconds=MOST_SECONDS,
            tolerate_damage=chosen.tolerate_damage,
        )
        self.fps, self.size = float(source.fps), source.size
        network, self.model = load_generator(chosen.model, chosen.device)
        self.lips, self._options = Lips(network), chosen
        self._enhance = get_enhancer(chosen.enhance)
        detector = chosen.detector
        detector = get_detector(detector) if isinstance(detector, str) else detector
        if self.lips.framing.needs_landmarks:
            detector = SecondLook(detector, search=True)
        self._frames = self._follow(source, detector)
        self._references = self._refer(source, detector)
        self._order = chain(range(len(self._frames)), continued(len(self._frames), chosen.length))
        self._speech = Speech(self.lips.feature)
        self._gate = VoiceGate() if chosen.gate else None
        self._made = 0

    @property
    def latency(self) -> float:
        """Seconds of sound behind a frame's own time without which it cannot be made."""
        delay = self._gate.delay if self._gate is not None else 0.0
        return self.lips.feature.look_ahead() + delay

    def _follow(self, source: Source, detector: Detector) -> list[Followed]:
        options, framing = self._options, self.lips.framing
        follower = FaceFollower(
            Looks(detector, options.stride or usual_stride(self.fps)),
            framing,
            self.fps,
            speaker_choice(options.speaker),
            min_face=options.min_face,
        )
        found: list[Followed] = []
        for number, (seconds, frame) in enumerate(source.frames(), start=1):
            if seconds >= MOST_SECONDS or (number > 1 and number * frame.nbytes > MOST_BYTES):
                break
            found += follower.push(frame)
        found += follower.flush()
        if all(followed.transform is None for followed in found):
            raise MediaError(
                source.path, f"no face found in {len(found)} frames", "use a face from the front"
            )
        return found

    def _refer(self, source: Source, detector: Detector) -> list[ReferenceSets | None]:
        """What each frame is shown beside itself; all of the video is known before."""
        lips, options = self.lips, self._options
        how = reference_choice(options.reference_frames, lips.model)
        if how == ITSELF:
            return [None] * len(self._frames)
        given = None
        if isinstance(how, tuple):
            given = see_frames(source, how, detector, speaker_choice(options.speaker), lips)
        references = References(lips.references, self.fps, given)
        seen: list[Seen | None] = []
        for number, (frame, transform, face, track) in enumerate(self._frames):
            if transform is None:
                seen.append(None)
                continue
            crop = lips.framing.cut(frame, transform, lips.size)
            seen.append(Seen(number, frame, crop, transform, face))
            references.see(track, seen[-1])
        found: list[ReferenceSets | None] = []
        for one, followed in zip(seen, self._frames, strict=True):
            choice = references.choose(followed.track, one) if one is not None else None
            found.append(references.crops(choice) if choice is not None else None)
        return found

    def push(self, wave: np.ndarray) -> Iterator[DubbedFrame]:
        """Take sound in, float32 (n,) mono at 16 kHz; give the frames that it completes."""
        wave = np.asarray(wave, np.float32)
        if self._speech.ended:
            raise ValueError("the session is finished")
        if wave.ndim != 1:
            raise ValueError(f"wave must be mono (n,), got shape {wave.shape}")
        wave = np.clip(np.nan_to_num(wave), -1, 1)
        self._speech.push(self._gate.push(wave) if self._gate is not None else wave)
        yield from self._ready(float("inf"))

    def finish(self) -> Iterator[DubbedFrame]:
        """The frames that are left, up to the end of the sound."""
        if self._gate is not None:
            self._speech.push(self._gate.finish())
        end = self._speech.seconds
        self._speech.finish()
        yield from self._ready(end)

    def _ready(self, end: float) -> Iterator[DubbedFrame]:
        while (start := self._made / self.fps) < end and self._speech.has(start, self.fps):
            yield self._make(start)

    def _make(self, start: float) -> DubbedFrame:
        index = next(self._order)
        original, transform = self._frames[index][:2]
        picture, framing = original, self.lips.framing
        if transform is not None:
            given = framing.cut(original, transform, self.lips.size)
            shown = self._references[index] or [(1.0, [given] * self.lips.references)]
            sound = self._speech.window(start, self.fps)
            made = self.lips.generate([sound], [given], [shown])[0]
            made = match_colours(made, given, framing.mask) if self._options.match else made
            made = self._enhance(made[None])[0] if self._enhance is not None else made
            picture = framing.paste(original, made, transform)
        if self._options.watermark is not None:
            picture = watermark(picture, self._options.watermark)
        number, self._made = self._made, self._made + 1
        return DubbedFrame(number, start, 1 / self.fps, picture, original, transform)
