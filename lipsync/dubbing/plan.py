"""The plan of a dub: for every frame that is shown, whose face is dubbed and with what.

Plans are made while frames come, a second or three ahead: shots and tracks
(:mod:`lipsync.dubbing.follow`), who speaks (:mod:`lipsync.dubbing.speakers`,
:mod:`lipsync.dubbing.syncing`), the references (:mod:`lipsync.dubbing.references`) and the sound
(:mod:`lipsync.dubbing.speech`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lipsync.dubbing.curves import plan_curves, wanted_curves
from lipsync.dubbing.faces import Face, FacePlan
from lipsync.dubbing.lips import Lips, load_generator
from lipsync.dubbing.options import Options
from lipsync.dubbing.playback import Playback, Shown
from lipsync.dubbing.sound import measure
from lipsync.dubbing.source import open_source
from lipsync.dubbing.speakers import SYNC
from lipsync.dubbing.speech import Speech
from lipsync.dubbing.stretch import find_stretch

_AROUND = 3.0  # seconds to each side of a stretch in which references are found, too


class Planned(NamedTuple):
    """A frame of the dubbed video before it is rendered.

    Attributes:
        number: its place, from 0.
        shown: its picture, and when it is shown.
        face: whose lips move; ``None`` where nobody's do.
        sound: float32 (bands, columns), what the generator hears, or (numbers,), the lips code that
            it paints; ``None`` without a face.
    """

    number: int
    shown: Shown
    face: Face | None
    sound: np.ndarray | None
    passes: bool = False
    """Whether it is outside the stretch that is dubbed, and shown as it is."""


class Plan:
    """A dub that is ready to run: inputs checked and measured, networks loaded.

    Args:
        face: a video, or a still picture.
        audio: a sound, or a video with one.
        options: what is wanted.

    Raises:
        MediaError, CheckpointError, ConfigError: as :func:`lipsync.dubbing.dub`.
    """

    def __init__(self, face: Path, audio: Path, options: Options) -> None:
        self.options = options
        partly = options.start is not None or options.until is not None
        tolerant, keep = options.tolerate_damage, options.tail == "keep" or partly
        # the face first: it is what is wrong more often
        open_source(face, fps=options.fps, seconds=0, tolerate_damage=True)
        self.sound = measure(audio, tolerate_damage=tolerant)
        wanted = float("inf") if keep else self.sound.seconds
        taken: dict[str, Any] = {"tolerate_damage": tolerant, "backdrop": options.backdrop}
        self.source = open_source(face, fps=options.fps, seconds=wanted, **taken)
        network, self.model = load_generator(options.model, options.device)
        self.lips = Lips(network)
        self.sound.check(self.lips.feature)
        self.stretch = find_stretch(options, self.source, self.sound)
        """What is dubbed, where that is not the whole."""
        lasts, length = self.sound.seconds, options.length
        if self.stretch is not None:
            lasts, length = self.stretch.end, "trim"
        self.playback = Playback(self.source, lasts, length, keep)
        self.faces = FacePlan(self.source, self.lips, options)
        self.curves = None
        """What the mouth does, where that is not left to the generator."""
        if wanted_curves(options):
            self.curves = plan_curves(self.lips, options, self.sound, float(self.source.fps))

    def frames(self, shown: Iterator[Shown]) -> Iterator[Planned]:
        """The frames of the dubbed video, from those that :attr:`playback` shows."""
        stretch = self.stretch
        endless = self.options.tail == "keep" or stretch is not None
        heard = self.sound.heard(self.options.gate, endless=endless)
        speech, fps = Speech(self.lips.feature, heard), float(self.source.fps)
        begin = 0.0 if stretch is None else stretch.start
        for number, (one, face) in enumerate(self._with_faces(shown)):
            passes, sound = not self.dubs(one.start), None
            if passes:
                face = None
            elif face is not None and stretch is not None:
                face = face._replace(weight=min(face.weight, stretch.weight(one.start, fps)))
            if face is not None and self.curves is not None:
                sound = self.curves.at(one.start - begin)
            elif face is not None:
                sound = speech.window(max(0.0, one.start - begin), fps)
            yield Planned(number, one, face, sound, passes)

    def _with_faces(self, shown: Iterator[Shown]) -> Iterator[tuple[Shown, Face | None]]:
        """Faces are not looked for far from the stretch, unless a file or a sound asks for them."""
        options, stretch = self.options, self.stretch
        if stretch is None or options.tracks is not None or options.speaker == SYNC:
            yield from self.faces.find(shown)
            return
        first, last = stretch.start - _AROUND, stretch.end + _AROUND
        for near, part in groupby(shown, lambda one: first <= one.start < last):
            find = self.faces.find if near else _without_faces
            yield from find(part)

    def dubs(self, seconds: float) -> bool:
        """Whether a frame that is first shown then is to be dubbed."""
        return self.stretch is None or self.stretch.holds(seconds)


def _without_faces(shown: Iterator[Shown]) -> Iterator[tuple[Shown, None]]:
    return ((one, None) for one in shown)
