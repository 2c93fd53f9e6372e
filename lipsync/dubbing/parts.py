"""Which faces speak, what each of them says, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lipsync.dubbing.speakers import SYNC, checked_face
from lipsync.errors import ConfigError


@dataclass(frozen=True)
class Part:
    """What one person says in a video.

    Attributes:
        name: of the person, for the result.
        sound: a file with this voice alone, on the clock of the video.
        turns: (start, end, face): from when to when a face is this person's and is dubbed, and
            which it is, see :func:`lipsync.dubbing.speakers.checked_face`; in seconds.
    """

    name: str
    sound: Path
    turns: tuple[tuple[float, float, str], ...]

    def face(self, seconds: float) -> str | None:
        """Which face is this person's at a time; None where none is."""
        return next((face for start, end, face in self.turns if start <= seconds < end), None)


@dataclass(frozen=True)
class Parts:
    """Several people who speak in turn; where none of them is seen, all lips are left alone."""

    parts: tuple[Part, ...]


Faces = str | int | dict | Parts
"""One face; sounds by faces; or what each person says when."""


def check_faces(faces: Faces) -> None:
    """Refuse faces that cannot be told apart, or have no sound.

    Raises:
        ConfigError: names the face.
    """
    if isinstance(faces, Parts):
        return
    if isinstance(faces, dict):
        if not faces:
            raise ConfigError("faces is empty; write e.g. left: a.wav, or leave it out")
        for face, sound in faces.items():
            if not isinstance(sound, str | Path):
                raise ConfigError(f"face {face} has no sound, got {sound!r}; name a file")
    rules = face_names(faces)
    for rule in rules:
        if rules.count(rule) > 1:
            raise ConfigError(f"face {rule} is given twice; give each face once")
    if SYNC in rules and len(rules) > 1:
        raise ConfigError(
            f"face {SYNC} finds one speaker; with several faces use positions or numbers"
        )


def face_names(faces: Faces) -> tuple[str, ...]:
    """The faces, or the people whose they are.

    Raises:
        ConfigError: there is no such face.
    """
    if isinstance(faces, Parts):
        return tuple(part.name for part in faces.parts)
    return tuple(map(checked_face, faces if isinstance(faces, dict) else [faces]))


def face_sounds(faces: Faces) -> tuple[Path, ...]:
    """The sound of each face; empty where there is one for all."""
    if isinstance(faces, Parts):
        return tuple(part.sound for part in faces.parts)
    return tuple(map(Path, faces.values())) if isinstance(faces, dict) else ()


def wanted_faces(faces: Faces) -> Callable[[float], tuple[str | None, ...]]:
    """Which faces speak at a time, in seconds of the video."""
    if isinstance(faces, Parts):
        parts = faces.parts
        return lambda seconds: tuple(part.face(seconds) for part in parts)
    rules = face_names(faces)
    return lambda _: rules
