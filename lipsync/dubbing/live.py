"""Live dubbing: push audio as it is spoken, and pull dubbed frames as soon as they are ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing.faces import FacePlan
from lipsync.dubbing.gate import VoiceGate
from lipsync.dubbing.options import Options
from lipsync.dubbing.parts import face_sounds
from lipsync.dubbing.plan import PlannedFrame
from lipsync.dubbing.playback import PlaybackFrame, continuation
from lipsync.dubbing.render import DubbedFrame, Renderer
from lipsync.dubbing.source import Source, open_source
from lipsync.dubbing.speakers import SYNC
from lipsync.dubbing.speech import Speech
from lipsync.errors import ConfigError, MediaError
from lipsync.generators.lips import Lips, load_generator
from lipsync.media.loudness import Leveller

MOST_SECONDS = 30  # maximum length of the face's video, whose frames are kept
MOST_BYTES = 2**30  # maximum memory for these frames


class LiveSession:
    """A face that speaks the audio pushed to it, frame by frame.

    The face's video (at most 30 s and 1 GiB of frames) is read and tracked first, and then played
    back and forth, or shown as a still. A frame can be generated once the audio in its window has
    arrived: :attr:`latency` seconds after the frame's own time, plus the time to generate it.

    Args:
        face: a short video, or a still picture.
        **options: those of :class:`lipsync.dubbing.options.Options`; ``tracks``, ``no_face``,
            ``reference``, ``tail`` and ``batch_size`` (frames are made one at a time) do not apply,
            ``length`` must be pingpong, loop or freeze, and ``faces`` a single face other than
            sync.

    Raises:
        MediaError: the face cannot be read, or no face is found.
        CheckpointError, ConfigError: as for :func:`lipsync.dubbing.dub`.

    Example:
        >>> session = LiveSession("face.png", model="wav2lip-gan-grid")  # doctest: +SKIP
        >>> for block in microphone:  # float32 (n,) at 16 kHz
        ...     for frame in session.push(block):
        ...         show(frame.picture)
    """

    def __init__(self, face: str | Path, **options: Any) -> None:
        settings = Options(**options)
        if settings.length == "trim":
            raise ConfigError(
                "length=trim does not apply to a live session, which has no end; use another length"
            )
        if settings.faces == SYNC:
            raise ConfigError(
                "face=sync needs the video's own sound, which a live session lacks; choose the "
                "face by position or number"
            )
        if settings.adapt:
            raise ConfigError(
                "a live session does not adapt; give it a model that lipsync adapt wrote"
            )
        if face_sounds(settings.faces):
            raise ConfigError("a live session dubs one face; give face without a sound")
        source = open_source(
            face,
            fps=settings.fps,
            seconds=MOST_SECONDS,
            tolerate_damage=settings.tolerate_damage,
            backdrop=settings.backdrop,
        )
        self.fps, self.size = float(source.fps), source.size
        network, self.model = load_generator(settings.model, settings.device)
        self.lips = Lips(network)
        self._renderer = Renderer(self.lips, settings, source.size)
        plan = FacePlan(source, self.lips, replace(settings, tracks=None), whole=True)
        self._frames = list(plan.find(_first_seconds(source)))
        if all(face is None for _, (face,) in self._frames):
            raise MediaError(
                source.path,
                f"no face found in {len(self._frames)} frames",
                "use a video or picture with a frontal face",
            )
        self._options = settings
        # warm up, as loading a library takes two seconds
        self.lips.feature.extract(np.zeros(SAMPLE_RATE, np.float32))
        self.restart()

    def restart(self) -> None:
        """Restart with new audio, for example when another person connects; keeps the face."""
        frames = len(self._frames)
        self._order = chain(range(frames), continuation(frames, self._options.length))
        self._speech = Speech(self.lips.feature)
        self._leveller = Leveller()
        self._gate = VoiceGate() if self._options.gate else None
        self._made = 0

    @property
    def latency(self) -> float:
        """Seconds of audio after a frame's own time needed to generate it."""
        delay = self._gate.delay if self._gate is not None else self._leveller.delay
        return self.lips.feature.look_ahead() + delay

    def push(self, wave: np.ndarray) -> Iterator[DubbedFrame]:
        """Take audio, float32 (n,) mono at 16 kHz, and yield the frames that become ready.

        The audio is taken at once; frames are generated as they are consumed. Those not consumed
        are yielded by the next call.
        """
        wave = np.asarray(wave, np.float32)
        if self._speech.ended:
            raise ValueError("the session is finished")
        if wave.ndim != 1:
            raise ValueError(f"wave must be mono (n,), got shape {wave.shape}")
        wave = np.clip(np.nan_to_num(wave), -1, 1)
        self._append_audio(self._leveller.push(wave))
        return self._ready_frames(float("inf"))

    def finish(self) -> Iterator[DubbedFrame]:
        """Yield the remaining frames, up to the end of the audio."""
        self._append_audio(self._leveller.finish())
        if self._gate is not None:
            self._speech.push(self._gate.finish())
        end = self._speech.seconds
        self._speech.finish()
        return self._ready_frames(end)

    def _append_audio(self, wave: np.ndarray) -> None:
        self._speech.push(self._gate.push(wave) if self._gate is not None else wave)

    def _ready_frames(self, end: float) -> Iterator[DubbedFrame]:
        while (start := self._made / self.fps) < end and self._speech.has(start, self.fps):
            yield self._render_next(start)

    def _render_next(self, start: float) -> DubbedFrame:
        frame, faces = self._frames[next(self._order)]
        frame = frame._replace(start=start, seconds=1 / self.fps)
        sound = self._speech.window(start, self.fps) if faces != (None,) else None
        number, self._made = self._made, self._made + 1
        return self._renderer.render(PlannedFrame(number, frame, faces, (sound,)))


def _first_seconds(source: Source) -> Iterator[PlaybackFrame]:
    for number, (seconds, frame) in enumerate(source.frames()):
        if number and (seconds >= MOST_SECONDS or (number + 1) * frame.nbytes > MOST_BYTES):
            return
        yield PlaybackFrame(number, seconds, 0.0, frame)
