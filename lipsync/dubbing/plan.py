"""The plan of a dub: for every output frame, the faces to dub, their references and audio.

Planning is streaming, with one to three seconds of look-ahead: shots and tracks
(:mod:`lipsync.dubbing.follow`), the speaker (:mod:`lipsync.dubbing.speakers`,
:mod:`lipsync.dubbing.syncing`), references (:mod:`lipsync.dubbing.references`) and audio
(:mod:`lipsync.dubbing.speech`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from lipsync.dubbing.curves import Curves, needs_curves, plan_curves
from lipsync.dubbing.faces import FacePlan, Faces
from lipsync.dubbing.options import Options
from lipsync.dubbing.parts import face_names, face_sounds
from lipsync.dubbing.playback import Playback, PlaybackFrame
from lipsync.dubbing.sound import measure, measure_mix
from lipsync.dubbing.source import open_source
from lipsync.dubbing.speakers import SYNC
from lipsync.dubbing.speech import Speech
from lipsync.dubbing.stretch import find_stretch
from lipsync.errors import ConfigError, MediaError
from lipsync.generators.lips import Lips, load_generator
from lipsync.media import probe
from lipsync.media.files import opened
from lipsync.media.pictures import STILLS
from lipsync.media.streams import USUAL, Streams

Progress = Callable[[str, int, int | None], None]
"""Called with the stage's name, frames or steps done, and the total if known."""
_MARGIN = 3.0  # seconds around a stretch that are also searched for references


class PlannedFrame(NamedTuple):
    """A frame of the dubbed video before rendering.

    Attributes:
        number: index from 0.
        source: source frame and timing.
        faces: speaking faces; ``None`` for those not dubbed in this frame.
        sounds: input of the generator for each face: an audio window, float32 (bands, columns), or
            a lips code (numbers,); ``None`` without a face.
    """

    number: int
    source: PlaybackFrame
    faces: Faces
    sounds: tuple[np.ndarray | None, ...]
    outside_stretch: bool = False
    """Whether it is outside the dubbed stretch, and passes unchanged."""


class Plan:
    """A dub that is ready to run: inputs checked and measured, networks loaded.

    Args:
        face: a video, or a still picture.
        audio: an audio file, or a video with sound; ``None`` for the mix of the faces' own audio.
        options: options of the dub.

    Raises:
        MediaError, CheckpointError, ConfigError: as for :func:`lipsync.dubbing.dub`.
    """

    def __init__(self, face: Path, audio: Path | None, options: Options) -> None:
        self.options = options
        partly = options.start is not None or options.until is not None
        tolerant, keep = options.tolerate_damage, options.tail == "keep" or partly
        # check the face first, as it is more often at fault
        film = Streams(video=options.video_stream)
        open_source(face, fps=options.fps, seconds=0, tolerate_damage=True, streams=film)
        film, audio_streams = choose_streams(face, audio, options)
        if options.adapt:
            _check_own_sound(face, film)
        self.sounds = [measure(path, tolerant) for path in face_sounds(options.faces)]
        """Audio of each face."""
        self.sound = (
            measure_mix(self.sounds) if audio is None else measure(audio, tolerant, audio_streams)
        )
        """Soundtrack."""
        self.replaced = film
        """Tracks of the face's file that the dub replaces."""
        if audio is not None and audio.exists() and audio.samefile(face):
            self.replaced = replace(film, audio=audio_streams.audio)
        self.sounds = self.sounds or [self.sound]
        seconds = float("inf") if keep else self.sound.seconds
        how: dict[str, Any] = {"tolerate_damage": tolerant, "backdrop": options.backdrop}
        how["streams"] = film
        self.source = open_source(face, fps=options.fps, seconds=seconds, **how)
        network, self.model = load_generator(options.model, options.device)
        self.lips = Lips(network)
        for sound in self.sounds:
            sound.check(self.lips.feature)
        self.stretch = find_stretch(options, self.source, self.sound)
        """Dubbed stretch; None for the whole video."""
        duration, length = self.sound.seconds, options.length
        if self.stretch is not None:
            duration, length = self.stretch.end, "trim"
        self.playback = Playback(self.source, duration, length, keep)
        self.faces = FacePlan(self.source, self.lips, options)
        self.not_adapted = ""
        """Why the generator was not adapted although requested; else empty."""
        self.curves: list[Curves] = []
        """Curves that each mouth follows; empty to follow the audio."""
        self._needs_curves = needs_curves(options, self.lips)

    def finish(self, progress: Progress | None = None) -> None:
        """Do the slow preparations, after all cheaper checks.

        Args:
            progress: called with the stages of an adaptation, see
                :func:`lipsync.adapt.adapted_generator`.
        """
        options = self.options
        if options.adapt:
            from lipsync.adapt import adapted_generator  # rarely needed

            assert not isinstance(options.model, nn.Module)  # refused by Options
            face = SYNC if options.faces == SYNC else None
            how = {"face": face, "device": options.device, "progress": progress or (lambda *_: 0)}
            model, self.not_adapted = adapted_generator(self.source.path, options.model, **how)
            self.lips.model, self.model = load_generator(model, options.device)
        if self._needs_curves:
            fps = float(self.source.fps)
            self.curves = [plan_curves(self.lips, options, sound, fps) for sound in self.sounds]

    def frames(self, playback_frames: Iterator[PlaybackFrame]) -> Iterator[PlannedFrame]:
        """Plan the frames that :attr:`playback` yields."""
        stretch, fps = self.stretch, float(self.source.fps)
        endless = self.options.tail == "keep" or stretch is not None or len(self.sounds) > 1
        endless = endless or self.sound is not self.sounds[0]
        inputs = [sound.input_blocks(self.options.gate, endless=endless) for sound in self.sounds]
        speech = [Speech(self.lips.feature, blocks) for blocks in inputs]
        begin = 0.0 if stretch is None else stretch.start
        for number, (one, faces) in enumerate(self._with_faces(playback_frames)):
            outside_stretch = not self.is_dubbed(one.start)
            if outside_stretch:
                faces = (None,) * len(faces)
            elif stretch is not None:
                weight = stretch.weight(one.start, fps)
                faces = tuple(f and f._replace(weight=min(f.weight, weight)) for f in faces)
            at = max(0.0, one.start - begin)
            sounds = tuple(
                None
                if face is None
                else self.curves[k].at(at)
                if self.curves
                else speech[k].window(at, fps)
                for k, face in enumerate(faces)
            )
            yield PlannedFrame(number, one, faces, sounds, outside_stretch)

    def _with_faces(
        self, playback_frames: Iterator[PlaybackFrame]
    ) -> Iterator[tuple[PlaybackFrame, Faces]]:
        """Find faces; only near the stretch, unless tracks or sync need the whole video."""
        options, stretch = self.options, self.stretch
        if stretch is None or options.tracks is not None or SYNC in face_names(options.faces):
            yield from self.faces.find(playback_frames)
            return
        first, last = stretch.start - _MARGIN, stretch.end + _MARGIN
        for near, part in groupby(playback_frames, lambda one: first <= one.start < last):
            if near:
                yield from self.faces.find(part)
            else:
                yield from ((one, (None,) * len(self.sounds)) for one in part)

    def is_dubbed(self, seconds: float) -> bool:
        """Whether a frame that starts at this time is to be dubbed."""
        return self.stretch is None or self.stretch.contains(seconds)


def _check_own_sound(face: Path, film: Streams) -> None:
    """Check that the face's file has a default audio track, for adaptation."""
    if film.audio is not None:
        raise ConfigError(
            f"`adapt` uses the default sound of {face}; leave out `audio_stream`, or name a file "
            "that has only the new sound"
        )
    if face.suffix.lower() in STILLS or not probe(face).has_audio:
        raise MediaError(face, "has no sound of its own to adapt to", "leave out `adapt`")


def choose_streams(face: Path, audio: Path | None, options: Options) -> tuple[Streams, Streams]:
    """Tracks to read from the face's file and from the audio file.

    ``audio_stream`` refers to the audio file if it has several tracks, else to the face's video.

    Raises:
        MediaError: there is no such track.
    """
    film, chosen = Streams(video=options.video_stream), options.audio_stream
    if chosen is None:
        return film, USUAL
    alone = Streams(audio=chosen)
    if audio is not None:
        with opened(audio) as container:
            if len(container.streams.audio) > 1 or face.suffix.lower() in STILLS:
                alone.audio_of(audio, container)
                return film, alone
    with opened(face) as container:
        alone.audio_of(face, container)
    return replace(film, audio=chosen), USUAL
